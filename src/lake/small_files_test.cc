#include "lake/small_files.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/metrics.h"
#include "lake/compaction.h"
#include "lake/lake_under_test.h"
#include "lake/query_files.h"
#include "lake/table_hash.h"

namespace assay::lake {
namespace {

using data::Type;

std::vector<DataFile> files_of(DeltaTable& table) {
  std::vector<DataFile> files;
  for (const auto& [path, file] : table.snapshot().value()->files) {
    files.push_back(file);
  }
  return files;
}

LakeAccess access(LakeUnderTest& lake) {
  return {lake.world(), lake.store(), lake.sql()};
}

/// The first column of all files of a table.
Result<std::vector<int64_t>> numbers_of(LakeUnderTest& lake,
                                        DeltaTable& table,
                                        std::vector<DataFile> files) {
  const auto snapshot = table.snapshot().value();
  const auto rows = read_small_files(access(lake), table, *snapshot, std::move(files));
  std::vector<int64_t> numbers;
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<data::Batch> batch, rows->next());
    if (!batch) {
      return numbers;
    }
    const auto values = batch->column(0).values<int64_t>();
    numbers.insert(numbers.end(), values.begin(), values.end());
  }
}

/// 0, 1, 2, ...
std::vector<int64_t> numbers_up_to(int64_t end) {
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < end; ++i) {
    numbers.push_back(i);
  }
  return numbers;
}

std::string rows_sql(int64_t begin, int64_t end, const std::string& more = "") {
  return "SELECT i, CASE WHEN i % 3 > 0 THEN 'name ' || i END AS s" + more + " FROM range(" +
         std::to_string(begin) + ", " + std::to_string(end) + ") AS r(i)";
}

const std::vector<data::Field> kFields = {{"i", Type::kInt64}, {"s", Type::kString}};

/// Ten rows a commit, by our own writer.
void append_commits(LakeUnderTest& lake, DeltaTable& table, int from, int to) {
  for (int i = from; i < to; ++i) {
    lake.append(table, rows_sql(i * 10, i * 10 + 10));
  }
}

/// Files in the order of their rows.
std::vector<DataFile> sorted(LakeUnderTest& lake, DeltaTable& table, std::vector<DataFile> files) {
  std::sort(files.begin(), files.end(), [&](const DataFile& a, const DataFile& b) {
    const auto first = [&](const DataFile& file) {
      return lake.number("SELECT min(i) FROM read_parquet('" +
                         lake.store().read_path(table.key() + "/" + file.path) + "')");
    };
    return first(a) < first(b);
  });
  return files;
}

/// How many files were read by "ours" or "sql" so far.
int64_t read_by(LakeUnderTest& lake, const char* by) {
  return lake.world().metrics.counter("assay_lake_small_files_total", "", {{"by", by}}).value();
}

/// Compaction into one file keeps the rows, and leaves what it should.
void expect_compacts(LakeUnderTest& lake, DeltaTable& table) {
  const uint64_t hash = table_content_hash(table, lake.sql()).value();
  ASSERT_TRUE(compact(access(lake), table).ok());
  EXPECT_EQ(files_of(table).size(), 1U);
  EXPECT_EQ(table_content_hash(table, lake.sql()).value(), hash);
}

TEST(SmallFiles, GiveTheRowsThatWereWritten) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kFields);
  append_commits(lake, *table, 0, 8);
  const auto files = sorted(lake, *table, files_of(*table));
  EXPECT_EQ(numbers_of(lake, *table, files).value(), numbers_up_to(80));
  EXPECT_EQ(read_by(lake, "ours"), 8);
  EXPECT_EQ(read_by(lake, "sql"), 0);
  EXPECT_EQ(numbers_of(lake, *table, {}).value(), numbers_up_to(0));
  expect_compacts(lake, *table);
  EXPECT_EQ(numbers_of(lake, *table, files_of(*table)).value().size(), 80U);
}

