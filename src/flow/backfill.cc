// A backfill computes days anew, chunk by chunk, and puts those that differ into one commit:
//
//   day        ... | d1 | d2 | d3 | d4 | ...  frontier
//   chunk            [  steps from source rows and the seed: each entity's last step before it  )
//   compare            =    /    /    =
//   commit                 d2   d3            files of d2, d3 are replaced; d1, d4 stay
//
// The seed of the first chunk is read from the table, that of each later one is what the chunk
// before it left. When all changed inputs lie behind and the seed is what the table says too,
// nothing after it can differ.
//
// What is done by then lies in .assay/backfill/<table>.ndjson, in the form of a log entry: its
// `add`s are the files written so far, its commitInfo says for which range and source version, and
// up to which instant. The next backfill of the same range goes on behind it.

#include "flow/backfill.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/fail_point.h"
#include "data/parquet.h"
#include "flow/direct_line.h"
#include "flow/gold_task.h"
#include "flow/retention.h"
#include "lake/log_entry.h"
#include "lake/snapshot.h"

namespace assay::flow {
namespace {

EventTime midnight(EventTime time) {
  return EventTime{floor_to(time.micros, kMicrosPerDay)};
}

/// The midnight at or after `time`.
EventTime next_midnight(EventTime time) {
  return midnight(EventTime{time.micros + kMicrosPerDay - 1});
}

/// Days that [begin, end) touches; `begin` is a midnight.
int64_t days_between(EventTime begin, EventTime end) {
  return (next_midnight(end).micros - begin.micros) / kMicrosPerDay;
}

/// What a backfill has done so far, as its file says.
struct Progress {
  std::string asked;  // range, source version, frontier: another question begins anew
  EventTime done;     // days before it are in `adds` and `replaced`
  std::vector<lake::DataFile> adds;
  std::map<std::string, int64_t> replaced;  // "2026-01-31": steps there so far
};

class Backfill {
 public:
  Backfill(Workspace& workspace, GoldTask task, const BackfillOptions& options)
      : workspace_(workspace), task_(std::move(task)), options_(options) {}

  Result<BackfillReport> run();

 private:
  Status find_range();
  Result<EventTime> first_computable();
  Result<EventTime> first_reached();
  Result<EventTime> last_reached();
  Status compute_days();
  Status compute_chunk(EventTime begin, EventTime end);
  Status compare_day(int32_t day, const data::Batch& steps, const data::Batch& before);
  Result<bool> same_seed(EventTime begin);
  Result<data::Batch> table_steps(EventTime begin, EventTime end);
  Result<data::Batch> last_steps(const data::Batch& steps);
  Status write_tail();
  Status commit();

  Result<Progress> read_progress();
  Status write_progress();
  Status remove_progress();
  [[nodiscard]] std::string progress_path(const std::string& suffix) const;
  [[nodiscard]] std::string asked() const;

