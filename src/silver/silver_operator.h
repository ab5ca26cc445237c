#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "catalog/definitions.h"
#include "data/account.h"
#include "data/batch.h"
#include "data/sql_engine.h"
#include "quality/checks.h"
#include "silver/enrich.h"
#include "silver/part_times.h"
#include "silver/row_wise_sql.h"

namespace assay::silver {

/// What silver remembers between batches: the newest event time, of a table of changes the newest
/// known time (from the table's `watermark` txn), and the run's checks.
struct SilverState {
  std::optional<EventTime> newest;
  quality::CheckState checks;
  std::optional<PartTimes> parts{};  // of a topic's partitions instead of `newest`
};

struct SilverOutput {
  data::Batch rows;        // output_schema(), in order of sequence
  data::Batch late;        // output_schema(): older than the watermark
  data::Batch quarantine;  // quality::quarantine_schema(), in order of position
  data::Account account;   // of bronze rows; balances
  quality::CheckResults checks;
  SilverState state;
};

/// Rows of each lookup table, by its name: at least the columns of lookup_columns().
using Lookups = std::map<std::string, data::Batch>;

/// Turns rows of one bronze table into the rows of one silver table: row-wise SQL, enrichment as of
/// the event, checks, lateness.
///
/// Of a table of changes every version goes on: as a row, or as a tombstone where it is one or the
/// SQL leaves it out. Late is what was known before the largest known time so far less the allowed
/// lateness. A version that is refused changes nothing: the one before it stands.
///
/// Pure: what it remembers goes in and out as SilverState, so cutting rows into other batches gives
/// the same rows. Threads one thread at a time per engine.
class SilverOperator {
 public:
  /// `from`: columns of the bronze table. `lookups`: columns of each lookup table, by name. The
  /// engine is used by every call, for a temporary table named as the bronze table.
  ///
  /// Errors  kInvalidArgument: SQL that is not row-wise or does not bind, enrichments or checks
  /// that do
  ///         not fit, names of system columns that are taken, a partition column that is not there.
  static Result<std::unique_ptr<SilverOperator>> create(
      const catalog::SilverDef& silver,
      const data::Schema& from,
      const std::map<std::string, data::SchemaPtr>& lookups,
      data::SqlEngine& engine);

  /// Columns of the SELECT in order, enriched columns, event_time, known_time, sequence, of a table
  /// of changes row_key and is_deleted, event_date.
  [[nodiscard]] const data::SchemaPtr& output_schema() const { return schema_; }
  [[nodiscard]] const catalog::SilverDef& definition() const { return silver_; }
  /// For each lookup table, the columns that `process` reads.
  [[nodiscard]] std::map<std::string, std::vector<std::string>> lookup_columns() const;

  /// `bronze`: all rows of one bronze commit, or a run of them in order of sequence; within the
  /// batch any order. `lookups`: every row of the lookup tables that may be visible at the batch's
  /// event times.
  ///
  /// Errors  kFailedPrecondition: a check with on_fail: fail; kInvalidArgument: a lookup is
  /// missing;
  ///         kInternal: the account does not balance; the engine's own.
  [[nodiscard]] Result<SilverOutput> process(const data::Batch& bronze,
                                             const Lookups& lookups,
                                             SilverState state) const;

  /// Judge freshness and row_count over all batches of the run.
  [[nodiscard]] Result<quality::CheckResults> finish(const SilverState& state) const {
    return checks_.finish(state.checks);
  }

 private:
  struct Refused;
  SilverOperator(catalog::SilverDef silver, RowWiseSql sql, data::SqlEngine& engine);
  [[nodiscard]] Status check_system_names() const;
  Status compile_enrichments(const std::map<std::string, data::SchemaPtr>& lookups);
  Status compile_output();
  [[nodiscard]] Result<data::Batch> with_system_columns(const data::Batch& bronze,
                                                        const RowWiseSql::Output& sql) const;
  [[nodiscard]] Result<data::Batch> timed_rows(const data::Batch& bronze,
                                               const RowWiseSql::Output& sql,
                                               std::vector<int64_t>* inputs,
                                               Refused* refused) const;
  [[nodiscard]] Result<data::Batch> enriched_rows(data::Batch rows,
                                                  const Lookups& lookups,
                                                  std::vector<int64_t>* inputs,
                                                  Refused* refused) const;
  [[nodiscard]] data::Batch quarantine(const data::Batch& bronze, Refused refused) const;
  [[nodiscard]] Result<RowWiseSql::Output> select(const data::Batch& input,
                                                  std::vector<int64_t>* gone) const;
  [[nodiscard]] std::vector<const char*> system_columns() const;
  [[nodiscard]] bool is_system(std::string_view name) const;
  [[nodiscard]] data::Batch with_tombstones(const data::Batch& bronze,
                                            const data::Batch& rows,
                                            const std::vector<int64_t>& inputs,
                                            const std::vector<int64_t>& gone) const;

  catalog::SilverDef silver_;
  RowWiseSql sql_;
  data::SqlEngine& engine_;
  std::vector<Enrichment> enrichments_;
  quality::CheckSet checks_;
  data::SchemaPtr timed_schema_;  // SELECT's columns, event_time, known_time, sequence
  data::SchemaPtr schema_;
  bool of_changes_ = false;  // rows are versions of their row_key
};

}  // namespace assay::silver
