// What a connection of HTTP/2 may hold, how long it may take, and what ends it.

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <thread>

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include "serve/frame_allowance.h"
#include "serve/http2_client.h"
#include "serve/http_server_fixture.h"

namespace assay::serve {
namespace {

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload = "") {
  return FrameClient::frame(type, flags, stream, payload);
}
constexpr auto field = FrameClient::field;

class Http2Bounds : public HttpServerTest {
 protected:
  int64_t counted(const std::string& name) {
    return metrics_.counter("assay_serve_" + name + "_total", "").value();
  }
  /// Headers of a request to "/", without frames.
  static std::string head(std::string_view method) {
    return field(":method", method) + field(":scheme", "http") + field(":path", "/") +
           field(":authority", "test");
  }
};

/// Bytes behind a greeting that end the connection, since they ask too much and nothing.
class Http2Flood : public Http2Bounds {
 protected:
  void expect_end_of(const std::string& bytes, std::string_view what) {
    const int64_t before = counted("http2_floods");
    HttpClient wire(server_->port());
    FrameClient frames(wire);
    frames.send(FrameClient::greeting() + bytes);
    EXPECT_EQ(frames.goaway(), NGHTTP2_ENHANCE_YOUR_CALM) << what;
    EXPECT_TRUE(wire.closed_by_server()) << what;
    EXPECT_EQ(counted("http2_floods") - before, 1) << what;
    HttpClient other(server_->port());
    EXPECT_EQ(Http2Client(other).ask("GET", "/")->status, 200) << "others are served";
  }
  static std::string repeated(const std::string& bytes, int64_t times) {
    std::string all;
    for (; times > 0; --times) {
      all += bytes;
    }
    return all;
  }
  static constexpr int64_t kMany = FrameAllowance::kMax + 1;
};

TEST_F(Http2Flood, OfFramesThatAskNothingEndsTheConnection) {
  start();
  const std::string zero(1, '\0');
  expect_end_of(repeated(frame(NGHTTP2_PING, 0, 0, "12345678"), kMany), "pings");
  expect_end_of(repeated(frame(NGHTTP2_SETTINGS, 0, 0), kMany), "settings");
  expect_end_of(repeated(frame(NGHTTP2_PRIORITY, 0, 1, std::string("\0\0\0\3\1", 5)), kMany),
                "priorities");
  expect_end_of(repeated(frame(NGHTTP2_WINDOW_UPDATE, 0, 0, std::string("\0\0\0\1", 4)), kMany),
                "window updates");
  expect_end_of(repeated(frame(0xbe, 0, 0, "x"), kMany), "frames of no known type");
  expect_end_of(frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, head("POST")) +
                    repeated(frame(NGHTTP2_DATA, 0, 1), kMany),
                "empty data");
  expect_end_of(frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, head("POST")) +
                    repeated(frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, zero), kMany * 100),
                "data of nothing but padding");
  expect_end_of(frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, head("POST")) +
                    frame(NGHTTP2_RST_STREAM, 0, 1, std::string("\0\0\0\x8", 4)) +
                    repeated(frame(NGHTTP2_DATA, 0, 1, "x"), kMany * 10),
                "data of a request that is reset");
}

TEST_F(Http2Flood, IsNoneOfRequestsThatAreTakenBack) {
  start();
  FrameClient frames(*client_);
  std::string bytes = FrameClient::greeting();
  // Frames are counted as they come, some at once, before it is known what they take back.
  constexpr uint32_t kTakenBack = FrameAllowance::kMax - 200;
  for (uint32_t i = 0; i < kTakenBack; ++i) {
    bytes += FrameClient::get(2 * i + 1) +
             frame(NGHTTP2_RST_STREAM, 0, 2 * i + 1, std::string("\0\0\0\x8", 4));
  }
  ASSERT_TRUE(frames.send(bytes + FrameClient::get(2 * kTakenBack + 1, "/last")));
  const std::optional<WireFrame> answer = frames.next(NGHTTP2_DATA);
  ASSERT_TRUE(answer.has_value()) << "each costs what a frame does";
  EXPECT_EQ(answer->payload, "GET /last ");
}

