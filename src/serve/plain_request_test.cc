#include "serve/plain_request.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "serve/http_client.h"
#include "serve/request_reader.h"

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
  ASSERT_EQ(read("GET / HTTP/1.1\r\nHOST: x\r\n\r\n", &request), 27U);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.headers, (Headers{{"host", "x"}}));
  EXPECT_EQ(request.body, "");
}

TEST(PlainRequest, WhatIsNotPlainOrHasNoWholeHeadIsLeft) {
  Request request;
  const std::string whole = HttpClient::request("POST", "/x", "body", "accept: */*\r\n");
  ASSERT_EQ(read(whole, &request), whole.size());
  for (std::size_t size = 0; size < whole.size(); ++size) {  // with its head, how long it will be
    EXPECT_EQ(read(whole.substr(0, size), &request), size < whole.size() - 4 ? 0U : whole.size());
    EXPECT_TRUE(size < whole.size() - 4 || request.body.empty()) << size;
  }
  for (const std::string& bytes :
       {std::string("HEAD / HTTP/1.1\r\nhost: t\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nhost: t\r\nhost: t\r\n\r\n"),
        std::string("get / HTTP/1.1\r\nhost: t\r\n\r\n"),
        std::string("GET  / HTTP/1.1\r\nhost: t\r\n\r\n"),
        std::string("GET x HTTP/1.1\r\nhost: t\r\n\r\n"),
        std::string("GET /\x80 HTTP/1.1\r\nhost: t\r\n\r\n"),
        std::string("GET / HTTP/1.0\r\n\r\n"),
        std::string("GET / HTTP/1.1\n\n"),
        std::string("\r\nGET / HTTP/1.1\r\nhost: t\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nhost: t\r\na : b\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nhost: t\r\n: b\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nhost: t\r\na: b\r\n c\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nhost: t\r\na: b\x01\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nhost: t\r\na: \xc3\xab\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nhost: t\r\na: b\rc\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nhost: t\r\nupgrade: h2c\r\n\r\n"),
        std::string(
            "POST / HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 0\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: -1\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 0x1\r\n\r\n"),
        std::string(
            "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx"),
        std::string("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 18446744073709551617\r\n\r\nx"),
        "GET / HTTP/1.1\r\nhost: t\r\na: " + std::string(kLimits.header_bytes_max, 'b') +
            "\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: " +
            std::to_string(kLimits.body_bytes_max + 1) + "\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: " +
            std::to_string(kLimits.body_bytes_max + 1) + "\r\n\r\n" +
            std::string(kLimits.body_bytes_max + 1, 'x')}) {
    EXPECT_EQ(read(bytes, &request), 0U) << bytes.substr(0, 80);
  }
}

/// What a reader makes of bytes that come in these pieces.
std::string read_in_pieces(const std::vector<std::string>& pieces) {
  RequestReader reader(kLimits);
  Request request;
  std::string buffer;
  for (const std::string& piece : pieces) {
    buffer += piece;
    if (reader.state() != RequestReader::State::kWhole) {
      buffer.erase(0, reader.take(buffer, &request));
    }
  }
  std::string said = std::to_string(static_cast<int>(reader.state())) + " left " + buffer + "\n";
  if (reader.state() == RequestReader::State::kWhole) {
    said += request.method + " " + request.target + " " + std::to_string(reader.form().version) +
            (reader.form().keep_alive ? " goes on\n" : " ends\n");
    for (const auto& [name, value] : request.headers) {
      said += name + "=" + value + "\n";
    }
    said += request.body;
  }
  return said;
}

TEST(PlainRequest, SaysWhatTheWholeParserSays) {
  const auto random = seeded_random(7);
  const std::string good =
      "POST /a HTTP/1.1\r\nhost: test\r\naccept: */*\r\nx-b: c d\t\r\ncontent-length: 3\r\n\r\nabc";
  int plain = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (uint64_t changes = random->below(3); round > 0 && changes > 0; --changes) {
      constexpr std::string_view kBytes = "\r\n :\t0aZ\x80-,\"/";
      const char byte = kBytes[random->below(kBytes.size())];
      const auto at = static_cast<std::size_t>(random->below(bytes.size()));
      random->below(2) == 0 ? bytes.insert(at, 1, byte) : bytes.replace(at, 1, 1, byte);
    }
    Request request;
    if (const std::size_t size = read(bytes, &request); size == 0 || size > bytes.size()) {
      continue;
    }
    ++plain;
    // A first byte alone is never plain: the other parser takes it, and all that follows.
    const std::string said = read_in_pieces({bytes.substr(0, 1), bytes.substr(1)});
    ASSERT_EQ(read_in_pieces({bytes}), said) << bytes;
    const auto cut = static_cast<std::size_t>(random->below(bytes.size()));
    ASSERT_EQ(read_in_pieces({bytes.substr(0, cut), bytes.substr(cut)}), said) << bytes;
  }
  EXPECT_GT(plain, 2'000);
}

TEST(PlainRequest, ALongBodyIsReadAsTheWholeParserReadsIt) {
  const auto random = seeded_random(8);
  for (const std::size_t size : {std::size_t{1}, std::size_t{3000}, std::size_t{100'000}}) {
    std::string body(size, ' ');
    for (char& byte : body) {
      byte = static_cast<char>(random->below(256));
    }
    const std::string bytes = HttpClient::request("POST", "/x", body, "") + "GET";
    const std::size_t head = bytes.size() - body.size() - 3;
    std::vector<std::string> pieces = {bytes.substr(0, head)};
    for (std::size_t at = head; at < bytes.size(); at += pieces.back().size()) {
      pieces.push_back(bytes.substr(at, 1 + static_cast<std::size_t>(random->below(size))));
    }
    EXPECT_EQ(read_in_pieces(pieces), read_in_pieces({bytes.substr(0, 1), bytes.substr(1)}));
  }
}

}  // namespace
}  // namespace assay::serve
