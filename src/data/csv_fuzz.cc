#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "data/csv.h"
#include "data/record_splitter.h"

namespace assay::data {
namespace {

struct Owned {
  std::string text;
  int64_t line = 0;
  bool oversized = false;
  bool operator==(const Owned&) const = default;
};

std::vector<Owned> split(std::string_view text, const SplitterOptions& options, std::size_t block) {
  RecordSplitter splitter(options);
  std::vector<Owned> records;
  for (bool last = false; !last;) {
    last = text.size() <= block;
    for (const SplitRecord& record : splitter.feed(text.substr(0, block), last)) {
      ASSAY_CHECK(!record.text.empty() && record.text.size() <= options.record_bytes_max);
      records.push_back({std::string(record.text), record.line, record.oversized});
    }
    text.remove_prefix(last ? 0 : block);
  }
  return records;
}

/// Blocks must not matter, and every record must be decoded or rejected.
void split_and_decode(const uint8_t* bytes, std::size_t size) {
  if (size < 2) {
    return;
  }
  const SplitterOptions options{.quotes = (bytes[0] & 1) == 0,
                                .delimiter = (bytes[0] & 2) == 0 ? ',' : '\t',
                                .record_bytes_max = 1 + std::size_t{bytes[0]} / 4};
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 2, size - 2);
  const std::vector<Owned> records = split(text, options, size);
  ASSAY_CHECK(records == split(text, options, 1 + std::size_t{bytes[1]} % 16));

  std::vector<std::string_view> views;
  for (const Owned& record : records) {
    views.push_back(record.text);
  }
  const DecodeOptions decode{make_schema({{"a", Type::kInt64, true},
                                          {"b", Type::kString, false},
                                          {"c", Type::kFloat64, true},
                                          {"d", Type::kTimestamp, true}}),
                             {TimeUnit::kText, TimeUnit::kText, TimeUnit::kText, TimeUnit::kMillis},
                             {"NA"},
                             {}};
  const Decoded decoded = CsvDecoder(decode, {"a", "b", "c", "d"}, options.delimiter).decode(views);
  ASSAY_CHECK(decoded.record_of_row.size() + decoded.rejects.size() == records.size());
  ASSAY_CHECK(decoded.rows.rows() == static_cast<int64_t>(decoded.record_of_row.size()));
}

}  // namespace
}  // namespace assay::data

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  assay::data::split_and_decode(bytes, size);
  return 0;
}
