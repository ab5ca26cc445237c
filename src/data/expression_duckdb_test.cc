#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "base/random.h"
#include "data/expression.h"
#include "data/sql_engine.h"

// The second opinion: random typed expressions over random rows, compared with DuckDB to the bit.
// Each expression is written twice: in our language, and in DuckDB's with the differences that
// docs/reference/expressions.md lists spelt out (TRY around what fails there and is null here,
// ...).

namespace assay::data {
namespace {

struct Pair {
  std::string ours;
  std::string theirs;
};

/// "a" between the parts of both spellings.
Pair join(const std::string& before,
          const Pair& a,
          const std::string& between,
          const Pair& b,
          const std::string& after) {
  return {before + a.ours + between + b.ours + after,
          before + a.theirs + between + b.theirs + after};
}

Pair wrap(const std::string& before, const Pair& a, const std::string& after) {
  return {before + a.ours + after, before + a.theirs + after};
}

Pair try_theirs(Pair pair) {
  pair.theirs = "TRY(" + pair.theirs + ")";
  return pair;
}

class Generator {
 public:
  explicit Generator(Random& random) : random_(random) {}

  Pair any(int depth) {
    switch (below(6)) {
      case 0:
        return boolean(depth);
      case 1:
        return integer(depth);
      case 2:
        return number(depth);
      case 3:
        return text(depth);
      case 4:
        return time(depth);
      default:
        return date(depth);
    }
  }

 private:
  using Make = Pair (Generator::*)(int);

  uint64_t below(uint64_t end) { return random_.below(end); }
  template <std::size_t kSize>
  std::string pick(const std::array<const char*, kSize>& choices) {
    return choices[below(kSize)];
  }
  std::string small() { return std::to_string(static_cast<int64_t>(below(13)) - 6); }

  /// Constructs that exist for every type.
  Pair generic(Make make, int depth) {
    const Pair a = (this->*make)(depth - 1);
    const Pair b = (this->*make)(depth - 1);
    switch (below(5)) {
      case 0:
        return join("coalesce(", a, ", ", b, ")");
      case 1:
        return join("nullif(", a, ", ", b, ")");
      case 2: {
        const Pair c = (this->*make)(depth - 1);
        const Pair joined = join(below(2) == 0 ? "greatest(" : "least(", a, ", ", b, ", ");
        return {joined.ours + c.ours + ")", joined.theirs + c.theirs + ")"};
      }
      case 3: {
        const Pair when = wrap("CASE WHEN ", boolean(depth - 1), " THEN ");
        const Pair values = join("", a, below(2) == 0 ? " ELSE " : " WHEN null THEN ", b, " END");
        return {when.ours + values.ours, when.theirs + values.theirs};
      }
      default: {
        const Pair of = join("CASE ", a, " WHEN ", b, " THEN ");
        const Pair values = join("", b, " ELSE ", a, " END");
        return {of.ours + values.ours, of.theirs + values.theirs};
      }
    }
  }

  Make any_kind() {
    constexpr std::array<Make, 6> kMakes = {&Generator::boolean,
                                            &Generator::integer,
                                            &Generator::number,
                                            &Generator::text,
                                            &Generator::time,
                                            &Generator::date};
    return kMakes[below(kMakes.size())];
  }

