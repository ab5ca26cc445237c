#include "data/label_parts.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace assay::data {
namespace {

struct TimedLabel {
  int64_t time;
  uint32_t label;
};

/// Sort by time, equal times as they stand.
void sort_by_time(std::span<TimedLabel> labels, std::vector<TimedLabel>& scratch) {
  const auto earlier = [](const TimedLabel& a, const TimedLabel& b) { return a.time < b.time; };
  if (std::is_sorted(labels.begin(), labels.end(), earlier)) {
    return;
  }
  if (labels.size() < kManyLabels) {
    std::sort(labels.begin(), labels.end(), [](const TimedLabel& a, const TimedLabel& b) {
      return a.time != b.time ? a.time < b.time : a.label < b.label;
    });
    return;
  }
  const auto [least, most] = std::minmax_element(labels.begin(), labels.end(), earlier);
  const auto origin = static_cast<uint64_t>(least->time);
  const uint64_t range = static_cast<uint64_t>(most->time) - origin;
  constexpr int kDigitBits = 11;
  scratch.resize(labels.size());
  std::span<TimedLabel> from = labels;
  std::span<TimedLabel> to = scratch;
  for (int shift = 0; shift < 64 && (range >> shift) != 0; shift += kDigitBits) {
    const auto digit = [=](const TimedLabel& label) {
      return ((static_cast<uint64_t>(label.time) - origin) >> shift) & ((1U << kDigitBits) - 1);
    };
    std::vector<uint32_t> positions(std::size_t{1} << kDigitBits);
    for (const TimedLabel& label : from) {
      ++positions[digit(label)];
    }
    uint32_t next = 0;
    for (uint32_t& position : positions) {
      next += std::exchange(position, next);
    }
    for (const TimedLabel& label : from) {
      to[positions[digit(label)]++] = label;
    }
    std::swap(from, to);
  }
  if (from.data() != labels.data()) {
    std::copy(from.begin(), from.end(), labels.begin());
  }
}

}  // namespace

class PartOrderer::Impl {
 public:
  int64_t order(std::span<const LabelRecord> labels,
                LabelPart& part,
                int64_t* times,
                uint32_t* numbers) {
    group(labels, part);
    int64_t duplicates = 0;
    for (const LabelPart::Slot& slot : part.slots) {
      sort_by_time({grouped_.data() + slot.begin, slot.end - slot.begin}, scratch_);
      for (uint32_t i = slot.begin; i < slot.end; ++i) {
        times[i] = grouped_[i].time;
        numbers[i] = grouped_[i].label;
        duplicates += i > slot.begin && times[i] == times[i - 1] ? 1 : 0;
      }
    }
    return duplicates;
  }

 private:
  /// Labels entity after entity, in their order before.
  void group(std::span<const LabelRecord> labels, LabelPart& part) {
    start_table(labels.size());
    ids_.resize(labels.size());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      ids_[i] = put(labels[i].code);
    }
    part.slots.assign(std::bit_ceil(std::max<std::size_t>(codes_.size() * 2, 2)), {});
    const std::size_t mask = part.slots.size() - 1;
    uint32_t begin = 0;
    for (std::size_t id = 0; id < codes_.size(); ++id) {
      std::size_t at = scramble(codes_[id]) & mask;
      while (part.slots[at].begin != part.slots[at].end) {
        at = (at + 1) & mask;
      }
      part.slots[at] = {codes_[id], begin, begin + counts_[id]};
      begin += std::exchange(counts_[id], begin);
    }
    grouped_.resize(labels.size());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      grouped_[counts_[ids_[i]]++] = {labels[i].time, labels[i].label};
    }
  }

  void start_table(std::size_t labels) {
    table_.assign(std::bit_ceil(std::max<std::size_t>(labels * 2, 2)), kFree);
    codes_.clear();
    counts_.clear();
  }
  uint32_t put(Code64 code) {
    const std::size_t mask = table_.size() - 1;
    std::size_t at = scramble(code) & mask;
    while (table_[at] != kFree && codes_[table_[at]] != code) {
      at = (at + 1) & mask;
    }
    if (table_[at] == kFree) {
      table_[at] = static_cast<uint32_t>(codes_.size());
      codes_.push_back(code);
      counts_.push_back(0);
    }
    ++counts_[table_[at]];
    return table_[at];
  }

  static constexpr uint32_t kFree = std::numeric_limits<uint32_t>::max();
  std::vector<uint32_t> table_;  // to ids
  std::vector<Code64> codes_;    // per id
  std::vector<uint32_t> counts_;
  std::vector<uint32_t> ids_;  // per label
  std::vector<TimedLabel> grouped_;
  std::vector<TimedLabel> scratch_;
};

PartOrderer::PartOrderer() : impl_(std::make_unique<Impl>()) {}
PartOrderer::~PartOrderer() = default;

int64_t PartOrderer::order(std::span<const LabelRecord> labels,
                           LabelPart& part,
                           int64_t* times,
                           uint32_t* numbers) {
  return impl_->order(labels, part, times, numbers);
}

}  // namespace assay::data
