#include "base/wait_until.h"

#include <functional>

#include <gtest/gtest-spi.h>

namespace assay {
namespace {

TEST(WaitUntil, GoesOnLookingUntilItIsSo) {
  int looks = 0;
  EXPECT_TRUE(wait_until(
      "a third look", [&] { return ++looks; }, [](int seen) { return seen == 3; }));
  EXPECT_EQ(looks, 3);
}

TEST(WaitUntil, SaysWhatWasSeenWhenItIsInVain) {
  EXPECT_FATAL_FAILURE(
      EXPECT_FALSE(wait_until(
          "rows", [] { return 41; }, [](int seen) { return seen == 42; }, {.at_most = {1'000}})),
      "waited in vain for rows: 0 s are over; seen last 41");
}

void wait_for_what_is_over() {
  WaitOptions options;
  options.why_over = [] { return std::string("the line ended"); };
  options.tell = [] { return std::string("its last words"); };
  EXPECT_FALSE(wait_until(
      "rows", [] { return false; }, std::identity(), options));
}

TEST(WaitUntil, EndsWhenItCannotComeAnyMore) {
  WaitOptions options;
  options.why_over = [] { return std::string("the line ended"); };
  EXPECT_TRUE(wait_until(
      "what is there", [] { return true; }, std::identity(), options));
  EXPECT_FATAL_FAILURE(wait_for_what_is_over(),
                       "waited in vain for rows: the line ended; seen last false\nits last words");
}

}  // namespace
}  // namespace assay
