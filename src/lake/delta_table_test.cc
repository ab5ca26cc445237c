#include "lake/delta_table.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/lake_under_test.h"
#include "lake/table_hash.h"

namespace assay::lake {
namespace {

using data::Type;
using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<data::Field> kEventFields = {{"id", Type::kInt64, false},
                                               {"name", Type::kString, true},
                                               {"dt", Type::kDate, true},
                                               {"hr", Type::kInt32, true}};

std::string events(int begin, int end) {
  return "SELECT i, 'n' || i, DATE '2026-01-01' + CAST(i % 3 AS INTEGER), i % 2 FROM range(" +
         std::to_string(begin) + ", " + std::to_string(end) + ") r(i)";
}

TEST(DeltaTable, WhatWasCommittedIsReadBack) {
  LakeUnderTest lake;
  const auto table = lake.create("bronze/events", kEventFields, {"dt", "hr"});
  EXPECT_EQ(table->snapshot().value()->version, 0);
  EXPECT_EQ(lake.count(*table), 0);
  EXPECT_EQ(lake.append(*table, events(0, 100)), 1);
  EXPECT_EQ(lake.append(*table, events(100, 150)), 2);
  const auto snapshot = table->snapshot().value();
  EXPECT_EQ(snapshot->files.size(), 12U);
  EXPECT_EQ(snapshot->rows(), 150);
  const std::string relation = table->relation(*snapshot).value();
  EXPECT_EQ(lake.number("SELECT count(*) FROM (SELECT * FROM " + relation + " EXCEPT ALL (" +
                        events(0, 150) + "))"),
            0);
}

TEST(DeltaTable, AnotherObjectSeesTheCommitAndOlderVersionsStay) {
  LakeUnderTest lake;
  const auto writer = lake.create("t", kEventFields);
  const auto reader = lake.open("t").value();
  const auto before = reader->snapshot().value();
  lake.append(*writer, events(0, 5));
  EXPECT_EQ(reader->snapshot().value()->rows(), 5);
  EXPECT_EQ(before->rows(), 0);
  EXPECT_EQ(before->version, 0);
  EXPECT_EQ(reader->snapshot(0).value()->rows(), 0);
  EXPECT_EQ(reader->snapshot(1).value()->rows(), 5);
  EXPECT_EQ(reader->snapshot(2).code(), Code::kNotFound);
  EXPECT_EQ(reader->snapshot(-1).code(), Code::kNotFound);
}

TEST(DeltaTable, OpeningNothingIsNotFoundAndOddNamesAreRefused) {
  LakeUnderTest lake;
  EXPECT_EQ(lake.open("bronze/none").code(), Code::kNotFound);
  for (const char* key : {"a b", "dt=1/t", "a%20", "../t", "", "t/"}) {
    EXPECT_EQ(lake.open(key).code(), Code::kInvalidArgument) << key;
  }
}

TEST(DeltaTable, RowsKeepTheirOrderWithinAFile) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kEventFields, {"hr"});
  lake.append(*table,
              "SELECT (i * 7919) % 1000, NULL, NULL, i % 2 FROM range(1000) r(i) ORDER BY i");
  const auto snapshot = table->snapshot().value();
  ASSERT_EQ(snapshot->files.size(), 2U);
  for (const auto& [path, file] : snapshot->files) {
    const std::string hour = *file.partition_values.at("hr");
    const data::Batch rows =
        lake.rows("SELECT id FROM " + table->relation_of(*snapshot, {file}).value());
    ASSERT_EQ(rows.rows(), 500);
    for (int64_t row = 0; row < rows.rows(); ++row) {
      EXPECT_EQ(rows.column(0).values<int64_t>()[static_cast<std::size_t>(row)],
                ((row * 2 + std::stoi(hour)) * 7919) % 1000);
    }
  }
}

