#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flow/accounts.h"
#include "flow/bronze_writer.h"
#include "flow/part_facts.h"
#include "flow/reject_gauge.h"
#include "flow/run_options.h"
#include "flow/source_ledger.h"
#include "flow/workspace.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_source.h"

namespace assay::flow {

/// Why a bronze table cannot be written by several processes, in words for its user; "" when it
/// can.
std::string why_not_shared(const catalog::Project& project, const std::string& bronze);

/// A Kafka source whose partitions several processes divide among them, and the bronze table that
/// all of them write.
///
/// The group of the brokers says who reads a partition, the table where: a partition is read on
/// where the table stands when it is given, and what was read of it is committed before it is
/// given up. A commit holds only where the table still stands there.
/// Threads one thread at a time.
/// Source  docs/decisions/0130-processes-share-topics.md
class SharedLine {
 public:
  /// Join the group; nothing is read before it gives partitions, and note_look() is told of an
  /// answer of all leaders that was asked for since.
  ///
  /// `source_failed`: set where it fails because brokers do not answer.
  ///
  /// Errors  those of KafkaSource; kFailedPrecondition: why_not_shared().
  static Result<std::unique_ptr<SharedLine>> open(Workspace& workspace,
                                                  const std::string& bronze,
                                                  const std::string& group,
                                                  const RunOptions& options,
                                                  bool* source_failed);

  [[nodiscard]] const std::string& name() const { return writer_->name(); }

  /// Take what there is, at most `records_max`, and do what the group decided; true when anything
  /// came. What it commits is added to `total`.
  ///
  /// Errors  those of KafkaSource and of commit(); kFailedPrecondition as KafkaLine::take().
  Result<bool> take(int64_t records_max, StageAccount* total);
  /// Commit all that was taken.
  ///
  /// Errors  kAborted: another process has read on what this one had: open the line anew.
  Status commit(StageAccount* total);
  /// Whether anything was taken, or passed over, that the table does not have.
  [[nodiscard]] bool has_uncommitted() const { return !moved().empty(); }
  [[nodiscard]] std::size_t pending_bytes() const { return writer_->pending_bytes(); }
  /// How many partitions this process has now.
  [[nodiscard]] int64_t partitions() const {
    return static_cast<int64_t>(source_->part_lags().size());
  }
  /// Whether take() failed because brokers or registry gave no records, and nothing else is wrong.
  [[nodiscard]] bool has_source_failed() const { return has_source_failed_; }
  /// Whether leaders are to be asked now, and not as often as they are: true once for each time
  /// that the group gives partitions.
  [[nodiscard]] bool must_ask_leaders() { return std::exchange(must_ask_leaders_, false); }
  /// When the first record was read since this was asked last.
  std::optional<EventTime> take_oldest_received() {
    return std::exchange(oldest_received_, std::nullopt);
  }
  /// What keeps the group from giving partitions; "" for nothing that is known.
  [[nodiscard]] const std::string& group_trouble() const { return source_->group_trouble(); }

  /// A look at the topics by another client has this answer, to a question of `asked_at`. Brokers are
  /// asked only where it tells of other partitions than are known.
  void note_look(const Result<ingest::KafkaLook>& look, Duration asked_at);
  /// Where all partitions end, this process's and others', as the last look saw it; or why it did
  /// not, which is told without a question.
  [[nodiscard]] const Result<ingest::PartPositions>& ends() const { return ends_; }
  [[nodiscard]] bool waits_for_schemas() const { return source_->waits_for_schemas(); }
  /// What the table lacks of each partition, this process's and others'. Records that this process
  /// has taken count as there.
  ///
  /// Errors  those of ends().
  Result<std::vector<ingest::KafkaSource::PartLag>> lags();
  /// Those that have records of which nothing was taken for so long, as lags() saw them: "topic/3".
  [[nodiscard]] std::vector<std::string> unread(Duration for_long) const;
  /// Whether the table has everything up to there.
  Result<bool> table_reaches(const ingest::PartPositions& ends);

 private:
  explicit SharedLine(Workspace& workspace) : workspace_(workspace), ledger_(workspace.catalog()) {}
  Status find_topics();
  Result<ingest::PartPositions> ends_in(const Result<ingest::KafkaLook>& look);
  void note_rebalance();
  [[nodiscard]] bool may_follow_group() const;
  Status follow_group(StageAccount* total);
  Status take_parts();
  Status give_up_parts(StageAccount* total);
  Status note(const ingest::RecordBatch& records);
  [[nodiscard]] std::map<int64_t, int64_t> moved() const;
  Result<ingest::PartPositions> positions_of(const ingest::PartPositions& ends);
  Result<silver::PartFacts> facts();

  Workspace& workspace_;
  SourceLedger ledger_;
  std::unique_ptr<BronzeWriter> writer_;
  std::unique_ptr<ingest::KafkaSource> source_;
  std::optional<RejectGauge> gauge_;
  std::map<int64_t, int64_t> begun_;  // by part's ordinal: where the table stands
  struct Moved {
    std::string name;
    int64_t records = 0;  // what the table lacks of it
    int64_t position = 0;
    Duration since;  // it stands there
  };
  std::map<int64_t, Moved> moved_;  // by part's ordinal
  std::optional<EventTime> oldest_received_;
  PartWatch watch_;
  Result<ingest::PartPositions> ends_ = Status(Code::kUnavailable, "no broker has answered yet");
  Duration ends_asked_at_;
  std::optional<Duration> told_at_;  // of what the group decided and is not done yet
  bool must_ask_leaders_ = false;
  bool has_source_failed_ = false;
};

}  // namespace assay::flow
