#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/log.h"
#include "base/status.h"
#include "catalog/definitions.h"
#include "data/batch.h"
#include "data/reject.h"

namespace assay::quality {

/// How one check fared. For checks of rows the counts are rows; for freshness and row_count one
/// verdict.
struct CheckCount {
  std::string name;  // "range(delay)", "row_count"
  catalog::CheckKind kind = catalog::CheckKind::kNotNull;
  catalog::OnFail on_fail = catalog::OnFail::kQuarantine;
  int64_t passed = 0;
  int64_t failed = 0;
  bool operator==(const CheckCount&) const = default;
};

/// Counts of all checks of a table, in definition order.
struct CheckResults {
  std::vector<CheckCount> checks;

  /// Add the counts of another part of the same table's rows.
  CheckResults& operator+=(const CheckResults& other);
  /// {"checks":[{"check":"range(delay)","on_fail":"quarantine","passed":9,"failed":1}, ...]}
  [[nodiscard]] std::string to_json() const;
  bool operator==(const CheckResults&) const = default;
};

/// One `warn` line for every check with on_fail: warn that failed. Counts only, never values.
void log_warnings(const CheckResults& results, std::string_view table, Log& log);

/// What the checks of a table remember between batches. Its scope is whatever the caller makes it:
/// a fresh state starts a new scope. `assay run` makes one a run, so `unique`, `freshness` and
/// `row_count` speak of the rows of one run; rows of earlier runs are `key:`'s business.
struct CheckState {
  std::vector<std::unordered_set<std::string>> seen;  // per unique check: encoded values
  int64_t rows = 0;
  std::optional<EventTime> newest_event;
  std::optional<EventTime> newest_known;
};

/// What the checks made of one batch.
struct CheckOutcome {
  std::vector<int64_t> kept;  // rows that go on, ascending
  data::Rejects rejects;      // rows to quarantine, ascending; column names the check
  int64_t filtered = 0;       // rows dropped by on_fail: drop
  CheckResults results;
  CheckState state;
};

/// The declared checks of a table, compiled against the schema of its rows.
///
/// Threads immutable; evaluate may run on many threads with states of their own.
class CheckSet {
 public:
  /// Errors  kInvalidArgument: unknown column (with the nearest name), bounds or values that are
  /// not of
  ///         the column's type, a pattern or expression that does not compile.
  static Result<CheckSet> compile(const std::vector<catalog::CheckDef>& checks,
                                  const data::Schema& schema);

  /// Judge every row by every check of rows: not_null, range, in_set, regex, type, expr, unique.
  ///
  /// Shape   kept + rejects + filtered is all rows. Of several failed checks of a row, one that
  ///         quarantines wins over one that drops; among equals the first declared.
  /// Nulls   pass every check but not_null. NaN passes no range and no set.
  /// Ties    unique: the first of equal values passes, the others fail.
  /// Errors  kFailedPrecondition: a check with on_fail: fail failed; names check, count and the
  ///         sequence of the first failing row (never a value).
  [[nodiscard]] Result<CheckOutcome> evaluate(const data::Batch& batch, CheckState state) const;

  /// Judge freshness and row_count over all batches that went through `state`.
  ///
  /// on_fail: quarantine and drop count as warn here: there is no single row to set aside.
  /// Nulls   freshness of no rows passes.
  /// Errors  kFailedPrecondition: a check with on_fail: fail failed.
  [[nodiscard]] Result<CheckResults> finish(const CheckState& state) const;

  [[nodiscard]] bool empty() const { return checks_.empty(); }

  struct Check;

 private:
  std::vector<std::shared_ptr<const Check>> checks_;
};

}  // namespace assay::quality