TEST(DeltaTable, EveryTypeAndItsExtremesReadBack) {
  LakeUnderTest lake;
  const auto table = lake.create("t",
                                 {{"b", Type::kBool},
                                  {"i", Type::kInt32},
                                  {"l", Type::kInt64},
                                  {"f", Type::kFloat32},
                                  {"d", Type::kFloat64},
                                  {"s", Type::kString},
                                  {"y", Type::kBytes},
                                  {"dd", Type::kDate},
                                  {"ts", Type::kTimestamp}});
  const data::Batch rows =
      lake.rows_for(*table,
                    "VALUES (true, 2147483647, 9223372036854775807, 'nan'::FLOAT, 'inf'::DOUBLE, "
                    "'x' || chr(0) || '\xC3\xA9', '\\x00\\xFF'::BLOB, DATE '9999-12-31', "
                    "TIMESTAMPTZ '9999-12-31 23:59:59.999999'), "
                    "(false, -2147483648, -9223372036854775808, -0.0::FLOAT, '-inf'::DOUBLE, '', "
                    "''::BLOB, DATE '0001-01-01', TIMESTAMPTZ '0001-01-01 00:00:00.000001'), "
                    "(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)");
  CommitRequest request;
  request.adds = table->write_files(rows).value();
  ASSERT_TRUE(table->commit(request).ok());
  const data::Batch back =
      lake.rows("SELECT * FROM " + table->relation(*table->snapshot().value()).value());
  EXPECT_EQ(back.rows(), 3);
  EXPECT_EQ(data::content_hash(back), data::content_hash(rows));
  EXPECT_EQ(table_content_hash(*table, lake.sql()).value(), data::content_hash(rows));
}

TEST(DeltaTable, ArraysOfASizeKeepIt) {
  LakeUnderTest lake;
  const std::string select =
      "SELECT * FROM (VALUES (1::BIGINT, [1.5, NULL]::FLOAT[2], {'v': [1, 2, 3]::INTEGER[3]}), "
      "(2, NULL, NULL)) AS r(id, e, s)";
  const data::Batch rows = lake.rows(select);
  const TableSpec spec{"t", rows.schema_ptr(), {}};
  for (int i = 0; i < 2; ++i) {  // made, and opened again
    const auto table =
        DeltaTable::open_or_create(lake.world(), lake.store(), lake.sql(), "t", spec);
    ASSERT_TRUE(table.ok()) << table.status().to_string();
    CommitRequest request;
    request.adds = (*table)->write_files(rows).value();
    ASSERT_TRUE((*table)->commit(request).ok());
    const auto read =
        lake.sql().query("FROM " + (*table)->relation(*(*table)->snapshot().value()).value());
    ASSERT_TRUE(read.ok()) << read.status().to_string();
    EXPECT_EQ(read->schema().field(1).type, rows.schema().field(1).type);
    EXPECT_EQ(read->schema().field(2).type, rows.schema().field(2).type);
    EXPECT_EQ(read->rows(), 2 * (i + 1));
  }
}

TEST(DeltaTable, ArraysOfAFixedSizeReadBackWithTheirSize) {
  LakeUnderTest lake;
  const std::vector<data::Field> fields{
      {"v", Type::array(Type::kFloat32, 3)},
      {"at", Type::structure({{"w", Type::array(Type::kFloat64, 2)}, {"n", Type::kInt64}})},
      {"tags", Type::list(Type::kString)}};
  const auto table = lake.create("t", fields);
  const data::Batch rows = lake.rows_for(
      *table,
      "SELECT [1, 2, NULL]::FLOAT[3] AS v, {'w': [1, 2]::DOUBLE[2], 'n': 1::BIGINT} AS at, "
      "['a'] AS tags UNION ALL SELECT NULL, NULL, NULL");
  CommitRequest request;
  request.adds = table->write_files(rows).value();
  ASSERT_TRUE(table->commit(request).ok());
  const auto again = lake.open("t").value();
  const auto snapshot = again->snapshot().value();
  EXPECT_EQ(snapshot->schema->fields(), fields);
  const data::Batch back = lake.rows("SELECT * FROM " + again->relation(*snapshot).value());
  EXPECT_EQ(back.schema().fields(), fields);
  EXPECT_EQ(data::content_hash(back), data::content_hash(rows));
}

