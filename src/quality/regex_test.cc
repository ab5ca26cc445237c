#include "quality/regex.h"

#include <gtest/gtest.h>

namespace assay::quality {
namespace {

TEST(Regex, MatchesTheWholeText) {
  const auto regex = Regex::compile("[A-Z]{3}|x*");
  ASSERT_TRUE(regex.ok());
  EXPECT_TRUE(regex->matches("ATL"));
  EXPECT_FALSE(regex->matches("ATLA"));
  EXPECT_FALSE(regex->matches(" ATL"));
  EXPECT_TRUE(regex->matches(""));
}

TEST(Regex, ABadPatternIsAnErrorNotACrash) {
  EXPECT_EQ(Regex::compile("(").code(), Code::kInvalidArgument);
  EXPECT_EQ(Regex::compile("a{100000}").code(), Code::kInvalidArgument);
  EXPECT_EQ(Regex::compile("(?=a)").code(), Code::kInvalidArgument);
}

TEST(Regex, BytesThatAreNoUtf8DoNotMatch) {
  const auto regex = Regex::compile(".+");
  EXPECT_FALSE(regex->matches("\xff\xfe"));
}

}  // namespace
}  // namespace assay::quality