  Workspace& workspace_;
  GoldTask task_;
  const BackfillOptions& options_;
  BackfillReport report_;
  std::shared_ptr<const lake::Snapshot> before_;
  std::optional<SourceChanges> changes_;  // nothing: everything may have changed
  EventTime frontier_ = EventTime::min();
  EventTime compute_begin_;
  EventTime inputs_end_;         // changed inputs reach no further
  bool covers_changes_ = false;  // the range asked for begins before all of them
  Progress progress_;
  data::Batch seed_;      // each entity's last step before what is computed next
  bool settled_ = false;  // nothing after what was computed can differ
  std::optional<std::vector<lake::DataFile>> tail_;  // the open tail, when it was made anew
};

std::string day_text(int32_t day) {
  return format_time(EventTime{int64_t{day} * kMicrosPerDay}).substr(0, 10);
}

Result<BackfillReport> Backfill::run() {
  ASSAY_ASSIGN_OR_RETURN(before_, task_.steps->snapshot());
  ASSAY_ASSIGN_OR_RETURN(const bool is_whole,
                         is_up_to(*task_.source, before_->txn(task_.app_id), task_.source_version));
  if (!is_whole) {
    return Status(Code::kFailedPrecondition,
                  task_.steps->key() + " is not up to " + task_.source_key +
                      "; run `assay run` first, it also makes the history of a new view");
  }
  report_.view = task_.view->name();
  report_.table = task_.steps->key();
  ASSAY_RETURN_IF_ERROR(find_range());
  if (report_.begin < report_.end) {
    ASSAY_RETURN_IF_ERROR(compute_days());
  }
  ASSAY_RETURN_IF_ERROR(commit());
  return report_;
}

/// The days asked for that are final, and among them the first that can differ.
Status Backfill::find_range() {
  if (options_.from >= options_.to) {
    return {Code::kInvalidArgument, "--from must be before --to"};
  }
  const EventTime frontier{before_->txn(task_.frontier_app_id()).value_or(EventTime::min().micros)};
  ASSAY_ASSIGN_OR_RETURN(const auto source, task_.source->snapshot(task_.source_version));
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, task_.source->relation(*source));
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch first,
      workspace_.sql().query("SELECT min(greatest(event_time, known_time)) AS t FROM " + relation));
  if (frontier == EventTime::min() || first.column(0).is_null(0)) {
    report_.begin = report_.end = EventTime{0};
    return {};
  }
  const EventTime oldest{first.column(0).values<int64_t>()[0]};
  frontier_ = frontier;
  ASSAY_ASSIGN_OR_RETURN(const EventTime computable, first_computable());
  report_.begin = midnight(std::max({options_.from, oldest, computable}));
  report_.end =
      std::min(options_.to == EventTime::max() ? frontier : next_midnight(options_.to), frontier);
  report_.end = std::max(report_.begin, report_.end);
  report_.days = days_between(report_.begin, report_.end);
  if (!options_.full) {
    const lake::Version checked = before_->txn(task_.checked_app_id()).value_or(-1);
    Result<SourceChanges> changes = source_changes(task_, checked);
    if (changes.ok()) {
      changes_ = *std::move(changes);
    } else if (changes.code() != Code::kOutOfRange) {
      return changes.status();
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const EventTime reached, first_reached());
  covers_changes_ = changes_.has_value() ? report_.begin <= reached : options_.from <= oldest;
  compute_begin_ =
      reached >= report_.end ? report_.end : std::max(midnight(reached), report_.begin);
  ASSAY_ASSIGN_OR_RETURN(inputs_end_, last_reached());
  return {};
}

/// The first day that can be computed: before it rows of the source or steps are dropped, and what
/// the table still says of these days is the truth.
Result<EventTime> Backfill::first_computable() {
  ASSAY_ASSIGN_OR_RETURN(const EventTime source, computable_from(workspace_, task_));
  const EventTime steps = answers_from(task_, *before_);
  const EventTime first =
      std::max(source, steps == EventTime::min() ? steps : next_midnight(steps));
  if (options_.from != EventTime::min() && options_.from < first) {
    return Status(
        Code::kOutOfRange,
        "rows that days of " + report_.view + " before " + format_time(first).substr(0, 10) +
            " are made from are dropped (`keep`); take --from " + format_time(first).substr(0, 10));
  }
  if (first != EventTime::min()) {
    options_.run.say("backfill " + report_.view + ": days before " +
                     format_time(first).substr(0, 10) + " stay, their rows are dropped (`keep`)");
  }
  return first;
}

/// The first instant at which a changed source row can have been visible.
Result<EventTime> Backfill::first_reached() {
  if (!changes_.has_value()) {
    return report_.begin;
  }
  std::vector<lake::DataFile> files = changes_->added;
  files.insert(files.end(), changes_->removed.begin(), changes_->removed.end());
  if (files.empty()) {
    return report_.end;
  }
  ASSAY_ASSIGN_OR_RETURN(const auto source, task_.source->snapshot(task_.source_version));
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, task_.source->relation_of(*source, files));
  // A version takes what it replaces away when it is known, even before it is visible itself.
  const std::string reaches =
      task_.view->of_changes() ? "known_time" : "greatest(event_time, known_time)";
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch first,
      workspace_.sql().query("SELECT min(" + reaches + ") AS t FROM " + relation));
  return first.column(0).is_null(0) ? report_.end : EventTime{first.column(0).values<int64_t>()[0]};
}

