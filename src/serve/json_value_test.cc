#include "serve/json_value.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "data/json_text.h"

namespace assay::serve {
namespace {

using data::Scalar;
using data::Type;

std::string written(const Scalar& value) {
  std::string text;
  JsonWriter writer(text);
  write_scalar(writer, value);
  return text;
}

TEST(JsonValue, NumbersTakeTheDeclaredType) {
  EXPECT_EQ(*to_scalar(int64_t{7}, Type::kInt64), Scalar::int64(7));
  EXPECT_EQ(*to_scalar(7.0, Type::kInt64), Scalar::int64(7));
  EXPECT_EQ(*to_scalar(std::string("7"), Type::kInt64), Scalar::int64(7));
  EXPECT_EQ(*to_scalar(int64_t{-5}, Type::kInt32), Scalar::int32(-5));
  EXPECT_EQ(*to_scalar(int64_t{7}, Type::kFloat64), Scalar::float64(7));
  EXPECT_EQ(to_scalar(0.1, Type::kFloat32)->value,
            decltype(Scalar::value)(static_cast<double>(0.1F)));
  EXPECT_EQ(*to_scalar(true, Type::kBool), Scalar::boolean(true));
  EXPECT_TRUE(to_scalar(JsonValue(), Type::kInt64)->is_null());
}

TEST(JsonValue, ANumberThatStandsForSeveralIntegersIsNone) {
  EXPECT_EQ(*to_scalar(9007199254740991.0, Type::kInt64), Scalar::int64(9007199254740991));
  EXPECT_EQ(*to_scalar(-9007199254740991.0, Type::kInt64), Scalar::int64(-9007199254740991));
  for (const double several :
       {9007199254740993.0, -9007199254740993.0, 9007199254740992.0, 1e300}) {
    EXPECT_EQ(to_scalar(several, Type::kInt64).code(), Code::kInvalidArgument) << several;
  }
  EXPECT_EQ(*to_scalar(int64_t{9007199254740993}, Type::kInt64), Scalar::int64(9007199254740993))
      << "an integer is one";
}

TEST(JsonValue, ArraysAndObjectsFillNestedTypes) {
  const Type vector = Type::array(Type::kFloat32, 2);
  EXPECT_EQ(written(*to_scalar(JsonText{"[1,2.5]"}, vector)), "[1.0,2.5]");
  EXPECT_EQ(written(*to_scalar(JsonText{"[null,1]"}, vector)), "[null,1.0]");
  EXPECT_EQ(written(*to_scalar(JsonText{"[0.1,-0.0]"}, vector)), "[0.10000000149011612,-0.0]")
      << "the double of a float32, as the value alone and as Feast has it";
  EXPECT_EQ(to_scalar(JsonText{"[1]"}, vector).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(JsonText{"[1,2]"}, Type::kString).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(std::string("[1,2]"), vector).code(), Code::kInvalidArgument);
  EXPECT_TRUE(to_scalar(JsonValue(), vector)->is_null());
  EXPECT_EQ(written(*to_scalar(JsonText{"{\"a\":7}"}, Type::map(Type::kString, Type::kInt8))),
            "{\"a\":7}");
}

TEST(JsonValue, DecimalsKeepTheirDigits) {
  const Type type = Type::decimal(20, 2);
  EXPECT_EQ(written(*to_scalar(std::string("123456789012345678.9"), type)),
            "123456789012345678.90");
  EXPECT_EQ(written(*to_scalar(12.3, type)), "12.30");
  EXPECT_EQ(written(*to_scalar(int64_t{-5}, type)), "-5.00");
  EXPECT_EQ(written(*to_scalar(uint64_t{18446744073709551615U}, Type::decimal(20, 0))),
            "18446744073709551615");
  EXPECT_EQ(to_scalar(uint64_t{18446744073709551615U}, Type::kInt64).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(*to_scalar(uint64_t{1} << 63, Type::kFloat64), Scalar::float64(0x1p63));
  EXPECT_EQ(to_scalar(1e30, type).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(true, type).code(), Code::kInvalidArgument);
}

TEST(JsonValue, WhatDoesNotFitIsRefusedNotBent) {
  EXPECT_EQ(to_scalar(int64_t{128}, Type::kInt8).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(int64_t{40'000}, Type::kInt16).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(1.5, Type::kInt64).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(1e300, Type::kInt64).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(true, Type::kInt64).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(std::string("abc"), Type::kInt64).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(int64_t{1} << 31, Type::kInt32).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(int64_t{1}, Type::kString).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(int64_t{1}, Type::kBool).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(std::string("%"), Type::kBytes).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(int64_t{1}, Type::kDate).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(false, Type::kTimestamp).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(1e300, Type::kTimestamp).code(), Code::kInvalidArgument);
  EXPECT_EQ(to_scalar(std::nan(""), Type::kTimestamp).code(), Code::kInvalidArgument);
}

TEST(JsonValue, TimestampsAreSecondsOrText) {
  EXPECT_EQ(*to_scalar(int64_t{978307200}, Type::kTimestamp), Scalar::timestamp(978307200000000));
  EXPECT_EQ(*to_scalar(0.25, Type::kTimestamp), Scalar::timestamp(250000));
  EXPECT_EQ(*to_scalar(std::string("2001-01-01T00:00:00Z"), Type::kTimestamp),
            Scalar::timestamp(978307200000000));
  EXPECT_EQ(written(Scalar::timestamp(978307200999999)), "978307200");
  EXPECT_EQ(written(Scalar::timestamp(-1)), "-1");
}

TEST(JsonValue, WrittenAsFeastWritesThem) {
  EXPECT_EQ(written(Scalar::null(Type::kInt64)), "null");
  EXPECT_EQ(written(Scalar::boolean(false)), "false");
  EXPECT_EQ(written(Scalar::int64(9223372036854775807)), "9223372036854775807");
  EXPECT_EQ(written(Scalar::float64(3)), "3.0");
  EXPECT_EQ(written(Scalar::float64(-0.0)), "-0.0");
  EXPECT_EQ(written(Scalar::float64(1e22)), "1e+22");
  EXPECT_EQ(written(Scalar::float64(std::nan(""))), "null");
  EXPECT_EQ(written({Type::kFloat32, 3.4028234663852886e+38}), "3.4028234663852886e+38");
  EXPECT_EQ(written(Scalar::string("Zoë \"q\" \\ \n")), R"("Zoë \"q\" \\ \n")");
  EXPECT_EQ(written({Type::kDate, int64_t{11323}}), R"("2001-01-01")");
  EXPECT_EQ(written({Type::kBytes, std::string("\0\1\xff", 3)}), R"("AAH/")");
  const char* const times = R"(["2026-01-01T00:00:00.999999Z",null,"1969-12-31T23:59:59Z"])";
  for (const Type& type : {Type::list(Type::kTimestamp), Type::array(Type::kTimestamp, 3)}) {
    EXPECT_EQ(written(data::parse_json(times, type).value()), "[1767225600,null,-1]");
  }
}

TEST(JsonValue, Base64ReadsBackForEveryLengthAndKnowsTheVectorsOfTheRfc) {
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(to_base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(to_base64("foob"), "Zm9vYg==");
  std::mt19937_64 random(5);
  for (std::size_t size = 0; size < 70; ++size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) {
      byte = static_cast<char>(random());
    }
    EXPECT_EQ(*from_base64(to_base64(bytes)), bytes);
  }
  for (const char* const bad : {"A", "AA", "AAA", "A===", "AA=A", "====", "AA A"}) {
    EXPECT_FALSE(from_base64(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace assay::serve