  Pair boolean(int depth) {
    if (depth <= 0) {
      const std::string leaf = pick<5>({"b", "c", "true", "false", "null::boolean"});
      return {leaf, leaf};
    }
    switch (below(12)) {
      case 0:
        return join("(", boolean(depth - 1), " AND ", boolean(depth - 1), ")");
      case 1:
        return join("(", boolean(depth - 1), " OR ", boolean(depth - 1), ")");
      case 2:
        return wrap("(NOT ", boolean(depth - 1), ")");
      case 3:
        return wrap(
            "(", (this->*any_kind())(depth - 1), below(2) == 0 ? " IS NULL)" : " IS NOT NULL)");
      case 4: {
        const Make make = any_kind();
        const Pair first = join("(",
                                (this->*make)(depth - 1),
                                below(2) == 0 ? " IN (" : " NOT IN (",
                                (this->*make)(depth - 1),
                                ", ");
        return join(first.ours == first.theirs ? "" : "", first, "", (this->*make)(0), "))");
      }
      case 5: {
        const Make make = any_kind();
        const Pair range = join("(",
                                (this->*make)(depth - 1),
                                below(2) == 0 ? " BETWEEN " : " NOT BETWEEN ",
                                (this->*make)(depth - 1),
                                " AND ");
        return join("", range, "", (this->*make)(depth - 1), ")");
      }
      case 6:
        return wrap(below(2) == 0 ? "isnan(" : "isfinite(", number(depth - 1), ")");
      case 7:
        return join(pick<3>({"starts_with(", "ends_with(", "contains("}),
                    text(depth - 1),
                    ", ",
                    text(depth - 2),
                    ")");
      case 8:
        return wrap("(",
                    text(depth - 1),
                    pick<7>({" LIKE '%a%')",
                             " LIKE '_b%')",
                             " NOT LIKE 'a%')",
                             " LIKE '%')",
                             " LIKE '__')",
                             " LIKE '%é_%')",
                             " LIKE '%a_b%c')"}));
      case 9:
        return wrap("regexp_matches(",
                    text(depth - 1),
                    pick<5>({", 'a.b')", ", '^[a-f]+$')", ", 'é|😀')", ", '\\d{2}')", ", '')"}));
      default: {
        const Make make = below(8) == 0 ? &Generator::interval : any_kind();
        return join("(",
                    (this->*make)(depth - 1),
                    pick<6>({" = ", " <> ", " < ", " <= ", " > ", " >= "}),
                    (this->*make)(depth - 1),
                    ")");
      }
    }
  }

  Pair integer_leaf() {
    switch (below(6)) {
      case 0:
        return {"i", "i"};
      case 1:
        return {"k", "k"};
      case 2:
        return {"j", "j::BIGINT"};
      case 3: {
        const std::string digits =
            pick<5>({"0", "9223372036854775807", "1000000", "2147483648", "3"});
        return {digits, digits + "::BIGINT"};
      }
      default: {
        const std::string digits = std::to_string(below(20));
        return {digits, digits + "::BIGINT"};
      }
    }
  }

  Pair integer(int depth) {
    if (depth <= 0) {
      return integer_leaf();
    }
    switch (below(13)) {
      case 0:
      case 1:
        return try_theirs(
            join("(", integer(depth - 1), pick<3>({" + ", " - ", " * "}), integer(depth - 1), ")"));
      case 2:
        return try_theirs(
            join("(", integer(depth - 1), below(2) == 0 ? " // " : " % ", integer(depth - 1), ")"));
      case 3:
        return try_theirs(wrap(below(2) == 0 ? "(- " : "abs(", integer(depth - 1), ")"));
      case 4:
        return wrap(
            "round(", wrap("(", integer(depth - 1), " % 1000000000)"), ", " + small() + ")");
      case 5: {
        Pair made = wrap("sign(", below(2) == 0 ? integer(depth - 1) : number(depth - 1), ")");
        made.theirs += "::BIGINT";
        return made;
      }
      case 6:
        return wrap("length(", text(depth - 1), ")");
      case 7:
        return wrap(pick<9>({"year(",
                             "month(",
                             "day(",
                             "hour(",
                             "minute(",
                             "second(",
                             "dayofweek(",
                             "isodow(",
                             "dayofyear("}),
                    below(3) == 0 ? date(depth - 1) : time(depth - 1),
                    ")");
      case 8:
        return join(pick<9>({"date_diff('second', ",
                             "date_diff('minute', ",
                             "date_diff('hour', ",
                             "date_diff('day', ",
                             "date_diff('month', ",
                             "date_diff('quarter', ",
                             "date_diff('year', ",
                             "date_diff('microsecond', ",
                             "date_diff('millisecond', "}),
                    time(depth - 1),
                    ", ",
                    time(depth - 1),
                    ")");
      case 9:
        return wrap("epoch_us(", below(2) == 0 ? time(depth - 1) : interval(depth - 1), ")");
      case 10:
        return cast_integer(depth);
      case 11:
        return join("(", date(depth - 1), " - ", date(depth - 1), ")");
      default:
        return generic(&Generator::integer, depth);
    }
  }

