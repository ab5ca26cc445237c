#include "flow/up.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/pause.h"
#include "flow/direct_line.h"
#include "flow/kafka_line.h"
#include "flow/lag_metrics.h"
#include "flow/lake_thread.h"
#include "flow/publish.h"
#include "flow/source_ledger.h"

namespace assay::flow {
namespace {

constexpr int64_t kTakeRecords = 20'000;
/// How often metrics of what is still to be read are brought up to date.
constexpr Duration kNoteEvery{200'000};
/// Topics are brought to the present instant this often, or as often as the lake is written.
constexpr Duration kPublishEvery{1 * kMicrosPerSecond};
/// How long a wait goes on before it looks whether it was asked to stop.
constexpr Duration kBlink{50'000};

class UpLoop {
 public:
  UpLoop(Workspace& workspace, const UpOptions& options)
      : workspace_(workspace),
        options_(options),
        clock_(workspace.world().clock),
        brokers_(workspace.world()),
        publishes_(publishes(workspace.project())),
        has_lake_(workspace.project().has_lake) {}

  /// Follow the sources until asked to stop. What is away is waited for: the lines are opened anew
  /// where the tables stand, as after a crash.
  Status run(RunReport* report) {
    ASSAY_ASSIGN_OR_RETURN(const bool was_served, has_all_views());
    if (was_served) {
      ASSAY_RETURN_IF_ERROR(be_ready());
    }
    ASSAY_ASSIGN_OR_RETURN(const bool were_found, has_found_topics(workspace_));
    Duration pause = options_.retry_first;
    for (;;) {
      has_flushed_ = false;
      Status status = follow(report);
      const bool may_come_back = retryable(status.code()) || status.code() == Code::kCommitUnknown;
      if (status.ok() || !may_come_back || !(was_served || were_found || has_begun_)) {
        return status;
      }
      pause = has_flushed_ ? options_.retry_first : pause;
      note_away(status, pause);
      if (!wait(pause)) {
        if (!has_pending()) {
          return {};  // nothing was taken that the lake does not have
        }
        return status.with_context(
            "stopped while it waited; the next `assay up` or `assay run` "
            "reads on where the tables stand");
      }
      pause = {std::min(pause.micros * 2, options_.retry_max.micros)};
    }
  }

 private:
  [[nodiscard]] bool has_pending() const {
    return std::any_of(lines_.begin(), lines_.end(), [](const std::unique_ptr<KafkaLine>& line) {
      return line != nullptr && line->has_uncommitted();
    });
  }

  /// The line from its opening to its end.
  Status follow(RunReport* report) {
    lake_.reset();  // what it still does is done before tables are looked at
    take_fast_accounts(report);
    lines_.clear();
    reads_files_ = false;
    if (!has_lake_) {
      RunOptions options = run_options();
      options.begins_anew = options.begins_anew && !is_prepared_;  // what was said at the start
      ASSAY_RETURN_IF_ERROR(prepare_direct_lines(workspace_, options));
      is_prepared_ = true;
    }
    for (const auto& [name, bronze] : workspace_.project().bronze) {
      if (workspace_.reads_parts(name)) {
        ASSAY_ASSIGN_OR_RETURN(lines_.emplace_back(),
                               KafkaLine::open(workspace_, name, run_options()));
      }
      reads_files_ = reads_files_ || !workspace_.reads_parts(name);
    }
    has_begun_ = true;
    is_fast_ = false;
    ASSAY_RETURN_IF_ERROR(recover(report));
    // What the tables are behind, and the files that are there.
    ASSAY_RETURN_IF_ERROR(run_steps(workspace_, options_.run, Steps::kFilesAndTables, report));
    note_back();
    if (!has_lake_) {
      ASSAY_RETURN_IF_ERROR(begin_epochs());  // rows reach views from the first one on
    }
    ASSAY_ASSIGN_OR_RETURN(lake_, LakeThread::start(workspace_, run_options()));
    flushed_at_ = clock_.monotonic();
    polled_at_ = flushed_at_;
    looked_at_ = flushed_at_;
    ASSAY_RETURN_IF_ERROR(loop(report));
    ASSAY_RETURN_IF_ERROR(flush(report));
    for (StageAccount& account : lake_->end_publishing().stages) {
      merge_account(std::move(account), report);
    }
    lake_.reset();
    return {};
  }

  /// Bring what a crash left in the journals to the tables.
  Status recover(RunReport* report) {
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      StageAccount account;
      account.stage = "bronze";
      account.name = line->name();
      ASSAY_RETURN_IF_ERROR(line->recover(&account));
      add_account(workspace_.world().metrics, std::move(account), report);
    }
    return {};
  }

  Status loop(RunReport* report) {
    while (!options_.run.stopping()) {
      bool is_any = false;
      for (const std::unique_ptr<KafkaLine>& line : lines_) {
        ASSAY_ASSIGN_OR_RETURN(const auto rows, line->take(kTakeRecords, {0}));
        is_any = is_any || rows.has_value();
      }
      note_lag();
      if (!is_any) {
        wakeup_.wait(kBlink);
      }
      if (is_over(looked_at_, options_.look_every)) {
        ASSAY_RETURN_IF_ERROR(look_for_partitions(report));
      }
      if (lake_->has_job()) {
        ASSAY_RETURN_IF_ERROR(take_done(report));
      }
      if (must_flush()) {
        ASSAY_RETURN_IF_ERROR(flush(report));
      } else if (!lake_->has_job() && (flush_is_due() || files_are_due())) {
        // Files alone end no epoch while a line's next commit is one that it has to wait for.
        ASSAY_RETURN_IF_ERROR(begin_job(!a_line_must_wait()));
      } else if (is_fast_ && !lake_->has_job() && lake_->owes_gold(clock_.monotonic())) {
        ASSAY_RETURN_IF_ERROR(begin_job(false));
      }
      if (publishing_is_due()) {
        published_at_ = clock_.monotonic();
        lake_->publish();
      }
    }
    return {};
  }

  [[nodiscard]] RunOptions run_options() {
    RunOptions options = options_.run;
    options.wakeup = &wakeup_;
    return options;
  }

  [[nodiscard]] bool files_are_due() const {
    return reads_files_ && is_over(polled_at_, options_.poll_every);
  }

  /// Values change as time goes on, also where no record comes.
  [[nodiscard]] bool publishing_is_due() const {
    return is_complete_ && publishes_ &&
           is_over(published_at_, std::max(options_.flush_every, kPublishEvery));
  }

  /// Whether nothing may be read before the lake has what was taken: until the backlog is read,
  /// when more than one epoch would be held in memory, and when a line must find its place anew.
  [[nodiscard]] bool must_flush() const {
    if (!has_lake_ && !is_complete_ && has_read_backlog()) {
      return true;
    }
    if (!is_fast_) {
      return flush_is_due() || has_read_backlog() || files_are_due();
    }
    std::size_t bytes = 0;
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      if (line->has_dropped_views()) {
        return true;
      }
      bytes += line->pending_bytes();
    }
    return (a_line_must_wait() && flush_is_due()) ||
           (lake_->has_job() && bytes >= options_.flush_bytes);
  }

  [[nodiscard]] bool a_line_must_wait() const {
    return std::any_of(lines_.begin(), lines_.end(), [](const std::unique_ptr<KafkaLine>& line) {
      return line->is_epoch_full() || line->must_wait_for_lake();
    });
  }

  /// Whether all that was in the topics at the start was taken.
  [[nodiscard]] bool has_read_backlog() const {
    return std::all_of(lines_.begin(), lines_.end(), [](const std::unique_ptr<KafkaLine>& line) {
      return line->has_read_backlog();
    });
  }

  /// Once the backlog is in every table, the definitions are complete, and from then on rows reach
  /// views before the lake.
  Status go_fast() {
    if (!is_complete_) {
      is_complete_ = true;
      ASSAY_RETURN_IF_ERROR(workspace_.mark_complete());
      ASSAY_RETURN_IF_ERROR(be_ready());
    }
    return begin_epochs();
  }

  Status begin_epochs() {
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      ASSAY_RETURN_IF_ERROR(line->begin_epoch());
      if (!is_fast_ && has_lake_) {
        workspace_.world().log.info(
            "backlog_is_read",
            {{"table", "bronze." + line->name()}, {"fast_views", line->fast_views()}});
      }
    }
    is_fast_ = true;
    return {};
  }

