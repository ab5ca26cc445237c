#include "online/crc32c.h"

#include <array>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace assay::online {
namespace {

/// One bit at a time, as the definition says.
uint32_t naive_crc32c(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
    }
  }
  return ~crc;
}

TEST(Crc32c, AnswersTheVectorsOfTheRfc) {
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
}

TEST(Crc32c, EqualsTheBitwiseDefinitionOnRandomBytesOfEveryLength) {
  std::mt19937_64 random(17);
  for (std::size_t size = 0; size < 2000; size += size < 200 ? 1 : 7) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) {
      byte = static_cast<char>(random());
    }
    EXPECT_EQ(crc32c(bytes), naive_crc32c(bytes)) << "size " << size;
  }
}

TEST(Crc32c, OfTwoWordsIsThatOfTheirBytes) {
  std::mt19937_64 random(23);
  for (int round = 0; round < 1000; ++round) {
    const std::array<uint64_t, 2> words = {random(), random()};
    const std::string_view bytes(reinterpret_cast<const char*>(words.data()), sizeof(words));
    EXPECT_EQ(crc32c(words[0], words[1]), naive_crc32c(bytes));
  }
}

TEST(Crc32c, ChainsOverPieces) {
  const std::string_view text = "feature rows are summed with their key in front";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32c(text.substr(cut), crc32c(text.substr(0, cut))), crc32c(text));
  }
}

}  // namespace
}  // namespace assay::online
