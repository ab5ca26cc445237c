#include "online/crc32c.h"

#include <array>
#include <cstring>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace assay::online {
namespace {

#ifdef __SSE4_2__

uint32_t update(uint32_t crc, const char* data, std::size_t size) {
  uint64_t state = crc;
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word = 0;
    std::memcpy(&word, data, 8);
    state = _mm_crc32_u64(state, word);
  }
  auto rest = static_cast<uint32_t>(state);
  for (; size > 0; ++data, --size) {
    rest = _mm_crc32_u8(rest, static_cast<uint8_t>(*data));
  }
  return rest;
}

#else

constexpr uint32_t kPolynomial = 0x82F63B78;  // bits reversed

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 1) != 0 ? (crc >> 1) ^ kPolynomial : crc >> 1;
    }
    table[byte] = crc;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = make_table();

uint32_t update(uint32_t crc, const char* data, std::size_t size) {
  for (; size > 0; ++data, --size) {
    crc = kTable[(crc ^ static_cast<uint8_t>(*data)) & 0xFF] ^ (crc >> 8);
  }
  return crc;
}

#endif

}  // namespace

uint32_t crc32c(std::string_view bytes, uint32_t crc) {
  return ~update(~crc, bytes.data(), bytes.size());
}

}  // namespace assay::online
