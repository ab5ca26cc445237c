#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "flow/publish.h"
#include "flow/run.h"
#include "flow/run_options.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Publishes in a thread of its own, so that a topic whose brokers are slow or away holds up
/// nothing.
///
/// Threads request() and take_report() any; the rest its owner's. Workspace and tables are its own.
/// Source  docs/decisions/0113-published-states-are-looked-at.md
class PublishThread {
 public:
  /// `workspace` must outlive it.
  static Result<std::unique_ptr<PublishThread>> start(Workspace& workspace,
                                                      const RunOptions& options);
  /// Ends as end() does.
  ~PublishThread();
  PublishThread(const PublishThread&) = delete;
  PublishThread& operator=(const PublishThread&) = delete;

  /// Bring every topic to where the tables are by now, once what is at work is done.
  void request();
  /// What was done since the last time; counted in the metrics already.
  RunReport take_report();
  /// As Publisher's, after what was done last. Any thread.
  [[nodiscard]] bool has_open_topics() const { return has_open_topics_; }
  /// Do what was asked for, of each topic that is open one transaction at most, and wait for it.
  void end();

 private:
  PublishThread() = default;
  void work();

  std::unique_ptr<Workspace> workspace_;
  std::unique_ptr<Publisher> publisher_;
  RunOptions options_;
  std::atomic<bool> is_over_ = false;
  std::atomic<bool> has_open_topics_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_asked_ = false;
  RunReport report_;
  std::jthread thread_;
};

}  // namespace assay::flow
