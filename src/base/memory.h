#pragma once

#include <cstddef>
#include <cstdint>

#include "base/status.h"

namespace assay {

/// Ask the system to back these bytes with large pages, where it has them: fewer faults, fewer
/// misses of the address cache. Does nothing to small blocks.
void prefer_huge_pages(void* data, std::size_t size);

/// The most bytes that the process has held in memory so far.
///
/// Errors  kUnavailable: the system does not say.
Result<int64_t> peak_memory_bytes();

}  // namespace assay