TEST(SmallFiles, OfPartitionsComeWithoutTheirColumns) {
  LakeUnderTest lake;
  const auto table =
      lake.create("t", {{"i", Type::kInt64}, {"p", Type::kInt32}, {"s", Type::kString}}, {"p"});
  for (int i = 0; i < 5; ++i) {
    lake.append(*table,
                "SELECT i, i % 2 AS p, 'x' || i AS s FROM range(" + std::to_string(i * 10) + ", " +
                    std::to_string(i * 10 + 10) + ") AS r(i)");
  }
  const uint64_t hash = table_content_hash(*table, lake.sql()).value();
  const auto report = compact(access(lake), *table).value();
  EXPECT_EQ(report.files_removed, 10);
  EXPECT_EQ(report.files_added, 2);
  EXPECT_EQ(table_content_hash(*table, lake.sql()).value(), hash);
}

TEST(SmallFiles, ThoseOfAnOlderSchemaAreReadByTheSqlEngine) {
  LakeUnderTest lake;
  append_commits(lake, *lake.create("t", kFields), 0, 3);
  std::vector<data::Field> longer = kFields;
  longer.push_back({"more", Type::kFloat64});
  const auto table = lake.create("t", longer);
  lake.append(*table, rows_sql(30, 50, ", i / 4.0 AS more"));
  EXPECT_EQ(numbers_of(lake, *table, sorted(lake, *table, files_of(*table))).value(),
            numbers_up_to(50));
  EXPECT_EQ(read_by(lake, "ours"), 0);
  EXPECT_EQ(read_by(lake, "sql"), 4);
  expect_compacts(lake, *table);
}

/// Ours, the SQL engine's own, ours, a large one, ours: in this order.
TEST(SmallFiles, AmongOthersKeepTheOrderOfRows) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kFields);
  append_commits(lake, *table, 0, 2);
  const auto add = [&](bool by_engine, const std::string& sql) {
    const std::string key = table->key();
    const std::vector<std::string> partitions;
    const ParquetTarget target{lake.world(), lake.store(), lake.sql(), key, partitions};
    const data::Schema& schema = *table->snapshot().value()->schema;
    const QueryRows rows{.sql = sql, .order = "", .tags = {}, .partition = {}};
    CommitRequest request;
    request.adds = by_engine ? copy_query_files(target, schema, rows, RowOrder::kAsTheyCome).value()
                             : write_query_files(target, schema, rows).value();
    ASSERT_TRUE(table->commit(request).ok());
  };
  add(false, "SELECT i, md5(i::VARCHAR) AS s FROM range(20, 300000) AS r(i)");
  int64_t largest = 0;
  for (const DataFile& file : files_of(*table)) {
    largest = std::max(largest, file.size_bytes);
  }
  EXPECT_GT(largest, 4 << 20);
  add(false, rows_sql(300'000, 300'010));
  add(true, rows_sql(300'010, 300'020));
  add(false, rows_sql(300'020, 300'030));
  EXPECT_EQ(numbers_of(lake, *table, sorted(lake, *table, files_of(*table))).value(),
            numbers_up_to(300'030));
  EXPECT_EQ(read_by(lake, "ours"), 3);
  EXPECT_EQ(read_by(lake, "sql"), 3);  // the large one; the engine's own and what comes behind it
  expect_compacts(lake, *table);
}

TEST(SmallFiles, ThatUnpackToMoreThanMemoryHoldsAreReadByTheSqlEngine) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kFields);
  for (int file = 0; file < 2; ++file) {
    lake.append(*table,
                "SELECT i, repeat('x', 1000000) || i FROM range(" + std::to_string(file * 70) +
                    ", " + std::to_string(file * 70 + 70) + ") AS r(i)");
  }
  for (const DataFile& file : files_of(*table)) {
    EXPECT_LT(file.size_bytes, 256 << 10);
  }
  EXPECT_EQ(numbers_of(lake, *table, sorted(lake, *table, files_of(*table))).value(),
            numbers_up_to(140));
  EXPECT_EQ(read_by(lake, "sql"), 2);
  expect_compacts(lake, *table);
}

TEST(SmallFiles, AreCountedByThemselvesWhereTheLogDoesNotSay) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kFields);
  for (int i = 0; i < 3; ++i) {
    CommitRequest request;
    request.adds = table->write_files(lake.rows_for(*table, rows_sql(i * 10, i * 10 + 10))).value();
    request.adds.front().rows = -1;
    request.adds.front().stats_json.clear();
    ASSERT_TRUE(table->commit(request).ok());
  }
  expect_compacts(lake, *table);
  EXPECT_EQ(files_of(*table).front().rows, 30);
}

