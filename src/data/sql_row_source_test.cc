#include "data/sql_row_source.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "data/random_values.h"

namespace assay::data {
namespace {

const std::vector<Type>& column_types() {
  static const std::vector<Type> types = {Type::kBool,
                                          Type::kInt8,
                                          Type::kInt16,
                                          Type::kInt32,
                                          Type::kInt64,
                                          Type::kFloat32,
                                          Type::kFloat64,
                                          Type::kString,
                                          Type::kBytes,
                                          Type::kDate,
                                          Type::kTimestamp,
                                          Type::decimal(4, 2),
                                          Type::decimal(9, 2),
                                          Type::decimal(18, 6),
                                          Type::decimal(38, 10),
                                          Type::list(Type::kString)};
  return types;
}

/// Rows in parts, which readers take one after the other.
class Parts : public SqlRowSource {
 public:
  Parts(Batch rows, int64_t part_rows) : rows_(std::move(rows)), part_rows_(part_rows) {}

  [[nodiscard]] const SchemaPtr& schema() const override { return rows_.schema_ptr(); }
  [[nodiscard]] int64_t rows() const override { return rows_.rows(); }
  [[nodiscard]] int64_t readers_max() const override { return 8; }

  Scan scan(const std::vector<int>& columns) override {
    wanted = columns;
    ++scans;
    std::vector<std::string> names;
    names.reserve(columns.size());
    for (const int column : columns) {
      names.push_back(rows_.schema().field(column).name);
    }
    const Batch some =
        columns.empty() ? Batch(make_schema({}), {}, rows_.rows()) : rows_.select(names).value();
    const auto next = std::make_shared<std::atomic<int64_t>>(0);
    return [some, next, this] { return std::make_unique<Reader>(some, next, *this); };
  }

  std::vector<int> wanted;
  int scans = 0;
  int64_t fails_at = -1;
  Status failure = {Code::kCorrupt, "these rows are damaged"};

 private:
  class Reader : public BatchReader {
   public:
    Reader(Batch rows, std::shared_ptr<std::atomic<int64_t>> next, const Parts& parts)
        : rows_(std::move(rows)), next_(std::move(next)), parts_(parts) {}
    [[nodiscard]] const SchemaPtr& schema() const override { return rows_.schema_ptr(); }
    Result<std::optional<Batch>> next() override {
      if (!std::exchange(gave_nothing_, true)) {  // a batch of no rows ends nothing
        return std::optional(Batch::empty(rows_.schema_ptr()));
      }
      const int64_t begin = next_->fetch_add(parts_.part_rows_);
      if (parts_.fails_at >= 0 && begin >= parts_.fails_at) {
        return parts_.failure;
      }
      if (begin >= rows_.rows()) {
        return std::optional<Batch>();
      }
      const int64_t end = std::min(begin + parts_.part_rows_, rows_.rows());
      return rows_.column_count() == 0 ? std::optional(Batch(rows_.schema_ptr(), {}, end - begin))
                                       : std::optional(rows_.slice(begin, end));
    }

   private:
    Batch rows_;
    std::shared_ptr<std::atomic<int64_t>> next_;
    const Parts& parts_;
    bool gave_nothing_ = false;
  };

  Batch rows_;
  int64_t part_rows_;
};

class SqlRowSourceTest : public testing::Test {
 protected:
  std::shared_ptr<Parts> parts(int64_t rows, int64_t part_rows) {
    return std::make_shared<Parts>(random_batch(*random_, column_types(), rows), part_rows);
  }
  int64_t number(const std::string& sql) {
    const Batch rows = engine_->query(sql).value();
    return rows.column(0).values<int64_t>()[0];
  }