  Pair cast_integer(int depth) {
    switch (below(3)) {
      case 0:
        return wrap("TRY_CAST(", number(depth - 1), " AS BIGINT)");
      case 1:
        return wrap("CAST(", boolean(depth - 1), " AS BIGINT)");
      default: {
        const Pair inner = text(depth - 1);
        return {"CAST(" + inner.ours + " AS BIGINT)",
                "CASE WHEN regexp_full_match(" + inner.theirs +
                    ", '\\s*[+-]?[0-9]+\\s*') THEN TRY_CAST(" + inner.theirs + " AS BIGINT) END"};
      }
    }
  }

  Pair number_leaf() {
    switch (below(5)) {
      case 0:
        return {"f", "f"};
      case 1:
        return {"h", "h"};
      case 2:
        return {"g::double", "g::DOUBLE"};
      default: {
        const std::string digits = pick<8>(
            {"0.0", "1.5", "2.5", "1e300", "0.1", "123456.789", "1e-310", "9007199254740993.0"});
        return {digits, "'" + digits + "'::DOUBLE"};
      }
    }
  }

  Pair number(int depth) {
    if (depth <= 0) {
      return number_leaf();
    }
    switch (below(12)) {
      case 0:
      case 1:
        return join("(",
                    number(depth - 1),
                    pick<3>({" + ", " - ", " * "}),
                    below(3) == 0 ? integer(depth - 1) : number(depth - 1),
                    ")");
      case 2: {
        const std::string op = below(2) == 0 ? " / " : " % ";
        const Pair a = number(depth - 1);
        const Pair b = number(depth - 1);
        return {"(" + a.ours + op + b.ours + ")",
                "(" + a.theirs + op + "nullif(" + b.theirs + ", 0))"};
      }
      case 3: {
        const Pair a = integer(depth - 1);
        const Pair b = integer(depth - 1);
        return {"(" + a.ours + " / " + b.ours + ")",
                "(" + a.theirs + " / nullif(" + b.theirs + ", 0))"};
      }
      case 4:
        return wrap(pick<5>({"(- ", "abs(", "round(", "floor(", "ceil("}), number(depth - 1), ")");
      case 5: {
        const Pair a = number(depth - 1);
        const std::string digits = std::to_string(below(7));
        return wrap("round(", a, ", " + digits + ")");
      }
      case 6:
        return try_theirs(wrap(pick<3>({"sqrt(", "ln(", "log10("}), number(depth - 1), ")"));
      case 7:
        return wrap("exp(", number(depth - 1), ")");
      case 8:
        return join("pow(", number(depth - 1), ", ", number(depth - 1), ")");
      case 9:
        return epoch(depth);
      case 10:
        return below(2) == 0 ? wrap("CAST(", integer(depth - 1), " AS DOUBLE)")
                             : wrap("TRY_CAST(", text(depth - 1), " AS DOUBLE)");
      default:
        return generic(&Generator::number, depth);
    }
  }

  /// DuckDB's epoch adds the roundings of seconds and of their fraction; ours is rounded once.
  Pair epoch(int depth) {
    const Pair made = below(2) == 0 ? interval(depth - 1) : time(depth - 1);
    return {"epoch(" + made.ours + ")", "(epoch_us(" + made.theirs + ") / 1000000)"};
  }

