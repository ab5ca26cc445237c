#include "data/json_lines.h"

#include <gtest/gtest.h>

#include "base/json_writer.h"
#include "base/random.h"

namespace assay::data {
namespace {

DecodeOptions options_of(std::vector<Field> fields) {
  return {make_schema(std::move(fields)), {}, {}, {}};
}

/// What `{"a": value}` becomes in a column of `type`, as text; "null", or the reason of its reject.
std::string decode_one(const std::string& value, Type type, TimeUnit unit = TimeUnit::kText) {
  DecodeOptions options = options_of({{"a", type, true}});
  options.time_units = {unit};
  const std::string record = "{\"a\":" + value + "}";
  const Decoded decoded = JsonLinesDecoder(options).decode(std::vector<std::string_view>{record});
  if (!decoded.rejects.empty()) {
    return std::string(reason_name(decoded.rejects[0].reason));
  }
  const Scalar scalar = decoded.rows.column(0).scalar(0);
  return scalar.is_null() ? "null" : "=" + format_scalar(scalar);
}

std::string reason_of(const std::string& record) {
  JsonLinesDecoder decoder(options_of({{"a", Type::kInt64, true}}));
  const Decoded decoded = decoder.decode(std::vector<std::string_view>{record});
  return decoded.rejects.empty() ? "good" : std::string(reason_name(decoded.rejects[0].reason));
}

TEST(JsonLines, MembersAreFoundByNameInAnyOrder) {
  JsonLinesDecoder decoder(options_of({{"a", Type::kInt64, true}, {"b", Type::kString, false}}));
  const std::vector<std::string_view> records{R"({"a":1,"b":"x"})",
                                              R"({"b":"y","z":[{"a":7}],"a":2})",
                                              R"({"b":"\u017c"})",
                                              R"({"a":1,"a":3,"b":""})",
                                              R"({"a":1})",
                                              R"({"b":null})"};
  const Decoded decoded = decoder.decode(records);
  EXPECT_EQ(decoded.record_of_row, (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(decoded.rows.column(0).scalar(1), Scalar::int64(2));
  EXPECT_TRUE(decoded.rows.column(0).is_null(2));
  EXPECT_EQ(decoded.rows.column(0).scalar(3), Scalar::int64(3)) << "of equal names the last counts";
  EXPECT_EQ(decoded.rows.column(1).text(2), "ż");
  EXPECT_TRUE(decoded.rows.column(1).is_valid(3));
  ASSERT_EQ(decoded.rejects.size(), 2U);
  EXPECT_EQ(decoded.rejects[0].row, 4);
  EXPECT_EQ(decoded.rejects[1].reason, RejectReason::kMissingRequired);
  EXPECT_EQ(decoded.rejects[1].column, "b");
}

TEST(JsonLines, TheWholeRecordMustBeOneObject) {
  for (const std::string record : {"",
                                   " ",
                                   "{",
                                   "}",
                                   "{}x",
                                   "{} {}",
                                   "[]",
                                   "1",
                                   "null",
                                   "{\"a\":1,}",
                                   "{\"a\" 1}",
                                   "{'a':1}",
                                   "{\"a\":01}",
                                   "{\"a\":nan}",
                                   "{\"b\":\"\\ud800\"}",
                                   "{\"b\":\"\x01\"}",
                                   "{\"b\":tru}",
                                   "{\"b\":[1,2}",
                                   "{\"b\":1e999}"}) {
    EXPECT_EQ(reason_of(record), "malformed") << record;
  }
  EXPECT_EQ(reason_of("{\"b\":\"\xFF\"}"), "invalid_utf8");
  EXPECT_EQ(reason_of("{\"b\":\"\xED\xA0\x80\"}"), "invalid_utf8");
  EXPECT_EQ(reason_of("{\"b\":" + std::string(5000, '[') + std::string(5000, ']') + "}"),
            "malformed");
  EXPECT_EQ(reason_of(" {} "), "good");
}

TEST(JsonLines, IntegersAreExactToTheEdgesAndNothingElse) {
  EXPECT_EQ(decode_one("9223372036854775807", Type::kInt64), "=9223372036854775807");
  EXPECT_EQ(decode_one("-9223372036854775808", Type::kInt64), "=-9223372036854775808");
  EXPECT_EQ(decode_one("2147483647", Type::kInt32), "=2147483647");
  EXPECT_EQ(decode_one("-2147483648", Type::kInt32), "=-2147483648");
  for (const std::string value : {"9223372036854775808",
                                  "-9223372036854775809",
                                  "18446744073709551616",
                                  "123456789012345678901234567890",
                                  "1.0",
                                  "1e3",
                                  "\"1\"",
                                  "true",
                                  "[1]",
                                  "{}"}) {
    EXPECT_EQ(decode_one(value, Type::kInt64), "wrong_type") << value;
  }
  EXPECT_EQ(decode_one("2147483648", Type::kInt32), "wrong_type");
  EXPECT_EQ(decode_one("null", Type::kInt32), "null");
}

TEST(JsonLines, FloatsTakeAnyNumber) {
  EXPECT_EQ(decode_one("1", Type::kFloat64), "=1");
  EXPECT_EQ(decode_one("18446744073709551615", Type::kFloat64), "=18446744073709551616");
  EXPECT_EQ(decode_one("-123456789012345678901234567890", Type::kFloat64),
            "=-1.2345678901234568e+29");
  EXPECT_EQ(decode_one("0.1", Type::kFloat32), "=0.1");
  EXPECT_EQ(decode_one("3.4028235e38", Type::kFloat32), "=3.4028235e+38");
  EXPECT_EQ(decode_one("3.5e38", Type::kFloat32), "wrong_type");
  EXPECT_EQ(decode_one("\"1.5\"", Type::kFloat64), "wrong_type");
  EXPECT_EQ(decode_one("false", Type::kFloat64), "wrong_type");
}

TEST(JsonLines, AWideIntegerElsewhereChangesNothing) {
  JsonLinesDecoder decoder(options_of({{"a", Type::kInt64, true}, {"b", Type::kString, true}}));
  const std::string_view record =
      R"({"x":99999999999999999999,"b":"1\"99999999999999999999","a":1234567890123456789})";
  const Decoded decoded = decoder.decode(std::vector{record});
  ASSERT_EQ(decoded.rows.rows(), 1);
  EXPECT_EQ(decoded.rows.column(0).scalar(0), Scalar::int64(1234567890123456789));
  EXPECT_EQ(decoded.rows.column(1).text(0), "1\"99999999999999999999");
}

TEST(JsonLines, StringsTakeStringsAndNestedValuesAsTheirText) {
  EXPECT_EQ(decode_one(R"("a\tb")", Type::kString), "=a\tb");
  EXPECT_EQ(decode_one(R"({"k": [1, 2.5, "x\n", null, true]})", Type::kString),
            R"(={"k":[1,2.5,"x\n",null,true]})");
  EXPECT_EQ(decode_one("[]", Type::kString), "=[]");
  EXPECT_EQ(decode_one("1", Type::kString), "wrong_type");
  EXPECT_EQ(decode_one("true", Type::kString), "wrong_type");
}

TEST(JsonLines, BytesDatesAndBooleansHaveOneFormEach) {
  EXPECT_EQ(decode_one("\"AP8=\"", Type::kBytes), std::string("=\0\xFF", 3));
  EXPECT_EQ(decode_one("\"AP8\"", Type::kBytes), std::string("=\0\xFF", 3));
  EXPECT_EQ(decode_one("\"\"", Type::kBytes), "=");
  EXPECT_EQ(decode_one("\"AP9=\"", Type::kBytes), "wrong_type");
  EXPECT_EQ(decode_one("\"A\"", Type::kBytes), "wrong_type");
  EXPECT_EQ(decode_one("\"A-_=\"", Type::kBytes), "wrong_type");
  EXPECT_EQ(decode_one("\"2001-01-31\"", Type::kDate), "=2001-01-31");
  EXPECT_EQ(decode_one("\"2001-01-31T10:00:00\"", Type::kDate), "wrong_type");
  EXPECT_EQ(decode_one("11353", Type::kDate), "wrong_type");
  EXPECT_EQ(decode_one("true", Type::kBool), "=true");
  EXPECT_EQ(decode_one("1", Type::kBool), "wrong_type");
}

TEST(JsonLines, TimestampsAreTextOrCountsOfTheirUnit) {
  EXPECT_EQ(decode_one("\"2001-01-31T10:00:00+02:00\"", Type::kTimestamp), "=2001-01-31T08:00:00Z");
  EXPECT_EQ(decode_one("980935200", Type::kTimestamp), "wrong_type");
  EXPECT_EQ(decode_one("980935200", Type::kTimestamp, TimeUnit::kSeconds), "=2001-01-31T10:00:00Z");
  EXPECT_EQ(decode_one("980935200.25", Type::kTimestamp, TimeUnit::kSeconds),
            "=2001-01-31T10:00:00.250Z");
  EXPECT_EQ(decode_one("980935200123", Type::kTimestamp, TimeUnit::kMillis),
            "=2001-01-31T10:00:00.123Z");
  EXPECT_EQ(decode_one("\"980935200\"", Type::kTimestamp, TimeUnit::kSeconds), "wrong_type");
  EXPECT_EQ(decode_one("9223372036854775807", Type::kTimestamp, TimeUnit::kMillis), "wrong_type");
  EXPECT_EQ(decode_one("18446744073709551615", Type::kTimestamp, TimeUnit::kMicros), "wrong_type");
}

TEST(JsonLines, RandomRowsSurviveWritingAndReading) {
  const uint64_t seed = 13;
  SCOPED_TRACE(seed);
  const auto random = seeded_random(seed);
  BatchBuilder expected(make_schema(
      {{"i", Type::kInt64, true}, {"f", Type::kFloat64, true}, {"s", Type::kString, true}}));
  std::vector<std::string> lines;
  for (int row = 0; row < 3000; ++row) {
    lines.emplace_back();
    JsonWriter writer(lines.back());
    const auto integer = static_cast<int64_t>(random->next() >> random->below(64));
    const double number =
        static_cast<double>(random->next()) / 1e3 * (random->below(2) == 0 ? 1e-200 : -1);
    std::string text;
    for (uint64_t i = random->below(70); i > 0; --i) {
      text += static_cast<char>(random->below(128));
    }
    writer.begin_object();
    writer.key("i");
    writer.integer(integer);
    if (random->below(2) == 0) {
      writer.key("ignored");
      writer.string(text);
    }
    writer.key("s");
    writer.string(text);
    writer.key("f");
    writer.number(number);
    writer.end_object();
    expected.column(0).append(integer);
    expected.column(1).append(number);
    expected.column(2).append_text(text);
  }
  const Batch rows = expected.finish();
  JsonLinesDecoder decoder({rows.schema_ptr(), {}, {}, {}});
  std::vector<std::string_view> records(lines.begin(), lines.end());
  const Decoded decoded = decoder.decode(records);
  EXPECT_TRUE(decoded.rejects.empty());
  EXPECT_EQ(content_hash(decoded.rows), content_hash(rows));
}

}  // namespace
}  // namespace assay::data
