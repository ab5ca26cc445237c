#include "data/utf8.h"

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::data {
namespace {

std::string encode(uint32_t code, int length) {
  static constexpr int kLead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  if (length == 1) {
    return {static_cast<char>(code)};
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  for (int i = length - 1; i > 0; --i) {
    text[static_cast<std::size_t>(i)] = static_cast<char>(0x80 | (code & 0x3F));
    code >>= 6;
  }
  text[0] = static_cast<char>(kLead[length] | static_cast<int>(code));
  return text;
}

TEST(Utf8, EveryCodePointIsGoodInItsShortestFormOnly) {
  constexpr uint32_t kEnds[] = {0, 0x80, 0x800, 0x10000, 0x200000};
  for (int length = 1; length <= 4; ++length) {
    for (uint32_t code = 0; code < kEnds[length]; code += code < 0x20000 ? 1 : 61) {
      const bool shortest = code >= kEnds[length - 1];
      const bool surrogate = code >= 0xD800 && code < 0xE000;
      ASSERT_EQ(is_utf8(encode(code, length)), shortest && !surrogate && code <= 0x10FFFF)
          << code << " in " << length;
    }
  }
}

TEST(Utf8, TruncatedOrDamagedTextIsRefusedWhereverItStands) {
  const uint64_t seed = 7;
  SCOPED_TRACE(seed);
  const auto random = seeded_random(seed);
  const std::string good =
      "plain text of some length, żółć, 漢字, \xF0\x9F\x98\x80 and more plain text";
  ASSERT_TRUE(is_utf8(good));
  for (int round = 0; round < 2000; ++round) {
    std::string text = good.substr(0, random->below(good.size()));
    while (!is_utf8(text)) {
      text.pop_back();
    }
    ASSERT_FALSE(is_utf8(text + "\xC5" + good));
    ASSERT_FALSE(is_utf8(text + "\xBC"));
    ASSERT_FALSE(is_utf8(text + "\xF0\x9F\x98"));
    ASSERT_FALSE(is_utf8(text + "\xFF" + good));
  }
}

}  // namespace
}  // namespace assay::data