  Pair text(int depth) {
    if (depth <= 0) {
      const std::string leaf = pick<8>({"s", "u", "s", "u", "'a'", "''", "'é,b'", "'it''s'"});
      return {leaf, leaf};
    }
    switch (below(11)) {
      case 0:
        return join("(", text(depth - 1), " || ", text(depth - 1), ")");
      case 1: {
        const Pair made = join("concat(", text(depth - 1), ", ", integer(depth - 1), ", ");
        return join("", made, "", boolean(depth - 1), ")");
      }
      case 2:
        return {below(2) == 0 ? Pair{"upper(a)", "upper(a)"} : Pair{"lower(a)", "lower(a)"}};
      case 3:
        return wrap(pick<6>({"trim(", "ltrim(", "rtrim(", "trim(", "ltrim(", "rtrim("}),
                    text(depth - 1),
                    below(2) == 0 ? ")" : ", 'aé ')");
      case 4:
        return wrap("substr(", text(depth - 1), ", " + small() + ")");
      case 5:
        return wrap("substr(", text(depth - 1), ", " + small() + ", " + small() + ")");
      case 6:
        return wrap("replace(",
                    text(depth - 1),
                    pick<4>({", 'a', 'bb')", ", '', 'x')", ", 'é', '')", ", 'ab', 'c')"}));
      case 7:
        return wrap("split_part(",
                    text(depth - 1),
                    pick<4>({", ',', ", ", '', ", ", 'a', ", ", 'é', "}) + small() + ")");
      case 8: {
        if (below(3) == 0) {  // DuckDB writes the sign of a NaN
          const Pair made = number(depth - 1);
          return {"CAST(" + made.ours + " AS VARCHAR)",
                  "replace(CAST(" + made.theirs + " AS VARCHAR), '-nan', 'nan')"};
        }
        Make make = any_kind();
        make = make == &Generator::number ? &Generator::time : make;
        return wrap("CAST(", (this->*make)(depth - 1), " AS VARCHAR)");
      }
      default:
        return generic(&Generator::text, depth);
    }
  }

  Pair time(int depth) {
    if (depth <= 0) {
      switch (below(5)) {
        case 0:
        case 1:
          return {"t", "t"};
        case 2:
          return {"w", "w"};
        case 3:
          return {"d::timestamp", "d::TIMESTAMPTZ"};
        default:
          return {"TIMESTAMP '1969-12-31 23:59:59.999999'",
                  "TIMESTAMPTZ '1969-12-31 23:59:59.999999'"};
      }
    }
    switch (below(7)) {
      case 0:
      case 1:
        return join(
            "(", time(depth - 1), below(2) == 0 ? " + " : " - ", short_interval(depth - 1), ")");
      case 2:
      case 3:
        return wrap(pick<8>({"date_trunc('second', ",
                             "date_trunc('minute', ",
                             "date_trunc('hour', ",
                             "date_trunc('day', ",
                             "date_trunc('week', ",
                             "date_trunc('month', ",
                             "date_trunc('quarter', ",
                             "date_trunc('year', "}),
                    time(depth - 1),
                    ")");
      case 4: {
        const Pair micros = wrap("(", integer(depth - 1), " % 1000000000000000)");
        return {"make_timestamp(" + micros.ours + ")", "make_timestamptz(" + micros.theirs + ")"};
      }
      default:
        return generic(&Generator::time, depth);
    }
  }

