// Expressions over a million rows and over one row, against DuckDB evaluating the same expressions
// on one thread (`SELECT count(expression)`; the counts are compared). Repeats alternate between
// the two; the best of each counts.

#include <algorithm>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "data/expression.h"
#include "data/sql_engine.h"

namespace {

using assay::data::Batch;
using assay::data::BatchBuilder;
using assay::data::ColumnPtr;
using assay::data::Expression;
using assay::data::SqlEngine;
using assay::data::Type;

constexpr int64_t kRows = 1'000'000;
constexpr int kRepeats = 5;
constexpr int kSingleRuns = 200'000;

struct Case {
  std::string text;
  std::string sql;
};

Batch rows(int64_t count) {
  const std::unique_ptr<assay::Random> random = assay::seeded_random(7);
  BatchBuilder builder(assay::data::make_schema({{"i", Type::kInt64},
                                                 {"k", Type::kInt64},
                                                 {"f", Type::kFloat64},
                                                 {"h", Type::kFloat64},
                                                 {"s", Type::kString},
                                                 {"t", Type::kTimestamp}}));
  for (int64_t row = 0; row < count; ++row) {
    builder.column(0).append<int64_t>(static_cast<int64_t>(random->below(1'000'000)));
    builder.column(1).append<int64_t>(static_cast<int64_t>(random->below(100)));
    if (random->below(10) == 0) {
      builder.column(2).append_null();
    } else {
      builder.column(2).append<double>(static_cast<double>(random->below(1'000)) / 8);
    }
    builder.column(3).append<double>(static_cast<double>(random->below(1'000)) / 4);
    builder.column(4).append_text(random->below(3) == 0 ? "purchase" : "view of an item");
    builder.column(5).append<int64_t>(static_cast<int64_t>(random->below(1'000'000'000'000)));
  }
  return builder.finish();
}

/// Best nanoseconds of one call.
class Best {
 public:
  explicit Best(assay::Clock& clock) : clock_(clock) {}
  template <typename Work>
  void run(Work work) {
    const int64_t begin = clock_.monotonic().micros;
    work();
    best_us_ = std::min(best_us_, clock_.monotonic().micros - begin);
  }
  [[nodiscard]] double ns_per(int64_t count) const {
    return 1'000.0 * static_cast<double>(best_us_) / static_cast<double>(count);
  }

 private:
  assay::Clock& clock_;
  int64_t best_us_ = std::numeric_limits<int64_t>::max();
};

void measure(
    const Case& each, const Batch& many, const Batch& one, SqlEngine& engine, assay::Clock& clock) {
  const auto compiled = Expression::compile(each.text, many.schema());
  ASSAY_CHECK(compiled.ok());
  const Expression& expression = *compiled;
  Best ours(clock);
  Best theirs(clock);
  Best single(clock);
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    int64_t valid = 0;
    ours.run([&] {
      const assay::Result<ColumnPtr> column = expression.evaluate(many);
      valid = (*column)->size() - (*column)->null_count();
    });
    int64_t counted = -1;
    theirs.run([&] {
      const assay::Result<Batch> answer = engine.query("SELECT count(" + each.sql + ") FROM t");
      ASSAY_CHECK(answer.ok());
      counted = answer->column(0).values<int64_t>()[0];
    });
    ASSAY_CHECK(counted == valid);
    single.run([&] {
      for (int run = 0; run < kSingleRuns; ++run) {
        ASSAY_CHECK((*expression.evaluate(one))->size() == 1);
      }
    });
  }
  std::printf("%-58s %7.2f ns/row %7.2f DuckDB %6.2fx %7.0f ns for one row\n",
              each.text.c_str(),
              ours.ns_per(kRows),
              theirs.ns_per(kRows),
              theirs.ns_per(1) / ours.ns_per(1),
              single.ns_per(kSingleRuns));
}

}  // namespace

int main() {
  const std::vector<Case> cases = {
      {"i + k", "i + k"},
      {"i * 2 + k", "i * 2 + k"},
      {"f + h", "f + h"},
      {"f * 0.5 + h / k", "f * 0.5::DOUBLE + h / nullif(k, 0)"},
      {"i / nullif(k, 0)", "i / nullif(k, 0)"},
      {"coalesce(f, 0.0) > 20", "coalesce(f, 0.0::DOUBLE) > 20"},
      {"s = 'purchase' AND f > 10", "s = 'purchase' AND f > 10"},
      {"CASE WHEN k > 50 THEN f ELSE h END", "CASE WHEN k > 50 THEN f ELSE h END"},
      {"k IN (1, 2, 3, 5, 8, 13, 21)", "k IN (1, 2, 3, 5, 8, 13, 21)"},
      {"ln(h + 1)", "ln(h + 1)"},
      {"lower(s) LIKE '%item%'", "lower(s) LIKE '%item%'"},
      {"hour(t)", "hour(t::TIMESTAMP)"},
      {"date_trunc('day', t)", "date_trunc('day', t::TIMESTAMP)"},
      {"epoch(t - TIMESTAMP '1970-01-02') / 3600",
       "epoch(t::TIMESTAMP - TIMESTAMP '1970-01-02') / 3600"},
  };
  assay::data::SqlOptions options;
  options.threads = 1;
  auto engine = SqlEngine::open(options);
  ASSAY_CHECK(engine.ok());
  const Batch many = rows(kRows);
  const Batch one = many.slice(0, 1);
  ASSAY_CHECK((*engine)->create_table("t", many).ok());
  const std::unique_ptr<assay::Clock> clock = assay::system_clock();
  for (const Case& each : cases) {
    measure(each, many, one, **engine, *clock);
  }
  return 0;
}