/// CVE-2023-44487.
TEST_F(Http2Flood, OfRequestsThatAreResetEndsTheConnection) {
  std::atomic<int> asked{0};
  start([&](const Request& request) {
    ++asked;
    return echo(request);
  });
  std::string bytes;
  for (uint32_t i = 0; i < kMany; ++i) {
    bytes += FrameClient::get(2 * i + 1) +
             frame(NGHTTP2_RST_STREAM, 0, 2 * i + 1, std::string("\0\0\0\x8", 4));
  }
  expect_end_of(bytes, "requests and resets");
  EXPECT_LT(asked, FrameAllowance::kMax / 2) << "what was asked and reset at once is not computed";
}

/// The server is made to do the resetting.
TEST_F(Http2Flood, OfRequestsThatMakeTheServerResetEndsTheConnection) {
  start();
  std::string bytes;
  for (uint32_t i = 0; i < kMany; ++i) {
    bytes += frame(NGHTTP2_HEADERS,
                   NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                   2 * i + 1,
                   field(":method", "GET"));
  }
  expect_end_of(bytes, "malformed requests");
  bytes.clear();
  for (uint32_t i = 0; i < kMany; ++i) {
    bytes += frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2 * i + 1, head("POST")) +
             frame(NGHTTP2_WINDOW_UPDATE, 0, 2 * i + 1, "\x7f\xff\xff\xff");
  }
  expect_end_of(bytes, "window updates of too much");
}

