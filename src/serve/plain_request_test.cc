#include "serve/plain_request.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "serve/http_client.h"

namespace assay::serve {
namespace {

const HttpOptions kLimits;

std::size_t read(std::string_view bytes, Request* request) {
  return read_plain_request(bytes, kLimits, request);
}

TEST(PlainRequest, IsReadToItsEndAndNoFurther) {
  const std::string one =
      "POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nAccept: \t*/*, b  \r\n"
      "Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhello";
  Request request{
      "old", "old", {{"a", "b"}, {"c", "d"}, {"e", "f"}, {"g", "h"}, {"i", "j"}, {}}, "x"};
  ASSERT_EQ(read(one + "GET / HTTP/1.1\r\n\r\n", &request), one.size());
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/a?b=c");
  EXPECT_EQ(request.body, "hello");
  EXPECT_EQ(request.headers,
            (Headers{{"host", "x"},
                     {"x-empty", ""},
                     {"accept", "*/*, b"},
                     {"content-length", "5"},
                     {"connection", "keep-alive"}}));
  ASSERT_EQ(read("GET / HTTP/1.1\r\n\r\n", &request), 18U);
  EXPECT_EQ(request.method, "GET");
  EXPECT_TRUE(request.headers.empty());
  EXPECT_EQ(request.body, "");
}

TEST(PlainRequest, WhatIsNotPlainOrNotWholeIsLeft) {
  Request request;
  const std::string whole = HttpClient::request("POST", "/x", "body", "accept: */*\r\n");
  ASSERT_EQ(read(whole, &request), whole.size());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(read(whole.substr(0, size), &request), 0U) << size;
  }
  for (const std::string& bytes :
       {std::string("HEAD / HTTP/1.1\r\n\r\n"),
        std::string("get / HTTP/1.1\r\n\r\n"),
        std::string("GET  / HTTP/1.1\r\n\r\n"),
        std::string("GET x HTTP/1.1\r\n\r\n"),
        std::string("GET /\x80 HTTP/1.1\r\n\r\n"),
        std::string("GET / HTTP/1.0\r\n\r\n"),
        std::string("GET / HTTP/1.1\n\n"),
        std::string("\r\nGET / HTTP/1.1\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\na : b\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\n: b\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\na: b\x01\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\na: \xc3\xab\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\na: b\rc\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nconnection: close\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nupgrade: h2c\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 0\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\ncontent-length: 0x1\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx"),
        std::string("POST / HTTP/1.1\r\ncontent-length: 18446744073709551617\r\n\r\nx"),
        "GET / HTTP/1.1\r\na: " + std::string(kLimits.header_bytes_max, 'b') + "\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: " + std::to_string(kLimits.body_bytes_max + 1) +
            "\r\n\r\n" + std::string(kLimits.body_bytes_max + 1, 'x')}) {
    EXPECT_EQ(read(bytes, &request), 0U) << bytes.substr(0, 80);
  }
}

/// Says all that the handler gets.
Response echo_all(const Request& request) {
  Response response;
  response.body = request.method + " " + request.target + "\n";
  for (const auto& [name, value] : request.headers) {
    response.body += name + "=" + value + "\n";
  }
  response.body += request.body;
  return response;
}

/// A server and what it says to bytes that come in pieces.
class Pieces {
 public:
  Pieces() {
    HttpOptions options;
    options.port = 0;
    options.threads = 1;
    server_ = start_http_server(world_, echo_all, options).value();
  }
  std::string ask(const std::vector<std::string>& pieces) {
    HttpClient client(server_->port());
    for (const std::string& piece : pieces) {
      if (!client.send(piece)) {
        break;
      }
    }
    client.finish_sending();
    std::string said;
    while (const auto answer = client.receive()) {
      said += answer->head + answer->body + "\n";
    }
    return said;
  }

 private:
  FakeClock clock_{EventTime{0}};
  std::unique_ptr<FileSystem> files_ = system_files();
  std::unique_ptr<Random> random_ = seeded_random(1);
  std::unique_ptr<Log> log_ = null_log();
  Metrics metrics_;
  World world_{clock_, *files_, *random_, *log_, metrics_};
  std::unique_ptr<HttpServer> server_;
};

TEST(PlainRequest, SaysWhatTheWholeParserSays) {
  Pieces server;
  const auto random = seeded_random(7);
  const std::string good =
      "POST /a HTTP/1.1\r\nhost: test\r\naccept: */*\r\nx-b: c d\t\r\ncontent-length: 3\r\n\r\nabc";
  for (int round = 0; round < 400; ++round) {
    std::string bytes = good;
    if (round > 0) {
      const auto at = static_cast<std::size_t>(random->below(good.size()));
      constexpr std::string_view kBytes = "\r\n :\t0aZ\x80-,\"/";
      bytes[at] = kBytes[random->below(kBytes.size())];
      if (random->below(2) == 0) {
        bytes.insert(random->below(good.size()), 1, kBytes[random->below(kBytes.size())]);
      }
    }
    Request request;
    if (read(bytes, &request) != bytes.size()) {
      continue;
    }
    // Its first byte alone is not whole, so the other parser takes it; which then keeps it. Those
    // two pieces may still come as one; most do not.
    EXPECT_EQ(server.ask({bytes}), server.ask({bytes.substr(0, 1), bytes.substr(1)})) << bytes;
  }
}

}  // namespace
}  // namespace assay::serve
