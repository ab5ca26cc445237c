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

#include "flow/accounts.h"
#include "flow/bronze_writer.h"
#include "flow/fast_path.h"
#include "flow/online_stage.h"
#include "flow/part_facts.h"
#include "flow/read_journal.h"
#include "flow/reject_gauge.h"
#include "flow/run_options.h"
#include "flow/source_ledger.h"
#include "flow/workspace.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_source.h"

namespace assay::flow {

/// Give the records of a read that is made again the schemas that they had then. False when they
/// would be others than they were: the registry has lost a schema, or has one of a key now that it
/// had not then (or the other way round), so that the key's text is another.
bool restore_schemas(const JournaledRead& read, bool keys_have_schemas, ingest::RecordBatch* batch);

/// Whether a table has columns of what stands beside a record's value.
bool keeps_kafka_columns(const catalog::BronzeDef& bronze);
/// Keep the largest time of each part's rows.
void note_newest_times(const catalog::BronzeDef& bronze,
                       const data::Batch& rows,
                       std::map<int64_t, EventTime>* newest);

/// A Kafka source and the bronze table that it is read into.
///
/// The table's commits carry a position for each partition. Reading begins there, so that what was
/// taken and not committed is read again: nothing is lost and nothing is doubled.
/// Threads one thread at a time.
class KafkaLine {
 public:
  /// Find the partitions and go on where the table stands.
  ///
  /// `source_failed`: set where it fails because brokers do not answer.
  ///
  /// Errors  those of KafkaSource.
  static Result<std::unique_ptr<KafkaLine>> open(Workspace& workspace,
                                                 const std::string& bronze,
                                                 const RunOptions& options,
                                                 bool* source_failed = nullptr);

  [[nodiscard]] const std::string& name() const { return writer_->name(); }

  /// Commit the epochs that a crash left in journals; to be called before anything is taken. Their
  /// reads are made again as they were, and brought to the views that do not have them. Where that
  /// cannot be (a damaged journal, other records), what is ahead is dropped and made from the lake.
  ///
  /// Errors  as KafkaSource::read_until(). kFailedPrecondition: without a lake, a journal whose
  /// reads
  ///         were judged by another rule; options.begins_anew begins views anew then.
  /// Cost    memory: the records of an epoch's part, and its rows.
  Status recover(StageAccount* total);
  /// From now on rows reach the views that take part at once, and the lake at the next commit.
  /// Everything that was taken must be in the lake, and the stages behind the table must have run.
  Status begin_epoch();

  /// What an epoch leaves to be written.
  struct EpochEnd {
    BronzeWriter::Pending pending;
    BronzeWriter::Reached reached;
  };
  /// End the epoch: what is read from now on belongs to the next one. What it took must be
  /// committed before another one ends. Nothing when nothing is pending.
  Result<std::optional<EpochEnd>> end_epoch();
  /// The lake has what end_epoch() gave.
  Status note_committed();
  /// Stages have run while lines were read: views that take part move with their tables.
  Status follow_lake();
  /// Whether the next commit has to be waited for, with its stages, before anything is read: a view
  /// may come back to the fast path.
  [[nodiscard]] bool must_wait_for_lake() const;
  /// Whether a view has no rows until then, so that it had better be soon.
  [[nodiscard]] bool has_dropped_views() const { return fast_path_->has_dropped(); }

