#include "gold/row_value.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>

#include <gtest/gtest.h>

#include "data/json_text.h"
#include "data/schema.h"

namespace assay::gold {
namespace {

using data::Scalar;
using data::Type;

std::string bytes_of(const Scalar& value) {
  std::string bytes;
  append_row_value(&bytes, *data::constant_column(value, 1), 0);
  return bytes;
}

/// A varint byte by byte; nothing where the bytes end before it does, or it has no end.
std::optional<uint64_t> naive_varint(std::string_view* bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes->front());
    bytes->remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      return value;
    }
  }
  return std::nullopt;
}

TEST(RowBytes, VarintsAreReadAsByteByByte) {
  std::mt19937_64 random(20261129);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes;
    for (int i = 0; i < 4; ++i) {  // what was written, and what nobody writes
      if (random() % 4 != 0) {
        append_varint(&bytes, random() >> (random() % 64));
      } else {
        bytes.append(random() % 12, static_cast<char>(0x80 | random()));
      }
    }
    bytes.resize(bytes.size() - std::min<std::size_t>(bytes.size(), random() % 3));
    std::string_view left = bytes;
    RowReader reader(bytes);
    while (!left.empty()) {
      const std::optional<uint64_t> expected = naive_varint(&left);
      const uint64_t found = reader.varint();
      ASSERT_EQ(reader.failed(), !expected.has_value()) << "round " << round;
      if (!expected.has_value()) {
        break;
      }
      ASSERT_EQ(found, *expected) << "round " << round;
      ASSERT_EQ(reader.remaining(), left.size()) << "round " << round;
    }
  }
}

TEST(RowBytes, WordsAreReadUpToTheFirstThatIsNotThere) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    std::vector<uint64_t> expected;
    bool whole = true;
    const std::size_t count = random() % 14;
    for (std::size_t i = 0; i < count; ++i) {
      const auto mark = static_cast<char>(random() % 9);
      whole = whole && mark != 0;
      bytes.push_back(mark);
      append_fixed64(&bytes, random());
      if (whole) {
        uint64_t word = 0;
        std::memcpy(&word, bytes.data() + bytes.size() - sizeof(word), sizeof(word));
        expected.push_back(word);
      }
    }
    bytes.append(random() % 9, '\1');
    const std::size_t asked = random() % 16;
    expected.resize(std::min(expected.size(), asked));
    std::vector<uint64_t> words(asked);
    RowReader reader(bytes);
    words.resize(reader.present_words(words.data(), asked));
    ASSERT_EQ(words, expected) << "round " << round;
    ASSERT_EQ(reader.remaining(), bytes.size() - 9 * expected.size());
  }
}

TEST(RowValue, EveryTypeIsReadBack) {
  const std::vector<std::pair<Type, std::string>> values{
      {Type::kBool, "true"},
      {Type::kInt8, "-7"},
      {Type::kInt64, "9223372036854775807"},
      {Type::kFloat32, "0.1"},
      {Type::kFloat64, "-0"},
      {Type::kString, "text"},
      {Type::kDate, "2024-02-29"},
      {Type::decimal(38, 2), "-123456789012345678901234567890.12"},
      {Type::list(Type::kInt64), "[]"},
      {Type::list(Type::kInt64), "[1,null,3]"},
      {Type::list(Type::kBool), "[true,false]"},
      {Type::list(Type::kString), R"(["a","",null])"},
      {Type::list(Type::list(Type::kInt16)), "[[1,2],[],null]"},
      {Type::array(Type::kFloat32, 3), "[0.5,-1,\"NaN\"]"},
      {Type::array(Type::kFloat32, 3), "[null,1,2]"},
      {Type::array(Type::decimal(4, 1), 2), "[1.5,2.5]"},
      {Type::structure({{"a", Type::kInt64}, {"b", Type::list(Type::kString)}}),
       R"({"a":null,"b":["x"]})"},
      {Type::map(Type::kString, Type::kFloat64), R"({"x":1.5,"y":null})"},
      {Type::map(Type::kInt32, Type::list(Type::kDate)), R"({"7":["2024-01-01"]})"}};
  for (const auto& [type, text] : values) {
    const Scalar value = data::parse_scalar(text, type).value();
    const std::string bytes = bytes_of(value);
    RowReader reader(bytes);
    const Scalar back = read_row_value(&reader, type);
    EXPECT_TRUE(reader.at_end() && !reader.failed()) << text;
    EXPECT_TRUE(
        data::same_value(*data::constant_column(back, 1), 0, *data::constant_column(value, 1), 0))
        << data::type_name(type) << " " << text << " " << data::format_scalar(back);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      RowReader cut(std::string_view(bytes).substr(0, size));
      (void)read_row_value(&cut, type);
      EXPECT_TRUE(cut.failed()) << text << " cut to " << size;
    }
  }
}

TEST(RowValue, ArraysOfFloatsLieAsInMemory) {
  const Scalar value = data::parse_scalar("[1,2]", Type::array(Type::kFloat32, 2)).value();
  EXPECT_EQ(bytes_of(value), std::string("\0\0\0\x80\x3f\0\0\0\x40", 9));
}

TEST(RowValue, AListOfValuesIsWrittenAsItsColumn) {
  const std::vector<std::pair<Type, std::string>> lists{
      {Type::kBool, "[true,false]"},
      {Type::kInt8, "[-7,7]"},
      {Type::kInt16, "[-300]"},
      {Type::kInt32, "[2147483647,-2147483648]"},
      {Type::kInt64, "[9223372036854775807,-1]"},
      {Type::kFloat32, "[0.1,-0.0,\"NaN\"]"},
      {Type::kFloat64, "[1e-320,\"-Infinity\"]"},
      {Type::kString, "[\"a\",\"\"]"},
      {Type::kDate, "[\"2024-02-29\"]"},
      {Type::kTimestamp, "[\"2024-02-29T00:00:00Z\"]"},
      {Type::kInt64, "[]"}};
  for (const auto& [element, text] : lists) {
    const Scalar list = data::parse_scalar(text, Type::list(element)).value();
    const data::ColumnPtr column = data::constant_column(list, 1);
    std::vector<InputValue> values;
    for (int64_t row = 0; row < column->child(0).size(); ++row) {
      values.push_back(input_value(column->child(0), row));
    }
    std::string bytes;
    append_list_value(&bytes, element, values);
    EXPECT_EQ(bytes, bytes_of(list)) << text;
  }
}

TEST(RowValue, ALengthBeyondTheBytesFails) {
  const std::string bytes("\xff\xff\xff\xff\x7f\0\0\0", 8);
  RowReader reader(bytes);
  EXPECT_TRUE(read_row_value(&reader, Type::list(Type::kInt64)).is_null());
  EXPECT_TRUE(reader.failed());
}

}  // namespace
}  // namespace assay::gold
