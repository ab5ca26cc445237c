#include "lake/statistics.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "lake/json_value.h"
#include "lake/lake_under_test.h"

namespace assay::lake {
namespace {

using data::Scalar;
using data::Type;

std::string of_values(Type type, const std::vector<Scalar>& values) {
  data::BatchBuilder builder(data::make_schema({{"c", type}}));
  for (const Scalar& value : values) {
    builder.column(0).append_scalar(value);
  }
  const data::Batch batch = builder.finish();
  return statistics_json(batch, 0, batch.rows(), {});
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

TEST(Statistics, ColumnsLeftOutAndRowsOutsideAreNotCounted) {
  LakeUnderTest lake;
  const data::Batch batch = lake.rows("SELECT i AS a, i AS b FROM range(10) r(i)");
  EXPECT_EQ(statistics_json(batch, 3, 5, {"b"}),
            R"({"numRecords":2,"minValues":{"a":3},"maxValues":{"a":4},"nullCount":{"a":0}})");
}

/// The twin: what DuckDB says of the file that it writes.
TEST(Statistics, AgreeWithTheParquetWriterOnRandomRows) {
  LakeUnderTest lake;
  const std::string path = lake.folder() + "/twin.parquet";
  for (int seed = 1; seed <= 20; ++seed) {
    ASSERT_TRUE(lake.sql().execute("SELECT setseed(" + std::to_string(seed) + " / 100.0)").ok());
    const data::Batch batch = lake.rows(
        "SELECT CASE WHEN random() < 0.2 THEN NULL ELSE CAST((random() - 0.5) * 1e15 AS BIGINT) "
        "END AS l, "
        "CASE WHEN random() < 0.5 THEN NULL ELSE CAST((random() - 0.5) * 1e9 AS INTEGER) END AS i, "
        "(random() - 0.5) * 1e6 AS d, "
        "CASE WHEN random() < 0.9 THEN NULL ELSE chr(CAST(65 + random() * 26 AS INTEGER)) || "
        "CAST(random() AS VARCHAR) END AS s, "
        "DATE '2000-01-01' + CAST(random() * 20000 AS INTEGER) AS dd FROM range(50)");
    ASSERT_TRUE(lake.sql().create_table("twin", batch).ok());
    const data::Batch told =
        lake.sql()
            .query("COPY twin TO '" + path + "' (FORMAT parquet, RETURN_STATS)",
                   data::SqlUnknownTypes::kAsText)
            .value();
    JsonReader reader;
    const JsonValue twin =
        reader.read(data::format_scalar(told.find("column_statistics")->scalar(0))).value();
    const JsonValue ours = reader.read(statistics_json(batch, 0, batch.rows(), {})).value();
    for (const data::Field& field : batch.schema().fields()) {
      const JsonValue* column = twin.find('"' + field.name + '"');
      ASSERT_NE(column, nullptr);
      const auto text = [](const JsonValue* value) {
        if (value == nullptr) {
          return std::string("none");
        }
        if (value->integer() != nullptr) {
          return std::to_string(*value->integer());
        }
        return value->text() != nullptr ? *value->text() : std::to_string(*value->number());
      };
      const auto as_ours = [&](const JsonValue* value) {
        return field.type == Type::kFloat64 ? std::to_string(std::stod(*value->text()))
                                            : text(value);
      };
      const JsonValue* min = column->find("min");
      EXPECT_EQ(text(ours.find("minValues")->find(field.name)),
                min == nullptr ? "none" : as_ours(min))
          << seed;
      const JsonValue* max = column->find("max");
      EXPECT_EQ(text(ours.find("maxValues")->find(field.name)),
                max == nullptr ? "none" : as_ours(max))
          << seed;
      EXPECT_EQ(text(ours.find("nullCount")->find(field.name)), text(column->find("null_count")))
          << seed;
    }
  }
}

}  // namespace
}  // namespace assay::lake