/// Ten rows, of which the log says that they are `said`.
void append_lie(LakeUnderTest& lake, DeltaTable& table, const std::string& sql, int64_t said) {
  CommitRequest request;
  request.adds = table.write_files(lake.rows_for(table, sql)).value();
  request.adds.front().rows = said;
  request.adds.front().stats_json = R"({"numRecords":)" + std::to_string(said) + "}";
  ASSERT_TRUE(table.commit(request).ok());
}

TEST(SmallFiles, ALogThatKnowsOfOtherRowsEndsCompaction) {
  for (const bool silent : {false, true}) {
    LakeUnderTest lake;
    const auto table = lake.create("t", kFields);
    append_commits(lake, *table, 0, 2);
    append_lie(lake, *table, rows_sql(20, 30), 11);
    append_lie(lake, *table, rows_sql(30, 40), silent ? -1 : 9);  // together they are right
    const std::size_t before = lake.store().list("").value().size();
    const Status status = compact(access(lake), *table).status();
    EXPECT_EQ(status.code(), Code::kCorrupt);
    bool is_named = false;
    for (const DataFile& file : files_of(*table)) {
      is_named = is_named || (file.rows == 11 || file.rows == 9
                                  ? status.message().find(file.path) != std::string::npos
                                  : false);
    }
    EXPECT_TRUE(is_named) << status.message();
    EXPECT_EQ(lake.store().list("").value().size(), before);
    EXPECT_EQ(files_of(*table).size(), 4U);
  }
}

TEST(SmallFiles, APartitionWhoseLogLiesIsLeftOut) {
  LakeUnderTest lake;
  const auto table = lake.create("t", {{"i", Type::kInt64}, {"p", Type::kInt32}}, {"p"});
  for (int file = 0; file < 9; ++file) {
    const std::string sql =
        "SELECT i, " + std::to_string(file % 3) + " AS p FROM range(10) AS r(i)";
    append_lie(lake, *table, sql, file == 4 ? 11 : 10);
  }
  EXPECT_EQ(compact(access(lake), *table).code(), Code::kCorrupt);
  EXPECT_EQ(files_of(*table).size(), 1U + 3U + 1U);
  EXPECT_EQ(lake.count(*table), 90);
}

TEST(SmallFiles, OneThatIsNoUtf8IsNotMadeOneWithOthers) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kFields);
  append_commits(lake, *table, 0, 2);
  const data::SchemaPtr schema = table->snapshot().value()->schema;
  data::BatchBuilder builder(schema);
  builder.column(0).append(int64_t{1});
  builder.column(1).append_text("\xFF");
  CommitRequest request;
  request.adds = table->write_files(builder.finish()).value();
  ASSERT_TRUE(table->commit(request).ok());
  EXPECT_FALSE(compact(access(lake), *table).ok());
  EXPECT_EQ(files_of(*table).size(), 3U);
}

TEST(SmallFiles, ADamagedOrMissingOneEndsCompactionAndLeavesNothing) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kFields);
  append_commits(lake, *table, 0, 5);
  const std::string key = "t/" + files_of(*table).back().path;
  std::string bytes = lake.store().get(key).value();
  bytes.replace(4, bytes.size() - 100, bytes.size() - 100, '\xFF');
  ASSERT_TRUE(lake.store().put(key, bytes).ok());
  EXPECT_FALSE(numbers_of(lake, *table, files_of(*table)).ok());
  const std::size_t before = lake.store().list("").value().size();
  EXPECT_FALSE(compact(access(lake), *table).ok());
  EXPECT_EQ(lake.store().list("").value().size(), before);
  ASSERT_TRUE(lake.store().remove(key).ok());
  EXPECT_EQ(numbers_of(lake, *table, files_of(*table)).code(), Code::kNotFound);
  EXPECT_EQ(compact(access(lake), *table).code(), Code::kNotFound);
  EXPECT_EQ(lake.store().list("").value().size(), before - 1);
}

}  // namespace
}  // namespace assay::lake
