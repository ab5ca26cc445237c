#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/wakeup.h"
#include "flow/lake_thread.h"
#include "flow/run.h"
#include "flow/shared_line.h"
#include "flow/up.h"
#include "flow/workspace.h"
#include "ingest/kafka_source.h"

namespace assay::flow {

/// Whether what failed may go by itself: the line is opened anew then, where the tables stand.
bool may_pass(const Status& failure);

/// What one of the processes that share a project does for all of them: files to bronze, the stages
/// behind bronze, and what is published, beside its reading of topics.
///
/// Where stages fail, as when the online store is away, lines go on: the stages are tried again.
/// Threads one thread at a time; stages run in a thread of their own.
/// Source  docs/decisions/0130-processes-share-topics.md
class SharedStages {
 public:
  /// All of them must outlive this; `wakeup` is notified when stages are done.
  SharedStages(Workspace& workspace, const UpOptions& options, Wakeup* wakeup)
      : workspace_(workspace), options_(options), wakeup_(wakeup) {}

  /// Lead where nobody does.
  Status try_to_lead();
  [[nodiscard]] bool leads() const { return leader_ != nullptr; }

  /// What is to be done now, without waiting for it: begin stages when it is their time, note what
  /// became of them.
  ///
  /// Errors  what does not pass by itself.
  Status step(const std::vector<std::unique_ptr<SharedLine>>& lines, RunReport* report);
  /// Ask what is being done to end at its next commit: this process is about to leave.
  void leave() { leaves_ = true; }
  /// Leave the stages to another that shares the project, which goes on where they stand; where
  /// nobody leads within about a second, make everything up to what bronze has.
  Status finish(RunReport* report);
  /// Wait for what is being done, and leave the rest: lines will be opened anew.
  void rest();

  /// Whether stages failed and are to be tried again.
  [[nodiscard]] bool is_waiting() const { return failed_at_.has_value(); }
  /// Whether everything was made that is to be served; that is said to the workspace.
  [[nodiscard]] bool is_complete() const { return is_complete_; }

 private:
  Status go_on(const std::vector<std::unique_ptr<SharedLine>>& lines, RunReport* report);
  Status begin(const std::vector<std::unique_ptr<SharedLine>>& lines);
  Status leave_off(RunReport* report);
  Status do_last(RunReport* report);
  void end_publishing(RunReport* report);
  Status start_lake();
  void begin_job(bool makes_all);
  Status note(LakeThread::Done done, RunReport* report);
  Status note_failure(const Status& failure);
  [[nodiscard]] bool is_over(Duration since, Duration length) const {
    return workspace_.world().clock.monotonic().micros - since.micros >= length.micros;
  }

  Workspace& workspace_;
  const UpOptions& options_;
  Wakeup* wakeup_;
  std::atomic<bool> leaves_ = false;  // the stop of jobs
  std::unique_ptr<FileLock> leader_;
  std::unique_ptr<LakeThread> lake_;
  bool had_open_topics_ = false;  // those that values are published to, when it left off
  std::map<std::string, ingest::PartPositions> backlog_;  // by table: where topics ended then
  bool has_backlog_ = false;                              // before the stages that run
  bool is_complete_ = false;
  std::optional<Duration> staged_at_;
  std::optional<Duration> failed_at_;
  bool jobs_fail_ = false;  // not only that none could begin
  Duration pause_;  // from the failure to the next try
};

/// For how long rows of topics have been in bronze that the tables behind it have not, whoever
/// leads.
class StagesBehind {
 public:
  explicit StagesBehind(Workspace& workspace) : workspace_(workspace) {}
  Result<Duration> now();

 private:
  struct Behind {
    lake::Version version = 0;  // of the table before it
    Duration since;             // that table had this version
  };
  Result<Duration> of(const std::string& table, const std::string& before);

  Workspace& workspace_;
  std::map<std::string, Behind> tables_;
};

}  // namespace assay::flow
