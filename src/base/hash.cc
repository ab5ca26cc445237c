#include "base/hash.h"

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

uint64_t read_word(const char* bytes, std::size_t size) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, size);
  return word;
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

std::string hash_text(uint64_t hash) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = text.size(); i-- > 0; hash >>= 4) {
    text[i] = kDigits[hash & 15];
  }
  return text;
}

}  // namespace assay
