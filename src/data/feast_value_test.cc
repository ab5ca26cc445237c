// Golden bytes that Feast 0.67 itself wrote: feast.types.Value, entity keys of serialization
// version 3, and fields of its Redis hashes.

#include "data/feast_value.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "data/json_text.h"

namespace assay::data {
namespace {

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

Scalar json(const Type& type, const std::string& text) {
  const Result<Scalar> value = parse_json(text, type);
  EXPECT_TRUE(value.ok()) << text << ": " << value.status().to_string();
  return value.value();
}

struct Golden {
  Scalar value;
  std::string bytes;
};

std::vector<Golden> goldens() {
  const std::string quoted = "Zo\u00eb \"q\" \\ \n\t\u6771\u4eac \U0001F600";
  return {
      {Scalar::int64(41), "2029"},
      {Scalar::int64(0), "2000"},
      {Scalar::int64(std::numeric_limits<int64_t>::max()), "20ffffffffffffffff7f"},
      {Scalar::int64(-3), "20fdffffffffffffffff01"},
      {Scalar::int64((int64_t{1} << 53) + 1), "208180808080808010"},
      {Scalar::int32(7), "1807"},
      {Scalar::int32(std::numeric_limits<int32_t>::min()), "1880808080f8ffffffff01"},
      {Scalar::float64(0.1), "299a9999999999b93f"},
      {Scalar::float64(-1e308), "29a0c8eb85f3cce1ff"},
      {Scalar::float64(5e-324), "290100000000000000"},
      {Scalar{Type::kFloat32, static_cast<double>(0.1F)}, "35cdcccc3d"},
      {Scalar{Type::kFloat32, static_cast<double>(std::numeric_limits<float>::max())},
       "35ffff7f7f"},
      {Scalar::string("Ann"), "1203416e6e"},
      {Scalar::string(""), "1200"},
      {Scalar::string(quoted), "12185a6fc3ab20227122205c200a09e69db1e4baac20f09f9880"},
      {Scalar::boolean(true), "3801"},
      {Scalar::boolean(false), "3800"},
      {Scalar::timestamp(1'767'225'600'000'000), "4080f2d6ca06"},
      {Scalar::timestamp(-1'000'000), "40ffffffffffffffffff01"},
      {Scalar{Type::kBytes, std::string("\x00\x01\xff", 3)}, "0a030001ff"},
      {Scalar{Type::kBytes, std::string()}, "0a00"},
      {json(Type::list(Type::kString), R"(["a","b"])"), "62060a01610a0162"},
      {json(Type::list(Type::kString), R"(["","ü"])"), "62060a000a02c3bc"},
      {json(Type::array(Type::kFloat32, 2), "[1.0,0.5]"), "82010a0a080000803f0000003f"},
      {json(Type::list(Type::kFloat32), "[-0.0]"), "8201060a0400000080"},
      {json(Type::list(Type::kInt64), "[1,9007199254740993]"), "720b0a09018180808080808010"},
      {json(Type::list(Type::kInt64), "[-9223372036854775808]"), "720c0a0a80808080808080808001"},
  };
}

TEST(FeastValue, ANumberStandsForTheTypeThatHasIt) {
  for (const TypeId id : {TypeId::kBytes,
                          TypeId::kString,
                          TypeId::kInt32,
                          TypeId::kInt64,
                          TypeId::kFloat64,
                          TypeId::kFloat32,
                          TypeId::kBool,
                          TypeId::kTimestamp}) {
    for (const Type& type : {Type(id), Type::list(Type(id))}) {
      EXPECT_EQ(type_of_feast_value(static_cast<uint64_t>(feast_value_type(type))), type);
    }
  }
  for (const uint64_t number : {uint64_t{0}, uint64_t{19}, uint64_t{1} << 40}) {
    EXPECT_EQ(type_of_feast_value(number), std::nullopt);
  }
}

TEST(FeastValue, BytesAreFeastsOwnBothWays) {
  for (const Golden& golden : goldens()) {
    const std::string bytes = to_feast_value(golden.value);
    EXPECT_EQ(hex(bytes), golden.bytes);
    const Result<Scalar> back = from_feast_value(bytes, golden.value.type);
    ASSERT_TRUE(back.ok()) << golden.bytes;
    EXPECT_EQ(*back, golden.value) << golden.bytes;
    EXPECT_EQ(hex(to_feast_value(*back)), golden.bytes);
  }
}

TEST(FeastValue, NullIsNoBytesAndIsReadBackFromBothOfItsForms) {
  EXPECT_EQ(to_feast_value(Scalar::null(Type::kInt64)), "");
  EXPECT_TRUE(from_feast_value("", Type::kString)->is_null());
  EXPECT_TRUE(from_feast_value(std::string_view("\x98\x01\x00", 3), Type::kInt64)->is_null());
}

TEST(FeastValue, TheTimeThatStandsForNoneIsNull) {
  const std::string none("\x40\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11);
  EXPECT_TRUE(from_feast_value(none, Type::kTimestamp)->is_null());
  const Scalar times = json(Type::list(Type::kTimestamp), R"([null,"2026-01-01T00:00:00Z"])");
  EXPECT_EQ(*from_feast_value(to_feast_value(times), times.type), times);
  EXPECT_EQ(from_feast_value(std::string("\x40\x81") + none.substr(2), Type::kTimestamp).code(),
            Code::kInvalidArgument)
      << "the next one is a time, of no year that there is";
}

TEST(FeastValue, NullsInListsAreFeastsStandIns) {
  EXPECT_EQ(hex(to_feast_value(json(Type::list(Type::kInt64), "[1,null]"))), "72040a020100");
  EXPECT_EQ(hex(to_feast_value(json(Type::list(Type::kString), "[null]"))), "62020a00");
  EXPECT_EQ(hex(to_feast_value(json(Type::list(Type::kTimestamp), "[null]"))),
            "92010c0a0a80808080808080808001");
  EXPECT_EQ(hex(to_feast_value(json(Type::list(Type::kInt64), "[]"))), "7200");
}

TEST(FeastValue, WhatFeastLacksIsText) {
  EXPECT_EQ(hex(to_feast_value(parse_scalar("2001-01-31", Type::kDate).value())),
            "120a" + hex("2001-01-31"));
  EXPECT_EQ(feast_value_type(Type::decimal(10, 2)), 44);
  EXPECT_EQ(feast_value_type(Type::map(Type::kString, Type::kInt64)), 32);
  EXPECT_EQ(feast_value_type(Type::list(Type::list(Type::kInt64))), 32);
  for (const Scalar& value : {parse_scalar("2001-01-31", Type::kDate).value(),
                              parse_scalar("-12.50", Type::decimal(10, 2)).value(),
                              json(Type::map(Type::kString, Type::kInt64), R"({"a":1})"),
                              json(Type::list(Type::list(Type::kInt64)), "[[1],[2,3]]")}) {
    const Result<Scalar> back = from_feast_value(to_feast_value(value), value.type);
    ASSERT_TRUE(back.ok()) << type_name(value.type);
    EXPECT_EQ(*back, value);
  }
}

TEST(FeastValue, AnotherTypeIsRefused) {
  EXPECT_EQ(from_feast_value(to_feast_value(Scalar::int64(1)), Type::kInt32).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(from_feast_value(to_feast_value(Scalar::string("a")), Type::kBytes).code(),
            Code::kInvalidArgument);
  const std::string two = to_feast_value(json(Type::list(Type::kFloat32), "[1.0,2.0]"));
  EXPECT_EQ(from_feast_value(two, Type::array(Type::kFloat32, 3)).code(), Code::kInvalidArgument);
  EXPECT_EQ(from_feast_value("\x21zz", Type::kInt64).code(), Code::kInvalidArgument);
  EXPECT_EQ(from_feast_value("\x20\x80", Type::kInt64).code(), Code::kInvalidArgument);
}

TEST(FeastEntityKey, BytesAreFeastsOwn) {
  const std::vector<Field> user = {{"user_id", Type::kInt64}};
  const auto key = [](std::span<const Field> keys, std::span<const Scalar> values) {
    return hex(feast_entity_key(keys, values).value().value());
  };
  EXPECT_EQ(key(user, std::vector<Scalar>{Scalar::int64(-7)}),
            "010000000200000007000000757365725f69640400000008000000f9ffffffffffffff");
  const std::vector<Field> both = {{"user_id", Type::kInt64}, {"region", Type::kString}};
  EXPECT_EQ(key(both, std::vector<Scalar>{Scalar::int64(12), Scalar::string("K\u00f6ln")}),
            "020000000200000006000000726567696f6e0200000007000000757365725f696402000000050000004bc3"
            "b66c6e04000000080000000c00000000000000")
      << "sorted by name";
  const std::vector<Field> none = {{"__dummy_id", Type::kString}};
  EXPECT_EQ(key(none, std::vector<Scalar>{Scalar::string("")}),
            "01000000020000000a0000005f5f64756d6d795f69640200000000000000");
}

TEST(FeastEntityKey, NullNamesNobodyAndBoolIsNoKey) {
  const std::vector<Field> user = {{"user_id", Type::kInt64}};
  EXPECT_FALSE(
      feast_entity_key(user, std::vector<Scalar>{Scalar::null(Type::kInt64)})->has_value());
  const std::vector<Field> flag = {{"flag", Type::kBool}};
  EXPECT_EQ(feast_entity_key(flag, std::vector<Scalar>{Scalar::boolean(true)}).code(),
            Code::kInvalidArgument);
}

TEST(FeastRedisField, IsMurmurOfViewAndFeature) {
  const std::vector<std::pair<std::string, std::string>> known = {
      {"profile:age", "493928bb"},
      {"profile:n32", "93f1d32e"},
      {"profile:score", "f6529ab0"},
      {"profile:f32", "70b27797"},
      {"profile:name", "550bf4ae"},
      {"activity:cnt_1h", "7c29b818"},
      {"basket:spend", "47e319b0"},
      {"global_stats:fx_rate", "9fa44890"},
      {"feature_view_1:feature_10", "266d5f39"}};
  for (const auto& [name, field] : known) {
    const std::size_t colon = name.find(':');
    EXPECT_EQ(hex(feast_redis_field(name.substr(0, colon), name.substr(colon + 1))), field) << name;
  }
}

}  // namespace
}  // namespace assay::data
