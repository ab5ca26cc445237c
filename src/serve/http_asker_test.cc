// Questions to other servers over loopback: what is slow holds up nobody else, and what is said of
// a failure is so.

#include "serve/http_asker.h"

#include <future>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pause.h"
#include "serve/http_server_fixture.h"
#include "serve/listener.h"

namespace assay::serve {
namespace {

constexpr Duration kLong{60 * kMicrosPerSecond};
constexpr Duration kShort{50'000};

class HttpAskerTest : public HttpServerTest {
 protected:
  using Answer = std::future<Result<Response>>;

  ~HttpAskerTest() override { open(); }
  /// A server whose answers to /held wait until open().
  void start_holding(HttpOptions options = {}) {
    options.is_slow = [](const Request& request) { return request.target == "/held"; };
    options.slow.threads = 4;
    start(
        [this](const Request& request) {
          if (request.target == "/held") {
            opened_.wait();
          }
          return echo(request);
        },
        options);
    ask_at({"127.0.0.1", server_->port()});
  }
  void open() {
    if (!is_open_) {
      is_open_ = true;
      open_.set_value();
    }
  }
  void ask_at(const ServerAddress& address) {
    asker_ = HttpAsker::start(clock_, {address}, options_);
  }
  Answer ask(AskLane lane, const std::string& path, Duration answer_max = kLong) {
    WireQuestion question;
    question.bytes = "GET " + path + " HTTP/1.1\r\nhost: a\r\n\r\n";
    question.lane = lane;
    question.answer_max = answer_max;
    const auto answer = std::make_shared<std::promise<Result<Response>>>();
    asker_->ask(0, std::move(question), [answer](Result<Response> found) {
      answer->set_value(std::move(found));
    });
    return answer->get_future();
  }

  HttpAsker::Options options_;
  std::promise<void> open_;
  std::shared_future<void> opened_ = open_.get_future().share();
  bool is_open_ = false;
  std::unique_ptr<HttpAsker> asker_;
};

TEST_F(HttpAskerTest, SlowQuestionsLeaveConnectionsToOthers) {
  options_.connections_max = 2;
  options_.slow_max = 2;
  start_holding();
  std::vector<Answer> slow;
  for (int i = 0; i < 4; ++i) {
    slow.push_back(ask(AskLane::kSlow, "/held"));
  }
  EXPECT_TRUE(ask(AskLane::kOrdinary, "/b").get().ok());
  EXPECT_TRUE(ask(AskLane::kLook, "/c").get().ok());
  open();
  for (Answer& answer : slow) {
    EXPECT_TRUE(answer.get().ok());
  }
}

TEST_F(HttpAskerTest, WhoWaitsForOthersInVainSaysNothingOfTheServer) {
  options_.connections_max = 1;
  start_holding();
  Answer first = ask(AskLane::kOrdinary, "/held");
  const Result<Response> second = ask(AskLane::kOrdinary, "/b", kShort).get();
  EXPECT_EQ(second.code(), Code::kResourceExhausted) << second.status().message();
  EXPECT_TRUE(ask(AskLane::kLook, "/c").get().ok());
  open();
  EXPECT_TRUE(first.get().ok());
}

TEST_F(HttpAskerTest, WhatWasNotSentIsToldApart) {
  start_holding();
  EXPECT_EQ(ask(AskLane::kOrdinary, "/held", kShort).get().code(), Code::kDeadlineExceeded);
  const uint16_t port = server_->port();
  open();
  server_.reset();
  ask_at({"127.0.0.1", port});
  EXPECT_EQ(ask(AskLane::kOrdinary, "/b").get().code(), Code::kUnavailable);
  const auto listener = Listener::open(world_, "127.0.0.1", 0, [](int socket) {
                          send_and_close(socket, "nonsense\r\n");
                        }).value();
  ask_at({"127.0.0.1", listener->port()});
  EXPECT_EQ(ask(AskLane::kOrdinary, "/b").get().code(), Code::kAborted);
  asker_.reset();
  listener->stop();
}

TEST_F(HttpAskerTest, AnAnswerThatThereIsNoRoomForSaysNothingOfTheServer) {
  ByteBudget budget(100'000);
  options_.arriving = &budget;
  options_.answer_bytes_max = 1'000'000;
  start([](const Request& request) {
    return Response{200, "", std::string(std::stoul(request.target.substr(1)), 'x'), {}};
  });
  ask_at({"127.0.0.1", server_->port()});
  for (const std::string path : {"/300000", "/2000000"}) {
    EXPECT_EQ(ask(AskLane::kOrdinary, path).get().code(), Code::kOutOfRange) << path;
    const Result<Response> small = ask(AskLane::kOrdinary, "/80000").get();
    ASSERT_TRUE(small.ok()) << small.status().message();
    EXPECT_EQ(small->body.size(), 80'000U);
  }
  EXPECT_TRUE(budget.take(100'000)) << "what they held is given back";
  EXPECT_TRUE(ask(AskLane::kLook, "/1000").get().ok()) << "what is little needs none";
  asker_.reset();
}

TEST_F(HttpAskerTest, WhatHasComeOfAnAnswerIsHeldUntilItsServerGoesAway) {
  ByteBudget budget(400'000);
  options_.arriving = &budget;
  std::promise<int> arrived;
  const auto listener = Listener::open(world_, "127.0.0.1", 0, [&](int socket) {
                          arrived.set_value(socket);
                        }).value();
  ask_at({"127.0.0.1", listener->port()});
  Answer answer = ask(AskLane::kOrdinary, "/");
  const int socket = arrived.get_future().get();
  const std::string begun =
      "HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n" + std::string(200'000, 'x');
  ASSERT_EQ(::send(socket, begun.data(), begun.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(begun.size()));
  bool is_held = false;
  for (int tries = 0; tries < 3'000 && !is_held; ++tries) {
    is_held = !budget.take(200'001);
    if (!is_held) {
      budget.give_back(200'001);
      pause_for(Duration{10'000});
    }
  }
  EXPECT_TRUE(is_held);
  ::close(socket);
  EXPECT_EQ(answer.get().code(), Code::kAborted);
  EXPECT_TRUE(budget.take(400'000));
  asker_.reset();
  listener->stop();
}

TEST_F(HttpAskerTest, AnAddressMayBeInBrackets) {
  HttpOptions options;
  options.host = "[::1]";
  start_holding(options);
  ask_at({"[::1]", server_->port()});
  const Result<Response> answer = ask(AskLane::kOrdinary, "/b").get();
  EXPECT_TRUE(answer.ok()) << answer.status().message();
}

}  // namespace
}  // namespace assay::serve