  Pair date(int depth) {
    if (depth <= 0) {
      const std::string leaf = pick<3>({"d", "d", "DATE '1969-12-31'"});
      return {leaf, leaf};
    }
    switch (below(4)) {
      case 0:
        return wrap("CAST(", time(depth - 1), " AS DATE)");
      case 1: {
        const std::string days = std::to_string(below(2'000));
        return wrap("(", date(depth - 1), (below(2) == 0 ? " + " : " - ") + days + ")");
      }
      default:
        return generic(&Generator::date, depth);
    }
  }

  Pair short_interval(int depth) {
    switch (below(4)) {
      case 0: {
        const std::string leaf = pick<4>({"INTERVAL '10 minutes'",
                                          "INTERVAL 3 DAY",
                                          "INTERVAL '1 day 2 hours'",
                                          "INTERVAL '-5 seconds'"});
        return {leaf, leaf};
      }
      case 1: {
        const Pair count = wrap("(", integer(depth - 1), " % 1000)");
        return wrap(pick<3>({"to_minutes(", "to_hours(", "to_days("}), count, ")");
      }
      default:
        return wrap("to_seconds(", wrap("(", integer(depth - 1), " % 100000)"), ")");
    }
  }

  Pair interval(int depth) {
    if (depth <= 0 || below(2) == 0) {
      return short_interval(depth);
    }
    // DuckDB's difference of two TIMESTAMP WITH TIME ZONE is 1 ms off for some times before 1970.
    const Pair a = time(depth - 1);
    const Pair b = time(depth - 1);
    return {"(" + a.ours + " - " + b.ours + ")",
            "(CAST(" + a.theirs + " AS TIMESTAMP) - CAST(" + b.theirs + " AS TIMESTAMP))"};
  }

  Random& random_;
};

Schema columns() {
  return Schema({{"b", Type::kBool},
                 {"c", Type::kBool},
                 {"i", Type::kInt64},
                 {"k", Type::kInt64},
                 {"j", Type::kInt32},
                 {"f", Type::kFloat64},
                 {"h", Type::kFloat64},
                 {"g", Type::kFloat32},
                 {"s", Type::kString},
                 {"u", Type::kString},
                 {"a", Type::kString},
                 {"t", Type::kTimestamp},
                 {"w", Type::kTimestamp},
                 {"d", Type::kDate}});
}

void append_random(Random& random, const Field& field, ColumnBuilder& builder) {
  if (random.below(6) == 0) {
    builder.append_null();
    return;
  }
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  constexpr std::array<int64_t, 8> kIntegers = {0, 1, -1, kMax, -kMax - 1, 7, 1'000'000'007, -40};
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr std::array<double, 12> kDoubles = {0.0,
                                               -0.0,
                                               1.0,
                                               -2.5,
                                               0.5,
                                               kInfinity,
                                               -kInfinity,
                                               std::numeric_limits<double>::quiet_NaN(),
                                               1e308,
                                               5e-324,
                                               0.1,
                                               1e15};
  constexpr std::array<const char*, 14> kTexts = {"",
                                                  "a",
                                                  "abc",
                                                  "12",
                                                  "-7",
                                                  "é",
                                                  "a😀b,c",
                                                  " x ",
                                                  "1.5",
                                                  "nan",
                                                  "ab,ab,é",
                                                  "1e400",
                                                  "ÀÉ\u3000",
                                                  "0"};
  switch (field.type) {
    case Type::kBool:
      return builder.append<uint8_t>(static_cast<uint8_t>(random.below(2)));
    case Type::kInt32:
      return builder.append<int32_t>(random.below(4) == 0
                                         ? std::numeric_limits<int32_t>::min()
                                         : static_cast<int32_t>(random.below(200)) - 100);
    case Type::kInt64:
      return builder.append<int64_t>(random.below(2) == 0
                                         ? kIntegers[random.below(kIntegers.size())]
                                         : static_cast<int64_t>(random.next() >> random.below(64)));
    case Type::kFloat64:
      return builder.append<double>(
          random.below(2) == 0 ? kDoubles[random.below(kDoubles.size())]
                               : (static_cast<double>(random.below(2'000'000)) - 1e6) / 1'000);
    case Type::kFloat32:
      return builder.append<float>((static_cast<float>(random.below(2'000)) - 1e3F) / 7);
    case Type::kTimestamp:  // years 1653 to 2286
      return builder.append<int64_t>(static_cast<int64_t>(random.below(20'000'000'000'000'000)) -
                                     10'000'000'000'000'000);
    case Type::kDate:
      return builder.append<int32_t>(static_cast<int32_t>(random.below(200'000)) - 100'000);
    default: {
      const std::string text = kTexts[random.below(kTexts.size())];
      const bool ascii_only = field.name == "a";
      const bool ascii = text.find_first_of("\xc3\xe3\xf0") == std::string::npos;
      return builder.append_text(ascii_only && !ascii ? "Mixed Case" : text);
    }
  }
}

Batch random_rows(Random& random, int rows) {
  const Schema schema = columns();
  BatchBuilder builder(make_schema(schema.fields()));
  for (int row = 0; row < rows; ++row) {
    for (int i = 0; i < schema.size(); ++i) {
      append_random(random, schema.field(i), builder.column(i));
    }
  }
  return builder.finish();
}

/// Equal to the bit; any NaN equals any NaN.
bool same(const Scalar& a, const Scalar& b) {
  const auto* x = std::get_if<double>(&a.value);
  const auto* y = std::get_if<double>(&b.value);
  if (x != nullptr && y != nullptr) {
    return std::bit_cast<uint64_t>(*x) == std::bit_cast<uint64_t>(*y) ||
           (std::isnan(*x) && std::isnan(*y));
  }
  return a == b;
}

std::string shown(const Scalar& scalar) {
  return scalar.is_null() ? "null" : format_scalar(scalar);
}

class ExpressionDuckdb : public testing::Test {
 protected:
  void SetUp() override {
    SqlOptions options;
    options.threads = 1;
    Result<std::unique_ptr<SqlEngine>> opened = SqlEngine::open(options);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    engine_ = std::move(opened).value();
    ASSERT_TRUE(engine_->execute("PRAGMA disable_optimizer").ok());
  }

  /// Number of expressions that differ.
  int compare(const Batch& rows, const std::vector<Pair>& pairs) {
    std::vector<Expression> ours;
    std::string sql = "SELECT ";
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      Result<Expression> expression = Expression::compile(pairs[i].ours, columns());
      if (!expression.ok()) {
        ADD_FAILURE() << pairs[i].ours << "\n  " << expression.status().message();
        return 1;
      }
      sql += (i == 0 ? "CAST(" : ", CAST(") + pairs[i].theirs + " AS " +
             std::string(SqlEngine::sql_type(expression->type())) + ") AS x" + std::to_string(i);
      ours.push_back(std::move(expression).value());
    }
    const Result<Batch> theirs = engine_->query(sql + " FROM t");
    if (!theirs.ok()) {
      if (pairs.size() == 1) {
        ADD_FAILURE() << pairs[0].theirs << "\n  " << theirs.status().message();
        return 1;
      }
      int differing = 0;
      for (const Pair& pair : pairs) {
        differing += compare(rows, {pair});
      }
      return differing;
    }
    int differing = 0;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      differing += compare_column(rows, pairs[i], ours[i], theirs->column(static_cast<int>(i)));
    }
    return differing;
  }

  static int compare_column(const Batch& rows,
                            const Pair& pair,
                            const Expression& ours,
                            const Column& theirs) {
    const Result<ColumnPtr> column = ours.evaluate(rows);
    EXPECT_TRUE(column.ok());
    for (int64_t row = 0; row < rows.rows(); ++row) {
      const Scalar a = (*column)->scalar(row);
      const Scalar b = theirs.scalar(row);
      if (same(a, b)) {
        continue;
      }
      std::string values;
      for (const std::string& name : ours.columns()) {
        values += " " + name + "=" + shown(rows.find(name)->scalar(row));
      }
      ADD_FAILURE() << pair.ours << "\n  " << pair.theirs << "\n  ours " << shown(a) << ", DuckDB "
                    << shown(b) << " for" << values;
      return 1;
    }
    return 0;
  }

  std::unique_ptr<SqlEngine> engine_;
};

TEST_F(ExpressionDuckdb, RandomExpressionsGiveTheSameBits) {
  const uint64_t seed = system_random()->next();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  const std::unique_ptr<Random> random = seeded_random(seed);
  Generator generator(*random);
  constexpr int kRounds = 50;
  constexpr int kExpressions = 40;
  constexpr int kRows = 48;
  int differing = 0;
  for (int round = 0; round < kRounds && differing < 10; ++round) {
    const Batch rows = random_rows(*random, kRows);
    ASSERT_TRUE(engine_->create_table("t", rows).ok());
    std::vector<Pair> pairs;
    for (int i = 0; i < kExpressions; ++i) {
      pairs.push_back(generator.any(1 + static_cast<int>(random->below(4))));
    }
    differing += compare(rows, pairs);
  }
  EXPECT_EQ(differing, 0);
}

}  // namespace
}  // namespace assay::data
