#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace assay::catalog {

/// Where a partition is read from when no table holds a position in it.
enum class KafkaStart { kEarliest, kLatest };

/// What to do when records that were not read yet are gone from the broker.
enum class OnLost {
  kFail,
  kSkip,  // go on with what is there, and say what was lost
};

/// Columns that a bronze table of a Kafka source may declare to keep what came beside a record's
/// value. Each has one type; `_headers` is a JSON object.
enum KafkaColumn { kKey, kTopic, kPartition, kOffset, kTimestamp, kHeaders };
inline constexpr std::array<std::string_view, 6> kKafkaColumns{
    "_key", "_topic", "_partition", "_offset", "_timestamp", "_headers"};
/// Of `format: raw`: the value itself, as text or bytes.
inline constexpr std::string_view kValueColumn = "_value";

/// `sources: name: {kafka: {brokers: ..., topics: [...], format: json}}`
struct KafkaDef {
  std::string brokers;              // "host:port", several cut by commas
  std::vector<std::string> topics;  // in the order of the definition
  KafkaStart start = KafkaStart::kEarliest;
  OnLost on_lost = OnLost::kFail;
  int64_t queue_bytes_max = 64 << 20;            // fetched and not yet taken
  double rejects_max = 0.5;                      // share of rejected records that stops the source
  Duration idle_timeout{30 * kMicrosPerSecond};  // a partition without rows holds nothing up then
  std::map<std::string, std::string> options;    // for the client library, by its own names
  std::string dead_letter;                       // topic for refused records; "" for none
};

}  // namespace assay::catalog
