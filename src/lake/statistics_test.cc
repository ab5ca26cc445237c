#include "lake/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "lake/lake_under_test.h"
#include "lake/statistics_check.h"

namespace assay::lake {
namespace {

using data::Scalar;
using data::Type;

/// Statistics of a file of one column.
std::string of_values(Type type, const std::vector<Scalar>& values) {
  LakeUnderTest lake;
  data::BatchBuilder builder(data::make_schema({{"c", type}}));
  for (const Scalar& value : values) {
    builder.column(0).append_scalar(value);
  }
  const auto table = lake.create("t", {{"c", type}});
  return table->write_files(builder.finish()).value().front().stats_json;
}

std::string expected(int64_t rows, const std::string& min, const std::string& max, int64_t nulls) {
  const auto member = [](const std::string& value) {
    return value.empty() ? "" : "\"c\":" + value;
  };
  return "{\"numRecords\":" + std::to_string(rows) + ",\"minValues\":{" + member(min) +
         "},\"maxValues\":{" + member(max) + "},\"nullCount\":{\"c\":" + std::to_string(nulls) +
         "}}";
}

Scalar number(double value) {
  return Scalar::float64(value);
}
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Statistics, IntegersAreGivenAsTheyAre) {
  EXPECT_EQ(of_values(Type::kInt64,
                      {Scalar::int64(7), Scalar::null(Type::kInt64), Scalar::int64(INT64_MIN)}),
            expected(3, "-9223372036854775808", "7", 1));
  EXPECT_EQ(of_values(Type::kInt32, {Scalar::int32(-1)}), expected(1, "-1", "-1", 0));
}

TEST(Statistics, BooleansAreWords) {
  EXPECT_EQ(of_values(Type::kBool, {Scalar::boolean(true), Scalar::boolean(false)}),
            expected(2, "false", "true", 0));
  EXPECT_EQ(of_values(Type::kBool, {Scalar::boolean(true)}), expected(1, "true", "true", 0));
}

TEST(Statistics, NothingButNullsHasNoMinAndMax) {
  EXPECT_EQ(of_values(Type::kString, {Scalar::null(Type::kString), Scalar::null(Type::kString)}),
            expected(2, "", "", 2));
}

TEST(Statistics, ZerosCoverBothSigns) {
  EXPECT_EQ(of_values(Type::kFloat64, {number(0.0)}), expected(1, "-0.0", "0.0", 0));
  EXPECT_EQ(of_values(Type::kFloat64, {number(-0.0), number(2.5)}), expected(2, "-0.0", "2.5", 0));
}

TEST(Statistics, NanIsTheLargestAndInfinityIsAWord) {
  EXPECT_EQ(of_values(Type::kFloat64, {number(kNan), number(1.5)}),
            expected(2, "1.5", "\"NaN\"", 0));
  EXPECT_EQ(of_values(Type::kFloat64, {number(kNan)}), expected(1, "", "", 0));
  EXPECT_EQ(of_values(Type::kFloat64, {number(kInfinity), number(-kInfinity)}),
            expected(2, "\"-Infinity\"", "\"Infinity\"", 0));
}

TEST(Statistics, FloatsAreWrittenAsTheDoublesTheyAre) {
  EXPECT_EQ(of_values(Type::kFloat32, {Scalar{Type::kFloat32, double{0.1F}}}),
            expected(1, "0.10000000149011612", "0.10000000149011612", 0));
}

TEST(Statistics, LongTextsAreCutAt32CodePointsAndTheMaximumRoundedUp) {
  std::string long_text;
  std::string cut;
  for (int i = 0; i < 40; ++i) {
    long_text += "\xF0\x9F\x98\x80";
    cut += i < 32 ? "\xF0\x9F\x98\x80" : "";
  }
  EXPECT_EQ(of_values(Type::kString, {Scalar::string(long_text)}),
            expected(1, '"' + cut + '"', '"' + cut + "\xF4\x8F\xBF\xBF\"", 0));
  EXPECT_EQ(of_values(Type::kString, {Scalar::string(cut)}),
            expected(1, '"' + cut + '"', '"' + cut + '"', 0));
}

TEST(Statistics, TimesAreRoundedOutwardsToMilliseconds) {
  EXPECT_EQ(of_values(Type::kTimestamp, {Scalar::timestamp(1'123'456), Scalar::timestamp(-1)}),
            expected(2, "\"1969-12-31T23:59:59.999Z\"", "\"1970-01-01T00:00:01.124Z\"", 0));
  EXPECT_EQ(of_values(Type::kTimestamp,
                      {Scalar::timestamp(kEndInstant.micros - 1),
                       Scalar::timestamp(kFirstInstant.micros)}),
            expected(2, "\"0001-01-01T00:00:00.000Z\"", "\"9999-12-31T23:59:59.999Z\"", 0));
}

TEST(Statistics, DatesAreDaysAndBytesHaveOnlyNulls) {
  EXPECT_EQ(
      of_values(Type::kDate, {Scalar{Type::kDate, int64_t{-1}}, Scalar{Type::kDate, int64_t{1}}}),
      expected(2, "\"1969-12-31\"", "\"1970-01-02\"", 0));
  EXPECT_EQ(of_values(Type::kBytes, {Scalar{Type::kBytes, std::string("x")}}),
            expected(1, "", "", 0));
}

TEST(Statistics, DecimalsHaveFifteenDigitsRoundedOutwards) {
  EXPECT_EQ(decimal_bound("123.45", true), "123.45");
  EXPECT_EQ(decimal_bound("-0.05", false), "-0.05");
  EXPECT_EQ(decimal_bound("0.00", true), "0");
  EXPECT_EQ(decimal_bound("1234567890123456.78", true), "1234567890123450");
  EXPECT_EQ(decimal_bound("1234567890123456.78", false), "1234567890123460");
  EXPECT_EQ(decimal_bound("-1234567890123456.78", true), "-1234567890123460");
  EXPECT_EQ(decimal_bound("-1234567890123456.78", false), "-1234567890123450");
  EXPECT_EQ(decimal_bound("1234567890123450.00", false), "1234567890123450");
  EXPECT_EQ(decimal_bound("9999999999999999", false), "10000000000000000");
  EXPECT_EQ(decimal_bound("12345678901234567890", false), "12345678901234600000.0")
      << "an integer of that size is refused by readers of JSON";
  EXPECT_EQ(decimal_bound("0.00123456789012345678", false), "0.00123456789012346");
}

TEST(Statistics, DecimalsAreGivenAndHold) {
  const Type type = Type::decimal(38, 2);
  EXPECT_EQ(
      of_values(
          type,
          {Scalar{type, data::Int128{12'345}}, Scalar::null(type), Scalar{type, data::Int128{-1}}}),
      expected(3, "-0.01", "123.45", 1));
}

TEST(Statistics, MembersOfStructsAreToldAndListsAreNot) {
  LakeUnderTest lake;
  const auto schema = lake.rows(
      "SELECT {'a': 1::BIGINT, 'in': {'b': 'x'}} AS s, [1::BIGINT] AS l, 2::BIGINT AS n LIMIT 0");
  const auto table = DeltaTable::open_or_create(
      lake.world(), lake.store(), lake.sql(), "t", {"t", schema.schema_ptr(), {}});
  ASSERT_TRUE(table.ok()) << table.status().to_string();
  const data::Batch rows = lake.rows(
      "SELECT * FROM (VALUES ({'a': 5::BIGINT, 'in': {'b': 'x'}}, [1::BIGINT], 2::BIGINT), "
      "(NULL, NULL, 3), ({'a': NULL, 'in': {'b': 'y'}}, NULL, 4)) AS r(s, l, n)");
  const auto files = (*table)->write_files(rows);
  ASSERT_TRUE(files.ok()) << files.status().to_string();
  EXPECT_EQ(files->front().stats_json,
            R"({"numRecords":3,"minValues":{"s":{"a":5,"in":{"b":"x"}},"n":2},)"
            R"("maxValues":{"s":{"a":5,"in":{"b":"y"}},"n":4},)"
            R"("nullCount":{"s":{"a":2,"in":{"b":1}},"n":0}})");
  CommitRequest request;
  request.adds = *files;
  ASSERT_TRUE((*table)->commit(request).ok());
  const auto snapshot = (*table)->snapshot().value();
  EXPECT_EQ(statistics_lie(lake.sql(), **table, *snapshot, files->front()).value(), "");
}

/// A table with files of three rows each, whose statistics are made wrong one way or another.
class ManyFiles : public testing::Test {
 protected:
  static constexpr int kFiles = 70;  // more than one statement takes

  ManyFiles() {
    const std::string columns =
        "i AS n, i / 4 AS d, 'x' || i AS s, TIMESTAMPTZ '2026-01-01 00:00:00.25+00' + to_hours(i) "
        "AS t, CAST(i AS DECIMAL(10, 2)) AS e, i % 2 = 0 AS b, CASE WHEN i % 3 = 0 THEN NULL ELSE "
        "i "
        "END AS m, 'p' || (i // 3 % 20) AS p, i AS \"min n\"";
    const auto schema = rows_of(columns, 0, 0).schema_ptr();
    auto opened = DeltaTable::open_or_create(
        lake_.world(), lake_.store(), lake_.sql(), "t", {"t", schema, {"p"}});
    table_ = std::move(opened).value();
    CommitRequest request;
    for (int i = 0; i < kFiles; ++i) {
      const auto written = table_->write_files(rows_of(columns, i * 3, i * 3 + 3));
      request.adds.insert(request.adds.end(), written->begin(), written->end());
    }
    EXPECT_TRUE(table_->commit(request).ok());
    snapshot_ = table_->snapshot().value();
    for (const auto& [path, file] : snapshot_->files) {
      files_.push_back(file);
    }
  }
  data::Batch rows_of(const std::string& columns, int begin, int end) {
    return lake_.rows("SELECT " + columns + " FROM range(" + std::to_string(begin) + ", " +
                      std::to_string(end) + ") AS r(i)");
  }
  /// Let a file's statistics say `value` of a column, or of the rows.
  void lie(std::size_t file,
           const std::string& kind,
           const std::string& column,
           const std::string& value) {
    std::string& text = files_.at(file).stats_json;
    std::size_t at = text.find('"' + kind + "\":") + kind.size() + 3;
    if (!column.empty()) {
      at = text.find('"' + column + "\":", at) + column.size() + 3;
    }
    ASSERT_LT(at, text.size()) << text;
    text.replace(at, text.find_first_of(",}", at) - at, value);
  }
  std::vector<std::string> said_of_all() {
    std::vector<std::string> said;
    for (const auto& lie : statistics_lies(lake_.sql(), *table_, *snapshot_, files_)) {
      said.push_back(lie.ok() ? *lie : lie.status().to_string());
    }
    return said;
  }
  std::vector<std::string> said_one_by_one() {
    std::vector<std::string> said;
    for (const DataFile& file : files_) {
      const auto lie = statistics_lie(lake_.sql(), *table_, *snapshot_, file);
      said.push_back(lie.ok() ? *lie : lie.status().to_string());
    }
    return said;
  }

  LakeUnderTest lake_;
  std::unique_ptr<DeltaTable> table_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<DataFile> files_;
};

TEST_F(ManyFiles, AreJudgedAsOneByOne) {
  ASSERT_EQ(files_.size(), static_cast<std::size_t>(kFiles));
  EXPECT_EQ(said_of_all(), std::vector<std::string>(kFiles));
  lie(1, "numRecords", "", "4");
  lie(3, "minValues", "n", "999999");
  lie(5, "maxValues", "s", "\"a\"");
  lie(60, "maxValues", "d", "-0.5");
  lie(61, "minValues", "e", "99999.5");
  lie(62, "maxValues", "t", "\"2020-01-01T00:00:00.000Z\"");
  lie(63, "minValues", "min n", "999999");
  lie(69, "nullCount", "m", "7");
  files_[50].stats_json = "{";
  files_[51].stats_json = "";
  const std::vector<std::string> said = said_of_all();
  EXPECT_EQ(said, said_one_by_one());
  EXPECT_EQ(std::count(said.begin(), said.end(), ""), kFiles - 9);
}

TEST_F(ManyFiles, OfWhichSomeCannotBeReadAreJudgedOneByOne) {
  lie(1, "numRecords", "", "4");
  ASSERT_TRUE(lake_.store().remove("t/" + files_[2].path).ok());
  const std::vector<std::string> said = said_of_all();
  EXPECT_EQ(said, said_one_by_one());
  EXPECT_EQ(std::count(said.begin(), said.end(), ""), kFiles - 2);
}

}  // namespace
}  // namespace assay::lake
