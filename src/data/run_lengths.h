#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "data/thrift_compact.h"

// Parquet's hybrid of runs and bit-packed values, in which levels and dictionary numbers are kept:
//
//   run       varint(count << 1), the value in whole bytes, lowest first
//   packed    varint(groups << 1 | 1), 8 x groups values of `width` bits, the first one lowest
//
// A last group that is not full ends with zeros; readers know how many values there are.

namespace assay::data {

namespace run_lengths {

constexpr std::size_t kGroup = 8;
constexpr std::size_t kGroupsMax = 63;  // of one packed piece: its head is one byte

template <typename T>
bool is_repeated(const T* group) {
  T differs = 0;
  for (std::size_t i = 1; i < kGroup; ++i) {
    differs = static_cast<T>(differs | (group[i] ^ group[0]));
  }
  return differs == 0;
}

/// Do `groups` groups of one value begin here?
template <typename T>
bool begins_run(std::span<const T> values, std::size_t groups) {
  if (values.size() < groups * kGroup || !is_repeated(values.data())) {
    return false;
  }
  for (std::size_t group = 1; group < groups; ++group) {
    const T* next = values.data() + group * kGroup;
    if (*next != values[0] || !is_repeated(next)) {
      return false;
    }
  }
  return true;
}

/// Pack values of up to 32 bits; the rest of the last group is zero.
template <typename T>
void append_packed(std::string& out, std::span<const T> values, int width) {
  const std::size_t groups = (values.size() + kGroup - 1) / kGroup;
  const std::size_t begin = out.size();
  const std::size_t bytes = groups * static_cast<std::size_t>(width);
  out.resize(begin + bytes + sizeof(uint64_t));
  char* to = out.data() + begin;
  uint64_t word = 0;
  int held = 0;
  for (const T value : values) {
    word |= uint64_t{value} << held;
    held += width;
    if (held >= 64) {
      std::memcpy(to, &word, sizeof word);
      to += sizeof word;
      held -= 64;
      word = held == 0 ? 0 : uint64_t{value} >> (width - held);
    }
  }
  std::memcpy(to, &word, sizeof word);
  out.resize(begin + bytes);
}

/// The reverse; `bytes` has at least the groups of the values.
template <typename T>
void read_packed(std::string_view bytes, std::span<T> values, int width) {
  const uint64_t mask = (uint64_t{1} << width) - 1;
  std::size_t at = 0;
  uint64_t word = 0;
  int held = 0;
  for (T& value : values) {
    while (held < width) {
      word |= uint64_t{static_cast<unsigned char>(bytes[at++])} << held;
      held += 8;
    }
    value = static_cast<T>(word & mask);
    word >>= width;
    held -= width;
  }
}

}  // namespace run_lengths

/// Append values below 2^width, 1 <= width <= 32.
template <typename T>
void append_run_lengths(std::string& out, std::span<const T> values, int width) {
  using run_lengths::kGroup;
  // A run breaks a packed piece in two, which must pay for two more heads.
  const std::size_t run_groups = width >= 8 ? 1 : 4;
  while (!values.empty()) {
    if (run_lengths::begins_run(values, run_groups)) {
      std::size_t end = run_groups * kGroup;
      while (end < values.size() && values[end] == values[0]) {
        ++end;
      }
      append_varint(out, end << 1);
      for (int bits = 0; bits < width; bits += 8) {
        out.push_back(static_cast<char>(values[0] >> bits));
      }
      values = values.subspan(end);
      continue;
    }
    std::size_t groups = 1;
    while (groups < run_lengths::kGroupsMax && groups * kGroup < values.size() &&
           !run_lengths::begins_run(values.subspan(groups * kGroup), run_groups)) {
      ++groups;
    }
    out.push_back(static_cast<char>(groups << 1 | 1));
    const std::size_t size = std::min(groups * kGroup, values.size());
    run_lengths::append_packed(out, values.first(size), width);
    values = values.subspan(size);
  }
}

/// Read `values.size()` values of 1 to 32 bits from all of `bytes`, which may be anything; false
/// when they are not just that many.
template <typename T>
bool read_run_lengths(std::string_view bytes, int width, std::span<T> values) {
  const auto value_bytes = static_cast<std::size_t>((width + 7) / 8);
  while (!values.empty()) {
    uint64_t head = 0;
    if (!take_varint(bytes, &head) || head < 2) {
      return false;
    }
    const uint64_t count = head >> 1;
    if ((head & 1) == 0) {
      uint64_t value = 0;
      if (bytes.size() < value_bytes || count > values.size()) {
        return false;
      }
      std::memcpy(&value, bytes.data(), value_bytes);
      if (value >> width != 0) {
        return false;
      }
      std::fill_n(values.begin(), count, static_cast<T>(value));
      values = values.subspan(static_cast<std::size_t>(count));
      bytes.remove_prefix(value_bytes);
      continue;
    }
    if (count > (values.size() + 7) / 8 || bytes.size() / static_cast<std::size_t>(width) < count) {
      return false;
    }
    const auto groups = static_cast<std::size_t>(count);
    const std::size_t size = std::min(groups * 8, values.size());
    run_lengths::read_packed(bytes, values.first(size), width);
    values = values.subspan(size);
    bytes.remove_prefix(groups * static_cast<std::size_t>(width));
  }
  return bytes.empty();
}

}  // namespace assay::data
