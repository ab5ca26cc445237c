#include "catalog/validate.h"

#include <map>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "catalog/feature_schema.h"
#include "catalog/table_schema.h"
#include "catalog/testing.h"

namespace assay::catalog {
namespace {

/// A project of one file, without errors but for what a test puts into it.
std::string base_project() {
  return R"yaml(project: shop
sources: {clicks: {files: data/clicks.csv}, items: {files: data/items.csv}}
bronze:
  clicks:
    source: clicks
    event_time: ts
    columns: {user_id: string!, item_id: int64!, price: float64, kind: string, ts: timestamp!}
  items:
    source: items
    columns: {item_id: int64!, brand: string, weight: float32}
silver:
  events:
    from: clicks
    enrich: [{lookup: items, on: item_id, columns: [brand]}]
entities: {user: {key: user_id}}
feature_views:
  clicks: {entity: user, from: clicks, features: {n: {agg: count, over: [1h, 24h]}}}
services: {v1: [clicks]}
)yaml";
}

Diagnostics load(const std::string& text, const SchemaResolver& resolver = {}) {
  MemoryWorld world(std::map<std::string, std::string>{{"/p/assay.yaml", text}});
  Result<ParsedProject> parsed = load_project(world.world(), "/p", {}, resolver);
  EXPECT_TRUE(parsed.ok());
  return std::move(parsed).value().diagnostics;
}

/// "code line:underlined" of each finding.
std::string found(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& item : diagnostics.items) {
    std::istringstream lines(diagnostics.sources.at(item.span.file));
    std::string line;
    for (int i = 0; i < item.span.line; ++i) {
      std::getline(lines, line);
    }
    out += (out.empty() ? "" : ", ") + item.code + " " + std::to_string(item.span.line) + ":" +
           line.substr(static_cast<std::size_t>(item.span.column - 1),
                       static_cast<std::size_t>(item.length));
  }
  return out;
}

/// The base project with one text replaced by another.
Diagnostics changed(const std::string& from,
                    const std::string& to,
                    const SchemaResolver& resolver = {}) {
  std::string text = base_project();
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  return load(text, resolver);
}

/// The schema that the silver table `events` would have.
Result<data::SchemaPtr> events_schema(const Project&, const std::string& table) {
  if (table != "events") {
    return Status(Code::kInvalidArgument, "no such column: x");
  }
  return data::make_schema({{"user_id", data::Type::kString, true},
                            {"price", data::Type::kFloat64, true},
                            {"bought", data::Type::kBool, true},
                            {"event_time", data::Type::kTimestamp, false},
                            {"known_time", data::Type::kTimestamp, false},
                            {"sequence", data::Type::kInt64, false}});
}

TEST(Validate, AGoodProjectHasNoFindings) {
  EXPECT_EQ(format_diagnostics(load(base_project())), "");
}

TEST(Validate, TheFlightsExampleHasNoFindings) {
  SystemWorld system;
  const Result<ParsedProject> parsed =
      load_project(system.world(), std::string(ASSAY_SOURCE_DIR) + "/examples/flights");
  ASSERT_TRUE(parsed.ok()) << parsed.status().to_string();
  EXPECT_EQ(format_diagnostics(parsed->diagnostics), "");
}

TEST(Validate, UnknownReferencesSuggestTheNearest) {
  const Diagnostics diagnostics = changed("source: clicks\n", "source: click\n");
  ASSERT_EQ(found(diagnostics), "E0301 5:click");
  EXPECT_EQ(diagnostics.items[0].help, "did you mean `clicks`?");
  EXPECT_EQ(found(changed("lookup: items", "lookup: item")), "E0301 14:item");
  EXPECT_EQ(found(changed("    from: clicks\n", "    from: clks\n")), "E0301 13:clks");
  EXPECT_EQ(found(changed("entity: user", "entity: usr")), "E0301 17:usr");
  EXPECT_EQ(found(changed("[clicks]", "[clicks, click]")), "E0301 18:click");
}

TEST(Validate, ExpressionErrorsPointIntoTheExpression) {
  const Diagnostics diagnostics = changed("agg: count, ", "agg: sum, of: \"1 + prise\", ");
  ASSERT_EQ(found(diagnostics), "E0307 17:prise");
  EXPECT_NE(diagnostics.items[0].help.find("price"), std::string::npos);
}

