#pragma once

#include <cstdint>
#include <optional>

#include "base/hash.h"
#include "ingest/kafka_client.h"

// What a table keeps of the last record that it has of a partition, beside the offset `next` of the
// one that it reads next:
//
//    62                51 50                40 39                          0
//   +--------------------+--------------------+-----------------------------+
//   |  next - its offset |  print of `next`   |  print of the record        |
//   +--------------------+--------------------+-----------------------------+
//
// The record's print is made of when it was sent and how long its key and its value are: nothing of
// what it says. A topic that was made again has, at the same offset, a record of another
// millisecond. The print of `next` tells a mark that was left behind when a position moved on.

namespace assay::ingest {

/// A record of a partition, so far as it can be told from another one at its offset.
struct KafkaMark {
  int64_t offset = 0;
  uint64_t print = 0;

  static constexpr int kPrintBits = 40;
  static constexpr int kNextBits = 11;
  static constexpr int64_t kNone = 0;  // kept where nothing is known of the last record
  static constexpr int64_t kBehindMax = (int64_t{1} << 12) - 1;

  /// Nothing for a record of which its topic does not say when it was sent.
  static std::optional<KafkaMark> of(const KafkaMessage& message) {
    if (message.timestamp_ms < 0) {
      return std::nullopt;
    }
    const uint64_t key = message.has_key ? message.key.size() + 1 : 0;
    const uint64_t value = message.has_value ? message.value.size() + 1 : 0;
    const uint64_t sent = hash_mix(static_cast<uint64_t>(message.timestamp_ms), key);
    return KafkaMark{message.offset, hash_mix(sent, value) >> (64 - kPrintBits)};
  }

  /// As a table keeps it; nothing where the record is too far behind.
  [[nodiscard]] std::optional<int64_t> encode(int64_t next) const {
    const int64_t behind = next - offset;
    if (behind < 1 || behind > kBehindMax) {
      return std::nullopt;
    }
    return (behind << kNextBits | print_of(next)) << kPrintBits | static_cast<int64_t>(print);
  }
  /// Nothing where what is kept says nothing of the record before `next`.
  static std::optional<KafkaMark> decode(int64_t kept, int64_t next) {
    const int64_t behind = kept >> (kPrintBits + kNextBits);
    const int64_t of_next = (kept >> kPrintBits) & ((int64_t{1} << kNextBits) - 1);
    if (behind < 1 || of_next != print_of(next)) {
      return std::nullopt;
    }
    return KafkaMark{next - behind,
                     static_cast<uint64_t>(kept) & ((uint64_t{1} << kPrintBits) - 1)};
  }
  bool operator==(const KafkaMark&) const = default;

 private:
  static int64_t print_of(int64_t next) {
    return static_cast<int64_t>(hash_mix(static_cast<uint64_t>(next), 1) >> (64 - kNextBits));
  }
};

}  // namespace assay::ingest
