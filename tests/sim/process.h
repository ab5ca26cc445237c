#pragma once

#include <csignal>
#include <cstdio>
#include <functional>

#include <sys/wait.h>
#include <unistd.h>

#include "base/status.h"

// Work in processes of their own, since who makes one may have opened no engine.

namespace assay::sim {

enum class End { kCame, kDied, kFailed, kWrong };

inline pid_t begin_process(const std::function<Status()>& work) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child != 0) {
    return child;
  }
  const Status done = work();
  // What the disk or a server does is told by these codes, the last of them where it answered neither
  // to a commit nor to who looked for it; everything else is a fault of ours.
  const bool is_told = done.code() == Code::kUnavailable ||
                       done.code() == Code::kResourceExhausted ||
                       done.code() == Code::kCommitUnknown;
  if (!done.ok() && !is_told) {
    std::fprintf(stderr, "%s\n", done.to_string().c_str());
  }
  std::fflush(nullptr);
  ::_exit(done.ok() ? 0 : is_told ? 3 : 1);
}

/// How a process ended, by what waitpid() says.
inline End end_of(int status) {
  if (WIFSIGNALED(status)) {
    return WTERMSIG(status) == SIGKILL ? End::kDied : End::kWrong;
  }
  return WEXITSTATUS(status) == 0   ? End::kCame
         : WEXITSTATUS(status) == 3 ? End::kFailed
                                    : End::kWrong;
}

inline End in_process(const std::function<Status()>& work) {
  const pid_t child = begin_process(work);
  int status = 0;
  return ::waitpid(child, &status, 0) == child ? end_of(status) : End::kWrong;
}

}  // namespace assay::sim
