#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "data/avro.h"

namespace assay::data {
namespace {

/// The first line of the input is a schema, the rest a record. Whatever they are, the work is
/// bounded, and reading twice gives the same.
void read(const uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const std::size_t cut = std::min(input.find('\n'), size);
  const auto schema = parse_avro_schema(input.substr(0, cut));
  if (!schema.ok()) {
    return;
  }
  const std::string_view record = input.substr(std::min(cut + 1, size));
  std::string first;
  std::string second;
  const bool is_good = (*schema)->append_json(record, &first);
  ASSAY_CHECK((*schema)->append_json(record, &second) == is_good);
  ASSAY_CHECK(first == second);
}

}  // namespace
}  // namespace assay::data

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  assay::data::read(bytes, size);
  return 0;
}