  /// Take what there is, at most `records_max`; waits for it not longer than `wait`. Gives the rows
  /// that were accepted; none while it must_seek().
  ///
  /// Errors  kFailedPrecondition: more than rejects_max of at least 1000 records were rejected.
  Result<std::optional<data::Batch>> take(int64_t records_max, Duration wait);
  /// True when the epoch has as many reads as a position can count.
  [[nodiscard]] bool is_epoch_full() const { return epoch_reads_ >= OnlinePosition::kReadsMax / 2; }
  /// Records taken and not committed.
  [[nodiscard]] int64_t pending_records() const { return writer_->pending().in; }
  [[nodiscard]] std::size_t pending_bytes() const { return writer_->pending_bytes(); }
  /// Whether there are any, on their way to the lake or not.
  [[nodiscard]] bool has_uncommitted() const { return pending_records() > 0 || is_on_its_way_; }
  /// End the epoch and commit it here; nothing is done when nothing is pending.
  Status commit(StageAccount* total);
  /// A look at the topics by another client has this answer, to a question of `asked_at`. True when
  /// the line must seek(): there are partitions that are not read yet. Brokers are asked only where
  /// the look tells of others than are known.
  ///
  /// Errors  those of KafkaSource::discover(); what is being read goes on being read.
  Result<bool> note_look(const Result<ingest::KafkaLook>& look, Duration asked_at);
  /// Place reading where the table stands, new partitions included; what is pending must be
  /// committed first. When it fails nothing is read until it has succeeded.
  Status seek();
  [[nodiscard]] bool must_seek() const { return must_seek_; }
  /// Whether take() or recover() failed because brokers or registry gave no records, and nothing
  /// else is wrong.
  [[nodiscard]] bool has_source_failed() const { return has_source_failed_; }
  [[nodiscard]] bool waits_for_schemas() const { return source_->waits_for_schemas(); }
  Status finish() { return writer_->finish(); }
  /// Count, for partitions that give no rows, the time since the last commit in which no process
  /// was at work: `assay run` works for a moment only.
  Status note_pause();

  [[nodiscard]] bool has_read_backlog() const { return source_->has_read_backlog(); }
  [[nodiscard]] std::vector<ingest::KafkaSource::PartLag> part_lags() const {
    return source_->part_lags();
  }
  /// Rows reach this many views before the lake.
  [[nodiscard]] int64_t fast_views() const { return is_journaling_ ? fast_path_->views() : 0; }
  /// Whether begin_epoch() was called: from then on no backlog is waited for.
  [[nodiscard]] bool is_fast() const { return is_fast_; }
  /// Views that the stages must leave alone, while this line is read beside them.
  [[nodiscard]] std::set<std::string> views_ahead() const {
    return is_journaling_ ? fast_path_->taking_part() : std::set<std::string>();
  }
  /// Rows that came to views before the lake since the last call.
  std::vector<StageAccount> take_fast_accounts() { return fast_path_->take_accounts(); }
  /// When the first record since the last call was read.
  std::optional<EventTime> take_oldest_received() {
    return std::exchange(oldest_received_, std::nullopt);
  }

 private:
  Status find_place();
  explicit KafkaLine(Workspace& workspace) : workspace_(workspace), ledger_(workspace.catalog()) {}
  Result<data::Batch> take_in(const ingest::RecordBatch& records);
  Result<std::optional<std::vector<ingest::RecordBatch>>> read_again(
      std::span<const JournaledRead> reads);
  Result<bool> repeat(std::span<const JournaledRead> reads);
  /// Leave the journals' reads to be read as new ones; what is ahead by them is made from the lake.
  Status give_up_epochs();
  /// Without a lake: kUnavailable when a view takes no part, since nothing else brings its rows.
  [[nodiscard]] Status check_places() const;
  Status check_rejects(const data::Account& before);
  /// What a commit of what was read says of the parts.
  [[nodiscard]] silver::PartFacts facts();
  Result<std::optional<EpochEnd>> end_epoch_saying(const std::optional<silver::PartFacts>& said);
  void note_answer();
  Result<bool> find_partitions();

  Workspace& workspace_;
  SourceLedger ledger_;
  std::unique_ptr<BronzeWriter> writer_;
  std::unique_ptr<ingest::KafkaSource> source_;
  std::unique_ptr<ReadJournal> journal_;
  std::unique_ptr<FastPath> fast_path_;
  bool is_fast_ = false;
  bool is_journaling_ = false;  // rows reach views before the lake
  bool has_source_failed_ = false;
  int64_t epoch_ = 0;           // the one that is read
  int64_t reads_ = 0;           // of all epochs, this one included
  int64_t epoch_reads_ = 0;     // of this one
  bool is_on_its_way_ = false;  // the epoch before is not in the lake yet
  PartWatch watch_;
  silver::PartFacts facts_;       // that the commits up to the epoch before say
  bool begins_anew_ = false;
  std::size_t placed_parts_ = 0;  // parts that the ledger had at the last seek
  bool must_seek_ = true;
  std::optional<RejectGauge> gauge_;
  std::optional<EventTime> oldest_received_;
};

}  // namespace assay::flow