/// The last instant at which a changed source row can enter or leave a window, and then some: from
/// it on only the seed matters.
Result<EventTime> Backfill::last_reached() {
  if (!changes_.has_value() || task_.view->of_changes()) {
    return report_.end;  // a row that is replaced later shows older ones again
  }
  std::vector<lake::DataFile> files = changes_->added;
  files.insert(files.end(), changes_->removed.begin(), changes_->removed.end());
  if (files.empty()) {
    return report_.begin;
  }
  ASSAY_ASSIGN_OR_RETURN(const auto source, task_.source->snapshot(task_.source_version));
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, task_.source->relation_of(*source, files));
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch last,
      workspace_.sql().query("SELECT max(greatest(event_time, known_time)) AS t FROM " + relation));
  if (last.column(0).is_null(0)) {
    return report_.begin;
  }
  return EventTime{last.column(0).values<int64_t>()[0] + task_.view->window_max().micros +
                   2 * task_.view->slide().micros};
}

Status Backfill::compute_days() {
  ASSAY_ASSIGN_OR_RETURN(progress_, read_progress());
  EventTime begin = compute_begin_;
  if (progress_.asked == asked()) {
    begin = std::clamp(progress_.done, compute_begin_, report_.end);
    report_.days_resumed = days_between(compute_begin_, begin);
    report_.days_computed = report_.days_resumed;
  } else {
    progress_ = {asked(), begin, {}, {}};
    ASSAY_ASSIGN_OR_RETURN(seed_, read_seed(workspace_, task_, begin));
  }
  if (begin >= report_.end) {
    return {};
  }
  ASSAY_ASSIGN_OR_RETURN(
      std::vector<EventTime> ends,
      chunk_ends(workspace_, task_, begin, report_.end, options_.run.gold_chunk_rows));
  ends.push_back(report_.end);
  for (const EventTime end : ends) {
    options_.run.say("backfill " + report_.view + ": " + format_time(begin).substr(0, 10) + " to " +
                     format_time(end).substr(0, 10));
    ASSAY_RETURN_IF_ERROR(compute_chunk(begin, end));
    fail_point("flow.backfill.after_chunk");
    begin = end;
    ASSAY_ASSIGN_OR_RETURN(settled_, same_seed(begin));
    if (settled_) {
      break;
    }
    if (options_.run.stopping() && begin < report_.end) {
      return {Code::kCancelled,
              "stopped after " + format_time(begin) + " of the backfill of " + report_.view +
                  "; the same command goes on from there"};
    }
  }
  return {};
}

/// Steps in [begin, end), compared with the table's day by day; the seed moves to `end`.
Status Backfill::compute_chunk(EventTime begin, EventTime end) {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, read_source_rows(workspace_, task_, begin, end));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch steps,
                         task_.view->steps(rows, seed_, begin, end, options_.run.threads));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch before, table_steps(begin, end));
  const auto first_day = static_cast<int32_t>(begin.micros / kMicrosPerDay);
  const auto end_day = static_cast<int32_t>(next_midnight(end).micros / kMicrosPerDay);
  for (int32_t day = first_day; day < end_day; ++day) {
    ASSAY_RETURN_IF_ERROR(compare_day(day, steps, before));
  }
  report_.days_computed += end_day - first_day;
  ASSAY_ASSIGN_OR_RETURN(seed_, last_steps(steps));
  progress_.done = end;
  return write_progress();
}

data::Batch rows_of_day(const data::Batch& steps, int32_t day) {
  const std::span<const int32_t> days = steps.find(gold::kFeatureDate)->values<int32_t>();
  std::vector<int64_t> rows;
  for (std::size_t row = 0; row < days.size(); ++row) {
    if (days[row] == day) {
      rows.push_back(static_cast<int64_t>(row));
    }
  }
  return steps.take(rows);
}

Status Backfill::compare_day(int32_t day, const data::Batch& steps, const data::Batch& before) {
  const data::Batch old_rows = rows_of_day(before, day);
  const data::Batch new_rows = rows_of_day(steps, day);
  if (old_rows.rows() == new_rows.rows() &&
      data::content_hash(old_rows) == data::content_hash(new_rows)) {
    return {};
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<lake::DataFile> files,
                         task_.steps->write_files(new_rows));
  progress_.adds.insert(progress_.adds.end(), files.begin(), files.end());
  progress_.replaced[day_text(day)] = old_rows.rows();
  return {};
}

