#include "ingest/kafka_meta.h"

#include <gtest/gtest.h>

#include "catalog/definitions.h"

namespace assay::ingest {
namespace {

/// What a message's headers become.
std::string headers_of(std::vector<std::pair<std::string_view, std::string_view>> headers) {
  KafkaMessage message;
  message.headers = std::move(headers);
  data::BatchBuilder builder(kafka_meta_schema());
  append_kafka_meta(message, {"events", 0}, {}, &builder);
  const data::Batch rows = builder.finish();
  const data::Column& column = *rows.find("_headers");
  return column.is_null(0) ? "null" : std::string(column.text(0));
}

TEST(KafkaMeta, HeadersAreAJsonObjectInTheirOrder) {
  EXPECT_EQ(headers_of({}), "null");
  EXPECT_EQ(headers_of({{"b", "1"}, {"a", "say \"x\""}}), R"({"b":"1","a":"say \"x\""})");
}

TEST(KafkaMeta, AHeaderThatIsNullIsToldFromAnEmptyOne) {
  EXPECT_EQ(headers_of({{"none", std::string_view()}, {"empty", ""}}),
            R"({"none":null,"empty":""})");
}

TEST(KafkaMeta, AHeaderThatIsNoTextIsBase64) {
  EXPECT_EQ(headers_of({{"span", std::string_view("\x00\xff\x01", 3)}}),
            R"({"span":{"base64":"AP8B"}})");
  EXPECT_EQ(headers_of({{"n\xff", "1"}}), R"({"base64:bv8=":"1"})");
}

TEST(KafkaMeta, AHeaderThatComesTwiceHasBothValues) {
  EXPECT_EQ(headers_of({{"via", "a"}, {"id", "7"}, {"via", "\xff"}, {"via", std::string_view()}}),
            R"({"via":["a",{"base64":"/w=="},null],"id":"7"})");
}

}  // namespace
}  // namespace assay::ingest
