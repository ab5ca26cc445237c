#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "online/fake_view.h"

// Users u0, u1, ... of a small view, for the tests of one store each; some work in other processes.

namespace assay::online {

inline FakeView text_view(const std::string& name, int features = 1) {
  return FakeView(name, {{"user_id", data::Type::kString}}, features);
}

/// Rows of users [begin, end), all values the same; larger values are newer rows.
inline data::Batch users(const FakeView& view, int begin, int end, double value) {
  std::vector<FakeRow> rows;
  for (int user = begin; user < end; ++user) {
    rows.push_back({"u" + std::to_string(user), 1, 1, {}});
    rows.back().features.assign(view.features().size(), value);
  }
  return fake_batch(view, rows, static_cast<int64_t>(value * 100'000));
}

/// Run `body` in another process; its exit code.
inline int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace assay::online
