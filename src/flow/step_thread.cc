#include "flow/step_thread.h"

#include <algorithm>
#include <utility>

namespace assay::flow {

StepThread::StepThread(Workspace& workspace, const RunOptions& options)
    : workspace_(workspace), options_(options) {
  options_.progress = nullptr;  // which is its owner's
  options_.committed = nullptr;
}

StepThread::~StepThread() {
  const std::lock_guard lock(mutex_);
  is_over_ = true;
  changed_.notify_all();
}

Status StepThread::begin(const std::vector<Step>& steps) {
  if (beside_ == nullptr && !steps.empty()) {
    ASSAY_ASSIGN_OR_RETURN(beside_, Workspace::open_beside(workspace_, "spill_steps"));
    thread_ = std::jthread([this] { work(); });
  }
  const std::lock_guard lock(mutex_);
  for (const Step& step : steps) {
    if (std::find(waiting_.begin(), waiting_.end(), step) == waiting_.end()) {
      waiting_.push_back(step);
    }
  }
  changed_.notify_all();
  return {};
}

Status StepThread::wait(RunReport* report) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !is_at_work_ && (waiting_.empty() || !status_.ok()); });
  for (StageAccount& account : std::exchange(report_, {}).stages) {
    merge_account(std::move(account), report);
  }
  return status_;
}

Status StepThread::end(RunReport* report) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.clear();
  }
  return wait(report);
}

void StepThread::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return is_over_ || (!waiting_.empty() && status_.ok()); });
    if (is_over_) {
      return;
    }
    const Step step = waiting_.front();
    waiting_.erase(waiting_.begin());
    is_at_work_ = true;
    lock.unlock();
    RunReport report;
    Status status = run_step(*beside_, step, options_, &report);
    lock.lock();
    is_at_work_ = false;
    status_ = std::move(status);
    for (StageAccount& account : report.stages) {
      merge_account(std::move(account), &report_);
    }
    changed_.notify_all();
  }
}

}  // namespace assay::flow
