// Any bytes at all as a position: refused, or one that gives its text again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "flow/published_position.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  const auto position = assay::flow::parse_position({reinterpret_cast<const char*>(bytes), size});
  if (!position.ok()) {
    return 0;
  }
  const auto again = assay::flow::parse_position(assay::flow::position_text(*position));
  if (!again.ok() || *again != *position) {
    std::abort();
  }
  return 0;
}
