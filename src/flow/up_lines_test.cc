// `assay up` over several sources: one whose brokers, schema registry or dead-letter topic are away
// holds up no other.

#include "flow/up_lines.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "flow/running_up.h"
#include "flow/shared_crash.h"
#include "flow/shared_up.h"

namespace assay::flow {
namespace {

/// Longer than an event may take to be readable on the busiest machine, so that a question that is
/// waited for is seen.
constexpr Duration kAskTimeout{100 * kMicrosPerSecond};
constexpr double kReadableMax = 60;
constexpr Duration kFlushEvery{200'000};

/// A second source and a view of its own, beside those of the small project.
class TwoSources : public KafkaProject {
 public:
  TwoSources(TestTopic& first, TestTopic& second, const std::string& more = "")
      : KafkaProject(first) {
    first.broker().give_soon();
    second.broker().give_soon();
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
    topic.send(0,
               R"({"user_id":"u1","amount":)" + std::to_string(topic.sent()) +
                   R"(,"ts":"2026-01-06 12:00:00"})");
    topic.flush();
    up.wait_until(
        "an event in the online store",
        [&] { return *up.store().content_hash(up.view()); },
        [&](uint64_t seen) { return seen != before; });
    worst = std::max(worst, static_cast<double>(clock.monotonic().micros - sent.micros) / 1e6);
  }
  return worst;
}

enum class Away { kRefuses, kHangs };

struct Case {
  const char* name;
  RunningUp::Run run;
  Away away;
};

class UpLinesOf : public testing::TestWithParam<Case> {
 protected:
  void set_away(bool is_away) {
    if (GetParam().away == Away::kHangs) {
      second_.broker().set_hanging(is_away);
    } else {
      second_.set_away(is_away);
    }
  }
  TestTopic first_{1};
  TestTopic second_{2};
};

TEST_P(UpLinesOf, ASourceThatIsAwayHoldsUpNoOther) {
  TwoSources project(first_, second_);
  forget_members_soon(project);
  send_days(first_, 1, 4);
  send_days(second_, 1, 4);
  const MetricLabels labels{{"name", "more"}};
  {
    RunningUp up(project, kFlushEvery, GetParam().run, {10'000}, kAskTimeout);
    up.wait_until_ready();
    wait_for_rows(project, "bronze/more", second_.sent());
    set_away(true);
    const double worst = worst_of(up, first_, 20);
    testing::Test::RecordProperty("worst_milliseconds", static_cast<int>(worst * 1e3));
    EXPECT_LT(worst, kReadableMax);
    EXPECT_TRUE(up.stop().ok());
  }
  {  // also after a restart, while it is still away
    RunningUp up(project, kFlushEvery, GetParam().run, {10'000}, kAskTimeout);
    up.wait_until_ready();
    worst_of(up, first_, 1);  // a group takes a while to give partitions
    const double worst = worst_of(up, first_, 20);
    testing::Test::RecordProperty("worst_milliseconds_again", static_cast<int>(worst * 1e3));
    EXPECT_LT(worst, kReadableMax);
    up.wait_for_gauge("assay_flow_line_waiting", 1);
    up.wait_for_gauge("assay_flow_source_away", 1, labels);
    up.wait_for_gauge_above("assay_flow_source_away_since_seconds", 1e9, labels);
    set_away(false);
    send_days(second_, 4, 7);
    wait_for_rows(project, "bronze/more", second_.sent());
    up.wait_for_gauge("assay_flow_line_waiting", 0);
    up.wait_for_gauge("assay_flow_source_away", 0, labels);
    up.wait_for_gauge("assay_flow_source_away_since_seconds", 0, labels);
    EXPECT_LT(worst_of(up, first_, 3), kReadableMax);
    EXPECT_TRUE(up.stop().ok());
  }
  EXPECT_EQ(project.count("bronze/events"), first_.sent());
  EXPECT_EQ(project.count("bronze/more"), second_.sent());
  expect_verified(project);
}

INSTANTIATE_TEST_SUITE_P(Each,
                         UpLinesOf,
                         testing::Values(Case{"Refuses", run_up, Away::kRefuses},
                                         Case{"Hangs", run_up, Away::kHangs},
                                         Case{"RefusesShared", run_shared_up, Away::kRefuses},
                                         Case{"HangsShared", run_shared_up, Away::kHangs}),
                         [](const auto& each) { return each.param.name; });

void expect_a_registry_holds_up_no_other(RunningUp::Run run) {
  TestTopic first(1);
  TestTopic second(1);
  TwoSources project(
      first, second, ", format: avro, schema_registry: {url: \"http://127.0.0.1:1\", timeout: 1s}");
  send_days(first, 1, 4);
  {
    RunningUp up(project, kFlushEvery, run, {10'000}, kAskTimeout);
    up.wait_until_ready();
    EXPECT_TRUE(up.stop().ok());
  }
  RunningUp up(project, kFlushEvery, run, {10'000}, kAskTimeout);
  up.wait_until_ready();
  second.send(0, std::string("\x00\x00\x00\x00\x07\x02", 6));
  second.flush();
  up.wait_for_gauge("assay_flow_source_away", 1, {{"name", "more"}});
  EXPECT_LT(worst_of(up, first, 20), kReadableMax);
  EXPECT_TRUE(up.stop().ok());
  EXPECT_EQ(project.count("bronze/events"), first.sent());
}

TEST(UpLines, ARegistryThatIsAwayHoldsUpNoOtherSource) {
  expect_a_registry_holds_up_no_other(run_up);
}

TEST(UpLines, NorDoesOneOfTopicsThatAreShared) {
  expect_a_registry_holds_up_no_other(run_shared_up);
}

void expect_letters_hold_up_no_other(RunningUp::Run run) {
  TestTopic first(1);
  TestTopic second(1, 2);
  second.create("letters");
  second.broker().set_leader("events", 0, 1);
  second.broker().set_leader("letters", 0, 2);
  TwoSources project(first, second, ", dead_letter: letters");
  second.broker().set_coordinator(*project.open()->sharing_group("more"), 1);
  send_days(first, 1, 4);
  send_days(second, 1, 4);
  {
    RunningUp up(project, kFlushEvery, run);
    up.wait_until_ready();
    wait_for_rows(project, "bronze/more", second.sent());
    wait_for_rows(project, "bronze/events", first.sent());
    second.broker().set_away(true, 2);
    second.send(0, "not json");
    second.flush();
    up.wait_for_gauge("assay_flow_source_away", 1, {{"name", "more"}});
    EXPECT_LT(worst_of(up, first, 20), kReadableMax);
    up.wait_for_gauge("assay_flow_source_away", 1, {{"name", "more"}});
    second.broker().set_away(false, 2);
    wait_for_rows(project, "bronze/more_quarantine", 1);
    up.wait_for_gauge("assay_flow_source_away", 0, {{"name", "more"}});
    send_days(second, 4, 7);
    wait_for_rows(project, "bronze/more", second.sent() - 1);
    EXPECT_TRUE(up.stop().ok());
  }
  EXPECT_EQ(project.count("bronze/events"), first.sent());
  EXPECT_EQ(project.count("bronze/more"), second.sent() - 1);
  EXPECT_EQ(project.count("bronze/more_quarantine"), 1);
  EXPECT_FALSE(second.read("letters", 1).empty());
  expect_verified(project);
}

TEST(UpLines, ADeadLetterTopicThatIsAwayHoldsUpNoOtherSource) {
  expect_letters_hold_up_no_other(run_up);
}

TEST(UpLines, NorDoesItWhereProcessesShare) {
  expect_letters_hold_up_no_other(run_shared_up);
}

TEST(UpLines, ASourceThatWasNeverThereIsAnError) {
  TestTopic first(1);
  TestTopic second(1);
  TwoSources project(first, second);
  second.set_away(true);
  RunningUp up(project, kFlushEvery);
  EXPECT_EQ(up.ended().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace assay::flow
