#include "lake/row_writer.h"

#include <algorithm>
#include <csignal>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "lake/lake_under_test.h"
#include "lake/query_files.h"
#include "lake/store_under_test.h"

namespace assay::lake {
namespace {

using data::Batch;
using data::Type;

/// A table's folder without a table.
class Writing {
 public:
  explicit Writing(std::vector<std::string> partitions = {}) : partitions_(std::move(partitions)) {}

  ParquetTarget target(const std::string& key) {
    return {lake_.world(), lake_.store(), lake_.sql(), keys_[key] = key, partitions_};
  }
  /// Rows of each partition in the order of its files, as text.
  std::map<PartitionValues, std::string> contents(const std::string& key,
                                                  const std::vector<DataFile>& files) {
    std::map<PartitionValues, std::string> rows;
    for (const DataFile& file : files) {
      const Batch batch = lake_.rows("SELECT * FROM read_parquet('" + path(key, file) + "')");
      for (int64_t row = 0; row < batch.rows(); ++row) {
        for (int column = 0; column < batch.column_count(); ++column) {
          rows[file.partition_values] +=
              data::format_scalar(batch.column(column).scalar(row)) + "|";
        }
      }
    }
    return rows;
  }
  std::string path(const std::string& key, const DataFile& file) {
    return lake_.store().read_path(key + "/" + file.path);
  }
  std::string bytes(const std::string& key, const DataFile& file) {
    return lake_.world().files.read(path(key, file)).value();
  }
  std::size_t objects() { return lake_.store().list("").value().size(); }
  LakeUnderTest& lake() { return lake_; }