  /// Wait; false when asked to stop meanwhile.
  [[nodiscard]] bool wait(Duration length) const {
    const Duration began = clock_.monotonic();
    while (!options_.run.stopping() && !is_over(began, length)) {
      pause_for(kBlink);
    }
    return !options_.run.stopping();
  }

  Gauge& waiting() {
    return workspace_.world().metrics.gauge(
        "assay_flow_line_waiting",
        "1 while the line waits because brokers, the lake or the online store are away");
  }

  void note_away(const Status& why, Duration pause) {
    waiting().set(1);
    count_failure(workspace_.world(), "line");
    if (!away_since_.has_value()) {
      away_since_ = clock_.monotonic();
      workspace_.world().log.error("line_waits",
                                   {{"why", why.to_string()},
                                    {"next_try_seconds", static_cast<double>(pause.micros) / 1e6}});
    }
  }

  void note_back() {
    waiting().set(0);
    if (away_since_.has_value()) {
      const int64_t away = clock_.monotonic().micros - away_since_->micros;
      workspace_.world().log.info("line_goes_on",
                                  {{"after_seconds", static_cast<double>(away) / 1e6}});
      away_since_.reset();
    }
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

  /// Brokers that do not answer are asked again at the next look; the client library goes on with
  /// what it reads as soon as they are back.
  Status look_for_partitions(RunReport* report) {
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      const Result<bool> is_new = line->has_new_partitions();
      const bool is_away = !is_new.ok() && retryable(is_new.code());
      if (!is_new.ok() && !is_away) {
        return is_new.status();
      }
      brokers_.note(line->name(), is_new.status());
      if (!is_away && *is_new) {
        ASSAY_RETURN_IF_ERROR(flush(report));
        ASSAY_RETURN_IF_ERROR(line->seek());
      }
    }
    looked_at_ = clock_.monotonic();  // a broker that is away has taken its time
    return {};
  }

