#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "bronze/bronze_operator.h"
#include "flow/accounts.h"
#include "flow/clock_watch.h"
#include "flow/dead_letters.h"
#include "flow/run_options.h"
#include "flow/side_table.h"
#include "flow/taken_parts.h"
#include "flow/workspace.h"
#include "ingest/record.h"
#include "silver/part_times.h"

namespace assay::flow {

/// The operator of a bronze table, with the project's key when the table holds personal data.
Result<std::unique_ptr<bronze::BronzeOperator>> make_bronze_operator(
    Workspace& workspace, const catalog::BronzeDef& definition, int threads);

/// Turns records into rows of one bronze table and commits them with the position they reach.
///
/// A commit is two: the quarantine first, then the table, whose position is the truth. A run killed
/// between them reads the same records again and leaves out what the quarantine already has.
/// Threads one thread at a time.
class BronzeWriter {
 public:
  static Result<std::unique_ptr<BronzeWriter>> open(Workspace& workspace,
                                                    const std::string& name,
                                                    const RunOptions& options);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const catalog::BronzeDef& definition() const { return operation_->definition(); }
  [[nodiscard]] lake::DeltaTable& table() { return *table_; }

  /// Whether the topic for refused records is there, where the source names one.
  Status look_for_letters_topic();
  /// Where the table stands: the position after what it has of a source that is read in one order;
  /// and of each of the first `parts` parts of one that is read side by side.
  Result<int64_t> position();
  Result<std::map<int64_t, int64_t>> part_positions(int64_t parts);
  /// The same of the last record that it has of each.
  Result<std::map<int64_t, int64_t>> part_marks(int64_t parts);
  /// The same of the newest event times of parts that processes share.
  Result<std::map<int64_t, EventTime>> part_times(int64_t parts);

  /// What the table has of journaled reads, and says of its parts.
  struct Journaled {
    int64_t epoch = 0;  // the last one; 0 for none
    int64_t reads = 0;  // of all epochs
    silver::PartFacts facts;
    std::optional<EventTime> said_at;  // these, by the machine's clock
  };
  Result<Journaled> journaled();

  /// Take records in; gives the rows that were accepted. Nothing is written yet.
  Result<data::Batch> take(const ingest::RecordBatch& records);
  /// What take() took since the last commit.
  [[nodiscard]] const data::Account& pending() const { return pending_.account; }
  [[nodiscard]] std::size_t pending_bytes() const { return pending_.bytes; }

  /// How far the rows that are pending reach.
  struct Reached {
    int64_t position = 0;  // of a source that is read in one order
    std::map<int64_t, int64_t>
        parts;                       // of one that is read side by side; then position is not used
    std::optional<int64_t> epoch{};  // of reads that were journaled: the table has it then
    int64_t reads = 0;               // how many all epochs have, this one included
    // Of a source that is read side by side:
    std::map<int64_t, int64_t> marks{};                // the last records
    std::optional<silver::PartFacts> facts{};          // where there are rows
    std::map<std::string, silver::PartTimes> times{};  // without a lake, by id of a silver table
  };
  /// What take() took: rows to be committed, by this object or by another one of the same table.
  struct Pending {
    std::vector<data::Batch> rows;
    std::vector<data::Batch> quarantine;
    data::Account account;
    std::size_t bytes = 0;
  };
  /// What is pending; nothing is, from then on.
  Pending take_pending() {
    last_ranges_ = std::exchange(ranges_, {});
    return std::exchange(pending_, {});
  }
  Status commit(const Pending& pending, const Reached& reached, StageAccount* total);
  /// All that is pending.
  Status commit(const Reached& reached, StageAccount* total) {
    return commit(take_pending(), reached, total);
  }
  /// Forget all keys.
  void forget();
  /// How many keys are held, in memory and in files.
  [[nodiscard]] int64_t keys_held() const {
    return state_.dedup.size() + state_.dedup.files().size();
  }

  // Of a table that several processes write: docs/decisions/0130-processes-share-topics.md

