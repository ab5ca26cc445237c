// The server over real loopback sockets, with clients that are right, wrong, slow and many.

#include "serve/http_server.h"

#include <atomic>
#include <future>
#include <new>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "serve/file_limit.h"
#include "serve/http_client.h"
#include "serve/http_server_fixture.h"
#include "serve/listener.h"

namespace assay::serve {
namespace {

TEST_F(HttpServerTest, AnswersWithStatusHeadersAndBody) {
  HttpClient& client = start([](const Request& request) {
    Response response{207, "text/plain", request.body + "!", {{"x-more", "1"}}};
    for (const auto& [name, value] : request.headers) {
      response.body += name == "x-in" ? value : "";
    }
    return response;
  });
  ASSERT_TRUE(client.send(HttpClient::request("POST", "/a?b=c", "hello", "X-In: here\r\n")));
  const auto answer = client.receive();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 207);
  EXPECT_EQ(answer->body, "hello!here");
  EXPECT_EQ(answer->header("content-type"), "text/plain");
  EXPECT_EQ(answer->header("x-more"), "1");
  EXPECT_EQ(answer->header("date"), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST_F(HttpServerTest, AConnectionServesManyRequests) {
  HttpClient& client = start();
  for (int i = 0; i < 100; ++i) {
    const std::string body(static_cast<std::size_t>(i * 37), 'b');
    const auto answer = client.ask("POST", "/" + std::to_string(i), body);
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->body, "POST /" + std::to_string(i) + " " + body);
  }
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  HttpClient& client = start();
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += HttpClient::request(
        "POST", "/" + std::to_string(i), std::string(static_cast<std::size_t>(i), 'x'));
  }
  ASSERT_TRUE(client.send(all));
  for (int i = 0; i < 50; ++i) {
    const auto answer = client.receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->body,
              "POST /" + std::to_string(i) + " " + std::string(static_cast<std::size_t>(i), 'x'));
  }
}

/// Others have their turn between requests of a connection that sends many at once.
TEST_F(HttpServerTest, APipelineDoesNotKeepOthersWaitingToItsEnd) {
  constexpr int kRequests = 200;
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
  std::string all;
  for (int i = 0; i < kRequests; ++i) {
    all += HttpClient::request("GET", "/" + std::to_string(i));
  }
  ASSERT_TRUE(client.send(all));
  entered.get_future().wait();
  ASSERT_TRUE(other.send(HttpClient::request("GET", "/other")));
  other_is_there.set_value();
  EXPECT_EQ(other.receive()->status, 200);
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_EQ(client.receive()->body, "GET /" + std::to_string(i) + " ");
  }
  EXPECT_LT(answered_before, kRequests / 2);
}

/// Answers that are sent together are all sent before what follows on one of their connections.
TEST_F(HttpServerTest, WhatFollowsInAPipelineDoesNotKeepTheAnswersOfOthers) {
  struct Round {
    std::promise<void> entered;
    std::promise<void> others_are_there;
    std::promise<void> other_is_answered;
    std::atomic<bool> other_is_handled{false};
    std::atomic<bool> is_second_last{false};  // of all that are handled
    std::atomic<bool> is_kept{false};
  };
  std::atomic<Round*> current{nullptr};
  HttpOptions options;
  options.threads = 1;
  HttpClient& gate = start(
      [&](const Request& request) {
        Round* const round = current;
        if (request.target == "/gate") {
          round->entered.set_value();
          round->others_are_there.get_future().wait();
        } else if (request.target == "/other") {
          round->other_is_handled = true;
        } else if (request.target == "/second" && round->other_is_handled) {
          round->is_second_last = true;
          const auto answered = round->other_is_answered.get_future();
          round->is_kept = answered.wait_for(std::chrono::seconds(10)) != std::future_status::ready;
        }
        return echo(request);
      },
      options);
  HttpClient pipeline(server_->port());
  HttpClient other(server_->port());
  for (HttpClient* client : {&pipeline, &other}) {
    ASSERT_EQ(client->ask("GET", "/warm")->status, 200);
  }
  for (bool was_together = false; !was_together;) {  // unless the other one came late
    Round next;
    current = &next;
    ASSERT_TRUE(gate.send(HttpClient::request("GET", "/gate")));
    next.entered.get_future().wait();
    ASSERT_TRUE(pipeline.send(HttpClient::request("GET", "/first") +
                              HttpClient::request("GET", "/second")));
    ASSERT_TRUE(other.send(HttpClient::request("GET", "/other")));
    next.others_are_there.set_value();
    EXPECT_EQ(other.receive()->body, "GET /other ");
    next.other_is_answered.set_value();
    EXPECT_EQ(gate.receive()->body, "GET /gate ");
    EXPECT_EQ(pipeline.receive()->body, "GET /first ");
    EXPECT_EQ(pipeline.receive()->body, "GET /second ");
    EXPECT_FALSE(next.is_kept);
    was_together = next.is_second_last;
  }
}

