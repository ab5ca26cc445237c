#include "data/protobuf_records.h"

#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::data {
namespace {

// Messages are written by hand here, tag by tag.

std::string varint(uint64_t bits) {
  std::string bytes;
  while (bits >= 0x80) {
    bytes.push_back(static_cast<char>(bits | 0x80));
    bits >>= 7;
  }
  bytes.push_back(static_cast<char>(bits));
  return bytes;
}

std::string integer(int field, uint64_t value) {
  return varint(static_cast<uint64_t>(field) << 3) + varint(value);
}

std::string bytes(int field, const std::string& value) {
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(value.size()) + value;
}

std::string real(int field, double value) {
  std::string raw(8, '\0');
  std::memcpy(raw.data(), &value, 8);
  return varint(static_cast<uint64_t>(field) << 3 | 1) + raw;
}

const std::string kFirst(1, '\0');  // the path of a file's first message

std::string read(const std::string& schema,
                 const std::string& payload,
                 const std::vector<NamedSchema>& references = {}) {
  const Result<std::shared_ptr<const WireSchema>> parsed =
      parse_protobuf_schema(schema, references);
  EXPECT_TRUE(parsed.ok()) << parsed.status().to_string();
  std::string json;
  return parsed.ok() && (*parsed)->append_json(payload, &json) ? json : "refused";
}

constexpr char kClick[] = R"(syntax = "proto3";
package shop;
message Click {
  int64 id = 1;
  string user = 2;
  double price = 3;
  optional int32 rank = 4;
  repeated string tags = 5;
  map<string, int32> counts = 6;
  Kind kind = 7;
  bytes raw = 8;
  enum Kind { VIEW = 0; BUY = 1; }
  message Part { bool good = 1; }
  Part part = 9;
}
message Other { sint32 n = 1; }
)";

TEST(Protobuf, FieldsHaveTheirNamesAndTypes) {
  EXPECT_EQ(read(kClick,
                 kFirst + integer(1, static_cast<uint64_t>(-5)) + bytes(2, "ann") + real(3, 1.5) +
                     integer(4, 0) + bytes(5, "a") + bytes(5, "b") +
                     bytes(6, bytes(1, "k") + integer(2, 7)) + integer(7, 1) + bytes(8, "\x01") +
                     bytes(9, integer(1, 1))),
            R"({"id":-5,"user":"ann","price":1.5,"rank":0,"tags":["a","b"],"counts":{"k":7},)"
            R"("kind":"BUY","raw":"AQ==","part":{"good":true}})");
}

TEST(Protobuf, AFieldWithPresenceThatIsNotSetIsLeftOut) {
  EXPECT_EQ(read(kClick, kFirst),
            R"({"id":0,"user":"","price":0.0,"tags":[],"counts":{},"kind":"VIEW","raw":""})");
}

TEST(Protobuf, ThePathNamesTheMessage) {
  EXPECT_EQ(read(kClick, std::string("\x02\x02", 2) + integer(1, 3)), R"({"n":-2})") << "[1]";
  EXPECT_EQ(read(kClick, std::string("\x04\x00\x00", 3) + integer(1, 1)), R"({"good":true})")
      << "[0, 0]: the entries of the map are no message of the file";
  EXPECT_EQ(read(kClick, std::string("\x04\x00\x02", 3)), "refused") << "[0, 1]: there is none";
  EXPECT_EQ(read(kClick, std::string("\x02\x08", 2)), "refused") << "[4]: there is none";
  EXPECT_EQ(read(kClick, std::string("\x01", 1)), "refused") << "-1 of them";
  EXPECT_EQ(read(kClick, ""), "refused");
}

TEST(Protobuf, UnknownFieldsArePassedOverAndBrokenMessagesRefused) {
  EXPECT_EQ(read("syntax = \"proto3\"; message M { int32 a = 1; }",
                 kFirst + integer(1, 2) + bytes(99, "new") + integer(98, 1)),
            R"({"a":2})");
  EXPECT_EQ(read(kClick,
                 kFirst + "\x12\x05"
                          "ab"),
            "refused")
      << "cut short";
  EXPECT_EQ(read(kClick, kFirst + std::string(11, '\xff')), "refused");
  EXPECT_EQ(read(kClick, kFirst + bytes(2, "\xff")), "refused") << "text that is not UTF-8";
}

TEST(Protobuf, KnownMessagesAreOneValue) {
  EXPECT_EQ(
      read(R"(syntax = "proto3";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
message M { google.protobuf.Timestamp at = 1; google.protobuf.Int64Value n = 2;
  google.protobuf.StringValue none = 3; })",
           kFirst + bytes(1, integer(1, 1) + integer(2, 5'000'000)) + bytes(2, integer(1, 9))),
      R"({"at":"1970-01-01T00:00:01.005Z","n":9})");
}

TEST(Protobuf, ImportsAreReferences) {
  const std::string schema =
      "syntax = \"proto3\"; import \"a/part.proto\"; message M { a.Part p = 1; }";
  const NamedSchema part{"a/part.proto",
                         "syntax = \"proto3\"; package a; message Part { int32 v = 1; }"};
  EXPECT_EQ(read(schema, kFirst + bytes(1, integer(1, 4)), {part}), R"({"p":{"v":4}})");
  EXPECT_EQ(parse_protobuf_schema(schema).code(), Code::kInvalidArgument);
  EXPECT_EQ(parse_protobuf_schema("import \"a\"; message M {}",
                                  {{"a", "import \"b\";"}, {"b", "import \"a\";"}})
                .code(),
            Code::kInvalidArgument)
      << "a circle";
}

TEST(Protobuf, WhatIsNoSchemaIsRefused) {
  for (const char* schema :
       {"message", "message M { int64 a = 0; }", "message M { Gone g = 1; }"}) {
    EXPECT_EQ(parse_protobuf_schema(schema).code(), Code::kInvalidArgument) << schema;
  }
}

TEST(Protobuf, AMessageThatHoldsItselfForEverIsRefused) {
  std::string deep;
  for (int i = 0; i < 90; ++i) {
    deep = bytes(1, deep);
  }
  EXPECT_EQ(read("syntax = \"proto3\"; message M { M m = 1; }", kFirst + deep), "refused");
}

TEST(Protobuf, RandomMessagesAreReadAsTheyWereWritten) {
  const auto random = seeded_random(47);
  SCOPED_TRACE("seed 47");
  for (int round = 0; round < 500; ++round) {
    const auto id = static_cast<int64_t>(random->next());
    const std::string user(random->below(200), 'u');
    const auto rank = static_cast<int32_t>(random->below(1'000));
    std::string fields[] = {integer(1, static_cast<uint64_t>(id)),
                            bytes(2, user),
                            integer(4, static_cast<uint64_t>(rank))};
    std::swap(fields[0], fields[random->below(3)]);  // fields come in any order
    EXPECT_EQ(read(kClick, kFirst + fields[0] + fields[1] + fields[2]),
              R"({"id":)" + std::to_string(id) + R"(,"user":")" + user +
                  R"(","price":0.0,"rank":)" + std::to_string(rank) +
                  R"(,"tags":[],"counts":{},"kind":"VIEW","raw":""})");
  }
}

}  // namespace
}  // namespace assay::data
