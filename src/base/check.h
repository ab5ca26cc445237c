#pragma once

namespace assay {
/// Print where a bug of ours was caught, and stop the process.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace assay

/// Stops the process when `condition` is false: for bugs of ours only, always on.
#define ASSAY_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::assay::check_failed(#condition, __FILE__, __LINE__))
