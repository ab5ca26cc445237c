#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "data/json_lines.h"

namespace assay::data {
namespace {

/// Every record must be decoded or rejected, and what came before it must not matter.
void decode(const uint8_t* bytes, std::size_t size) {
  const DecodeOptions options{make_schema({{"a", Type::kInt64, true},
                                           {"b", Type::kString, false},
                                           {"c", Type::kFloat32, true},
                                           {"d", Type::kTimestamp, true},
                                           {"e", Type::kBytes, true},
                                           {"f", Type::kDate, true}}),
                              {TimeUnit::kText,
                               TimeUnit::kText,
                               TimeUnit::kText,
                               TimeUnit::kSeconds,
                               TimeUnit::kText,
                               TimeUnit::kText},
                              {},
                              {}};
  static JsonLinesDecoder used(options);
  const std::string_view record(reinterpret_cast<const char*>(bytes), size);
  const Decoded first = used.decode(std::vector{record});
  const Decoded second = JsonLinesDecoder(options).decode(std::vector{record});
  ASSAY_CHECK(first.rows.rows() + static_cast<int64_t>(first.rejects.size()) == 1);
  ASSAY_CHECK(content_hash(first.rows) == content_hash(second.rows));
  ASSAY_CHECK(first.rejects.size() == second.rejects.size());
}

}  // namespace
}  // namespace assay::data

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  assay::data::decode(bytes, size);
  return 0;
}
