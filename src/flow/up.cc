#include "flow/up.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/pause.h"
#include "flow/kafka_line.h"

namespace assay::flow {
namespace {

/// How long one look at a topic waits for records.
constexpr Duration kWait{20'000};
constexpr int64_t kTakeRecords = 20'000;
/// How often topics are looked at for new partitions.
constexpr Duration kLookEvery{30 * kMicrosPerSecond};

class UpLoop {
 public:
  UpLoop(Workspace& workspace, const UpOptions& options)
      : workspace_(workspace), options_(options), clock_(workspace.world().clock) {}

  Status run(RunReport* report) {
    for (const auto& [name, bronze] : workspace_.project().bronze) {
      if (workspace_.reads_parts(name)) {
        ASSAY_ASSIGN_OR_RETURN(lines_.emplace_back(),
                               KafkaLine::open(workspace_, name, options_.run));
      }
      reads_files_ = reads_files_ || !workspace_.reads_parts(name);
    }
    ASSAY_ASSIGN_OR_RETURN(const bool was_served, has_all_views());
    // What the tables are behind, and the files that are there.
    ASSAY_RETURN_IF_ERROR(run_steps(workspace_, options_.run, Steps::kFilesAndTables, report));
    if (was_served) {
      ASSAY_RETURN_IF_ERROR(be_ready());
    }
    flushed_at_ = clock_.monotonic();
    polled_at_ = flushed_at_;
    looked_at_ = flushed_at_;
    ASSAY_RETURN_IF_ERROR(complete_if_caught_up());
    ASSAY_RETURN_IF_ERROR(loop(report));
    return flush(report);
  }

 private:
  Status loop(RunReport* report) {
    while (!options_.run.stopping()) {
      for (const std::unique_ptr<KafkaLine>& line : lines_) {
        ASSAY_RETURN_IF_ERROR(line->take(kTakeRecords, kWait).status());
      }
      note_lag();
      if (lines_.empty()) {
        pause_for({100'000});
      }
      if (is_over(looked_at_, kLookEvery)) {
        ASSAY_RETURN_IF_ERROR(look_for_partitions(report));
      } else if (flush_is_due()) {
        ASSAY_RETURN_IF_ERROR(flush(report));
      }
      ASSAY_RETURN_IF_ERROR(complete_if_caught_up());
    }
    return {};
  }

  /// Whether the online store has every view as it is defined now.
  Result<bool> has_all_views() {
    ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace_.online(false));
    for (const auto& [name, definition] : workspace_.project().views) {
      ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace_.view(name));
      const Result<std::optional<online::AppliedTo>> applied = store->applied_to(*view);
      if (applied.code() == Code::kFailedPrecondition) {
        return false;  // of an earlier definition
      }
      ASSAY_RETURN_IF_ERROR(applied.status());
      if (!applied->has_value()) {
        return false;
      }
    }
    return true;
  }

  Status be_ready() {
    if (is_ready_ || !options_.ready) {
      return {};
    }
    is_ready_ = true;
    return options_.ready();
  }

  /// Once all that was there at the start is in every table, the definitions are complete.
  Status complete_if_caught_up() {
    const bool has_read =
        std::all_of(lines_.begin(), lines_.end(), [](const std::unique_ptr<KafkaLine>& line) {
          return line->has_read_backlog() && line->pending_records() == 0;
        });
    if (is_complete_ || !has_read) {
      return {};
    }
    is_complete_ = true;
    ASSAY_RETURN_IF_ERROR(workspace_.mark_complete());
    return be_ready();
  }

  Status look_for_partitions(RunReport* report) {
    ASSAY_RETURN_IF_ERROR(flush(report));
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      ASSAY_RETURN_IF_ERROR(line->look_for_partitions());
    }
    looked_at_ = clock_.monotonic();
    return {};
  }

  [[nodiscard]] bool is_over(Duration since, Duration length) const {
    return clock_.monotonic().micros - since.micros >= length.micros;
  }

  [[nodiscard]] bool flush_is_due() const {
    int64_t records = 0;
    std::size_t bytes = 0;
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      records += line->pending_records();
      bytes += line->pending_bytes();
    }
    return (records > 0 && is_over(flushed_at_, options_.flush_every)) ||
           bytes >= options_.flush_bytes ||
           (reads_files_ && is_over(polled_at_, options_.poll_every));
  }

  /// Commit what was taken, read new files, and bring every table behind them there.
  Status flush(RunReport* report) {
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      StageAccount account;
      account.stage = "bronze";
      account.name = line->name();
      ASSAY_RETURN_IF_ERROR(line->commit(&account));
      add_account(workspace_.world().metrics, std::move(account), report);
    }
    ASSAY_RETURN_IF_ERROR(run_steps(workspace_, until_end(), Steps::kFilesAndTables, report));
    ASSAY_RETURN_IF_ERROR(keep_tables(workspace_, report));
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      note_freshness(*line);
    }
    flushed_at_ = clock_.monotonic();
    polled_at_ = flushed_at_;
    if (options_.flushed) {
      options_.flushed(*report);
    }
    return {};
  }

  /// A stop does not end the stages of a flush: it is the last one.
  [[nodiscard]] RunOptions until_end() const {
    RunOptions options = options_.run;
    options.stop = nullptr;
    return options;
  }

  void note_lag() {
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      workspace_.world()
          .metrics
          .gauge("assay_flow_source_lag_records",
                 "Records of the source that were not taken yet",
                 {{"name", line->name()}})
          .set(static_cast<double>(line->lag()));
    }
  }

  /// How long the longest waiting record of this flush took until it was readable.
  void note_freshness(KafkaLine& line) {
    const std::optional<EventTime> received = line.take_oldest_received();
    if (received.has_value()) {
      workspace_.world()
          .metrics
          .histogram("assay_flow_readable_after_seconds",
                     "Time from the reading of a flush's first record until all of it was readable",
                     {{"name", line.name()}})
          .observe(static_cast<double>(clock_.now().micros - received->micros) / 1e6);
    }
  }

  Workspace& workspace_;
  const UpOptions& options_;
  Clock& clock_;
  std::vector<std::unique_ptr<KafkaLine>> lines_;
  bool reads_files_ = false;
  bool is_complete_ = false;
  bool is_ready_ = false;
  Duration flushed_at_;
  Duration polled_at_;
  Duration looked_at_;
};

}  // namespace

Result<RunReport> run_up(Workspace& workspace, const UpOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, workspace.lock_for_writing());
  ASSAY_ASSIGN_OR_RETURN(const int64_t run, workspace.catalog().start_run("up"));
  RunReport report;
  Status status = UpLoop(workspace, options).run(&report);
  if (status.code() == Code::kCancelled) {
    status = Status();  // stopped while it began: nothing is pending
  }
  const char* outcome = status.ok() ? "stopped" : "failed";
  ASSAY_RETURN_IF_ERROR(workspace.catalog().finish_run(run, outcome, accounts_json(report.stages)));
  ASSAY_RETURN_IF_ERROR(status);
  return report;
}

}  // namespace assay::flow
