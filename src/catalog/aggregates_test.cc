#include "catalog/aggregates.h"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "catalog/definition_table.h"
#include "catalog/feature_schema.h"
#include "catalog/parse.h"
#include "catalog/testing.h"

namespace assay::catalog {
namespace {

TEST(Aggregates, StandInTheOrderOfTheEnumeratorsAndAreTheChoicesOfAgg) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < aggregates().size(); ++i) {
    const AggregateInfo& info = aggregates()[i];
    EXPECT_EQ(static_cast<std::size_t>(info.aggregate), i);
    EXPECT_EQ(aggregate_from_name(info.name), info.aggregate);
    names.emplace_back(info.name);
  }
  EXPECT_EQ(choices_of(find_key("feature", "agg")->detail), names);
  EXPECT_EQ(aggregate_from_name("median"), std::nullopt);
}

TEST(Aggregates, RefuseValuesThatTheyDoNotTake) {
  EXPECT_EQ(aggregate_type(Aggregate::kVariance, data::Type::kString).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(aggregate_type(Aggregate::kAny, data::Type::kInt64).code(), Code::kInvalidArgument);
  EXPECT_EQ(aggregate_type(Aggregate::kMode, data::Type::kString).value(), data::Type::kString);
  EXPECT_EQ(aggregate_type(Aggregate::kAll, data::Type::kBool).value(), data::Type::kBool);
}

TEST(Aggregates, OfVectorsAreElementByElement) {
  using data::Type;
  const Type single = Type::array(Type::kFloat32, 8);
  EXPECT_EQ(aggregate_type(Aggregate::kSum, single).value(), Type::array(Type::kFloat64, 8));
  EXPECT_EQ(aggregate_type(Aggregate::kMean, single).value(), Type::array(Type::kFloat64, 8));
  EXPECT_EQ(aggregate_type(Aggregate::kFirst, single).value(), single);
  EXPECT_EQ(aggregate_type(Aggregate::kLast, single).value(), single);
  for (const Aggregate aggregate :
       {Aggregate::kMax, Aggregate::kVariance, Aggregate::kMode, Aggregate::kLastN}) {
    EXPECT_EQ(aggregate_type(aggregate, single).code(), Code::kInvalidArgument);
  }
  EXPECT_EQ(aggregate_type(Aggregate::kSum, Type::array(Type::kFloat32, kVectorSumMax + 1)).code(),
            Code::kInvalidArgument);
  EXPECT_TRUE(aggregate_type(Aggregate::kLast, Type::array(Type::kFloat32, 65536)).ok());
  EXPECT_EQ(aggregate_type(Aggregate::kSum, Type::array(Type::kInt64, 8)).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(aggregate_type(Aggregate::kSum, Type::list(Type::kFloat32)).code(),
            Code::kInvalidArgument);
}

ParsedProject parse_features(const std::string& features) {
  MemoryWorld world(std::map<std::string, std::string>{
      {"/p/assay.yaml",
       "project: shop\nfeature_views:\n  v:\n    entity: user\n    from: events\n    features:\n" +
           features}});
  return parse_project(world.world(), "/p").value();
}

std::string code_of(const std::string& feature) {
  const ParsedProject parsed = parse_features("      f: " + feature + "\n");
  return parsed.diagnostics.items.empty() ? "" : parsed.diagnostics.items.front().code;
}

TEST(Aggregates, ParametersAreReadAndAskedFor) {
  const ParsedProject parsed =
      parse_features("      p: {agg: quantile, q: 0.95, of: price, over: [1h]}\n");
  ASSERT_TRUE(parsed.diagnostics.items.empty());
  EXPECT_EQ(parsed.project.views.at("v").features.at(0).q, 0.95);
  EXPECT_EQ(code_of("{agg: quantile, of: price, over: [1h]}"), "E0103");
  EXPECT_EQ(code_of("{agg: sum, q: 0.5, of: price, over: [1h]}"), "E0203");
  EXPECT_NE(code_of("{agg: quantile, q: 1.5, of: price, over: [1h]}"), "");
  EXPECT_NE(code_of("{agg: median, of: price, over: [1h]}"), "");
  EXPECT_EQ(code_of("{expr: a_1h, q: 0.5}"), "E0203");
}

TEST(Aggregates, ListsAskForTheirLength) {
  const ParsedProject parsed =
      parse_features("      p: {agg: last_n, k: 5, of: price, over: 1h}\n");
  ASSERT_TRUE(parsed.diagnostics.items.empty());
  EXPECT_EQ(parsed.project.views.at("v").features.at(0).k, 5);
  for (const std::string name : {"last_n", "top_k", "top_k_counts"}) {
    EXPECT_EQ(code_of("{agg: " + name + ", of: price, over: 1h}"), "E0103");
    EXPECT_EQ(code_of("{agg: " + name + ", k: 0, of: price, over: 1h}"), "E0201");
    EXPECT_EQ(code_of("{agg: " + name + ", k: 1001, of: price, over: 1h}"), "E0201");
    EXPECT_EQ(code_of("{agg: " + name + ", k: 1000, of: price, over: 1h}"), "");
  }
  EXPECT_EQ(code_of("{agg: sum, k: 5, of: price, over: 1h}"), "E0203");
  EXPECT_EQ(aggregate_type(Aggregate::kLastN, data::Type::kString).value(),
            data::Type::list(data::Type::kString));
  EXPECT_EQ(aggregate_type(Aggregate::kTopKCounts, data::Type::kString).value(),
            data::Type::list(data::Type::kInt64));
}

TEST(Aggregates, RatiosAreOneFeatureAWindow) {
  const ParsedProject parsed = parse_features("      r: {ratio: [a, b], over: [1h, 24h]}\n");
  ASSERT_TRUE(parsed.diagnostics.items.empty());
  const FeatureDef& ratio = parsed.project.views.at("v").features.at(0);
  EXPECT_EQ(output_names(ratio), (std::vector<std::string>{"r_1h", "r_24h"}));
  EXPECT_EQ(computed_expression(ratio, 1), "a_24h / b_24h");
  EXPECT_EQ(code_of("{ratio: [a], over: [1h]}"), "E0203");
  EXPECT_EQ(code_of("{ratio: [a, b]}"), "E0103");
  EXPECT_EQ(code_of("{ratio: [a, b], agg: count, over: [1h]}"), "E0203");
}

}  // namespace
}  // namespace assay::catalog
