#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/check.h"
#include "data/type.h"

/// Any text is a type or none, and the name of a type is read back.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  using assay::data::Type;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const std::optional<Type> type = assay::data::type_from_name(text);
  if (type.has_value()) {
    ASSAY_CHECK(assay::data::type_from_name(assay::data::type_name(*type)) == type);
  }
  return 0;
}