TEST(Validate, ConditionsMustBeBool) {
  EXPECT_EQ(found(changed("agg: count, ", "agg: count, where: price + 1, ")), "E0307 17:price + 1");
}

TEST(Validate, ReservedAndRepeatedColumnNamesAreErrors) {
  EXPECT_EQ(found(changed("kind: string", "known_time: timestamp")), "E0302 7:known_time");
  EXPECT_EQ(found(changed("kind: string", "PRICE: string")), "E0305 7:PRICE");
  EXPECT_EQ(found(changed("kind: string", "event_time: timestamp")), "E0302 7:event_time");
  EXPECT_EQ(found(changed("event_time: ts\n    columns: {",
                          "event_time: event_time\n    columns: {event_time: timestamp!, ")),
            "");
}

TEST(Validate, EventTimeMustBeATimestampColumn) {
  EXPECT_EQ(found(changed("event_time: ts", "event_time: price")), "E0306 6:price");
  EXPECT_EQ(found(changed("event_time: ts", "event_time: tss")), "E0308 6:tss");
  EXPECT_EQ(found(changed("event_time: ts", "event_time: {expr: \"ts + 1 +\"}")).substr(0, 5),
            "E0307");
}

TEST(Validate, WindowsMustBeMultiplesOfTheSlide) {
  EXPECT_EQ(found(changed("over: [1h, 24h]", "over: [1h, 65m]")), "E0303 17:65m");
}

TEST(Validate, TwoFeaturesOfOneNameAfterExpansionAreAnError) {
  EXPECT_EQ(found(changed("features: {n:", "features: {n_1h: {expr: \"1\"}, n:")), "E0305 17:n");
}

TEST(Validate, FeaturesOfTheQuestionsInstantAreWellFormed) {
  const auto with = [](const std::string& features) {
    return found(changed("features: {n:", "features: {" + features + ", n:"));
  };
  EXPECT_EQ(with("idle: {since: last_event}, c: {clock: hour}, r: {rate: n, over: 1h}"), "");
  EXPECT_EQ(with("age: {since: first_event}"), "");
  EXPECT_EQ(with("idle: {since: event_tim}"), "E0307 17:event_tim");
  EXPECT_EQ(with("idle: {since: price}"), "E0307 17:price");
  EXPECT_EQ(with("c: {clock: hours}"), "E0201 17:hours");
  EXPECT_EQ(with("r: {rate: n, over: [1h, 24h]}"), "E0203 17:[");
  EXPECT_EQ(with("t: {trend: n, over: 1h}"), "E0203 17:1h");
  EXPECT_EQ(with("x: {expr: \"now(1)\"}"), "E0307 17:now");
  EXPECT_EQ(with("x: {since: last_event, clock: hour}").substr(0, 5), "E0203");
  EXPECT_EQ(found(changed("from: clicks, features", "from: clicks, tz: Berlin, features")),
            "E0201 17:Berlin");
}

TEST(Validate, AFirstEventThatMayBeReplacedIsRefused) {
  std::string text = base_project();
  const auto replace = [&](const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
  };
  replace("    event_time: ts\n",
          "    event_time: ts\n    key: [item_id]\n    on_same_key: replace\n");
  replace("features: {n:", "features: {age: {since: first_event}, n:");
  EXPECT_EQ(found(load(text)), "E0312 19:age");
}

