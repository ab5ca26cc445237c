#include "online/crc32c.h"

#include <array>
#include <cstring>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace assay::online {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;  // bits reversed

#ifdef __SSE4_2__

// The instruction takes a word each cycle but gives its result only after three. So three lanes of
// a block are summed side by side, each as if it began with zero, and then moved to where they
// stand: moving a sum behind a lane's worth of zero bytes is linear in its bits, and looked up by
// byte. Long lanes for pages, short ones for rows.
constexpr std::size_t kLongLane = 256;
constexpr std::size_t kShortLane = 64;
constexpr std::size_t kShortestLane = 48;  // a row of ten features has some 150 bytes
using LaneShift = std::array<std::array<uint32_t, 256>, 4>;

constexpr LaneShift make_lane_shift(std::size_t lane_bytes) {
  std::array<uint32_t, 32> moved{};  // what each bit becomes
  for (std::size_t bit = 0; bit < moved.size(); ++bit) {
    uint32_t crc = uint32_t{1} << bit;
    for (std::size_t i = 0; i < lane_bytes * 8; ++i) {
      crc = (crc & 1) != 0 ? (crc >> 1) ^ kPolynomial : crc >> 1;
    }
    moved[bit] = crc;
  }
  LaneShift shift{};
  for (std::size_t byte = 0; byte < shift.size(); ++byte) {
    for (std::size_t value = 0; value < 256; ++value) {
      for (std::size_t bit = 0; bit < 8; ++bit) {
        shift[byte][value] ^= ((value >> bit) & 1) != 0 ? moved[byte * 8 + bit] : 0;
      }
    }
  }
  return shift;
}

constexpr LaneShift kLongShift = make_lane_shift(kLongLane);
constexpr LaneShift kShortShift = make_lane_shift(kShortLane);
constexpr LaneShift kShortestShift = make_lane_shift(kShortestLane);

uint32_t move_by(const LaneShift& shift, uint64_t crc) {
  return shift[0][crc & 0xFF] ^ shift[1][(crc >> 8) & 0xFF] ^ shift[2][(crc >> 16) & 0xFF] ^
         shift[3][(crc >> 24) & 0xFF];
}

uint64_t add_word(uint64_t crc, const char* data) {
  uint64_t word = 0;
  std::memcpy(&word, data, sizeof(word));
  return _mm_crc32_u64(crc, word);
}

/// Takes whole blocks of three lanes off the beginning.
template <std::size_t kLane>
uint64_t add_blocks(uint64_t state, const LaneShift& shift, const char** data, std::size_t* size) {
  for (; *size >= 3 * kLane; *data += 3 * kLane, *size -= 3 * kLane) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (const char* next = *data; next != *data + kLane; next += 8) {
      state = add_word(state, next);
      second = add_word(second, next + kLane);
      third = add_word(third, next + 2 * kLane);
    }
    state = move_by(shift, move_by(shift, state) ^ second) ^ third;
  }
  return state;
}

uint32_t update(uint32_t crc, const char* data, std::size_t size) {
  uint64_t state = add_blocks<kLongLane>(crc, kLongShift, &data, &size);
  state = add_blocks<kShortLane>(state, kShortShift, &data, &size);
  state = add_blocks<kShortestLane>(state, kShortestShift, &data, &size);
  for (; size >= 8; data += 8, size -= 8) {
    state = add_word(state, data);
  }
  auto rest = static_cast<uint32_t>(state);
  if (size >= 4) {
    uint32_t half = 0;
    std::memcpy(&half, data, sizeof(half));
    rest = _mm_crc32_u32(rest, half);
    data += 4;
    size -= 4;
  }
  for (; size > 0; ++data, --size) {
    rest = _mm_crc32_u8(rest, static_cast<uint8_t>(*data));
  }
  return rest;
}

#else

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
