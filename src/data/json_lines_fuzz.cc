#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "data/json_lines.h"

namespace assay::data {
namespace {

void expect_same(const Decoded& first, const Decoded& second, std::size_t records) {
  ASSAY_CHECK(static_cast<std::size_t>(first.rows.rows()) + first.rejects.size() == records);
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
  // Several are looked through at once: what stands beside them must not matter either.
  constexpr std::string_view kBeside = R"({"a":1,"b":"x","g":-2.5})";
  // Before a line as long as what is read behind a record, the record is read where it lies.
  const std::string behind = R"({"a":1,"b":")" + std::string(80, 'x') + R"("})";
  std::string lines;
  std::vector<std::string_view> records{kBeside, record, record, behind, record, behind};
  for (const std::string_view line : records) {
    lines.append(line).append("\n");
  }
  lines.pop_back();
  std::size_t begin = 0;
  for (std::string_view& line : records) {
    line = std::string_view(lines).substr(begin, line.size());
    begin += line.size() + 1;
  }
  const Decoded first = plain.decode(records);
  const Decoded second = by_tree.decode(records);
  expect_same(first, second, records.size());
  for (std::size_t i = 0; i < first.rejects.size(); ++i) {
    ASSAY_CHECK(first.rejects[i].row == second.rejects[i].row);
    ASSAY_CHECK(first.rejects[i].reason == second.rejects[i].reason);
    ASSAY_CHECK(first.rejects[i].column == second.rejects[i].column);
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
  expect_same(first, second, 1);
  decode_plain(record);
}

}  // namespace
}  // namespace assay::data

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  assay::data::decode(bytes, size);
  return 0;
}
