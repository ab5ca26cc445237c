// Any bytes as Feast's registry: a refusal or definitions, and the same ones again.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "serve/feast_import.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto first = assay::serve::import_feast(bytes);
  const auto second = assay::serve::import_feast(bytes);
  ASSAY_CHECK(first.ok() == second.ok());
  ASSAY_CHECK(!first.ok() || first->yaml == second->yaml);
  return 0;
}
