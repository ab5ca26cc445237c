#include "catalog/feature_registry.h"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "catalog/definition_json.h"
#include "catalog/definition_table.h"
#include "catalog/parse.h"
#include "catalog/plan.h"
#include "catalog/testing.h"

namespace assay::catalog {
namespace {

constexpr char kShop[] = R"yaml(project: shop
sources: {clicks: {files: data/clicks.csv}}
bronze:
  clicks:
    source: clicks
    event_time: ts
    columns: {user_id: string!, price: float64, kind: string, born: timestamp, ts: timestamp!}
entities: {user: {key: user_id}}
feature_views:
  recent:
    entity: user
    from: clicks
    owner: ada
    tags: [fraud, core]
    session: {gap: 30m}
    features:
      n: {agg: count, where: "kind = 'buy'", over: [1h, 24h]}
      spend: {agg: sum, of: price, over: 24h, unit: EUR, description: what was paid}
      p95: {agg: quantile, q: 0.95, of: price, over: 24h}
      kinds: {agg: top_k, k: 5, of: kind, over: 24h}
      kind: latest
      paid: {latest: price}
      age: {since: born}
      idle: {since: last_event}
      known: {since: first_event}
      in_visit: {since: session_start}
      visits: {session: count}
      entry: {session: first, of: kind}
      moves: {changes: kind, over: 24h}
      before: {previous: kind, over: 24h}
      moved: {changed_at: kind, over: 24h}
      third: {lag: price, k: 3, over: 24h}
      mean: {expr: "spend_24h / nullif(n_24h, 0)"}
      share: {ratio: [n, n], over: 1h}
      hourly: {rate: n, over: 24h}
      lately: {trend: n, over: [1h, 24h]}
      hour: {clock: hour}
on_demand:
  offer: {request: {price: float64}, features: {cheap: "price < 1"}}
derived:
  compared: {inputs: [recent], owner: bo, features: {much: "spend_24h > 100"}}
services:
  v1: ["recent:n_1h", offer]
  v2: [compared]
models: {buy: {service: v2, labels: {from: clicks, column: "price > 1"}}}
)yaml";

Project load(const std::string& text) {
  MemoryWorld world(std::map<std::string, std::string>{{"/p/assay.yaml", text}});
  Result<ParsedProject> parsed = load_project(world.world(), "/p");
  EXPECT_TRUE(parsed.ok());
  EXPECT_EQ(format_diagnostics(parsed->diagnostics), "");
  return std::move(parsed).value().project;
}

/// A project with a text replaced.
std::string with(const std::string& from, const std::string& to) {
  std::string text = kShop;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

/// The definition of a view as it was applied with this text, on a day of January 2026.
AppliedObject applied(const std::string& text, int64_t version, int day) {
  AppliedObject object{"feature_view", "recent", version, "", "", true, {}};
  object.applied = *parse_time("2026-01-0" + std::to_string(day));
  for (const ObjectJson& one : project_objects(load(text))) {
    if (one.kind == object.kind && one.name == object.name) {
      object.json = one.json;
      object.removed = false;
    }
  }
  return object;
}

std::map<std::string, RegisteredFeature> registry(const std::vector<AppliedObject>& versions) {
  const Project project = load(kShop);
  const DefinitionHistory history = [&](const std::string& kind, const std::string& name) {
    const bool is_recent = kind == "feature_view" && name == "recent";
    return Result(is_recent ? versions : std::vector<AppliedObject>());
  };
  const auto features = feature_registry(project, output_types(project), history);
  EXPECT_TRUE(features.ok()) << features.status().to_string();
  std::map<std::string, RegisteredFeature> found;
  for (const RegisteredFeature& feature : *features) {
    EXPECT_TRUE(found.emplace(feature.view + ":" + feature.name, feature).second);
  }
  return found;
}

using Users = std::vector<std::string>;

TEST(FeatureRegistry, HasWhoWhatAndOfWhich) {
  const auto features = registry({});
  EXPECT_EQ(features.size(), 24U);
  const RegisteredFeature& spend = features.at("recent:spend_24h");
  EXPECT_EQ(spend.owner, "ada");
  EXPECT_EQ(spend.tags, (std::vector<std::string>{"fraud", "core"}));
  EXPECT_EQ(spend.unit, "EUR");
  EXPECT_EQ(spend.description, "what was paid");
  EXPECT_EQ(spend.entity, "user");
  EXPECT_EQ(spend.type, "float64");
  EXPECT_EQ(features.at("recent:n_1h").type, "int64");
  EXPECT_EQ(features.at("compared:much").owner, "bo");
}

TEST(FeatureRegistry, SaysEveryKindInWords) {
  const std::set<std::string_view> parameters{
      "of", "where", "over", "k", "q", "description", "unit"};
  for (const KeyDef* key : keys_of("feature")) {
    const std::string name(key->key);
    EXPECT_TRUE(parameters.count(name) > 0 ||
                std::string(kShop).find("{" + name + ": ") != std::string::npos)
        << "a kind without words: " << name;
  }
  const auto features = registry({});
  const std::map<std::string, std::string> words = {
      {"recent:n_24h", "count where kind = 'buy' over 24h"},
      {"recent:spend_24h", "sum of price over 24h"},
      {"recent:p95_24h", "quantile 0.95 of price over 24h"},
      {"recent:kinds_24h", "top_k 5 of kind over 24h"},
      {"recent:kind", "latest kind"},
      {"recent:n_1h", "count where kind = 'buy' over 1h"},
      {"recent:paid", "latest price"},
      {"recent:age", "seconds since born"},
      {"recent:idle", "seconds since last_event"},
      {"recent:known", "seconds since first_event"},
      {"recent:in_visit", "seconds since session_start"},
      {"recent:visits", "session count"},
      {"recent:entry", "session first of kind"},
      {"recent:moves_24h", "changes of kind over 24h"},
      {"recent:before_24h", "previous of kind over 24h"},
      {"recent:moved_24h", "changed_at of kind over 24h"},
      {"recent:hourly", "(n_24h * 3600000000.0 / 86400000000.0)"},
      {"recent:lately",
       "(n_1h * 3600000000.0 / 3600000000.0) / nullif(n_24h * 3600000000.0 / 86400000000.0, 0.0)"},
      {"recent:hour", "hour(now())"},
      {"recent:third_24h", "lag 3 of price over 24h"},
      {"recent:mean", "spend_24h / nullif(n_24h, 0)"},
      {"recent:share_1h", "n / n over 1h"},
      {"offer:cheap", "price < 1"},
      {"compared:much", "spend_24h > 100"}};
  EXPECT_EQ(words.size(), features.size());
  for (const auto& [name, text] : words) {
    ASSERT_EQ(features.count(name), 1U) << name;
    EXPECT_EQ(features.at(name).definition, text) << name;
  }
}

TEST(FeatureRegistry, NamesServicesAndModelsThatTakeAFeatureAlsoThroughDerivedViews) {
  const auto features = registry({});
  EXPECT_EQ(features.at("recent:n_1h").used_by,
            (Users{"derived view `compared`", "service `v1`", "service `v2`", "model `buy`"}));
  EXPECT_EQ(features.at("recent:n_24h").used_by,
            (Users{"derived view `compared`", "service `v2`", "model `buy`"}));
  EXPECT_EQ(features.at("compared:much").used_by, (Users{"service `v2`", "model `buy`"}));
  EXPECT_EQ(features.at("offer:cheap").used_by, (Users{"service `v1`"}));
}

TEST(FeatureRegistry, AFeatureIsThereSinceTheVersionThatBroughtItForGood) {
  const std::string spend =
      "      spend: {agg: sum, of: price, over: 24h, unit: EUR, description: what was paid}\n";
  const std::string mean = "      mean: {expr: \"spend_24h / nullif(n_24h, 0)\"}\n";
  std::string without = with(spend, "");
  without.erase(without.find(mean), mean.size());
  without.replace(without.find("spend_24h > 100"), 15, "n_24h > 100");
  const auto features =
      registry({applied(kShop, 1, 1), applied(without, 2, 2), applied(kShop, 3, 3)});
  EXPECT_EQ(features.at("recent:spend_24h").version, 3);
  EXPECT_EQ(features.at("recent:spend_24h").since, *parse_time("2026-01-03"));
  EXPECT_EQ(features.at("recent:n_1h").version, 3);
  EXPECT_EQ(features.at("recent:n_1h").since, *parse_time("2026-01-01"));
}

TEST(FeatureRegistry, WhatWasNeverAppliedOrIsRemovedHasNoVersion) {
  EXPECT_EQ(registry({}).at("recent:n_1h").version, 0);
  EXPECT_FALSE(registry({}).at("recent:n_1h").since.has_value());
  AppliedObject removed = applied(kShop, 2, 2);
  removed.removed = true;
  const auto features = registry({applied(kShop, 1, 1), removed});
  EXPECT_EQ(features.at("recent:n_1h").version, 0);
  EXPECT_FALSE(features.at("recent:n_1h").since.has_value());
  EXPECT_EQ(registry({applied(kShop, 1, 1), removed, applied(kShop, 3, 3)}).at("recent:n_1h").since,
            *parse_time("2026-01-03"));
}

}  // namespace
}  // namespace assay::catalog
