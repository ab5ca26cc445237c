#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/key_codes.h"

// The labels of an as-of join, part by part: what asof_index.cc sweeps rows past.

namespace assay::data {

struct LabelRecord {
  Code64 code;
  int64_t time;
  uint32_t label;
};

/// Labels of one entity from which on they are sorted by radix, and searched from where the row
/// before was.
constexpr uint32_t kManyLabels = 2'048;

/// One part of the labels: a table from codes to the entity's labels, open addressing, linear
/// probing, at most half full.
struct LabelPart {
  struct Slot {
    Code64 code = 0;
    uint32_t begin = 0;  // of the part's labels; begin == end: a free slot
    uint32_t end = 0;
  };
  std::size_t first = 0;  // the part's first label in the index
  std::vector<Slot> slots;

  [[nodiscard]] const Slot& find(Code64 code) const {
    const std::size_t mask = slots.size() - 1;
    std::size_t at = scramble(code) & mask;
    while (slots[at].begin != slots[at].end && slots[at].code != code) {
      at = (at + 1) & mask;
    }
    return slots[at];
  }
};

/// Makes one part after another.
///
/// Threads one thread at a time.
class PartOrderer {
 public:
  PartOrderer();
  ~PartOrderer();
  PartOrderer(const PartOrderer&) = delete;
  PartOrderer& operator=(const PartOrderer&) = delete;

  /// Give `part` its table, and its labels' times and numbers their places: entity after entity, in
  /// order of time. Returns how many labels have the key and time of another.
  int64_t order(std::span<const LabelRecord> labels,
                LabelPart& part,
                int64_t* times,
                uint32_t* numbers);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::data
