// Any text as a path of the log: refused, or a path that is written in a form that reads the same.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "lake/log_entry.h"
#include "lake/uri_path.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto decoded = assay::lake::decode_log_path(text);
  if (decoded.ok()) {
    const auto again = assay::lake::decode_log_path(assay::lake::encode_log_path(*decoded));
    ASSAY_CHECK(again.ok() && *again == *decoded);
  }
  ASSAY_CHECK(*assay::lake::decode_log_path(assay::lake::encode_path_part(text)) == text);
  static_cast<void>(assay::lake::decode_data_path(text));
  return 0;
}
