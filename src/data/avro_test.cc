#include "data/avro.h"

#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "data/json_text.h"

namespace assay::data {
namespace {

/// What `bytes` are as JSON, or "refused".
std::string read(const std::string& schema,
                 const std::string& bytes,
                 const std::vector<NamedSchema>& references = {}) {
  const Result<std::shared_ptr<const WireSchema>> parsed = parse_avro_schema(schema, references);
  EXPECT_TRUE(parsed.ok()) << parsed.status().to_string();
  std::string json;
  return parsed.ok() && (*parsed)->append_json(bytes, &json) ? json : "refused";
}

std::string number(int64_t value) {
  std::string bytes;
  uint64_t bits = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  while (bits >= 0x80) {
    bytes.push_back(static_cast<char>(bits | 0x80));
    bits >>= 7;
  }
  bytes.push_back(static_cast<char>(bits));
  return bytes;
}

std::string text(const std::string& value) {
  return number(static_cast<int64_t>(value.size())) + value;
}

TEST(Avro, TheExampleOfTheSpecification) {
  EXPECT_EQ(read(R"({"type":"record","name":"test","fields":[{"name":"a","type":"long"},)"
                 R"({"name":"b","type":"string"}]})",
                 "\x36\x06"
                 "foo"),
            R"({"a":27,"b":"foo"})");
  EXPECT_EQ(read(R"({"type":"array","items":"long"})", std::string("\x04\x06\x36\x00", 4)),
            "[3,27]");
  EXPECT_EQ(read(R"(["null","string"])",
                 std::string("\x02\x02"
                             "a",
                             3)),
            R"("a")");
  EXPECT_EQ(read(R"(["null","string"])", std::string("\x00", 1)), "null");
}

TEST(Avro, NumbersToTheirEnds) {
  for (const int64_t value :
       {INT64_MIN, int64_t{-65}, int64_t{-1}, int64_t{0}, int64_t{64}, INT64_MAX}) {
    EXPECT_EQ(read(R"("long")", number(value)), std::to_string(value));
  }
  EXPECT_EQ(read(R"("int")", number(INT32_MAX)), "2147483647");
  EXPECT_EQ(read(R"("int")", number(int64_t{INT32_MAX} + 1)), "refused");
  EXPECT_EQ(read(R"("long")", std::string(10, '\xff')), "refused");
  EXPECT_EQ(read(R"("long")", "\xff"), "refused");
}

TEST(Avro, LogicalTypesAreText) {
  EXPECT_EQ(read(R"({"type":"int","logicalType":"date"})", number(-1)), R"("1969-12-31")");
  EXPECT_EQ(read(R"({"type":"long","logicalType":"timestamp-millis"})", number(1'500)),
            R"("1970-01-01T00:00:01.500Z")");
  EXPECT_EQ(read(R"({"type":"long","logicalType":"timestamp-micros"})", number(1)),
            R"("1970-01-01T00:00:00.000001Z")");
  EXPECT_EQ(read(R"({"type":"long","connect.name":"io.debezium.time.MicroTimestamp"})", number(1)),
            R"("1970-01-01T00:00:00.000001Z")");
  EXPECT_EQ(
      read(R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":2})", text("\x30\x39")),
      R"("123.45")");
  EXPECT_EQ(
      read(R"({"type":"fixed","name":"f","size":1,"logicalType":"decimal","precision":2})", "\xff"),
      R"("-1")");
  EXPECT_EQ(read(R"({"type":"string","logicalType":"uuid"})", text("x")), R"("x")");
  EXPECT_EQ(read(R"({"type":"string","logicalType":"date"})", text("x")), R"("x")")
      << "a meaning that does not fit is passed over";
  EXPECT_EQ(read(R"({"type":"long","logicalType":"timestamp-millis"})", number(INT64_MAX)),
            "9223372036854775807")
      << "no instant";
  EXPECT_EQ(read(R"("double")", std::string("\0\0\0\0\0\0\xf8\x7f", 8)), R"("NaN")");
}

TEST(Avro, NamesAreFoundInTheirNamespaceInReferencesAndInThemselves) {
  const std::string list = R"({"type":"record","name":"a.L","fields":[{"name":"v","type":"int"},)"
                           R"({"name":"next","type":["null","L"]}]})";
  EXPECT_EQ(read(list, std::string("\x02\x02\x04\x00", 4)),
            R"({"v":1,"next":{"v":2,"next":null}})");
  EXPECT_EQ(read(R"({"type":"record","name":"R","fields":[{"name":"l","type":"a.L"}]})",
                 std::string("\x02\x00", 2),
                 {{"a.L", list}}),
            R"({"l":{"v":1,"next":null}})");
}

TEST(Avro, ARecordWithinItselfMayBeNamedByAnObject) {
  const std::string tree = R"({"type":"record","name":"N","fields":[{"name":"v","type":"int"},)"
                           R"({"name":"left","type":["null",{"type":"N"}]},)"
                           R"({"name":"all","type":{"type":"array","items":{"type":"N"}}}]})";
  EXPECT_EQ(read(tree, std::string("\x02\x02\x04\x00\x00\x02\x06\x00\x00\x00", 10)),
            R"({"v":1,"left":{"v":2,"left":null,"all":[]},"all":[{"v":3,"left":null,"all":[]}]})");
}

TEST(Avro, WhatIsNoSchemaIsRefused) {
  for (const char* schema : {"",
                             "{",
                             R"("nothing")",
                             R"({"type":"record","name":"r"})",
                             R"({"type":"record","fields":[]})",
                             R"({"type":"array"})",
                             R"({"type":"fixed","name":"f","size":-1})",
                             R"([["x"]])",
                             "5"}) {
    EXPECT_EQ(parse_avro_schema(schema).code(), Code::kInvalidArgument) << schema;
  }
  std::string deep;
  for (int i = 0; i < 1'000; ++i) {
    deep += R"({"type":"array","items":)";
  }
  EXPECT_FALSE(parse_avro_schema(deep + "\"int\"" + std::string(1'000, '}')).ok());
}

TEST(Avro, HostileRecordsAreRefusedInBoundedWork) {
  EXPECT_EQ(read(R"({"type":"array","items":"null"})", number(INT64_MAX)), "refused");
  EXPECT_EQ(read(R"({"type":"array","items":"null"})", number(INT64_MIN)), "refused");
  EXPECT_EQ(read(R"("bytes")", number(INT64_MAX)), "refused");
  EXPECT_EQ(read(R"("bytes")", number(-1)), "refused");
  EXPECT_EQ(read(R"({"type":"record","name":"r","fields":[{"name":"r","type":"r"}]})", ""),
            "refused")
      << "a record that holds itself";
  EXPECT_EQ(read(R"("boolean")", "\x02"), "refused");
  EXPECT_EQ(read(R"({"type":"enum","name":"e","symbols":["A"]})", number(1)), "refused");
  EXPECT_EQ(read(R"(["null"])", number(1)), "refused");
  EXPECT_EQ(read(R"("int")", number(1) + "x"), "refused") << "bytes are left";
}

/// A random type, and a random value of it as Avro and as JSON: the naive twin.
struct Twin {
  std::string schema;
  std::string bytes;
  std::string json;
};

Twin random_value(Random& random, int depth, int* names) {
  const auto v = static_cast<int64_t>(random.next() >> random.below(64));
  const std::string word(random.below(5), static_cast<char>('a' + random.below(26)));
  const std::string name = "n" + std::to_string((*names)++);
  switch (random.below(depth > 3 ? 6 : 10)) {
    case 0:
      return {R"("long")", number(v), std::to_string(v)};
    case 1:
      return {R"("string")", text(word), "\"" + word + "\""};
    case 2:
      return {R"("boolean")",
              std::string(1, static_cast<char>(v & 1)),
              (v & 1) != 0 ? "true" : "false"};
    case 3:
      return {R"({"type":"bytes"})", text(word), "\"" + to_base64(word) + "\""};
    case 4: {
      double real = 0.5 * static_cast<double>(v % 1'000) + 0.25;
      std::string bytes(8, '\0');
      std::memcpy(bytes.data(), &real, 8);
      const std::string shown = std::to_string(real);
      return {R"("double")", bytes, shown.substr(0, shown.find_last_not_of('0') + 1)};
    }
    case 5:
      return {R"({"type":"enum","name":")" + name + R"(","symbols":["A","B"]})",
              number(v & 1),
              (v & 1) != 0 ? R"("B")" : R"("A")"};
    case 6: {
      const Twin inner = random_value(random, depth + 1, names);
      return (v & 1) != 0
                 ? Twin{"[\"null\"," + inner.schema + "]", number(1) + inner.bytes, inner.json}
                 : Twin{"[" + inner.schema + ",\"null\"]", number(1), "null"};
    }
    case 7: {
      const Twin inner = random_value(random, depth + 1, names);
      // Two blocks: one that says its size, one that does not.
      const std::string twice = inner.bytes + inner.bytes;
      return {R"({"type":"array","items":)" + inner.schema + "}",
              number(-2) + text(twice) + number(1) + inner.bytes + number(0),
              "[" + inner.json + "," + inner.json + "," + inner.json + "]"};
    }
    case 8: {
      const Twin inner = random_value(random, depth + 1, names);
      return {R"({"type":"map","values":)" + inner.schema + "}",
              number(1) + text("k") + inner.bytes + number(0),
              R"({"k":)" + inner.json + "}"};
    }
    default: {
      Twin record{R"({"type":"record","name":")" + name + R"(","fields":[)", "", "{"};
      for (uint64_t i = 0; i < 1 + random.below(4); ++i) {
        const Twin inner = random_value(random, depth + 1, names);
        const std::string field = "f" + std::to_string(i);
        record.schema +=
            (i > 0 ? "," : "") + (R"({"name":")" + field) + R"(","type":)" + inner.schema + "}";
        record.bytes += inner.bytes;
        record.json += (i > 0 ? "," : "") + ("\"" + field) + "\":" + inner.json;
      }
      record.schema += "]}";
      record.json += "}";
      return record;
    }
  }
}

TEST(Avro, RandomSchemasAndValuesAreReadAsTheyWereWritten) {
  const auto random = seeded_random(43);
  SCOPED_TRACE("seed 43");
  for (int round = 0; round < 2'000; ++round) {
    int names = 0;
    const Twin twin = random_value(*random, 0, &names);
    ASSERT_EQ(read(twin.schema, twin.bytes), twin.json) << twin.schema;
    if (!twin.bytes.empty()) {
      // What is cut short, or goes on, is never taken for whole.
      EXPECT_EQ(read(twin.schema, twin.bytes.substr(0, twin.bytes.size() - 1)), "refused");
      EXPECT_EQ(read(twin.schema, twin.bytes + "x"), "refused");
    }
  }
}

}  // namespace
}  // namespace assay::data
