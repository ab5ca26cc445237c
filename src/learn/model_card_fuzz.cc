#include <cstddef>
#include <cstdint>
#include <string_view>

#include "learn/model_card.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto card = assay::learn::parse_model_card(text);
  if (card.ok() && !assay::learn::parse_model_card(assay::learn::to_json(*card)).ok()) {
    __builtin_trap();  // what was read can be written and read again
  }
  return 0;
}
