#include "flow/publish_thread.h"

#include <utility>

namespace assay::flow {

Result<std::unique_ptr<PublishThread>> PublishThread::start(Workspace& workspace,
                                                            const RunOptions& options) {
  std::unique_ptr<PublishThread> thread(new PublishThread());
  ASSAY_ASSIGN_OR_RETURN(thread->workspace_, Workspace::open_beside(workspace, "spill_publish"));
  thread->publisher_ = std::make_unique<Publisher>(*thread->workspace_);
  thread->options_ = options;
  thread->options_.is_live = true;
  thread->options_.stop = &thread->is_over_;
  thread->options_.progress = nullptr;  // which is another thread's
  thread->thread_ = std::jthread([publishing = thread.get()] { publishing->work(); });
  return thread;
}

PublishThread::~PublishThread() {
  end();
}

void PublishThread::request() {
  const std::lock_guard lock(mutex_);
  is_asked_ = true;
  changed_.notify_all();
}

RunReport PublishThread::take_report() {
  const std::lock_guard lock(mutex_);
  return std::exchange(report_, {});
}

void PublishThread::end() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void PublishThread::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return is_asked_ || is_over_; });
    if (!std::exchange(is_asked_, false)) {
      return;
    }
    lock.unlock();
    RunReport report;
    const Status status = publisher_->publish(options_, &report);
    has_open_topics_ = publisher_->has_open_topics();
    if (!status.ok()) {  // of no single topic: those are told by the publisher
      workspace_->world().log.error("publishing_fails", {{"why", status.to_string()}});
    }
    lock.lock();
    for (StageAccount& account : report.stages) {
      merge_account(std::move(account), &report_);
    }
  }
}

}  // namespace assay::flow
