#include "lake/delta_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/lake_under_test.h"

namespace assay::lake {
namespace {

using data::Type;
using testing::HasSubstr;

const std::vector<data::Field> kEventFields = {
    {"id", Type::kInt64, false}, {"name", Type::kString, true}, {"dt", Type::kDate, true},
    {"hr", Type::kInt32, true}};

std::string days_of_events(int begin, int end) {
  return "SELECT i, 'n' || i, DATE '2026-01-01' + CAST(i % 3 AS INTEGER), i % 2 FROM range(" +
         std::to_string(begin) + ", " + std::to_string(end) + ") r(i)";
}

TEST(DeltaTable, WhatWasCommittedIsReadBack) {
  LakeUnderTest lake;
  const auto table = lake.create("bronze/events", kEventFields, {"dt", "hr"});
  EXPECT_EQ(table->snapshot().value()->version, 0);
  EXPECT_EQ(lake.count(*table), 0);
  EXPECT_EQ(lake.append(*table, days_of_events(0, 100)), 1);
  EXPECT_EQ(lake.append(*table, days_of_events(100, 150)), 2);
  const auto snapshot = table->snapshot().value();
  EXPECT_EQ(snapshot->files.size(), 12U);
  EXPECT_EQ(snapshot->rows(), 150);
  const std::string relation = table->relation(*snapshot).value();
  EXPECT_EQ(lake.number("SELECT count(*) FROM (SELECT * FROM " + relation + " EXCEPT ALL (" +
                        days_of_events(0, 150) + "))"),
            0);
  EXPECT_EQ(lake.number("SELECT CAST(sum(id) AS BIGINT) FROM " + relation), 149 * 75);
}

TEST(DeltaTable, AnotherObjectSeesTheCommit) {
  LakeUnderTest lake;
  const auto writer = lake.create("t", kEventFields);
  const auto reader = lake.open("t").value();
  lake.append(*writer, days_of_events(0, 5));
  EXPECT_EQ(reader->snapshot().value()->rows(), 5);
  EXPECT_EQ(reader->snapshot(0).value()->rows(), 0);
  EXPECT_EQ(reader->snapshot(2).code(), Code::kNotFound);
}

}  // namespace
}  // namespace assay::lake