TEST_F(HttpServerTest, LargeRequestsAndAnswersComeWholeWhateverTheirPieces) {
  HttpOptions options;
  options.threads = 1;
  HttpClient& client = start(echo, options);
  std::string body(5'000'000, 'b');
  for (std::size_t i = 0; i < body.size(); i += 1000) {
    body[i] = static_cast<char>('a' + i / 1000 % 26);
  }
  const std::string large = HttpClient::request("POST", "/large", body);
  for (const std::size_t piece : {large.size(), std::size_t{300'000}, std::size_t{70'001}}) {
    for (std::size_t at = 0; at < large.size(); at += piece) {
      ASSERT_TRUE(client.send(std::string_view(large).substr(at, piece)));
    }
    HttpClient other(server_->port());  // meanwhile the answer fills the socket
    ASSERT_EQ(other.ask("GET", "/other")->status, 200);
    ASSERT_TRUE(client.send(HttpClient::request("GET", "/next")));
    ASSERT_EQ(client.receive()->body, "POST /large " + body);
    ASSERT_EQ(client.receive()->body, "GET /next ");
  }
}

TEST_F(HttpServerTest, ARequestMayComeByteByByte) {
  HttpClient& client = start();
  for (const char byte : HttpClient::request("POST", "/slow", "body")) {
    ASSERT_TRUE(client.send(std::string_view(&byte, 1)));
  }
  EXPECT_EQ(client.receive()->body, "POST /slow body");
}

TEST_F(HttpServerTest, AChunkedBodyIsPutTogether) {
  HttpClient& client = start();
  ASSERT_TRUE(
      client.send("POST /c HTTP/1.1\r\nhost: t\r\ntransfer-encoding: "
                  "chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"));
  EXPECT_EQ(client.receive()->body, "POST /c abcdefg");
}

