#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "flow/step.h"

namespace assay::flow {

/// Runs steps in a thread of its own, beside what its owner does with the workspace: they must not
/// need what the owner is making, nor make what it needs.
///
/// Threads its owner's; the steps have a workspace of their own, opened for the first of them.
class StepThread {
 public:
  /// `workspace` must outlive it.
  StepThread(Workspace& workspace, const RunOptions& options);
  /// Waits for the step at work; the others are not begun.
  ~StepThread();
  StepThread(const StepThread&) = delete;
  StepThread& operator=(const StepThread&) = delete;

  /// Have these run, in their order, behind those that wait already. One that waits is not asked
  /// for twice.
  ///
  /// Errors  of opening the workspace.
  Status begin(const std::vector<Step>& steps);
  /// Wait until all were run; their accounts are added to `report`. After a failure, which is
  /// given, the others are not begun.
  Status wait(RunReport* report);
  /// Wait for the step at work alone, whose accounts are added to `report`: the others are not
  /// begun any more. Gives the first failure.
  Status end(RunReport* report);

 private:
  void work();

  Workspace& workspace_;
  RunOptions options_;
  std::unique_ptr<Workspace> beside_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Step> waiting_;
  bool is_at_work_ = false;
  bool is_over_ = false;
  Status status_;
  RunReport report_;
  std::jthread thread_;  // the last one: it ends before what it uses
};

}  // namespace assay::flow
