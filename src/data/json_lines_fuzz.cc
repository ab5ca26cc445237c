#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "data/json_lines.h"

namespace assay::data {
namespace {

void expect_same(const Decoded& first, const Decoded& second) {
  ASSAY_CHECK(first.rows.rows() + static_cast<int64_t>(first.rejects.size()) == 1);
  ASSAY_CHECK(content_hash(first.rows) == content_hash(second.rows));
  ASSAY_CHECK(first.rejects.size() == second.rejects.size());
}

/// Plain records are read without a tree; that must be seen by nobody.
void decode_plain(std::string_view record) {
  DecodeOptions options{make_schema({{"a", Type::kInt64, true},
                                     {"b", Type::kString, false},
                                     {"c", Type::kFloat32, true},
                                     {"d", Type::kTimestamp, true},
                                     {"e", Type::kBool, true},
                                     {"f", Type::kDate, true},
                                     {"g", Type::kFloat64, true},
                                     {"h", Type::kInt8, true}}),
                        {},
                        {},
                        {}};
  options.time_units.assign(8, TimeUnit::kMillis);
  static JsonLinesDecoder plain(options);
  options.only_by_tree = true;
  static JsonLinesDecoder by_tree(options);
  const Decoded first = plain.decode(std::vector{record});
  const Decoded second = by_tree.decode(std::vector{record});
  expect_same(first, second);
  if (!first.rejects.empty()) {
    ASSAY_CHECK(first.rejects[0].reason == second.rejects[0].reason);
    ASSAY_CHECK(first.rejects[0].column == second.rejects[0].column);
  }
}

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
  expect_same(first, second);
  decode_plain(record);
}

}  // namespace
}  // namespace assay::data

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  assay::data::decode(bytes, size);
  return 0;
}
