#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "flow/accounts.h"
#include "flow/bronze_writer.h"
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

  /// Take what there is, at most `records_max`; waits for it not longer than `wait`. Gives the rows
  /// that were accepted.
  ///
  /// Errors  kFailedPrecondition: more than rejects_max of at least 1000 records were rejected.
  Result<std::optional<data::Batch>> take(int64_t records_max, Duration wait);
  /// Records taken and not committed.
  [[nodiscard]] int64_t pending_records() const { return writer_->pending().in; }
  [[nodiscard]] std::size_t pending_bytes() const { return writer_->pending_bytes(); }
  /// Commit them; nothing is done when there are none.
  Status commit(StageAccount* total);
  /// Take partitions in that were added to the topics; what is pending must be committed first.
  Status look_for_partitions();
  Status finish() { return writer_->finish(); }

  [[nodiscard]] bool has_read_backlog() const { return source_->has_read_backlog(); }
  [[nodiscard]] int64_t lag() const { return source_->lag(); }
  /// When the first record since the last call was read.
  std::optional<EventTime> take_oldest_received() {
    return std::exchange(oldest_received_, std::nullopt);
  }

 private:
  explicit KafkaLine(Workspace& workspace) : workspace_(workspace), ledger_(workspace.catalog()) {}
  Status check_rejects(const data::Account& before);
  void note_times(const data::Batch& rows);
  [[nodiscard]] std::optional<EventTime> low_time() const;
  Status seek();

  Workspace& workspace_;
  SourceLedger ledger_;
  std::unique_ptr<BronzeWriter> writer_;
  std::unique_ptr<ingest::KafkaSource> source_;
  int64_t recent_records_ = 0;
  int64_t recent_rejects_ = 0;
  std::optional<EventTime> oldest_received_;
  std::map<int64_t, EventTime> newest_;  // by part's ordinal: largest event time of its rows
};

}  // namespace assay::flow
