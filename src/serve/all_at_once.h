#pragma once

#include <functional>
#include <thread>
#include <vector>

namespace assay::serve {

/// Makes all of these calls, each on a thread of its own, and waits until they are done.
inline void all_at_once(const std::vector<std::function<void()>>& calls) {
  std::vector<std::jthread> threads;
  threads.reserve(calls.size());
  for (const std::function<void()>& call : calls) {
    threads.emplace_back(call);
  }
}

}  // namespace assay::serve