TEST(DeltaTable, OddPartitionValuesReadBack) {
  LakeUnderTest lake;
  const auto table = lake.create(
      "t",
      {{"id", Type::kInt64}, {"p q", Type::kString}, {"ts", Type::kTimestamp}, {"b", Type::kBool}},
      {"p q", "ts", "b"});
  const std::string rows =
      "SELECT i, CASE WHEN i < 12 THEN (['a b', 'a/b', '100%', 'a=b', "
      "'\xC3\xA9\xE6\x97\xA5\xF0\x9F\x98\x80', '..', '*?[x]', 'a%20b', 'it''s \"{}\\', "
      "'x' || chr(10) || chr(1), chr(0) || 'z' || chr(0), ' '])[i + 1] END, "
      "CASE WHEN i % 3 > 0 THEN TIMESTAMPTZ '2026-01-01 10:00:00.123456' + to_microseconds(i * "
      "876544) END, "
      "CASE WHEN i % 2 > 0 THEN i % 4 = 1 END FROM range(14) r(i)";
  lake.append(*table, rows);
  const auto snapshot = table->snapshot().value();
  EXPECT_EQ(snapshot->files.size(), 14U);
  const std::string relation = table->relation(*snapshot).value();
  EXPECT_EQ(lake.number("SELECT count(*) FROM (SELECT * FROM " + relation + " EXCEPT ALL (" + rows +
                        "))"),
            0);
  EXPECT_EQ(lake.count(*table, "\"p q\" = 'a%20b'"), 1);
  EXPECT_EQ(lake.count(*table, "\"p q\" IS NULL"), 2);
  // Fewer files than need a join: the values are constants.
  EXPECT_EQ(lake.count(*table, "ts >= '2026-01-01 10:00:09'"), 2);
  EXPECT_THAT(lake.log_text("t", 1), HasSubstr("p%2520q=a%252520b/"));
  EXPECT_THAT(lake.log_text("t", 1), HasSubstr("p%2520q=__HIVE_DEFAULT_PARTITION__/"));
}

TEST(DeltaTable, RowsOfManyPartitionsHaveAnOrderOfTheirOwn) {
  LakeUnderTest lake;
  const auto table = lake.create("t", {{"id", Type::kInt64}, {"p", Type::kInt32}}, {"p"});
  lake.append(*table, "SELECT i, CAST(i % 12 AS INTEGER) FROM range(60000) r(i)");
  const auto snapshot = table->snapshot().value();
  const std::string relation = table->relation_in_order(*snapshot, "id >= 6").value().value();
  const data::Batch once = lake.rows("SELECT * FROM " + relation);
  EXPECT_EQ(once.column_count(), 1);
  EXPECT_EQ(once.rows(), 59'994);
  for (int repeat = 0; repeat < 3; ++repeat) {
    const data::Batch again = lake.rows("SELECT * FROM " + relation);
    EXPECT_TRUE(
        std::ranges::equal(again.column(0).values<int64_t>(), once.column(0).values<int64_t>()));
  }
  EXPECT_EQ(table->files_in_order(*snapshot, "id >= 6").value().value().size(), 12U);
  EXPECT_TRUE(table->files_in_order(*snapshot, "id < 0").value().value().empty());
  const auto files = table->files_in_order(*snapshot, "").value();
  for (const DeltaTable::LocalFile& file : *files) {
    EXPECT_EQ(system_files()->stat(file.path).value().size_bytes, file.size_bytes);
  }
  const std::string none = table->relation_in_order(*snapshot, "id < 0").value().value();
  EXPECT_EQ(lake.rows("SELECT * FROM " + none).rows(), 0);
}

TEST(DeltaTable, AnEmptyTextInAPartitionColumnBecomesNull) {
  LakeUnderTest lake;
  const auto table = lake.create("t", {{"id", Type::kInt64}, {"p", Type::kString}}, {"p"});
  lake.append(*table, "VALUES (1, ''), (2, NULL)");
  EXPECT_EQ(table->snapshot().value()->files.size(), 1U);
  EXPECT_EQ(lake.count(*table, "p IS NULL"), 2);
  const auto strict =
      lake.create("strict", {{"id", Type::kInt64}, {"p", Type::kString, false}}, {"p"});
  EXPECT_EQ(strict->write_files(lake.rows_for(*strict, "VALUES (1, '')")).code(),
            Code::kInvalidArgument);
}

TEST(DeltaTable, RowsThatDoNotFitAreRefusedAndLeaveNothingBehind) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kEventFields, {"dt"});
  EXPECT_TRUE(
      table->write_files(data::Batch::empty(data::make_schema(kEventFields))).value().empty());
  const auto refused = [&](const data::Batch& batch) {
    return table->write_files(batch).code() == Code::kInvalidArgument;
  };
  EXPECT_TRUE(refused(lake.rows("SELECT 1::BIGINT AS id")));
  EXPECT_TRUE(refused(lake.rows("SELECT 1::INTEGER AS id, DATE '2026-01-01' AS dt")));
  EXPECT_TRUE(refused(lake.rows("SELECT NULL::BIGINT AS id, DATE '2026-01-01' AS dt")));
  EXPECT_TRUE(refused(lake.rows("SELECT 'x' AS name, DATE '2026-01-01' AS dt")));
  EXPECT_TRUE(refused(lake.rows("SELECT 1::BIGINT AS id, DATE '10000-01-01' AS dt")));
  EXPECT_TRUE(refused(lake.rows("SELECT 1::BIGINT AS id, DATE 'infinity' AS dt")));
  const auto by_name = lake.create("n", kEventFields, {"name"});
  EXPECT_EQ(by_name
                ->write_files(lake.rows_for(
                    *by_name, "VALUES (1, 'ok', NULL, 1), (2, repeat('x', 300), NULL, 2)"))
                .code(),
            Code::kInvalidArgument);
  EXPECT_EQ(lake.store().list("n/").value().size(), 1U);  // the log's first entry
}