TEST_F(HttpServerTest, AHalfSentRequestIsCutOffAfterTheReadTimeout) {
  HttpOptions options;
  options.read_timeout = Duration{50'000};
  HttpClient& client = start(echo, options);
  ASSERT_TRUE(client.send("POST /half HTTP/1.1\r\nhost: t\r\ncontent-length: 10\r\n\r\nhalf"));
  EXPECT_TRUE(client.closed_by_server());
  EXPECT_EQ(HttpClient(server_->port()).ask("GET", "/")->status, 200) << "others are served";
}

TEST_F(HttpServerTest, AnIdleConnectionIsClosedAfterTheIdleTimeout) {
  HttpOptions options;
  options.idle_timeout = Duration{50'000};
  HttpClient& client = start(echo, options);
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(HttpServerTest, ATooLargeBodyIs413HoweverItIsSent) {
  HttpOptions options;
  options.body_bytes_max = 1000;
  HttpClient& client = start(echo, options);
  EXPECT_EQ(client.ask("POST", "/", std::string(1000, 'x'))->status, 200);
  EXPECT_EQ(client.ask("POST", "/", std::string(1'000'000, 'x'))->status, 413);
  EXPECT_TRUE(client.closed_by_server());
  HttpClient chunked(server_->port());
  ASSERT_TRUE(
      chunked.send("POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n7d0\r\n" +
                   std::string(2000, 'x') + "\r\n0\r\n\r\n"));
  EXPECT_EQ(chunked.receive()->status, 413);
}

TEST_F(HttpServerTest, TooLargeHeadersAre431) {
  HttpClient& client = start();
  ASSERT_TRUE(client.send(
      HttpClient::request("GET", "/", "", "x-big: " + std::string(20'000, 'h') + "\r\n")));
  EXPECT_EQ(client.receive()->status, 431);
}

TEST_F(HttpServerTest, WhatIsNotHttpIs400) {
  start();
  for (const std::string& bytes :
       {std::string("hello\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nhost: t\r\nbroken header\r\n\r\n"),
        std::string(64, '\0'),
        std::string("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: x\r\n\r\n"),
        std::string(
            "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd"),
        std::string("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 3\r\ntransfer-encoding: "
                    "chunked\r\n\r\n0\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")}) {
    HttpClient client(server_->port());
    ASSERT_TRUE(client.send(bytes));
    const auto answer = client.receive();
    ASSERT_TRUE(answer.has_value()) << bytes;
    EXPECT_EQ(answer->status, 400) << bytes;
    EXPECT_TRUE(client.closed_by_server());
  }
}

TEST_F(HttpServerTest, ATargetWithSchemeAndHostIsItsPath) {
  start();
  for (const auto& [target, path] : std::vector<std::pair<std::string, std::string>>{
           {"http://any.host:80/next?x=1", "/next?x=1"},
           {"HTTPS://h/a", "/a"},
           {"http://h", "/"}}) {
    HttpClient client(server_->port());
    ASSERT_TRUE(client.send("GET " + target + " HTTP/1.1\r\nhost: t\r\n\r\n"));
    EXPECT_EQ(client.receive()->body, "GET " + path + " ");
  }
}

TEST_F(HttpServerTest, APackedBodyIs415) {
  start();
  HttpClient client(server_->port());
  ASSERT_TRUE(client.send(HttpClient::request("POST", "/", "abc", "Content-Encoding: gzip\r\n")));
  EXPECT_EQ(client.receive()->status, 415);
  HttpClient other(server_->port());
  ASSERT_TRUE(
      other.send(HttpClient::request("POST", "/", "abc", "content-encoding: identity\r\n")));
  EXPECT_EQ(other.receive()->status, 200);
}

/// What a proxy and we cut at different places would hide one request in another.
TEST_F(HttpServerTest, ABodyIsFramedInOneWayOrNotAtAll) {
  std::atomic<int> asked{0};
  start([&](const Request& request) {
    ++asked;
    return echo(request);
  });
  const std::string hidden = "GET /hidden HTTP/1.1\r\nhost: t\r\n\r\n";
  for (const std::string version : {"1.1", "1.0"}) {
    for (const std::string& headers : {std::string("transfer-encoding: gzip\r\n"),
                                       std::string("transfer-encoding: xchunked\r\n"),
                                       std::string("transfer-encoding: chunked, identity\r\n"),
                                       std::string("transfer-encoding: gzip, chunked\r\n"),
                                       std::string("transfer-encoding: chunked,\r\n"),
                                       std::string("transfer-encoding:\r\n"),
                                       std::string("transfer-encoding: identity\r\n"
                                                   "transfer-encoding: chunked\r\n"),
                                       std::string("transfer-encoding: gzip\r\n"
                                                   "content-length: 0\r\n"),
                                       std::string("content-length: 0\r\n"
                                                   "transfer-encoding: gzip\r\n"),
                                       std::string("content-length: 0\r\n"
                                                   "transfer-encoding: chunked\r\n")}) {
      HttpClient client(server_->port());
      ASSERT_TRUE(client.send("POST / HTTP/" + version + "\r\nhost: t\r\n" + headers +
                              "connection: keep-alive\r\n\r\n" + hidden));
      const auto answer = client.receive();
      ASSERT_TRUE(answer.has_value()) << headers;
      EXPECT_EQ(answer->status, 400) << version << " " << headers;
      EXPECT_TRUE(client.closed_by_server()) << headers;
    }
  }
  HttpClient old(server_->port());
  ASSERT_TRUE(old.send("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"));
  EXPECT_EQ(old.receive()->status, 400);
  EXPECT_EQ(asked, 0);
}

TEST_F(HttpServerTest, ChunksHaveNoMoreBesideTheirBytesThanHeadersMay) {
  start();
  const std::string head = "POST /c HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n";
  const std::string more(20'000, 'x');
  const std::string small = head + "1;a=b\r\nx\r\n0;c\r\nx-more: y\r\n\r\n";
  for (const std::string& bytes : {head + "1;" + more,
                                   head + "1\r\nx\r\n0;" + more,
                                   head + "1\r\nx\r\n0\r\nx-big: " + more,
                                   head + "1\r\nx\r\n0\r\nx-big: " + more + "\r\n\r\n"}) {
    HttpClient client(server_->port());
    ASSERT_EQ(client.ask("GET", "/before")->status, 200);
    ASSERT_TRUE(client.send(bytes));
    const auto answer = client.receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->status, 431) << bytes.substr(head.size(), 20);
    EXPECT_TRUE(client.closed_by_server());
  }
  HttpClient client(server_->port());
  ASSERT_TRUE(client.send(small));
  EXPECT_EQ(client.receive()->body, "POST /c x");
}

TEST_F(HttpServerTest, WhatStandsBehindABodyIsNoHeaderOfIt) {
  HttpClient& client = start([](const Request& request) {
    Response response;
    for (const auto& [name, value] : request.headers) {
      response.body += name + "=" + value + ";";
    }
    return response;
  });
  ASSERT_TRUE(
      client.send("POST /c HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
                  "x-api-key: secret\r\nauthorization: Bearer x\r\nx-assay-as-of: 2001\r\n\r\n"));
  EXPECT_EQ(client.receive()->body, "host=t;transfer-encoding=chunked;");
}

/// Memory may run out anywhere.
TEST_F(HttpServerTest, WhatThrowsOutsideOfTheHandlerEndsItsConnectionAlone) {
  HttpOptions options;
  options.threads = 1;
  options.is_slow = [](const Request& request) {
    return request.target == "/throw" ? throw std::bad_alloc() : false;
  };
  HttpClient& client = start(echo, options);
  HttpClient other(server_->port());
  ASSERT_EQ(other.ask("GET", "/")->status, 200);
  EXPECT_FALSE(client.ask("GET", "/throw").has_value());
  EXPECT_TRUE(client.closed_by_server());
  EXPECT_EQ(other.ask("GET", "/")->status, 200);
}

TEST_F(HttpServerTest, ExpectContinueIsAnsweredBeforeTheBody) {
  HttpClient& client = start();
  ASSERT_TRUE(client.send(
      "POST /e HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"));
  EXPECT_EQ(client.receive()->status, 100);
  ASSERT_TRUE(client.send("body"));
  EXPECT_EQ(client.receive()->body, "POST /e body");
}

TEST_F(HttpServerTest, HeadHasNoBodyAndHttp10ClosesUnlessAsked) {
  HttpClient& client = start();
  const auto head = client.ask("HEAD", "/h");
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->header("content-length"), "8");
  EXPECT_EQ(client.ask("GET", "/after")->body, "GET /after ");
  HttpClient old(server_->port());
  ASSERT_TRUE(old.send("GET /old HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(old.receive()->header("connection"), "close");
  EXPECT_TRUE(old.closed_by_server());
  HttpClient kept(server_->port());
  ASSERT_TRUE(kept.send("GET /old HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"));
  EXPECT_EQ(kept.receive()->header("connection"), "keep-alive");
}

TEST_F(HttpServerTest, ThePortInUseIsNamed) {
  start();
  HttpOptions same;
  same.port = server_->port();
  const Status taken = start_http_server(world_, echo, same).status();
  EXPECT_EQ(taken.code(), Code::kUnavailable);
  EXPECT_NE(taken.message().find(std::to_string(server_->port())), std::string::npos)
      << taken.message();
  HttpOptions nowhere;
  nowhere.host = "not an address";
  EXPECT_EQ(start_http_server(world_, echo, nowhere).code(), Code::kInvalidArgument);
}

TEST_F(HttpServerTest, AnAddressOfIpv6StandsInBracketsAsInUrls) {
  HttpOptions options;
  options.port = 0;
  options.host = "::1";
  const Code plain = start_http_server(world_, echo, options).code();
  EXPECT_TRUE(plain == Code::kOk || plain == Code::kUnavailable) << "where there is no IPv6";
  options.host = "[::1]";
  EXPECT_EQ(start_http_server(world_, echo, options).code(), plain);
  for (const char* const wrong : {"[127.0.0.1]", "[::1", "::1]", "[]", "["}) {
    options.host = wrong;
    EXPECT_EQ(start_http_server(world_, echo, options).code(), Code::kInvalidArgument) << wrong;
  }
}

TEST_F(HttpServerTest, AHandlerWhoseLibraryThrowsIs500AndTheServerLives) {
  HttpClient& client = start([](const Request& request) {
    Response response;
    response.body = std::to_string(std::string("/small").at(request.target == "/throw" ? 99 : 1));
    return response;
  });
  EXPECT_EQ(client.ask("GET", "/throw")->status, 500);
  EXPECT_EQ(client.ask("GET", "/small")->status, 200);
}

TEST_F(HttpServerTest, ConnectionsBeyondTheLimitAreToldToComeLater) {
  HttpOptions options;
  options.connections_max = 1;
  HttpClient& client = start(echo, options);
  EXPECT_EQ(client.ask("GET", "/")->status, 200);
  HttpClient second(server_->port());
  const auto answer = second.receive();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->header("retry-after"), "1");
  EXPECT_TRUE(second.closed_by_server());
  EXPECT_EQ(client.ask("GET", "/")->status, 200);
  EXPECT_EQ(metrics_.counter("assay_serve_connections_refused_total", "").value(), 1);
}

TEST_F(HttpServerTest, WithoutFileHandlesAClientWaitsUntilThereIsOne) {
  ASSERT_EQ(start().ask("GET", "/")->status, 200);
  FileLimit limit;
  const int next = ::dup(0);  // the lowest that is free
  ASSERT_GE(next, 0);
  ::close(next);
  limit.below(next + 1);  // the client's own is the last
  HttpClient waiting(server_->port());
  ASSERT_TRUE(waiting.connected());
  ASSERT_TRUE(waiting.send(HttpClient::request("GET", "/x")));
  Counter& failures = metrics_.counter("assay_serve_accept_failures_total", "");
  while (failures.value() < 3) {
    std::this_thread::yield();
  }
  EXPECT_EQ(client_->ask("GET", "/")->status, 200) << "others are served meanwhile";
  EXPECT_LT(failures.value(), 1000) << "it does not spin";
  limit.lift();
  EXPECT_EQ(waiting.receive()->body, "GET /x ");
}

TEST_F(HttpServerTest, WithoutMemoryForAConnectionOthersAreTakenLater) {
  std::atomic<int> taken = 0;
  const auto listener = Listener::open(world_, "127.0.0.1", 0, [&](int socket) {
                          if (++taken <= 3) {
                            ::close(socket);
                            throw std::bad_alloc();
                          }
                          send_and_close(socket, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                        }).value();
  for (int i = 0; i < 3; ++i) {
    HttpClient lost(listener->port());
    EXPECT_TRUE(lost.closed_by_server());
  }
  HttpClient client(listener->port());
  const auto answer = client.receive();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(metrics_.counter("assay_serve_accept_failures_total", "").value(), 3);
  listener->stop();
}

TEST_F(HttpServerTest, WhatWaitsTooLongForItsTurnIsShedUntilTheWaitIsOver) {
  std::promise<void> entered;
  std::promise<void> may_finish;
  HttpOptions options;
  options.threads = 1;
  options.turn_max = Duration{kMicrosPerSecond};
  options.is_urgent = [](const Request& request) { return request.target == "/health"; };
  start(
      [&](const Request& request) {
        if (request.target == "/long") {
          entered.set_value();
          may_finish.get_future().wait();
          clock_.advance(Duration{2 * kMicrosPerSecond});  // so long it took
        }
        return echo(request);
      },
      options);
  HttpClient busy(server_->port());
  HttpClient second(server_->port());
  HttpClient third(server_->port());
  for (HttpClient* client : {&second, &third}) {
    ASSERT_EQ(client->ask("GET", "/")->status, 200);
  }
  clock_.advance(Duration{kMicrosPerSecond});  // a mark is due
  ASSERT_TRUE(busy.send(HttpClient::request("GET", "/long")));
  entered.get_future().wait();
  ASSERT_TRUE(second.send(HttpClient::request("HEAD", "/second")));
  ASSERT_TRUE(third.send(HttpClient::request("GET", "/health")));
  may_finish.set_value();
  EXPECT_EQ(busy.receive()->status, 200);
  const auto shed = second.receive(true);
  ASSERT_TRUE(shed.has_value());
  EXPECT_EQ(shed->status, 503);
  EXPECT_EQ(shed->header("retry-after"), "1");
  EXPECT_EQ(third.receive()->status, 200) << "urgent";
  EXPECT_EQ(second.ask("GET", "/second")->status, 200) << "the wait is over";
  EXPECT_EQ(metrics_.counter("assay_serve_shed_total", "").value(), 1);
}

TEST_F(HttpServerTest, StopFinishesTheRequestUnderWayAndClosesIdleConnections) {
  std::promise<void> entered;
  std::promise<void> may_finish;
  std::shared_future<void> finish(may_finish.get_future());
  HttpClient& idle = start([&](const Request& request) {
    if (request.target == "/long") {
      entered.set_value();
      finish.wait();
    }
    return echo(request);
  });
  ASSERT_EQ(idle.ask("GET", "/")->status, 200);
  HttpClient busy(server_->port());
  ASSERT_TRUE(busy.send(HttpClient::request("GET", "/long")));
  entered.get_future().wait();
  std::jthread stopper([&] { server_->stop(); });
  may_finish.set_value();
  const auto answer = busy.receive();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, "GET /long ");
  EXPECT_TRUE(busy.closed_by_server());
  EXPECT_TRUE(idle.closed_by_server());
  stopper.join();
  EXPECT_FALSE(HttpClient(server_->port()).connected());
}

SlowLimits slow_limits(int requests_max) {
  SlowLimits limits;
  limits.requests_max = requests_max;
  limits.bytes_max = 1000;
  return limits;
}

/// A handler whose slow requests wait until they may go on.
class SlowHandler {
 public:
  Response operator()(const Request& request) {
    if (request.target == "/slow") {
      ++entered;
      finish_.wait();
    }
    return echo(request);
  }
  void let_go() { may_finish_.set_value(); }
  /// How many slow requests are being handled.
  std::atomic<int> entered{0};

  static HttpOptions options(SlowLimits limits) {
    HttpOptions options;
    options.threads = 1;
    options.is_slow = [](const Request& request) { return request.target == "/slow"; };
    options.slow = limits;
    return options;
  }

 private:
  std::promise<void> may_finish_;
  std::shared_future<void> finish_{may_finish_.get_future()};
};

TEST_F(HttpServerTest, SlowRequestsKeepNobodyWaitingAndAreBounded) {
  SlowHandler handler;
  start(std::ref(handler), SlowHandler::options(slow_limits(2)));
  HttpClient first(server_->port());
  HttpClient second(server_->port());
  ASSERT_TRUE(first.send(HttpClient::request("POST", "/slow", "a")));
  while (handler.entered == 0) {
    std::this_thread::yield();
  }
  ASSERT_TRUE(second.send(HttpClient::request("POST", "/slow", "b")));
  // One is under way, one waits: a third finds no room, and others are answered meanwhile. The
  // second is read before the third, since both are of one thread.
  EXPECT_EQ(client_->ask("GET", "/fast")->body, "GET /fast ");
  const auto refused = client_->ask("POST", "/slow", "c");
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(refused->header("retry-after"), "1");
  EXPECT_EQ(client_->ask("GET", "/fast")->status, 200) << "the connection goes on";
  handler.let_go();
  EXPECT_EQ(first.receive()->body, "POST /slow a");
  EXPECT_EQ(second.receive()->body, "POST /slow b");
  EXPECT_EQ(client_->ask("POST", "/slow", "c")->body, "POST /slow c");
  EXPECT_EQ(client_->ask("POST", "/slow", std::string(1001, 'x'))->status, 429) << "bytes too";
}

TEST_F(HttpServerTest, WhatWritesWaitsForNoSlowQuestion) {
  SlowHandler handler;
  HttpOptions options = SlowHandler::options(slow_limits(1));
  options.is_slow = [](const Request& request) { return request.method == "POST"; };
  options.is_write = [](const Request& request) { return request.target == "/write"; };
  start(std::ref(handler), options);
  HttpClient first(server_->port());
  ASSERT_TRUE(first.send(HttpClient::request("POST", "/slow", "a")));
  while (handler.entered == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(client_->ask("POST", "/other")->status, 429) << "no room beside the one under way";
  EXPECT_EQ(client_->ask("POST", "/write", "b")->body, "POST /write b");
  EXPECT_EQ(client_->ask("POST", "/write", std::string(1001, 'x'))->status, 429);
  handler.let_go();
  EXPECT_EQ(first.receive()->body, "POST /slow a");
}

TEST_F(HttpServerTest, HeadOfASlowRequestHasNoBodyEither) {
  for (const int requests_max : {10, 0}) {  // answered, and refused
    SlowHandler handler;
    handler.let_go();
    start(std::ref(handler), SlowHandler::options(slow_limits(requests_max)));
    const auto head = client_->ask("HEAD", "/slow");
    ASSERT_TRUE(head.has_value());
    EXPECT_EQ(head->status, requests_max == 0 ? 429 : 200);
    EXPECT_NE(head->header("content-length"), "0");
    EXPECT_EQ(client_->ask("GET", "/after")->body, "GET /after ") << "the connection goes on";
    server_->stop();
  }
}

TEST_F(HttpServerTest, StopFinishesTheSlowRequestUnderWayAndRefusesThoseThatWait) {
  SlowHandler handler;
  start(std::ref(handler), SlowHandler::options(slow_limits(10)));
  HttpClient waiting(server_->port());
  ASSERT_TRUE(client_->send(HttpClient::request("POST", "/slow", "a")));
  while (handler.entered == 0) {
    std::this_thread::yield();
  }
  ASSERT_TRUE(waiting.send(HttpClient::request("POST", "/slow", "b")));
  ASSERT_EQ(HttpClient(server_->port()).ask("GET", "/fast")->status, 200);  // `b` was read before
  std::jthread stopper([&] { server_->stop(); });
  while (HttpClient(server_->port()).connected()) {
    std::this_thread::yield();
  }
  EXPECT_EQ(waiting.receive()->status, 503) << "at once";
  handler.let_go();
  EXPECT_EQ(client_->receive()->body, "POST /slow a");
}

TEST_F(HttpServerTest, ASlowRequestWhoseTurnDoesNotComeInTimeIs503) {
  SlowHandler handler;
  SlowLimits limits;
  limits.wait_max = Duration{20'000};
  start(std::ref(handler), SlowHandler::options(limits));
  HttpClient waiting(server_->port());
  ASSERT_TRUE(client_->send(HttpClient::request("POST", "/slow", "a")));
  while (handler.entered == 0) {
    std::this_thread::yield();
  }
  ASSERT_TRUE(waiting.send(HttpClient::request("POST", "/slow", "b")));
  ASSERT_EQ(HttpClient(server_->port()).ask("GET", "/fast")->status, 200);  // `b` was read before
  clock_.advance(Duration{20'000});
  const auto answer = waiting.receive();  // while the first is still under way
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->header("retry-after"), "1");
  EXPECT_EQ(metrics_.counter("assay_serve_slow_late_total", "").value(), 1);
  handler.let_go();
  EXPECT_EQ(client_->receive()->body, "POST /slow a");
  EXPECT_EQ(waiting.ask("POST", "/slow", "c")->status, 200) << "the connection goes on";
  EXPECT_EQ(handler.entered, 2) << "`b` was never begun";
}

TEST_F(HttpServerTest, StopInterruptsASlowRequestThatDoesNotEnd) {
  SlowHandler handler;
  SlowLimits limits;
  limits.finish_max = Duration{1000};
  std::atomic<int> interrupts{0};
  limits.interrupt = [&] {
    if (++interrupts == 3) {  // the first may find nothing that runs
      handler.let_go();
    }
  };
  start(std::ref(handler), SlowHandler::options(limits));
  ASSERT_TRUE(client_->send(HttpClient::request("POST", "/slow", "a")));
  while (handler.entered == 0) {
    std::this_thread::yield();
  }
  server_->stop();
  EXPECT_GE(interrupts, 3) << "until it ends";
  EXPECT_EQ(client_->receive()->body, "POST /slow a") << "its answer, whatever it is, arrives";
}

TEST_F(HttpServerTest, AHandlerThatThrowsOnTheSlowThreadIs500AndTheServerLives) {
  HttpOptions options;
  options.is_slow = [](const Request&) { return true; };
  HttpClient& client = start(
      [](const Request& request) {
        Response response;
        response.body =
            std::to_string(std::string("/small").at(request.target == "/throw" ? 99 : 1));
        return response;
      },
      options);
  EXPECT_EQ(client.ask("GET", "/throw")->status, 500);
  EXPECT_EQ(client.ask("GET", "/small")->status, 200);
}

TEST_F(HttpServerTest, AClientThatLeavesASlowRequestHarmsNobody) {
  SlowHandler handler;
  start(std::ref(handler), SlowHandler::options(slow_limits(10)));
  {
    HttpClient gone(server_->port());
    ASSERT_TRUE(gone.send(HttpClient::request("POST", "/slow", "a")));
    while (handler.entered == 0) {
      std::this_thread::yield();
    }
  }
  handler.let_go();
  EXPECT_EQ(client_->ask("POST", "/slow", "b")->body, "POST /slow b");
}

TEST_F(HttpServerTest, NotModifiedHasNoLength) {
  HttpClient& client = start([](const Request&) {
    return Response{304, "", "", {{"etag", "\"1\""}}};
  });
  ASSERT_TRUE(client.send(HttpClient::request("GET", "/") + HttpClient::request("GET", "/")));
  const auto answer = client.receive();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 304);
  EXPECT_EQ(answer->header("content-length"), "");
  EXPECT_EQ(client.receive()->status, 304);
}

TEST_F(HttpServerTest, StopDoesNotWaitForAHalfSentRequestForEver) {
  HttpOptions options;
  options.drain_max = Duration{50'000};
  HttpClient& client = start(echo, options);
  ASSERT_TRUE(client.send(
      "POST / HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n"));
  ASSERT_EQ(client.receive()->status, 100);
  server_->stop();
  server_->stop();
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(HttpServerTest, StopWhileManyClientsAskLosesNoAnswerThatBegan) {
  start();
  std::atomic<int> asked{0};
  std::atomic<int> wrong{0};
  std::vector<std::jthread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&, port = server_->port()] {
      HttpClient client(port);
      for (;; ++asked) {
        const auto answer = client.ask("GET", "/x");
        if (!answer.has_value()) {
          return;  // closed between two requests
        }
        wrong += answer->body == "GET /x " ? 0 : 1;
      }
    });
  }
  while (asked < 200) {
    std::this_thread::yield();
  }
  server_->stop();
  clients.clear();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace assay::serve
