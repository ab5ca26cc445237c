// `assay up` over several sources: one whose brokers or schema registry are away holds up no other.

#include "flow/up_lines.h"

#include <algorithm>
#include <future>

#include <gtest/gtest.h>

#include "flow/running_up.h"

namespace assay::flow {
namespace {

/// Longer than an event may take to be readable, so that a question that is waited for is seen.
constexpr Duration kAskTimeout{10 * kMicrosPerSecond};
constexpr double kReadableMax = 5;
constexpr Duration kFlushEvery{200'000};

/// A second source and a view of its own, beside those of the small project.
class TwoSources : public KafkaProject {
 public:
  TwoSources(const TestTopic& first, const TestTopic& second, const std::string& more = "")
      : KafkaProject(first) {
    change("others: {files: {path: others, format: csv}}",
           "others: {kafka: {brokers: \"" + second.brokers() + "\", " + kAskedOften +
               ", topics: events" + more + "}}");
    change("silver:\n",
           "  more:\n    source: others\n    event_time: {column: ts}\n"
           "    known_time: {delay: 20m}\n"
           "    columns: {user_id: string!, amount: float64, ts: timestamp!}\nsilver:\n");
    change("services:\n",
           "  more_spend:\n    entity: user\n    from: more\n    slide: 10m\n    ttl: 2d\n"
           "    features:\n      more_n: {agg: count, over: [24h]}\nservices:\n");
    change("v1: [spend]", "v1: [spend, more_spend]");
  }
};

/// Seconds that events of the first source took, one after the other, until the store answers with
/// them: the worst.
double worst_of(RunningUp& up, TestTopic& topic, int events) {
  SystemWorld system(LogLevel::kError);
  Clock& clock = system.world().clock;
  double worst = 0;
  for (int i = 0; i < events; ++i) {
    const uint64_t before = *up.store().content_hash(up.view());
    const Duration sent = clock.monotonic();
    const auto waited = [&] {
      return static_cast<double>(clock.monotonic().micros - sent.micros) / 1e6;
    };
    topic.send(0,
               R"({"user_id":"u1","amount":)" + std::to_string(topic.sent()) +
                   R"(,"ts":"2026-01-06 12:00:00"})");
    topic.flush();
    while (*up.store().content_hash(up.view()) == before && waited() < 60) {
      pause_for({2'000});
    }
    worst = std::max(worst, waited());
  }
  return worst;
}

TEST(UpLines, BrokersThatAreAwayHoldUpNoOtherSource) {
  TestTopic first(1);
  TestTopic second(2);
  TwoSources project(first, second);
  send_days(first, 1, 4);
  send_days(second, 1, 4);
  {
    RunningUp up(project, kFlushEvery, run_up, {10'000}, kAskTimeout);
    up.wait_until_ready();
    second.set_away(true);
    const double worst = worst_of(up, first, 20);
    testing::Test::RecordProperty("worst_milliseconds", static_cast<int>(worst * 1e3));
    EXPECT_LT(worst, kReadableMax);
    EXPECT_TRUE(up.stop().ok());
  }
  {  // also after a restart, while it is still away
    RunningUp up(project, kFlushEvery, run_up, {10'000}, kAskTimeout);
    up.wait_until_ready();
    const double worst = worst_of(up, first, 20);
    testing::Test::RecordProperty("worst_milliseconds_again", static_cast<int>(worst * 1e3));
    EXPECT_LT(worst, kReadableMax);
    up.wait_for_gauge("assay_flow_line_waiting", 1);
    second.set_away(false);
    send_days(second, 4, 7);
    wait_for_rows(project, "bronze/more", second.sent());
    up.wait_for_gauge("assay_flow_line_waiting", 0);
    EXPECT_LT(worst_of(up, first, 3), kReadableMax);
    EXPECT_TRUE(up.stop().ok());
  }
  EXPECT_EQ(project.count("bronze/events"), first.sent());
  EXPECT_EQ(project.count("bronze/more"), second.sent());
  expect_verified(project);
}

TEST(UpLines, ARegistryThatIsAwayHoldsUpNoOtherSource) {
  TestTopic first(1);
  TestTopic second(1);
  TwoSources project(
      first, second, ", format: avro, schema_registry: {url: \"http://127.0.0.1:1\", timeout: 1s}");
  send_days(first, 1, 4);
  RunningUp up(project, kFlushEvery, run_up, {10'000}, kAskTimeout);
  up.wait_until_ready();
  second.send(0, std::string("\x00\x00\x00\x00\x07\x02", 6));
  second.flush();
  up.wait_for_gauge("assay_flow_line_waiting", 1);
  EXPECT_LT(worst_of(up, first, 20), kReadableMax);
  EXPECT_TRUE(up.stop().ok());
  EXPECT_EQ(project.count("bronze/events"), first.sent());
}

TEST(UpLines, ASourceThatWasNeverThereIsAnError) {
  TestTopic first(1);
  TestTopic second(1);
  TwoSources project(first, second);
  second.set_away(true);
  RunningUp up(project, kFlushEvery);
  EXPECT_EQ(up.ended().code(), Code::kUnavailable);
}

/// Answers when it is let.
class SlowClient : public store::HttpClient {
 public:
  Result<store::HttpResponse> send(const store::HttpRequest& request) override {
    let_.wait();
    return store::HttpResponse{200, {}, request.url, false};
  }
  void let() { may_.set_value(); }

 private:
  std::promise<void> may_;
  std::shared_future<void> let_ = may_.get_future().share();
};

TEST(ClientBeside, AnAnswerThatComesLateIsThereForWhoAsksAgain) {
  const auto slow = std::make_shared<SlowClient>();
  ClientBeside client(slow);
  store::HttpRequest request;
  request.url = "http://registry/1";
  EXPECT_EQ(client.send(request).code(), Code::kUnavailable);
  EXPECT_EQ(client.send(request).code(), Code::kUnavailable);
  slow->let();
  Result<store::HttpResponse> answer = client.send(request);
  while (answer.code() == Code::kUnavailable) {
    pause_for({1'000});
    answer = client.send(request);
  }
  EXPECT_EQ(answer->body, request.url);
  request.url = "http://registry/2";
  EXPECT_EQ(client.send(request)->body, request.url) << "at once";
}

}  // namespace
}  // namespace assay::flow
