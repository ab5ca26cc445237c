#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "data/decimal.h"

namespace assay::data {

namespace value_dictionary {

constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15ULL;

/// Hashes whose upper half is good.
inline uint64_t hash_of(uint32_t value) {
  return value * kMultiplier;
}
inline uint64_t hash_of(uint64_t value) {
  value *= kMultiplier;
  return (value ^ value >> 32) * kMultiplier;
}
inline uint64_t hash_of(Int128 value) {
  return hash_of(static_cast<uint64_t>(value) ^ hash_of(static_cast<uint64_t>(value >> 64)));
}
/// A text of 4 to 16 bytes as two words, which may have bytes in common.
struct ShortText {
  uint64_t first = 0;
  uint64_t last = 0;
};
inline bool is_short(std::string_view text) {
  return text.size() >= 4 && text.size() <= 16;
}
inline ShortText short_text(std::string_view text) {
  ShortText words;
  if (text.size() >= 8) {
    std::memcpy(&words.first, text.data(), 8);
    std::memcpy(&words.last, text.data() + text.size() - 8, 8);
  } else {
    std::memcpy(&words.first, text.data(), 4);
    std::memcpy(&words.last, text.data() + text.size() - 4, 4);
  }
  return words;
}

inline uint64_t hash_of(std::string_view text) {
  if (!is_short(text)) {
    return hash_bytes(text);
  }
  const ShortText words = short_text(text);
  return hash_of(words.first ^ hash_of(words.last + text.size()));
}

template <typename Value>
bool are_same(Value a, Value b) {
  return a == b;
}
inline bool are_same(std::string_view a, std::string_view b) {
  if (a.size() != b.size() || !is_short(a)) {
    return a == b;
  }
  const ShortText of_a = short_text(a);
  const ShortText of_b = short_text(b);
  return of_a.first == of_b.first && of_a.last == of_b.last;
}

}  // namespace value_dictionary

/// The different values among many, numbered as they first appear: uint32_t, uint64_t, Int128 or
/// std::string_view, compared by their bits.
///
/// Open addressing over the numbers alone; a slot is found by the upper half of the value's hash.
/// Threads one thread at a time.
template <typename Value>
class ValueDictionary {
 public:
  /// Number `values`. False, with nothing of use in `numbers`, when there are more than
  /// `entries_max` different ones, or look like it: nearly all of the first thousands differ. Also
  /// when far too many slots are taken by others: somebody chose values whose hashes are alike.
  bool number(std::span<const Value> values,
              std::size_t entries_max,
              std::vector<uint32_t>& numbers) {
    entries_.clear();
    slots_.assign(std::size_t{1} << kBitsMin, kFree);
    bits_ = kBitsMin;
    if (numbers.size() < values.size()) {
      numbers.resize(values.size());
    }
    steps_left_ = kStepsPerValue * values.size() + kSample;
    const std::size_t sample = std::min(values.size(), kSample);
    if (!number_some(values.first(sample), entries_max, numbers.data()) ||
        (sample < values.size() && entries_.size() > kSample / 10 * 9)) {
      return false;
    }
    return number_some(values.subspan(sample), entries_max, numbers.data() + sample);
  }
  /// Good until the next call of number; texts are those of the values.
  [[nodiscard]] std::span<const Value> entries() const { return entries_; }

 private:
  static constexpr uint32_t kFree = std::numeric_limits<uint32_t>::max();
  static constexpr int kBitsMin = 10;
  static constexpr std::size_t kSample = 8192;
  static constexpr std::size_t kStepsPerValue = 8;  // half of the slots are free: about one

  [[nodiscard]] std::size_t slot_of(Value value) const {
    return static_cast<std::size_t>(value_dictionary::hash_of(value) >> (64 - bits_));
  }

  bool number_some(std::span<const Value> values, std::size_t entries_max, uint32_t* numbers) {
    std::size_t mask = slots_.size() - 1;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const Value value = values[i];
      std::size_t slot = slot_of(value);
      while (slots_[slot] != kFree &&
             !value_dictionary::are_same(entries_[slots_[slot]], value)) {
        slot = (slot + 1) & mask;
        if (steps_left_-- == 0) {
          return false;
        }
      }
      if (slots_[slot] == kFree) {
        if (entries_.size() == entries_max) {
          return false;
        }
        slots_[slot] = static_cast<uint32_t>(entries_.size());
        numbers[i] = slots_[slot];
        entries_.push_back(value);
        if (entries_.size() * 2 > slots_.size()) {
          grow();
          mask = slots_.size() - 1;
        }
        continue;
      }
      numbers[i] = slots_[slot];
    }
    return true;
  }

  void grow() {
    bits_ += 2;
    slots_.assign(std::size_t{1} << bits_, kFree);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t number = 0; number < entries_.size(); ++number) {
      std::size_t slot = slot_of(entries_[number]);
      while (slots_[slot] != kFree) {
        slot = (slot + 1) & mask;
      }
      slots_[slot] = static_cast<uint32_t>(number);
    }
  }

  std::vector<Value> entries_;
  std::vector<uint32_t> slots_;
  int bits_ = kBitsMin;
  std::size_t steps_left_ = 0;  // over slots of other values
};

}  // namespace assay::data