TEST(Validate, SessionsAndChangesAreWellFormed) {
  const auto with = [](const std::string& view, const std::string& features) {
    return found(changed("features: {n:", view + "features: {" + features + ", n:"));
  };
  const std::string session = "session: {gap: 30m, over: 1d}, ";
  EXPECT_EQ(with(session, "s: {session: first, of: kind}, x: {since: session_start}"), "");
  EXPECT_EQ(with("", "s: {session: count}"), "E0309 17:s");
  EXPECT_EQ(with("", "s: {since: session_start}"), "E0309 17:s");
  EXPECT_EQ(with("session: {gap: 0m}, ", "s: {session: count}"), "E0201 17:0m");
  EXPECT_EQ(with("session: {gap: 30m, over: 65m}, ", "s: {session: count}"), "E0303 17:65m");
  EXPECT_EQ(with("session: {max: 4h}, ", "s: {session: count}").substr(0, 5), "E0103");
  EXPECT_EQ(with(session, "s: {session: first}").substr(0, 5), "E0103");
  EXPECT_EQ(with(session, "s: {session: count, of: kind}"), "E0203 17:kind");
  EXPECT_EQ(with("", "c: {changes: kind, over: [1h, 65m]}"), "E0303 17:65m");
  EXPECT_EQ(with("", "c: {changes: kin, over: 1h}"), "E0307 17:kin");
  EXPECT_EQ(with("", "c: {changes: kind}").substr(0, 5), "E0103");
  EXPECT_EQ(with("", "c: {previous: kind, k: 2, over: 1h}"), "E0203 17:2");
  EXPECT_EQ(with("", "c: {lag: price, k: 2, over: 1h}"), "");
}

TEST(Validate, LatestValuesAndWindowsShareAView) {
  EXPECT_EQ(found(changed("features: {n:", "features: {kind: latest, n:")), "");
}

TEST(Validate, KeysAreNotFloatingPoint) {
  EXPECT_EQ(found(changed("{key: user_id}", "{key: price, type: float64}")), "E0306 15:float64");
}

TEST(Validate, TheKeyOfAShareIsNotComputed) {
  std::string text = base_project();
  const std::string services = "services: {v1: [clicks]}";
  text.replace(text.find(services),
               services.size(),
               "services: {v1: [clicks, {view: clicks, prefix: a_, "
               "by: {user_id: \"CAST(n_1h AS string)\"}}]}");
  EXPECT_EQ(found(load(text)), "");
  EXPECT_EQ(found(load(text + "share: one of one, two by user_id\n")), "E0203 18:user_id");
}

TEST(Validate, EntityKeysMustBeInTheTable) {
  EXPECT_EQ(found(changed("{key: user_id}", "{key: user}")), "E0308 17:clicks");
  EXPECT_EQ(found(changed("{key: user_id}", "{key: user_id, type: int64}")), "E0306 17:clicks");
}

TEST(Validate, SilverTablesInACircleAreReportedOnce) {
  const Diagnostics diagnostics = changed("entities:",
                                          "  more:\n    from: clicks\n    enrich: [{lookup: "
                                          "events, on: item_id, columns: [brand]}]\nentities:");
  EXPECT_EQ(found(diagnostics), "");
  const Diagnostics circle = changed("lookup: items, on: item_id, columns: [brand]}]\n",
                                     "lookup: more, on: item_id, columns: [brand]}]\n  more:\n    "
                                     "from: clicks\n    enrich: [{lookup: events, on: item_id, "
                                     "columns: [brand]}]\n");
  ASSERT_EQ(found(circle), "E0304 17:events");
  EXPECT_NE(circle.items[0].message.find("events -> more -> events"), std::string::npos);
}

TEST(Validate, PersonalDataStoredAsItComesIsAWarning) {
  EXPECT_EQ(found(changed("kind: string", "kind: {type: string, pii: email}")), "W0401 7:kind");
  EXPECT_EQ(found(changed("kind: string", "kind: {type: string, pii: email, scrub: hmac}")), "");
  EXPECT_EQ(found(changed("kind: string", "kind: {type: int64, scrub: mask}")), "E0306 7:mask");
}

TEST(Validate, OnDemandFeaturesSeeTheRequestAndThoseBeforeThem) {
  const std::string good =
      "on_demand: {d: {request: {x: int64}, features: {y: x + 1, z: y * n_1h}}}\nservices: {v1: "
      "[clicks, d]}";
  EXPECT_EQ(found(changed("services: {v1: [clicks]}", good)), "");
  const std::string wrong =
      "on_demand: {d: {request: {x: int64}, features: {y: x + 1, z: \"w * n_1h\"}}}\n"
      "services: {v1: [clicks, d]}";
  EXPECT_EQ(found(changed("services: {v1: [clicks]}", wrong)), "E0307 18:w");
}

