// Questions of very many values: nobody waits for them, and they end when they are no longer
// wanted.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "serve/feature_server.h"
#include "serve/grpc_calls.h"
#include "serve/http_client.h"
#include "serve/http_server.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

constexpr char kPath[] = "/get-online-features";
constexpr int64_t kManyRows = kLargeCells + 1;

/// A view of which each row that is read first does what a test wants.
class HookedView : public online::FakeView {
 public:
  using FakeView::FakeView;
  [[nodiscard]] Result<gold::FeatureValues> read_online_row(std::string_view row,
                                                            EventTime now) const override {
    ++rows;
    if (before_row) {
      before_row(rows);
    }
    return FakeView::read_online_row(row, now);
  }

  std::function<void(int64_t row)> before_row;
  mutable std::atomic<int64_t> rows{0};
};

/// Entities `u0`, `u1`, ... of a view's first feature.
std::string question(const std::string& view, int64_t rows) {
  std::string users;
  for (int64_t i = 0; i < rows; ++i) {
    users += (i == 0 ? "\"u" : ",\"u") + std::to_string(i) + "\"";
  }
  return R"({"features":[")" + view + R"(:f0"],"entities":{"user_id":[)" + users + "]}}";
}

class LargeQuestions : public testing::Test {
 protected:
  LargeQuestions() {
    fixture_.apply(hooked_, {{"u1", ServingFixture::kTime, ServingFixture::kTime, {1.5}}});
    ServingState state = fixture_.make_state();
    state.views.emplace("hooked", hooked_);
    catalog::ServiceDef one;
    one.name = "one";
    one.items = {{"hooked", {}, {}}};
    state.services.emplace("one", *gold::compile_service(one, state.views, state.on_demand));
    state.models.emplace(
        "scored",
        *ServingModel::make(
            "scored", "1", state.services.at("one"), std::make_shared<SumScorer>(1), {"f0"}));
    features_ = std::make_unique<FeatureServer>(
        fixture_.world, *fixture_.store, std::make_shared<const ServingState>(std::move(state)));
  }
  /// A server with one thread for its connections.
  void start(SlowLimits limits = {}) {
    HttpOptions options;
    options.port = 0;
    options.threads = 1;
    options.turn_max = Duration{3'600 * kMicrosPerSecond};  // the clock jumps
    options.is_slow = features_->slow_of_callers();
    options.is_large = FeatureServer::is_question;
    options.slow = std::move(limits);
    server_ = start_http_server(fixture_.world, features_->handler(), options).value();
  }
  Response answer(const std::string& path, const std::string& body) {
    return features_->handle({"POST", path, {}, body});
  }

  ServingFixture fixture_;
  std::shared_ptr<HookedView> hooked_ = std::make_shared<HookedView>(
      "hooked", std::vector<data::Field>{{"user_id", data::Type::kString}}, 1);
  std::unique_ptr<FeatureServer> features_;
  std::unique_ptr<HttpServer> server_;  // first to end
};

TEST_F(LargeQuestions, OthersOfTheSameThreadAreAnsweredMeanwhile) {
  constexpr int kOthers = 50;
  std::mutex mutex;
  std::condition_variable changed;
  bool is_begun = false;
  int answered = 0;
  hooked_->before_row = [&](int64_t row) {
    if (row == 1) {
      std::unique_lock lock(mutex);
      is_begun = true;
      changed.notify_all();
      changed.wait_for(lock, std::chrono::seconds(10), [&] { return answered == kOthers; });
    }
  };
  start();
  HttpClient large(server_->port(), 60);
  HttpClient small(server_->port(), 60);
  ASSERT_TRUE(large.send(HttpClient::request("POST", kPath, question("hooked", kManyRows))));
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return is_begun; }));
  }
  for (int i = 0; i < kOthers; ++i) {
    const auto other = small.ask("POST", kPath, question("spend", 2));
    ASSERT_TRUE(other.has_value());
    EXPECT_EQ(other->status, 200);
    EXPECT_EQ(hooked_->rows, 1) << "the large one waits for these";
    const std::lock_guard lock(mutex);
    ++answered;
    changed.notify_all();
  }
  const auto whole = large.receive();
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->status, 200);
  hooked_->before_row = nullptr;
  EXPECT_EQ(whole->body, answer(kPath, question("hooked", kManyRows)).body);
  EXPECT_EQ(fixture_.world.metrics.counter("feast_online_features_request_total", "").value(),
            kOthers + 2)
      << "each once";
}

TEST_F(LargeQuestions, AnswersAreThoseOfSmallQuestions) {
  start();
  HttpClient client(server_->port(), 60);
  for (const std::string path : {"/get-online-features", "/predict"}) {
    for (const int64_t rows : {kLargeScoredRows, kLargeScoredRows + 1, kLargeCells, kManyRows}) {
      std::string body = question("hooked", rows);
      if (path == "/predict") {
        body = R"({"model":"scored",)" + body.substr(body.find("\"entities\""));
      }
      const auto got = client.ask("POST", path, body);
      ASSERT_TRUE(got.has_value());
      EXPECT_EQ(got->status, 200) << got->body;
      EXPECT_EQ(got->body, answer(path, body).body) << path << " " << rows;
    }
  }
}

