#include "serve/turn_wait.h"

#include <gtest/gtest.h>

namespace assay::serve {
namespace {

constexpr Duration kMillisecond{1000};

TEST(TurnWait, AMarkIsSentOncePerMillisecondAndOneIsOutAtATime) {
  FakeClock clock{EventTime{kMicrosPerSecond}};
  TurnWait wait(clock);
  EXPECT_EQ(wait.now().micros, 0);
  EXPECT_TRUE(wait.due());
  EXPECT_FALSE(wait.due());
  EXPECT_FALSE(wait.returned()) << "no wait worth another mark";
  EXPECT_FALSE(wait.due());
  clock.advance(kMillisecond);
  EXPECT_TRUE(wait.due());
  clock.advance(kMillisecond);
  EXPECT_FALSE(wait.due());
}

TEST(TurnWait, ItGrowsWithTheMarkThatIsOutAndFallsWithTheNext) {
  FakeClock clock{EventTime{kMicrosPerSecond}};
  TurnWait wait(clock);
  ASSERT_TRUE(wait.due());
  clock.advance(Duration{5000});
  EXPECT_EQ(wait.now().micros, 5000);
  ASSERT_TRUE(wait.returned()) << "another follows at once";
  EXPECT_EQ(wait.now().micros, 5000);
  clock.advance(Duration{2000});
  EXPECT_EQ(wait.now().micros, 5000);
  ASSERT_TRUE(wait.returned());
  EXPECT_EQ(wait.now().micros, 2000);
  EXPECT_FALSE(wait.returned());
  EXPECT_EQ(wait.now().micros, 0);
  clock.advance(Duration{kMicrosPerSecond});
  EXPECT_EQ(wait.now().micros, 0) << "what is not measured does not grow";
}

}  // namespace
}  // namespace assay::serve
