#include "serve/frame_allowance.h"

#include <gtest/gtest.h>

namespace assay::serve {
namespace {

/// How many more may come.
int64_t left(FrameAllowance* allowance) {
  int64_t count = 0;
  while (allowance->spend()) {
    ++count;
  }
  return count;
}

TEST(FrameAllowance, IsSpentAndGivenBackByAnswersAndByTime) {
  FakeClock clock(EventTime{0});
  FrameAllowance allowance(clock);
  EXPECT_EQ(left(&allowance), FrameAllowance::kMax);
  allowance.answered();
  EXPECT_EQ(left(&allowance), FrameAllowance::kPerAnswer);
  for (int i = 0; i < 512; ++i) {
    allowance.sent(1);
  }
  EXPECT_EQ(left(&allowance), 2) << "256 bytes each, also in pieces";
  clock.advance(Duration{kMicrosPerSecond});
  EXPECT_EQ(left(&allowance), FrameAllowance::kPerSecond);
  for (int i = 0; i < 100; ++i) {
    clock.advance(Duration{kMicrosPerSecond / 100});
    left(&allowance);
  }
  clock.advance(Duration{kMicrosPerSecond});
  EXPECT_NEAR(static_cast<double>(left(&allowance)), FrameAllowance::kPerSecond, 1);
  clock.advance(Duration{3600 * kMicrosPerSecond});
  EXPECT_EQ(left(&allowance), FrameAllowance::kMax) << "more is not remembered";
  allowance.sent(100 << 20);
  EXPECT_EQ(left(&allowance), FrameAllowance::kMax);
}

}  // namespace
}  // namespace assay::serve
