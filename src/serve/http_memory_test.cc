// What connections of a server hold in memory, and clients that take their time.

#include <algorithm>
#include <deque>
#include <string>

#include <gtest/gtest.h>

#include "serve/http_server_fixture.h"

namespace assay::serve {
namespace {

constexpr int kWaitMax = 20'000;          // milliseconds
constexpr std::size_t kLarge = 20 << 20;  // more than sockets hold

class HttpMemoryTest : public HttpServerTest {
 protected:
  int64_t refused() { return metrics_.counter("assay_serve_no_room_total", "").value(); }
};

/// The client that has an answer, whichever that is.
std::deque<HttpClient>::iterator first_answered(std::deque<HttpClient>* clients) {
  for (int waited = 0; waited < kWaitMax; waited += 10) {
    const auto found = std::find_if(
        clients->begin(), clients->end(), [](const HttpClient& one) { return one.readable(0); });
    if (found != clients->end() || clients->front().readable(10)) {
      return found != clients->end() ? found : clients->begin();
    }
  }
  return clients->end();
}

TEST_F(HttpMemoryTest, RequestsThatAreHalfSentAreBoundedTogether) {
  const std::string body(500'000, 'x');
  const std::string whole = HttpClient::request("POST", "/x", body);
  const std::string chunks =
      "POST /x HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n7A120\r\n" + body +
      "\r\n0\r\n\r\n";
  for (const std::string& request : {whole, chunks}) {
    const int64_t before = refused();
    HttpOptions options;
    options.held_bytes_max = 1'100'000;
    start(echo, options);
    constexpr std::size_t kFirst = 400'000;
    std::deque<HttpClient> clients;
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(clients.emplace_back(server_->port()).send(request.substr(0, kFirst)));
    }
    const auto last_read = first_answered(&clients);
    ASSERT_NE(last_read, clients.end());
    const auto answer = last_read->receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->status, 503);
    EXPECT_EQ(answer->header("retry-after"), "1");
    EXPECT_TRUE(last_read->closed_by_server());
    EXPECT_EQ(refused() - before, 1);
    for (HttpClient& client : clients) {
      if (&client != &*last_read) {
        ASSERT_TRUE(client.send(request.substr(kFirst)));
        EXPECT_EQ(client.receive()->body, "POST /x " + body);
      }
    }
    EXPECT_EQ(client_->ask("POST", "/x", body)->body, "POST /x " + body) << "there is room again";
    server_->stop();
  }
}

TEST_F(HttpMemoryTest, AnswersThatAreNotReadAreBoundedTogether) {
  HttpOptions options;
  options.threads = 1;
  options.held_bytes_max = kLarge + kLarge / 2;
  HttpClient& slow = start(many, options);
  HttpClient other(server_->port());
  const std::string large = "/" + std::to_string(kLarge);
  ASSERT_TRUE(slow.send(HttpClient::request("GET", large)));
  ASSERT_TRUE(slow.readable(kWaitMax));
  const auto refusal = other.ask("GET", large);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->status, 503);
  EXPECT_EQ(refusal->header("retry-after"), "1");
  EXPECT_EQ(other.ask("GET", "/60000")->body.size(), 60'000U) << "there is room for small ones";
  EXPECT_EQ(slow.receive()->body.size(), kLarge);
  EXPECT_EQ(other.ask("GET", large)->body.size(), kLarge) << "there is room again";
  const std::string huge = "/" + std::to_string(2 * kLarge);
  EXPECT_EQ(other.ask("GET", huge)->status, 413) << "for which there never is";
  EXPECT_EQ(other.ask("HEAD", huge)->status, 200);
  EXPECT_EQ(other.ask("GET", "/1")->body, "x");
  EXPECT_EQ(refused(), 2);
}

/// Takes what comes with pauses in between.
class SlowReader : public HttpClient {
 public:
  SlowReader(uint16_t port, int milliseconds)
      : HttpClient(port), quiet_(port), milliseconds_(milliseconds) {
    const int bytes = 64 << 10;  // so that the system does not take it instead
    ::setsockopt(socket(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
  }

 protected:
  ssize_t read_some(char* bytes, std::size_t size) override {
    constexpr ssize_t kBetween = 1 << 20;
    if (read_ >= kBetween) {
      read_ = 0;
      (void)quiet_.readable(milliseconds_);  // nothing comes there
    }
    const ssize_t got = HttpClient::read_some(bytes, size);
    read_ += got;
    return got;
  }

 private:
  HttpClient quiet_;
  int milliseconds_;
  ssize_t read_ = 0;
};

TEST_F(HttpMemoryTest, AnAnswerThatIsTakenSlowlyIsNotCutOff) {
  HttpOptions options;
  options.read_timeout = Duration{kMicrosPerSecond * 3 / 2};
  start(many, options);
  SlowReader client(server_->port(), 125);  // 2.5 s for all of it
  const auto answer = client.ask("GET", "/" + std::to_string(kLarge));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body.size(), kLarge);
}

TEST_F(HttpMemoryTest, AnAnswerThatIsNotTakenIsCutOff) {
  HttpOptions options;
  options.connections_max = 2;
  options.read_timeout = Duration{50'000};
  start(many, options);
  HttpClient idle(server_->port());
  ASSERT_TRUE(idle.send(HttpClient::request("GET", "/" + std::to_string(kLarge))));
  ASSERT_TRUE(idle.readable(kWaitMax));
  int status = 0;
  for (int tries = 0; status != 200 && tries < kWaitMax; ++tries) {  // until its place is free
    HttpClient next(server_->port());
    const auto answer = next.readable(1) ? next.receive() : next.ask("GET", "/1");
    status = answer.has_value() ? answer->status : 0;
  }
  EXPECT_EQ(status, 200);
  EXPECT_FALSE(idle.receive().has_value()) << "it was closed in the middle";
}

}  // namespace
}  // namespace assay::serve
