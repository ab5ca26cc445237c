#include "flow/lake_thread.h"

#include <future>
#include <utility>

#include "base/check.h"
#include "base/process.h"

namespace assay::flow {

Result<std::unique_ptr<LakeThread>> LakeThread::start(Workspace& workspace,
                                                      const RunOptions& options) {
  std::unique_ptr<LakeThread> lake(new LakeThread(options));
  lake->wakeup_ = options.wakeup;
  std::promise<Status> opened;
  std::future<Status> is_open = opened.get_future();
  lake->thread_ = std::jthread([&, line = lake.get(), opened = std::move(opened)]() mutable {
    give_way();  // here, so that the threads of its engine do too
    const Status status = line->open(workspace, options);
    opened.set_value(status);
    if (status.ok()) {
      line->work();
    }
  });
  ASSAY_RETURN_IF_ERROR(is_open.get());
  return lake;
}

Status LakeThread::open(Workspace& workspace, const RunOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(workspace_, Workspace::open_beside(workspace));
  for (const auto& [name, bronze] : workspace.project().bronze) {
    if (workspace.reads_parts(name)) {
      ASSAY_ASSIGN_OR_RETURN(writers_[name], BronzeWriter::open(*workspace_, name, options));
    }
  }
  if (publishes(workspace.project())) {
    ASSAY_ASSIGN_OR_RETURN(publishing_, PublishThread::start(workspace, options));
  }
  return {};
}

LakeThread::~LakeThread() {
  const std::lock_guard lock(mutex_);
  is_over_ = true;
  changed_.notify_all();
}

void LakeThread::begin(Job job) {
  ASSAY_CHECK(!has_job_);
  has_job_ = true;
  const std::lock_guard lock(mutex_);
  job_ = std::move(job);
  changed_.notify_all();
}

std::optional<LakeThread::Done> LakeThread::take_done() {
  const std::lock_guard lock(mutex_);
  has_job_ = has_job_ && !done_.has_value();
  return std::exchange(done_, std::nullopt);
}

LakeThread::Done LakeThread::wait() {
  ASSAY_CHECK(has_job_);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return done_.has_value(); });
  has_job_ = false;
  return *std::exchange(done_, std::nullopt);
}

void LakeThread::publish() {
  if (publishing_ != nullptr) {
    publishing_->request();
  }
}

RunReport LakeThread::end_publishing() {
  if (publishing_ == nullptr) {
    return {};
  }
  publishing_->end();
  return publishing_->take_report();
}

bool LakeThread::has_open_topics() const {
  return publishing_ != nullptr && publishing_->has_open_topics();
}

void LakeThread::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return job_.has_value() || is_over_; });
    if (!job_.has_value()) {
      return;
    }
    Job job = *std::exchange(job_, std::nullopt);
    lock.unlock();
    Done done;
    done.status = run(&job, &done.report);
    if (publishing_ != nullptr) {
      for (StageAccount& account : publishing_->take_report().stages) {
        merge_account(std::move(account), &done.report);
      }
    }
    lock.lock();
    done_ = std::move(done);
    changed_.notify_all();
    if (wakeup_ != nullptr) {
      wakeup_->notify();
    }
  }
}

Status LakeThread::run(Job* job, RunReport* report) {
  for (Epoch& epoch : job->epochs) {
    StageAccount account;
    account.stage = "bronze";
    account.name = epoch.bronze;
    ASSAY_RETURN_IF_ERROR(
        writers_.at(epoch.bronze)->commit(epoch.pending, epoch.reached, &account));
    epoch.pending = {};
    add_account(workspace_->world().metrics, std::move(account), report);
  }
  // What is published is of now, so it is made of all that is known now.
  const bool has_pace = !job->makes_all && publishing_ == nullptr;
  job->options.gold_pace = has_pace ? &pace_ : nullptr;
  ASSAY_RETURN_IF_ERROR(run_steps(*workspace_, job->options, Steps::kFilesAndTables, report));
  if (job->publishes) {
    publish();
  }
  if (!has_pace) {
    pace_.catch_up();
  }
  // Days that gold has not read yet stay for it.
  return keep_tables(*workspace_, report, !pace_.is_owed());
}

}  // namespace assay::flow
