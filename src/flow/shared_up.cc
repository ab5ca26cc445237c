#include "flow/shared_up.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/pause.h"
#include "flow/kafka_line.h"
#include "flow/lag_metrics.h"
#include "flow/lake_thread.h"
#include "flow/publish.h"
#include "flow/shared_line.h"

namespace assay::flow {
namespace {

constexpr int64_t kTakeRecords = 20'000;
/// How long a wait goes on before it looks whether it was asked to stop.
constexpr Duration kBlink{50'000};
/// How often it is looked whether nobody leads, and whether all is made that is to be served.
constexpr Duration kLookEvery{500'000};

class SharedUp {
 public:
  SharedUp(Workspace& workspace, const UpOptions& options)
      : workspace_(workspace), options_(options), clock_(workspace.world().clock) {}

  /// Follow the topics until asked to stop. After any failure that may pass the lines are opened
  /// anew where the tables stand, as after a crash.
  Status run(RunReport* report) {
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, workspace_.lock_for_sharing());
    ASSAY_RETURN_IF_ERROR(spill_apart());
    Duration pause = options_.retry_first;
    for (;;) {
      has_flushed_ = false;
      const Status status = follow(report);
      const bool may_pass = retryable(status.code()) || status.code() == Code::kCommitUnknown ||
                            status.code() == Code::kAborted;
      if (status.ok() || !may_pass || !has_begun_) {
        return status;
      }
      pause = has_flushed_ ? options_.retry_first : pause;
      workspace_.world().log.error("line_waits",
                                   {{"why", status.to_string()},
                                    {"next_try_seconds", static_cast<double>(pause.micros) / 1e6}});
      waiting().set(1);
      // Others read on meanwhile: who waits must not keep partitions that nobody reads then.
      lake_.reset();
      lines_.clear();
      if (!wait(pause)) {
        return {};  // what was taken is taken again, here or elsewhere
      }
      pause = {std::min(pause.micros * 2, options_.retry_max.micros)};
    }
  }

 private:
  /// The line from its opening to its end.
  Status follow(RunReport* report) {
    lake_.reset();
    lines_.clear();
    ASSAY_RETURN_IF_ERROR(wait_for_journals(report));
    for (const auto& [name, bronze] : workspace_.project().bronze) {
      if (workspace_.reads_parts(name)) {
        ASSAY_ASSIGN_OR_RETURN(const std::string group, workspace_.sharing_group(name));
        ASSAY_ASSIGN_OR_RETURN(lines_.emplace_back(),
                               SharedLine::open(workspace_, name, group, run_options()));
      }
    }
    has_begun_ = true;
    waiting().set(0);
    ASSAY_RETURN_IF_ERROR(begin_stages());
    flushed_at_ = clock_.monotonic();
    ASSAY_RETURN_IF_ERROR(loop(report));
    return end(report);
  }

  /// A process that ran alone may have left views ahead of the lake: who leads brings the lake
  /// there before anybody reads on.
  Status wait_for_journals(RunReport* report) {
    for (;;) {
      ASSAY_RETURN_IF_ERROR(try_to_lead());
      ASSAY_ASSIGN_OR_RETURN(const bool has_journals,
                             ReadJournal::has_any(workspace_.world(), workspace_.project().folder));
      if (!has_journals) {
        return {};
      }
      if (leads()) {
        return recover(report);
      }
      if (!wait(kBlink)) {
        return {Code::kCancelled, "stopped before it began"};
      }
    }
  }

  Status recover(RunReport* report) {
    for (const auto& [name, bronze] : workspace_.project().bronze) {
      if (!workspace_.reads_parts(name)) {
        continue;
      }
      ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<KafkaLine> line,
                             KafkaLine::open(workspace_, name, run_options()));
      StageAccount account = account_of(name);
      ASSAY_RETURN_IF_ERROR(line->recover(&account));
      add_account(workspace_.world().metrics, std::move(account), report);
    }
    return {};
  }

  Status loop(RunReport* report) {
    while (!options_.run.stopping()) {
      bool is_any = false;
      for (const std::unique_ptr<SharedLine>& line : lines_) {
        StageAccount account = account_of(line->name());
        const Result<bool> took = line->take(kTakeRecords, &account);
        add_account(workspace_.world().metrics, std::move(account), report);
        ASSAY_RETURN_IF_ERROR(took.status());
        is_any = is_any || *took;
      }
      if (!is_any) {
        wakeup_.wait(kBlink);
      }
      if (flush_is_due()) {
        ASSAY_RETURN_IF_ERROR(flush(report));
      }
      ASSAY_RETURN_IF_ERROR(look());
      if (leads()) {
        ASSAY_RETURN_IF_ERROR(run_stages(report));
      }
    }
    return {};
  }

  /// The last commits, and the last stages behind them.
  Status end(RunReport* report) {
    ASSAY_RETURN_IF_ERROR(flush(report));
    lines_.clear();  // others have the partitions from here on
    if (leads()) {
      if (lake_->has_job()) {
        ASSAY_RETURN_IF_ERROR(note_stages(lake_->wait(), report));
      }
      begin_job();
      ASSAY_RETURN_IF_ERROR(note_stages(lake_->wait(), report));
    }
    lake_.reset();
    return {};
  }

  Status flush(RunReport* report) {
    for (const std::unique_ptr<SharedLine>& line : lines_) {
      StageAccount account = account_of(line->name());
      const Status committed = line->commit(&account);
      add_account(workspace_.world().metrics, std::move(account), report);
      ASSAY_RETURN_IF_ERROR(committed);
    }
    flushed_at_ = clock_.monotonic();
    has_flushed_ = true;
    if (options_.flushed) {
      options_.flushed(*report);
    }
    return {};
  }

  [[nodiscard]] bool flush_is_due() const {
    bool is_any = false;
    std::size_t bytes = 0;
    for (const std::unique_ptr<SharedLine>& line : lines_) {
      is_any = is_any || line->has_uncommitted();
      bytes += line->pending_bytes();
    }
    return (is_any && is_over(flushed_at_, options_.flush_every)) || bytes >= options_.flush_bytes;
  }

  // Who leads.

  [[nodiscard]] bool leads() const { return leader_ != nullptr; }

  Status try_to_lead() {
    if (leads()) {
      return {};
    }
    Result<std::unique_ptr<FileLock>> lock = workspace_.lock_for_leading();
    if (lock.code() == Code::kFailedPrecondition) {
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(leader_, std::move(lock));
    workspace_.world().log.info("leads_the_line", {{"project", workspace_.project().name}});
    return {};
  }

  /// Now and then: lead where nobody does, and serve once everything is made.
  Status look() {
    if (looked_at_.has_value() && !is_over(*looked_at_, kLookEvery)) {
      return {};
    }
    looked_at_ = clock_.monotonic();
    note_parts();
    if (!leads()) {
      ASSAY_RETURN_IF_ERROR(try_to_lead());
      ASSAY_RETURN_IF_ERROR(begin_stages());
    }
    if (!is_ready_) {
      ASSAY_ASSIGN_OR_RETURN(const bool is_complete, workspace_.is_complete());
      ASSAY_RETURN_IF_ERROR(is_complete ? be_ready() : Status());
    }
    return {};
  }

  Status begin_stages() {
    if (!leads() || lake_ != nullptr) {
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(lake_, LakeThread::start(workspace_, run_options()));
    staged_at_.reset();
    backlog_.clear();
    for (const std::unique_ptr<SharedLine>& line : lines_) {
      ASSAY_ASSIGN_OR_RETURN(backlog_[line->name()], line->ends());
    }
    return {};
  }

  /// The stages behind bronze, beside the reading: again and again, each time up to what bronze has
  /// then.
  Status run_stages(RunReport* report) {
    if (lake_->has_job()) {
      std::optional<LakeThread::Done> done = lake_->take_done();
      return done.has_value() ? note_stages(*std::move(done), report) : Status();
    }
    if (staged_at_.has_value() && !is_over(*staged_at_, options_.flush_every)) {
      return {};
    }
    has_backlog_ = true;
    for (const std::unique_ptr<SharedLine>& line : lines_) {
      ASSAY_ASSIGN_OR_RETURN(const bool has_all, line->table_reaches(backlog_.at(line->name())));
      has_backlog_ = has_backlog_ && has_all;
    }
    begin_job();
    return {};
  }

  void begin_job() {
    LakeThread::Job job;
    job.options = options_.run;
    job.options.stop = nullptr;  // a stop does not end the stages: they may be the last ones
    job.options.tells_freshness = true;
    job.publishes = is_complete_ && publishes(workspace_.project());
    staged_at_ = clock_.monotonic();
    lake_->begin(std::move(job));
  }

  Status note_stages(LakeThread::Done done, RunReport* report) {
    for (StageAccount& account : done.report.stages) {
      merge_account(std::move(account), report);
    }
    report->dropped.insert(
        report->dropped.end(), done.report.dropped.begin(), done.report.dropped.end());
    ASSAY_RETURN_IF_ERROR(done.status);
    if (has_backlog_ && !is_complete_) {
      is_complete_ = true;
      ASSAY_RETURN_IF_ERROR(workspace_.mark_complete());
      ASSAY_RETURN_IF_ERROR(be_ready());
    }
    if (options_.flushed) {
      options_.flushed(*report);
    }
    return {};
  }

  Status be_ready() {
    if (std::exchange(is_ready_, true) || !options_.ready) {
      return {};
    }
    return options_.ready();
  }

  // Small things.

  /// What does not fit in memory goes to a folder that no other process has: the engine's files
  /// have the same names in each.
  Status spill_apart() {
    const std::string state = join_path(workspace_.project().folder, kStateFolder);
    for (int number = 1;; ++number) {
      const std::string folder = join_path(state, "spill_" + std::to_string(number));
      Result<std::unique_ptr<FileLock>> lock = workspace_.world().files.lock(folder + ".lock");
      if (lock.code() == Code::kFailedPrecondition) {
        continue;  // another's
      }
      ASSAY_ASSIGN_OR_RETURN(spill_lock_, std::move(lock));
      return workspace_.sql().execute("SET temp_directory = " + data::SqlEngine::literal(folder));
    }
  }

  static StageAccount account_of(const std::string& bronze) {
    StageAccount account;
    account.stage = "bronze";
    account.name = bronze;
    return account;
  }

  [[nodiscard]] RunOptions run_options() {
    RunOptions options = options_.run;
    options.wakeup = &wakeup_;
    return options;
  }

  void note_parts() {
    Metrics& metrics = workspace_.world().metrics;
    metrics.gauge("assay_flow_leads", "1 while this process runs the stages behind bronze")
        .set(leads() ? 1 : 0);
    for (const std::unique_ptr<SharedLine>& line : lines_) {
      const MetricLabels labels = {{"name", line->name()}};
      metrics.gauge("assay_flow_shared_partitions", "Partitions that this process has", labels)
          .set(static_cast<double>(line->part_lags().size()));
      std::vector<ingest::KafkaSource::PartLag> lags = line->part_lags();
      std::set<std::string> names;
      for (const ingest::KafkaSource::PartLag& lag : lags) {
        names.insert(lag.name);
      }
      for (const std::string& name : std::exchange(noted_[line->name()], names)) {
        if (!names.contains(name)) {
          lags.push_back({name, 0, {}});  // another process tells of it now
        }
      }
      note_lag(workspace_.world(), line->name(), line->lag(), lags);
    }
  }

  Gauge& waiting() {
    return workspace_.world().metrics.gauge(
        "assay_flow_line_waiting",
        "1 while the line waits because brokers, the lake or the online store are away");
  }

  [[nodiscard]] bool is_over(Duration since, Duration length) const {
    return clock_.monotonic().micros - since.micros >= length.micros;
  }

  /// Wait; false when asked to stop meanwhile.
  [[nodiscard]] bool wait(Duration length) const {
    const Duration began = clock_.monotonic();
    while (!options_.run.stopping() && !is_over(began, length)) {
      pause_for(std::min(kBlink, length));
    }
    return !options_.run.stopping();
  }

  Workspace& workspace_;
  const UpOptions& options_;
  Clock& clock_;
  Wakeup wakeup_;  // topics have records, or stages are done
  std::vector<std::unique_ptr<SharedLine>> lines_;
  std::unique_ptr<FileLock> spill_lock_;
  std::unique_ptr<FileLock> leader_;
  std::unique_ptr<LakeThread> lake_;                      // of who leads
  std::map<std::string, ingest::PartPositions> backlog_;  // by table: where topics ended then
  bool has_backlog_ = false;                              // before the stages that run
  bool has_begun_ = false;                                // the sources could be opened once
  bool has_flushed_ = false;                              // since the lines were opened
  bool is_complete_ = false;
  bool is_ready_ = false;
  Duration flushed_at_;
  std::optional<Duration> staged_at_;
  std::optional<Duration> looked_at_;
  std::map<std::string, std::set<std::string>> noted_;  // by table: partitions of the last note
};

Status check_shared(const catalog::Project& project) {
  if (!project.has_lake) {
    return {Code::kFailedPrecondition,
            "with `lake: none` one process works on a project; run `assay up` without --share"};
  }
  bool is_any = false;
  for (const auto& [name, bronze] : project.bronze) {
    if (project.sources.at(bronze.source).kafka.has_value()) {
      is_any = true;
      const std::string why = why_not_shared(project, name);
      ASSAY_RETURN_IF_ERROR(why.empty() ? Status() : Status(Code::kFailedPrecondition, why));
    }
  }
  return is_any ? Status()
                : Status(Code::kFailedPrecondition,
                         "no bronze table reads a topic, so there is nothing to share; run "
                         "`assay up` without --share");
}

}  // namespace

Result<RunReport> run_shared_up(Workspace& workspace, const UpOptions& options) {
  ASSAY_RETURN_IF_ERROR(check_shared(workspace.project()));
  ASSAY_ASSIGN_OR_RETURN(const int64_t run, workspace.catalog().start_run("up --share"));
  RunReport report;
  Status status = SharedUp(workspace, options).run(&report);
  if (status.code() == Code::kCancelled) {
    status = Status();  // stopped while it began: nothing is pending
  }
  const char* outcome = status.ok() ? "stopped" : "failed";
  ASSAY_RETURN_IF_ERROR(workspace.catalog().finish_run(run, outcome, accounts_json(report.stages)));
  ASSAY_RETURN_IF_ERROR(status);
  return report;
}

}  // namespace assay::flow
