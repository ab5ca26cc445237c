#include "data/expression.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/expression_functions.h"
#include "data/expression_parser.h"

namespace assay::data {
namespace {

using testing::HasSubstr;

Schema columns() {
  return Schema({{"b", Type::kBool},
                 {"i", Type::kInt64},
                 {"j", Type::kInt32},
                 {"f", Type::kFloat64},
                 {"g", Type::kFloat32},
                 {"s", Type::kString},
                 {"t", Type::kTimestamp},
                 {"d", Type::kDate},
                 {"user_id", Type::kString},
                 {"Odd name", Type::kInt64},
                 {"raw", Type::kBytes}});
}

/// One row: b true, i 7, j 3, f 2.5, g 0.5, s 'hello', t 2024-02-29 10:20:30.5, d 2024-02-29; "Odd
/// name" null.
Batch one_row() {
  const Schema schema = columns();
  BatchBuilder builder(make_schema(schema.fields()));
  builder.column(0).append<uint8_t>(1);
  builder.column(1).append<int64_t>(7);
  builder.column(2).append<int32_t>(3);
  builder.column(3).append<double>(2.5);
  builder.column(4).append<float>(0.5F);
  builder.column(5).append_text("hello");
  builder.column(6).append<int64_t>(1'709'202'030'500'000);
  builder.column(7).append<int32_t>(19'782);
  builder.column(8).append_text("u1");
  builder.column(9).append_null();
  builder.column(10).append_text(std::string_view("\0\xff", 2));
  return builder.finish();
}

/// Text of the answer for one_row(): as format_scalar writes it, float64 with its point; "null"; or
/// the error.
std::string answer(std::string_view text) {
  Result<Expression> expression = Expression::compile(text, columns());
  if (!expression.ok()) {
    return expression.status().message();
  }
  Result<ColumnPtr> column = expression->evaluate(one_row());
  if (!column.ok()) {
    return column.status().message();
  }
  EXPECT_EQ((*column)->size(), 1);
  EXPECT_EQ((*column)->type(), expression->type());
  const Scalar scalar = (*column)->scalar(0);
  if (scalar.is_null()) {
    return "null";
  }
  std::string shown = format_scalar(scalar);
  const bool whole = shown.find_first_not_of("-0123456789") == std::string::npos;
  return expression->type() == Type::kFloat64 && whole ? shown + ".0" : shown;
}

std::string read_text(const std::string& path) {
  std::ifstream file(std::string(ASSAY_SOURCE_DIR) + "/" + path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Lines `expression => answer`; `#` begins a comment line.
TEST(Expression, EveryCaseInTheFileGivesItsAnswer) {
  std::istringstream lines(read_text("tests/cases/expressions.txt"));
  int cases = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t arrow = line.rfind(" => ");
    if (line.empty() || line.front() == '#') {
      continue;
    }
    ASSERT_NE(arrow, std::string::npos) << line;
    EXPECT_EQ(answer(line.substr(0, arrow)), line.substr(arrow + 4)) << line;
    ++cases;
  }
  EXPECT_GT(cases, 200);
}

struct BadText {
  std::string text;
  std::string message;  // part of it
};

TEST(Expression, MistakesAreNamedWithTheirColumnAndTheNearestName) {
  const std::vector<BadText> bad = {
      {"", "an expression is empty at column 1"},
      {"   ", "an expression is empty at column 4"},
      {"1 +", "expected a value, found the end at column 4"},
      {"(1", "expected `)` to close a parenthesis, found the end at column 3"},
      {"1 2", "expected an operator or the end, found `2` at column 3"},
      {"usr_id", "no column `usr_id`; did you mean `user_id`? at column 1"},
      {"é.x", "unexpected character `.` at column 2"},
      {"USER_ID = 'a'", "no column `USER_ID`; did you mean `user_id`? at column 1"},
      {"'é' || usr_id", "did you mean `user_id`? at column 8"},
      {"1 + absolute(2)", "no function `absolute` at column 5"},
      {"1 + coalesc(2)", "no function `coalesc`; did you mean `coalesce`? at column 5"},
      {"abs('x')", "`abs` does not take (string), but (int64) or (float64); at column 1"},
      {"i + s", "`+` does not take (int64, string), but"},
      {"b + 1", "`+` does not take (bool, int64)"},
      {"i = s", "`=` needs values of one type, found int64 and string, use CAST; at column 5"},
      {"i AND b", "AND needs bool, not int64, compare it with something or CAST it; at column 1"},
      {"NOT 1", "NOT needs bool, not int64"},
      {"CASE WHEN 1 THEN 2 END", "WHEN needs bool, not int64"},
      {"CASE WHEN b THEN 2 ELSE 'x' END", "CASE needs values of one type, found int64 and string"},
      {"1 < 2 < 3", "comparisons do not chain"},
      {"1 = 2 = true", "comparisons do not chain"},
      {"1 in (1) in (2)", "comparisons do not chain"},
      {"i IN ()", "expected a value, found `)` at column 7"},
      {"i IS 5", "expected null after IS, found `5` at column 6"},
      {"CAST(i AS strng)", "unknown type `strng`; did you mean `string`? at column 11"},
      {"CAST(i AS decimal(10, 2))", "types have no length or precision here"},
      {"i::timestamp", "there is no cast from int64 to timestamp at column 2"},
      {"raw::text", "there is no cast from bytes to string"},
      {"null", "the type of null is not known here, say CAST(null AS type) at column 1"},
      {"INTERVAL '10 minutes'", "an interval is no value of a column"},
      {"t - d", "an interval is no value of a column"},
      {"t + INTERVAL '1 month'", "months and years have no fixed length; say days, at column 5"},
      {"t + INTERVAL '1 hors'", "unknown unit `hors`; did you mean `hour`? at column 5"},
      {"t + INTERVAL 5", "expected a unit after INTERVAL 5, found the end at column 15"},
      {"t AT TIME ZONE 'Europe/Berlin'", "AT TIME ZONE is not supported: all times are UTC"},
      {"t > 'yesterday'",
       "expected a time such as '2024-01-31 10:00:00', found 'yesterday' at column 5"},
      {"DATE '2024-02-30'", "expected a time such as"},
      {"DATE '2024-02-28 10:00'", "a DATE has no time of day"},
      {"timezone('Europe/Berlyn', t)",
       "unknown time zone 'Europe/Berlyn': zones have names such as Europe/Berlin, "
       "America/New_York and UTC at column 10"},
      {"now()",
       "now() has no meaning here: only features that are computed when they are read know the "
       "instant of the question at column 1"},
      {"now(t)", "now() takes no arguments at column 1"},
      {"date_trunc('hourr', t)", "unknown unit 'hourr'; did you mean `hour`? at column 12"},
      {"date_trunc(s, t)", "argument 1 of date_trunc must be a text literal at column 12"},
      {"date_diff('week', t, t)", "date_diff has no 'week'"},
      {"regexp_matches(s, '(')", "cannot read the regular expression: missing ): ( at column 19"},
      {"regexp_matches(s, s)", "argument 2 of regexp_matches must be a text literal"},
      {"s ILIKE 'a'", "ILIKE is not supported, write lower(x) LIKE 'pattern' at column 3"},
      {"s LIKE 'a' ESCAPE 'b'", "LIKE ... ESCAPE is not supported"},
      {"9223372036854775808", "an integer is beyond 64 bits"},
      {"1e999", "a number is beyond the range of float64"},
      {"5abc", "a number runs into other characters at column 2"},
      {"'abc", "a text has no closing quote; it begins at column 1"},
      {"1 -- 2", "comments are not part of an expression"},
      {"i ? 1", "unexpected character `?` at column 3"},
      {"nullif(1)", "nullif takes 2 values, not 1"},
      {"coalesce()", "coalesce needs at least one value"},
      {"concat()", "concat needs at least one value"},
      {"select", "no column `select`"},
      {"end", "expected a value, found `end`"},
  };
  for (const BadText& each : bad) {
    const Result<Expression> expression = Expression::compile(each.text, columns());
    ASSERT_FALSE(expression.ok()) << each.text;
    EXPECT_EQ(expression.code(), Code::kInvalidArgument) << each.text;
    EXPECT_THAT(expression.status().message(), HasSubstr(each.message)) << each.text;
    EXPECT_THAT(expression.status().message(), HasSubstr("at column ")) << each.text;
  }
}

std::string repeated(std::string_view part, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += part;
  }
  return text;
}

TEST(Expression, NestingAndLengthAreLimited) {
  const auto compiles = [](const std::string& text) {
    return Expression::compile(text, columns()).ok();
  };
  EXPECT_TRUE(compiles(repeated("(", 150) + "1" + repeated(")", 150)));
  EXPECT_FALSE(compiles(repeated("(", 250) + "1" + repeated(")", 250)));
  EXPECT_FALSE(compiles(repeated("-", 30'000) + "1"));
  EXPECT_FALSE(compiles(repeated("NOT ", 10'000) + "b"));
  EXPECT_FALSE(compiles(repeated("abs(", 10'000)));
  EXPECT_TRUE(compiles("1" + repeated(" + 1", 400)));
  EXPECT_FALSE(compiles("1" + repeated(" + 1", 5'000)));
  EXPECT_TRUE(compiles("i IN (1" + repeated(", 2", 10'000) + ")"));
  EXPECT_FALSE(compiles("'" + repeated("x", 70'000) + "'"));
  EXPECT_FALSE(compiles("'\xff'"));
  EXPECT_FALSE(compiles(std::string("1\0", 2)));
}

TEST(Expression, ManyValuesInOneConstructStayWithinMemory) {
  const std::string many = "coalesce(null" + repeated(", i + 1", 6'000) + ")";
  EXPECT_EQ(answer(many), "8");
  std::string branches = "CASE";
  for (int i = 0; i < 1'500; ++i) {
    branches += " WHEN i = " + std::to_string(-i) + " THEN " + std::to_string(i);
  }
  EXPECT_EQ(answer(branches + " ELSE -1 END"), "-1");
}

TEST(Expression, TextThatGrowsBeyondItsLimitIsNull) {
  std::string text = "s";
  for (int i = 0; i < 12; ++i) {
    text = "replace(" + text + ", 'l', 'llll')";
  }
  EXPECT_EQ(answer(text), "null");
}

TEST(Expression, ColumnsAreListedOnceInOrderOfFirstUse) {
  const Result<Expression> expression =
      Expression::compile("f + i * f > \"Odd name\" OR i = 1", columns());
  ASSERT_TRUE(expression.ok()) << expression.status().message();
  EXPECT_EQ(expression->columns(), (std::vector<std::string>{"f", "i", "Odd name"}));
  EXPECT_EQ(expression->type(), Type::kBool);
  EXPECT_EQ(expression->text(), "f + i * f > \"Odd name\" OR i = 1");
}

TEST(Expression, ABatchWithoutAColumnOrWithAnotherTypeIsRefused) {
  const Result<Expression> expression = Expression::compile("i + 1", columns());
  ASSERT_TRUE(expression.ok());
  const Batch none = Batch::empty(make_schema({{"x", Type::kInt64}}));
  EXPECT_EQ(expression->evaluate(none).code(), Code::kInvalidArgument);
  const Batch other = Batch::empty(make_schema({{"i", Type::kInt32}}));
  EXPECT_EQ(expression->evaluate(other).code(), Code::kInvalidArgument);
  const Batch empty = Batch::empty(make_schema({{"x", Type::kBool}, {"i", Type::kInt64}}));
  ASSERT_TRUE(expression->evaluate(empty).ok());
  EXPECT_EQ((*expression->evaluate(empty))->size(), 0);
}

TEST(Expression, ABareColumnIsSharedNotCopied) {
  const Batch batch = one_row();
  const Result<Expression> expression = Expression::compile("s", columns());
  ASSERT_TRUE(expression.ok());
  EXPECT_EQ((*expression->evaluate(batch))->text(0).data(), batch.column(5).text(0).data());
}

/// Rows far beyond one chunk, with nulls in blocks and alone.
TEST(Expression, AnswersDoNotDependOnTheNumberOfRows) {
  const Schema schema({{"i", Type::kInt64}, {"s", Type::kString}});
  BatchBuilder builder(make_schema(schema.fields()));
  constexpr int64_t kRows = 5'000;
  for (int64_t row = 0; row < kRows; ++row) {
    if (row % 7 == 0 || (row > 2'000 && row < 3'100)) {
      builder.column(0).append_null();
      builder.column(1).append_null();
    } else {
      builder.column(0).append<int64_t>(row - 100);
      builder.column(1).append_text("row " + std::to_string(row));
    }
  }
  const Batch all = builder.finish();
  for (const char* text : {"i * 2 + 1",
                           "1000 // i",
                           "s || '!' || i",
                           "coalesce(i, -1) > 5",
                           "i IS NULL",
                           "CASE WHEN i > 2000 THEN s END",
                           "i / 3",
                           "i::int",
                           "7"}) {
    const Result<Expression> expression = Expression::compile(text, schema);
    ASSERT_TRUE(expression.ok()) << expression.status().message();
    const Result<ColumnPtr> column = expression->evaluate(all);
    ASSERT_TRUE(column.ok());
    ASSERT_EQ((*column)->size(), kRows);
    for (int64_t row = 0; row < kRows; row += 13) {
      const Result<ColumnPtr> alone = expression->evaluate(all.slice(row, row + 1));
      ASSERT_TRUE(alone.ok());
      ASSERT_EQ((*alone)->scalar(0), (*column)->scalar(row)) << text << ", row " << row;
    }
  }
}

/// Found by the fuzzer: a day beyond year 9999 overflowed on its way to microseconds.
TEST(Expression, TimesBeyondTheCalendarAreNull) {
  const Schema schema({{"d", Type::kDate}, {"t", Type::kTimestamp}});
  BatchBuilder builder(make_schema(schema.fields()));
  builder.column(0).append<int32_t>(std::numeric_limits<int32_t>::max());
  builder.column(1).append<int64_t>(std::numeric_limits<int64_t>::min());
  const Batch batch = builder.finish();
  for (const char* text : {"d::timestamp",
                           "d < DATE '2024-01-01'::timestamp",
                           "d::text",
                           "t::text",
                           "t::date",
                           "t + INTERVAL 1 DAY",
                           "date_trunc('week', t)",
                           "d + 1"}) {
    const Result<Expression> expression = Expression::compile(text, schema);
    ASSERT_TRUE(expression.ok()) << expression.status().message();
    EXPECT_TRUE((*expression->evaluate(batch))->is_null(0)) << text;
  }
}

TEST(Expression, TheReferencePageIsWhatTheProgramSays) {
  EXPECT_EQ(read_text("docs/reference/expressions.md"), expression_reference())
      << "docs/reference/expressions.md is generated: write expression_reference() to it";
}

}  // namespace
}  // namespace assay::data
