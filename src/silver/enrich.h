#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "catalog/definitions.h"
#include "data/asof_join.h"
#include "data/batch.h"

namespace assay::silver {

/// Adds columns of a lookup table to rows, as they were known when each row happened.
///
/// Threads immutable.
/// Source  docs/decisions/0021-enrichment-as-of-the-event.md
class Enrichment {
 public:
  /// `rows`: columns after the SQL and earlier enrichments. `lookup`: columns of the lookup table.
  ///
  /// Errors  kInvalidArgument: unknown columns, key types that differ, a name that is taken.
  static Result<Enrichment> compile(const catalog::EnrichDef& def,
                                    const data::Schema& rows,
                                    const data::Schema& lookup);

  [[nodiscard]] const catalog::EnrichDef& definition() const { return def_; }
  /// The columns it adds: prefixed, nullable.
  [[nodiscard]] const std::vector<data::Field>& added() const { return added_; }
  /// Columns of the lookup table that it reads, system columns included.
  [[nodiscard]] std::vector<std::string> lookup_columns() const;

  struct Enriched {
    data::Batch rows;                // the same rows with the added columns
    std::vector<int64_t> unmatched;  // rows without a match, ascending
  };
  /// Join by `on` as of each row's event_time t: of the lookup rows with equal keys, event_time <=
  /// t and known_time <= t, the newest; where the lookup has a replaced_time, also t before it. A
  /// lookup table without a time stands at the epoch.
  ///
  /// Nulls   a null key matches nothing; no match gives nulls.
  /// Errors  kInvalidArgument: the lookup batch lacks a column of lookup_columns().
  [[nodiscard]] Result<Enriched> apply(const data::Batch& rows, const data::Batch& lookup) const;

 private:
  [[nodiscard]] Result<data::AsofMatch> match_newest(const data::AsofLabels& labels,
                                                     const data::Batch& lookup) const;

  catalog::EnrichDef def_;
  std::vector<std::string> lookup_keys_;
  std::vector<data::Field> added_;
};

}  // namespace assay::silver
