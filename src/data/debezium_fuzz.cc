#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "data/debezium.h"

namespace assay::data {
namespace {

/// Every record must be decoded, rejected or skipped, and what came before it must not matter. The
/// first line of the input is the record, the rest its key.
void decode(const uint8_t* bytes, std::size_t size) {
  const DecodeOptions options{make_schema({{"id", Type::kInt64, true},
                                           {"price", Type::decimal(10, 2), true},
                                           {"day", Type::kDate, true},
                                           {"ts", Type::kTimestamp, true},
                                           {"note", Type::kString, true},
                                           {"__op", Type::kString, true},
                                           {"__source_ts_ms", Type::kTimestamp, true},
                                           {"__deleted", Type::kBool, true}}),
                              {},
                              {},
                              {}};
  static DebeziumDecoder used(options, {});
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const std::size_t cut = std::min(input.find('\n'), size);
  const std::string_view record = input.substr(0, cut);
  const std::string_view key = input.substr(std::min(cut + 1, size));
  const Decoded first = used.decode(std::vector{record}, std::vector{key});
  const Decoded second = DebeziumDecoder(options, {}).decode(std::vector{record}, std::vector{key});
  ASSAY_CHECK(first.rows.rows() + static_cast<int64_t>(first.rejects.size()) + first.skipped == 1);
  ASSAY_CHECK(content_hash(first.rows) == content_hash(second.rows));
  ASSAY_CHECK(first.rejects.size() == second.rejects.size());
}

}  // namespace
}  // namespace assay::data

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  assay::data::decode(bytes, size);
  return 0;
}
