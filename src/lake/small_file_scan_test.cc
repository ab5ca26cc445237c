#include "lake/small_file_scan.h"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/metrics.h"
#include "data/parquet_file.h"
#include "lake/foreign_table.h"
#include "lake/lake_under_test.h"
#include "lake/parquet_files.h"
#include "lake/query_files.h"
#include "lake/sql_catalog.h"
#include "lake/sql_query.h"
#include "store/fake_s3.h"
#include "store/s3_store.h"

namespace assay::lake {
namespace {

using data::Type;

const std::vector<data::Field> kFields = {{"i", Type::kInt64},
                                          {"p", Type::kInt32},
                                          {"s", Type::kString},
                                          {"day", Type::kDate},
                                          {"d", Type::kFloat64},
                                          {"text p", Type::kString},
                                          {"at", Type::kTimestamp},
                                          {"amount", Type::decimal(9, 2)}};

std::string rows_sql(int64_t begin, int64_t end) {
  return "SELECT i, i % 3, CASE WHEN i % 4 > 0 THEN 'name ' || i END, DATE '2026-01-01' + (i % "
         "5)::INT, i / 7.0, CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN 'a b/c' ELSE 'ü%' END, "
         "TIMESTAMPTZ '2026-01-01' + INTERVAL (i) MILLISECOND, i / 8.0 FROM range(" +
         std::to_string(begin) + ", " + std::to_string(end) + ") AS r(i)";
}

class SmallFileScan : public testing::Test {
 protected:
  std::unique_ptr<DeltaTable> table_of(int commits, const std::vector<std::string>& partitions) {
    auto table = lake_.create("silver/t", kFields, partitions);
    for (int i = 0; i < commits; ++i) {
      lake_.append(*table, rows_sql(i * 30, i * 30 + 30));
    }
    return table;
  }

  std::string scan_of(DeltaTable& table) {
    const auto snapshot = table.snapshot().value();
    std::vector<DataFile> files;
    for (const auto& [path, file] : snapshot->files) {
      files.push_back(file);
    }
    return scan_relation({lake_.world(), lake_.store(), lake_.sql()}, table, snapshot, files)
        .value();
  }

  /// Many small files give what the SQL engine reads in them, whatever is asked.
  void expect_same_answers(DeltaTable& table) {
    const std::string ours = scan_of(table);
    const std::string theirs = table.relation(*table.snapshot().value()).value();
    for (const std::string& what : {std::string("*"),
                                    std::string("p, i"),
                                    std::string("\"text p\", count(*)"),
                                    std::string("count(*)"),
                                    std::string("day, sum(i)::BIGINT, max(\"at\"), min(amount)")}) {
      const std::string by = what.starts_with("\"text p\"") ? " GROUP BY \"text p\""
                             : what.starts_with("day")      ? " WHERE d > 3 GROUP BY day"
                                                            : "";
      const auto read = lake_.sql().query("SELECT " + what + " FROM " + ours + by);
      ASSERT_TRUE(read.ok()) << read.status().to_string();
      const data::Batch& rows = *read;
      const data::Batch expected = lake_.rows("SELECT " + what + " FROM " + theirs + by);
      EXPECT_EQ(data::content_hash(rows), data::content_hash(expected)) << what;
      EXPECT_EQ(rows.rows(), expected.rows()) << what;
    }
  }

  int64_t read_by(const char* by) {
    return lake_.world()
        .metrics.counter("assay_lake_scanned_files_total", "", {{"by", by}})
        .value();
  }