  [[nodiscard]] bool is_over(Duration since, Duration length) const {
    return clock_.monotonic().micros - since.micros >= length.micros;
  }

  [[nodiscard]] bool flush_is_due() const {
    int64_t records = 0;
    std::size_t bytes = 0;
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      if (line->is_epoch_full()) {
        return true;
      }
      records += line->pending_records();
      bytes += line->pending_bytes();
    }
    return (records > 0 && is_over(flushed_at_, options_.flush_every)) ||
           bytes >= options_.flush_bytes;
  }

  /// Let the lake's thread commit what was taken, read new files, and bring every table behind them
  /// there; views that are ahead stay so. Without `ends_epochs` what was taken waits.
  Status begin_job(bool ends_epochs) {
    LakeThread::Job job;
    job.options = options_.run;
    job.options.stop = nullptr;  // a stop does not end the stages: they may be the last ones
    job.options.is_live = true;
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      job.options.ahead.merge(line->views_ahead());
      if (!ends_epochs) {
        continue;
      }
      ASSAY_ASSIGN_OR_RETURN(std::optional<KafkaLine::EpochEnd> end, line->end_epoch());
      if (end.has_value()) {
        job.epochs.push_back({line->name(), std::move(end->pending), std::move(end->reached)});
        received_[line->name()] = line->take_oldest_received();
      }
    }
    job.makes_all = options_.run.stopping() || (!is_complete_ && has_read_backlog());
    job.publishes = is_complete_ && publishes_;
    job_began_ = clock_.monotonic();
    published_at_ = job.publishes ? job_began_ : published_at_;
    polled_at_ = job_began_;
    is_flush_ = is_flush_ || !job.epochs.empty() || !is_fast_;
    lake_->begin(std::move(job));
    return {};
  }

  /// What the lake's thread has done, if it has.
  Status take_done(RunReport* report) {
    std::optional<LakeThread::Done> done = lake_->take_done();
    return done.has_value() ? note_done(*std::move(done), report) : Status();
  }

  void take_fast_accounts(RunReport* report) {
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      auto accounts = line == nullptr ? std::vector<StageAccount>() : line->take_fast_accounts();
      for (StageAccount& account : accounts) {
        merge_account(std::move(account), report);
      }
    }
  }

  Status note_done(LakeThread::Done done, RunReport* report) {
    for (StageAccount& account : done.report.stages) {
      merge_account(std::move(account), report);
    }
    report->dropped.insert(
        report->dropped.end(), done.report.dropped.begin(), done.report.dropped.end());
    take_fast_accounts(report);
    ASSAY_RETURN_IF_ERROR(done.status);
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      ASSAY_RETURN_IF_ERROR(line->note_committed());
      ASSAY_RETURN_IF_ERROR(line->follow_lake());
    }
    const std::optional<EventTime> first = note_freshness();
    if (std::exchange(is_flush_, false)) {
      note_commit(workspace_.world(), job_began_, first);
      flushed_at_ = job_began_;
      has_flushed_ = true;
      if (options_.flushed) {
        options_.flushed(*report);
      }
    }
    return {};
  }

  /// Bring everything that was taken to the lake and to every table behind it, and wait for it.
  Status flush(RunReport* report) {
    const bool is_backlog_read = (is_fast_ && has_lake_) || has_read_backlog();
    if (lake_->has_job()) {
      ASSAY_RETURN_IF_ERROR(note_done(wait_for_lake(), report));
    }
    ASSAY_RETURN_IF_ERROR(begin_job(true));
    ASSAY_RETURN_IF_ERROR(note_done(wait_for_lake(), report));
    return is_backlog_read ? go_fast() : Status();
  }

  /// What the lake's thread has done; meanwhile it is told how far behind the line is.
  LakeThread::Done wait_for_lake() {
    for (;;) {
      if (std::optional<LakeThread::Done> done = lake_->take_done()) {
        return *std::move(done);
      }
      note_lag();
      wakeup_.wait(kNoteEvery);
    }
  }

  /// What is still to be read, by source and by partition.
  void note_lag() {
    if (!is_over(noted_at_, kNoteEvery)) {
      return;
    }
    noted_at_ = clock_.monotonic();
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      flow::note_lag(workspace_.world(), line->name(), line->lag(), line->part_lags());
    }
  }

  /// How long the longest waiting record of this flush took until the lake had it; when it was
  /// read.
  std::optional<EventTime> note_freshness() {
    std::optional<EventTime> first;
    for (const auto& [name, received] : std::exchange(received_, {})) {
      if (received.has_value()) {
        note_readable(workspace_.world(), name, *received);
        first = std::min(first.value_or(*received), *received);
      }
    }
    return first;
  }

  Workspace& workspace_;
  const UpOptions& options_;
  Clock& clock_;
  Wakeup wakeup_;  // topics have records, or the lake's thread is done
  std::vector<std::unique_ptr<KafkaLine>> lines_;
  std::unique_ptr<LakeThread> lake_;
  std::map<std::string, std::optional<EventTime>>
      received_;  // first of each line's epoch on its way
  BrokersAway brokers_;
  std::optional<Duration> away_since_;
  bool has_begun_ = false;  // the sources could be opened once
  bool is_prepared_ = false;
  bool has_flushed_ = false;  // since the lines were opened
  bool reads_files_ = false;
  bool is_fast_ = false;   // the backlog is read
  bool is_flush_ = false;  // the lake's job has what was taken, not only files
  bool is_complete_ = false;
  const bool publishes_;  // values go to topics
  const bool has_lake_;
  bool is_ready_ = false;
  Duration job_began_;
  Duration published_at_;
  Duration flushed_at_;
  Duration polled_at_;
  Duration noted_at_;
  Duration looked_at_;
};

}  // namespace

Result<RunReport> report_up(Workspace& workspace,
                            const std::string& name,
                            const std::function<Status(RunReport*)>& work) {
  ASSAY_ASSIGN_OR_RETURN(const int64_t run, workspace.catalog().start_run(name));
  RunReport report;
  Status status = work(&report);
  if (status.code() == Code::kCancelled) {
    status = Status();  // stopped while it began: nothing is pending
  }
  const char* outcome = status.ok() ? "stopped" : "failed";
  ASSAY_RETURN_IF_ERROR(workspace.catalog().finish_run(run, outcome, accounts_json(report.stages)));
  ASSAY_RETURN_IF_ERROR(status);
  return report;
}

Result<RunReport> run_up(Workspace& workspace, const UpOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, workspace.lock_for_writing());
  return report_up(
      workspace, "up", [&](RunReport* report) { return UpLoop(workspace, options).run(report); });
}

}  // namespace assay::flow