 private:
  LakeUnderTest lake_;
  std::vector<std::string> partitions_;
  std::map<std::string, std::string> keys_;
};

/// In pieces of `batch_rows`.
Result<std::vector<DataFile>> write(const ParquetTarget& target,
                                    const Batch& rows,
                                    int threads,
                                    RowGroupLimits limits,
                                    int64_t batch_rows) {
  RowWriter writer(target, {{"k", "v"}}, {}, threads, limits);
  for (int64_t row = 0; row < rows.rows(); row += batch_rows) {
    ASSAY_RETURN_IF_ERROR(writer.add(rows.slice(row, std::min(row + batch_rows, rows.rows()))));
  }
  return writer.finish();
}

std::map<PartitionValues, const DataFile*> by_partition(const std::vector<DataFile>& files) {
  std::map<PartitionValues, const DataFile*> result;
  for (const DataFile& file : files) {
    EXPECT_TRUE(result.emplace(file.partition_values, &file).second) << file.path;
  }
  return result;
}

/// Columns c0, c1, ... of every flat type: 25 different rows, with nulls, in any order.
std::string rows_of_every_type() {
  const std::vector<std::string> columns = {
      "hash(j, 0) % 2 = 0",
      "(hash(j, 1) % 40)::TINYINT - 20::TINYINT",
      "(hash(j, 2) % 10000)::SMALLINT",
      "(hash(j, 3) % 3)::INTEGER",
      "(hash(j, 4) % 9000000000000000000)::BIGINT",
      "CASE WHEN j % 9 = 0 THEN -(0::FLOAT) ELSE (hash(j, 5) % 1000)::FLOAT / 7 END",
      "CASE WHEN j % 11 = 0 THEN 'nan'::DOUBLE WHEN j % 11 = 1 THEN '-inf'::DOUBLE ELSE j / 7.0 "
      "END",
      "CASE WHEN j % 5 = 0 THEN '' ELSE repeat('\xC3\xA9', (j % 40)::INTEGER) || '/ ' || j % 4 END",
      "('x' || j)::BLOB",
      "DATE '1600-02-29' + (hash(j, 6) % 200000)::INTEGER",
      "make_timestamptz((j % 10)::BIGINT * 123456789001500)",
      "(hash(j, 7) % 99999)::DECIMAL(5, 0)::DECIMAL(7, 2)",
      "(hash(j, 8) % 999999999999)::DECIMAL(18, 6)",
      "(hash(j, 9))::DECIMAL(38, 10) * -1"};
  std::string select;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    select += (i == 0 ? "SELECT CASE WHEN (j + " : ", CASE WHEN (j + ") + std::to_string(i) +
              ") % 7 = 0 THEN NULL ELSE " + columns[i] + " END AS c" + std::to_string(i);
  }
  return select + " FROM (SELECT (hash(i) % 25)::INTEGER AS j FROM range(800) AS t(i))";
}

/// COPY is the twin: the same rows, and the same said of them in the log.
TEST(RowWriter, WritesAndSaysWhatTheSqlEngineDoes) {
  const std::vector<std::vector<std::string>> splits = {
      {}, {"c0"}, {"c1", "c3"}, {"c7"}, {"c9", "c0"}, {"c10"}, {"c11"}};
  for (const std::vector<std::string>& partitions : splits) {
    Writing writing(partitions);
    const Batch rows = writing.lake().rows(rows_of_every_type());
    ASSERT_TRUE(writing.lake().sql().create_table("rows", rows).ok());
    const QueryRows query{
        .sql = "SELECT * FROM temp.rows", .order = "", .tags = {}, .partition = {}};
    const auto ours = write_query_files(writing.target("ours"), rows.schema(), query).value();
    const auto theirs =
        copy_query_files(writing.target("theirs"), rows.schema(), query, RowOrder::kAsTheyCome)
            .value();
    EXPECT_EQ(writing.contents("ours", ours), writing.contents("theirs", theirs));
    const auto of_ours = by_partition(ours);
    const auto of_theirs = by_partition(theirs);
    ASSERT_EQ(of_ours.size(), of_theirs.size());
    for (const auto& [values, file] : of_theirs) {
      ASSERT_TRUE(of_ours.contains(values)) << file->path;
      const DataFile& own = *of_ours.at(values);
      EXPECT_EQ(own.rows, file->rows);
      EXPECT_EQ(own.stats_json, file->stats_json);
      EXPECT_EQ(parent_path(own.path), parent_path(file->path));
    }
  }
}

TEST(RowWriter, BytesDoNotDependOnThreadsAndRowsKeepTheirOrder) {
  Writing writing({"p"});
  const Batch rows = writing.lake().rows(
      "SELECT i, CASE WHEN hash(i) % 3 > 0 THEN 'text ' || hash(i) % 50 END AS s, (CASE WHEN i < "
      "4000 "
      "THEN 0 ELSE hash(i) % 5 END)::INTEGER AS p FROM range(9000) AS t(i)");
  const RowGroupLimits limits{.rows = 500, .bytes = 1 << 20, .waiting_bytes = 60'000};
  const auto one = write(writing.target("one"), rows, 1, limits, 300).value();
  const auto many = write(writing.target("many"), rows, 4, limits, 300).value();
  ASSERT_EQ(one.size(), 5U);
  ASSERT_EQ(many.size(), 5U);
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(writing.bytes("one", one[i]), writing.bytes("many", many[i]));
    EXPECT_EQ(one[i].size_bytes, std::ssize(writing.bytes("one", one[i])));
    EXPECT_EQ(one[i].tags.at("k"), "v");
    EXPECT_EQ(writing.lake().number(
                  "SELECT count(*) FROM (SELECT i < lag(i) OVER (ORDER BY file_row_number) AS back "
                  "FROM read_parquet('" +
                  writing.path("one", one[i]) + "', file_row_number=true)) WHERE back"),
              0);
  }
  EXPECT_GT(writing.lake().number("SELECT num_row_groups::BIGINT FROM parquet_file_metadata('" +
                                  writing.path("one", one[0]) + "')"),
            8);
}

TEST(RowWriter, AnyNumberOfPartitionsGetsOneFileEachInLittleMemory) {
  Writing writing({"p"});
  const Batch rows =
      writing.lake().rows("SELECT i, (hash(i) % 400)::INTEGER AS p FROM range(20000) AS t(i)");
  const RowGroupLimits limits{.rows = 1'000, .bytes = 1 << 20, .waiting_bytes = 30'000};
  const auto files = write(writing.target("t"), rows, 2, limits, 2'000).value();
  EXPECT_EQ(by_partition(files).size(), 400U);
  int64_t written = 0;
  for (const DataFile& file : files) {
    written += file.rows;
  }
  EXPECT_EQ(written, 20'000);
  EXPECT_EQ(writing.lake().number("SELECT sum(i)::BIGINT FROM read_parquet('" +
                                  writing.lake().store().read_path("t") + "/*/*.parquet')"),
            20'000LL * 19'999 / 2);
}

TEST(RowWriter, AFailureLateLeavesNoFile) {
  Writing writing({"p"});
  const Batch rows = writing.lake().rows(
      "SELECT CASE WHEN i = 3999 THEN 'infinity'::TIMESTAMPTZ ELSE make_timestamptz(i) END AS ts, "
      "(i % 3)::INTEGER AS p FROM range(4000) AS t(i)");
  const RowGroupLimits limits{.rows = 100};
  EXPECT_EQ(write(writing.target("t"), rows, 2, limits, 500).code(), Code::kInvalidArgument);
  EXPECT_EQ(writing.objects(), 0U);
  {
    RowWriter forgotten(writing.target("t"), {}, {}, 2, limits);
    ASSERT_TRUE(forgotten.add(rows).ok());
  }
  EXPECT_EQ(writing.objects(), 0U);
}

TEST(RowWriter, FewButLongRowsOfAPartitionCountForWhatTheyAre) {
  Writing writing({"p"});
  const Batch rows = writing.lake().rows(
      "SELECT CASE WHEN i % 100 = 0 THEN repeat('x', 10000) || i ELSE 'x' END AS s, (CASE WHEN i % "
      "100 = 0 THEN 0 ELSE i % 3 + 1 END)::INTEGER AS p FROM range(5000) AS t(i)");
  const RowGroupLimits limits{.bytes = 100'000, .waiting_bytes = 200'000};
  const auto files = write(writing.target("t"), rows, 1, limits, 1'000).value();
  const DataFile* of_long = by_partition(files).at({{"p", "0"}});
  EXPECT_EQ(of_long->rows, 50);
  EXPECT_GE(writing.lake().number("SELECT num_row_groups::BIGINT FROM parquet_file_metadata('" +
                                  writing.path("t", *of_long) + "')"),
            5);
}

TEST(RowWriter, ManyPartitionsGetFewRowGroupsEachThoughTheyWaitTogether) {
  Writing writing({"p"});
  const Batch rows =
      writing.lake().rows("SELECT i, (i % 500)::INTEGER AS p FROM range(40000) AS t(i)");
  const RowGroupLimits limits{.rows = 1'000, .bytes = 1 << 20, .waiting_bytes = 100'000};
  const auto files = write(writing.target("t"), rows, 2, limits, 1'000).value();
  EXPECT_EQ(files.size(), 500U);
  // 40,000 rows of 8 bytes: half of what may wait goes seven times or so, some 250 row groups each.
  const int64_t groups =
      writing.lake().number("SELECT sum(num_row_groups)::BIGINT FROM parquet_file_metadata('" +
                            writing.lake().store().read_path("t") + "/*/*.parquet')");
  EXPECT_GT(groups, 1'000);
  EXPECT_LT(groups, 4'000);
}

/// A store that takes no file, and counts what it is asked to remove.
class RefusingStore : public StoreUnderTest {
 public:
  using StoreUnderTest::StoreUnderTest;
  Status adopt(const std::string& /*key*/) override {
    ++adopted;
    return {Code::kUnavailable, "the store does not answer"};
  }
  Status remove(const std::string& /*key*/) override {
    ++removed;
    return {Code::kUnavailable, "the store does not answer"};
  }
  int adopted = 0;
  int removed = 0;
};

TEST(RowWriter, AStoreThatDoesNotAnswerIsAskedOnceWhenAllIsLost) {
  Writing writing({"p"});
  RefusingStore store(writing.lake().store());
  const Batch rows = writing.lake().rows("SELECT i, i % 50 AS p FROM range(1000) AS t(i)");
  const std::string key = "t";
  const std::vector<std::string> partitions{"p"};
  const ParquetTarget target{writing.lake().world(), store, writing.lake().sql(), key, partitions};
  EXPECT_EQ(write(target, rows, 1, {}, 100).code(), Code::kUnavailable);
  EXPECT_EQ(store.adopted, 1);
  EXPECT_EQ(store.removed, 1);
  EXPECT_EQ(writing.objects(), 0U);
}

TEST(RowWriter, ValuesThatNoTableHoldsAreFoundBeforeAnythingIsUploaded) {
  Writing writing({"p"});
  RefusingStore store(writing.lake().store());
  const Batch rows = writing.lake().rows(
      "SELECT CASE WHEN i = 99 THEN 'infinity'::TIMESTAMPTZ ELSE make_timestamptz(i) END AS ts, "
      "i // 10 AS p FROM range(100) AS t(i)");
  const std::string key = "t";
  const std::vector<std::string> partitions{"p"};
  const ParquetTarget target{writing.lake().world(), store, writing.lake().sql(), key, partitions};
  EXPECT_EQ(write(target, rows, 1, {}, 10).code(), Code::kInvalidArgument);
  EXPECT_EQ(store.adopted, 0);
  EXPECT_EQ(store.removed, 0);
}

TEST(RowWriter, ADiskThatIsFullLeavesNoFile) {
  Writing writing;
  const Batch rows = writing.lake().rows("SELECT hash(i)::VARCHAR AS s FROM range(30000) AS t(i)");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Code code = write(writing.target("t"), rows, 1, {.rows = 1'000}, 1'000).code();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(code, Code::kResourceExhausted);
  EXPECT_EQ(writing.objects(), 0U);
}

TEST(RowWriter, TakesAsMuchMemoryAsSuitsTheSqlEngine) {
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  const RowGroupLimits most;
  const RowGroupLimits large = RowGroupLimits::within(8'192 * kMiB);
  EXPECT_EQ(large.waiting_bytes, most.waiting_bytes);
  EXPECT_EQ(large.encoding_bytes, most.encoding_bytes);
  EXPECT_EQ(large.bytes, most.bytes);
  const RowGroupLimits small = RowGroupLimits::within(512 * kMiB);
  EXPECT_EQ(small.waiting_bytes, 64 * kMiB);
  EXPECT_EQ(small.encoding_bytes, 32 * kMiB);
  EXPECT_EQ(small.bytes, 32 * kMiB);
  EXPECT_EQ(RowGroupLimits::within(0).waiting_bytes, 16 * kMiB);
}

TEST(RowWriter, RowsOfNothingButPartitionColumnsAreRefused) {
  Writing writing({"p"});
  RowWriter writer(writing.target("t"), {}, {}, 1);
  EXPECT_EQ(writer.add(writing.lake().rows("SELECT 1 AS p")).code(), Code::kInvalidArgument);
}

TEST(RowWriter, NoRowsGiveNoFiles) {
  Writing writing;
  RowWriter writer(writing.target("t"), {}, {}, 2);
  EXPECT_TRUE(writer.finish().value().empty());
  EXPECT_EQ(writing.objects(), 0U);
}

TEST(RowWriter, NestedColumnsAreLeftToTheSqlEngine) {
  const data::Schema nested({{"l", Type::list(Type::kInt64)}, {"p", Type::kInt32}});
  EXPECT_FALSE(row_writer_takes(nested, {"p"}));
  EXPECT_FALSE(row_writer_takes(data::Schema({{"d", Type::kFloat64}, {"i", Type::kInt64}}), {"d"}));
  EXPECT_TRUE(row_writer_takes(data::Schema({{"d", Type::kFloat64}, {"i", Type::kInt64}}), {"i"}));
}

}  // namespace
}  // namespace assay::lake