TEST(Validate, KnownTimeMaySpeakOfTheEventTime) {
  EXPECT_EQ(found(changed("event_time: ts",
                          "event_time: ts\n    known_time: {expr: event_time + to_hours(1)}")),
            "");
}

TEST(Validate, ASourceThatNothingReadsIsAWarning) {
  EXPECT_EQ(found(changed("items: {files: data/items.csv}",
                          "items: {files: a.csv}, more: {files: b.csv}")),
            "W0402 2:more");
}

TEST(Validate, ServiceFeaturesMustExistOnce) {
  EXPECT_EQ(found(changed("[clicks]", "[\"clicks:n_1h,n_24h\"]")), "");
  const Diagnostics diagnostics = changed("[clicks]", "[\"clicks:n\"]");
  ASSERT_EQ(found(diagnostics), "E0301 18:\"clicks:n\"");
  EXPECT_NE(diagnostics.items[0].help.find("n_1h"), std::string::npos);
  EXPECT_EQ(found(changed("[clicks]", "[\"clicks:n_1h\", clicks]")), "E0305 18:clicks");
}

TEST(Validate, SilverIsCheckedWhenItsSchemaIsKnown) {
  const std::string model =
      "services: {v1: [clicks]}\nmodels: {m: {service: v1, labels: {from: events, column: "
      "bougt}}}\n";
  EXPECT_EQ(found(changed("services: {v1: [clicks]}\n", model)), "");
  EXPECT_EQ(found(changed("services: {v1: [clicks]}\n", model, events_schema)), "E0307 19:bougt");
}

TEST(Validate, BronzeSchemaHoldsWhatIsStored) {
  BronzeDef bronze;
  bronze.event_time = "event_time";
  bronze.columns.resize(4);
  bronze.columns[0].name = "event_time";
  bronze.columns[0].type = data::Type::kTimestamp;
  bronze.columns[1].name = "phone";
  bronze.columns[1].required = true;
  bronze.columns[1].scrub = Scrub::kHmac;
  bronze.columns[2].name = "gone";
  bronze.columns[2].scrub = Scrub::kDrop;
  bronze.columns[3].name = "amount";
  bronze.columns[3].type = data::Type::kFloat64;
  bronze.columns[3].required = true;
  const Result<data::SchemaPtr> schema = bronze_schema(bronze);
  ASSERT_TRUE(schema.ok());
  EXPECT_EQ((*schema)->names(),
            (std::vector<std::string>{
                "phone", "amount", "event_time", "known_time", "sequence", "dt", "hr"}));
  EXPECT_TRUE((*schema)->field(0).nullable);
  EXPECT_FALSE((*schema)->field(1).nullable);
  bronze.columns[3].name = "Sequence";
  EXPECT_EQ(bronze_schema(bronze).code(), Code::kInvalidArgument);
}

TEST(Validate, FeatureTypesFollowTheirAggregates) {
  const data::Schema source(
      {{"price", data::Type::kFloat32, true}, {"n", data::Type::kInt32, true}});
  FeatureViewDef view;
  view.features.resize(4);
  for (FeatureDef& feature : view.features) {
    feature.kind = FeatureDef::Kind::kWindow;
    feature.over = {Duration{3600 * kMicrosPerSecond}};
    feature.of = "n";
  }
  view.features[0].name = "a";
  view.features[0].aggregate = Aggregate::kSum;
  view.features[1].name = "b";
  view.features[1].aggregate = Aggregate::kMean;
  view.features[2].name = "c";
  view.features[2].aggregate = Aggregate::kMax;
  view.features[2].of = "price";
  view.features[3].name = "d";
  view.features[3].kind = FeatureDef::Kind::kExpr;
  view.features[3].expression = "a_1h > 0";
  const Result<std::vector<data::Field>> fields = feature_fields(view, source);
  ASSERT_TRUE(fields.ok()) << fields.status().to_string();
  EXPECT_EQ(fields->at(0), (data::Field{"a_1h", data::Type::kInt64, true}));
  EXPECT_EQ(fields->at(1).type, data::Type::kFloat64);
  EXPECT_EQ(fields->at(2).type, data::Type::kFloat32);
  EXPECT_EQ(fields->at(3), (data::Field{"d", data::Type::kBool, true}));
}

}  // namespace
}  // namespace assay::catalog
