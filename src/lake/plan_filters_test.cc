#include "lake/plan_filters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::lake {
namespace {

using ::testing::ElementsAre;

TEST(PlanFilters, NamesStandForColumnsOutsideOfQuotes) {
  EXPECT_THAT(split_filters("c0='c1'\noptional: c1 IN (1, 2)\nc2=c0x", {"user \"id\"", "n"}),
              ElementsAre("\"user \"\"id\"\"\"='c1'", "\"n\" IN (1, 2)", "c2=c0x"));
}

TEST(PlanFilters, ATextMayHoldALineBreakAndQuotes) {
  EXPECT_THAT(split_filters("c0='a\nb''\noptional: c0'\nc0>1", {"x"}),
              ElementsAre("\"x\"='a\nb''\noptional: c0'", "\"x\">1"));
}

TEST(PlanFilters, InstantsInUtcAreWrittenWithZ) {
  EXPECT_THAT(split_filters("c0>='2026-01-01 00:00:00+00'::TIMESTAMP WITH TIME ZONE AND c1='x+00'",
                            {"ts", "s"}),
              ElementsAre("\"ts\">='2026-01-01 00:00:00Z'::TIMESTAMP WITH TIME ZONE AND "
                          "\"s\"='x+00'"));
}

TEST(PlanFilters, AnOrIsSplitOnlyWhereItCannotBindOtherwise) {
  EXPECT_THAT(split_or("a=1 OR a=' OR ' AND b=2"), ElementsAre("a=1 ", " a=' OR ' AND b=2"));
  EXPECT_THAT(split_or("(a=1 OR b=2)"), ElementsAre("(a=1 OR b=2)"));
  EXPECT_THAT(split_or("CASE WHEN a OR b THEN c END"), ElementsAre("CASE WHEN a OR b THEN c END"));
  EXPECT_THAT(split_or("\"OR\"=1"), ElementsAre("\"OR\"=1"));
}

TEST(PlanFilters, ScansAreFoundAnywhereInThePlan) {
  const auto scans = filters_in_plan(
      R"([{"name":"JOIN","children":[
            {"name":"SEQ_SCAN ","children":[],"extra_info":{"Table":"s.main.t1","Filters":"c0=5"}},
            {"name":"F","children":[{"name":"SEQ_SCAN ","children":[],
               "extra_info":{"Table":"s.main.t1","Filters":["c0>1","c1<2"]}}]},
            {"name":"SEQ_SCAN ","children":[],"extra_info":{"Table":"s.main.t0"}},
            {"name":"SEQ_SCAN ","children":[],"extra_info":{"Table":"other.main.t0","Filters":"c0=1"}}
          ]}])",
      "s",
      {{"x"}, {"a", "b"}});
  ASSERT_TRUE(scans.ok());
  ASSERT_EQ(scans->size(), 2U);
  EXPECT_THAT(scans->at(0), ElementsAre(ScanFilters{}));
  EXPECT_THAT(scans->at(1), ElementsAre(ScanFilters{"\"a\"=5"}, ScanFilters{"\"a\">1", "\"b\"<2"}));
  EXPECT_EQ(filters_in_plan("no json", "s", {}).code(), Code::kCorrupt);
}

}  // namespace
}  // namespace assay::lake
