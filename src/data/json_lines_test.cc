#include "data/json_lines.h"

#include <bit>
#include <cstdlib>
#include <initializer_list>

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

/// Plain records are read without a tree. Here are plain ones, rare ones, and both with bytes
/// changed: what is said of them must be what the tree says.
class RandomRecords {
 public:
  explicit RandomRecords(uint64_t seed) : random_(seeded_random(seed)) {}

  std::string record() {
    std::string text = blank() + "{";
    for (uint64_t members = random_->below(7), i = 0; i < members; ++i) {
      text += (i == 0 ? "" : ",") + blank() + name() + blank() + ":" + blank() + value(0) + blank();
    }
    text += "}" + blank();
    for (uint64_t changes = random_->below(8) < 5 ? 0 : random_->below(3); changes > 0; --changes) {
      change(text);
    }
    return text;
  }

 private:
  template <std::size_t kSize>
  std::string one_of(const char* const (&texts)[kSize]) {
    return texts[random_->below(kSize)];
  }
  std::string blank() { return random_->below(6) == 0 ? one_of({" ", "\t", "\n", "\r\n  "}) : ""; }
  std::string name() {
    return one_of({R"("a")",
                   R"("b")",
                   R"("c")",
                   R"("d")",
                   R"("e")",
                   R"("f")",
                   R"("g")",
                   R"("h")",
                   R"("other")",
                   R"("\u0061")",
                   R"("")",
                   R"("a very long name that nobody asks for, longer than the hints")"});
  }
  std::string value(int depth) {
    switch (random_->below(depth < 3 ? 6 : 3)) {
      case 0:
        return one_of({"0",
                       "-0",
                       "1",
                       "-17",
                       "127",
                       "128",
                       "9223372036854775807",
                       "9223372036854775808",
                       "18446744073709551616",
                       "-9223372036854775809",
                       "1.5",
                       "-0.0",
                       "1e3",
                       "1E400",
                       "3.5e38",
                       "012",
                       "1.",
                       "-",
                       "+1",
                       "1672531200000",
                       "00",
                       "123456789.25"});
      case 1:
        return one_of(
            {R"("")",
             R"("x")",
             R"("a\\b")",
             R"("\"")",
             R"("\u017c")",
             R"("\ud800")",
             R"("\q")",
             R"("2026-01-31")",
             R"("2026-01-31T10:00:00Z")",
             R"("1.5")",
             R"("{[,]}:")",
             R"("a text that is longer than a block of the parser, so that it takes two of them")"});
      case 2:
        return one_of({"true", "false", "null", "tru", "nul", "truex", "nullx", "NaN", "", "x"});
      case 3:
        return "[" + value(depth + 1) + one_of({"", ",", ", "}) + value(depth + 1) + "]";
      case 4:
        return "{" + name() + ":" + value(depth + 1) + one_of({"", ",", ",\"k\":1"}) + "}";
      default:
        return one_of({"[]", "{}", "1", R"("y")", "null"});
    }
  }
  void change(std::string& text) {
    constexpr std::string_view kBytes = "\"\\{}[]:, 019ntx\x80\xc5\x01";
    const std::size_t at = random_->below(text.size());
    const char byte = kBytes[random_->below(kBytes.size())];
    switch (random_->below(3)) {
      case 0:
        text[at] = byte;
        break;
      case 1:
        text.insert(at, 1, byte);
        break;
      default:
        text.erase(at, 1 + random_->below(3));
    }
    if (text.empty()) {
      text = "{";
    }
  }
  std::unique_ptr<Random> random_;
};

/// Rows and rejects of two ways through the same records.
void expect_same(const Decoded& some,
                 const Decoded& by_tree,
                 const std::vector<std::string>& texts) {
  ASSERT_EQ(some.record_of_row, by_tree.record_of_row);
  ASSERT_EQ(some.rejects.size(), by_tree.rejects.size());
  for (std::size_t i = 0; i < some.rejects.size(); ++i) {
    const std::string& text = texts[static_cast<std::size_t>(some.rejects[i].row)];
    ASSERT_EQ(some.rejects[i].row, by_tree.rejects[i].row) << text;
    ASSERT_EQ(some.rejects[i].reason, by_tree.rejects[i].reason) << text;
    ASSERT_EQ(some.rejects[i].column, by_tree.rejects[i].column) << text;
  }
  for (int64_t row = 0; row < some.rows.rows(); ++row) {
    for (int column = 0; column < some.rows.column_count(); ++column) {
      ASSERT_EQ(some.rows.column(column).scalar(row), by_tree.rows.column(column).scalar(row))
          << texts[static_cast<std::size_t>(some.record_of_row[static_cast<std::size_t>(row)])];
    }
  }
}

