// Bytes: varint registers in use; at most 2,048 of them as varint distance to the register before
// (the first: to -1) and the level in a byte; more as all 4,096 levels.

#include "gold/hyperloglog.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace assay::gold {
namespace {

constexpr int64_t kSparseMax = 2048;

int level_of(uint64_t levels) {
  return 63 - std::countl_zero(levels);
}

// Ertl's sigma and tau: what empty and full registers add to the sum. Only products, sums and
// roots.
double sigma(double share) {
  if (share == 1.0) {
    return HUGE_VAL;
  }
  double weight = 1;
  double sum = share;
  for (double before = -1; sum != before; weight += weight) {
    share *= share;
    before = sum;
    sum += share * weight;
  }
  return sum;
}

double tau(double share) {
  if (share == 0.0 || share == 1.0) {
    return 0.0;
  }
  double weight = 1;
  double sum = 1 - share;
  for (double before = -1; sum != before;) {
    share = std::sqrt(share);
    before = sum;
    weight *= 0.5;
    sum -= (1 - share) * (1 - share) * weight;
  }
  return sum / 3;
}

}  // namespace

uint32_t sketch_code(uint64_t hash) {
  const uint64_t rest = hash << kSketchPrecision;
  const int level = rest == 0 ? kSketchLevels : std::countl_zero(rest) + 1;
  return static_cast<uint32_t>(hash >> (64 - kSketchPrecision)) * 64 + static_cast<uint32_t>(level);
}

int64_t estimate_distinct(const LevelHistogram& histogram) {
  constexpr double kRegisters = kSketchRegisters;
  constexpr double kHalfPerLn2 = 0.72134752044448170;  // 1 / (2 ln 2)
  double sum = kRegisters * tau(1 - static_cast<double>(histogram[kSketchLevels]) / kRegisters);
  for (std::size_t level = kSketchLevels - 1; level >= 1; --level) {
    sum = 0.5 * (sum + static_cast<double>(histogram[level]));
  }
  sum += kRegisters * sigma(static_cast<double>(histogram[0]) / kRegisters);
  return static_cast<int64_t>(std::nearbyint(kHalfPerLn2 * kRegisters * kRegisters / sum));
}

void HyperLogLog::add(uint32_t code) {
  if (registers_.empty()) {
    registers_.resize(kSketchRegisters);
  }
  uint8_t& level = registers_[code / 64];
  level = std::max(level, static_cast<uint8_t>(code % 64));
}

int64_t HyperLogLog::estimate() const {
  LevelHistogram histogram{};
  for (const uint8_t level : registers_) {
    ++histogram[level];
  }
  if (registers_.empty()) {
    histogram[0] = kSketchRegisters;
  }
  return estimate_distinct(histogram);
}

void HyperLogLog::encode(std::string* out) const {
  const auto used =
      std::count_if(registers_.begin(), registers_.end(), [](uint8_t level) { return level != 0; });
  append_varint(out, static_cast<uint64_t>(used));
  if (used > kSparseMax) {
    out->append(registers_.begin(), registers_.end());
    return;
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < registers_.size(); ++i) {
    if (registers_[i] != 0) {
      append_varint(out, i - next);
      out->push_back(static_cast<char>(registers_[i]));
      next = i + 1;
    }
  }
}

void HyperLogLog::merge_encoded(RowReader* reader) {
  const uint64_t used = reader->varint();
  if (used > kSketchRegisters) {
    reader->fail();
    return;
  }
  const bool all = used > kSparseMax;
  const std::string_view levels = reader->take(all ? kSketchRegisters : 0);
  uint64_t place = 0;
  for (uint64_t i = 0; i < (all ? kSketchRegisters : used) && !reader->failed(); ++i, ++place) {
    place += all ? 0 : std::min<uint64_t>(reader->varint(), kSketchRegisters);
    const uint8_t level = all ? static_cast<uint8_t>(levels[i]) : reader->byte();
    if (place >= kSketchRegisters || level > kSketchLevels || (!all && level == 0)) {
      reader->fail();
      return;
    }
    if (level != 0) {
      add(static_cast<uint32_t>(place) * 64 + level);
    }
  }
}

void SlidingHyperLogLog::add(uint32_t code) {
  if (++counts_[code] != 1) {
    return;
  }
  uint64_t& levels = levels_[code / 64];
  const int before = levels == 0 ? 0 : level_of(levels);
  levels |= uint64_t{1} << (code % 64);
  --histogram_[static_cast<std::size_t>(before)];
  ++histogram_[static_cast<std::size_t>(level_of(levels))];
}

void SlidingHyperLogLog::subtract(uint32_t code) {
  const auto count = counts_.find(code);
  if (--count->second != 0) {
    return;
  }
  counts_.erase(count);
  const auto levels = levels_.find(code / 64);
  --histogram_[static_cast<std::size_t>(level_of(levels->second))];
  levels->second &= ~(uint64_t{1} << (code % 64));
  ++histogram_[static_cast<std::size_t>(levels->second == 0 ? 0 : level_of(levels->second))];
  if (levels->second == 0) {
    levels_.erase(levels);
  }
}

void SlidingHyperLogLog::clear() {
  counts_.clear();
  levels_.clear();
  histogram_.fill(0);
  histogram_[0] = kSketchRegisters;
}

}  // namespace assay::gold
