#include "data/protobuf.h"

#include <gtest/gtest.h>

namespace assay::data {
namespace {

std::string bytes_of(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) {
    out += static_cast<char>(value);
  }
  return out;
}

TEST(Protobuf, FieldsHaveTheBytesOfTheSpecification) {
  std::string out;
  ProtoWriter writer(out);
  writer.integer(1, 150);
  writer.bytes(2, "testing");
  writer.integer(3, -1);
  writer.real32(16, 0.5F);
  writer.boolean(7, false);
  EXPECT_EQ(out,
            bytes_of({0x08, 0x96, 0x01, 0x12, 0x07}) + "testing" +
                bytes_of({0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}) +
                bytes_of({0x85, 0x01, 0, 0, 0, 0x3f}) + bytes_of({0x38, 0}));
}

TEST(Protobuf, WhatIsWrittenIsRead) {
  std::string out;
  ProtoWriter writer(out);
  writer.integer(1, INT64_MIN);
  writer.real64(2, 0.5);
  writer.bytes(3, std::string("\0x", 2));
  ProtoReader reader(out);
  auto field = reader.next();
  ASSERT_TRUE(field.ok() && field->has_value());
  EXPECT_EQ((*field)->number, 1);
  EXPECT_EQ(static_cast<int64_t>((*field)->bits), INT64_MIN);
  field = reader.next();
  ASSERT_TRUE(field.ok() && field->has_value());
  EXPECT_EQ((*field)->wire, ProtoField::Wire::kFixed64);
  EXPECT_EQ((*field)->bits, 0x3fe0000000000000U);
  field = reader.next();
  ASSERT_TRUE(field.ok() && field->has_value());
  EXPECT_EQ((*field)->bytes, std::string("\0x", 2));
  field = reader.next();
  ASSERT_TRUE(field.ok());
  EXPECT_FALSE(field->has_value());
}

TEST(Protobuf, TimesAreReadAsTheyAreWritten) {
  for (const int64_t micros : {int64_t{0},
                               int64_t{1},
                               int64_t{-1},
                               int64_t{1'767'323'045'678'901},
                               int64_t{-62'135'596'800'000'000},
                               int64_t{253'402'300'799'999'999}}) {
    EXPECT_EQ(read_proto_seconds(proto_seconds(micros)).value(), micros);
  }
  EXPECT_EQ(read_proto_seconds(bytes_of({0x10, 0xe7, 0x07})).value(), 0) << "999 nanoseconds";
  std::string late;
  ProtoWriter(late).integer(1, 253'402'300'800);
  std::string below;
  ProtoWriter(below).integer(2, -1);
  std::string beyond;
  ProtoWriter(beyond).integer(2, 1'000'000'000);
  for (const std::string& message :
       {late, below, beyond, bytes_of({0x08}), bytes_of({0x0a, 0x00})}) {
    EXPECT_EQ(read_proto_seconds(message).code(), Code::kInvalidArgument);
  }
}

TEST(Protobuf, WhatIsNoMessageIsRefused) {
  for (const std::string& message :
       {bytes_of({0x08}),             // a number that is missing
        bytes_of({0x12, 0x05, 'a'}),  // fewer bytes than it says
        bytes_of({0x0d, 1, 2, 3}),    // half a number
        bytes_of({0x00, 0x00}),       // field 0
        bytes_of({0x0b, 0x0c}),       // a group
        std::string(11, '\xff'),      // a number beyond 64 bits
        bytes_of({0x08}) + std::string(9, '\xff') + bytes_of({0x02})}) {
    ProtoReader reader(message);
    EXPECT_EQ(reader.next().code(), Code::kInvalidArgument);
  }
}

TEST(Protobuf, TimesCountNanosecondsUpwards) {
  EXPECT_EQ(proto_seconds(0), "");
  EXPECT_EQ(proto_seconds(1'758'823'656'123'000),
            bytes_of({0x08, 0xe8, 0x89, 0xd6, 0xc6, 0x06, 0x10, 0xc0, 0xa9, 0xd3, 0x3a}));
  std::string before;
  ProtoWriter writer(before);
  writer.integer(1, -1);
  writer.integer(2, 999'999'000);
  EXPECT_EQ(proto_seconds(-1), before);
}

}  // namespace
}  // namespace assay::data
