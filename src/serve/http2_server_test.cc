// HTTP/2 over real loopback sockets: the same answers as over HTTP/1.1, many under way at once, and
// clients that break the protocol.

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <thread>

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include "serve/feature_server.h"
#include "serve/http2_client.h"
#include "serve/http_server_fixture.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

class Http2Server : public HttpServerTest {};

struct Question {
  std::string method;
  std::string target;
  std::string body{};
  Headers headers{};
};

/// Ask over both versions of HTTP, each on a connection of its own: the answers are equal, but for
/// what concerns the connection. The body that both had.
std::string ask_both(uint16_t port, Http2Client* http2, const Question& question) {
  std::string more;
  for (const auto& [name, value] : question.headers) {
    more += name + ": " + value + "\r\n";
  }
  HttpClient http1(port);
  http1.send(HttpClient::request(question.method, question.target, question.body, more));
  const auto one = http1.receive(question.method == "HEAD");
  Headers headers = question.headers;
  if (!question.body.empty() || question.method == "POST") {
    headers.emplace_back("content-type", "application/json");
    headers.emplace_back("content-length", std::to_string(question.body.size()));
  }
  const auto two = http2->ask(question.method, question.target, question.body, headers);
  const std::string what =
      question.method + " " + question.target + " " + question.body.substr(0, 200);
  EXPECT_TRUE(one.has_value() && two.has_value()) << what;
  if (!one.has_value() || !two.has_value()) {
    return "";
  }
  EXPECT_EQ(two->status, one->status) << what;
  EXPECT_TRUE(two->body == one->body) << what;
  EXPECT_FALSE(two->reset.has_value()) << what;
  std::string lines;
  for (const auto& [name, value] : two->headers) {
    lines += "\r\n" + name + ": " + value;
  }
  std::string expected = one->head.substr(one->head.find("\r\n"));
  const std::size_t tag = expected.find("X-Tag");
  if (tag != std::string::npos) {  // names are in lower case
    expected.replace(tag, 5, "x-tag");
  }
  for (const std::string_view only : {"\r\nconnection: close", "\r\nconnection: keep-alive"}) {
    const std::size_t at = expected.find(only);
    expected.erase(std::min(at, expected.size()), at == std::string::npos ? 0 : only.size());
  }
  EXPECT_EQ(lines + "\r\n", expected) << what;
  return two->body;
}

Response everything(const Request& request) {
  if (request.target == "/throw") {
    return Response{std::stoi("no number"), "", "", {}};
  }
  if (request.target == "/same") {
    return Response{304, "", "", {{"etag", "\"1\""}}};
  }
  if (request.target == "/large") {
    return Response{200, "text/plain", std::string(5'000'000, 'l'), {}};
  }
  Response response = echo(request);
  response.status = request.target == "/other" ? 207 : 200;
  response.headers = {{"x-assay-as-of", "now"}, {"X-Tag", "\"2\""}};
  response.body += " host=" + std::string(request.header("host"));
  response.body += " in=" + std::string(request.header("x-in"));
  return response;
}

