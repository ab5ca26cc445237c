#pragma once

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "base/unsynced_files.h"
#include "flow/shared_up.h"
#include "flow/up.h"

// `assay up` in another process of a test's program: what that process does.

namespace assay::flow {

inline constexpr char kUpFolder[] = "ASSAY_TEST_UP_FOLDER";
inline constexpr char kUpShares[] = "ASSAY_TEST_UP_SHARES";
inline constexpr Duration kCrashFlushEvery{150'000};
/// How one ends that is refused, because another works on the project.
inline constexpr int kRefused = 77;

inline std::atomic<bool> is_child_to_stop = false;

inline void end_if_refused(const Status& status) {
  if (status.code() == Code::kFailedPrecondition) {
    std::_Exit(kRefused);
  }
}

/// Run `assay up` in the folder that the parent said, or `assay up --share`, until killed; nothing
/// without a parent.
inline void run_as_child() {
  const char* folder = std::getenv(kUpFolder);
  if (folder == nullptr) {
    return;
  }
  UnsyncedWorld system(LogLevel::kError);
  const auto workspace = *Workspace::open(system.world(), folder, {});
  UpOptions options;
  options.flush_every = kCrashFlushEvery;
  if (std::getenv("ASSAY_FAIL_POINT") != nullptr) {  // each other time, then
    options.run.gold_unnoticed = {0};  // gold always waits its turn
    options.run.duplicates_bytes = 1;  // every batch's keys go to a file
  }
  options.ready = [&] { return system.world().files.write(std::string(folder) + "/ready", "1"); };
  if (std::getenv(kUpShares) != nullptr) {  // may also be asked to leave
    std::signal(SIGTERM, [](int) { is_child_to_stop = true; });
    options.run.stop = &is_child_to_stop;
    options.retry_first = {100'000};
    const Result<RunReport> shared = run_shared_up(*workspace, options);
    end_if_refused(shared.status());
    ASSERT_TRUE(shared.ok()) << shared.status().to_string();
    return;
  }
  const Result<RunReport> report = run_up(*workspace, options);
  end_if_refused(report.status());
  FAIL() << "it ended by itself: " << report.status().to_string();
}

}  // namespace assay::flow
