#include "data/type.h"

#include <gtest/gtest.h>

#include "data/schema.h"
#include "data/sql_engine.h"

namespace assay::data {
namespace {

TEST(Type, NamesAreReadBack) {
  for (const std::string name : {"bool",
                                 "int8",
                                 "int16",
                                 "int32",
                                 "int64",
                                 "float32",
                                 "float64",
                                 "string",
                                 "bytes",
                                 "date",
                                 "timestamp",
                                 "timestamp_ntz",
                                 "decimal(10,2)",
                                 "decimal(38,38)",
                                 "list<int64>",
                                 "list<list<decimal(4,0)>>",
                                 "float32[8]",
                                 "float32[8][3]",
                                 "list<int8>[2]",
                                 "list<int8[2]>",
                                 "struct<a:int64,b:string>",
                                 "struct<\"a b\":struct<x:bool>,\"\"\"q\":map<date,bytes>>",
                                 "map<string,int64>",
                                 "map<string,list<struct<a:float32[4]>>>"}) {
    const std::optional<Type> type = type_from_name(name);
    ASSERT_TRUE(type.has_value()) << name;
    EXPECT_EQ(type_name(*type), name);
  }
}

TEST(Type, SpacesAndOtherNamesDoNotMatter) {
  EXPECT_EQ(type_from_name("decimal( 10 , 2 )"), Type::decimal(10, 2));
  EXPECT_EQ(type_from_name(" map < string , array<double> > "),
            Type::map(Type::kString, Type::list(Type::kFloat64)));
  EXPECT_EQ(type_from_name("struct<a: byte, B: short>"),
            Type::structure({{"a", Type::kInt8}, {"B", Type::kInt16}}));
  EXPECT_EQ(type_from_name("float [ 8 ]"), Type::array(Type::kFloat32, 8));
}

TEST(Type, WhatIsNoTypeIsRefused) {
  for (const std::string name : {"",
                                 "int",
                                 "number",
                                 "list",
                                 "array",
                                 "map",
                                 "struct",
                                 "decimal",
                                 "decimal(10)",
                                 "decimal(0,0)",
                                 "decimal(39,2)",
                                 "decimal(4,5)",
                                 "decimal(4,-1)",
                                 "list<>",
                                 "list<int64",
                                 "list<int64>>",
                                 "list<number>",
                                 "float32[]",
                                 "float32[0]",
                                 "float32[65537]",
                                 "float32[99999999999]",
                                 "struct<>",
                                 "struct<a>",
                                 "struct<a:int64,A:int64>",
                                 "struct<\"a:int64>",
                                 "map<string>",
                                 "map<string,int64,bool>",
                                 "int64 int64"}) {
    EXPECT_EQ(type_from_name(name).has_value(), name == "int") << name;
  }
  std::string deep = "int64";
  for (int depth = 0; depth < 100; ++depth) {
    deep = "list<" + deep + ">";
  }
  EXPECT_EQ(type_from_name(deep), std::nullopt);
}

TEST(Type, EqualityLooksAtParametersAndChildren) {
  EXPECT_EQ(Type(Type::kInt64), Type::kInt64);
  EXPECT_NE(Type::decimal(10, 2), Type::decimal(10, 3));
  EXPECT_NE(Type::decimal(10, 2), Type::decimal(11, 2));
  EXPECT_EQ(Type::list(Type::kInt64), Type::list(Type::kInt64));
  EXPECT_NE(Type::list(Type::kInt64), Type::list(Type::kInt32));
  EXPECT_NE(Type::list(Type::kFloat32), Type::array(Type::kFloat32, 3));
  EXPECT_NE(Type::array(Type::kFloat32, 2), Type::array(Type::kFloat32, 3));
  EXPECT_NE(Type::structure({{"a", Type::kInt64}}), Type::structure({{"b", Type::kInt64}}));
  EXPECT_EQ(Type::list(Type::kInt64), TypeId::kList);
  const Schema lists({{"x", Type::list(Type::kInt64), true}});
  EXPECT_EQ(lists, Schema({{"x", Type::list(Type::kInt64), true}}));
  EXPECT_NE(lists, Schema({{"x", Type::list(Type::kDate), true}}));
}

TEST(Type, ChildrenHaveNames) {
  EXPECT_EQ(Type::list(Type::kDate).element(), Type::kDate);
  const Type map = Type::map(Type::kString, Type::kInt64);
  EXPECT_EQ(map.map_key(), Type::kString);
  EXPECT_EQ(map.map_value(), Type::kInt64);
  EXPECT_EQ(map.children().at(0).type,
            Type::structure({{"key", Type::kString}, {"value", Type::kInt64}}));
  EXPECT_TRUE(Type(Type::kInt64).children().empty());
}

TEST(Type, EachHasASqlType) {
  EXPECT_EQ(SqlEngine::sql_type(Type::kInt8), "TINYINT");
  EXPECT_EQ(SqlEngine::sql_type(Type::kTimestampNtz), "TIMESTAMP");
  EXPECT_EQ(SqlEngine::sql_type(Type::decimal(10, 2)), "DECIMAL(10,2)");
  EXPECT_EQ(SqlEngine::sql_type(Type::list(Type::array(Type::kFloat32, 8))), "FLOAT[8][]");
  EXPECT_EQ(SqlEngine::sql_type(Type::map(Type::kString, Type::list(Type::kInt64))),
            "MAP(VARCHAR, BIGINT[])");
  EXPECT_EQ(SqlEngine::sql_type(Type::structure({{"a b", Type::kInt64}, {"c", Type::kBool}})),
            "STRUCT(\"a b\" BIGINT, \"c\" BOOLEAN)");
}

TEST(TypeDeathTest, AnIdWithParametersIsNoTypeByItself) {
  EXPECT_DEATH(Type{TypeId::kList}, "has_parameters");
}

}  // namespace
}  // namespace assay::data
