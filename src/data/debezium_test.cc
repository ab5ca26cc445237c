#include "data/debezium.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/json_writer.h"
#include "base/random.h"
#include "data/decimal.h"
#include "data/json_text.h"

namespace assay::data {
namespace {

DecodeOptions options_of(std::vector<Field> fields) {
  return {make_schema(std::move(fields)), {}, {}, {}};
}

/// What `event` becomes, as text: cells cut by commas, "skipped", or the reason and its column.
std::string decode(const std::string& event,
                   std::vector<Field> fields,
                   const std::string& key = "",
                   DebeziumOptions options = {}) {
  DebeziumDecoder decoder(options_of(std::move(fields)), options);
  const Decoded decoded =
      decoder.decode(std::vector<std::string_view>{event}, std::vector<std::string_view>{key});
  if (decoded.skipped > 0) {
    return "skipped";
  }
  if (!decoded.rejects.empty()) {
    return std::string(reason_name(decoded.rejects[0].reason)) + " " + decoded.rejects[0].column;
  }
  std::string text;
  for (int i = 0; i < decoded.rows.column_count(); ++i) {
    const Scalar cell = decoded.rows.column(i).scalar(0);
    text += (i > 0 ? "," : "") + (cell.is_null() ? "null" : format_scalar(cell));
  }
  return text;
}

const std::vector<Field> kOrder{
    {"id", Type::kInt64, true}, {"note", Type::kString, true}, {"__op", Type::kString, true}};

TEST(Debezium, EventsGiveTheRowTheyTellOf) {
  EXPECT_EQ(decode(R"({"before":null,"after":{"id":1,"note":"a"},"op":"c"})", kOrder), "1,a,c");
  EXPECT_EQ(decode(R"({"after":{"id":1,"note":"a"},"op":"r"})", kOrder), "1,a,r");
  EXPECT_EQ(
      decode(R"({"before":{"id":1,"note":"a"},"after":{"id":1,"note":"b"},"op":"u"})", kOrder),
      "1,b,u");
  EXPECT_EQ(decode(R"({"before":{"id":1,"note":"b"},"after":null,"op":"d"})", kOrder), "1,b,d");
}

TEST(Debezium, ADeleteWithoutARowTakesItFromTheKey) {
  const std::string event = R"({"before":null,"after":null,"op":"d"})";
  EXPECT_EQ(decode(event, kOrder, R"({"id":7})"), "7,null,d");
  EXPECT_EQ(decode(event, kOrder, R"({"schema":{"fields":[]},"payload":{"id":7}})"), "7,null,d");
  EXPECT_EQ(decode(event, kOrder), "malformed ");
  EXPECT_EQ(decode(event, kOrder, "7"), "malformed ");
}

TEST(Debezium, WhatTellsOfNoRowIsSkipped) {
  EXPECT_EQ(decode("", kOrder), "skipped") << "a tombstone";
  EXPECT_EQ(decode("null", kOrder), "skipped");
  EXPECT_EQ(decode(R"({"schema":null,"payload":null})", kOrder), "skipped");
  EXPECT_EQ(decode(R"({"op":"m","message":{"prefix":"p"}})", kOrder), "skipped");
}

TEST(Debezium, WhatIsNoEventIsRefused) {
  EXPECT_EQ(decode("{", kOrder), "malformed ");
  EXPECT_EQ(decode("[]", kOrder), "malformed ");
  EXPECT_EQ(decode(R"({"id":1})", kOrder), "malformed ") << "a plain row";
  EXPECT_EQ(decode(R"({"op":"c","after":null})", kOrder), "malformed ");
  EXPECT_EQ(decode(R"({"op":"c","after":[]})", kOrder), "malformed ");
  EXPECT_EQ(decode("{\"op\":\"\xff\"}", kOrder), "invalid_utf8 ");
  EXPECT_EQ(decode(R"({"op":"t","before":null,"after":null})", kOrder), "unsupported op");
  EXPECT_EQ(decode(R"({"op":"c","after":{"id":"x"}})", kOrder), "wrong_type id");
}

TEST(Debezium, ARowOfItsOwnNamedPayloadIsNoWrapper) {
  EXPECT_EQ(decode(R"({"op":"c","after":{"id":1},"payload":5})", kOrder), "1,null,c");
}

TEST(Debezium, WhatStandsBesideTheRowIsReadByName) {
  const std::string event =
      R"({"op":"d","before":{"id":1},"ts_ms":1700000000123,"ts_us":1700000000123456,)"
      R"("source":{"ts_ms":1600000000000,"lsn":99,"table":"orders","op":"x"},)"
      R"("transaction":{"id":"5:9","total_order":2}})";
  EXPECT_EQ(
      decode(event,
             {{"__op", Type::kString, true},
              {"__ts_ms", Type::kTimestamp, true},
              {"__ts_us", Type::kTimestamp, true},
              {"__source_ts_ms", Type::kTimestamp, true},
              {"__lsn", Type::kInt64, true},
              {"__table", Type::kString, true},
              {"__transaction_total_order", Type::kInt64, true},
              {"__deleted", Type::kString, true},
              {"__none", Type::kString, true}}),
      "d,2023-11-14T22:13:20.123Z,2023-11-14T22:13:20.123456Z,2020-09-13T12:26:40Z,99,orders,2,"
      "true,null");
}

/// A column `a` of the given schema in an event with a schema.
std::string with_schema(const std::string& field, const std::string& value, Type type) {
  return decode(R"({"schema":{"type":"struct","fields":[{"type":"struct","field":"before"},)"
                R"({"type":"struct","field":"after","fields":[{"field":"a",)" +
                    field + R"(}]}]},"payload":{"op":"c","after":{"a":)" + value + "}}}",
                {{"a", type, true}});
}

TEST(Debezium, TheSchemaSaysWhatATimeCounts) {
  const Type t = Type::kTimestamp;
  EXPECT_EQ(with_schema(R"("name":"io.debezium.time.Timestamp")", "1000", t),
            "1970-01-01T00:00:01Z");
  EXPECT_EQ(with_schema(R"("name":"io.debezium.time.MicroTimestamp")", "1000001", t),
            "1970-01-01T00:00:01.000001Z");
  EXPECT_EQ(with_schema(R"("name":"io.debezium.time.NanoTimestamp")", "-1", t),
            "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(with_schema(R"("name":"org.apache.kafka.connect.data.Timestamp")", "1000", t),
            "1970-01-01T00:00:01Z");
  EXPECT_EQ(
      with_schema(
          R"("name":"io.debezium.time.ZonedTimestamp")", R"("2020-01-01T01:00:00.5+01:00")", t),
      "2020-01-01T00:00:00.500Z");
  EXPECT_EQ(with_schema(R"("name":"io.debezium.time.Date")", "1", t), "1970-01-02T00:00:00Z");
  EXPECT_EQ(with_schema(R"("type":"int64")", "1000", t), "wrong_type a") << "nobody says the unit";
  EXPECT_EQ(with_schema(R"("name":"io.debezium.time.NanoTimestamp")", "9223372036854775807", t),
            "2262-04-11T23:47:16.854775Z");
  EXPECT_EQ(with_schema(R"("name":"io.debezium.time.Timestamp")", "9223372036854775807", t),
            "wrong_type a");
  EXPECT_EQ(with_schema(R"("name":"io.debezium.time.MicroTimestamp")", "1.5", t), "wrong_type a");
}

TEST(Debezium, DatesAreCountsOfDays) {
  EXPECT_EQ(with_schema(R"("name":"io.debezium.time.Date")", "-1", Type::kDate), "1969-12-31");
  EXPECT_EQ(with_schema(R"("name":"org.apache.kafka.connect.data.Date")", "0", Type::kDate),
            "1970-01-01");
  EXPECT_EQ(with_schema(R"("name":"io.debezium.time.IsoDate")", R"("2020-02-29Z")", Type::kDate),
            "2020-02-29");
  EXPECT_EQ(with_schema(R"("name":"io.debezium.time.Timestamp")", "0", Type::kDate),
            "wrong_type a");
  EXPECT_EQ(with_schema(R"("type":"int32")", "9999999", Type::kDate), "wrong_type a");
  EXPECT_EQ(decode(R"({"op":"c","after":{"a":18321}})", {{"a", Type::kDate, true}}), "2020-02-29");
}

TEST(Debezium, WithoutASchemaTheColumnSaysTheUnit) {
  DecodeOptions options = options_of({{"a", Type::kTimestamp, true}});
  for (const auto& [unit, text] : {std::pair(TimeUnit::kMillis, "1970-01-01T00:00:01Z"),
                                   std::pair(TimeUnit::kMicros, "1970-01-01T00:00:00.001Z")}) {
    options.time_units = {unit};
    const std::string_view event = R"({"op":"c","after":{"a":1000}})";
    const Decoded decoded = DebeziumDecoder(options, {}).decode(std::vector{event});
    ASSERT_EQ(decoded.rows.rows(), 1);
    EXPECT_EQ(format_scalar(decoded.rows.column(0).scalar(0)), text);
  }
}

TEST(Debezium, DecimalsInAllTheirForms) {
  const Type money = Type::decimal(10, 2);
  const std::string decimal =
      R"("name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"})";
  EXPECT_EQ(with_schema(decimal, R"("MDk=")", money), "123.45");
  EXPECT_EQ(with_schema(decimal, R"("/w==")", money), "-0.01");
  EXPECT_EQ(with_schema(decimal, R"("MDk=")", Type::kFloat64), "123.45");
  EXPECT_EQ(with_schema(decimal, R"("MDk=")", Type::kString), "123.45");
  EXPECT_EQ(with_schema(decimal, R"("MDk=")", Type::decimal(20, 4)), "123.4500");
  EXPECT_EQ(with_schema(decimal, R"("AAAAAAAAAAAAAAAAAAAAAAAA")", money), "wrong_type a")
      << "more than 16 bytes";
  EXPECT_EQ(with_schema(decimal, R"("")", money), "wrong_type a");
  EXPECT_EQ(with_schema(R"("name":"io.debezium.data.VariableScaleDecimal")",
                        R"({"scale":1,"value":"ew=="})",
                        money),
            "12.30");
  EXPECT_EQ(with_schema(R"("type":"struct")", R"({"scale":-2,"value":"AQ=="})", Type::kInt64),
            "100");
}

TEST(Debezium, DecimalsWithoutASchemaGoByTheMode) {
  const std::vector<Field> price{{"a", Type::decimal(10, 2), true}};
  const auto event = [](const std::string& value) {
    return R"({"op":"c","after":{"a":)" + value + "}}";
  };
  EXPECT_EQ(decode(event(R"("MDk=")"), price), "123.45");
  EXPECT_EQ(decode(event(R"("12.30")"), price), "wrong_type a") << "never guessed";
  EXPECT_EQ(decode(event(R"("12.30")"), price, "", {.decimals_are_text = true}), "12.30");
  EXPECT_EQ(decode(event(R"("MDk=")"), price, "", {.decimals_are_text = true}), "wrong_type a");
  EXPECT_EQ(decode(event("12.3"), price), "12.30") << "double";
}

TEST(Debezium, AValueThatWasLeftOutIsTakenFromTheRowBeforeOrRefused) {
  const std::string gone = R"("__debezium_unavailable_value")";
  EXPECT_EQ(decode(R"({"op":"u","before":null,"after":{"id":1,"note":)" + gone + "}}", kOrder),
            "unsupported note");
  EXPECT_EQ(
      decode(R"({"op":"u","before":{"note":"old"},"after":{"id":1,"note":)" + gone + "}}", kOrder),
      "1,old,u");
  EXPECT_EQ(decode(R"({"op":"u","before":{},"after":{"id":1,"other":)" + gone + "}}", kOrder),
            "1,null,u")
      << "of a column that is not declared it does not matter";
}

TEST(Debezium, RandomRowsComeBackAsTheyWere) {
  const auto random = seeded_random(71);
  SCOPED_TRACE("seed 71");
  for (int round = 0; round < 500; ++round) {
    const auto id = static_cast<int64_t>(random->next());
    const auto micros = static_cast<int64_t>(random->below(4'000'000'000'000'000));
    const auto units = static_cast<int64_t>(random->next() % 1'000'000'000) - 500'000'000;
    std::string bytes;
    for (int shift = 56; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<char>(units >> shift));
    }
    std::string row = R"({"id":)" + std::to_string(id) + R"(,"price":")" + to_base64(bytes) +
                      R"(","ts":)" + std::to_string(micros) + "}";
    const std::string op = random->below(2) == 0 ? "c" : "d";
    const std::string event = R"({")" + std::string(op == "c" ? "after" : "before") + R"(":)" +
                              row + R"(,"op":")" + op + R"("})";
    DecodeOptions options = options_of({{"id", Type::kInt64, false},
                                        {"price", Type::decimal(18, 3), false},
                                        {"ts", Type::kTimestamp, false}});
    options.time_units = {TimeUnit::kText, TimeUnit::kText, TimeUnit::kMicros};
    const Decoded decoded =
        DebeziumDecoder(options, {}).decode(std::vector<std::string_view>{event});
    ASSERT_EQ(decoded.rows.rows(), 1) << event;
    EXPECT_EQ(decoded.rows.column(0).scalar(0), Scalar::int64(id));
    EXPECT_EQ(format_scalar(decoded.rows.column(1).scalar(0)), format_decimal(units, 3));
    EXPECT_EQ(decoded.rows.column(2).scalar(0), Scalar::timestamp(micros));
  }
}

}  // namespace
}  // namespace assay::data
