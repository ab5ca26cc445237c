#include "base/hash.h"

#include <array>
#include <cstring>

namespace assay {
namespace {

constexpr uint64_t kSecret0 = 0xa0761d6478bd642fU;
constexpr uint64_t kSecret1 = 0xe7037ed1a0b428dbU;

uint64_t multiply_fold(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

template <typename Word>
uint64_t read_whole(const char* bytes) {
  Word word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

/// At most 8 bytes, without a call: of two pieces that may overlap, or three.
uint64_t read_word(const char* bytes, std::size_t size) {
  if (size >= 8) {
    return read_whole<uint64_t>(bytes);
  }
  if (size >= 4) {
    return read_whole<uint32_t>(bytes) | read_whole<uint32_t>(bytes + size - 4) << (8 * (size - 4));
  }
  if (size == 0) {
    return 0;
  }
  return read_whole<uint8_t>(bytes) | read_whole<uint8_t>(bytes + size / 2) << (8 * (size / 2)) |
         read_whole<uint8_t>(bytes + size - 1) << (8 * (size - 1));
}

}  // namespace

uint64_t hash_mix(uint64_t a, uint64_t b) {
  return multiply_fold(a ^ kSecret0, b ^ kSecret1);
}

uint64_t hash_bytes(std::string_view bytes, uint64_t seed) {
  uint64_t state = seed ^ kSecret0;
  const char* next =
      bytes.empty() ? "" : bytes.data();  // memcpy takes no null, not even of 0 bytes
  std::size_t left = bytes.size();
  while (left >= 16) {
    state = multiply_fold(read_word(next, 8) ^ kSecret1, read_word(next + 8, 8) ^ state);
    next += 16;
    left -= 16;
  }
  const uint64_t first = left >= 8 ? read_word(next, 8) : read_word(next, left);
  const uint64_t second = left > 8 ? read_word(next + 8, left - 8) : 0;
  state = multiply_fold(first ^ kSecret1, second ^ state);
  return multiply_fold(state ^ kSecret0, static_cast<uint64_t>(bytes.size()) ^ kSecret1);
}

uint64_t hash_many_bytes(std::string_view bytes) {
  // A product waits for the one before it: four chains of them go on side by side. None begins with
  // kSecret1: both factors of a product would be alike, and so what is hashed in the one or the
  // other.
  constexpr std::size_t kStep = 16;
  const auto step = [](const char* next, uint64_t lane) {
    return multiply_fold(read_whole<uint64_t>(next) ^ kSecret1,
                         read_whole<uint64_t>(next + 8) ^ lane);
  };
  // Each in a register of its own: an array of them stays in memory, at twice the time.
  uint64_t first = kSecret0;
  uint64_t second = ~kSecret0;
  uint64_t third = 0x8ebc6af09c88c6e3U;
  uint64_t fourth = 0x589965cc75374cc3U;
  const std::size_t size = bytes.size();
  const char* next = bytes.data();
  for (std::size_t left = size / (4 * kStep); left > 0; --left, next += 4 * kStep) {
    first = step(next, first);
    second = step(next + kStep, second);
    third = step(next + 2 * kStep, third);
    fourth = step(next + 3 * kStep, fourth);
  }
  const std::string_view rest = bytes.substr(size / (4 * kStep) * (4 * kStep));
  const uint64_t whole = hash_mix(hash_mix(first, second), hash_mix(third, fourth));
  return hash_bytes(rest, hash_mix(whole, static_cast<uint64_t>(size)));
}

std::string hash_text(uint64_t hash) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = text.size(); i-- > 0; hash >>= 4) {
    text[i] = kDigits[hash & 15];
  }
  return text;
}

}  // namespace assay
