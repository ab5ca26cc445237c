#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "bronze/dedup.h"
#include "data/batch.h"
#include "data/entity_key.h"

namespace assay::bronze {

struct TestRecord {
  int64_t key = 0;
  int64_t time = 0;
  int64_t sequence = 0;
  uint64_t content = 0;
};

/// The rule, word by word: O(n) per record.
class NaiveDedup {
 public:
  explicit NaiveDedup(int64_t dedup_for, bool in_order = true)
      : dedup_for_(dedup_for), in_order_(in_order) {}
  bool accept(const TestRecord& record) {
    const TestRecord* last = nullptr;
    for (const TestRecord& other : accepted_) {
      const bool is_other =
          in_order_ ? other.sequence < record.sequence : other.sequence != record.sequence;
      if (is_other && other.key == record.key && std::abs(other.time - record.time) <= dedup_for_ &&
          (last == nullptr || other.sequence > last->sequence)) {
        last = &other;
      }
    }
    if (last != nullptr && last->content == record.content) {
      return false;
    }
    accepted_.push_back(record);
    return true;
  }
  [[nodiscard]] const std::vector<TestRecord>& accepted() const { return accepted_; }
  /// Only these were accepted after all.
  void restore(std::vector<TestRecord> accepted) { accepted_ = std::move(accepted); }

 private:
  int64_t dedup_for_;
  bool in_order_;
  std::vector<TestRecord> accepted_;
};

/// A bronze table's rows of these records.
inline data::Batch table_of(const std::vector<TestRecord>& records) {
  data::BatchBuilder builder(data::make_schema({{"id", data::Type::kInt64, true},
                                                {"event_time", data::Type::kTimestamp, false},
                                                {"sequence", data::Type::kInt64, false}}));
  for (const TestRecord& record : records) {
    builder.column(0).append(record.key);
    builder.column(1).append(record.time);
    builder.column(2).append(record.sequence);
  }
  return builder.finish();
}

inline std::string key_bytes(int64_t key) {
  const data::Scalar scalar[] = {data::Scalar::int64(key)};
  return data::encode_key(scalar)->bytes();
}

}  // namespace assay::bronze
