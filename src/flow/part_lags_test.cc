#include "flow/part_lags.h"

#include <algorithm>
#include <functional>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "flow/running_up.h"
#include "flow/topic_watch.h"
#include "online/redis_under_test.h"

namespace assay::flow {
namespace {

constexpr EventTime kNow{1'800'000'000 * kMicrosPerSecond};
constexpr char kAll[] = "assay_flow_source_lag_records";
constexpr char kRecords[] = "assay_flow_partition_lag_records";
constexpr char kSeconds[] = "assay_flow_partition_lag_seconds";

EventTime ago(double seconds) {
  return {kNow.micros - static_cast<int64_t>(seconds * 1e6)};
}

/// A world whose clock stands still.
class PartLagsTest : public testing::Test {
 protected:
  PartLagsTest()
      : system_(LogLevel::kError),
        clock_(kNow),
        world_{clock_,
               system_.world().files,
               system_.world().random,
               system_.world().log,
               system_.world().metrics} {}
  double gauge(const std::string& name, const MetricLabels& labels) {
    return world_.metrics.gauge(name, "", labels).value();
  }
  double records_of(const std::string& partition) {
    return gauge(kRecords, {{"name", "t"}, {"partition", partition}});
  }
  double seconds_of(const std::string& partition) {
    return gauge(kSeconds, {{"name", "t"}, {"partition", partition}});
  }
  double all() { return gauge(kAll, {{"name", "t"}}); }
  void pass(int64_t seconds) { clock_.advance({seconds * kMicrosPerSecond}); }

  SystemWorld system_;
  FakeClock clock_;
  World world_;
  PartLags lags_{world_, "t"};
};

TEST_F(PartLagsTest, APartitionIsAsFarBehindAsItsLastRecordTaken) {
  lags_.note_read({{"e/0", 5, ago(12.5), 10}, {"e/1", 0, ago(3'600), 10}});
  EXPECT_EQ(all(), 5);
  EXPECT_EQ(records_of("e/0"), 5);
  EXPECT_EQ(seconds_of("e/0"), 12.5);
  EXPECT_EQ(seconds_of("e/1"), 0) << "it has nothing more";
}

TEST_F(PartLagsTest, AProducerWhoseClockIsAheadIsNotNegativelyBehind) {
  lags_.note_read({{"e/0", 1, ago(-600), 10}});
  EXPECT_EQ(seconds_of("e/0"), 0);
}

TEST_F(PartLagsTest, OfARecordThatComesAfterALongPauseOnlyItsOwnAgeCounts) {
  lags_.note_read({{"e/0", 0, ago(3'600), 10}});
  pass(7);
  lags_.note_read({{"e/0", 1, ago(3'600), 10}});
  EXPECT_EQ(seconds_of("e/0"), 7) << "it is no older than that";
  pass(1);
  lags_.note_read({{"e/0", 1, ago(3'600), 10}});
  EXPECT_EQ(seconds_of("e/0"), 8);
}

TEST_F(PartLagsTest, WhereNothingWasTakenTheNextRecordSaysIt) {
  lags_.note_read({{"e/0", 0, std::nullopt, 10}, {"e/1", 2, std::nullopt, 7}});
  EXPECT_EQ(seconds_of("e/1"), 0) << "since it was seen to have one";
  pass(3);
  lags_.note_look({{}, {}, {{{"e", 0}, 10}, {{"e", 1}, 9}, {{"e", 2}, 5}}});
  const std::vector<std::pair<ingest::TopicPartition, int64_t>> unknown = lags_.unknown();
  ASSERT_EQ(unknown.size(), 1U);
  EXPECT_EQ(unknown[0], (std::pair<ingest::TopicPartition, int64_t>{{"e", 1}, 7}));
  lags_.tell();
  EXPECT_EQ(seconds_of("e/1"), 3);
  lags_.note_next({"e", 1}, 7, ago(7'200));
  lags_.tell();
  EXPECT_EQ(seconds_of("e/1"), 7'203);
  EXPECT_TRUE(lags_.unknown().empty());
  lags_.note_next({"e", 1}, 6, ago(1));  // of another place
  lags_.note_read({{"e/0", 0, std::nullopt, 10}, {"e/1", 1, ago(7'100), 8}});
  EXPECT_EQ(seconds_of("e/1"), 7'103);
}

TEST_F(PartLagsTest, ItGrowsWhileWhoReadsIsHeldUp) {
  lags_.note_read({{"e/0", 1, ago(2), 10}, {"e/1", 0, ago(2), 4}});
  pass(60);
  lags_.note_look({{}, {}, {{{"e", 0}, 100}, {{"e", 1}, 5}}});
  lags_.tell();
  EXPECT_EQ(all(), 91);
  EXPECT_EQ(records_of("e/0"), 90);
  EXPECT_EQ(seconds_of("e/0"), 62);
  EXPECT_EQ(records_of("e/1"), 1);
  EXPECT_EQ(seconds_of("e/1"), 60);
  pass(1);
  lags_.note_read({{"e/0", 1, ago(2), 10}, {"e/1", 0, ago(2), 4}});  // it knows no more yet
  EXPECT_EQ(all(), 91);
  EXPECT_EQ(seconds_of("e/1"), 61);
  lags_.note_read({{"e/0", 0, ago(1), 60}, {"e/1", 0, ago(1), 5}});
  EXPECT_EQ(records_of("e/0"), 40);
  EXPECT_EQ(records_of("e/1"), 0);
  EXPECT_EQ(seconds_of("e/1"), 0);
}

TEST_F(PartLagsTest, ALineThatIsOpenedAnewIsBehindByWhatItReadsAgain) {
  lags_.note_read({{"e/0", 0, ago(30), 50}});
  pass(5);
  lags_.note_read({{"e/0", 40, std::nullopt, 10}});  // where its table stands
  EXPECT_EQ(records_of("e/0"), 40);
  EXPECT_EQ(seconds_of("e/0"), 35) << "at least";
  lags_.note_look({{}, {}, {{{"e", 0}, 50}}});
  ASSERT_EQ(lags_.unknown().size(), 1U);
  lags_.note_next({"e", 0}, 10, ago(90));
  lags_.tell();
  EXPECT_EQ(seconds_of("e/0"), 95);
}

TEST_F(PartLagsTest, WhatOthersTellIsNothingHere) {
  lags_.tell();
  EXPECT_EQ(world_.metrics.to_text().find(kAll), std::string::npos) << "nobody has read yet";
  lags_.note_read({{"e/0", 5, ago(9), std::nullopt}});
  EXPECT_EQ(seconds_of("e/0"), 9);
  lags_.note_look({{}, {}, {{{"e", 0}, 100}}});  // where it stands is not said
  EXPECT_EQ(records_of("e/0"), 5);
  lags_.leave({{"e/0", 5, ago(9), std::nullopt}});
  EXPECT_EQ(all() + records_of("e/0") + seconds_of("e/0"), 0);
  lags_.tell();
  EXPECT_EQ(all() + records_of("e/0") + seconds_of("e/0"), 0);
}

/// Until a gauge is as large as `at_least` says at that moment.
void wait_for(Metrics& metrics,
              const std::string& name,
              const MetricLabels& labels,
              const std::function<double()>& at_least) {
  wait_until(
      name,
      [&] { return metrics.gauge(name, "", labels).value(); },
      [&](double seen) { return seen >= at_least(); });
}

TEST(PartLagsOfATopic, ALookHearsWhenTheNextRecordWasSent) {
  constexpr double kPause = 2;
  TestTopic topic(1);
  topic.send(0, "{}");
  topic.send(0, "{}");
  topic.flush();
  pause_for({static_cast<int64_t>(kPause * 1e6)});
  SystemWorld system(LogLevel::kError);
  catalog::SourceDef source;
  source.name = "events";
  source.kafka.emplace();
  source.kafka->brokers = topic.brokers();
  source.kafka->topics = {"events"};
  PartLags lags(system.world(), "t");
  const Duration began = system.world().clock.monotonic();
  lags.note_read({{"events/0", 1, std::nullopt, 1}});
  const auto watch = *TopicWatch::start(
      system.world(), source, {{10 * kMicrosPerSecond}, {20'000}, nullptr, &lags});
  const auto since_begun = [&] {
    return static_cast<double>(system.world().clock.monotonic().micros - began.micros) / 1e6;
  };
  wait_for(system.world().metrics, kSeconds, {{"name", "t"}, {"partition", "events/0"}}, [&] {
    return since_begun() + kPause - 0.5;  // who only counts from its start never says that
  });
  topic.send(0, "{}");
  topic.flush();
  wait_for(system.world().metrics, kAll, {{"name", "t"}}, [] { return 2.0; });
}

TEST(PartLagsOfATopic, TheyGrowWhileRedisIsFrozen) {
  constexpr double kMore = 40;
  online::RedisUnderTest server;
  TestTopic topic(2);
  KafkaProject project(topic);
  std::string settings = kAssay;
  const std::string embedded = "embedded:./online";
  settings.replace(
      settings.find(embedded),
      embedded.size(),
      '"' + server.url() + "?read_timeout=1h&prefix=lags\"");  // nothing is tried again
  project.write("assay.yaml", settings);
  send_days(topic, 1, 4);
  RunningUp up(project, {100'000});
  up.wait_until_ready();
  const MetricLabels of_table = {{"name", "events"}};
  const auto read = [&] {
    return up.metrics().counter("assay_flow_records_read_total", "", of_table).value();
  };
  up.wait_until("all of it", read, [&](int64_t seen) { return seen >= topic.sent(); });
  up.wait_for_gauge(kAll, 0, of_table);
  server.freeze();
  const auto lag_of = [&](const char* partition) {
    return up.metrics().gauge(kRecords, "", {{"name", "events"}, {"partition", partition}}).value();
  };
  up.wait_until(
      "records behind a line that is held up",
      [&] {
        topic.send(0, R"({"user_id":"u1","amount":1,"ts":"2026-01-05 12:00:00"})");
        topic.send(1, R"({"user_id":"u2","amount":1,"ts":"2026-01-05 12:00:00"})");
        topic.flush();
        return std::min(lag_of("events/0"), lag_of("events/1"));
      },
      [](double seen) { return seen >= kMore; });
  for (const char* partition : {"events/0", "events/1"}) {
    wait_for(
        up.metrics(), kSeconds, {{"name", "events"}, {"partition", partition}}, [] { return 2.0; });
  }
  server.thaw();
  up.wait_for_records(topic.sent());
  up.wait_for_gauge(kAll, 0, of_table);
  EXPECT_TRUE(up.stop().ok());
}

}  // namespace
}  // namespace assay::flow
