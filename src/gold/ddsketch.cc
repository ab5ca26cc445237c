// Bins of the positive doubles are their bits without the lowest 45: exponent and 7 bits of the
// mantissa.
//
//   double  0 eeeeeeeeeee mmmmmmm mmmmm...      bin = 1 + eeeeeeeeeee.mmmmmmm
//
// Zero is bin 0, a negative value has its magnitude's bin negated. Bytes: varint bins; each signed
// distance to the bin before (the first: to 0) and varint count.

#include "gold/ddsketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace assay::gold {
namespace {

constexpr int kDroppedBits = 45;
constexpr int32_t kInfinityBin = 1 + (0x7ff << 7);
constexpr int32_t kNanBin = kInfinityBin + 1;
constexpr uint64_t kCountMax = uint64_t{1} << 48;

}  // namespace

int32_t sketch_bin(double value) {
  if (value != value) {
    return kNanBin;
  }
  if (value == 0) {
    return 0;
  }
  const auto bits = std::bit_cast<uint64_t>(std::fabs(value));
  const int32_t bin = 1 + static_cast<int32_t>(bits >> kDroppedBits);
  return value < 0 ? -bin : bin;
}

double sketch_value(int32_t bin) {
  if (bin == 0) {
    return 0.0;
  }
  if (bin == kNanBin) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const auto bits = static_cast<uint64_t>(std::abs(bin) - 1) << kDroppedBits;
  const auto magnitude = std::bit_cast<double>(bits);
  return bin < 0 ? 0.0 - magnitude : magnitude;
}

void DdSketch::add(int32_t bin, int64_t count) {
  const int32_t index = bin >> 7;
  const auto place = blocks_.try_emplace(index).first;
  place->second.bins[static_cast<std::size_t>(bin & (kBlockBins - 1))] += count;
  place->second.count += count;
  count_ += count;
  if (place->second.count == 0) {
    blocks_.erase(place);
  }
}

double DdSketch::quantile(double q) const {
  ASSAY_CHECK(count_ > 0);
  const double wanted = std::ceil(q * static_cast<double>(count_));
  int64_t left = std::clamp(static_cast<int64_t>(wanted), int64_t{1}, count_);
  for (const auto& [index, block] : blocks_) {
    if (left > block.count) {
      left -= block.count;
      continue;
    }
    for (int32_t i = 0; i < kBlockBins; ++i) {
      left -= block.bins[static_cast<std::size_t>(i)];
      if (left <= 0) {
        return sketch_value(index * kBlockBins + i);
      }
    }
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::vector<double> DdSketch::values_and_counts() const {
  std::vector<double> list;
  for (const auto& [index, block] : blocks_) {
    for (int32_t i = 0; i < kBlockBins; ++i) {
      const int64_t count = block.bins[static_cast<std::size_t>(i)];
      if (count == 0) {
        continue;
      }
      const double value = sketch_value(index * kBlockBins + i);
      if (!list.empty() && list[list.size() - 2] == value) {  // zero's own, or the smallest of all
        list.back() += static_cast<double>(count);
      } else {
        list.push_back(value);
        list.push_back(static_cast<double>(count));
      }
    }
  }
  return list;
}

void DdSketch::encode(std::string* out) const {
  uint64_t used = 0;
  for (const auto& entry : blocks_) {
    for (const int64_t count : entry.second.bins) {
      used += count != 0 ? 1 : 0;
    }
  }
  append_varint(out, used);
  int32_t previous = 0;
  for (const auto& [index, block] : blocks_) {
    for (int32_t i = 0; i < kBlockBins; ++i) {
      const int64_t count = block.bins[static_cast<std::size_t>(i)];
      if (count != 0) {
        const int32_t bin = index * kBlockBins + i;
        append_signed(out, bin - previous);
        append_varint(out, static_cast<uint64_t>(count));
        previous = bin;
      }
    }
  }
}

void DdSketch::merge_encoded(RowReader* reader) {
  int64_t bin = 0;
  for (uint64_t left = reader->varint(); left > 0 && !reader->failed(); --left) {
    const int64_t distance = reader->signed_varint();
    const uint64_t count = reader->varint();
    const bool in_reach = distance >= -2 * kNanBin && distance <= 2 * kNanBin;
    bin += in_reach ? distance : 0;
    if (!in_reach || bin < -kInfinityBin || bin > kNanBin || count == 0 || count > kCountMax) {
      reader->fail();
      return;
    }
    add(static_cast<int32_t>(bin), static_cast<int64_t>(count));
  }
}

}  // namespace assay::gold
