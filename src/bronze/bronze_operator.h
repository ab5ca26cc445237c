#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "bronze/decode.h"
#include "bronze/dedup.h"
#include "bronze/record_times.h"
#include "bronze/redact.h"
#include "bronze/row_versions.h"
#include "catalog/definitions.h"
#include "data/account.h"
#include "data/batch.h"
#include "data/encoded_keys.h"
#include "ingest/record.h"
#include "privacy/key.h"
#include "privacy/scrub.h"
#include "quality/checks.h"

namespace assay::bronze {

/// What a bronze operator needs besides the table's definition.
struct BronzeOptions {
  catalog::SourceDef source;
  std::optional<privacy::PrivacyKey> key;  // needed when the table holds personal data
  int threads = 1;                         // for decoding; the result does not depend on it
};

/// What bronze remembers between batches: accepted keys (from the table) and the run's checks.
struct BronzeState {
  DedupIndex dedup;
  quality::CheckState checks;
};

/// A record that was refused before the checks.
struct RefusedRecord {
  data::Reject reject;                  // Reject::row is the record number
  std::optional<EventTime> event_time;  // when it could be read
};

/// Records read and timed, not yet checked, scrubbed or compared with earlier ones. Holds raw
/// personal data: it stays in memory.
struct ReadRecords {
  data::Batch rows;  // declared columns, event_time, known_time, sequence; is_deleted of changes
  std::vector<int64_t> record_of_row;
  std::vector<RefusedRecord> refused;
  int64_t skipped = 0;  // records that say nothing: they count as filtered
};

struct BronzeOutput {
  data::Batch rows;        // schema(), in order of sequence
  data::Batch quarantine;  // quality::quarantine_schema(), in order of position
  data::Account account;   // of records; balances
  quality::CheckResults checks;
  int64_t unreadable_values = 0;  // texts that `truncate` made null
  BronzeState state;
};

/// Turns records into the rows of one bronze table: decode, times, checks, scrub, deduplicate.
///
/// Pure: what it remembers goes in and out as BronzeState, so cutting records into other batches
/// gives the same rows. Nothing unscrubbed is in the output. Threads immutable; calls may run at
/// once with states of their own.
class BronzeOperator {
 public:
  /// Errors  kInvalidArgument: a definition that does not fit together (times, checks, scrubs, key
  ///         columns, reserved names); kFailedPrecondition: personal data and no key.
  static Result<std::unique_ptr<BronzeOperator>> create(const catalog::BronzeDef& bronze,
                                                        const BronzeOptions& options);

  /// catalog::bronze_schema of the definition.
  [[nodiscard]] const data::SchemaPtr& schema() const { return schema_; }
  [[nodiscard]] const catalog::BronzeDef& definition() const { return bronze_; }
  /// `memory`: for accepted keys.
  [[nodiscard]] BronzeState initial_state(DedupMemory memory = {}) const {
    const bool in_order = !options_.source.kafka.has_value();
    return {DedupIndex(bronze_.dedup_for, in_order, std::move(memory)), {}};
  }

  /// Decode and time the records.
  [[nodiscard]] Result<ReadRecords> read(const ingest::RecordBatch& records) const;

  /// Event times whose accepted rows must be in state.dedup before `process`; empty when the table
  /// declares no key. Ask state.dedup.missing() which of them are not loaded, read the columns
  /// dedup_columns() of those from the table, and load_accepted() them.
  [[nodiscard]] std::vector<TimeRange> needed_ranges(const ReadRecords& read) const {
    return needed_ranges(read.rows);
  }
  [[nodiscard]] std::vector<TimeRange> needed_ranges(const data::Batch& rows) const;
  [[nodiscard]] std::vector<std::string> dedup_columns() const;
  /// Take over rows of the table that `needed_ranges` asked for: dedup_columns() of all rows with
  /// event times in `range`.
  Status load_accepted(const data::Batch& rows, const TimeRange& range, BronzeState* state) const;
  /// The same batch by batch, so that not all of them are in memory at once.
  Status load_accepted(data::BatchReader& rows, const TimeRange& range, BronzeState* state) const;

  /// Check, scrub and deduplicate what was read from `records`.
  ///
  /// Errors  kFailedPrecondition: a check with on_fail: fail; kInternal: the account does not
  /// balance.
  [[nodiscard]] Result<BronzeOutput> process(const ingest::RecordBatch& records,
                                             ReadRecords read,
                                             BronzeState state) const;
  /// The two halves of process(). prepare() is all but the comparison of keys: the account has its
  /// rows as out, whatever repeats what.
  [[nodiscard]] Result<BronzeOutput> prepare(const ingest::RecordBatch& records,
                                             ReadRecords read,
                                             BronzeState state) const;
  /// Rows that prepare() gave, less those that repeat an accepted one. `index` must hold
  /// needed_ranges() of them, and remembers them. Errors as DedupIndex::recall.
  [[nodiscard]] Result<data::Batch> judge(const data::Batch& prepared, DedupIndex* index) const;
  /// read and process in one step, when the state holds all that is needed.
  [[nodiscard]] Result<BronzeOutput> process(const ingest::RecordBatch& records,
                                             BronzeState state) const;

  /// Judge freshness and row_count over all batches of the run.
  [[nodiscard]] Result<quality::CheckResults> finish(const BronzeState& state) const {
    return checks_.finish(state.checks);
  }

 private:
  BronzeOperator(catalog::BronzeDef bronze,
                 BronzeOptions options,
                 RecordDecoder decoder,
                 RecordTimes times,
                 privacy::ScrubPlan plan);
  [[nodiscard]] data::Batch scrub(const data::Batch& rows,
                                  std::vector<int64_t>* records,
                                  std::vector<RefusedRecord>* refused,
                                  int64_t* unreadable) const;
  [[nodiscard]] Result<quality::CheckOutcome> check(const data::Batch& rows,
                                                    quality::CheckState state) const;
  [[nodiscard]] std::vector<std::string> dedup_key() const;
  [[nodiscard]] std::vector<std::string> content_columns() const;
  [[nodiscard]] std::vector<const data::Column*> dedup_key_of(const data::Batch& rows) const;
  static Status recall(const data::Batch& rows,
                       const data::EncodedKeys& keys,
                       DedupIndex* index);
  [[nodiscard]] std::vector<int64_t> accepted_rows(const data::Batch& rows,
                                                   const data::EncodedKeys& keys,
                                                   DedupIndex* index) const;
  [[nodiscard]] data::Batch with_partitions(const data::Batch& rows) const;
  [[nodiscard]] data::Batch quarantine(const ingest::RecordBatch& records,
                                       std::vector<RefusedRecord> refused) const;

  catalog::BronzeDef bronze_;
  BronzeOptions options_;
  RecordDecoder decoder_;
  RecordTimes times_;
  privacy::ScrubPlan plan_;
  quality::CheckSet checks_;
  std::optional<RowVersions> versions_;  // of a table of changes
  data::SchemaPtr read_schema_;          // rows of ReadRecords
  data::SchemaPtr schema_;
};

}  // namespace assay::bronze