/// Final steps of the table with known_time in [begin, end).
Result<data::Batch> Backfill::table_steps(EventTime begin, EventTime end) {
  ASSAY_ASSIGN_OR_RETURN(const std::string relation,
                         task_.steps->relation(*before_,
                                               "known_time >= " + timestamp_literal(begin) +
                                                   " AND known_time < " + timestamp_literal(end)));
  return workspace_.sql().query("SELECT " + column_list(task_.view->steps_schema()->names()) +
                                " FROM " + relation);
}

/// Rows that SQL gave, under the schema of the steps table, which knows what is never null.
data::Batch as_steps(const gold::FeatureView& view, const data::Batch& rows) {
  std::vector<data::ColumnPtr> columns;
  for (int c = 0; c < rows.column_count(); ++c) {
    columns.push_back(rows.column_ptr(c));
  }
  return {view.steps_schema(), std::move(columns), rows.rows()};
}

/// Each entity's last step, of the seed and these steps after it.
Result<data::Batch> Backfill::last_steps(const data::Batch& steps) {
  const std::vector<data::Batch> parts{as_steps(*task_.view, seed_), steps};
  ASSAY_ASSIGN_OR_RETURN(const data::Batch all, data::concat(task_.view->steps_schema(), parts));
  ASSAY_RETURN_IF_ERROR(workspace_.sql().create_table("assay_backfill_steps", all));
  Result<data::Batch> last = workspace_.sql().query("SELECT * FROM assay_backfill_steps" +
                                                    last_of_each_entity(*task_.view));
  ASSAY_RETURN_IF_ERROR(workspace_.sql().drop_table("assay_backfill_steps"));
  return last;
}

/// True when no changed input reaches beyond `begin` and the table goes on from the same steps.
Result<bool> Backfill::same_seed(EventTime begin) {
  if (!changes_.has_value() || begin < inputs_end_) {
    return false;
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Batch held, read_seed(workspace_, task_, begin));
  return held.rows() == seed_.rows() && data::content_hash(held) == data::content_hash(seed_);
}

/// The steps from the frontier on, from the new ones before it.
Status Backfill::write_tail() {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows,
                         read_source_rows(workspace_, task_, frontier_, EventTime::max()));
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch steps,
      task_.view->steps(rows, seed_, frontier_, EventTime::max(), options_.run.threads));
  ASSAY_ASSIGN_OR_RETURN(tail_, task_.steps->write_files(steps, {{kTailTag, "true"}}));
  return {};
}

/// One commit that replaces the days that differ, and the tail when it was made anew.
Status Backfill::commit() {
  const bool reached_frontier = report_.end == frontier_ && !settled_ &&
                                progress_.done == frontier_ && frontier_ != EventTime::min();
  if (reached_frontier && !progress_.replaced.empty()) {
    ASSAY_RETURN_IF_ERROR(write_tail());
  }
  lake::CommitRequest request;
  request.operation = "WRITE";
  request.parameters = {{"stage", "gold"},
                        {"mode", "backfill"},
                        {"from", format_time(report_.begin)},
                        {"to", format_time(report_.end)},
                        {"replaced", std::to_string(progress_.replaced.size())}};
  request.adds = progress_.adds;
  if (tail_.has_value()) {
    request.adds.insert(request.adds.end(), tail_->begin(), tail_->end());
  }
  for (const auto& [path, file] : before_->files) {
    const bool is_tail = file.tags.count(kTailTag) != 0;
    const auto date = file.partition_values.find(gold::kFeatureDate);
    const bool replaced = date != file.partition_values.end() && date->second.has_value() &&
                          progress_.replaced.count(*date->second) != 0;
    if (is_tail ? tail_.has_value() : replaced) {
      request.removes.push_back(path);
    }
  }
  // The frontier must not have moved: a run in between would have made steps of its own.
  request.txns.push_back({task_.frontier_app_id(), frontier_.micros, frontier_.micros});
  const bool whole = report_.end == frontier_ && report_.begin <= compute_begin_ && covers_changes_;
  const std::optional<int64_t> checked = before_->txn(task_.checked_app_id());
  const bool moves = whole && checked != task_.source_version;
  if (moves) {
    request.txns.push_back({task_.checked_app_id(), task_.source_version, checked});
  }
  for (const lake::DataFile& file : progress_.adds) {
    report_.steps_after += file.rows;
  }
  for (const auto& [day, steps] : progress_.replaced) {
    report_.steps_before += steps;
  }
  report_.days_replaced = static_cast<int64_t>(progress_.replaced.size());
  if (!progress_.replaced.empty() || moves) {
    fail_point("flow.backfill.before_commit");
    ASSAY_ASSIGN_OR_RETURN(const lake::Version version, task_.steps->commit(request));
    if (!progress_.replaced.empty()) {
      report_.version = version;
    }
  }
  fail_point("flow.backfill.after_commit");
  return remove_progress();
}