  std::unique_ptr<Random> random_ = seeded_random(52);
  std::unique_ptr<SqlEngine> engine_ = SqlEngine::open({}).value();
};

TEST_F(SqlRowSourceTest, StatementsReadTheRowsAsTheyAre) {
  for (const auto& [rows, part_rows] :
       {std::pair{1, 1}, {200, 7}, {2'048, 2'048}, {10'000, 3'000}}) {
    const auto random = seeded_random(53);
    const Batch expected = random_batch(*random, column_types(), rows);
    const std::string table =
        add_row_source(*engine_, std::make_shared<Parts>(expected, part_rows)).value();
    const Batch read = engine_->query("SELECT * FROM " + table).value();
    EXPECT_EQ(read.rows(), rows);
    EXPECT_EQ(content_hash(read), content_hash(expected)) << rows << " by " << part_rows;
  }
}

TEST_F(SqlRowSourceTest, OnlyTheColumnsOfAStatementAreAskedFor) {
  const auto source = parts(5'000, 100);
  const std::string table = add_row_source(*engine_, source).value();
  const std::string& fifth = source->schema()->field(4).name;
  const std::string& eighth = source->schema()->field(7).name;
  EXPECT_EQ(number("SELECT count(*) FROM " + table), 5'000);
  EXPECT_EQ(source->wanted, std::vector<int>{0});  // no statement is without a column
  static_cast<void>(number("SELECT count(hash(" + eighth + ", " + fifth + ")) FROM " + table +
                           " WHERE " + fifth + " IS NOT NULL"));
  EXPECT_EQ(source->wanted, (std::vector<int>{4, 7}));
}

TEST_F(SqlRowSourceTest, OneStatementMayReadItTwiceAndAViewAnyNumberOfTimes) {
  const auto source = parts(3'000, 100);
  const std::string table = add_row_source(*engine_, source).value();
  ASSERT_TRUE(engine_->execute("CREATE VIEW v AS SELECT * FROM " + table).ok());
  EXPECT_EQ(number("SELECT (SELECT count(*) FROM v) + (SELECT count(*) FROM v WHERE true)"), 6'000);
  EXPECT_EQ(number("SELECT count(*) FROM v"), 3'000);
  EXPECT_GE(source->scans, 2);
}

TEST_F(SqlRowSourceTest, SeveralSourcesStandSideBySide) {
  const std::string one = add_row_source(*engine_, parts(1'000, 10)).value();
  const std::string other = add_row_source(*engine_, parts(10, 10)).value();
  EXPECT_NE(one, other);
  EXPECT_EQ(number("SELECT (SELECT count(*) FROM " + one + ") * 100 + (SELECT count(*) FROM " +
                   other + ")"),
            100'010);
}

TEST_F(SqlRowSourceTest, AFailureOfAReaderIsTheStatements) {
  const auto source = parts(5'000, 100);
  const std::string table = add_row_source(*engine_, source).value();
  source->fails_at = 2'000;
  const Status status = engine_->execute("CREATE TABLE copy AS SELECT * FROM " + table);
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_EQ(status.message(), source->failure.message());
  const auto rows = engine_->stream("SELECT * FROM " + table, 100);
  Status streamed = rows.status();
  while (streamed.ok()) {
    streamed = (*rows)->next().status();
  }
  EXPECT_EQ(streamed.code(), Code::kCorrupt);
}

TEST_F(SqlRowSourceTest, AFailureIsForgottenByTheNextStatement) {
  const auto source = parts(500, 100);
  const std::string table = add_row_source(*engine_, source).value();
  source->fails_at = 0;
  EXPECT_EQ(engine_->query("SELECT * FROM " + table).code(), Code::kCorrupt);
  EXPECT_EQ(engine_->query("SELECT nothing").code(), Code::kInvalidArgument);
  source->fails_at = -1;
  EXPECT_EQ(number("SELECT count(*) FROM " + table), 500);
}

TEST_F(SqlRowSourceTest, ALimitMayEndAScanEarly) {
  const auto source = parts(20'000, 100);
  const std::string table = add_row_source(*engine_, source).value();
  const Batch rows = engine_->query("SELECT * FROM " + table + " LIMIT 10").value();
  EXPECT_EQ(rows.rows(), 10);
  EXPECT_EQ(number("SELECT count(*) FROM " + table), 20'000);
}

TEST_F(SqlRowSourceTest, DroppedOnesCannotBeRead) {
  const std::string table = add_row_source(*engine_, parts(10, 10)).value();
  drop_row_sources(*engine_);
  EXPECT_EQ(engine_->query("SELECT * FROM " + table).code(), Code::kInvalidArgument);
  const std::string next = add_row_source(*engine_, parts(10, 10)).value();
  EXPECT_EQ(number("SELECT count(*) FROM " + next), 10);
}

}  // namespace
}  // namespace assay::data
