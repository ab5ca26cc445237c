#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "learn/scorer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto scorer = assay::learn::Scorer::load(text);
  if (scorer.ok()) {
    const std::vector<float> row(static_cast<std::size_t>((*scorer)->feature_count()), 0.25F);
    static_cast<void>((*scorer)->score(row));
  }
  return 0;
}