TEST(DeltaTable, ColumnsAreAddedAndOlderFilesReadAsNull) {
  LakeUnderTest lake;
  const auto old = lake.create("t", {{"id", Type::kInt64}, {"p", Type::kInt32}}, {"p"});
  lake.append(*old, "SELECT i, i % 2 FROM range(4) r(i)");
  const auto wide = lake.create(
      "t", {{"id", Type::kInt64}, {"p", Type::kInt32}, {"extra", Type::kTimestamp}}, {"p"});
  EXPECT_EQ(lake.count(*wide, "extra IS NULL"), 4);  // no file has it
  lake.append(*wide, "SELECT i, i % 20, TIMESTAMPTZ '2026-01-01' FROM range(4, 24) r(i)");
  EXPECT_EQ(lake.count(*wide, "extra IS NULL"), 4);
  EXPECT_EQ(lake.count(*wide, "extra = '2026-01-01'"), 20);
  // A program that knows the narrow schema can go on writing through its open object.
  lake.append(*old, "VALUES (99, 1, NULL)");
  EXPECT_EQ(lake.count(*wide), 25);
  const auto narrow = DeltaTable::open_or_create(
      lake.world(),
      lake.store(),
      lake.sql(),
      "t",
      {"t", data::make_schema({{"id", Type::kInt64}, {"p", Type::kInt32}}), {"p"}});
  EXPECT_EQ(narrow.code(), Code::kFailedPrecondition);
  EXPECT_THAT(narrow.status().message(), HasSubstr("extra"));
}

TEST(DeltaTable, AnotherShapeIsRefusedOnOpening) {
  LakeUnderTest lake;
  lake.create("t", kEventFields, {"dt"});
  const auto open = [&](std::vector<data::Field> fields, std::vector<std::string> partitions) {
    return DeltaTable::open_or_create(
               lake.world(),
               lake.store(),
               lake.sql(),
               "t",
               {"t", data::make_schema(std::move(fields)), std::move(partitions)})
        .code();
  };
  EXPECT_EQ(open(kEventFields, {"dt"}), Code::kOk);
  EXPECT_EQ(open(kEventFields, {}), Code::kFailedPrecondition);
  EXPECT_EQ(open(kEventFields, {"hr"}), Code::kFailedPrecondition);
  EXPECT_EQ(open({{"id", Type::kString}, {"dt", Type::kDate}}, {"dt"}), Code::kFailedPrecondition);
}

TEST(DeltaTable, FilesOfOneCommitCanBeReadAlone) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kEventFields, {"hr"});
  lake.append(*table, events(0, 10));
  lake.append(*table, events(10, 30));
  CommitRequest compaction;
  compaction.operation = "OPTIMIZE";
  compaction.data_change = false;
  for (const auto& [path, file] : table->snapshot().value()->files) {
    compaction.removes.push_back(path);
  }
  compaction.adds = table->write_files(lake.rows_for(*table, events(0, 30))).value();
  ASSERT_TRUE(table->commit(compaction).ok());
  lake.append(*table, events(30, 31));
  const auto added = table->added_between(1, 4).value();
  ASSERT_EQ(added.size(), 3U);  // version 3 changed no data
  EXPECT_EQ(added[0].version, 2);
  EXPECT_EQ(added[2].version, 4);
  std::vector<DataFile> files = {added[0].file, added[1].file};
  const auto snapshot = table->snapshot().value();
  EXPECT_EQ(lake.number("SELECT count(*) FROM " + table->relation_of(*snapshot, files).value()),
            20);
  EXPECT_EQ(lake.number("SELECT count(*) FROM " + table->relation_of(*snapshot, {}).value()), 0);
  EXPECT_TRUE(table->added_between(4, 4).value().empty());
  EXPECT_EQ(table->added_between(4, 5).code(), Code::kNotFound);
  EXPECT_EQ(lake.count(*table), 31);
  EXPECT_EQ(
      lake.number("SELECT count(*) FROM " + table->relation(*table->snapshot(2).value()).value()),
      30);
}

