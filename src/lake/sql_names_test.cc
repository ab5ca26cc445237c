#include "lake/sql_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::lake {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> names(std::string_view sql) {
  std::vector<std::string> all;
  for (const SqlName& name : names_in_sql(sql)) {
    std::string text;
    for (const std::string& part : name.parts) {
      text += (text.empty() ? "" : ".") + part;
    }
    if (name.travel) {
      text += name.travel->version ? "@" + *name.travel->version : "@'" + *name.travel->time + "'";
    }
    all.push_back(text);
  }
  return all;
}

TEST(SqlNames, AreChainsOfWordsInLowerCase) {
  EXPECT_THAT(names("select A.b, \"C d\" from Lake.Bronze . \"x.Y\"\"z\" t"),
              ElementsAre("select", "a.b", "c d", "from", "lake.bronze.x.y\"z", "t"));
  EXPECT_THAT(names("1.5e-3 .5 12 1_000 x1"), ElementsAre("x1"));
  EXPECT_THAT(names("sélect.ü"), ElementsAre("sélect.ü"));
}

TEST(SqlNames, StringsAndCommentsHoldNone) {
  EXPECT_THAT(names("'a ''b'' c' -- d\n/* e /* f */ g */ $$h 'i$$ $t$j $$ k$t$ $1"), IsEmpty());
  EXPECT_THAT(names("E'a\\' b' x"), ElementsAre("x"));
  EXPECT_THAT(names("'a\\' x"), ElementsAre("x"));
  EXPECT_THAT(names("'cut off x"), IsEmpty());
  EXPECT_THAT(names("/* cut off x"), IsEmpty());
  EXPECT_THAT(names("a - - b"), ElementsAre("a", "b"));
}

TEST(SqlNames, ClausesOfTimeTravelBelongToTheNameBefore) {
  EXPECT_THAT(names("from lake.b.x version as of 12 y"), ElementsAre("from", "lake.b.x@12", "y"));
  EXPECT_THAT(names("lake.b.x/**/FOR VERSION\nAS OF 3"), ElementsAre("lake.b.x@3"));
  EXPECT_THAT(names("lake.b.x TIMESTAMP AS OF '2026-01-01'"), ElementsAre("lake.b.x@'2026-01-01'"));
  EXPECT_THAT(names("lake.b.x timestamp as of timestamptz '2026'"), ElementsAre("lake.b.x@'2026'"));
  EXPECT_THAT(names("lake.b.x AT (VERSION => 4)"), ElementsAre("lake.b.x@4"));
  EXPECT_THAT(names("lake.b.x at(timestamp => DATE '2026-01-02')"),
              ElementsAre("lake.b.x@'2026-01-02'"));
}

TEST(SqlNames, WhatOnlyLooksLikeTimeTravelIsNone) {
  EXPECT_THAT(names("select timestamp as of from t"),
              ElementsAre("select", "timestamp", "as", "of", "from", "t"));
  EXPECT_THAT(names("x version as \"of\" 12"), ElementsAre("x", "version", "as", "of"));
  EXPECT_THAT(names("'x version as of 12'"), IsEmpty());
  EXPECT_THAT(names("x -- version as of 12"), ElementsAre("x"));
  EXPECT_THAT(names("x at (version => y)"), ElementsAre("x", "at", "version", "y"));
}

TEST(SqlNames, PositionsCountLinesAndCharacters) {
  EXPECT_EQ(position_in_sql("abc", 0), "line 1, column 1");
  EXPECT_EQ(position_in_sql("a\nüb", 4), "line 2, column 2");
}

}  // namespace
}  // namespace assay::lake
