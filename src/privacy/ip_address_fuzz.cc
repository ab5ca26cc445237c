#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "privacy/ip_address.h"

/// Any bytes: no crash, and what is read is written as text that reads back the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto address = assay::privacy::parse_ip(text);
  if (address) {
    ASSAY_CHECK(assay::privacy::parse_ip(assay::privacy::format_ip(*address)) == address);
  }
  std::string truncated;
  if (assay::privacy::truncate_ip(text, &truncated)) {
    ASSAY_CHECK(assay::privacy::parse_ip(truncated).has_value());
  }
  return 0;
}
