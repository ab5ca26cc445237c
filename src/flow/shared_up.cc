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
#include "flow/read_journal.h"
#include "flow/shared_line.h"
#include "flow/shared_stages.h"
#include "flow/source_ledger.h"
#include "flow/sources_away.h"
#include "flow/views_online.h"
#include "ingest/schema_registry.h"

namespace assay::flow {
namespace {

constexpr int64_t kTakeRecords = 20'000;
/// How long a wait goes on before it looks whether it was asked to stop.
constexpr Duration kBlink{50'000};
/// How often it is looked whether nobody leads, and whether all is made that is to be served.
constexpr Duration kLookEvery{500'000};
/// And where partitions end.
constexpr Duration kTopicsEvery{1 * kMicrosPerSecond};
/// And how far the stages are behind.
constexpr Duration kBehindEvery{2 * kMicrosPerSecond};
/// A process that waits for the one that leads says so this often.
constexpr int64_t kLooksPerLine = 200;

class SharedUp {
 public:
  SharedUp(Workspace& workspace, const UpOptions& options)
      : workspace_(workspace),
        options_(options),
        clock_(workspace.world().clock),
        stages_(workspace, options, &wakeup_),
        away_(workspace, options, &wakeup_, std::min(kTopicsEvery, options.look_every)),
        behind_(workspace) {}

  /// Follow the topics until asked to stop. After any failure that may pass the lines are opened
  /// anew where the tables stand, as after a crash.
  Status run(RunReport* report) {
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, workspace_.lock_for_sharing());
    ASSAY_RETURN_IF_ERROR(spill_apart());
    ASSAY_RETURN_IF_ERROR(be_ready_if_complete());
    ASSAY_ASSIGN_OR_RETURN(const bool were_found, has_found_topics(workspace_));
    Duration pause = options_.retry_first;
    for (;;) {
      has_flushed_ = false;
      const Status status = follow(report);
      // What was served is served on, also where brokers are away from the start.
      if (status.ok() || !may_pass(status) || !(is_ready_ || were_found || has_begun_)) {
        return status;
      }
      pause = has_flushed_ ? options_.retry_first : pause;
      workspace_.world().log.error("line_waits",
                                   {{"why", status.to_string()},
                                    {"next_try_seconds", static_cast<double>(pause.micros) / 1e6}});
      note_waiting(true);
      count_failure(workspace_.world(), "line");
      // Others read on meanwhile: who waits must not keep partitions that nobody reads then.
      lines_.clear();
      stages_.rest();
      if (!wait(pause)) {
        return {};  // what was taken is taken again, here or elsewhere
      }
      pause = {std::min(pause.micros * 2, options_.retry_max.micros)};
    }
  }

 private:
  /// The line from its opening to its end.
  Status follow(RunReport* report) {
    ASSAY_RETURN_IF_ERROR(wait_for_journals(report));
    ASSAY_RETURN_IF_ERROR(open_lines());
    has_begun_ = true;
    flushed_at_ = clock_.monotonic();
    ASSAY_RETURN_IF_ERROR(loop(report));
    stages_.leave();
    away_.end();
    ASSAY_RETURN_IF_ERROR(flush(report));
    lines_.clear();  // others have the partitions from here on
    return stages_.finish(report);
  }

  /// Open the lines of all tables of topics. Where everything was made once, those whose brokers do
  /// not answer are left out.
  Status open_lines() {
    std::vector<std::string> names;
    for (const auto& [name, bronze] : workspace_.project().bronze) {
      if (workspace_.reads_parts(name)) {
        names.push_back(name);
      }
    }
    ASSAY_RETURN_IF_ERROR(away_.begin());
    ASSAY_ASSIGN_OR_RETURN(auto answers, away_.ask());
    Status first;
    for (const std::string& name : names) {
      ASSAY_ASSIGN_OR_RETURN(const bool may_go_without, may_leave_out(name));
      bool source_failed = true;
      const bool is_away = may_go_without && !answers[name].ok();
      const Status opened = is_away ? answers[name] : open_line(name, &source_failed);
      if (opened.ok()) {
        continue;
      }
      if (!may_go_without || !source_failed || !may_pass(opened)) {
        return opened;
      }
      away_.leave_out(name, opened);
      first = first.ok() ? opened : first;
    }
    return lines_.empty() && names.size() == workspace_.project().bronze.size() ? first : Status();
  }

  /// Where everything was made once, the others go on without a table whose source does not answer.
  Result<bool> may_leave_out(const std::string& name) {
    ASSAY_ASSIGN_OR_RETURN(const bool is_complete, workspace_.is_complete());
    ASSAY_ASSIGN_OR_RETURN(const bool was_found, away_.was_found(name));
    return is_complete && was_found && workspace_.project().bronze.size() > 1;
  }

  Status open_line(const std::string& name, bool* source_failed) {
    *source_failed = false;
    ASSAY_ASSIGN_OR_RETURN(const std::string group, workspace_.sharing_group(name));
    ASSAY_ASSIGN_OR_RETURN(
        std::unique_ptr<SharedLine> line,
        SharedLine::open(workspace_, name, group, run_options(), source_failed));
    const TopicWatch::Answer* const last = away_.last(name);
    if (last != nullptr) {
      line->note_look(last->look, last->asked_at);
    }
    lines_.push_back(std::move(line));
    away_.take_back(name);
    return {};
  }

  /// What brokers have answered; and tables that were left out, of those that have.
  Status note_looks() {
    for (const SourcesAway::Answer& answer : away_.take()) {
      const Result<ingest::KafkaLook>& look = answer.said.look;
      const auto line = std::find_if(lines_.begin(), lines_.end(), [&](const auto& one) {
        return one->name() == answer.table;
      });
      if (line != lines_.end()) {
        if (answer.said.was_silent) {
          (*line)->note_look(Status(Code::kUnavailable, "no answer"), answer.said.asked_at);
        }
        (*line)->note_look(look, answer.said.asked_at);
      } else if (!look.ok() && !may_pass(look.status())) {
        return look.status();
      } else if (away_.is_due(answer.table)) {
        bool source_failed = false;
        const Status opened = open_line(answer.table, &source_failed);
        if (!opened.ok() && !(source_failed && may_pass(opened))) {
          return opened;
        }
        if (!opened.ok()) {
          away_.leave_out(answer.table, opened);
        }
      }
    }
    return {};
  }

  /// Read what lines have. One whose source fails is left out: what it had taken and not committed
  /// is read again where the table stands.
  Result<bool> take(RunReport* report) {
    bool is_any = false;
    for (std::size_t i = 0; i < lines_.size();) {
      SharedLine& line = *lines_[i];
      StageAccount account = account_of(line.name());
      const Result<bool> took = line.take(kTakeRecords, &account);
      add_account(workspace_.world().metrics, std::move(account), report);
      if (line.must_ask_leaders()) {
        away_.ask_brokers(line.name());
      }
      if (took.ok()) {
        is_any = is_any || *took;
        ++i;
        continue;
      }
      ASSAY_ASSIGN_OR_RETURN(const bool may_go_without, may_leave_out(line.name()));
      if (!may_go_without || !line.has_source_failed() || !may_pass(took.status())) {
        return took.status();
      }
      away_.leave_out(line.name(), took.status());
      lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return is_any;
  }

  /// A process that ran alone may have left views ahead of the lake: who leads brings the lake
  /// there before anybody reads on.
  Status wait_for_journals(RunReport* report) {
    for (int64_t looks = 0;; ++looks) {
      ASSAY_RETURN_IF_ERROR(stages_.try_to_lead());
      ASSAY_ASSIGN_OR_RETURN(const bool has_journals,
                             ReadJournal::has_any(workspace_.world(), workspace_.project().folder));
      if (!has_journals) {
        return {};
      }
      if (stages_.leads()) {
        return recover(report);
      }
      if (looks % kLooksPerLine == 0) {
        workspace_.world().log.info("waits_for_journals", {{"project", workspace_.project().name}});
      }
      if (!wait(kBlink)) {
        return {Code::kCancelled, "stopped before it began"};
      }
    }
  }

  Status recover(RunReport* report) {
    for (const auto& [name, bronze] : workspace_.project().bronze) {
      ASSAY_ASSIGN_OR_RETURN(const bool has_reads, has_journal(workspace_, name));
      if (!workspace_.reads_parts(name) || !has_reads) {
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
      ASSAY_ASSIGN_OR_RETURN(const bool is_any, take(report));
      if (!is_any) {
        wakeup_.wait(kBlink);
      }
      ASSAY_RETURN_IF_ERROR(note_looks());
      if (flush_is_due()) {
        ASSAY_RETURN_IF_ERROR(flush(report));
      }
      ASSAY_RETURN_IF_ERROR(look());
      ASSAY_RETURN_IF_ERROR(stages_.step(lines_, report));
      if (stages_.is_complete()) {
        ASSAY_RETURN_IF_ERROR(be_ready());
      }
      note_waiting(away_.has_left_out());
    }
    return {};
  }

  Status flush(RunReport* report) {
    const Duration began = clock_.monotonic();
    std::optional<EventTime> first;
    for (const std::unique_ptr<SharedLine>& line : lines_) {
      StageAccount account = account_of(line->name());
      const Status committed = line->commit(&account);
      add_account(workspace_.world().metrics, std::move(account), report);
      ASSAY_RETURN_IF_ERROR(committed);
      const std::optional<EventTime> received = line->take_oldest_received();
      if (received.has_value()) {
        note_readable(workspace_.world(), line->name(), *received);
        first = std::min(first.value_or(*received), *received);
      }
    }
    note_commit(workspace_.world(), began, first);
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

  /// Now and then: lead where nobody does, serve once everything is made, and tell how it is.
  Status look() {
    if (looked_at_.has_value() && !is_over(*looked_at_, kLookEvery)) {
      return {};
    }
    looked_at_ = clock_.monotonic();
    ASSAY_RETURN_IF_ERROR(stages_.try_to_lead());
    ASSAY_RETURN_IF_ERROR(be_ready_if_complete());
    Metrics& metrics = workspace_.world().metrics;
    metrics.gauge("assay_flow_leads", "1 while this process runs the stages behind bronze")
        .set(stages_.leads() ? 1 : 0);
    for (const std::unique_ptr<SharedLine>& line : lines_) {
      metrics
          .gauge("assay_flow_shared_partitions",
                 "Partitions that this process has",
                 {{"name", line->name()}})
          .set(static_cast<double>(line->partitions()));
      note_source(*line);
    }
    if (!behind_at_.has_value() || is_over(*behind_at_, kBehindEvery)) {
      behind_at_ = looked_at_;
      const Result<Duration> behind = behind_.now();
      if (behind.ok()) {
        metrics
            .gauge("assay_flow_stages_behind_seconds",
                   "For how long bronze has had rows that the tables behind it have not")
            .set(static_cast<double>(behind->micros) / 1e6);
      }
    }
    return {};
  }

  /// Whether its brokers answer, and, from the one that leads, what of all partitions is still to
  /// be read, so that it is told also of those that nobody has.
  void note_source(SharedLine& line) {
    Status answer = line.ends().status();
    const std::string& trouble = line.group_trouble();
    if (answer.ok() && !trouble.empty() && line.partitions() == 0) {
      answer = {Code::kUnavailable, "the group gives no partitions: " + trouble};
    } else if (answer.ok() && line.waits_for_schemas()) {
      answer = {Code::kUnavailable, "its schema registry does not answer"};
    } else if (answer.ok() && away_.last(line.name()) != nullptr) {
      answer = away_.last(line.name())->others;
    }
    away_.note(line.name(), answer);
    const Result<std::vector<ingest::KafkaSource::PartLag>> lags = line.lags();
    if (!lags.ok()) {
      return;
    }
    if (stages_.leads()) {
      away_.lags(line.name()).note_read(*lags);
      note_unread(line);
    } else {
      away_.lags(line.name()).leave(*lags);
    }
  }

  void note_unread(const SharedLine& line) {
    const Duration long_time{
        std::max(options_.unread_after.micros, options_.flush_every.micros * 3)};
    const std::vector<std::string> unread = line.unread(long_time);
    workspace_.world()
        .metrics
        .gauge("assay_flow_partitions_unread",
               "Partitions with records of which nothing has come to the table for half a minute",
               {{"name", line.name()}})
        .set(static_cast<double>(unread.size()));
    if (!unread.empty() && unread_.insert(line.name()).second) {
      workspace_.world().log.error("partitions_are_not_read",
                                   {{"table", "bronze." + line.name()},
                                    {"partitions", static_cast<int64_t>(unread.size())},
                                    {"first", unread.front()},
                                    {"for_seconds", static_cast<double>(long_time.micros) / 1e6}});
    } else if (unread.empty() && unread_.erase(line.name()) > 0) {
      workspace_.world().log.warn("partitions_are_read_again",
                                  {{"table", "bronze." + line.name()}});
    }
  }

  /// Whoever made what is to be served: all serve it.
  Status be_ready_if_complete() {
    if (is_ready_) {
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(const bool is_complete, workspace_.is_complete());
    return is_complete ? be_ready() : Status();
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
    options.waits_for_registry = true;
    options.left_askers = &left_askers_;
    return options;
  }

  void note_waiting(bool lines_wait) {
    workspace_.world()
        .metrics
        .gauge("assay_flow_line_waiting",
               "1 while the line waits because brokers, the lake or the online store are away")
        .set(lines_wait || stages_.is_waiting() ? 1 : 0);
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
  std::unique_ptr<FileLock> spill_lock_;
  SharedStages stages_;
  SourcesAway away_;
  StagesBehind behind_;
  ingest::LeftAskers left_askers_;
  std::vector<std::unique_ptr<SharedLine>> lines_;
  bool has_begun_ = false;    // the sources could be opened once
  bool has_flushed_ = false;  // since the lines were opened
  bool is_ready_ = false;
  Duration flushed_at_;
  std::optional<Duration> looked_at_;
  std::optional<Duration> behind_at_;
  std::set<std::string> unread_;  // tables some of whose partitions nobody reads
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
  return report_up(workspace, "up --share", [&](RunReport* report) {
    return SharedUp(workspace, options).run(report);
  });
}

}  // namespace assay::flow