TEST(DeltaTable, DataFilesAndTheirFoldersAreDurableBeforeACommitCanNameThem) {
  LakeUnderTest lake;
  const auto table = lake.create("zone/t", kEventFields, {"dt", "hr"});
  const auto files = table->write_files(lake.rows_for(*table, events(0, 20))).value();
  ASSERT_EQ(files.size(), 6U);
  for (const DataFile& file : files) {
    std::string path = lake.folder() + "/zone/t/" + file.path;
    while (path.size() >= lake.folder().size()) {
      EXPECT_EQ(lake.files().synced().count(path), 1U) << path;
      path = parent_path(path);
    }
  }
}

TEST(DeltaTable, HistoryTellsWhatEachCommitDid) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kEventFields, {"hr"});
  lake.clock().advance({2'500'000});
  CommitRequest request;
  request.operation = "STREAMING UPDATE";
  request.parameters = {{"account.in", "10"}, {"account.out", "10"}};
  request.adds =
      table->write_files(lake.rows_for(*table, events(0, 10)), {{"assay.tail", "true"}}).value();
  ASSERT_TRUE(table->commit(request).ok());
  const auto history = table->history().value();
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(history[0].operation, "CREATE TABLE");
  EXPECT_EQ(history[0].parameters.at("partitionBy"), "[\"hr\"]");
  EXPECT_EQ(history[1].version, 1);
  EXPECT_EQ(history[1].timestamp_ms, history[0].timestamp_ms + 2'500);
  EXPECT_EQ(history[1].operation, "STREAMING UPDATE");
  EXPECT_EQ(history[1].parameters, request.parameters);
  EXPECT_EQ(history[1].files_added, 2);
  EXPECT_EQ(history[1].files_removed, 0);
  EXPECT_EQ(history[1].rows_added, 10);
  for (const auto& [path, file] : table->snapshot().value()->files) {
    EXPECT_EQ(file.tags.at("assay.tail"), "true");
  }
}

TEST(DeltaTable, ManyFilesAreJoinedToTheirPartitionValues) {
  LakeUnderTest lake;
  const auto table = lake.create(
      "t", {{"id", Type::kInt64}, {"dt", Type::kDate}, {"hr", Type::kInt32}}, {"dt", "hr"});
  lake.append(
      *table,
      "SELECT i, DATE '2026-01-01' + (i % 120 // 24)::INT, i % 120 % 24 FROM range(360) r(i)");
  const auto snapshot = table->snapshot().value();
  EXPECT_EQ(snapshot->files.size(), 120U);
  const std::string relation = table->relation(*snapshot).value();
  EXPECT_EQ(
      lake.number("SELECT count(*) FROM " + relation +
                  " WHERE dt = DATE '2026-01-01' + (id % 120 // 24)::INT AND hr = id % 120 % 24"),
      360);
  EXPECT_EQ(lake.count(*table, "dt = '2026-01-02' AND hr >= 12"), 36);
}

TEST(DeltaTable, TablesOfALakeAreListed) {
  LakeUnderTest lake;
  EXPECT_TRUE(list_tables(lake.store()).value().empty());
  const auto flights = lake.create("bronze/flights", kEventFields, {"dt"});
  lake.append(*flights, events(0, 7));
  lake.create("gold/user-view.v1", kEventFields);
  lake.create("learn/runs/1", kEventFields);
  ASSERT_TRUE(lake.store().put("bronze/flights/x/_delta_log/0.json", "inside a table").ok());
  ASSERT_TRUE(lake.store().put("broken/t/_delta_log/00000000000000000000.json", "{").ok());
  EXPECT_THAT(list_tables(lake.store()).value(),
              ElementsAre("broken/t", "bronze/flights", "gold/user-view.v1", "learn/runs/1"));
}

TEST(DeltaTable, TheHashOfATableDoesNotSeeFilesAndOrder) {
  LakeUnderTest lake;
  const auto one = lake.create("one", kEventFields);
  const auto many = lake.create("many", kEventFields, {"hr"});
  lake.append(*one, events(0, 300));
  for (int i = 2; i >= 0; --i) {
    lake.append(*many, events(i * 100, i * 100 + 100) + " ORDER BY random()");
  }
  const uint64_t hash = table_content_hash(*one, lake.sql()).value();
  EXPECT_EQ(table_content_hash(*many, lake.sql()).value(), hash);
  lake.append(*many, events(0, 1));
  EXPECT_NE(table_content_hash(*many, lake.sql()).value(), hash);
}

}  // namespace
}  // namespace assay::lake
