#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

// Numbers as bytes, little-endian, and words that several processes share.

namespace assay::online {

template <typename T>
T value_at(std::string_view bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <typename Bytes, typename T>
void append_value(Bytes* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <typename T>
void put_value(char* bytes, std::size_t offset, T value) {
  std::memcpy(bytes + offset, &value, sizeof(T));
}

/// Take a number off the beginning. False when there are too few bytes.
template <typename T>
bool take_value(std::string_view* bytes, T* value) {
  if (bytes->size() < sizeof(T)) {
    return false;
  }
  *value = value_at<T>(*bytes, 0);
  bytes->remove_prefix(sizeof(T));
  return true;
}

/// A word of a mapped file: what was stored before it is seen by who loads it.
inline uint64_t load_word(uint64_t* word) {
  return std::atomic_ref<uint64_t>(*word).load(std::memory_order_acquire);
}
inline void store_word(uint64_t* word, uint64_t value) {
  std::atomic_ref<uint64_t>(*word).store(value, std::memory_order_release);
}

}  // namespace assay::online
