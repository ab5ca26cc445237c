#include "online/row_codec.h"

#include <random>

#include <gtest/gtest.h>

namespace assay::online {
namespace {

std::string row_key(std::string_view view, std::string_view entity, int probe = 0) {
  std::string key = row_key_prefix(view);
  append_row_key(&key, entity, probe);
  return key;
}

TEST(RowCodec, AShortKeyIsStoredAsItIs) {
  EXPECT_EQ(row_key("clicks", "\x05user"), std::string("clicks\0\x05user", 12));
}

TEST(RowCodec, AKeyBeyondTheLimitBecomesAHashWithProbeByte) {
  const std::string entity(511 - 7, 'x');
  EXPECT_EQ(row_key("clicks", entity).size(), kKeyBytesMax);
  const std::string long_entity(511 - 6, 'x');
  const std::string hashed = row_key("clicks", long_entity, 3);
  EXPECT_EQ(hashed.size(), 7 + 1 + 16 + 1U);
  EXPECT_EQ(hashed[7], '\xff');
  EXPECT_EQ(hashed.back(), '\3');
  EXPECT_NE(hashed, row_key("clicks", long_entity, 4));
  EXPECT_NE(hashed, row_key("clicks", long_entity + "x", 3));
}

TEST(RowCodec, TheLongestViewNameStillFitsWithAHash) {
  const std::string name(kViewNameBytesMax, 'v');
  EXPECT_LE(row_key(name, std::string(4096, 'k')).size(), kKeyBytesMax);
}

TEST(RowCodec, ARowReadsBackWithAndWithoutItsEntityKey) {
  for (const std::string& entity : {std::string(), std::string(700, 'e')}) {
    for (const std::string& row :
         {std::string(), std::string("\0\1\2", 3), std::string(9000, 'r')}) {
      const std::string value = encode_row("k", entity, row);
      const Result<StoredRow> stored = decode_row("k", value);
      ASSERT_TRUE(stored.ok()) << stored.status().to_string();
      EXPECT_EQ(stored->entity_key, entity);
      EXPECT_EQ(stored->row, row);
    }
  }
}

TEST(RowCodec, AnyFlippedBitOfValueOrKeyIsCorrupt) {
  const std::string value = encode_row("key", "entity", "some row bytes");
  for (std::size_t bit = 0; bit < value.size() * 8; ++bit) {
    std::string broken = value;
    broken[bit / 8] = static_cast<char>(broken[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(decode_row("key", broken).code(), Code::kCorrupt) << "bit " << bit;
  }
  EXPECT_EQ(decode_row("kez", value).code(), Code::kCorrupt);
}

TEST(RowCodec, ACutValueIsCorruptAtEveryLength) {
  const std::string value = encode_row("key", "entity", "some row bytes");
  for (std::size_t size = 0; size < value.size(); ++size) {
    EXPECT_EQ(decode_row("key", std::string_view(value).substr(0, size)).code(), Code::kCorrupt)
        << size;
  }
}

TEST(RowCodec, MetaReadsBackAndIsBoundToItsView) {
  ViewMeta meta;
  meta.fingerprint = 0xFEDCBA9876543210;
  meta.applied = {41, EventTime{-7}};
  const std::string value = encode_meta("clicks", meta);
  const Result<ViewMeta> read = decode_meta("clicks", value);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->fingerprint, meta.fingerprint);
  EXPECT_EQ(read->applied.position, 41);
  EXPECT_EQ(read->applied.known_until, EventTime{-7});
  EXPECT_EQ(decode_meta("views", value).code(), Code::kCorrupt);
  for (std::size_t byte = 0; byte < value.size(); ++byte) {
    std::string broken = value;
    broken[byte] = static_cast<char>(broken[byte] ^ 0x10);
    EXPECT_EQ(decode_meta("clicks", broken).code(), Code::kCorrupt) << "byte " << byte;
  }
}

}  // namespace
}  // namespace assay::online
