#include "catalog/plan.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "catalog/json_leaves.h"
#include "catalog/testing.h"

namespace assay::catalog {
namespace {

std::string shop() {
  return R"yaml(project: shop
sources: {clicks: {files: data/clicks.csv}}
bronze:
  clicks:
    source: clicks
    event_time: ts
    columns: {user_id: string!, price: float64, kind: string, ts: timestamp!}
silver:
  events: {from: clicks}
entities: {user: {key: user_id}}
feature_views:
  recent: {entity: user, from: clicks, features: {n: {agg: count, over: [1h, 24h]}, dear: {agg: max, of: price, over: 1h}}}
services: {v1: [recent]}
models: {buy: {service: v1, labels: {from: events, column: "price > 1"}}}
)yaml";
}

Project load(const std::string& text) {
  MemoryWorld world(std::map<std::string, std::string>{{"/p/assay.yaml", text}});
  Result<ParsedProject> parsed = load_project(world.world(), "/p");
  EXPECT_TRUE(parsed.ok());
  EXPECT_EQ(format_diagnostics(parsed->diagnostics), "");
  return std::move(parsed).value().project;
}

std::vector<AppliedObject> applied(const Project& project) {
  std::vector<AppliedObject> objects;
  const OutputTypes outputs = output_types(project);
  for (const ObjectJson& object : project_objects(project)) {
    const auto types = outputs.find(object.name);
    const bool typed = object.kind == "feature_view" && types != outputs.end();
    objects.push_back({object.kind,
                       object.name,
                       1,
                       object.json,
                       typed ? outputs_json(types->second) : "",
                       false,
                       {}});
  }
  return objects;
}

/// The plan from the shop to the shop with texts replaced.
Plan changed(const std::vector<std::pair<std::string, std::string>>& replacements) {
  std::string text = shop();
  for (const auto& [from, to] : replacements) {
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
  }
  const Project project = load(text);
  Result<Plan> plan = make_plan(applied(load(shop())), project, output_types(project));
  EXPECT_TRUE(plan.ok()) << plan.status().to_string();
  return std::move(plan).value();
}

TEST(Plan, TheSameProjectIsNothingToDo) {
  const Plan plan = changed({});
  EXPECT_TRUE(plan.empty());
  EXPECT_EQ(format_plan(plan), "nothing to do: the project is as it was applied\n");
}

TEST(Plan, WhatIsWrittenDifferentlyAndMeansTheSameIsNothingToDo) {
  EXPECT_TRUE(changed({{"event_time: ts", "event_time: {column: ts}"},
                       {"over: [1h, 24h]", "over: [60m, 1d]"}})
                  .empty());
}

TEST(Plan, TheFirstPlanAddsEverything) {
  const Plan plan = make_plan({}, load(shop())).value();
  EXPECT_EQ(
      format_plan(plan),
      "+ project `shop`\n+ source `clicks`\n+ bronze `clicks`\n+ silver `events`\n+ entity `user`\n"
      "+ feature_view `recent`\n+ service `v1`\n+ model `buy`\n\n"
      "plan: 8 to add, 0 to change, 0 to remove\n");
}

TEST(Plan, AChangeNamesTheKeysWithOldAndNewValues) {
  const Plan plan = changed({{"source: clicks\n", "source: clicks\n    dedup_for: 2h\n"},
                             {"kind: string", "kind: {type: string, scrub: mask}"}});
  EXPECT_EQ(format_plan(plan),
            "~ bronze `clicks`\n    ~ dedup_for: \"24h\" -> \"2h\"\n    + columns.kind.scrub: "
            "\"mask\"\n\n"
            "plan: 0 to add, 1 to change, 0 to remove\n");
}

TEST(Plan, AColumnThatChangesTypeNamesWhatItBreaks) {
  const Plan plan = changed({{"kind: string", "kind: int64"}});
  ASSERT_EQ(plan.incompatible.size(), 1U);
  EXPECT_EQ(plan.incompatible[0].message, "column `kind` changes type from string to int64");
  EXPECT_EQ(plan.incompatible[0].breaks,
            (std::vector<std::string>{
                "silver table `events`", "feature view `recent`", "service `v1`", "model `buy`"}));
}

TEST(Plan, AFeatureThatChangesTypeIsFoundThroughItsSource) {
  const Plan plan = changed({{"price: float64", "price: int64"}});
  ASSERT_EQ(plan.incompatible.size(), 2U);
  EXPECT_EQ(plan.incompatible[1].message, "feature `dear_1h` changes type from float64 to int64");
  EXPECT_EQ(plan.incompatible[1].breaks, (std::vector<std::string>{"service `v1`", "model `buy`"}));
}

TEST(Plan, ARemovedFeatureIsIncompatible) {
  const Plan plan = changed({{"over: [1h, 24h]", "over: [24h]"}});
  ASSERT_EQ(plan.incompatible.size(), 1U);
  EXPECT_EQ(plan.incompatible[0].message, "feature `n_1h` is gone");
  EXPECT_EQ(plan.incompatible[0].breaks, (std::vector<std::string>{"service `v1`", "model `buy`"}));
}

TEST(Plan, ARenamedColumnIsNamedAsSuch) {
  const Plan plan = changed({{"kind: string", "category: string"}});
  ASSERT_EQ(plan.incompatible.size(), 1U);
  EXPECT_EQ(plan.incompatible[0].message, "column `kind` is gone");
  EXPECT_NE(plan.incompatible[0].help.find("`category`"), std::string::npos);
}

TEST(Plan, AnEqualDefinitionOfAnotherNameIsARename) {
  const Plan plan = changed({{"  recent:", "  newest:"}, {"[recent]", "[newest]"}});
  ASSERT_EQ(plan.changes.size(), 2U);
  EXPECT_EQ(plan.changes[0].change, ChangeKind::kRename);
  EXPECT_EQ(plan.changes[0].old_name, "recent");
  EXPECT_EQ(plan.changes[0].name, "newest");
  EXPECT_EQ(plan.changes[1].kind, "service");
  EXPECT_NE(format_plan(plan).find("> feature_view `recent` is renamed to `newest`"),
            std::string::npos);
  ASSERT_EQ(plan.incompatible.size(), 1U);
}

TEST(Plan, TheProjectsNameHoldsThePositions) {
  const Plan plan = changed({{"project: shop", "project: shop2"}});
  ASSERT_EQ(plan.changes.size(), 1U);
  EXPECT_EQ(plan.changes[0].change, ChangeKind::kRename);
  ASSERT_EQ(plan.incompatible.size(), 1U);
}

TEST(Plan, TheEntitysKeyIsForEver) {
  const Plan plan = changed({{"{key: user_id}", "{keys: {user_id: string, kind: string}}"}});
  ASSERT_EQ(plan.incompatible.size(), 1U);
  EXPECT_EQ(plan.incompatible[0].kind, "entity");
  EXPECT_EQ(plan.incompatible[0].breaks.size(), 3U);
}

TEST(Plan, WhatIsGoneIsRemoved) {
  const Plan plan = changed(
      {{"models: {buy: {service: v1, labels: {from: events, column: \"price > 1\"}}}\n", ""}});
  EXPECT_EQ(format_plan(plan), "- model `buy`\n\nplan: 0 to add, 0 to change, 1 to remove\n");
}

TEST(Plan, ColumnsInAnotherOrderAreAChangeOfOrder) {
  const Plan plan = changed({{"price: float64, kind: string", "kind: string, price: float64"}});
  ASSERT_EQ(plan.changes.size(), 1U);
  ASSERT_EQ(plan.changes[0].keys.size(), 1U);
  EXPECT_EQ(plan.changes[0].keys[0].key, "order");
  EXPECT_TRUE(plan.incompatible.empty());
}

TEST(Plan, TheJsonFormIsJson) {
  const Plan plan = changed({{"kind: string", "kind: int64"}});
  const auto leaves = json_leaves(plan_json(plan));
  ASSERT_TRUE(leaves.ok()) << leaves.status().to_string();
  const std::map<std::string, std::string> values(leaves->begin(), leaves->end());
  EXPECT_EQ(values.at("change"), "1");
  EXPECT_EQ(values.at("changes[0].keys[0].before"), "\"string\"");
}

TEST(Plan, DamagedJsonInTheCatalogIsCorrupt) {
  std::vector<AppliedObject> objects = applied(load(shop()));
  objects[2].json = "{\"columns\":";
  EXPECT_EQ(make_plan(objects, load(shop())).code(), Code::kCorrupt);
}

TEST(JsonLeaves, ArraysOfScalarsAreOneLeafAndOthersAreLookedInto) {
  const auto leaves =
      json_leaves(R"({"a":{"b":1,"c":[]},"d":[{"e":"x\"y"},{}],"f":[1,"2",null], "g" : -1.5e3})");
  ASSERT_TRUE(leaves.ok());
  const std::vector<std::pair<std::string, std::string>> expected = {{"a.b", "1"},
                                                                     {"a.c", "[]"},
                                                                     {"d[0].e", "\"x\\\"y\""},
                                                                     {"d[1]", "{}"},
                                                                     {"f", "[1,\"2\",null]"},
                                                                     {"g", "-1.5e3"}};
  EXPECT_EQ(leaves.value(), expected);
}

TEST(JsonLeaves, WhatIsNotJsonIsCorrupt) {
  for (const char* text :
       {"", "{", "[1", "{\"a\"}", "{\"a\":1,}", "1 2", "\"abc", "{a:1}", "[,]"}) {
    EXPECT_EQ(json_leaves(text).code(), Code::kCorrupt) << text;
  }
  EXPECT_EQ(json_leaves(std::string(1000, '[')).code(), Code::kCorrupt);
}

}  // namespace
}  // namespace assay::catalog
