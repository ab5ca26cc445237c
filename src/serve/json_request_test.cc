#include "serve/json_request.h"

#include <gtest/gtest.h>

#include "serve/error_response.h"

namespace assay::serve {
namespace {

std::string detail_of(std::string_view json) {
  return validation_error(parse_request_body(json).errors).body;
}

TEST(JsonRequest, ABodyReadsIntoPlainValuesInRequestOrder) {
  const ParsedBody parsed = parse_request_body(
      R"({"entities": {"user_id": ["a", null], "n": [1, 1.5], "ok": [true, false]}, "features": ["v:f", "v:g"],)"
      R"( "full_feature_names": true, "include_feature_view_version_metadata": false, "more": {"x": [1]}})");
  ASSERT_TRUE(parsed.errors.empty());
  ASSERT_EQ(parsed.body.entities.size(), 3U);
  EXPECT_EQ(parsed.body.entities[0].name, "user_id");
  EXPECT_EQ(parsed.body.entities[0].values[0], JsonValue(std::string("a")));
  EXPECT_EQ(parsed.body.entities[0].values[1], JsonValue());
  EXPECT_EQ(parsed.body.entities[1].values[0], JsonValue(int64_t{1}));
  EXPECT_EQ(parsed.body.entities[1].values[1], JsonValue(1.5));
  EXPECT_EQ(parsed.body.entities[2].values[1], JsonValue(false));
  EXPECT_EQ(parsed.body.features, (std::vector<std::string>{"v:f", "v:g"}));
  EXPECT_TRUE(parsed.body.full_feature_names);
  EXPECT_FALSE(parsed.body.feature_service.has_value());
}

TEST(JsonRequest, NullStandsForWhatIsNotSaid) {
  const ParsedBody parsed = parse_request_body(
      R"({"entities": {}, "features": null, "feature_service": null, "model": null})");
  ASSERT_TRUE(parsed.errors.empty());
  EXPECT_FALSE(parsed.body.features.has_value());
  EXPECT_FALSE(parsed.body.model.has_value());
}

TEST(JsonRequest, ANameSaidTwiceCountsOnceTheLast) {
  const ParsedBody parsed = parse_request_body(R"({"entities": {"a": [1], "b": [2], "a": [3]}})");
  ASSERT_EQ(parsed.body.entities.size(), 2U);
  EXPECT_EQ(parsed.body.entities[0].values[0], JsonValue(int64_t{3}));
}

TEST(JsonRequest, ManyNamesAreReadAsFewAre) {
  std::string json = R"({"entities": {)";
  for (int i = 0; i < 1000; ++i) {
    json += (i == 0 ? "\"n" : ",\"n") + std::to_string(i % 700) + "\":[" + std::to_string(i) + "]";
  }
  const ParsedBody parsed = parse_request_body(json + "}}");
  ASSERT_TRUE(parsed.errors.empty());
  ASSERT_EQ(parsed.body.entities.size(), 700U);
  for (int i = 0; i < 700; ++i) {
    const JsonColumn& column = parsed.body.entities[static_cast<std::size_t>(i)];
    EXPECT_EQ(column.name, "n" + std::to_string(i)) << "where it came first";
    EXPECT_EQ(column.values, std::vector<JsonValue>{JsonValue(int64_t{i < 300 ? i + 700 : i})});
  }
}

/// What 8 MiB hold of them would keep the thread for minutes if each was looked for among the
/// others.
TEST(JsonRequest, NamesAreBounded) {
  const auto names = [](std::size_t count, const char* separator, const char* behind) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
      all += (i == 0 ? "" : separator) + ("\"" + std::to_string(i)) + "\"" + behind;
    }
    return all;
  };
  const auto entities = [&](std::size_t count) {
    return R"({"entities": {)" + names(count, ",", ":[]") + "}}";
  };
  EXPECT_TRUE(parse_request_body(entities(kNamesMax)).errors.empty());
  const ParsedBody many = parse_request_body(entities(800'000));
  ASSERT_EQ(many.errors.size(), 1U);
  EXPECT_EQ(many.errors[0].type, "too_long");
  EXPECT_TRUE(many.body.entities.empty());
  EXPECT_LT(validation_error(many.errors).body.size(), 1000U) << "what was sent is not sent back";
  const auto features = [&](std::size_t count) {
    return R"({"entities": {}, "features": [)" + names(count, ",", "") + "]}";
  };
  EXPECT_TRUE(parse_request_body(features(kNamesMax)).errors.empty());
  EXPECT_EQ(parse_request_body(features(kNamesMax + 1)).errors.at(0).type, "too_long");
  const auto write = parse_write_body(
      R"({"push_source_name": "s", "df": {)" + names(kNamesMax + 1, ",", ":[]") + "}}",
      "push_source_name");
  EXPECT_EQ(write.errors.at(0).type, "too_long");
}

TEST(JsonRequest, TheFirstErrorsOfVeryManyAreTold) {
  std::string json = R"({"entities": {"a": 0)";
  for (std::size_t i = 1; i < kNamesMax; ++i) {
    json += ",\"a\":0";
  }
  json += "}";
  for (int i = 0; i < 1000; ++i) {
    json += R"(,"full_feature_names":0)";
  }
  const ParsedBody parsed = parse_request_body(json + "}");
  EXPECT_EQ(parsed.errors.size(), kFieldErrorsMax);
  EXPECT_EQ(parsed.errors[0].type, "list_type");
}

TEST(JsonRequest, IntegersKeepTheirBits) {
  const ParsedBody parsed = parse_request_body(
      R"({"entities": {"a": [9223372036854775807, 9007199254740993, 18446744073709551615]}})");
  ASSERT_TRUE(parsed.errors.empty());
  EXPECT_EQ(parsed.body.entities[0].values[0], JsonValue(int64_t{9223372036854775807}));
  EXPECT_EQ(parsed.body.entities[0].values[1], JsonValue(int64_t{9007199254740993}));
  EXPECT_EQ(parsed.body.entities[0].values[2], JsonValue(uint64_t{18446744073709551615U}));
}

TEST(JsonRequest, WithoutEntitiesItSaysSoAsFeastDoes) {
  EXPECT_EQ(detail_of(R"({"features":["profile:age"]})"),
            R"({"detail":[{"type":"missing","loc":["body","entities"],"msg":"Field required",)"
            R"("input":{"features":["profile:age"]}}]})");
}

TEST(JsonRequest, ArraysAndObjectsAreKeptAsJson) {
  const ParsedBody parsed =
      parse_request_body(R"({"entities": {"a": [1, [2, {"b": null}], {"c": "d"}]}})");
  ASSERT_TRUE(parsed.errors.empty());
  const std::vector<JsonValue>& values = parsed.body.entities.at(0).values;
  ASSERT_EQ(values.size(), 3U);
  EXPECT_EQ(values[1], JsonValue(JsonText{R"([2,{"b":null}])"}));
  EXPECT_EQ(values[2], JsonValue(JsonText{R"({"c":"d"})"}));
}

TEST(JsonRequest, EveryWrongShapeIsNamedWithItsPlace) {
  EXPECT_EQ(parse_request_body("{nope").errors[0].type, "json_invalid");
  EXPECT_EQ(parse_request_body("").errors[0].type, "json_invalid");
  const auto reason = [](const std::string& value) {
    return parse_request_body("{\"a\\\"NaN\":1,\"entities\":{\"x\":[" + value + "]}}")
        .errors[0]
        .reason;
  };
  EXPECT_NE(reason("NaN").find("no NaN"), std::string::npos);
  EXPECT_NE(reason("-Infinity").find("no infinity"), std::string::npos);
  EXPECT_NE(reason("1e999").find("out of range"), std::string::npos);
  EXPECT_NE(reason("99999999999999999999").find("out of range"), std::string::npos);
  EXPECT_EQ(reason("\"NaN\" 1").find("NaN"), std::string::npos) << "that is a text";
  EXPECT_EQ(parse_request_body("[1]").errors[0].type, "model_attributes_type");
  EXPECT_EQ(parse_request_body(R"({"entities": []})").errors[0].type, "dict_type");
  EXPECT_EQ(parse_request_body("{\"entities\": {\"a\": [\"\xff\"]}}").errors[0].type,
            "json_invalid");
  EXPECT_EQ(parse_request_body(std::string(5000, '[')).errors[0].type, "json_invalid");
  EXPECT_EQ(
      detail_of(R"({"entities": {"a": 1}})"),
      R"({"detail":[{"type":"list_type","loc":["body","entities","a"],"msg":"Input should be a valid list",)"
      R"("input":1}]})");
  const ParsedBody all = parse_request_body(
      R"({"entities": {}, "features": [1], "feature_service": 2, "model": [], "full_feature_names": "x"})");
  EXPECT_EQ(all.errors.size(), 4U) << "all reported at once";
}

}  // namespace
}  // namespace assay::serve