  /// Be the one that commits these parts of the source, until another process does the same; gives
  /// where the table stands then, of its first `parts` parts.
  Result<std::map<int64_t, int64_t>> take_over(const std::set<int64_t>& ordinals, int64_t parts);
  /// Take records in; keys are compared when they are committed.
  Status take_unjudged(const ingest::RecordBatch& records);
  /// What a process has of its parts of the source.
  struct SharedReached {
    std::map<int64_t, int64_t> parts;  // those that it read on, and how far
    std::map<int64_t, int64_t> marks;  // the last record of each
    std::map<int64_t, int64_t> begun;  // where the table stood when it did; none: nowhere
    silver::PartFacts facts;           // of all processes' parts, as far as it knows
  };
  /// Judge all that is pending by the table's newest version, and commit it behind that one.
  ///
  /// Errors  kAborted: the table stands elsewhere than where these parts were begun, so another
  ///         process has them: nothing of them was committed. kFailedPrecondition: processes of
  ///         another project folder write the table too.
  Status commit_shared(const SharedReached& reached, StageAccount* total);

  // Of records that were refused before: docs/decisions/0087-replay-of-quarantine.md

  /// Which of these positions the table has rows of.
  Result<std::set<int64_t>> present(std::span<const int64_t> positions);
  /// Whether the table's source was read beyond a position, so that it will not come from there.
  Result<bool> has_read(int64_t position);
  /// Take records in once more and commit what is accepted, at once, without moving a position.
  /// `is_own`: they were refused by this table, whose account has them as quarantined.
  Result<bronze::BronzeOutput> replay(const ingest::RecordBatch& records, bool is_own);

  /// Judge what can only be judged at the end of a run.
  Status finish();

 private:
  BronzeWriter(Workspace& workspace, const std::string& name)
      : workspace_(workspace), name_(name), clock_(workspace.world(), name) {}
  Result<std::map<int64_t, int64_t>> said_of_parts(int64_t parts,
                                                   std::string (*id_of)(const std::string&,
                                                                        int64_t));
  Status load_accepted(std::vector<bronze::TimeRange> needed);
  Status make_room();
  Status load_accepted_of(const std::string& relation, const bronze::TimeRange& range);
  Status commit_quarantine(const Pending& pending, const Reached& reached);
  Status commit_to_quarantine(const data::Batch& rejected, const Reached& reached);
  Status send_letters(const data::Batch& rejected);
  Result<data::Batch> rows_to_keep(const Pending& pending) const;
  Status add_positions(const Reached& reached, lake::CommitRequest* request);
  Status check_still_mine(const SharedReached& reached, const lake::Snapshot& snapshot) const;
  Status commit_judged(const Pending& pending, const SharedReached& reached, StageAccount* account);
  Status write_judged(const data::Batch& rows,
                      const data::Batch& judged,
                      StageAccount* account,
                      lake::CommitRequest* request);
  std::unique_ptr<FileLock> wait_for_turn();
  void count_lost_race();
  Status load_added(const lake::Snapshot& snapshot);
  Status load_what_came(const lake::Snapshot& snapshot, const data::Batch& rows);
  Result<std::vector<lake::TxnUpdate>> shared_positions(const SharedReached& reached,
                                                        const lake::Snapshot& snapshot,
                                                        const data::Batch& judged);

  Workspace& workspace_;
  std::string name_;
  ClockWatch clock_;
  std::string app_id_;
  std::unique_ptr<bronze::BronzeOperator> operation_;
  lake::DeltaTable* table_ = nullptr;
  data::SchemaPtr kept_;  // columns that the table has
  std::unique_ptr<SideTable> quarantine_;
  std::optional<TakenParts> taken_;
  std::unique_ptr<DeadLetters> dead_letters_;  // where the source asks for them
  bronze::BronzeState state_;
  Pending pending_;
  std::vector<bronze::TimeRange> ranges_;       // that the rows pending asked for
  std::vector<bronze::TimeRange> last_ranges_;  // and those before them
  bronze::DedupMemory keys_memory_;
  Gauge* keys_memory_bytes_ = nullptr;
  Gauge* keys_file_bytes_ = nullptr;
  std::optional<lake::Version> known_version_;  // what state_ has of a table that others write too
  int64_t share_ = 0;                           // the number of the project's folder
  bool has_said_share_ = false;                 // the table has that one
  Duration turn_wait_max_;                      // for others' commits
  Duration turn_wait_;                          // nothing where they do not end
};

}  // namespace assay::flow
