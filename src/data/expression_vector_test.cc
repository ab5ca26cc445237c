// Expressions over columns that are not read as they are: narrow integers, decimals, times without
// a zone, vectors, and other nested types.

#include <cmath>

#include <gtest/gtest.h>

#include "data/expression.h"
#include "data/json_text.h"
#include "data/random_values.h"

namespace assay::data {
namespace {

struct Cell {
  std::string name;
  Type type;
  std::string text;
};

/// One row of these cells; "" is null.
Batch one_row(const std::vector<Cell>& cells) {
  std::vector<Field> fields;
  std::vector<ColumnPtr> columns;
  for (const Cell& cell : cells) {
    const Scalar value =
        cell.text.empty() ? Scalar::null(cell.type) : parse_scalar(cell.text, cell.type).value();
    fields.push_back({cell.name, cell.type, true});
    columns.push_back(constant_column(value, 1));
  }
  return {make_schema(fields), columns, 1};
}

/// Type and value of the answer, or "refused".
std::string answer(std::string_view expression, const Batch& row) {
  const Result<Expression> compiled = Expression::compile(expression, row.schema());
  if (!compiled.ok()) {
    EXPECT_EQ(compiled.code(), Code::kInvalidArgument);
    return "refused";
  }
  const ColumnPtr column = compiled->evaluate(row).value();
  EXPECT_EQ(column->type(), compiled->type());
  return type_name(column->type()) + " " +
         (column->is_null(0) ? "null" : format_scalar(column->scalar(0)));
}

Batch every_kind() {
  return one_row({{"tiny", Type::kInt8, "-7"},
                  {"small", Type::kInt16, "300"},
                  {"price", Type::decimal(10, 2), "12.30"},
                  {"local", Type::kTimestampNtz, "2024-01-31 10:00:00"},
                  {"tags", Type::list(Type::kString), "[\"a\"]"},
                  {"none", Type::list(Type::kString), ""},
                  {"v", Type::array(Type::kFloat32, 2), "[3,4]"}});
}

TEST(ExpressionOfOtherTypes, AColumnByItselfKeepsItsType) {
  const Batch row = every_kind();
  EXPECT_EQ(answer("tiny", row), "int8 -7");
  EXPECT_EQ(answer("small", row), "int16 300");
  EXPECT_EQ(answer("price", row), "decimal(10,2) 12.30");
  EXPECT_EQ(answer("local", row), "timestamp_ntz 2024-01-31T10:00:00");
  EXPECT_EQ(answer("tags", row), "list<string> [\"a\"]");
  EXPECT_EQ(answer("v", row), "float32[2] [3.0,4.0]");
}

TEST(ExpressionOfOtherTypes, ComputingReadsThemAsAWiderType) {
  const Batch row = every_kind();
  EXPECT_EQ(answer("tiny + small", row), "int64 293");
  EXPECT_EQ(answer("CAST(tiny AS int)", row), "int32 -7");
  EXPECT_EQ(answer("price * 2", row), "float64 24.6");
  EXPECT_EQ(answer("price > 12", row), "bool true");
  EXPECT_EQ(answer("CAST(price AS double)", row), "float64 12.3");
  EXPECT_EQ(answer("CAST(local AS timestamp)", row), "timestamp 2024-01-31T10:00:00Z");
  EXPECT_EQ(answer("local < '2024-02-01'", row), "bool true");
  EXPECT_EQ(answer("CASE WHEN tiny < 0 THEN small END", row), "int32 300");
}

TEST(ExpressionOfOtherTypes, NestedColumnsAreOnlyAskedForNull) {
  const Batch row = every_kind();
  EXPECT_EQ(answer("tags IS NULL", row), "bool false");
  EXPECT_EQ(answer("none IS NULL", row), "bool true");
  EXPECT_EQ(answer("v IS NOT NULL", row), "bool true");
  for (const std::string_view text : {"tags = none",
                                      "tags || 'x'",
                                      "length(tags)",
                                      "coalesce(tags, none)",
                                      "CAST(tags AS text)",
                                      "tags IN ('a')",
                                      "CASE WHEN true THEN tags END",
                                      "nullif(tags, none)",
                                      "v = v",
                                      "coalesce(v, NULL)",
                                      "greatest(v, v)",
                                      "v || 'x'",
                                      "CAST(v AS text)",
                                      "CASE WHEN true THEN v ELSE v END",
                                      "v BETWEEN v AND v",
                                      "abs(v)",
                                      "NOT v",
                                      "cosine(v, tags)",
                                      "cosine(v)"}) {
    EXPECT_EQ(answer(text, row), "refused") << text;
  }
}

TEST(PercentileRank, IsTheShareAtOrBelow) {
  const auto rank = [](const std::string& x, const std::string& values) {
    return answer(
        "percentile_rank(x, values)",
        one_row({{"x", Type::kFloat64, x}, {"values", Type::list(Type::kFloat64), values}}));
  };
  EXPECT_EQ(rank("2", "[1,2,3,4]"), "float64 0.5");
  EXPECT_EQ(rank("0.5", "[1,2,3,4]"), "float64 0");
  EXPECT_EQ(rank("9", "[4,1,3,2]"), "float64 1");
  EXPECT_EQ(rank("1", "[1,1,2]"), "float64 " + format_scalar(Scalar::float64(2.0 / 3)));
  EXPECT_EQ(rank("nan", "[1,2]"), "float64 1");
  EXPECT_EQ(rank("5", "[\"NaN\",2]"), "float64 0.5");
  EXPECT_EQ(rank("5", "[]"), "float64 null");
  EXPECT_EQ(rank("5", "[1,null]"), "float64 null");
  EXPECT_EQ(rank("", "[1]"), "float64 null");
  EXPECT_EQ(rank("5", ""), "float64 null");
}

TEST(HistogramRank, CountsBinsAtOrBelowThatOfX) {
  const auto rank = [](const std::string& x, const std::string& histogram) {
    return answer(
        "histogram_rank(x, h)",
        one_row({{"x", Type::kFloat64, x}, {"h", Type::list(Type::kFloat64), histogram}}));
  };
  EXPECT_EQ(rank("2", "[1,3,2,1,5,4]"), "float64 0.5");
  EXPECT_EQ(rank("0.5", "[1,3,2,1,5,4]"), "float64 0");
  EXPECT_EQ(rank("9", "[1,3,2,1,5,4]"), "float64 1");
  EXPECT_EQ(rank("-3.01", "[-3,1,4,1]"), "float64 0.5");  // -3.01 is in the bin of -3
  EXPECT_EQ(rank("-3.016", "[-3,1,4,1]"), "float64 0");
  EXPECT_EQ(rank("-0.0", "[0,1,4,3]"), "float64 0.25");
  EXPECT_EQ(rank("nan", "[1,2]"), "float64 1");
  EXPECT_EQ(rank("inf", "[1,2,\"NaN\",2]"), "float64 0.5");
  EXPECT_EQ(rank("5", "[]"), "float64 null");
  EXPECT_EQ(rank("5", "[1]"), "float64 null");
  EXPECT_EQ(rank("5", "[1,0]"), "float64 null");
  EXPECT_EQ(rank("5", "[1,null]"), "float64 null");
  EXPECT_EQ(rank("", "[1,1]"), "float64 null");
  EXPECT_EQ(rank("5", ""), "float64 null");
}

TEST(Cosine, OfKnownAngles) {
  const auto cosine = [](const std::string& a, const std::string& b) {
    return answer(
        "cosine(a, b)",
        one_row({{"a", Type::list(Type::kFloat32), a}, {"b", Type::list(Type::kFloat64), b}}));
  };
  EXPECT_EQ(cosine("[1,0]", "[0,1]"), "float64 0");
  EXPECT_EQ(cosine("[1,2,3]", "[2,4,6]"), "float64 1");
  EXPECT_EQ(cosine("[1,2,3]", "[-1,-2,-3]"), "float64 -1");
  EXPECT_EQ(cosine("[3,4]", "[4,3]"), "float64 0.96");
  EXPECT_EQ(cosine("[1,2]", "[1,2,3]"), "float64 null");
  EXPECT_EQ(cosine("[0,0]", "[1,2]"), "float64 null");
  EXPECT_EQ(cosine("[]", "[]"), "float64 null");
  EXPECT_EQ(cosine("[1,null]", "[1,2]"), "float64 null");
  EXPECT_EQ(cosine("", "[1,2]"), "float64 null");
  EXPECT_EQ(cosine("[\"NaN\",1]", "[1,2]"), "float64 nan");
  EXPECT_EQ(answer("cosine(v, NULL)", every_kind()), "float64 null");
  EXPECT_EQ(answer("cosine(v, v) > 0.99", every_kind()), "bool true");
}

/// The definition, written down a second time.
std::optional<double> naive_cosine(const Column& a, const Column& b, int64_t row) {
  const ElementRange x = a.elements(row);
  const ElementRange y = b.elements(row);
  if (a.is_null(row) || b.is_null(row) || x.size() != y.size()) {
    return std::nullopt;
  }
  double dot = 0;
  double norm_x = 0;
  double norm_y = 0;
  for (int64_t i = 0; i < x.size(); ++i) {
    const Scalar p = a.child(0).scalar(x.begin + i);
    const Scalar q = b.child(0).scalar(y.begin + i);
    if (p.is_null() || q.is_null()) {
      return std::nullopt;
    }
    dot = dot + std::get<double>(p.value) * std::get<double>(q.value);
    norm_x = norm_x + std::get<double>(p.value) * std::get<double>(p.value);
    norm_y = norm_y + std::get<double>(q.value) * std::get<double>(q.value);
  }
  if (norm_x == 0 || norm_y == 0) {
    return std::nullopt;
  }
  return std::min(1.0, std::max(-1.0, dot / (std::sqrt(norm_x) * std::sqrt(norm_y))));
}

TEST(Cosine, EqualsItsDefinitionOnRandomVectors) {
  const auto random = seeded_random(21);
  for (const Type& type : {Type::array(Type::kFloat32, 8),
                           Type::list(Type::kFloat32),
                           Type::array(Type::kFloat64, 3)}) {
    const Batch rows = random_batch(*random, {type, type}, 5'000);
    const ColumnPtr found =
        Expression::compile("cosine(c0, c1)", rows.schema())->evaluate(rows).value();
    for (int64_t row = 0; row < rows.rows(); ++row) {
      const std::optional<double> expected = naive_cosine(rows.column(0), rows.column(1), row);
      ASSERT_EQ(found->is_valid(row), expected.has_value()) << row;
      if (expected.has_value()) {
        ASSERT_EQ(found->values<double>()[static_cast<std::size_t>(row)], *expected) << row;
      }
    }
  }
}

}  // namespace
}  // namespace assay::data
