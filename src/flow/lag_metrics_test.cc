#include "flow/lag_metrics.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace assay::flow {
namespace {

constexpr EventTime kNow{1'800'000'000 * kMicrosPerSecond};

EventTime ago(double seconds) {
  return {kNow.micros - static_cast<int64_t>(seconds * 1e6)};
}

/// A world whose clock stands still.
class LagMetrics : public testing::Test {
 protected:
  LagMetrics()
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

  SystemWorld system_;
  FakeClock clock_;
  World world_;
};

TEST_F(LagMetrics, ACommitTellsHowLongItTookAndHowLongItsEpoch) {
  const Duration began = clock_.monotonic();
  clock_.advance({2 * kMicrosPerSecond});
  note_commit(world_, began, ago(8));
  note_commit(world_, clock_.monotonic(), std::nullopt);  // nothing was read
  const Histogram& took = world_.metrics.histogram("assay_flow_commit_seconds", "");
  EXPECT_EQ(took.count(), 2);
  EXPECT_EQ(took.sum(), 2);
  const Histogram& epoch = world_.metrics.histogram("assay_flow_epoch_seconds", "");
  EXPECT_EQ(epoch.count(), 1);
  EXPECT_EQ(epoch.sum(), 10);
}

TEST_F(LagMetrics, TheTimesOfPartitionsAndWhatIsWaitedFor) {
  silver::PartTimes times;
  times.parts[3].newest = ago(5);
  times.parts[4].newest = ago(50);
  times.parts[5];  // found, and without a row
  note_part_times(world_, "clean", times, {{3, "e/0"}, {4, "e/1"}, {5, "e/2"}});
  const auto time_of = [&](const std::string& partition) {
    return gauge("assay_flow_partition_time_seconds",
                 {{"name", "clean"}, {"partition", partition}});
  };
  EXPECT_EQ(world_.metrics.to_text().find("assay_flow_low_time_seconds"), std::string::npos);
  EXPECT_EQ(world_.metrics.to_text().find("e/2"), std::string::npos);
  times.low = ago(50);
  note_part_times(world_, "clean", times, {{3, "e/0"}, {4, "e/1"}, {5, "e/2"}});
  EXPECT_EQ(time_of("e/0"), 1'800'000'000 - 5);
  EXPECT_EQ(time_of("e/1"), 1'800'000'000 - 50);
  EXPECT_EQ(gauge("assay_flow_low_time_seconds", {{"name", "clean"}}), 1'800'000'000 - 50);
}

TEST_F(LagMetrics, ReadableAfterIsFromTheReadingOn) {
  note_readable(world_, "t", ago(0.25));
  note_readable(world_, "t", ago(-5));  // the clock was put back meanwhile
  const Histogram& after =
      world_.metrics.histogram("assay_flow_readable_after_seconds", "", {{"name", "t"}});
  EXPECT_EQ(after.count(), 2);
  EXPECT_EQ(after.sum(), 0.25);
}

}  // namespace
}  // namespace assay::flow