  LakeUnderTest lake_;
};

TEST_F(SmallFileScan, GivesTheRowsOfManySmallFiles) {
  const auto table = table_of(40, {});
  expect_same_answers(*table);
  EXPECT_EQ(read_by("ours"), 5 * 40);
  EXPECT_EQ(read_by("sql"), 0);
}

TEST_F(SmallFileScan, PartitionColumnsHaveTheLogsValues) {
  for (const std::vector<std::string>& partitions :
       {std::vector<std::string>{"p"}, {"day", "text p"}, {"at"}}) {
    const auto table = table_of(partitions.front() == "p" ? 12 : 3, partitions);
    expect_same_answers(*table);
    EXPECT_EQ(read_by("sql"), 0);
    ASSERT_TRUE(std::filesystem::remove_all(lake_.folder() + "/silver") > 0);
  }
  EXPECT_GT(read_by("ours"), 0);
}

TEST_F(SmallFileScan, FewFilesAreTheSqlEngines) {
  const auto table = table_of(31, {});
  EXPECT_EQ(scan_of(*table).find("assay_rows"), std::string::npos);
  lake_.append(*table, rows_sql(0, 10));
  EXPECT_NE(scan_of(*table).find("assay_rows"), std::string::npos);
}

TEST_F(SmallFileScan, LargeFilesAndOthersWritersAreReadByTheSqlEngine) {
  const auto table = table_of(35, {"p"});
  lake_.append(
      *table,
      "SELECT i, 9, md5(i::VARCHAR), NULL, random(), 'x', NULL, NULL FROM range(20000) r(i)");
  const std::string key = table->key();
  const std::vector<std::string> partitions = {"p"};
  const ParquetTarget target{lake_.world(), lake_.store(), lake_.sql(), key, partitions};
  CommitRequest request;
  request.adds = copy_query_files(target,
                                  *table->snapshot().value()->schema,
                                  {.sql = "SELECT * FROM (" + rows_sql(5'000, 5'020) +
                                          ") r(i, p, s, day, d, \"text p\", \"at\", amount)",
                                   .order = "",
                                   .tags = {},
                                   .partition = {}},
                                  RowOrder::kAsTheyCome)
                     .value();
  ASSERT_TRUE(table->commit(request).ok());
  expect_same_answers(*table);
  EXPECT_GT(read_by("ours"), 0);
  EXPECT_GE(read_by("sql"), 5 * 3);
  EXPECT_NE(scan_of(*table).find("UNION ALL"), std::string::npos);
}

TEST_F(SmallFileScan, FilesBeforeAnAddedColumnGiveNulls) {
  auto table = table_of(20, {});
  std::vector<data::Field> longer = kFields;
  longer.push_back({"more", Type::kInt64});
  table = lake_.create("silver/t", longer);
  for (int i = 0; i < 20; ++i) {
    lake_.append(*table, "SELECT *, 5 FROM (" + rows_sql(i * 30, i * 30 + 30) + ")");
  }
  expect_same_answers(*table);
  EXPECT_EQ(lake_.number("SELECT count(more) FROM " + scan_of(*table)), 600);
}

TEST_F(SmallFileScan, ADamagedOrMissingFileIsTold) {
  const auto table = table_of(40, {});
  const std::string path = table->snapshot().value()->files.begin()->first;
  const std::string good = lake_.store().get("silver/t/" + path).value();
  std::string bytes = good;
  bytes.replace(4, bytes.size() - 100, bytes.size() - 100, '\xFF');
  ASSERT_TRUE(lake_.store().put("silver/t/" + path, bytes).ok());
  const std::string count = "SELECT count(s) FROM " + scan_of(*table);
  EXPECT_FALSE(lake_.sql().query(count).ok());
  ASSERT_TRUE(lake_.store().remove("silver/t/" + path).ok());
  EXPECT_EQ(lake_.sql().query(count).code(), Code::kNotFound);
  ASSERT_TRUE(lake_.store().put("silver/t/" + path, good).ok());
  EXPECT_EQ(lake_.number(count), 900);
}

TEST_F(SmallFileScan, StatementsOverTheLakeUseIt) {
  const auto table = table_of(40, {"day"});
  const auto number = [&](const std::string& statement) {
    const PlannedSql planned =
        plan_sql(
            lake_.world(), lake_.store(), lake_.sql(), sql_tables(lake_.store()).value(), statement)
            .value();
    return lake_.number(planned.text);
  };
  EXPECT_EQ(number("SELECT count(*) FROM lake.silver.t"), 1'200);
  EXPECT_EQ(number("SELECT sum(a.i)::BIGINT FROM lake.silver.t a JOIN lake.silver.t b USING (i)"),
            1'200 * 1'199 / 2);
  const int64_t before = read_by("ours");
  EXPECT_EQ(number("SELECT count(*) FROM lake.silver.t WHERE day = '2026-01-02'"), 240);
  EXPECT_EQ(read_by("ours") - before, 40);  // of 200
  EXPECT_EQ(read_by("sql"), 0);
}

TEST_F(SmallFileScan, ManyThreadsReadEachFileOnce) {
  const auto table = table_of(100, {});
  for (const int threads : {1, 2, 5}) {
    ASSERT_TRUE(lake_.sql().execute("SET threads = " + std::to_string(threads)).ok());
    const int64_t before = read_by("ours");
    EXPECT_EQ(lake_.number("SELECT sum(i)::BIGINT FROM " + scan_of(*table)), 3'000 * 2'999 / 2);
    EXPECT_EQ(read_by("ours") - before, 100);
  }
}

TEST_F(SmallFileScan, OfABucketIsTheSame) {
  store::FakeS3 fake;
  store::S3Options options = fake.options(lake_.folder());
  options.prefix = "lake";
  lake_.use_store(store::open_s3_store(lake_.world(), options).value());
  const auto table = table_of(40, {"p"});
  EXPECT_EQ(lake_.number("SELECT sum(i)::BIGINT FROM " + scan_of(*table) + " WHERE p = 1"),
            lake_.number("SELECT sum(i)::BIGINT FROM range(1200) r(i) WHERE i % 3 = 1"));
  EXPECT_EQ(read_by("ours"), 120);
}

std::string file_of_ours(const data::Batch& rows) {
  data::ParquetFile file(rows.schema_ptr(), "assay version 1.2.3");
  std::string bytes(data::ParquetFile::kBegin);
  if (rows.rows() > 0) {
    const data::ParquetRowGroup group = data::ParquetEncoder().encode(std::span(&rows, 1)).value();
    file.add(group);
    bytes += group.bytes;
  }
  return bytes + file.end();
}

/// The scan of a table of which some files may be ours, however few they are.
std::string scan_of_others(ForeignTable& table) {
  LakeUnderTest& lake = table.lake();
  const auto opened = table.open().value();
  const auto snapshot = opened->snapshot().value();
  std::vector<DataFile> files;
  for (const auto& [path, file] : snapshot->files) {
    files.push_back(file);
    files.back().size_bytes = std::ssize(lake.store().get("t/" + path).value());
  }
  return scan_relation({lake.world(), lake.store(), lake.sql()}, *opened, snapshot, files, 1)
      .value();
}

TEST(SmallFilesOfOthers, FilesWithoutRowsAndOddPartitionValuesAreReadRight) {
  using T = ForeignTable;
  const data::SchemaPtr schema = data::make_schema({{"i", Type::kInt64}});
  data::BatchBuilder builder(schema);
  for (int64_t i = 0; i < 3; ++i) {
    builder.column(0).append(i);
  }
  const std::string three = file_of_ours(builder.finish());
  T table;
  table
      .commit(T::protocol(1) +
              T::metadata({T::field("i", "long"), T::field("p", "integer")}, R"("p")"))
      .put("a.parquet", file_of_ours(data::Batch::empty(schema)))
      .put("b.parquet", three)
      .put("c.parquet", three)
      .parquet("d.parquet", "SELECT 9::BIGINT AS i")
      .commit(T::add("a.parquet", R"("p":"1")") + T::add("b.parquet", R"("p":"2")") +
              T::add("c.parquet", R"("p":"07")") + T::add("d.parquet", R"("p":null)"));
  const std::string scan = scan_of_others(table);
  EXPECT_NE(scan.find("assay_rows"), std::string::npos);
  EXPECT_EQ(table.rows_of(scan), table.rows());
  EXPECT_EQ(table.lake().number("SELECT count(*) FROM " + scan), 7);
  EXPECT_EQ(table.lake().number("SELECT sum(p)::BIGINT FROM " + scan), 27);
}

TEST(SmallFilesOfOthers, TimesWithoutAZoneStayTheSqlEngines) {
  using T = ForeignTable;
  data::BatchBuilder builder(data::make_schema({{"n", Type::kTimestamp}}));
  builder.column(0).append(int64_t{0});
  T table;
  table.commit(T::protocol(3, R"("timestampNtz")") + T::metadata({T::field("n", "timestamp_ntz")}))
      .put("a.parquet", file_of_ours(builder.finish()))
      .commit(T::add("a.parquet"));
  EXPECT_EQ(scan_of_others(table).find("assay_rows"), std::string::npos);
}

TEST(SmallFilesOfOthers, TablesWithoutAFileOfOursAreTheSqlEngines) {
  using T = ForeignTable;
  T table;
  table.commit(T::protocol(1) + T::metadata({T::field("i", "long")}))
      .parquet("a.parquet", "SELECT 9::BIGINT AS i")
      .commit(T::add("a.parquet"));
  EXPECT_EQ(scan_of_others(table).find("assay_rows"), std::string::npos);
}

TEST_F(SmallFileScan, ThreadsShareWhatMemoryTheEngineHasNow) {
  const auto table = table_of(40, {});
  ASSERT_TRUE(lake_.sql().execute("SET memory_limit = '200MiB'; SET threads = 4").ok());
  EXPECT_EQ(lake_.number("SELECT count(s) FROM " + scan_of(*table)), 900);
  EXPECT_EQ(read_by("ours"), 40);
}

}  // namespace
}  // namespace assay::lake
