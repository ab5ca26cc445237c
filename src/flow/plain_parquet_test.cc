// Tables with `format: parquet`: readers of plain Parquet see the newest version's rows.

#include "flow/plain_parquet.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "flow/test_project.h"
#include "lake/manifest.h"

namespace assay::flow {
namespace {

void as_parquet(TestProject& project) {
  project.change("    allowed_lateness: 1h", "    allowed_lateness: 1h\n    format: parquet");
  project.change("    ttl: 2d", "    ttl: 2d\n    format: parquet");
}

/// Rows that a reader of the table's folder finds, and those that the table has.
void expect_same_by_glob(TestProject& project, const std::string& key, const std::string& date) {
  const auto workspace = project.open();
  const std::string columns = "CAST(count(*) AS BIGINT) AS n, CAST(count(DISTINCT " + date +
                              ") AS BIGINT) AS days, CAST(max(" + date + ") AS VARCHAR) AS newest";
  const data::Batch ours = *workspace->read_table(key, columns, "", "");
  const Result<data::Batch> theirs =
      workspace->sql().query("SELECT " + columns + " FROM read_parquet('" + project.folder() +
                             "/lake/" + key + "/*/*.parquet', hive_partitioning = true)");
  ASSERT_TRUE(theirs.ok()) << theirs.status().to_string();
  EXPECT_EQ(data::content_hash(*theirs), data::content_hash(ours)) << key;
  EXPECT_GT(ours.column(0).values<int64_t>()[0], 0);
  const auto snapshot = *(*workspace->table(key))->snapshot();
  EXPECT_EQ(lake::manifest_version(workspace->store(), key), snapshot->version) << key;
}

TEST(PlainParquet, AGlobReadsTheNewestVersionAfterEachRun) {
  TestProject project;
  as_parquet(project);
  for (int day = 4; day <= 6; ++day) {
    project.write("data/day-" + std::to_string(day) + ".csv", "user_id,amount,ts\n");
  }
  ASSERT_TRUE(project.run().ok());
  for (int day = 4; day <= 6; ++day) {
    project.write("data/later-" + std::to_string(day) + ".csv", TestProject::events_of_day(day));
    ASSERT_TRUE(project.run().ok());  // replaces the open tail of the steps
    expect_same_by_glob(project, "silver/clean", "event_date");
    expect_same_by_glob(project, "gold/spend", "feature_date");
  }
  expect_verified(project);
}

TEST(PlainParquet, TheFormatIsAPropertyOfTheTableAndNoOtherTable) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  const uint64_t before = project.steps_hash();
  as_parquet(project);
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(*project.open()->silver_table_key("clean"), "silver/clean");
  EXPECT_EQ(project.steps_hash(), before);
  expect_same_by_glob(project, "silver/clean", "event_date");
  expect_same_by_glob(project, "gold/spend", "feature_date");

  project.change("    ttl: 2d\n    format: parquet", "    ttl: 2d\n    format: delta");
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  EXPECT_FALSE(lake::wants_manifest(*(*(*workspace->table("gold/spend"))->snapshot())));
}

TEST(PlainParquet, AManifestThatACrashKeptBackIsMadeUpFor) {
  TestProject project;
  as_parquet(project);
  ASSERT_TRUE(project.run().ok());
  std::filesystem::remove(project.folder() + "/lake/silver/clean/_manifest/latest.json");
  ASSERT_TRUE(project.run().ok());
  expect_same_by_glob(project, "silver/clean", "event_date");
}

}  // namespace
}  // namespace assay::flow
