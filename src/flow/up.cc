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
#include "flow/sources_away.h"
#include "flow/views_online.h"
#include "ingest/schema_registry.h"

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
        away_(workspace, options, &wakeup_, options.look_every),
        publishes_(publishes(workspace.project())),
        has_lake_(workspace.project().has_lake) {}

  /// Follow the sources until asked to stop. What is away is waited for: the lines are opened anew
  /// where the tables stand, as after a crash.
  Status run(RunReport* report) {
    ASSAY_ASSIGN_OR_RETURN(const bool was_served, has_all_views(workspace_));
    if (was_served) {
      ASSAY_RETURN_IF_ERROR(be_ready());
    }
    ASSAY_ASSIGN_OR_RETURN(was_complete_, workspace_.is_complete());
    was_complete_ = was_complete_ && was_served;
    ASSAY_ASSIGN_OR_RETURN(const bool were_found, has_found_topics(workspace_));
    Duration pause = options_.retry_first;
    for (;;) {
      has_flushed_ = false;
      Status status = follow(report);
      if (std::exchange(opens_anew_, false) && (status.ok() || may_come_back(status)) &&
          !options_.run.stopping()) {
        continue;
      }
      if (status.ok() || !may_come_back(status) || !(was_served || were_found || has_begun_)) {
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

  static bool may_come_back(const Status& status) {
    return retryable(status.code()) || status.code() == Code::kCommitUnknown;
  }

  /// The line from its opening to its end, or until a table that was left out is to be opened.
  Status follow(RunReport* report) {
    lake_.reset();  // what it still does is done before tables are looked at
    take_fast_accounts(report);
    lines_.clear();
    if (!has_lake_) {
      RunOptions options = run_options();
      options.begins_anew = options.begins_anew && !is_prepared_;  // what was said at the start
      ASSAY_RETURN_IF_ERROR(prepare_direct_lines(workspace_, options));
      is_prepared_ = true;
    }
    ASSAY_RETURN_IF_ERROR(open_lines(report));
    has_begun_ = true;
    is_fast_ = false;
    // What the tables are behind, and the files that are there.
    RunOptions behind = options_.run;
    behind.ahead = left_ahead_;
    ASSAY_RETURN_IF_ERROR(run_steps(workspace_, behind, Steps::kFilesAndTables, report));
    note_back();
    if (!has_lake_) {
      ASSAY_RETURN_IF_ERROR(begin_epochs());  // rows reach views from the first one on
    }
    ASSAY_ASSIGN_OR_RETURN(lake_, LakeThread::start(workspace_, run_options()));
    flushed_at_ = clock_.monotonic();
    polled_at_ = flushed_at_;
    ASSAY_RETURN_IF_ERROR(loop(report));
    ASSAY_RETURN_IF_ERROR(flush(report));
    for (StageAccount& account : lake_->end_publishing().stages) {
      merge_account(std::move(account), report);
    }
    lake_.reset();
    opens_anew_ = away_.is_any_due();
    return {};
  }

  /// Open the lines of all tables of topics, and bring what a crash left in their journals to the
  /// tables. Where everything was made once, those whose brokers do not answer are left out.
  Status open_lines(RunReport* report) {
    std::vector<std::string> names;
    for (const auto& [name, bronze] : workspace_.project().bronze) {
      if (workspace_.reads_parts(name)) {
        names.push_back(name);
      }
    }
    reads_files_ = names.size() < workspace_.project().bronze.size();
    has_others_ = names.size() > 1 || reads_files_;
    left_ahead_.clear();
    ASSAY_RETURN_IF_ERROR(away_.begin());
    std::map<std::string, Status> answers;
    if (may_leave_out()) {
      ASSAY_ASSIGN_OR_RETURN(answers, away_.ask());
    }
    Status first;
    for (const std::string& name : names) {
      const bool waits = away_.is_left_out(name) && !away_.is_due(name);
      const Status opened = waits ? Status(Code::kUnavailable, "bronze." + name + " is left out")
                                  : open_unless_away(name, answers[name], report);
      if (opened.ok()) {
        continue;
      }
      // One that was due, and failed for what is not its source's, would be due again at once.
      if (!waits && (!away_.is_left_out(name) || away_.is_due(name))) {
        return opened;
      }
      first = first.ok() ? opened : first;
      ASSAY_ASSIGN_OR_RETURN(std::set<std::string> ahead, views_behind_journals(workspace_, name));
      left_ahead_.merge(ahead);
    }
    return lines_.empty() && !reads_files_ ? first : Status();
  }

  Status open_unless_away(const std::string& name, const Status& answer, RunReport* report) {
    const Duration began = clock_.monotonic();
    ASSAY_ASSIGN_OR_RETURN(const bool was_found, away_.was_found(name));
    Status status = answer;
    bool source_failed = true;
    if (status.ok() || !may_leave_out() || !was_found) {
      status = open_line(name, report, &source_failed);
    }
    if (status.ok()) {
      away_.take_back(name);
    } else if (may_leave_out() && was_found && source_failed && may_come_back(status)) {
      away_.leave_out(name, status, {clock_.monotonic().micros - began.micros});
    }
    return status;
  }

  Status open_line(const std::string& name, RunReport* report, bool* source_failed) {
    *source_failed = false;
    ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<KafkaLine> line,
                           KafkaLine::open(workspace_, name, run_options(), source_failed));
    away_.lags(name).note_read(line->part_lags());
    StageAccount account;
    account.stage = "bronze";
    account.name = name;
    const Status recovered = line->recover(&account);
    *source_failed = line->has_source_failed();
    ASSAY_RETURN_IF_ERROR(recovered);
    add_account(workspace_.world().metrics, std::move(account), report);
    lines_.push_back(std::move(line));
    return {};
  }

  /// Where all was made once, what is there is served while the rest is away or has much to read.
  [[nodiscard]] bool may_serve_parts() const { return was_complete_ && has_lake_; }
  [[nodiscard]] bool may_leave_out() const { return may_serve_parts() && has_others_; }

  Status loop(RunReport* report) {
    while (!options_.run.stopping() && !away_.is_any_due()) {
      bool is_any = false;
      for (const std::unique_ptr<KafkaLine>& line : lines_) {
        if (is_fast_ && !line->is_fast() && lake_->has_job() &&
            line->pending_bytes() >= options_.flush_bytes / 2) {
          continue;  // its backlog does not make the others wait for the lake
        }
        const Result<std::optional<data::Batch>> rows = line->take(kTakeRecords, {0});
        if (!rows.ok()) {
          note_failed(*line, rows.status());
          return rows.status();
        }
        is_any = is_any || rows->has_value();
      }
      note_lag();
      if (!is_any) {
        wakeup_.wait(kBlink);
      }
      ASSAY_RETURN_IF_ERROR(note_looks(report));
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
    if (options_.run.stopping()) {
      away_.end();
    }
    return {};
  }

  /// A line has failed whose brokers may be the only ones: the others go on without it at once.
  void note_failed(const KafkaLine& line, const Status& why) {
    if (may_leave_out() && line.has_source_failed() && may_come_back(why)) {
      away_.leave_out(line.name(), why);
      opens_anew_ = true;
    }
  }

  [[nodiscard]] RunOptions run_options() {
    RunOptions options = options_.run;
    options.wakeup = &wakeup_;
    options.waits_for_registry = true;
    options.left_askers = &left_askers_;
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
      return flush_is_due() || may_go_fast() || files_are_due();
    }
    std::size_t bytes = 0;
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      if (line->is_fast() ? line->has_dropped_views() : line->has_read_backlog()) {
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

  [[nodiscard]] bool may_go_fast() const {
    return has_read_backlog() ||
           (may_serve_parts() &&
            std::any_of(lines_.begin(), lines_.end(), [](const std::unique_ptr<KafkaLine>& line) {
              return line->has_read_backlog();
            }));
  }

  /// Once the backlog is in every table, the definitions are complete, and from then on rows reach
  /// views before the lake.
  Status go_fast() {
    if (!is_complete_) {
      is_complete_ = true;
      ASSAY_RETURN_IF_ERROR(workspace_.mark_complete());
      was_complete_ = true;
      ASSAY_RETURN_IF_ERROR(be_ready());
    }
    return begin_epochs();
  }

  Status begin_epochs() {
    for (const std::unique_ptr<KafkaLine>& line : lines_) {
      const bool is_new = !line->is_fast();
      if (is_new && has_lake_ && !line->has_read_backlog()) {
        continue;  // its rows reach views with the lake until then
      }
      ASSAY_RETURN_IF_ERROR(line->begin_epoch());
      if (is_new && has_lake_) {
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
    waiting().set(away_.has_left_out() ? 1 : 0);
    if (away_since_.has_value()) {
      const int64_t away = clock_.monotonic().micros - away_since_->micros;
      workspace_.world().log.warn("line_goes_on",
                                  {{"after_seconds", static_cast<double>(away) / 1e6}});
      away_since_.reset();
    }
  }

  Status be_ready() {
    if (is_ready_ || !options_.ready) {
      return {};
    }
    is_ready_ = true;
    return options_.ready();
  }

  /// What brokers have answered. Those that do not are asked again; the client library goes on with
  /// what it reads as soon as they are back.
  Status note_looks(RunReport* report) {
    for (const SourcesAway::Answer& answer : away_.take()) {
      const auto line = std::find_if(lines_.begin(), lines_.end(), [&](const auto& one) {
        return one->name() == answer.table;
      });
      if (line == lines_.end()) {
        const Status& said = answer.said.look.status();
        if (!said.ok() && !retryable(said.code())) {
          return said;
        }
        continue;
      }
      if (answer.said.was_silent) {
        (void)(*line)->note_look(Status(Code::kUnavailable, "no answer"), answer.said.asked_at);
      }
      const Result<bool> must_seek = (*line)->note_look(answer.said.look, answer.said.asked_at);
      const bool is_away = !must_seek.ok() && retryable(must_seek.code());
      if (!must_seek.ok() && !is_away) {
        return must_seek.status();
      }
      const bool is_held = !is_away && (*line)->waits_for_schemas();
      away_.note(answer.table,
                 is_held   ? Status(Code::kUnavailable, "its schema registry does not answer")
                 : is_away ? must_seek.status()
                           : answer.said.others);
      if (!is_away && *must_seek) {
        ASSAY_RETURN_IF_ERROR(flush(report));
        ASSAY_RETURN_IF_ERROR((*line)->seek());
      }
    }
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
    job.options.ahead = left_ahead_;
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
    const bool is_backlog_read = (is_fast_ && has_lake_) || may_go_fast();
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
      away_.lags(line->name()).note_read(line->part_lags());
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
  ingest::LeftAskers left_askers_;
  std::vector<std::unique_ptr<KafkaLine>> lines_;
  std::unique_ptr<LakeThread> lake_;
  std::map<std::string, std::optional<EventTime>> received_;  // first of epochs on their way
  SourcesAway away_;
  std::set<std::string> left_ahead_;  // views that journals of tables that are left out are ahead by
  std::optional<Duration> away_since_;
  bool has_begun_ = false;  // the sources could be opened once
  bool is_prepared_ = false;
  bool has_flushed_ = false;  // since the lines were opened
  bool reads_files_ = false;
  bool is_fast_ = false;   // the backlog is read
  bool is_flush_ = false;  // the lake's job has what was taken, not only files
  bool is_complete_ = false;
  bool was_complete_ = false;  // everything was made once, and is served
  bool has_others_ = false;    // there are more tables than one of a topic
  bool opens_anew_ = false;  // at once: a table is left out from now on, or no longer
  const bool publishes_;  // values go to topics
  const bool has_lake_;
  bool is_ready_ = false;
  Duration job_began_;
  Duration published_at_;
  Duration flushed_at_;
  Duration polled_at_;
  Duration noted_at_;
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
