#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/delta_table.h"
#include "lake/lake_under_test.h"
#include "lake/statistics_check.h"
#include "lake/table_hash.h"

namespace assay::lake {
namespace {

using data::Type;

const std::vector<data::Field> kAll = {{"b", Type::kBool},
                                       {"i", Type::kInt32},
                                       {"l", Type::kInt64, false},
                                       {"f", Type::kFloat32},
                                       {"d", Type::kFloat64},
                                       {"s", Type::kString},
                                       {"x", Type::kBytes},
                                       {"dt", Type::kDate},
                                       {"ts", Type::kTimestamp}};

const char* const kRows =
    "SELECT * FROM (VALUES "
    "(true, 1::INTEGER, 1::BIGINT, 0.1::FLOAT, 0.1::DOUBLE, 'a', 'b'::BLOB, DATE '2026-01-01', "
    "TIMESTAMPTZ '2026-01-01 10:00:00.123456+00'), "
    "(false, -5, 2, '-inf'::FLOAT, 'nan'::DOUBLE, repeat('\xC3\xA9', 300), NULL, DATE "
    "'0001-01-01', "
    "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'), "
    "(NULL, NULL, 3, -0.0::FLOAT, 0.0::DOUBLE, '', NULL, NULL, NULL)) "
    "AS r(b, i, l, f, d, s, x, dt, ts)";

CommitRequest adding(std::vector<DataFile> files) {
  CommitRequest request;
  request.adds = std::move(files);
  return request;
}

TEST(WriteQuery, GivesTheSameRowsAsABatchAndStatisticsThatHold) {
  LakeUnderTest lake;
  const auto by_query = lake.create("q", kAll);
  const auto by_batch = lake.create("b", kAll);
  ASSERT_TRUE(
      by_query->commit(adding(by_query->write_query({kRows, "", {{"k", "v"}}, {}}).value())).ok());
  lake.append(*by_batch, kRows);
  EXPECT_EQ(table_content_hash(*by_query, lake.sql()).value(),
            table_content_hash(*by_batch, lake.sql()).value());
  const auto snapshot = by_query->snapshot().value();
  ASSERT_EQ(snapshot->files.size(), 1U);
  const DataFile& file = snapshot->files.begin()->second;
  EXPECT_EQ(statistics_lie(lake.sql(), *by_query, *snapshot, file).value(), "");
  EXPECT_EQ(file.tags.at("k"), "v");
  EXPECT_EQ(file.rows, 3);
  EXPECT_THAT(file.stats_json, testing::HasSubstr("\"b\":false"));
  const auto of_batch = by_batch->snapshot().value();
  EXPECT_EQ(
      statistics_lie(lake.sql(), *by_batch, *of_batch, of_batch->files.begin()->second).value(),
      "");
}

TEST(WriteQuery, ZerosKeepTheirSigns) {
  LakeUnderTest lake;
  const auto table = lake.create("q", {{"d", Type::kFloat64}});
  const std::string rows =
      "SELECT CASE WHEN x % 2 = 0 THEN 0::DOUBLE ELSE -(0::DOUBLE) END AS d FROM range(2000) r(x)";
  ASSERT_TRUE(table->commit(adding(table->write_query({rows, "", {}, {}}).value())).ok());
  lake.append(*table, rows);
  const std::string relation = table->relation(*table->snapshot().value()).value();
  const data::Batch negative =
      lake.sql().query("SELECT count(*) AS n FROM " + relation + " WHERE signbit(d)").value();
  EXPECT_EQ(negative.column(0).values<int64_t>()[0], 2000);
}

TEST(WriteQuery, ZerosKeepTheirSignsWhereTheQueryIsBetterNotRunTwice) {
  LakeUnderTest lake;
  const auto table = lake.create("q", {{"d", Type::kFloat64}, {"p", Type::kInt32}}, {"p"});
  QueryRows rows;
  rows.partition = PartitionValues{{"p", "1"}};
  rows.is_costly = true;
  for (const char* sign : {"", "-"}) {  // the second time the first pass ends at a -0.0
    rows.sql = std::string("SELECT CASE WHEN x % 2 = 0 THEN 0::DOUBLE ELSE ") + sign +
               "(0::DOUBLE) END AS d, 1::INTEGER AS p FROM range(200000) r(x)";
    ASSERT_TRUE(table->commit(adding(table->write_query(rows).value())).ok());
  }
  const std::string relation = table->relation(*table->snapshot().value()).value();
  EXPECT_EQ(lake.number("SELECT count(*) FROM " + relation), 400'000);
  EXPECT_EQ(lake.number("SELECT count(*) FROM " + relation + " WHERE signbit(d)"), 100'000);
  EXPECT_EQ(lake.world().files.list(lake.folder() + "/q/p=1").value().size(), 2U);
}

TEST(WriteQuery, PartitionsAreThoseOfABatch) {
  LakeUnderTest lake;
  const std::vector<data::Field> fields = {
      {"id", Type::kInt64}, {"p q", Type::kString}, {"ts", Type::kTimestamp}, {"b", Type::kBool}};
  const std::string rows =
      "SELECT * FROM (VALUES (1::BIGINT, 'a b/c=%\xC3\xA9', TIMESTAMPTZ '2026-01-01 10:00:00+00', "
      "true), "
      "(2, '', NULL, false), (3, NULL, NULL, NULL), "
      "(4, '..', TIMESTAMPTZ '2026-01-01 10:00:00.5+00', true)) AS r(id, \"p q\", ts, b)";
  const auto by_query = lake.create("q", fields, {"p q", "ts", "b"});
  const auto by_batch = lake.create("b", fields, {"p q", "ts", "b"});
  ASSERT_TRUE(by_query->commit(adding(by_query->write_query({rows, "", {}, {}}).value())).ok());
  lake.append(*by_batch, rows);
  std::set<PartitionValues> query_values;
  std::set<std::string> query_folders;
  std::set<PartitionValues> batch_values;
  std::set<std::string> batch_folders;
  for (const auto& [path, file] : by_query->snapshot().value()->files) {
    query_values.insert(file.partition_values);
    query_folders.insert(path.substr(0, path.rfind('/')));
  }
  for (const auto& [path, file] : by_batch->snapshot().value()->files) {
    batch_values.insert(file.partition_values);
    batch_folders.insert(path.substr(0, path.rfind('/')));
  }
  EXPECT_EQ(query_values, batch_values);
  EXPECT_EQ(query_folders, batch_folders);
  EXPECT_EQ(table_content_hash(*by_query, lake.sql()).value(),
            table_content_hash(*by_batch, lake.sql()).value());
}

TEST(WriteQuery, AnOrderHoldsInsideEachFile) {
  LakeUnderTest lake;
  const auto table = lake.create("t", {{"id", Type::kInt64}, {"p", Type::kInt32}}, {"p"});
  const auto files =
      table
          ->write_query({"SELECT (i * 7919) % 100003 AS id, CAST(i % 3 AS INTEGER) AS p FROM "
                         "range(100000) AS t(i)",
                         "id",
                         {},
                         {}})
          .value();
  ASSERT_EQ(files.size(), 3U);
  for (const DataFile& file : files) {
    EXPECT_EQ(lake.number("SELECT count(*) FROM (SELECT id, lag(id) OVER (ORDER BY "
                          "file_row_number) AS before FROM read_parquet('" +
                          lake.store().read_path("t/" + file.path) +
                          "', file_row_number=true)) WHERE before > id"),
              0);
  }
}

TEST(WriteQuery, WhatABatchRefusesIsRefusedAndLeavesNoFile) {
  LakeUnderTest lake;
  const auto table = lake.create(
      "t",
      {{"id", Type::kInt64, false}, {"ts", Type::kTimestamp}, {"p", Type::kString, false}},
      {"p"});
  for (const char* bad :
       {"SELECT NULL::BIGINT AS id, NULL::TIMESTAMPTZ AS ts, 'a' AS p",
        "SELECT 1::BIGINT AS id, 'infinity'::TIMESTAMPTZ AS ts, 'a' AS p",
        "SELECT 1::BIGINT AS id, TIMESTAMPTZ '12026-01-01 00:00:00+00' AS ts, 'a' AS p",
        "SELECT 1::BIGINT AS id, NULL::TIMESTAMPTZ AS ts, '' AS p",
        "SELECT 1::BIGINT AS id"}) {
    EXPECT_EQ(table->write_query({bad, "", {}, {}}).code(), Code::kInvalidArgument) << bad;
  }
  const auto objects = lake.store().list("t/").value();
  for (const store::ObjectInfo& object : objects) {
    EXPECT_THAT(object.key, testing::HasSubstr("_delta_log"));
  }
  EXPECT_TRUE(
      table
          ->write_query(
              {"SELECT 1::BIGINT AS id, NULL::TIMESTAMPTZ AS ts, 'a' AS p WHERE false", "", {}, {}})
          .value()
          .empty());
}

}  // namespace
}  // namespace assay::lake
