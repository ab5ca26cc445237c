// Any bytes as a log entry: read or refused, and what was read is written in a form that reads the
// same.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "lake/log_entry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using assay::lake::LogEntry;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const assay::Result<LogEntry> entry = assay::lake::parse_log_entry("fuzz", bytes);
  if (!entry.ok()) {
    return 0;
  }
  std::string once;
  for (const auto& add : entry->adds) {
    assay::lake::append_action(once, add);
  }
  for (const auto& remove : entry->removes) {
    assay::lake::append_action(once, remove);
  }
  for (const auto& txn : entry->txns) {
    assay::lake::append_action(once, txn);
  }
  if (once.empty()) {
    return 0;
  }
  const assay::Result<LogEntry> again = assay::lake::parse_log_entry("fuzz", once);
  ASSAY_CHECK(again.ok());
  ASSAY_CHECK(again->adds.size() == entry->adds.size());
  ASSAY_CHECK(again->removes.size() == entry->removes.size());
  ASSAY_CHECK(again->txns.size() == entry->txns.size());
  for (std::size_t i = 0; i < entry->adds.size(); ++i) {
    ASSAY_CHECK(again->adds[i].file.path == entry->adds[i].file.path);
    ASSAY_CHECK(again->adds[i].file.partition_values == entry->adds[i].file.partition_values);
    ASSAY_CHECK(again->adds[i].file.stats_json == entry->adds[i].file.stats_json);
  }
  return 0;
}
