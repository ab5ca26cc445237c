#include "catalog/parse.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "catalog/definition_json.h"
#include "catalog/share_definition.h"
#include "catalog/slide.h"
#include "catalog/testing.h"

namespace assay::catalog {
namespace {

constexpr char kShop[] = R"yaml(
sources:
  clicks: {files: {path: data/clicks/*.jsonl, format: json}}
  items: {files: data/items.csv.gz}
bronze:
  clicks:
    source: clicks
    key: [event_id]
    dedup_for: 12h
    event_time: {column: ts, unit: ms}
    known_time: received
    columns:
      event_id: string!
      item_id: int64!
      event_type: string
      price: {type: float64, null_texts: [NA, "-"]}
      email: {type: string, pii: email, scrub: hmac}
      ip: {type: string, pii: ip, scrub: truncate}
      ts: timestamp!
    checks:
      - {column: event_type, in_set: [view, cart, 1], on_fail: drop}
      - {column: price, range: [0, null], not_null: true}
      - {row_count: {min: 1}}
      - {freshness: 2h, on_fail: fail}
      - {expr: "price < 10000", on_fail: warn}
silver:
  events:
    from: clicks
    enrich: [{lookup: items, on: item_id, as_of: event_time, columns: [category, brand], prefix: item_}]
    sql: SELECT * FROM clicks
    allowed_lateness: 2h
  raw: {from: clicks, sql: sql/raw.sql, partition_by: []}
entities:
  user: {key: user_id, type: string}
  route: {keys: {origin: string, destination: int32}}
feature_views:
  user_clicks:
    entity: user
    from: events
    ttl: 24h
    slide: 5m
    features:
      clicks: {agg: count, over: [1h, 7d]}
      spend: {agg: sum, of: price, where: "event_type = 'cart'", over: 24h}
      rate: {expr: "clicks_1h / nullif(spend_24h, 0)"}
  profile: {entity: user, from: events, features: {age: latest, place: {latest: country}}}
on_demand:
  request: {request: {at: timestamp!, amount: float64}, features: {hour: {expr: "hour(at)"}, twice: amount * 2}}
services:
  v1: [user_clicks, "profile:age, place", request]
models:
  buy:
    service: v1
    labels: {from: events, column: "bought", where: "price > 1"}
    train: {trees: 50, split: {by_time: 0.75}, learning_rate: 0.3}
)yaml";

constexpr char kMain[] = "project: shop\nlake: ./lake\nserving: {clock: data}\n";

ParsedProject parse(std::map<std::string, std::string> files, const ParseOptions& options = {}) {
  MemoryWorld world(std::move(files));
  Result<ParsedProject> parsed = parse_project(world.world(), "/p", options);
  EXPECT_TRUE(parsed.ok()) << parsed.status().to_string();
  return std::move(parsed).value();
}

std::string codes(const Diagnostics& diagnostics) {
  std::string codes;
  for (const Diagnostic& item : diagnostics.items) {
    codes += (codes.empty() ? "" : " ") + item.code;
  }
  return codes;
}

TEST(Parse, EveryKindOfDefinitionIsRead) {
  const ParsedProject parsed = parse({{"/p/assay.yaml", kMain},
                                      {"/p/shop.yaml", kShop},
                                      {"/p/sql/raw.sql", "SELECT 1 FROM clicks"},
                                      {"/p/sql/no.yaml", "bad: ["},
                                      {"/p/data/no.yaml", "bad: ["},
                                      {"/p/lake/no.yaml", "bad: ["},
                                      {"/p/.git/no.yaml", "bad: ["},
                                      {"/p/feast/feature_store.yaml", "bad: ["}});
  ASSERT_EQ(format_diagnostics(parsed.diagnostics), "");
  const Project& project = parsed.project;
  EXPECT_EQ(project.name, "shop");
  EXPECT_EQ(project.lake, "/p/lake");
  EXPECT_EQ(project.catalog, "/p/catalog.db");
  EXPECT_EQ(project.online, "/p/online");
  EXPECT_EQ(project.serving_clock, ServingClock::kData);
  EXPECT_EQ(project.sources.at("clicks").format, Format::kJsonLines);
  EXPECT_EQ(project.sources.at("items").format, Format::kCsv);
  EXPECT_EQ(project.silver.at("raw").sql, "SELECT 1 FROM clicks");
  EXPECT_EQ(project.silver.at("raw").sql_file, "sql/raw.sql");
  EXPECT_TRUE(project.silver.at("raw").partition_by.empty());
  EXPECT_EQ(project.silver.at("events").allowed_lateness.micros, 7200 * kMicrosPerSecond);
  EXPECT_EQ(project.silver.at("events").partition_by, std::vector<std::string>{"event_date"});
  EXPECT_EQ(project.silver.at("events").enrich.at(0).columns.size(), 2U);
  EXPECT_EQ(project.silver.at("events").enrich.at(0).prefix, "item_");
}

TEST(Parse, BronzeColumnsTimesAndChecksAreRead) {
  const ParsedProject parsed =
      parse({{"/p/assay.yaml", kMain}, {"/p/shop.yaml", kShop}, {"/p/sql/raw.sql", "x"}});
  const BronzeDef& bronze = parsed.project.bronze.at("clicks");
  EXPECT_EQ(bronze.dedup_for.micros, 43200 * kMicrosPerSecond);
  EXPECT_EQ(bronze.event_time, "ts");
  EXPECT_EQ(bronze.known_time.kind, KnownTimeDef::Kind::kReceived);
  EXPECT_EQ(bronze.partition_by, (std::vector<std::string>{"dt", "hr"}));
  ASSERT_EQ(bronze.columns.size(), 7U);
  EXPECT_TRUE(bronze.columns[0].required);
  EXPECT_EQ(bronze.columns[3].null_texts, (std::vector<std::string>{"NA", "-"}));
  EXPECT_EQ(bronze.columns[4].scrub, Scrub::kHmac);
  EXPECT_EQ(bronze.columns[6].unit, data::TimeUnit::kMillis);
  ASSERT_EQ(bronze.checks.size(), 6U);
  EXPECT_EQ(bronze.checks[0].on_fail, OnFail::kDrop);
  EXPECT_EQ(bronze.checks[0].set.at(2), data::Scalar::string("1"));
  EXPECT_EQ(bronze.checks[1].kind, CheckKind::kNotNull);
  EXPECT_EQ(bronze.checks[2].min, data::Scalar::float64(0));
  EXPECT_EQ(bronze.checks[2].max, std::nullopt);
  EXPECT_EQ(bronze.checks[3].on_fail, OnFail::kWarn);
  EXPECT_EQ(bronze.checks[4].on_fail, OnFail::kFail);
  EXPECT_EQ(bronze.checks[4].age_max.micros, 7200 * kMicrosPerSecond);
  EXPECT_EQ(bronze.checks[5].expression, "price < 10000");
}

TEST(Parse, FeaturesServicesAndModelsAreRead) {
  const ParsedProject parsed =
      parse({{"/p/assay.yaml", kMain}, {"/p/shop.yaml", kShop}, {"/p/sql/raw.sql", "x"}});
  const Project& project = parsed.project;
  EXPECT_EQ(project.entities.at("route").keys.at(1),
            (data::Field{"destination", data::Type::kInt32, true}));
  const FeatureViewDef& view = project.views.at("user_clicks");
  EXPECT_EQ(view.ttl->micros, kMicrosPerDay);
  EXPECT_EQ(view.features.at(0).over.at(1).micros, 7 * kMicrosPerDay);
  EXPECT_EQ(view.features.at(1).aggregate, Aggregate::kSum);
  EXPECT_EQ(view.features.at(1).where, "event_type = 'cart'");
  EXPECT_EQ(view.features.at(2).kind, FeatureDef::Kind::kExpr);
  EXPECT_EQ(project.views.at("profile").features.at(0).column, "age");
  EXPECT_EQ(project.views.at("profile").features.at(1).column, "country");
  EXPECT_FALSE(project.views.at("profile").ttl.has_value());
  EXPECT_EQ(project.on_demand.at("request").features.at(1).expression, "amount * 2");
  EXPECT_FALSE(project.on_demand.at("request").request.at(0).nullable);
  const ServiceDef& service = project.services.at("v1");
  EXPECT_EQ(service.items.at(1).features, (std::vector<std::string>{"age", "place"}));
  const ModelDef& model = project.models.at("buy");
  EXPECT_EQ(model.label_event_time, "event_time");
  EXPECT_EQ(model.split_by_time, 0.75);
  EXPECT_EQ(model.parameters.at("trees"), 50);
  EXPECT_EQ(model.parameters.at("depth"), 6);
}

TEST(Parse, WithoutAssayYamlThereIsNoProject) {
  MemoryWorld world(std::map<std::string, std::string>{{"/p/shop.yaml", kShop}});
  EXPECT_EQ(parse_project(world.world(), "/p").code(), Code::kNotFound);
}

TEST(Parse, ProfilesOverrideTheProjectsKeys) {
  const std::string main =
      "project: shop\nlake: ./lake\nprofiles:\n  prod: {lake: /data/lake, serving: {clock: "
      "data}}\n";
  EXPECT_EQ(parse({{"/p/assay.yaml", main}}).project.lake, "/p/lake");
  const ParsedProject prod = parse({{"/p/assay.yaml", main}}, {"prod", {}});
  EXPECT_EQ(prod.project.lake, "/data/lake");
  EXPECT_EQ(prod.project.serving_clock, ServingClock::kData);
  const ParsedProject wrong = parse({{"/p/assay.yaml", main}}, {"prd", {}});
  ASSERT_EQ(codes(wrong.diagnostics), "E0109");
  EXPECT_NE(wrong.diagnostics.items[0].help.find("`prod`"), std::string::npos);
}

TEST(Parse, TheOnlineStoreIsAFolderOrAServerOfRedis) {
  const auto online = [](const std::string& place) {
    return parse({{"/p/assay.yaml", "project: shop\nonline: \"" + place + "\"\n"}}).project.online;
  };
  EXPECT_EQ(online("embedded:store/"), "/p/store");
  EXPECT_EQ(online("lmdb:./store"), "lmdb:/p/store");
  EXPECT_EQ(online("hashlog:/var/store/"), "hashlog:/var/store");
  EXPECT_EQ(online("redis://:s@cache/1?prefix=a"), "redis://:s@cache/1?prefix=a");
  EXPECT_EQ(online("redis+cluster://a:7000?also=b:7000"), "redis+cluster://a:7000?also=b:7000");
  EXPECT_EQ(online("redis+sentinel://a/main"), "redis+sentinel://a/main");
  EXPECT_EQ(online("postgresql://a@db/x"), "postgresql://a@db/x");
  EXPECT_EQ(online("sharded:redis://a, redis://b,hashlog:c/,embedded:./d"),
            "sharded:redis://a,redis://b,hashlog:/p/c,/p/d");
  EXPECT_EQ(codes(parse({{"/p/assay.yaml", "project: shop\nonline: mysql://h\n"}}).diagnostics),
            "E0108");
}

TEST(Parse, AShareOfTheEntitiesHasANameAmongOthersAndAKey) {
  const ParsedProject parsed = parse(
      {{"/p/assay.yaml",
        kMain + std::string("profiles: {b: {share: 'two of one,  two,three by user_id'}}\n")}},
      {"b", {}});
  const std::optional<SharePlace> found = share_in_place(parsed.project.online);
  ASSERT_TRUE(found.has_value()) << parsed.project.online;
  EXPECT_EQ(found->share, (ShareDef{"two", {"one", "three", "two"}, "user_id"}));
  EXPECT_EQ(found->place, "/p/online");
  EXPECT_FALSE(share_in_place("/p/online").has_value());
  for (const char* const wrong : {"two",
                                  "two of one, three by user_id",
                                  "one of one, one by user_id",
                                  "one of one, t:o by user_id",
                                  "one of one, two by user id",
                                  "one of by user_id",
                                  "one by user_id"}) {
    EXPECT_FALSE(parse_share(wrong).has_value()) << wrong;
  }
  EXPECT_EQ(codes(parse({{"/p/assay.yaml", kMain + std::string("share: two\n")}}).diagnostics),
            "E0201");
}

TEST(Parse, ErrorsInsideUnusedProfilesAreReportedToo) {
  const ParsedProject parsed =
      parse({{"/p/assay.yaml", "project: shop\nprofiles: {prod: {lakes: x}}\n"}});
  EXPECT_EQ(codes(parsed.diagnostics), "E0102");
}

TEST(Parse, EnvironmentVariablesAreReplaced) {
  const Environment environment = [](const std::string& name) -> std::optional<std::string> {
    return name == "ROOT" ? std::optional<std::string>("/data") : std::nullopt;
  };
  const std::string main = "project: shop\nlake: ${ROOT}/lake\nonline: ${NOT_SET:-/tmp/o}\n";
  const ParsedProject parsed = parse({{"/p/assay.yaml", main}}, {"", environment});
  EXPECT_EQ(format_diagnostics(parsed.diagnostics), "");
  EXPECT_EQ(parsed.project.lake, "/data/lake");
  EXPECT_EQ(parsed.project.online, "/tmp/o");
}

TEST(Parse, AnUnsetEnvironmentVariableIsAnErrorAndDollarDollarIsNone) {
  const ParsedProject parsed =
      parse({{"/p/assay.yaml", "project: shop\nlake: ${NO}/x\nonline: a$${b}\ncatalog: ${open\n"}});
  EXPECT_EQ(codes(parsed.diagnostics), "E0106 E0106");
  EXPECT_EQ(parsed.project.online, "/p/a${b}");
}

TEST(Parse, LaterSourcesAndStoresAreRefusedAsNotInThisVersion) {
  const ParsedProject parsed = parse({{"/p/assay.yaml",
                                       "project: shop\nlake: gs://bucket/x\nonline: mysql://r\n"
                                       "sources: {a: {postgres: {table: x}}}\n"}});
  EXPECT_EQ(codes(parsed.diagnostics), "E0108 E0108 E0108");
}

TEST(Parse, AContinuousSlideIsOneMicrosecond) {
  const auto parse_slide = [](const std::string& slide) {
    return parse({{"/p/assay.yaml",
                   "project: shop\n"
                   "feature_views: {v: {entity: e, from: f, slide: " +
                       slide + ", features: {x: latest}}}\n"}});
  };
  const ParsedProject parsed = parse_slide("continuous");
  EXPECT_EQ(codes(parsed.diagnostics), "");
  EXPECT_EQ(parsed.project.views.at("v").slide, kContinuousSlide);
  EXPECT_NE(feature_view_json(parsed.project.views.at("v")).find(R"("slide":"continuous")"),
            std::string::npos);
  EXPECT_EQ(codes(parse_slide("continual").diagnostics), "E0201");
  EXPECT_EQ(codes(parse({{"/p/assay.yaml",
                          "project: shop\nfeature_views: {v: {entity: e, from: f, ttl: "
                          "continuous, features: {x: latest}}}\n"}})
                      .diagnostics),
            "E0201");
}

TEST(Parse, AKafkaSourceHasTopicsAndTheClientsOptions) {
  const ParsedProject parsed = parse(
      {{"/p/assay.yaml",
        "project: shop\nsources:\n  a: {kafka: {brokers: \"b1:9092,b2:9092\", topics: [x, y],\n"
        "      start: latest, on_lost: skip, queue_max: 1MB, record_max: 64KB, rejects_max: 0.1,\n"
        "      idle_timeout: 5m,\n"
        "      options: {security.protocol: SASL_SSL, sasl.username: me}}}\n"}});
  const SourceDef& source = parsed.project.sources.at("a");
  ASSERT_TRUE(source.kafka.has_value());
  EXPECT_EQ(source.kafka->brokers, "b1:9092,b2:9092");
  EXPECT_EQ(source.kafka->topics, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(source.kafka->start, KafkaStart::kLatest);
  EXPECT_EQ(source.kafka->on_lost, OnLost::kSkip);
  EXPECT_EQ(source.kafka->queue_bytes_max, 1 << 20);
  EXPECT_EQ(source.kafka->idle_timeout, Duration{300 * kMicrosPerSecond});
  EXPECT_EQ(source.kafka->rejects_max, 0.1);
  EXPECT_EQ(source.kafka->options.at("security.protocol"), "SASL_SSL");
  EXPECT_EQ(source.record_bytes_max, 64 << 10);
  EXPECT_EQ(source.format, Format::kJsonLines);
}

TEST(Parse, ALakeOnS3HasAServiceAndNoSecrets) {
  const std::string main =
      "project: shop\nlake: s3://bucket/team/lake\n"
      "s3: {endpoint: \"http://127.0.0.1:9000\", region: eu-central-1, path_style: true,\n"
      "     ca_file: certs/ca.pem, profile: mine}\n";
  const ParsedProject parsed = parse({{"/p/assay.yaml", main}});
  EXPECT_EQ(codes(parsed.diagnostics), "");
  EXPECT_EQ(parsed.project.lake, "s3://bucket/team/lake");
  EXPECT_EQ(parsed.s3.endpoint, "http://127.0.0.1:9000");
  EXPECT_EQ(parsed.s3.region, "eu-central-1");
  EXPECT_EQ(parsed.s3.path_style, true);
  EXPECT_EQ(parsed.s3.ca_file, "/p/certs/ca.pem");
  EXPECT_EQ(parsed.s3.profile, "mine");
  const ParsedProject plain = parse({{"/p/assay.yaml", "project: shop\nlake: s3://bucket\n"}});
  EXPECT_EQ(plain.s3.path_style, std::nullopt);
  EXPECT_EQ(codes(parse({{"/p/assay.yaml", "project: shop\ns3: {secret_key: x}\n"}}).diagnostics),
            "E0102");
}

TEST(Parse, SettingsOutsideAssayYamlAndUnknownSectionsAreErrors) {
  const ParsedProject parsed =
      parse({{"/p/assay.yaml", kMain}, {"/p/a/b.yml", "lake: x\nsilvr: {}\n"}});
  EXPECT_EQ(codes(parsed.diagnostics), "E0102 E0102");
  EXPECT_EQ(parsed.diagnostics.items[0].span.file, "a/b.yml");
  EXPECT_NE(parsed.diagnostics.items[1].help.find("`silver`"), std::string::npos);
}

TEST(Parse, TheSameNameInTwoFilesIsAnErrorThatNamesTheFirst) {
  const std::string entities = "entities: {user: {key: user_id}}\n";
  const ParsedProject parsed =
      parse({{"/p/assay.yaml", kMain}, {"/p/a.yaml", entities}, {"/p/b.yaml", entities}});
  ASSERT_EQ(codes(parsed.diagnostics), "E0105");
  EXPECT_EQ(parsed.diagnostics.items[0].span.file, "b.yaml");
  EXPECT_NE(parsed.diagnostics.items[0].help.find("a.yaml:1"), std::string::npos);
}

TEST(Parse, AnotherProjectsFolderIsLeftAlone) {
  const ParsedProject parsed = parse(
      {{"/p/assay.yaml", kMain}, {"/p/other/assay.yaml", "bad: ["}, {"/p/other/x.yaml", "bad: ["}});
  EXPECT_EQ(format_diagnostics(parsed.diagnostics), "");
}

/// What parsing says when a call for one file or folder fails.
Result<ParsedProject> parse_without(const std::string& path, Code code) {
  MemoryWorld world(std::map<std::string, std::string>{
      {"/p/assay.yaml", kMain},
      {"/p/a/shop.yaml", "silver:\n  raw: {from: clicks, sql: sql/raw.sql}\n"},
      {"/p/sql/raw.sql", "SELECT 1"},
      {"/p/other/assay.yaml", "bad: ["}});
  world.files().set_failure(path, {code, "refused"});
  return parse_project(world.world(), "/p");
}

TEST(Parse, WhatCannotBeReadNowSaysNothingOfTheDefinitions) {
  for (const char* path : {"/p",
                           "/p/a",
                           "/p/assay.yaml",
                           "/p/a/shop.yaml",
                           "/p/a/assay.yaml",
                           "/p/sql/raw.sql",
                           "/p/other/assay.yaml"}) {
    for (const Code code : {Code::kUnavailable, Code::kResourceExhausted}) {
      EXPECT_EQ(parse_without(path, code).code(), code) << path;
    }
  }
  for (const char* path : {"/p/a", "/p/a/shop.yaml", "/p/sql/raw.sql"}) {
    const Result<ParsedProject> parsed = parse_without(path, Code::kPermissionDenied);
    ASSERT_TRUE(parsed.ok()) << path;
    EXPECT_EQ(codes(parsed->diagnostics), "E0107") << path;
  }
}

TEST(Parse, DefinitionsWithErrorsOfTheirOwnAreMarkedBroken) {
  const ParsedProject parsed =
      parse({{"/p/assay.yaml", kMain},
             {"/p/a.yaml", "entities: {good: {key: k}, bad: {key: k, type: strin}}\n"}});
  EXPECT_EQ(parsed.broken, std::set<std::string>{"entities/bad"});
}

}  // namespace
}  // namespace assay::catalog