TEST_F(Http2Server, Http2AnswersAsHttp1Does) {
  HttpOptions options;
  options.body_bytes_max = 2'000'000;
  options.is_slow = [](const Request& request) { return request.target.starts_with("/slow"); };
  start(everything, options);
  Http2Client http2(*client_);
  std::string body(1'500'000, 'b');
  for (std::size_t i = 0; i < body.size(); i += 100) {
    body[i] = static_cast<char>('a' + i / 100 % 26);
  }
  for (const Question& question :
       std::vector<Question>{{"GET", "/a?b=c"},
                             {"GET", "/in", "", {{"x-in", "here"}, {"x-in", "there"}}},
                             {"POST", "/empty"},
                             {"POST", "/one", "x"},
                             {"POST", "/frame", body.substr(0, 16'384)},
                             {"POST", "/more", body.substr(0, 16'385)},
                             {"POST", "/many", body},
                             {"PUT", "/other", "y"},
                             {"HEAD", "/large"},
                             {"GET", "/large"},
                             {"GET", "/same"},
                             {"GET", "/throw"},
                             {"HEAD", "/throw"},
                             {"GET", "/slow"},
                             {"HEAD", "/slow"},
                             {"POST", "/slow", body},
                             {"OPTIONS", "*"},
                             {"POST", "/packed", "abc", {{"content-encoding", "gzip"}}},
                             {"POST", "/plain", "abc", {{"content-encoding", "Identity"}}},
                             {"GET", "/heads", "", {{"x-big", std::string(20'000, 'h')}}},
                             {"POST", "/large", std::string(2'000'001, 'x')},
                             {"GET", "/after"}}) {
    ask_both(server_->port(), &http2, question);
  }
}

TEST_F(Http2Server, Http2AnswersRealQuestionsAsHttp1Does) {
  ServingFixture fixture;
  FeatureServer features(fixture.world, *fixture.store, fixture.state);
  HttpOptions options;
  options.is_slow = FeatureServer::is_slow;
  start(features.handler(), options);
  Http2Client http2(*client_);
  const std::string entities = R"({"entities":{"user_id":["u1","u2","nobody"]},)";
  std::string hundred = R"({"features":["clicks:f0","spend:f0"],"entities":{"user_id":["u0")";
  for (int i = 1; i < 100; ++i) {
    hundred += ",\"u" + std::to_string(i) + "\"";
  }
  hundred += "]}}";
  const std::string list = ask_both(server_->port(), &http2, {"GET", "/openapi.json"});
  EXPECT_GT(list.size(), 10'000U);
  for (const Question& question : std::vector<Question>{
           {"GET", "/health"},
           {"GET", "/ready"},
           {"HEAD", "/openapi.json"},
           {"GET", "/nothing"},
           {"GET", "/get-online-features"},
           {"DELETE", "/health"},
           {"POST", "/get-online-features", entities + R"("features":["clicks:f0","spend:f0"]})"},
           {"POST", "/get-online-features", entities + R"("feature_service":"shop"})"},
           {"POST", "/get-online-features", entities + R"("features":["clicks:nothing"]})"},
           {"POST", "/get-online-features", hundred},
           {"POST", "/get-online-features", "{"},
           {"POST", "/get-online-features", std::string(100'000, '[')},
           {"POST", "/predict", R"({"model":"buy","entities":{"user_id":["u1"]}})"},
           {"POST", "/predict", "{}"}}) {
    ask_both(server_->port(), &http2, question);
  }
}

TEST_F(Http2Server, AHundredRequestsOfOneConnectionAreAnsweredInAnyOrder) {
  constexpr int kRequests = 100;
  std::atomic<int> entered{0};
  std::map<std::string, std::promise<void>> may_finish;
  for (int i = 0; i < kRequests; ++i) {
    may_finish["/" + std::to_string(i)];
  }
  HttpOptions options;
  options.is_slow = [](const Request& request) { return request.target != "/fast"; };
  options.slow.threads = kRequests;
  options.slow.requests_max = kRequests;
  start(
      [&](const Request& request) {
        if (request.target != "/fast") {
          ++entered;
          may_finish.at(request.target).get_future().wait();
        }
        return echo(request);
      },
      options);
  Http2Client http2(*client_);
  ASSERT_EQ(http2.ask("GET", "/fast")->status, 200);
  std::vector<int32_t> streams;
  for (int i = 0; i < kRequests; ++i) {
    streams.push_back(http2.send("POST", "/" + std::to_string(i), std::to_string(i * i)));
  }
  while (entered < kRequests) {
    std::this_thread::yield();
  }
  std::vector<int32_t> expected = {1};
  for (int i = kRequests - 1; i >= 0; --i) {  // each is answered while those before it wait
    may_finish.at("/" + std::to_string(i)).set_value();
    expected.push_back(streams[static_cast<std::size_t>(i)]);
    EXPECT_EQ(http2.receive(expected.back())->body,
              "POST /" + std::to_string(i) + " " + std::to_string(i * i));
  }
  EXPECT_EQ(http2.ended(), expected);
  EXPECT_EQ(http2.ask("GET", "/fast")->body, "GET /fast ");
}

TEST_F(Http2Server, ThePrefaceMayComeByteByByteAndWhatOnlyBeginsLikeItIsHttp1) {
  start();
  HttpClient slow(server_->port());
  for (const char byte : FrameClient::greeting() + FrameClient::get(1, "/slow")) {
    ASSERT_TRUE(slow.send(std::string_view(&byte, 1)));
  }
  FrameClient frames(slow);
  EXPECT_EQ(frames.next(NGHTTP2_DATA)->payload, "GET /slow ");
  HttpClient post(server_->port());
  for (const std::string_view part :
       {"P", "O", "ST / HTTP/1.1\r\nhost: t\r\n", "content-length: 1\r\n\r\nx"}) {
    ASSERT_TRUE(post.send(part));
  }
  EXPECT_EQ(post.receive()->body, "POST / x");
  for (const std::string_view wrong :
       {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI / HTTP/1.1\r\n\r\n"}) {
    HttpClient other(server_->port());
    ASSERT_TRUE(other.send(wrong));
    EXPECT_EQ(other.receive()->status, 400) << wrong;
  }
  HttpClient late(server_->port());
  EXPECT_EQ(late.ask("GET", "/first")->status, 200);
  ASSERT_TRUE(late.send(FrameClient::greeting()));
  EXPECT_EQ(late.receive()->status, 400) << "only at the beginning";
}

TEST_F(Http2Server, ASmallAnswerDoesNotWaitForALargeOne) {
  constexpr std::size_t kLarge = 50 << 20;
  HttpOptions options;
  options.threads = 1;
  start(
      [](const Request& request) {
        Response response = echo(request);
        if (request.target == "/large") {
          response.body.assign(kLarge, 'l');
        }
        return response;
      },
      options);
  Http2Client http2(*client_, {true, 1 << 20});
  const int32_t large = http2.send("GET", "/large");
  const int32_t small = http2.send("GET", "/small");
  EXPECT_EQ(http2.receive(small)->body, "GET /small ");
  EXPECT_EQ(http2.receive(large)->body.size(), kLarge);
  EXPECT_EQ(http2.ended(), (std::vector<int32_t>{small, large}));
}

/// Others have their turn between the requests of one connection.
TEST_F(Http2Server, ManyRequestsOfOneConnectionDoNotKeepOthersWaiting) {
  constexpr int kRequests = 99;
  std::promise<void> entered;
  std::promise<void> other_is_there;
  std::atomic<int> answered{0};
  std::atomic<int> answered_before{-1};
  HttpOptions options;
  options.threads = 1;
  HttpClient& client = start(
      [&](const Request& request) {
        if (request.target == "/0") {
          entered.set_value();
          other_is_there.get_future().wait();
        }
        if (request.target == "/other") {
          answered_before = answered.load();
        }
        ++answered;
        return echo(request);
      },
      options);
  HttpClient other(server_->port());
  ASSERT_EQ(other.ask("GET", "/warm")->status, 200);
  std::string all = FrameClient::greeting();
  for (uint32_t i = 0; i < kRequests; ++i) {
    all += FrameClient::get(2 * i + 1, "/" + std::to_string(i));
  }
  ASSERT_TRUE(client.send(all));
  entered.get_future().wait();
  ASSERT_TRUE(other.send(HttpClient::request("GET", "/other")));
  other_is_there.set_value();
  EXPECT_EQ(other.receive()->status, 200);
  FrameClient frames(client);
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(frames.next(NGHTTP2_DATA).has_value());
  }
  EXPECT_LT(answered_before, kRequests / 2);
}

TEST_F(Http2Server, ExpectContinueIsAnsweredOverHttp2BeforeTheBody) {
  start();
  FrameClient frames(*client_);
  ASSERT_TRUE(frames.send(FrameClient::greeting() +
                          FrameClient::frame(NGHTTP2_HEADERS,
                                             NGHTTP2_FLAG_END_HEADERS,
                                             1,
                                             FrameClient::field(":method", "POST") +
                                                 FrameClient::field(":scheme", "http") +
                                                 FrameClient::field(":path", "/") +
                                                 FrameClient::field(":authority", "test") +
                                                 FrameClient::field("expect", "100-Continue"))));
  const auto go_on = frames.next(NGHTTP2_HEADERS);
  ASSERT_TRUE(go_on.has_value());
  EXPECT_EQ(go_on->flags & NGHTTP2_FLAG_END_STREAM, 0);
  ASSERT_TRUE(frames.send(FrameClient::frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "body")));
  EXPECT_EQ(frames.next(NGHTTP2_DATA)->payload, "POST / body");
}

/// What stands behind a body is no header of it.
TEST_F(Http2Server, TrailersOfHttp2AreNoHeaders) {
  start(everything);
  FrameClient frames(*client_);
  const std::string head =
      FrameClient::field(":method", "POST") + FrameClient::field(":scheme", "http") +
      FrameClient::field(":path", "/") + FrameClient::field(":authority", "test");
  ASSERT_TRUE(frames.send(FrameClient::greeting() +
                          FrameClient::frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, head) +
                          FrameClient::frame(NGHTTP2_DATA, 0, 1, "b") +
                          FrameClient::frame(NGHTTP2_HEADERS,
                                             NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                                             1,
                                             FrameClient::field("x-in", "behind"))));
  EXPECT_EQ(frames.next(NGHTTP2_DATA)->payload, "POST / b host=test in=");
}

/// A request that is none is reset, and the connection goes on (RFC 9113, section 8.1.1).
TEST_F(Http2Server, AMalformedRequestOfHttp2IsReset) {
  std::atomic<int> asked{0};
  start([&](const Request& request) {
    ++asked;
    return echo(request);
  });
  const auto field = FrameClient::field;
  const std::string method = field(":method", "GET");
  const std::string scheme = field(":scheme", "http");
  const std::string path = field(":path", "/");
  const std::string host = field(":authority", "test");
  FrameClient frames(*client_);
  ASSERT_TRUE(frames.send(FrameClient::greeting()));
  uint32_t stream = 1;
  for (const std::string& head :
       {scheme + path + host,
        method + path + host,
        method + scheme + host,
        method + scheme + path,
        method + method + scheme + path + host,
        method + scheme + path + path + host,
        method + scheme + field(":path", "") + host,
        method + scheme + field(":path", "no slash") + host,
        method + scheme + path + field("x", "y") + host,
        method + scheme + path + host + field(":status", "200"),
        method + scheme + path + host + field(":new", "1"),
        method + scheme + path + host + field("X-Upper", "1"),
        method + scheme + path + host + field("x y", "1"),
        method + scheme + path + host + field("x", "a\r\nb: c"),
        method + scheme + path + host + field("connection", "close"),
        method + scheme + path + host + field("upgrade", "h2c"),
        method + scheme + path + host + field("te", "gzip"),
        method + scheme + path + host + field("transfer-encoding", "chunked"),
        method + scheme + path + host + field("content-length", "5"),
        method + scheme + path + host + field("content-length", "x")}) {
    ASSERT_TRUE(frames.send(FrameClient::frame(
        NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, stream, head)));
    const auto reset = frames.next(NGHTTP2_RST_STREAM);
    ASSERT_TRUE(reset.has_value()) << head;
    EXPECT_EQ(reset->stream, stream) << head;
    EXPECT_EQ(reset->payload.back(), NGHTTP2_PROTOCOL_ERROR) << head;
    stream += 2;
  }
  ASSERT_TRUE(
      frames.send(FrameClient::frame(NGHTTP2_HEADERS,
                                     NGHTTP2_FLAG_END_HEADERS,
                                     stream,
                                     field(":method", "POST") + scheme + path + host +
                                         field("content-length", "3")) +
                  FrameClient::frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, stream, "four")));
  EXPECT_EQ(frames.next(NGHTTP2_RST_STREAM)->payload.back(), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(asked, 0);
  ASSERT_TRUE(frames.send(FrameClient::get(stream + 2)));
  EXPECT_EQ(frames.next(NGHTTP2_DATA)->payload, "GET / ");
}

/// What breaks the protocol for all streams ends the connection, and says why.
TEST_F(Http2Server, BrokenFramesEndTheConnectionWithTheirError) {
  start();
  const auto frame =
      [](uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload = "") {
        return FrameClient::frame(type, flags, stream, payload);
      };
  const std::string zero(1, '\0');
  const std::string window_zero(4, '\0');
  for (const auto& [bytes, error] : std::vector<std::pair<std::string, uint32_t>>{
           {frame(NGHTTP2_DATA, 0, 0, "x"), NGHTTP2_PROTOCOL_ERROR},
           {frame(NGHTTP2_DATA, 0, 1, "x"), NGHTTP2_PROTOCOL_ERROR},
           {frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 0, "\x82"), NGHTTP2_PROTOCOL_ERROR},
           {FrameClient::get(2), NGHTTP2_PROTOCOL_ERROR},
           {frame(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, ""), NGHTTP2_PROTOCOL_ERROR},
           {frame(NGHTTP2_HEADERS, 0, 1, "\x82") + frame(NGHTTP2_PING, 0, 0, "12345678"),
            NGHTTP2_PROTOCOL_ERROR},
           {frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, "\xff\xff\xff\xff\xff\xff"),
            NGHTTP2_COMPRESSION_ERROR},
           {frame(NGHTTP2_SETTINGS, 0, 0, "123"), NGHTTP2_FRAME_SIZE_ERROR},
           {frame(NGHTTP2_SETTINGS, 0, 1), NGHTTP2_PROTOCOL_ERROR},
           {frame(NGHTTP2_SETTINGS, 0, 0, std::string("\0\4\xff\xff\xff\xff", 6)),
            NGHTTP2_FLOW_CONTROL_ERROR},
           {frame(NGHTTP2_SETTINGS, 0, 0, std::string("\0\2\0\0\0\2", 6)), NGHTTP2_PROTOCOL_ERROR},
           {frame(NGHTTP2_PING, 0, 0, "1234"), NGHTTP2_FRAME_SIZE_ERROR},
           {frame(NGHTTP2_RST_STREAM, 0, 1, std::string(4, '\0')), NGHTTP2_PROTOCOL_ERROR},
           {frame(NGHTTP2_WINDOW_UPDATE, 0, 0, window_zero), NGHTTP2_PROTOCOL_ERROR},
           {frame(NGHTTP2_WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff"), NGHTTP2_FLOW_CONTROL_ERROR},
           {frame(NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, 1, window_zero + "\x82"),
            NGHTTP2_PROTOCOL_ERROR},
           {frame(NGHTTP2_PING, 0, 0, std::string(20'000, 'x')), NGHTTP2_FRAME_SIZE_ERROR}}) {
    HttpClient wire(server_->port());
    FrameClient frames(wire);
    ASSERT_TRUE(frames.send(FrameClient::greeting() + bytes));
    EXPECT_EQ(frames.goaway(), error) << static_cast<int>(bytes[3]);
    EXPECT_TRUE(wire.closed_by_server());
  }
  HttpClient other(server_->port());
  EXPECT_EQ(Http2Client(other).ask("GET", "/")->status, 200) << "others are served";
}

TEST_F(Http2Server, UnknownFramesAreIgnored) {
  start();
  FrameClient frames(*client_);
  ASSERT_TRUE(frames.send(FrameClient::greeting() + FrameClient::frame(0xbe, 0xff, 0, "what") +
                          FrameClient::get(1) + FrameClient::frame(0xbf, 0, 1, "ever")));
  EXPECT_EQ(frames.next(NGHTTP2_DATA)->payload, "GET / ");
}

TEST_F(Http2Server, AClientThatDoesNotAnswerIsToldAMomentLaterWhichRequestIsTheLast) {
  start(echo);
  HttpClient idle_wire(server_->port());  // with nothing under way nghttp2 answers no PING
  Http2Client idle(idle_wire);
  ASSERT_EQ(idle.ask("GET", "/")->status, 200);
  FrameClient silent(*client_);
  ASSERT_TRUE(silent.send(FrameClient::greeting() + FrameClient::get(1)));
  ASSERT_TRUE(silent.next(NGHTTP2_DATA).has_value());
  std::jthread stopper([&] { server_->stop(); });
  std::vector<std::string> last;
  while (const auto frame = silent.next()) {
    if (frame->type == NGHTTP2_GOAWAY) {
      last.push_back(frame->payload.substr(0, 4));
    }
  }
  EXPECT_EQ(last, (std::vector<std::string>{"\x7f\xff\xff\xff", std::string("\0\0\0\1", 4)}));
  EXPECT_TRUE(client_->closed_by_server());
  EXPECT_TRUE(idle.read_to_end());
  EXPECT_EQ(idle.goaway(), NGHTTP2_NO_ERROR);
}

TEST_F(Http2Server, StopAnswersWhatIsUnderWayOverHttp2AndTakesNoMore) {
  std::atomic<int> entered{0};
  std::atomic<int> crossed{0};
  std::promise<void> may_finish;
  std::shared_future<void> finish(may_finish.get_future());
  HttpOptions options;
  options.is_slow = [](const Request& request) { return request.target.starts_with("/slow"); };
  options.slow.threads = 3;
  options.drain_max = Duration{300 * kMicrosPerSecond};
  start(
      [&](const Request& request) {
        EXPECT_NE(request.target, "/late");
        crossed += request.target == "/crossing" ? 1 : 0;
        if (request.target.starts_with("/slow")) {
          ++entered;
          finish.wait();
        }
        return echo(request);
      },
      options);
  Http2Client busy(*client_);
  HttpClient late_wire(server_->port());
  FrameClient late(late_wire);
  ASSERT_TRUE(late.send(FrameClient::greeting() + FrameClient::get(1, "/slow/3")));
  const int32_t first = busy.send("GET", "/slow/1");
  const int32_t second = busy.send("GET", "/slow/2");
  while (entered < 3) {
    std::this_thread::yield();
  }
  std::jthread stopper([&] { server_->stop(); });
  // A request that crosses the first word of the end is answered: which is the last is said once
  // the client has heard of it.
  const auto last_of = [](const std::optional<WireFrame>& goaway) {
    return goaway.has_value() ? goaway->payload.substr(0, 4) : "none";
  };
  EXPECT_EQ(last_of(late.next(NGHTTP2_GOAWAY)), "\x7f\xff\xff\xff");
  const std::optional<WireFrame> ping = late.next(NGHTTP2_PING);
  ASSERT_TRUE(ping.has_value());
  ASSERT_TRUE(late.send(FrameClient::get(3, "/crossing") +
                        FrameClient::frame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, ping->payload)));
  EXPECT_EQ(last_of(late.next(NGHTTP2_GOAWAY)), std::string("\0\0\0\3", 4));
  ASSERT_TRUE(late.send(FrameClient::get(5, "/late")));
  may_finish.set_value();
  EXPECT_EQ(busy.receive(first)->body, "GET /slow/1 ");
  EXPECT_EQ(busy.receive(second)->body, "GET /slow/2 ");
  EXPECT_EQ(busy.goaway(), NGHTTP2_NO_ERROR);
  EXPECT_TRUE(busy.read_to_end());
  std::string answers;
  while (const auto frame = late.next()) {
    EXPECT_NE(frame->stream, 5U) << "it came behind the last one";
    answers += frame->type == NGHTTP2_DATA ? frame->payload : "";
  }
  EXPECT_NE(answers.find("GET /slow/3 "), std::string::npos) << answers;
  EXPECT_NE(answers.find("GET /crossing "), std::string::npos) << answers;
  EXPECT_EQ(crossed, 1);
  EXPECT_TRUE(late_wire.closed_by_server());
  stopper.join();
  EXPECT_EQ(entered, 3);
}

TEST_F(Http2Server, WhoLeavesOrResetsWhatIsUnderWayHarmsNobody) {
  std::atomic<int> entered{0};
  std::promise<void> may_finish;
  std::shared_future<void> finish(may_finish.get_future());
  HttpOptions options;
  options.is_slow = [](const Request& request) { return request.target == "/slow"; };
  options.slow.threads = 2;
  start(
      [&](const Request& request) {
        if (request.target == "/slow") {
          ++entered;
          finish.wait();
        }
        return echo(request);
      },
      options);
  Http2Client client(*client_);
  const int32_t stream = client.send("GET", "/slow");
  {
    HttpClient wire(server_->port());
    Http2Client gone(wire);
    gone.send("GET", "/slow");
    while (entered < 2) {
      std::this_thread::yield();
    }
  }
  client.reset(stream);
  EXPECT_EQ(client.ask("GET", "/fast")->status, 200);
  may_finish.set_value();
  EXPECT_EQ(client.ask("GET", "/slow")->body, "GET /slow ");
}

TEST_F(Http2Server, RequestsBeforeTheEndOfAnHttp2ConnectionAreAnswered) {
  HttpOptions options;
  options.is_slow = [](const Request& request) { return request.target == "/slow"; };
  start(echo, options);
  FrameClient frames(*client_);
  ASSERT_TRUE(frames.send(FrameClient::greeting() + FrameClient::get(1, "/slow") +
                          FrameClient::get(3, "/fast")));
  client_->finish_sending();
  std::vector<std::string> bodies;
  while (const auto data = frames.next(NGHTTP2_DATA)) {
    bodies.push_back(data->payload);
  }
  std::sort(bodies.begin(), bodies.end());
  EXPECT_EQ(bodies, (std::vector<std::string>{"GET /fast ", "GET /slow "}));
  EXPECT_TRUE(client_->closed_by_server());
}

TEST_F(Http2Server, ManyClientsOfHttp2AtOnceGetTheirOwnAnswers) {
  HttpOptions options;
  options.is_slow = [](const Request& request) { return request.target.ends_with('7'); };
  options.slow.requests_max = 1'000;
  start(echo, options);
  std::atomic<int> wrong{0};
  std::vector<std::jthread> clients;
  for (int number = 0; number < 4; ++number) {
    clients.emplace_back([&, number, port = server_->port()] {
      HttpClient wire(port);
      Http2Client client(wire);
      for (int round = 0; round < 20; ++round) {
        std::map<int32_t, std::string> expected;
        for (int i = 0; i < 50; ++i) {
          const std::string target = "/" + std::to_string(number * 1'000 + round * 50 + i);
          const std::string body(static_cast<std::size_t>(i * i * 20), 'x');
          expected[client.send("POST", target, body)] = "POST " + target + " " + body;
        }
        for (const auto& [stream, body] : expected) {
          const auto answer = client.receive(stream);
          wrong += answer.has_value() && answer->body == body ? 0 : 1;
        }
      }
    });
  }
  clients.clear();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace assay::serve
