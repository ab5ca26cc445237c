#include "ingest/kafka_lines.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/line_log.h"

namespace assay::ingest {
namespace {

class KafkaLinesTest : public testing::Test {
 protected:
  KafkaLinesTest() {
    auto clock = std::make_unique<FakeClock>(EventTime{0});
    clock_ = clock.get();
    log_ =
        line_log(*clock, LogLevel::kWarn, [&](const std::string& line) { said_.push_back(line); });
    lines_ = std::make_unique<KafkaLines>(*log_, std::move(clock));
  }
  std::vector<std::string> said_;
  FakeClock* clock_ = nullptr;
  std::unique_ptr<Log> log_;
  std::unique_ptr<KafkaLines> lines_;
};

TEST_F(KafkaLinesTest, ABrokerThatStaysAwayIsToldOnceAMinute) {
  const auto away = [&](int millis) {
    lines_->warn(
        "FAIL",
        "[thrd:127.0.0.1:9092/1]: 127.0.0.1:9092/1: Connect to ipv4#127.0.0.1:9092 failed: "
        "Connection refused (after " +
            std::to_string(millis) + "ms in state CONNECT, 3 identical error(s) suppressed)");
    lines_->warn("ERROR",
                 "127.0.0.1:9093/2: Connect to ipv4#127.0.0.1:9093 failed: Connection refused "
                 "(after 0ms in state CONNECT)");
  };
  away(0);
  ASSERT_EQ(said_.size(), 1U) << said_.back();
  for (int second = 1; second < 60; ++second) {
    clock_->advance({1 * kMicrosPerSecond});
    away(second);
  }
  EXPECT_EQ(said_.size(), 1U);
  clock_->advance({1 * kMicrosPerSecond});
  away(60);
  ASSERT_EQ(said_.size(), 2U);
  EXPECT_NE(said_.back().find("\"like_it_since\":119"), std::string::npos) << said_.back();
}

TEST_F(KafkaLinesTest, AnotherKindIsToldAtOnce) {
  lines_->warn("FAIL", "broker: Connection refused");
  lines_->warn("FAIL", "broker: Disconnected");
  lines_->warn("ERROR", "1/1 brokers are down");
  lines_->warn("ERROR", "2/2 brokers are down");
  EXPECT_EQ(said_.size(), 3U);
}

TEST_F(KafkaLinesTest, KindsAreBounded) {
  for (int i = 0; i < 5'000; ++i) {
    lines_->warn("X", std::string(static_cast<std::size_t>(i), 'x'));
  }
  EXPECT_LE(said_.size(), 201U);
}

}  // namespace
}  // namespace assay::ingest
