#include "data/utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace assay::data {
namespace {

constexpr uint64_t kHighBits = 0x8080'8080'8080'8080;

/// Length of the sequence that begins at `text`, or 0 when it is not one.
std::size_t sequence_length(const unsigned char* text, std::size_t left) {
  const unsigned char lead = text[0];
  std::size_t length = 0;
  unsigned char second_first = 0x80;  // allowed range of the second byte
  unsigned char second_last = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    second_first = lead == 0xE0 ? 0xA0 : 0x80;  // shortest form
    second_last = lead == 0xED ? 0x9F : 0xBF;   // no surrogates
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    second_first = lead == 0xF0 ? 0x90 : 0x80;
    second_last = lead == 0xF4 ? 0x8F : 0xBF;  // up to U+10FFFF
  }
  if (length == 0 || left < length || text[1] < second_first || text[1] > second_last) {
    return 0;
  }
  for (std::size_t i = 2; i < length; ++i) {
    if ((text[i] & 0xC0) != 0x80) {
      return 0;
    }
  }
  return length;
}

}  // namespace

bool is_utf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const std::size_t size = text.size();
  std::size_t at = 0;
  while (at < size) {
    uint64_t word = 0;
    if (size - at >= sizeof(word)) {
      std::memcpy(&word, bytes + at, sizeof(word));
      if ((word & kHighBits) == 0) {
        at += sizeof(word);
        continue;
      }
    }
    if (bytes[at] < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = sequence_length(bytes + at, size - at);
    if (length == 0) {
      return false;
    }
    at += length;
  }
  return true;
}

}  // namespace assay::data