TEST(JsonLines, PlainRecordsAreReadAsTheTreeReadsThem) {
  DecodeOptions options = options_of({{"a", Type::kInt64, true},
                                      {"b", Type::kString, true},
                                      {"c", Type::kFloat32, true},
                                      {"d", Type::kTimestamp, true},
                                      {"e", Type::kBool, true},
                                      {"f", Type::kDate, true},
                                      {"g", Type::kFloat64, false},
                                      {"h", Type::kInt8, true}});
  options.time_units.assign(8, TimeUnit::kMillis);
  options.defaults.resize(8);
  options.defaults[6] = Scalar::float64(2.5);
  RandomRecords random(1);
  std::vector<std::string> texts;
  for (int i = 0; i < 60'000; ++i) {
    texts.push_back(random.record());
  }
  const std::vector<std::string_view> records(texts.begin(), texts.end());
  for (const TimeUnit unit : {TimeUnit::kMillis, TimeUnit::kText}) {
    options.time_units.assign(8, unit);
    options.only_by_tree = false;
    const Decoded plain = JsonLinesDecoder(options).decode(records);
    options.only_by_tree = true;
    const Decoded by_tree = JsonLinesDecoder(options).decode(records);
    expect_same(plain, by_tree, texts);
    EXPECT_EQ(content_hash(plain.rows), content_hash(by_tree.rows));
    EXPECT_GT(plain.rows.rows(), 1'000);
  }
}

/// Digits are read eight at a time: of any count, now and then with a wrong byte among them.
TEST(JsonLines, IntegersOfAnyLengthAreReadAsTheTreeReadsThem) {
  const auto random = seeded_random(4);
  std::vector<std::string> texts;
  for (int i = 0; i < 20'000; ++i) {
    std::string digits = random->below(2) == 0 ? "-" : "";
    for (uint64_t size = 1 + random->below(20); size > 0; --size) {
      digits.push_back(static_cast<char>('0' + random->below(10)));
    }
    if (random->below(4) == 0) {
      digits[random->below(digits.size())] = static_cast<char>(random->below(256));
    }
    texts.push_back(R"({"n":)" + digits + R"(,"m":1})");
  }
  const std::vector<std::string_view> records(texts.begin(), texts.end());
  DecodeOptions options = options_of({{"n", Type::kInt64, true}, {"m", Type::kInt32, true}});
  const Decoded plain = JsonLinesDecoder(options).decode(records);
  options.only_by_tree = true;
  expect_same(plain, JsonLinesDecoder(options).decode(records), texts);
  EXPECT_GT(plain.rows.rows(), 10'000);
}

/// Records are looked through some at a time; where one of them is bad, one by one.
TEST(JsonLines, WhatStandsBesideARecordDoesNotMatter) {
  DecodeOptions options = options_of({{"a", Type::kInt64, true},
                                      {"b", Type::kString, true},
                                      {"e", Type::kBool, true},
                                      {"g", Type::kFloat64, true}});
  JsonLinesDecoder plain(options);
  options.only_by_tree = true;
  JsonLinesDecoder by_tree(options);
  RandomRecords random(2);
  int64_t rows = 0;
  for (std::size_t turn = 0; turn < 6'000; ++turn) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i <= turn % 5; ++i) {
      texts.push_back(random.record());
    }
    const std::vector<std::string_view> records(texts.begin(), texts.end());
    const Decoded first = plain.decode(records);
    const Decoded second = by_tree.decode(records);
    ASSERT_EQ(first.record_of_row, second.record_of_row) << texts.front();
    ASSERT_EQ(content_hash(first.rows), content_hash(second.rows)) << texts.front();
    ASSERT_EQ(first.rejects.size(), second.rejects.size()) << texts.front();
    for (std::size_t i = 0; i < first.rejects.size(); ++i) {
      EXPECT_EQ(first.rejects[i].row, second.rejects[i].row) << texts.front();
      EXPECT_EQ(first.rejects[i].reason, second.rejects[i].reason) << texts.front();
    }
    rows += first.rows.rows();
  }
  EXPECT_GT(rows, 1'000);
}

/// Records as one program writes them: the same members in one order, some left out at times, some
/// with bytes changed.
std::string record_of_a_program(Random& random) {
  const auto pick = [&](std::initializer_list<std::string> texts) {
    return texts.begin()[random.below(texts.size())];
  };
  std::string text = "{";
  const auto member = [&](const std::string& name, const std::string& value) {
    if (random.below(10) != 0) {
      text += (text.size() == 1 ? "\"" : ", \"") + name + "\": " + value;
    }
  };
  std::string word;
  for (uint64_t i = random.below(30); i > 0; --i) {
    word += random.below(40) == 0 ? pick({"\xc5\xbc", "\\n", "\x7f", "\xf0\x9f\x98\x80"})
                                  : std::string(1, static_cast<char>('a' + random.below(26)));
  }
  const std::string digits = std::to_string(random.next() >> random.below(64));
  member("a", pick({digits, "-" + digits, "0", "null"}));
  member("b", "\"" + word + "\"");
  member("nobody asks", pick({digits, digits + "." + digits, "\"" + word + "\"", "true", "null"}));
  member("d", pick({"1672531200000", "-1", digits, "null", "1672531200.25"}));
  member("e", pick({"true", "false", "null"}));
  member("g", pick({"12.99", digits + ".5", "1e3", "-0", "0.1"}));
  member("h", pick({"1", "-128", "128", "1.0"}));
  text += "}";
  for (uint64_t changes = random.below(4) == 0 ? random.below(3) : 0; changes > 0; --changes) {
    constexpr std::string_view kBytes = "\"\\{}[]:, 019.-entx\x80\xc5\x01\x00";
    text[random.below(text.size())] = kBytes[random.below(kBytes.size())];
  }
  return text;
}

/// Such are read where their members are expected; that must be seen by nobody.
TEST(JsonLines, RecordsOfOneProgramAreReadAsTheTreeReadsThem) {
  DecodeOptions options = options_of({{"a", Type::kInt64, true},
                                      {"b", Type::kString, true},
                                      {"d", Type::kTimestamp, true},
                                      {"e", Type::kBool, true},
                                      {"g", Type::kFloat64, false},
                                      {"h", Type::kInt8, true}});
  options.time_units.assign(6, TimeUnit::kMillis);
  options.defaults.resize(6);
  options.defaults[4] = Scalar::float64(2.5);
  const auto random = seeded_random(4);
  std::vector<std::string> texts;
  for (int i = 0; i < 100'000; ++i) {
    texts.push_back(record_of_a_program(*random));
  }
  const std::vector<std::string_view> records(texts.begin(), texts.end());
  const Decoded by_shape = JsonLinesDecoder(options).decode(records);
  options.only_by_tree = true;
  const Decoded by_tree = JsonLinesDecoder(options).decode(records);
  expect_same(by_shape, by_tree, texts);
  EXPECT_GT(by_shape.rows.rows(), 30'000);
}

/// Of lines that lie one behind the other none is copied: a record is cut off anywhere, and what
/// stands behind it must not be read as its own.
TEST(JsonLines, LinesAreReadWhereTheyLieAsTheTreeReadsThem) {
  DecodeOptions options = options_of({{"a", Type::kInt64, true},
                                      {"b", Type::kString, true},
                                      {"d", Type::kTimestamp, true},
                                      {"e", Type::kBool, true},
                                      {"g", Type::kFloat64, false},
                                      {"h", Type::kInt8, true}});
  options.time_units.assign(6, TimeUnit::kMillis);
  options.defaults.resize(6);
  options.defaults[4] = Scalar::float64(2.5);
  const auto random = seeded_random(21);
  RandomRecords any(3);
  std::vector<std::string> texts;
  std::string lines;
  for (int i = 0; i < 60'000; ++i) {
    std::string record = i % 4 == 0 ? any.record() : record_of_a_program(*random);
    if (i % 5 == 0) {
      record.resize(random->below(record.size() + 1));
    }
    texts.push_back(record);
    texts.push_back(R"({"a":1,"b":")" + std::string(60 + random->below(40), 'x') + R"("})");
    lines += texts[texts.size() - 2] + "\n" + texts.back() + "\n";
  }
  lines.pop_back();
  lines.shrink_to_fit();
  std::vector<std::string_view> records;
  std::size_t begin = 0;
  for (const std::string& text : texts) {
    records.push_back(std::string_view(lines).substr(begin, text.size()));
    begin += text.size() + 1;
  }
  const Decoded in_place = JsonLinesDecoder(options).decode(records);
  options.only_by_tree = true;
  const Decoded by_tree = JsonLinesDecoder(options).decode(records);
  expect_same(in_place, by_tree, texts);
  EXPECT_EQ(content_hash(in_place.rows), content_hash(by_tree.rows));
  EXPECT_GT(in_place.rows.rows(), 70'000);
}

TEST(JsonLines, RealNumbersOfFewDigitsAreExact) {
  const auto random = seeded_random(3);
  DecodeOptions options = options_of({{"g", Type::kFloat64, true}});
  std::vector<std::string> texts;
  std::vector<double> numbers;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = random->below(2) == 0 ? "-" : "";
    text += std::to_string(random->next() >> (1 + random->below(63)));
    text += "." + std::to_string(random->next() >> random->below(64));
    text.insert(text.find('.') + 1, random->below(9), '0');
    numbers.push_back(std::strtod(text.c_str(), nullptr));
    texts.push_back(R"({"g":)" + text + "}");
  }
  const std::vector<std::string_view> records(texts.begin(), texts.end());
  const Decoded decoded = JsonLinesDecoder(options).decode(records);
  ASSERT_EQ(decoded.rows.rows(), static_cast<int64_t>(numbers.size()));
  const auto found = decoded.rows.column(0).values<double>();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_EQ(std::bit_cast<int64_t>(found[i]), std::bit_cast<int64_t>(numbers[i])) << texts[i];
  }
}

}  // namespace
}  // namespace assay::data
