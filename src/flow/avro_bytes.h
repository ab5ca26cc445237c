#pragma once

#include <cstdint>
#include <cstring>
#include <string>

// For tests: values as Avro writes them.

namespace assay::flow {

/// A number as Protobuf writes it, and Avro behind the zigzag.
inline std::string varint(uint64_t bits) {
  std::string bytes;
  for (; bits >= 0x80; bits >>= 7) {
    bytes.push_back(static_cast<char>(bits | 0x80));
  }
  bytes.push_back(static_cast<char>(bits));
  return bytes;
}
inline std::string zigzag(int64_t value) {
  return varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
}
inline std::string avro_text(const std::string& text) {
  return zigzag(static_cast<int64_t>(text.size())) + text;
}
template <typename Real>
std::string little_endian(Real value) {
  std::string bytes(sizeof(Real), '\0');
  std::memcpy(bytes.data(), &value, sizeof(Real));
  return bytes;
}
inline std::string big_endian(int64_t value) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(value >> shift));
  }
  return bytes;
}

}  // namespace assay::flow
