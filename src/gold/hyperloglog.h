#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "gold/row_bytes.h"

// Approximate count of distinct values.
//
// The hash of a value names one of 4,096 registers (its top 12 bits) and a level: one more than the
// zeros that the other bits begin with. A register holds the largest level it has seen, so merging
// takes the larger one: any order and grouping gives the same registers. The estimate is a function
// of how many registers hold each level. Standard error 1.04 / sqrt(4096) = 1.6 %; of 100
// values about one is missed.
//
// Source  Flajolet et al., "HyperLogLog" (2007); Ertl, "New cardinality estimation algorithms for
// HyperLogLog sketches" (2017), algorithm 6, whose estimate needs no tables of corrections.

namespace assay::gold {

inline constexpr int kSketchPrecision = 12;
inline constexpr int kSketchRegisters = 1 << kSketchPrecision;
inline constexpr int kSketchLevels = 64 - kSketchPrecision + 1;  // levels are 1 to this

/// Register and level of a hashed value, in one number: register * 64 + level.
uint32_t sketch_code(uint64_t hash);

/// Registers by level; [0] counts those that saw nothing.
using LevelHistogram = std::array<int64_t, kSketchLevels + 1>;
/// The estimated count, to the nearest integer.
int64_t estimate_distinct(const LevelHistogram& histogram);

/// Registers, as tiles of the online row hold them.
///
/// Threads one thread at a time. Cost 4 KiB; at most 4 KiB encoded.
class HyperLogLog {
 public:
  void add(uint32_t code);
  [[nodiscard]] int64_t estimate() const;
  void encode(std::string* out) const;
  /// Merge the registers whose bytes come next. The reader fails when they are none.
  void merge_encoded(RowReader* reader);

 private:
  std::vector<uint8_t> registers_;  // empty: nothing seen
};

/// Registers of a window from which values leave again: how often each (register, level) stands in
/// it, and the largest level that still does.
///
/// Threads one thread at a time. Cost O(1) an update, O(levels) an estimate; one entry a code.
class SlidingHyperLogLog {
 public:
  SlidingHyperLogLog() { clear(); }
  void add(uint32_t code);
  /// Take out a code that was added.
  void subtract(uint32_t code);
  void clear();
  [[nodiscard]] int64_t estimate() const { return estimate_distinct(histogram_); }

 private:
  std::unordered_map<uint32_t, int64_t> counts_;   // by code
  std::unordered_map<uint32_t, uint64_t> levels_;  // by register: bit l for level l
  LevelHistogram histogram_{};
};

}  // namespace assay::gold
