#include "lake/schema_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::lake {
namespace {

using data::Field;
using data::Schema;
using data::Type;
using testing::HasSubstr;

TEST(SchemaJson, WritesWhatTheProtocolShows) {
  EXPECT_EQ(
      schema_to_json(Schema({{"user id", Type::kInt64, true}, {"dt", Type::kDate, false}})),
      R"({"type":"struct","fields":[{"name":"user id","type":"long","nullable":true,"metadata":{}},)"
      R"({"name":"dt","type":"date","nullable":false,"metadata":{}}]})");
}

TEST(SchemaJson, EveryTypeReadsBack) {
  std::vector<Field> fields;
  for (const Type type : {Type::kBool,
                          Type::kInt8,
                          Type::kInt16,
                          Type::kInt32,
                          Type::kInt64,
                          Type::kFloat32,
                          Type::kFloat64,
                          Type::kString,
                          Type::kBytes,
                          Type::kDate,
                          Type::kTimestamp}) {
    fields.push_back(
        {"\"" + std::string(data::type_name(type)) + "\n\xC3\xA9", type, fields.size() % 2 == 0});
  }
  const Schema schema(fields);
  EXPECT_EQ(*schema_from_json(schema_to_json(schema)).value(), schema);
}

TEST(SchemaJson, NestedTypesReadBack) {
  const Schema schema(
      {{"price", Type::decimal(10, 2), true},
       {"tags", Type::list(Type::kString), true},
       {"at", Type::structure({{"lat", Type::kFloat64}, {"n", Type::kInt8}}), false},
       {"counts", Type::map(Type::kString, Type::list(Type::kInt64)), true},
       {"v", Type::array(Type::kFloat32, 8), true},
       {"w", Type::list(Type::structure({{"v", Type::array(Type::kFloat32, 2)}}))}});
  EXPECT_EQ(*schema_from_json(schema_to_json(schema)).value(), schema);
  EXPECT_TRUE(validate_table_schema(schema, {}).ok());
  EXPECT_EQ(validate_table_schema(schema, {"tags"}).code(), Code::kInvalidArgument);
  EXPECT_EQ(validate_table_schema(schema, {"price"}).code(), Code::kInvalidArgument);
  EXPECT_EQ(
      schema_to_json(Schema({{"v", Type::array(Type::kFloat32, 2)}})),
      R"({"type":"struct","fields":[{"name":"v","type":{"type":"array","elementType":"float",)"
      R"("containsNull":true},"nullable":true,"metadata":{"assay.type":"float32[2]"}}]})");
}

TEST(SchemaJson, ATypeInMetadataThatIsAnotherOneDoesNotCount) {
  const auto type = [](const std::string& named) {
    return schema_from_json(
               R"({"type":"struct","fields":[{"name":"v","type":{"type":"array","elementType":)"
               R"("float","containsNull":true},"metadata":{"assay.type":")" +
               named + "\"}}]}")
        .value()
        ->field(0)
        .type;
  };
  EXPECT_EQ(type("float32[7]"), Type::array(Type::kFloat32, 7));
  EXPECT_EQ(type("float64[7]"), Type::list(Type::kFloat32));
  EXPECT_EQ(type("nonsense"), Type::list(Type::kFloat32));
}

TEST(SchemaJson, WhatTablesDoNotHoldIsNamed) {
  const Status refused = validate_table_schema(Schema({{"t", Type::kTimestampNtz}}), {});
  EXPECT_EQ(refused.code(), Code::kUnimplemented);
  EXPECT_NE(refused.message().find("`t`"), std::string::npos);
  EXPECT_EQ(validate_table_schema(Schema({{"t", Type::list(Type::kTimestampNtz)}}), {}).code(),
            Code::kUnimplemented);
}

TEST(SchemaJson, NarrowIntegersOfOthersAreRead) {
  const auto schema = schema_from_json(
      R"({"type":"struct","fields":[{"name":"a","type":"short"},{"name":"b","type":"byte"}]})");
  EXPECT_EQ(schema.value()->field(0).type, Type::kInt16);
  EXPECT_EQ(schema.value()->field(1).type, Type::kInt8);
}

TEST(SchemaJson, TypesWithoutCounterpartAreRefusedByName) {
  const auto variant = schema_from_json(R"({"fields":[{"name":"price","type":"variant"}]})");
  EXPECT_EQ(variant.code(), Code::kUnimplemented);
  EXPECT_THAT(variant.status().message(), HasSubstr("variant"));
  EXPECT_THAT(variant.status().message(), HasSubstr("`price`"));
  const auto nested = schema_from_json(R"({"fields":[{"name":"m","type":{"type":"map"}}]})");
  EXPECT_EQ(nested.code(), Code::kUnimplemented);
  EXPECT_THAT(nested.status().message(), HasSubstr("map"));
}

TEST(SchemaJson, WhatIsNoSchemaIsCorrupt) {
  for (const char* text :
       {"",
        "{",
        "[]",
        "{\"fields\":3}",
        R"({"fields":[{"type":"long"}]})",
        R"({"fields":[{"name":"a","type":"long"},{"name":"A","type":"long"}]})"}) {
    EXPECT_EQ(schema_from_json(text).code(), Code::kCorrupt) << text;
  }
}

TEST(SchemaJson, TablesNeedDistinctNamesAndAColumnInTheFiles) {
  const Schema schema({{"a", Type::kInt64}, {"f", Type::kFloat64}, {"dt", Type::kDate}});
  EXPECT_TRUE(validate_table_schema(schema, {"dt"}).ok());
  EXPECT_TRUE(validate_table_schema(schema, {}).ok());
  EXPECT_EQ(validate_table_schema(schema, {"none"}).code(), Code::kInvalidArgument);
  EXPECT_EQ(validate_table_schema(schema, {"dt", "dt"}).code(), Code::kInvalidArgument);
  EXPECT_EQ(validate_table_schema(schema, {"f"}).code(), Code::kInvalidArgument);
  EXPECT_EQ(validate_table_schema(Schema({{"dt", Type::kDate}}), {"dt"}).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(validate_table_schema(Schema({{"x", Type::kDate}, {"X", Type::kDate}}), {}).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(validate_table_schema(Schema(), {}).code(), Code::kInvalidArgument);
}

TEST(SchemaJson, ATableGrowsByNullableColumnsAtItsEnd) {
  const Schema old({{"a", Type::kInt64}, {"b", Type::kString, false}});
  EXPECT_TRUE(validate_extends(old, old).ok());
  EXPECT_TRUE(
      validate_extends(
          old, Schema({{"a", Type::kInt64}, {"b", Type::kString, false}, {"c", Type::kDate}}))
          .ok());
  const std::vector<Schema> refused = {
      Schema({{"a", Type::kInt64}}),
      Schema({{"b", Type::kString, false}, {"a", Type::kInt64}}),
      Schema({{"a", Type::kInt32}, {"b", Type::kString, false}}),
      Schema({{"a", Type::kInt64}, {"b", Type::kString, true}}),
      Schema({{"a", Type::kInt64}, {"b", Type::kString, false}, {"c", Type::kDate, false}})};
  for (const Schema& schema : refused) {
    EXPECT_EQ(validate_extends(old, schema).code(), Code::kFailedPrecondition);
  }
}

}  // namespace
}  // namespace assay::lake