TEST_F(LargeQuestions, AHurriedOneIsLeftBeforeItIsRead) {
  const Pace hurried{true, {}};
  for (const bool is_large : {false, true}) {
    const int64_t rows = is_large ? kManyRows : kLargeCells;
    Request request{"POST", kPath, {}, question("hooked", rows), {}, hurried};
    EXPECT_EQ(features_->answer_in_time(request).has_value(), !is_large);
    request.target = "/predict";
    const int64_t scored = is_large ? kLargeScoredRows + 1 : kLargeScoredRows;
    request.body = R"({"model":"scored",)" +
                   question("", scored).substr(question("", scored).find("\"entities\""));
    EXPECT_EQ(features_->answer_in_time(request).has_value(), !is_large);
  }
  EXPECT_EQ(hooked_->rows, kLargeCells + kLargeScoredRows);
}

TEST_F(LargeQuestions, AStoppingServerDoesNotWaitForThem) {
  constexpr int64_t kRows = 200'000;
  std::atomic<bool> is_begun{false};
  hooked_->before_row = [&](int64_t row) {
    is_begun = true;
    if (row > 100) {  // all of it takes minutes
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  };
  SlowLimits limits;
  limits.finish_max = Duration{kMicrosPerSecond / 10};
  start(limits);
  HttpClient client(server_->port(), 60);
  ASSERT_TRUE(client.send(HttpClient::request("POST", kPath, question("hooked", kRows))));
  while (!is_begun && !client.readable(1)) {
  }
  ASSERT_TRUE(is_begun);
  server_->stop();
  const auto refused = client.receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 503) << refused->body;
  EXPECT_NE(refused->body.find("stopping"), std::string::npos) << refused->body;
  EXPECT_LT(hooked_->rows, kRows);
}

TEST_F(LargeQuestions, OneThatTakesTooLongIs503) {
  start();
  HttpClient client(server_->port(), 60);
  for (const std::string path : {"/get-online-features", "/predict"}) {
    hooked_->rows = 0;
    hooked_->before_row = [&](int64_t row) {
      fixture_.clock.advance(Duration{row == 1 ? 61 * kMicrosPerSecond : 0});
    };
    std::string body = question("hooked", kManyRows);
    if (path == "/predict") {
      body = R"({"model":"scored",)" + body.substr(body.find("\"entities\""));
    }
    const auto refused = client.ask("POST", path, body);
    ASSERT_TRUE(refused.has_value());
    EXPECT_EQ(refused->status, 503) << refused->body;
    EXPECT_NE(refused->body.find("too long"), std::string::npos) << refused->body;
    EXPECT_LT(hooked_->rows, kManyRows);
    hooked_->before_row = nullptr;
    EXPECT_EQ(client.ask("POST", path, body)->status, 200);
  }
}

TEST_F(LargeQuestions, WhoeverEndsThemEndsThemInEveryWay) {
  int64_t asked = 0;
  const Pace pace{false, [&]() -> Status {
                    return ++asked < 3 ? Status() : Status(Code::kUnavailable, "enough");
                  }};
  for (const bool is_quick : {true, false}) {
    if (!is_quick) {
      features_->answer_in_general();
    }
    for (const std::string path : {"/get-online-features", "/predict"}) {
      std::string body = question("hooked", kManyRows);
      if (path == "/predict") {
        body = R"({"model":"scored",)" + body.substr(body.find("\"entities\""));
      }
      asked = 0;
      const auto ended = features_->answer_in_time({"POST", path, {}, body, {}, pace});
      EXPECT_EQ(ended->status, 503) << path;
      EXPECT_EQ(asked, 3);
    }
  }
  EXPECT_LT(hooked_->rows, 4 * kManyRows);
}

TEST_F(LargeQuestions, OnlyQuestionsOfNowAreLarge) {
  const auto is_question = [](const std::string& target, const std::string& body) {
    return FeatureServer::is_question({"POST", target, {}, body});
  };
  EXPECT_TRUE(is_question("/get-online-features", "{}"));
  EXPECT_TRUE(is_question("/predict?a=b", "{}"));
  EXPECT_FALSE(is_question("/predict", R"({"at":"2001-01-01"})"));
  EXPECT_FALSE(is_question("/push", "{}"));
  EXPECT_FALSE(is_question("/health", ""));
  const auto is_slow = features_->slow_of_callers();
  EXPECT_TRUE(is_slow({"POST", kPath, {}, std::string(kLargeBodyBytes + 1, ' ')}));
  EXPECT_FALSE(is_slow({"POST", kPath, {}, std::string(kLargeBodyBytes, ' ')}));
  EXPECT_FALSE(is_slow({"POST", "/nowhere", {}, std::string(kLargeBodyBytes + 1, ' ')}));
}

}  // namespace
}  // namespace assay::serve
