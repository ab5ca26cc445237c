#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "data/decimal.h"

// Parquet's plain values: false when `bytes`, which may be anything, are not just `count` of them.

namespace assay::data {

/// Numbers of 4 or 8 bytes, lowest first.
template <typename Value>
bool read_plain(std::string_view bytes, std::size_t count, std::vector<Value>& values) {
  if (bytes.size() != count * sizeof(Value)) {
    return false;
  }
  values.resize(count);
  if (count > 0) {
    std::memcpy(values.data(), bytes.data(), count * sizeof(Value));
  }
  return true;
}

/// Decimals of 16 bytes, highest first.
inline bool read_plain(std::string_view bytes, std::size_t count, std::vector<Int128>& values) {
  if (bytes.size() != count * sizeof(Int128)) {
    return false;
  }
  values.clear();
  values.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    Int128 value = static_cast<signed char>(bytes[i * sizeof(Int128)]);
    for (std::size_t byte = 1; byte < sizeof(Int128); ++byte) {
      value = value * 256 + static_cast<unsigned char>(bytes[i * sizeof(Int128) + byte]);
    }
    values.push_back(value);
  }
  return true;
}

/// The texts lie in `bytes`.
inline bool read_plain(std::string_view bytes,
                       std::size_t count,
                       std::vector<std::string_view>& values) {
  if (bytes.size() / sizeof(uint32_t) < count) {
    return false;
  }
  values.clear();
  values.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    uint32_t size = 0;
    if (bytes.size() < sizeof size) {
      return false;
    }
    std::memcpy(&size, bytes.data(), sizeof size);
    bytes.remove_prefix(sizeof size);
    if (bytes.size() < size) {
      return false;
    }
    values.push_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return bytes.empty();
}

}  // namespace assay::data
