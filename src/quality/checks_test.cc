#include "quality/checks.h"

#include <cmath>
#include <limits>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "catalog/definition_names.h"
#include "quality/regex.h"

namespace assay::quality {
namespace {

using catalog::CheckDef;
using catalog::CheckKind;
using catalog::OnFail;
using data::Scalar;
using data::Type;

data::SchemaPtr schema() {
  return data::make_schema({{"a", Type::kInt64, true},
                            {"x", Type::kFloat64, true},
                            {"s", Type::kString, true},
                            {"event_time", Type::kTimestamp, false},
                            {"known_time", Type::kTimestamp, false},
                            {"sequence", Type::kInt64, false}});
}

struct Row {
  std::optional<int64_t> a;
  std::optional<double> x;
  std::optional<std::string> s;
};

data::Batch batch_of(const std::vector<Row>& rows, int64_t first_sequence = 100) {
  data::BatchBuilder builder(schema());
  int64_t sequence = first_sequence;
  for (const Row& row : rows) {
    row.a ? builder.column(0).append(*row.a) : builder.column(0).append_null();
    row.x ? builder.column(1).append(*row.x) : builder.column(1).append_null();
    row.s ? builder.column(2).append_text(*row.s) : builder.column(2).append_null();
    builder.column(3).append(sequence * 10);
    builder.column(4).append(sequence * 10 + 5);
    builder.column(5).append(sequence++);
  }
  return builder.finish();
}

CheckDef check(CheckKind kind, const std::string& column, OnFail on_fail = OnFail::kQuarantine) {
  CheckDef def;
  def.kind = kind;
  def.column = column;
  def.on_fail = on_fail;
  return def;
}

CheckDef range(const std::string& column,
               std::optional<Scalar> min,
               std::optional<Scalar> max,
               OnFail on_fail = OnFail::kQuarantine) {
  CheckDef def = check(CheckKind::kRange, column, on_fail);
  def.min = std::move(min);
  def.max = std::move(max);
  return def;
}

CheckDef expression(const std::string& text, OnFail on_fail = OnFail::kQuarantine) {
  CheckDef def = check(CheckKind::kExpr, "", on_fail);
  def.expression = text;
  return def;
}

CheckOutcome evaluate(const std::vector<CheckDef>& checks,
                      const data::Batch& batch,
                      CheckState state = {}) {
  const auto set = CheckSet::compile(checks, batch.schema());
  EXPECT_TRUE(set.ok()) << set.status().to_string();
  auto outcome = set->evaluate(batch, std::move(state));
  EXPECT_TRUE(outcome.ok()) << outcome.status().to_string();
  return std::move(outcome).value();
}

using Kept = std::vector<int64_t>;

TEST(Checks, NoChecksKeepAllRows) {
  const auto outcome = evaluate({}, batch_of({{1, 1, "a"}, {}}));
  EXPECT_EQ(outcome.kept, (Kept{0, 1}));
  EXPECT_TRUE(outcome.rejects.empty());
}

TEST(Checks, OnlyNotNullRefusesNulls) {
  const data::Batch batch = batch_of({{}, {1, 1, "1"}});
  EXPECT_EQ(evaluate({check(CheckKind::kNotNull, "a")}, batch).kept, (Kept{1}));
  CheckDef in_set = check(CheckKind::kInSet, "a");
  in_set.set = {Scalar::int64(1)};
  CheckDef regex = check(CheckKind::kRegex, "s");
  regex.pattern = "1";
  CheckDef type = check(CheckKind::kType, "s");
  type.type = Type::kInt64;
  const std::vector<CheckDef> others = {range("a", Scalar::int64(1), Scalar::int64(1)),
                                        in_set,
                                        regex,
                                        type,
                                        check(CheckKind::kUnique, "a"),
                                        expression("a = 1")};
  EXPECT_EQ(evaluate(others, batch).kept, (Kept{0, 1}));
}

TEST(Checks, RangeIncludesItsEndsAndRefusesNan) {
  const data::Batch batch = batch_of({{1, 1.0, "b"}, {5, 2.0, "d"}, {6, NAN, "e"}, {0, 0.5, "a"}});
  EXPECT_EQ(evaluate({range("a", Scalar::int64(1), Scalar::int64(5))}, batch).kept, (Kept{0, 1}));
  EXPECT_EQ(evaluate({range("a", Scalar::float64(0.5), Scalar::float64(5.5))}, batch).kept,
            (Kept{0, 1}));
  EXPECT_EQ(evaluate({range("x", Scalar::int64(1), std::nullopt)}, batch).kept, (Kept{0, 1}));
  EXPECT_EQ(evaluate({range("s", Scalar::string("b"), Scalar::string("d"))}, batch).kept,
            (Kept{0, 1}));
  EXPECT_EQ(
      evaluate({range("event_time", Scalar::string("1970-01-01T00:00:00.001010Z"), std::nullopt)},
               batch)
          .kept,
      (Kept{1, 2, 3}));
}

TEST(Checks, InSetComparesValuesOfTheColumnsType) {
  CheckDef texts = check(CheckKind::kInSet, "s");
  texts.set = {Scalar::string("view"), Scalar::int64(7)};
  const data::Batch batch = batch_of({{1, 0.5, "view"}, {2, 1.5, "7"}, {3, 2.5, "View"}});
  EXPECT_EQ(evaluate({texts}, batch).kept, (Kept{0, 1}));
  CheckDef doubles = check(CheckKind::kInSet, "x");
  doubles.set = {Scalar::string("0.5"), Scalar::float64(2.5)};
  EXPECT_EQ(evaluate({doubles}, batch).kept, (Kept{0, 2}));
}

TEST(Checks, TypeReadsTexts) {
  CheckDef type = check(CheckKind::kType, "s");
  type.type = Type::kTimestamp;
  const data::Batch batch = batch_of({{1, 1, "2001-01-31"}, {2, 2, "2001-13-01"}, {3, 3, ""}});
  EXPECT_EQ(evaluate({type}, batch).kept, (Kept{0}));
}

TEST(Checks, UniqueKeepsTheFirstAndRemembersAcrossBatches) {
  const std::vector<CheckDef> checks = {check(CheckKind::kUnique, "s")};
  auto first = evaluate(checks, batch_of({{1, 1, "a"}, {1, 1, "b"}, {1, 1, "a"}, {}, {}}));
  EXPECT_EQ(first.kept, (Kept{0, 1, 3, 4}));
  const auto second =
      evaluate(checks, batch_of({{1, 1, "b"}, {1, 1, "c"}}), std::move(first.state));
  EXPECT_EQ(second.kept, (Kept{1}));
}

TEST(Checks, QuarantineWinsOverDropAndTheFirstCheckIsNamed) {
  const std::vector<CheckDef> checks = {
      range("a", Scalar::int64(0), std::nullopt, OnFail::kDrop),
      check(CheckKind::kNotNull, "s"),
      range("x", Scalar::int64(0), std::nullopt, OnFail::kQuarantine),
      range("x", Scalar::int64(5), std::nullopt, OnFail::kWarn)};
  const auto outcome =
      evaluate(checks, batch_of({{-1, 9, "a"}, {-1, 9, {}}, {1, -1, {}}, {1, 1, "a"}}));
  EXPECT_EQ(outcome.kept, (Kept{3}));
  EXPECT_EQ(outcome.filtered, 1);
  ASSERT_EQ(outcome.rejects.size(), 2U);
  EXPECT_EQ(outcome.rejects[0].row, 1);
  EXPECT_EQ(outcome.rejects[0].reason, data::RejectReason::kCheckFailed);
  EXPECT_EQ(outcome.rejects[0].column, "s");
  EXPECT_EQ(outcome.rejects[1].column, "s");
  EXPECT_EQ(outcome.results.checks[3].failed, 2);
  EXPECT_EQ(outcome.results.checks[3].passed, 2);
}

TEST(Checks, FailStopsTheBatchAndNamesThePlaceButNoValue) {
  const auto set =
      CheckSet::compile({range("a", Scalar::int64(0), std::nullopt, OnFail::kFail)}, *schema());
  const auto outcome = set->evaluate(batch_of({{1, {}, {}}, {-424242, {}, {}}, {-2, {}, {}}}), {});
  ASSERT_EQ(outcome.code(), Code::kFailedPrecondition);
  const std::string& message = outcome.status().message();
  EXPECT_NE(message.find("range(a)"), std::string::npos) << message;
  EXPECT_NE(message.find("2 of 3"), std::string::npos) << message;
  EXPECT_NE(message.find("101"), std::string::npos) << message;
  EXPECT_EQ(message.find("424242"), std::string::npos) << message;
}

TEST(Checks, ExpressionsOfNullPass) {
  const auto outcome =
      evaluate({expression("a < x")}, batch_of({{1, 2, {}}, {2, 1, {}}, {2, {}, {}}}));
  EXPECT_EQ(outcome.kept, (Kept{0, 2}));
  ASSERT_EQ(outcome.rejects.size(), 1U);
  EXPECT_EQ(outcome.rejects[0].column, "a < x");
}

TEST(Checks, DefinitionsThatDoNotFitAreRefused) {
  const std::vector<CheckDef> bad = {
      check(CheckKind::kNotNull, "nowhere"),
      range("a", std::nullopt, std::nullopt),
      range("a", Scalar::string("one"), std::nullopt),
      range("event_time", Scalar::string("yesterday"), std::nullopt),
      check(CheckKind::kRegex, "a"),
      check(CheckKind::kType, "a"),
      expression("a +"),
      expression("a + 1"),
      check(CheckKind::kUnique, "nowhere"),
  };
  for (const CheckDef& def : bad) {
    EXPECT_EQ(CheckSet::compile({def}, *schema()).code(), Code::kInvalidArgument)
        << catalog::check_kind_name(def.kind);
  }
  const auto misspelt = CheckSet::compile({check(CheckKind::kNotNull, "event_tme")}, *schema());
  EXPECT_NE(misspelt.status().message().find("event_time"), std::string::npos);
  const data::Schema no_times({{"a", Type::kInt64, true}});
  EXPECT_EQ(CheckSet::compile({check(CheckKind::kFreshness, "")}, no_times).code(),
            Code::kInvalidArgument);
}

TEST(Checks, FreshnessAndRowCountJudgeAllBatchesTogether) {
  CheckDef freshness = check(CheckKind::kFreshness, "");
  freshness.age_max = {5};
  CheckDef row_count = check(CheckKind::kRowCount, "", OnFail::kWarn);
  row_count.min = Scalar::int64(3);
  row_count.max = Scalar::int64(4);
  const auto set = CheckSet::compile({freshness, row_count}, *schema());
  ASSERT_TRUE(set.ok());
  auto one = set->evaluate(batch_of({{}, {}}), {});
  auto results = set->finish(one->state);
  EXPECT_EQ(results->checks[0].passed, 1);  // known_time is 5 us after event_time
  EXPECT_EQ(results->checks[1].failed, 1);
  auto two = set->evaluate(batch_of({{}, {}}, 200), std::move(one->state));
  EXPECT_EQ(set->finish(two->state)->checks[1].passed, 1);

  freshness.age_max = {4};
  EXPECT_EQ(CheckSet::compile({freshness}, *schema())->finish(two->state)->checks[0].failed, 1);
  row_count.on_fail = OnFail::kFail;
  row_count.max = Scalar::int64(3);
  EXPECT_EQ(CheckSet::compile({row_count}, *schema())->finish(two->state).code(),
            Code::kFailedPrecondition);
}

TEST(Checks, ResultsRenderAsJsonAndAdd) {
  const auto outcome =
      evaluate({check(CheckKind::kNotNull, "a", OnFail::kWarn)}, batch_of({{}, {1, {}, {}}}));
  CheckResults total = outcome.results;
  total += outcome.results;
  EXPECT_EQ(
      total.to_json(),
      R"json({"checks":[{"check":"not_null(a)","on_fail":"warn","passed":2,"failed":2}]})json");
}

// The naive twin: every rule written out for one row at a time, with scalars.
bool naive_passes(const CheckDef& def,
                  const data::Batch& batch,
                  int64_t row,
                  std::set<std::string>* seen) {
  const Scalar value = batch.find(def.column)->scalar(row);
  if (def.kind == CheckKind::kNotNull) {
    return !value.is_null();
  }
  if (value.is_null()) {
    return true;
  }
  if (def.kind == CheckKind::kUnique) {
    return seen->insert(data::format_scalar(value)).second;
  }
  if (def.kind == CheckKind::kInSet) {
    return std::count(def.set.begin(), def.set.end(), value) != 0;
  }
  if (def.kind == CheckKind::kType) {
    return data::parse_scalar(data::format_scalar(value), *def.type).ok();
  }
  if (def.kind == CheckKind::kRegex) {
    const std::string& text = std::get<std::string>(value.value);
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  }
  const double number = value.type == Type::kInt64
                            ? static_cast<double>(std::get<int64_t>(value.value))
                            : std::get<double>(value.value);
  return number >= static_cast<double>(std::get<int64_t>(def.min->value)) &&
         number <= static_cast<double>(std::get<int64_t>(def.max->value));
}

std::vector<CheckDef> random_checks(std::mt19937& random) {
  std::vector<CheckDef> checks;
  const auto on_fail = [&] { return static_cast<OnFail>(random() % 3); };
  checks.push_back(check(CheckKind::kNotNull, "a", on_fail()));
  checks.push_back(range("a", Scalar::int64(-2), Scalar::int64(2), on_fail()));
  checks.push_back(range("x", Scalar::int64(-2), Scalar::int64(2), on_fail()));
  checks.push_back(check(CheckKind::kInSet, "a", on_fail()));
  checks.back().set = {Scalar::int64(0), Scalar::int64(1), Scalar::int64(3)};
  checks.push_back(check(CheckKind::kInSet, "s", on_fail()));
  checks.back().set = {Scalar::string("1"), Scalar::string("a")};
  checks.push_back(check(CheckKind::kRegex, "s", on_fail()));
  checks.back().pattern = "[0-9]+";
  checks.push_back(check(CheckKind::kType, "s", on_fail()));
  checks.back().type = Type::kInt64;
  checks.push_back(check(CheckKind::kUnique, "s", on_fail()));
  checks.push_back(check(CheckKind::kUnique, "a", on_fail()));
  std::shuffle(checks.begin(), checks.end(), random);
  checks.resize(random() % checks.size());
  return checks;
}

std::vector<Row> random_rows(std::mt19937& random) {
  std::vector<Row> rows(random() % 40);
  constexpr std::string_view kTexts[] = {"", "a", "1", "22", "x1", "-4"};
  for (Row& row : rows) {
    if (random() % 4 != 0) {
      row.a = static_cast<int64_t>(random() % 9) - 4;
    }
    if (random() % 4 != 0) {
      row.x = random() % 6 == 0 ? NAN : static_cast<double>(random() % 17) / 2 - 4;
    }
    if (random() % 4 != 0) {
      row.s = kTexts[random() % 6];
    }
  }
  return rows;
}

TEST(Checks, AgreeWithTheNaiveTwinHoweverRowsAreCut) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 400; ++round) {
    const std::vector<CheckDef> checks = random_checks(random);
    const data::Batch batch = batch_of(random_rows(random));
    std::vector<std::set<std::string>> seen(checks.size());
    Kept naive_kept;
    Kept naive_rejected;
    int64_t naive_filtered = 0;
    for (int64_t row = 0; row < batch.rows(); ++row) {
      bool quarantine = false;
      bool drop = false;
      for (std::size_t index = 0; index < checks.size(); ++index) {
        const bool passes = naive_passes(checks[index], batch, row, &seen[index]);
        quarantine |= !passes && checks[index].on_fail == OnFail::kQuarantine;
        drop |= !passes && checks[index].on_fail == OnFail::kDrop;
      }
      if (quarantine) {
        naive_rejected.push_back(row);
      } else if (drop) {
        ++naive_filtered;
      } else {
        naive_kept.push_back(row);
      }
    }
    const auto set = CheckSet::compile(checks, *schema());
    ASSERT_TRUE(set.ok()) << set.status().to_string();
    CheckState state;
    CheckResults results;
    Kept kept;
    Kept rejected;
    int64_t filtered = 0;
    for (int64_t begin = 0; begin < batch.rows();) {
      const int64_t end = std::min(batch.rows(), begin + 1 + static_cast<int64_t>(random() % 20));
      auto outcome = set->evaluate(batch.slice(begin, end), std::move(state));
      ASSERT_TRUE(outcome.ok()) << outcome.status().to_string();
      for (const int64_t row : outcome->kept) {
        kept.push_back(begin + row);
      }
      for (const auto& reject : outcome->rejects) {
        rejected.push_back(begin + reject.row);
      }
      filtered += outcome->filtered;
      results += outcome->results;
      state = std::move(outcome->state);
      begin = end;
    }
    ASSERT_EQ(kept, naive_kept);
    ASSERT_EQ(rejected, naive_rejected);
    ASSERT_EQ(filtered, naive_filtered);
    for (const CheckCount& count : results.checks) {
      ASSERT_EQ(count.passed + count.failed, batch.rows());
    }
  }
}

}  // namespace
}  // namespace assay::quality
