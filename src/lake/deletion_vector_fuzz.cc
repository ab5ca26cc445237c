// Any bytes as a deletion vector: refused, or ascending row numbers, as many as announced.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "lake/deletion_vector.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  int64_t cardinality = 0;
  if (!bytes.empty()) {
    cardinality = static_cast<unsigned char>(bytes.front()) * 17;
    bytes.remove_prefix(1);
  }
  const auto rows = assay::lake::decode_deletion_vector(bytes, cardinality);
  if (rows.ok()) {
    ASSAY_CHECK(static_cast<int64_t>(rows->size()) == cardinality);
    ASSAY_CHECK(std::is_sorted(rows->begin(), rows->end()));
    ASSAY_CHECK(rows->empty() || rows->front() >= 0);
  }
  const auto plain = assay::lake::decode_z85(bytes);
  ASSAY_CHECK(!plain.ok() || plain->size() == bytes.size() / 5 * 4);
  return 0;
}
