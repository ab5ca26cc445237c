#include "flow/shared_stages.h"

#include <algorithm>
#include <utility>

#include "base/pause.h"
#include "flow/gold_task.h"
#include "flow/lag_metrics.h"
#include "flow/publish.h"

namespace assay::flow {

namespace {

/// By then another that shares has looked whether anybody leads, twice.
constexpr Duration kOthersLook{1'200'000};

}  // namespace

bool may_pass(const Status& failure) {
  return retryable(failure.code()) || failure.code() == Code::kCommitUnknown ||
         failure.code() == Code::kAborted;
}

Status SharedStages::try_to_lead() {
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

Status SharedStages::step(const std::vector<std::unique_ptr<SharedLine>>& lines,
                          RunReport* report) {
  if (!leads() || (failed_at_.has_value() && !is_over(*failed_at_, pause_))) {
    return {};
  }
  const Status status = go_on(lines, report);
  return status.ok() ? status : note_failure(status);
}

/// The stages again and again, each time up to what bronze has then.
Status SharedStages::go_on(const std::vector<std::unique_ptr<SharedLine>>& lines,
                           RunReport* report) {
  if (lake_ == nullptr) {
    ASSAY_RETURN_IF_ERROR(begin(lines));
  }
  if (lake_->has_job()) {
    std::optional<LakeThread::Done> done = lake_->take_done();
    return done.has_value() ? note(*std::move(done), report) : Status();
  }
  if (staged_at_.has_value() && !is_over(*staged_at_, options_.flush_every)) {
    return {};
  }
  has_backlog_ = true;
  for (const std::unique_ptr<SharedLine>& line : lines) {
    const auto backlog = backlog_.find(line->name());
    if (backlog != backlog_.end()) {
      ASSAY_ASSIGN_OR_RETURN(const bool has_all, line->table_reaches(backlog->second));
      has_backlog_ = has_backlog_ && has_all;
    }
  }
  begin_job(has_backlog_ && !is_complete_);
  return {};
}

Status SharedStages::begin(const std::vector<std::unique_ptr<SharedLine>>& lines) {
  ASSAY_ASSIGN_OR_RETURN(const bool was_complete, workspace_.is_complete());
  is_complete_ = is_complete_ || was_complete;
  backlog_.clear();
  for (const std::unique_ptr<SharedLine>& line : lines) {
    if (!is_complete_) {  // else nothing waits for what topics hold
      ASSAY_ASSIGN_OR_RETURN(backlog_[line->name()], line->ends());
    }
  }
  ASSAY_RETURN_IF_ERROR(start_lake());
  staged_at_.reset();
  return {};
}

Status SharedStages::start_lake() {
  RunOptions options = options_.run;
  options.wakeup = wakeup_;
  options.opens_topics = had_open_topics_;
  ASSAY_ASSIGN_OR_RETURN(lake_, LakeThread::start(workspace_, options));
  return {};
}

void SharedStages::begin_job(bool makes_all) {
  LakeThread::Job job;
  job.options = options_.run;
  job.options.stop = &leaves_;  // not the line's: they may be the last ones
  job.options.tells_freshness = true;
  job.makes_all = makes_all;
  job.publishes = is_complete_ && publishes(workspace_.project());
  staged_at_ = workspace_.world().clock.monotonic();
  lake_->begin(std::move(job));
}

Status SharedStages::note(LakeThread::Done done, RunReport* report) {
  for (StageAccount& account : done.report.stages) {
    merge_account(std::move(account), report);
  }
  report->dropped.insert(
      report->dropped.end(), done.report.dropped.begin(), done.report.dropped.end());
  if (leaves_ && done.status.code() == Code::kCancelled) {
    return {};
  }
  ASSAY_RETURN_IF_ERROR(done.status);
  if (has_backlog_ && !is_complete_) {
    ASSAY_RETURN_IF_ERROR(workspace_.mark_complete());
    is_complete_ = true;
  }
  jobs_fail_ = false;
  if (std::exchange(failed_at_, std::nullopt).has_value()) {
    workspace_.world().log.warn("stages_go_on", {});
  }
  if (options_.flushed) {
    options_.flushed(*report);
  }
  return {};
}

/// What may pass is waited for, while lines go on.
Status SharedStages::note_failure(const Status& failure) {
  jobs_fail_ = lake_ != nullptr;
  lake_.reset();  // opened anew at the next try, as after a crash
  if (!may_pass(failure)) {
    return failure;
  }
  count_failure(workspace_.world(), "stages");
  pause_ = is_waiting() ? Duration{std::min(pause_.micros * 2, options_.retry_max.micros)}
                        : options_.retry_first;
  if (!is_waiting()) {
    workspace_.world().log.error("stages_wait",
                                 {{"why", failure.to_string()},
                                  {"next_try_seconds", static_cast<double>(pause_.micros) / 1e6}});
  }
  failed_at_ = workspace_.world().clock.monotonic();
  return {};
}

Status SharedStages::finish(RunReport* report) {
  if (!leads() || jobs_fail_) {
    return {};  // whoever leads next goes on where they stand
  }
  Status status = leave_off(report);
  if (status.ok()) {
    pause_for(kOthersLook);
    status = try_to_lead();
  }
  if (status.ok() && leads()) {
    status = do_last(report);
  }
  return status.ok() ? status : note_failure(status);
}

/// End what is being done, and lead no longer: others that share look for that all the time.
Status SharedStages::leave_off(RunReport* report) {
  leave();
  if (lake_ != nullptr && lake_->has_job()) {
    ASSAY_RETURN_IF_ERROR(note(lake_->wait(), report));
  }
  if (lake_ != nullptr) {
    end_publishing(report);
    had_open_topics_ = lake_->has_open_topics();  // for who may be the last one
  }
  rest();
  leader_.reset();
  leaves_ = false;
  return {};
}

Status SharedStages::do_last(RunReport* report) {
  ASSAY_RETURN_IF_ERROR(start_lake());
  begin_job(true);
  ASSAY_RETURN_IF_ERROR(note(lake_->wait(), report));
  end_publishing(report);
  rest();
  return {};
}

void SharedStages::end_publishing(RunReport* report) {
  for (StageAccount& account : lake_->end_publishing().stages) {
    merge_account(std::move(account), report);
  }
}

void SharedStages::rest() {
  lake_.reset();
}

Result<Duration> StagesBehind::now() {
  Duration longest;
  const auto take = [&](const std::string& table, const std::string& before) -> Status {
    ASSAY_ASSIGN_OR_RETURN(const Duration behind, of(table, before));
    longest = std::max(longest, behind);
    return {};
  };
  for (const auto& [name, bronze] : workspace_.project().bronze) {
    if (!workspace_.reads_parts(name)) {
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string before, workspace_.bronze_table_key(name));
    for (const auto& [silver, definition] : workspace_.project().silver) {
      if (definition.from == name) {
        ASSAY_ASSIGN_OR_RETURN(const std::string table, workspace_.silver_table_key(silver));
        ASSAY_RETURN_IF_ERROR(take(table, before));
      }
    }
    for (const auto& [view, definition] : workspace_.project().views) {
      if (definition.from == name && !workspace_.project().silver.contains(name)) {
        ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr compiled, workspace_.view(view));
        ASSAY_ASSIGN_OR_RETURN(const std::string table, workspace_.steps_table_key(*compiled));
        ASSAY_RETURN_IF_ERROR(take(table, before));
      }
    }
  }
  return longest;
}

Result<Duration> StagesBehind::of(const std::string& table, const std::string& before) {
  const Duration now = workspace_.world().clock.monotonic();
  const Result<lake::DeltaTable*> source = workspace_.table(before);
  if (source.code() == Code::kNotFound) {
    return Duration();
  }
  ASSAY_RETURN_IF_ERROR(source.status());
  ASSAY_ASSIGN_OR_RETURN(const auto newest, (*source)->snapshot());
  std::optional<int64_t> done;
  const Result<lake::DeltaTable*> made = workspace_.table(table);
  if (made.code() != Code::kNotFound) {
    ASSAY_RETURN_IF_ERROR(made.status());
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, (*made)->snapshot());
    done = snapshot->txn(workspace_.app_id(table));
  }
  Behind& behind = tables_.try_emplace(table, Behind{newest->version, now}).first->second;
  bool has_it = done >= std::optional(behind.version);
  if (!has_it) {
    ASSAY_ASSIGN_OR_RETURN(has_it, is_up_to(**source, done, behind.version));
  }
  if (has_it) {
    behind = {newest->version, now};
  }
  return Duration{now.micros - behind.since.micros};
}

}  // namespace assay::flow
