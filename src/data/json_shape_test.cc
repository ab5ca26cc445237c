#include "data/json_shape.h"

#include <bit>

#include <gtest/gtest.h>

#include "base/random.h"
#include "data/json_scalars.h"

namespace assay::data {
namespace {

/// Reads records of two columns by shape alone.
class ByShape {
 public:
  ByShape()
      : shape_(JsonShape::of({make_schema({{"a", Type::kInt64, true}, {"b", Type::kString, true}}),
                              {},
                              {},
                              {}})),
        rows_(make_schema({{"a", Type::kInt64, true}, {"b", Type::kString, true}})) {}
  bool learn(const std::string& record) { return shape_->learn(record); }
  /// "a|b" of a record; "no" where it is left to others.
  std::string read(const std::string& record) {
    rows_.begin_row();
    if (!shape_->read(record, &rows_)) {
      return "no";
    }
    const RowCell& a = rows_.cell(0);
    const RowCell& b = rows_.cell(1);
    return (a.null ? "null" : std::to_string(a.integer)) + "|" +
           (b.null ? "null" : std::string(b.text));
  }

 private:
  std::unique_ptr<JsonShape> shape_;
  RowCollector rows_;
};

TEST(JsonShape, RecordsThatAreWrittenAlikeAreReadAtOnce) {
  ByShape records;
  EXPECT_EQ(records.read(R"({"a":1,"other":2.5,"b":"x"})"), "no") << "nothing is known yet";
  EXPECT_TRUE(records.learn(R"({"a":1,"other":2.5,"b":"x"})"));
  EXPECT_FALSE(records.learn(R"({"b":"y","a":2})")) << "these are known";
  EXPECT_EQ(records.read(R"({"a":1,"other":2.5,"b":"x"})"), "1|x");
  EXPECT_EQ(records.read(R"({"a":-123456789012345678,"other":"{,","b":""})"),
            "-123456789012345678|");
  EXPECT_EQ(records.read(R"({"b":"a longer text than a word","a":2})"),
            "2|a longer text than a word");
  EXPECT_EQ(records.read("{\"b\":\"z\xcc\x87 \xc5\xbc\"} \n"), "null|z\xcc\x87 \xc5\xbc");
  EXPECT_EQ(records.read(R"({"a":1,"a":null,"b":"x","b":"y"})"), "null|y");
}

TEST(JsonShape, WhateverLeavesSomethingOpenIsLeftToOthers) {
  ByShape records;
  ASSERT_TRUE(records.learn(R"({"a":1,"other":2.5,"b":"x"})"));
  for (const std::string record : {"",
                                   "{",
                                   "{}",
                                   "{\"a\":1",
                                   "{\"a\":1,",
                                   "{\"a\":1,}",
                                   "{\"a\":1}x",
                                   "{\"a\":1}}",
                                   "{\"a\":1 }",
                                   "{\"a\": 1}",
                                   "{ \"a\":1}",
                                   "{\"a\":}",
                                   "{\"a\":01}",
                                   "{\"a\":-}",
                                   "{\"a\":1.0}",
                                   "{\"a\":1e1}",
                                   "{\"a\":9223372036854775807}",
                                   "{\"a\":nul}",
                                   "{\"a\":nulls}",
                                   "{\"a\":\"1\"}",
                                   "{\"b\":\"x}",
                                   "{\"b\":\"x\\n\"}",
                                   "{\"b\":\"\x01\"}",
                                   "{\"b\":\"\x80\"}",
                                   "{\"b\":\"\xc5\xbc\\n\"}",
                                   "{\"b\":x}",
                                   "{\"other\":[1]}",
                                   "{\"other\":1.}",
                                   "{\"other\":truex}",
                                   "{\"other\":\"\xff\"}",
                                   "{\"new\":1}",
                                   "[1]"}) {
    EXPECT_EQ(records.read(record), "no") << record;
  }
  EXPECT_EQ(records.read(std::string("{\"a\":1}\0", 8)), "no") << "a byte behind it";
  EXPECT_EQ(records.read(R"({"a":1})"), "1|null");
}

TEST(JsonShape, NumbersAreWhatTheirTextsSayReadByteByByte) {
  const SchemaPtr schema =
      make_schema({{"whole", Type::kInt64, true}, {"real", Type::kFloat64, true}});
  const auto shape = JsonShape::of({schema, {}, {}, {}});
  ASSERT_TRUE(shape->learn(R"({"whole":1,"real":1,"other":1})"));
  RowCollector rows(schema);
  const auto random = seeded_random(20261129);
  const auto digits = [&](uint64_t count_max) {
    std::string text;
    for (uint64_t count = random->below(count_max + 1); count > 0; --count) {
      text += static_cast<char>('0' + random->below(10));
    }
    return text;
  };
  const auto text_of_number = [&] {
    std::string text = (random->below(4) == 0 ? "-" : "") + digits(random->below(4) == 0 ? 26 : 9);
    if (random->below(2) == 0) {
      text += "." + digits(random->below(4) == 0 ? 26 : 6);
    }
    if (random->below(8) == 0) {
      text += (random->below(2) == 0 ? "e" : "E-") + digits(3);
    }
    return random->below(16) == 0 ? text + "x" : text;
  };
  int good = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::string text = text_of_number();
    JsonNumber number;
    const bool is_number = !text.empty() && read_json_number(text, &number);
    rows.begin_row();
    ASSERT_EQ(shape->read("{\"real\":" + text + "}", &rows), is_number) << text;
    if (is_number) {
      ASSERT_EQ(std::bit_cast<uint64_t>(rows.cell(1).number), std::bit_cast<uint64_t>(number.real))
          << text;
    }
    ASSERT_EQ(shape->read("{\"other\":" + text + ",\"other\":" + text + "}", &rows), is_number)
        << text;
    const bool is_whole = is_number && number.is_whole;
    ASSERT_EQ(shape->read("{\"whole\":" + text + "}", &rows), is_whole) << text;
    if (is_whole) {
      ASSERT_EQ(rows.cell(0).integer, number.whole) << text;
    }
    good += is_number ? 1 : 0;
  }
  EXPECT_GT(good, 100'000);
}

TEST(JsonShape, WhatIsLearntIsBounded) {
  ByShape records;
  std::string wide = "{\"" + std::string(100, 'n') + "\":1,\"a\":7";
  EXPECT_TRUE(records.learn(wide + "}"));
  EXPECT_EQ(records.read(wide + "}"), "no") << "a long name is not remembered";
  for (int i = 0; i < 100; ++i) {
    wide += ",\"m" + std::to_string(i) + "\":0";
  }
  EXPECT_TRUE(records.learn(wide + "}"));
  EXPECT_FALSE(records.learn(R"({"one more":1})"));
  EXPECT_EQ(records.read(R"({"a":7,"m0":1,"m62":2})"), "7|null");
  EXPECT_EQ(records.read(R"({"a":7,"m63":1})"), "no");
}

}  // namespace
}  // namespace assay::data