/// CVE-2024-27316, and headers that unpack to much more.
TEST_F(Http2Flood, OfHeadersEndsTheConnection) {
  start();
  expect_end_of(frame(NGHTTP2_HEADERS, 0, 1, head("GET")) +
                    repeated(frame(NGHTTP2_CONTINUATION, 0, 1, field("x", "y")), kMany),
                "small continuations");
  expect_end_of(
      frame(NGHTTP2_HEADERS, 0, 1, head("GET")) +
          repeated(frame(NGHTTP2_CONTINUATION, 0, 1, field("x", std::string(16'000, 'y'))), 5),
      "large continuations");
  const std::string remembered = "\x40" + field("x", std::string(4'000, 'y')).substr(1);
  expect_end_of(frame(NGHTTP2_HEADERS,
                      NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                      1,
                      head("GET") + remembered + std::string(10'000, '\xbe')),
                "one header, ten thousand times");
}

TEST_F(Http2Bounds, WhoIsAnsweredMaySendWhatAnswersNeed) {
  start(many);
  Http2Client client(*client_);
  for (int i = 0; i < 2'000; ++i) {  // each with pings and window updates of its own
    ASSERT_EQ(client.ask("GET", "/1000")->body.size(), 1'000U);
  }
  EXPECT_EQ(client.ask("GET", "/20000000")->body.size(), 20'000'000U);
  EXPECT_EQ(client.ask("GET", "/1")->body.size(), 1U);
  EXPECT_EQ(counted("http2_floods"), 0);
}

TEST_F(Http2Bounds, AConnectionHasSoManyRequestsAtOnce) {
  HttpOptions options;
  options.streams_max = 3;
  start(echo, options);
  FrameClient frames(*client_);
  std::string bytes = FrameClient::greeting();
  for (uint32_t i = 0; i < 4; ++i) {
    bytes += frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2 * i + 1, head("POST"));
  }
  ASSERT_TRUE(frames.send(bytes));
  const auto settings = frames.next(NGHTTP2_SETTINGS);
  ASSERT_TRUE(settings.has_value());
  EXPECT_NE(settings->payload.find(std::string("\0\3\0\0\0\3", 6)), std::string::npos);
  const auto refused = frames.next(NGHTTP2_RST_STREAM);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->stream, 7U);
  EXPECT_EQ(refused->payload.back(), NGHTTP2_REFUSED_STREAM) << "it may be asked again";
  for (const uint32_t stream : {5U, 1U, 3U}) {
    ASSERT_TRUE(frames.send(frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, stream, "b")));
    EXPECT_EQ(frames.next(NGHTTP2_DATA)->payload, "POST / b");
  }
  ASSERT_TRUE(frames.send(FrameClient::get(9)));
  EXPECT_EQ(frames.next(NGHTTP2_DATA)->payload, "GET / ");
  std::string more = frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0);
  for (uint32_t i = 5; i < 9; ++i) {
    more += frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2 * i + 1, head("POST"));
  }
  ASSERT_TRUE(frames.send(more));
  EXPECT_EQ(frames.goaway(), NGHTTP2_PROTOCOL_ERROR) << "it knew how many";
}

TEST_F(Http2Bounds, ATooLargeBodyIs413AndTheConnectionGoesOn) {
  HttpOptions options;
  options.body_bytes_max = 1'000;
  start(echo, options);
  Http2Client client(*client_);
  const std::string large(500'000, 'x');
  const std::string length = std::to_string(large.size());
  EXPECT_EQ(client.ask("POST", "/", std::string(1'000, 'x'))->status, 200);
  EXPECT_EQ(client.ask("POST", "/", large)->status, 413);
  EXPECT_EQ(client.ask("POST", "/", large, {{"content-length", length}})->status, 413);
  EXPECT_EQ(client.ask("GET", "/", "", {{"x-big", std::string(20'000, 'h')}})->status, 431);
  const int32_t half = client.send_half("POST", "/", std::string(1'001, 'x'));
  const auto refused = client.receive(half);  // before it is whole
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 413);
  for (int i = 0; i < 20; ++i) {  // more than the connection's window
    EXPECT_EQ(client.ask("POST", "/", large)->status, 413);
  }
  EXPECT_EQ(client.ask("POST", "/", "b")->body, "POST / b");
}

TEST_F(Http2Bounds, RequestsThatAreHalfSentAreBoundedTogether) {
  HttpOptions options;
  options.held_bytes_max = 1'100'000;
  start(
      [](const Request& request) {
        return Response{200, "text/plain", std::to_string(request.body.size()), {}};
      },
      options);
  std::string begun = FrameClient::greeting() + frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0);
  for (uint32_t stream = 1; stream <= 5; stream += 2) {
    begun += frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, stream, head("POST"));
    for (int i = 0; i < 20; ++i) {
      begun += frame(NGHTTP2_DATA, 0, stream, std::string(10'000, 'x'));
    }
  }
  HttpClient second_wire(server_->port());
  FrameClient first(*client_);
  FrameClient second(second_wire);
  ASSERT_TRUE(first.send(begun + FrameClient::get(7)));
  ASSERT_EQ(first.next(NGHTTP2_DATA)->payload, "0") << "all that is before it is read";
  ASSERT_TRUE(second.send(begun + FrameClient::get(7)));
  const auto refused = second.next(NGHTTP2_DATA);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->stream, 5U);
  EXPECT_NE(refused->payload.find("half sent"), std::string::npos);
  EXPECT_EQ(second.next(NGHTTP2_DATA)->payload, "0");
  EXPECT_EQ(counted("no_room"), 1);
  for (FrameClient* const client : {&first, &second}) {
    for (uint32_t stream = 1; stream <= (client == &first ? 5U : 3U); stream += 2) {
      ASSERT_TRUE(client->send(frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, stream, "y")));
      const auto answer = client->next(NGHTTP2_DATA);
      EXPECT_EQ(answer->stream, stream);
      EXPECT_EQ(answer->payload, "200001");
    }
  }
  HttpClient third_wire(server_->port());
  EXPECT_EQ(Http2Client(third_wire).ask("POST", "/", std::string(1'000'000, 'x'))->status, 200)
      << "there is room again";
}

TEST_F(Http2Bounds, AnswersThatAreNotReadAreBoundedTogether) {
  constexpr std::size_t kLarge = 5 << 20;
  HttpOptions options;
  options.threads = 1;
  options.held_bytes_max = 3 * kLarge + kLarge / 2;
  start(many, options);
  HttpClient other(server_->port());
  Http2Client slow(*client_, {false, 1'000});
  const std::string large = "/" + std::to_string(kLarge);
  std::vector<int32_t> streams;
  for (int i = 0; i < 3; ++i) {
    streams.push_back(slow.send("GET", large));
  }
  ASSERT_EQ(slow.ask("GET", "/7")->body.size(), 7U) << "they are answered by now";
  EXPECT_EQ(other.ask("GET", large)->status, 503);
  EXPECT_EQ(slow.ask("GET", large)->status, 503);
  EXPECT_EQ(other.ask("GET", "/60000")->body.size(), 60'000U) << "there is room for small ones";
  EXPECT_EQ(slow.ask("HEAD", "/" + std::to_string(20 * kLarge))->status, 200);
  EXPECT_EQ(slow.ask("GET", "/" + std::to_string(20 * kLarge))->status, 413);
  slow.reset(streams.front());
  ASSERT_EQ(slow.ask("GET", "/7")->body.size(), 7U);
  EXPECT_EQ(other.ask("GET", large)->body.size(), kLarge) << "there is room again";
}

TEST_F(Http2Bounds, ARequestThatIsNotWholeInTimeIsReset) {
  HttpOptions options;
  options.read_timeout = Duration{300'000};
  start(echo, options);
  Http2Client client(*client_);
  const int32_t half = client.send_half("POST", "/", "half");
  EXPECT_EQ(client.ask("GET", "/")->status, 200) << "others are answered meanwhile";
  const auto answer = client.receive(half);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->reset, NGHTTP2_CANCEL);
  EXPECT_EQ(counted("http2_late"), 1);
  EXPECT_EQ(client.ask("GET", "/")->status, 200) << "the connection goes on";
}

TEST_F(Http2Bounds, AnAnswerThatIsNotTakenInTimeIsReset) {
  HttpOptions options;
  options.read_timeout = Duration{300'000};
  start(many, options);
  Http2Client client(*client_, {false, 1'000});
  const int32_t large = client.send("GET", "/5000");
  EXPECT_EQ(client.ask("GET", "/7")->body.size(), 7U) << "others are answered meanwhile";
  const auto answer = client.receive(large);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->reset, NGHTTP2_CANCEL);
  EXPECT_EQ(answer->body.size(), 1'000U);
}

TEST_F(Http2Bounds, HowLongARequestMayBeComputedIsNotBoundedByThat) {
  std::promise<void> may_finish;
  HttpOptions options;
  options.read_timeout = Duration{50'000};
  options.is_slow = [](const Request&) { return true; };
  start(
      [&](const Request& request) {
        may_finish.get_future().wait();
        return echo(request);
      },
      options);
  Http2Client client(*client_);
  const int32_t stream = client.send("GET", "/");
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  may_finish.set_value();
  EXPECT_EQ(client.receive(stream)->body, "GET / ");
}

TEST_F(Http2Bounds, AFrameThatIsNotWholeInTimeEndsTheConnectionHoweverSlowlyItComes) {
  HttpOptions options;
  options.read_timeout = Duration{200'000};
  start(echo, options);
  const std::string unknown = frame(0xbe, 0, 0, std::string(16'000, 'x'));
  HttpClient wire(server_->port());
  ASSERT_TRUE(wire.send(FrameClient::greeting()));
  std::size_t sent = 0;
  while (sent < 4'000 && wire.send(unknown.substr(sent, 1))) {
    ++sent;
    (void)client_->readable(5);  // nothing comes there
  }
  EXPECT_LT(sent, 4'000U);
  HttpClient half(server_->port());
  ASSERT_TRUE(half.send(FrameClient::greeting() + frame(NGHTTP2_HEADERS, 0, 1, head("GET"))));
  FrameClient frames(half);
  while (frames.next().has_value()) {
  }
  EXPECT_TRUE(half.closed_by_server()) << "headers whose continuation never comes";
}

TEST_F(Http2Bounds, WhoAsksNothingIsToldThatTheConnectionEnds) {
  HttpOptions options;
  options.idle_timeout = Duration{1'000'000};
  start(echo, options);
  Http2Client client(*client_);
  const auto answer = client.ask("GET", "/");
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 200);
  EXPECT_TRUE(client.read_to_end());
  EXPECT_EQ(client.goaway(), NGHTTP2_NO_ERROR);
}

TEST_F(Http2Bounds, PingsWinAnIdleConnectionNoTime) {
  HttpOptions options;
  options.idle_timeout = Duration{1'000'000};
  start(echo, options);
  FrameClient frames(*client_);
  ASSERT_TRUE(frames.send(FrameClient::greeting()));
  const std::string ping = frame(NGHTTP2_PING, 0, 0, "12345678");
  int pings = 0;
  std::optional<WireFrame> last;
  do {
    ++pings;
    frames.send(ping.substr(0, 10));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // so that it comes in halves
    frames.send(ping.substr(10));
    last = frames.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  } while (last.has_value() && last->type != NGHTTP2_GOAWAY && pings < 900);
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->type, NGHTTP2_GOAWAY) << "after " << pings;
}

TEST_F(Http2Bounds, WhatIsReadyWhileTheSocketIsFullIsSentBehindIt) {
  constexpr int kRequests = 300;  // more bytes than sockets hold
  std::atomic<int> handled{0};
  HttpOptions options;
  options.threads = 1;
  options.streams_max = kRequests;
  start(
      [&](const Request& request) {
        Response response = many(request);
        ++handled;
        return response;
      },
      options);
  Http2Client client(*client_, {false, 1 << 30});  // it sends nothing while it reads
  std::vector<int32_t> streams;
  for (int i = 0; i < kRequests; ++i) {
    streams.push_back(client.send("GET", "/60000"));
    while (handled <= i) {
      std::this_thread::yield();
    }
  }
  for (const int32_t stream : streams) {
    const auto answer = client.receive(stream);
    ASSERT_TRUE(answer.has_value()) << stream;
    EXPECT_EQ(answer->body.size(), 60'000U);
  }
}

/// It asks on and on and reads nothing, so that the socket takes no more.
TEST_F(Http2Bounds, WhoReadsNothingIsCutOff) {
  HttpOptions options;
  options.threads = 1;
  options.connections_max = 2;
  options.read_timeout = Duration{200'000};
  start(many, options);
  HttpClient other(server_->port());
  ASSERT_EQ(other.ask("GET", "/1")->status, 200);
  const std::string bytes = FrameClient::greeting() +
                            frame(NGHTTP2_SETTINGS, 0, 0, std::string("\0\4\x7f\xff\xff\xff", 6)) +
                            frame(NGHTTP2_WINDOW_UPDATE, 0, 0, std::string("\x7f\xff\0\0", 4)) +
                            FrameClient::get(1, "/20000000");
  ASSERT_TRUE(client_->send(bytes));
  int status = 0;
  for (int tries = 0; status != 200 && tries < 20'000; ++tries) {  // until its place is free
    HttpClient next(server_->port());
    const auto answer = next.readable(1) ? next.receive() : next.ask("GET", "/1");
    status = answer.has_value() ? answer->status : 0;
  }
  EXPECT_EQ(status, 200);
  EXPECT_EQ(other.ask("GET", "/1")->status, 200);
}

/// As curl does, which takes no answer of a request that is reset.
TEST_F(Http2Bounds, ARefusedRequestIsNotResetWhileItsBodyComes) {
  HttpOptions options;
  options.body_bytes_max = 1'000;
  options.read_timeout = Duration{2'000'000};
  start(echo, options);
  FrameClient frames(*client_);
  const std::string data = frame(NGHTTP2_DATA, 0, 1, std::string(10'000, 'x'));
  ASSERT_TRUE(frames.send(FrameClient::greeting() +
                          frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, head("POST")) +
                          data));
  EXPECT_NE(frames.next(NGHTTP2_DATA)->payload.find("too large"), std::string::npos);
  ASSERT_TRUE(frames.send(data + data + frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "x") +
                          FrameClient::get(3) +
                          frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 5, head("POST")) +
                          frame(NGHTTP2_DATA, 0, 5, std::string(1'001, 'x'))));
  std::optional<WireFrame> next = frames.next();
  while (next.has_value() && next->type != NGHTTP2_RST_STREAM) {
    next = frames.next();
  }
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->stream, 5U) << "whose rest did not come in time";
  EXPECT_EQ(next->payload, std::string(4, '\0')) << "no error: it is answered";
  EXPECT_EQ(counted("http2_late"), 0);
}

/// The client says that the small one is to wait, and reads slowly for longer than one answer may.
TEST_F(Http2Bounds, AnAnswerThatWaitsForItsTurnIsNotReset) {
  HttpOptions options;
  options.read_timeout = Duration{1'000'000};
  options.threads = 1;
  start(many, options);
  FrameClient frames(*client_);
  std::string depends = head("GET");
  depends.replace(
      depends.find(field(":path", "/")), field(":path", "/").size(), field(":path", "/7"));
  ASSERT_TRUE(
      frames.send(FrameClient::greeting() +
                  frame(NGHTTP2_SETTINGS, 0, 0, std::string("\0\4\x7f\xff\xff\xff", 6)) +
                  frame(NGHTTP2_WINDOW_UPDATE, 0, 0, std::string("\x7f\xff\0\0", 4)) +
                  FrameClient::get(1, "/40000000") +
                  frame(NGHTTP2_HEADERS,
                        NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_PRIORITY,
                        3,
                        std::string("\0\0\0\1\xff", 5) + depends)));
  std::size_t large = 0;
  std::size_t small = 0;
  std::size_t pause_at = 2'000'000;
  while (large + small < 40'000'007) {
    const auto next = frames.next();
    ASSERT_TRUE(next.has_value()) << large;
    ASSERT_NE(next->type, NGHTTP2_RST_STREAM) << next->stream << " after " << large;
    if (next->type == NGHTTP2_DATA) {
      (next->stream == 1 ? large : small) += next->payload.size();
    }
    if (large >= pause_at) {
      pause_at += 2'000'000;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  EXPECT_EQ(small, 7U);
}

TEST_F(Http2Bounds, AnAnswerIsWholeForWhoSendsNothingMoreWhileHeReadsIt) {
  start(many);
  FrameClient frames(*client_);
  ASSERT_TRUE(frames.send(FrameClient::greeting() +
                          frame(NGHTTP2_SETTINGS, 0, 0, std::string("\0\4\x7f\xff\xff\xff", 6)) +
                          frame(NGHTTP2_WINDOW_UPDATE, 0, 0, std::string("\x7f\xff\0\0", 4)) +
                          FrameClient::get(1, "/20000000")));
  ASSERT_TRUE(client_->readable(20'000));
  client_->finish_sending();
  std::size_t bytes = 0;
  bool is_whole = false;
  while (const auto next = frames.next(NGHTTP2_DATA)) {
    bytes += next->payload.size();
    is_whole = (next->flags & NGHTTP2_FLAG_END_STREAM) != 0;
  }
  EXPECT_EQ(bytes, 20'000'000U);
  EXPECT_TRUE(is_whole);
}

/// Ends the connection as a process that is killed.
class ResettingClient : public HttpClient {
 public:
  explicit ResettingClient(uint16_t port) : HttpClient(port) {
    const linger none{1, 0};
    ::setsockopt(socket(), SOL_SOCKET, SO_LINGER, &none, sizeof(none));
  }
};

TEST_F(Http2Bounds, WhatAConnectionHeldIsFreeWhenItIsGoneThoughItIsStillComputed) {
  constexpr std::size_t kLarge = 5 << 20;
  std::promise<void> may_finish;
  std::atomic<bool> entered{false};
  HttpOptions options;
  options.held_bytes_max = kLarge + kLarge / 2;
  options.is_slow = [](const Request& request) { return request.target == "/0"; };
  start(
      [&](const Request& request) {
        if (request.target == "/0") {
          entered = true;
          may_finish.get_future().wait();
        }
        return many(request);
      },
      options);
  HttpClient other(server_->port());
  const std::string large = "/" + std::to_string(kLarge);
  {
    ResettingClient wire(server_->port());
    Http2Client gone(wire, {false, 1'000});
    gone.send("GET", large);
    gone.send("GET", "/0");
    ASSERT_EQ(gone.ask("GET", "/7")->body.size(), 7U);
    while (!entered) {
      std::this_thread::yield();
    }
    EXPECT_EQ(other.ask("GET", large)->status, 503);
  }
  int status = 0;
  for (int tries = 0; status != 200 && tries < 2'000; ++tries) {
    status = other.ask("GET", large)->status;
    (void)other.readable(status == 200 ? 0 : 1);  // until it is seen
  }
  EXPECT_EQ(status, 200);
  may_finish.set_value();
}

}  // namespace
}  // namespace assay::serve
