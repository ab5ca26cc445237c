#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "flow/bronze_writer.h"
#include "flow/gold_pace.h"
#include "flow/publish_thread.h"
#include "flow/run.h"
#include "flow/run_options.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Writes the lake in a thread of its own, so that reading goes on meanwhile: commits what lines
/// have taken, and runs the stages behind it.
///
/// One job at a time: who has the next one before this one is done waits, or goes on without. So
/// what is on its way is bounded by one epoch of each line.
/// What it does gives way to the rest of the process: rows that reach the online store at once, and
/// answers, do not wait for files.
/// Threads its owner's; the job has workspaces and tables of its own.
/// Source  docs/decisions/0110-the-lake-beside-the-line.md
class LakeThread {
 public:
  /// `workspace` must outlive the thread, and so must the wakeup of `options`, which is notified
  /// when a job is done.
  static Result<std::unique_ptr<LakeThread>> start(Workspace& workspace, const RunOptions& options);
  /// Waits for the job.
  ~LakeThread();
  LakeThread(const LakeThread&) = delete;
  LakeThread& operator=(const LakeThread&) = delete;

  /// What a line has taken in an epoch.
  struct Epoch {
    std::string bronze;
    BronzeWriter::Pending pending;
    BronzeWriter::Reached reached;
  };
  struct Job {
    std::vector<Epoch> epochs;
    RunOptions options;
    bool makes_all = false;  // gold too, whether it is its turn or not
    bool publishes = false;  // then topics are brought to the tables, in a thread beside
  };
  struct Done {
    Status status;
    RunReport report;  // of what was done; counted in the metrics already
  };
  /// Begin a job; only when none is at work or waits to be taken.
  void begin(Job job);
  /// Whether there is one.
  [[nodiscard]] bool has_job() const { return has_job_; }
  /// What became of it; nothing while it is at work, or when there is none.
  std::optional<Done> take_done();
  /// The same, waited for; there must be one.
  Done wait();
  /// Whether gold that had to wait could be made now, by a job without epochs; when there is no job.
  [[nodiscard]] bool owes_gold(Duration now) const { return pace_.owes(now); }
  /// Bring the topics that values are published to where the tables are, now that time has gone on.
  void publish();
  /// What is still to be published at the end of a line, and what was; when there is no job.
  RunReport end_publishing();
  [[nodiscard]] bool has_open_topics() const;

 private:
  explicit LakeThread(const RunOptions& options) : pace_(options.gold_unnoticed) {}
  Status open(Workspace& workspace, const RunOptions& options);
  void work();
  Status run(Job* job, RunReport* report);

  std::unique_ptr<Workspace> workspace_;
  std::map<std::string, std::unique_ptr<BronzeWriter>> writers_;
  GoldPace pace_;  // the thread's while it has a job, else the owner's
  std::unique_ptr<PublishThread> publishing_;  // none: nothing is published
  Wakeup* wakeup_ = nullptr;
  bool has_job_ = false;  // the owner's
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Job> job_;
  std::optional<Done> done_;
  bool is_over_ = false;
  std::jthread thread_;
};

}  // namespace assay::flow
