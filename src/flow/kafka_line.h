#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "flow/accounts.h"
#include "flow/bronze_writer.h"
#include "flow/fast_path.h"
#include "flow/online_stage.h"
#include "flow/read_journal.h"
#include "flow/reject_gauge.h"
#include "flow/run_options.h"
#include "flow/source_ledger.h"
#include "flow/workspace.h"
#include "ingest/kafka_source.h"

namespace assay::flow {

/// A Kafka source and the bronze table that it is read into.
///
/// The table's commits carry a position for each partition. Reading begins there, so that what was
/// taken and not committed is read again: nothing is lost and nothing is doubled.
/// Threads one thread at a time.
class KafkaLine {
 public:
  /// Find the partitions and go on where the table stands.
  ///
  /// Errors  those of KafkaSource.
  static Result<std::unique_ptr<KafkaLine>> open(Workspace& workspace,
                                                 const std::string& bronze,
                                                 const RunOptions& options);

  [[nodiscard]] const std::string& name() const { return writer_->name(); }

  /// Commit the epoch that a crash left in the journal; to be called before anything is taken. Its
  /// reads are made again as they were, and brought to the views that do not have them. Where that
  /// cannot be (a damaged journal, other records), what is ahead is dropped and made from the lake.
  ///
  /// Errors  as KafkaSource::read_until().
  Status recover(StageAccount* total);
  /// From now on rows reach the views that take part at once, and the lake at the next commit.
  /// Nothing may be pending, and the stages behind the table must have run; to be called again
  /// behind each commit and its stages.
  Status begin_epoch();

  /// Look where views stand after stages ran within an epoch: the lake may have moved them.
  Status note_stages() { return is_journaling_ ? fast_path_->note_stages() : Status(); }

  /// Take what there is, at most `records_max`; waits for it not longer than `wait`. Gives the rows
  /// that were accepted; none while it must_seek().
  ///
  /// Errors  kFailedPrecondition: more than rejects_max of at least 1000 records were rejected.
  Result<std::optional<data::Batch>> take(int64_t records_max, Duration wait);
  /// True when the epoch has as many reads as a position can count.
  [[nodiscard]] bool is_epoch_full() const { return reads_ >= OnlinePosition::kReadsMax; }
  /// Records taken and not committed.
  [[nodiscard]] int64_t pending_records() const { return writer_->pending().in; }
  [[nodiscard]] std::size_t pending_bytes() const { return writer_->pending_bytes(); }
  /// Commit them; nothing is done when there are none.
  Status commit(StageAccount* total);
  /// Ask the brokers whether the topics have partitions that are not read yet.
  ///
  /// Errors  those of KafkaSource::discover(); what is being read goes on being read.
  Result<bool> has_new_partitions();
  /// Place reading where the table stands, new partitions included; what is pending must be
  /// committed first. When it fails nothing is read until it has succeeded.
  Status seek();
  [[nodiscard]] bool must_seek() const { return must_seek_; }
  Status finish() { return writer_->finish(); }

  [[nodiscard]] bool has_read_backlog() const { return source_->has_read_backlog(); }
  [[nodiscard]] int64_t lag() const { return source_->lag(); }
  [[nodiscard]] std::vector<ingest::KafkaSource::PartLag> part_lags() const {
    return source_->part_lags();
  }
  /// Rows reach this many views before the lake.
  [[nodiscard]] int64_t fast_views() const { return is_journaling_ ? fast_path_->views() : 0; }
  /// When the first record since the last call was read.
  std::optional<EventTime> take_oldest_received() {
    return std::exchange(oldest_received_, std::nullopt);
  }

 private:
  explicit KafkaLine(Workspace& workspace) : workspace_(workspace), ledger_(workspace.catalog()) {}
  Result<data::Batch> take_in(const ingest::RecordBatch& records);
  Result<std::optional<std::vector<ingest::RecordBatch>>> read_again(
      const std::vector<JournaledRead>& reads);
  /// Leave the journal's reads to be read as new ones; what is ahead by them is made from the lake.
  Status give_up_epoch();
  Status check_rejects(const data::Account& before);
  void note_times(const data::Batch& rows);
  [[nodiscard]] std::optional<EventTime> low_time() const;

  Workspace& workspace_;
  SourceLedger ledger_;
  std::unique_ptr<BronzeWriter> writer_;
  std::unique_ptr<ingest::KafkaSource> source_;
  std::unique_ptr<ReadJournal> journal_;
  std::unique_ptr<FastPath> fast_path_;
  bool is_journaling_ = false;    // rows reach views before the lake
  int64_t epoch_ = 0;             // epochs that the table has
  int64_t reads_ = 0;             // of the epoch that is pending
  std::size_t placed_parts_ = 0;  // parts that the ledger had at the last seek
  bool must_seek_ = true;
  std::optional<RejectGauge> gauge_;
  std::optional<EventTime> oldest_received_;
  std::map<int64_t, EventTime> newest_;  // by part's ordinal: largest event time of its rows
};

}  // namespace assay::flow