std::string Backfill::asked() const {
  return format_time(report_.begin) + " " + format_time(report_.end) + " " +
         (options_.full ? "full" : "changed") + ", source version " +
         std::to_string(task_.source_version) + ", table version " +
         std::to_string(before_->version);
}

std::string Backfill::progress_path(const std::string& suffix) const {
  std::string name = task_.steps->key();
  std::replace(name.begin(), name.end(), '/', '.');
  return join_path(join_path(workspace_.project().folder, ".assay/backfill"), name + suffix);
}

/// What an earlier backfill left; nothing when it asked something else or left nothing whole.
Result<Progress> Backfill::read_progress() {
  FileSystem& files = workspace_.world().files;
  const Result<std::string> text = files.read(progress_path(".ndjson"));
  if (!text.ok()) {
    return Progress{};
  }
  const Result<lake::LogEntry> entry = lake::parse_log_entry(progress_path(".ndjson"), *text);
  if (!entry.ok() || !entry->info.has_value()) {
    return Progress{};  // cut off by a crash: begin anew
  }
  Progress progress;
  for (const auto& [name, value] : entry->info->parameters) {
    if (name == "asked") {
      progress.asked = value;
    } else if (name == "done") {
      ASSAY_ASSIGN_OR_RETURN(progress.done, parse_time(value));
    } else {
      progress.replaced[name] = std::strtoll(value.c_str(), nullptr, 10);
    }
  }
  if (progress.asked != asked()) {
    return Progress{};
  }
  for (const lake::AddAction& add : entry->adds) {
    progress.adds.push_back(add.file);
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Batch seed,
                         data::read_file(workspace_.sql(), progress_path(".parquet")));
  ASSAY_ASSIGN_OR_RETURN(seed_, seed.select(task_.view->steps_schema()->names()));
  return progress;
}

Status Backfill::write_progress() {
  FileSystem& files = workspace_.world().files;
  ASSAY_RETURN_IF_ERROR(files.make_directories(parent_path(progress_path(".ndjson"))));
  ASSAY_RETURN_IF_ERROR(remove_progress());
  ASSAY_RETURN_IF_ERROR(data::write_parquet(workspace_.sql(), seed_, progress_path(".parquet")));
  lake::CommitInfoAction info;
  info.operation = "BACKFILL";
  info.parameters = {{"asked", progress_.asked}, {"done", format_time(progress_.done)}};
  for (const auto& [day, steps] : progress_.replaced) {
    info.parameters[day] = std::to_string(steps);
  }
  std::string text;
  lake::append_action(text, info);
  for (const lake::DataFile& file : progress_.adds) {
    lake::append_action(text, lake::AddAction{file, true});
  }
  return files.write(progress_path(".ndjson"), text);
}

Status Backfill::remove_progress() {
  for (const char* const suffix : {".ndjson", ".parquet"}) {
    const Status removed = workspace_.world().files.remove(progress_path(suffix));
    if (!removed.ok() && removed.code() != Code::kNotFound) {
      return removed;
    }
  }
  return {};
}

}  // namespace

Result<BackfillReport> backfill_view(Workspace& workspace,
                                     const std::string& view,
                                     const BackfillOptions& options) {
  ASSAY_RETURN_IF_ERROR(require_lake(workspace, "backfill"));
  const Duration started = workspace.world().clock.monotonic();
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, workspace.lock_for_writing());
  ASSAY_ASSIGN_OR_RETURN(GoldTask task, make_gold_task(workspace, view));
  ASSAY_ASSIGN_OR_RETURN(BackfillReport report,
                         Backfill(workspace, std::move(task), options).run());
  report.seconds =
      static_cast<double>(workspace.world().clock.monotonic().micros - started.micros) / 1e6;
  return report;
}

}  // namespace assay::flow
