#pragma once

#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/pause.h"

// For tests: a wait for what others do ends, and says what was seen when it was in vain.

namespace assay {

struct WaitOptions {
  /// Far longer than anything takes on a busy machine.
  Duration at_most{120 * kMicrosPerSecond};
  Duration look_every{1'000};
  /// A test waits in vain once: behind a fatal failure it only looks, unless this is true.
  bool even_after_failure = false;
  /// Why it cannot come any more, so that nobody waits on; empty while it may.
  std::function<std::string()> why_over = nullptr;
  /// What helps to see why it did not come.
  std::function<std::string()> tell = nullptr;
};

/// Look again and again until `is_it` is true of what `look` gives. When it is not within
/// `at_most`, the test has a fatal failure that says what was seen last, and this is false.
template <typename Look, typename IsIt>
bool wait_until(const std::string& what, Look look, IsIt is_it, const WaitOptions& options = {}) {
  const std::unique_ptr<Clock> clock = system_clock();
  const Duration began = clock->monotonic();
  const bool is_in_vain = testing::Test::HasFatalFailure() && !options.even_after_failure;
  for (;;) {
    // What comes just before it is over is seen.
    std::string over = options.why_over ? options.why_over() : std::string();
    const auto seen = look();
    if (is_it(seen)) {
      return true;
    }
    const int64_t waited = clock->monotonic().micros - began.micros;
    if (over.empty() && !is_in_vain && waited < options.at_most.micros) {
      pause_for(options.look_every);
      continue;
    }
    over = over.empty() ? std::to_string(waited / kMicrosPerSecond) + " s are over" : over;
    [&] {
      FAIL() << "waited in vain for " << what << ": " << over << "; seen last "
             << testing::PrintToString(seen) << (options.tell ? "\n" + options.tell() : "");
    }();
    return false;
  }
}

}  // namespace assay
