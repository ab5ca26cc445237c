// What Feast's own server answers beside features: pushes, materialization, vector stores, and the
// registry's lists. Bodies and codes as Feast 0.67 gives them, save where the comments say why not.

#include <set>

#include <gtest/gtest.h>

#include "data/protobuf.h"
#include "serve/fake_line.h"
#include "serve/feast_writes.h"
#include "serve/feature_server.h"
#include "serve/serving_fixture.h"
#include "serve/signature.h"

namespace assay::serve {
namespace {

std::string feast(const std::string& class_name, const std::string& message) {
  return R"("{\"module\": \"feast.errors\", \"class\": \")" + class_name +
         R"(\", \"message\": \")" + message + R"(\"}")";
}

class FeastEndpoints : public testing::Test {
 protected:
  void SetUp() override {
    ServingState state = fixture_.make_state();
    auto definitions = std::make_shared<catalog::Project>();
    catalog::EntityDef user;
    user.name = "user";
    user.keys = {{"user_id", data::Type::kString}};
    user.description = "Who clicks";
    catalog::EntityDef route;
    route.name = "route";
    route.keys = {{"user_id", data::Type::kString}, {"item_id", data::Type::kInt64}};
    definitions->entities = {{"user", user}, {"route", route}};
    catalog::FeatureViewDef clicks;
    clicks.name = "clicks";
    clicks.from = "events";
    clicks.description = "Clicks of a user";
    clicks.owner = "ann@example.com";
    clicks.tags = {"team:growth"};
    definitions->views = {{"clicks", clicks}};
    definitions->sources["clicks_source"].name = "clicks_source";
    catalog::BronzeDef events;
    events.name = "events";
    events.source = "clicks_source";
    events.columns.emplace_back().name = "a";
    events.columns.emplace_back().name = "renamed";
    events.columns.back().from = "Some Name";
    definitions->bronze = {{"events", events}};
    state.definitions = std::move(definitions);
    state.steps_tables = {{"clicks", "/lake/gold/clicks"}};
    features_.replace(std::make_shared<const ServingState>(std::move(state)));
  }
  Response post(const std::string& target, const std::string& body) {
    return features_.handle({"POST", target, {}, body});
  }
  Response get(const std::string& target) { return features_.handle({"GET", target, {}, ""}); }

  ServingFixture fixture_;
  FakeLine line_;
  FeatureServer features_{fixture_.world, *fixture_.store, fixture_.state, nullptr, &line_};
};

/// One request and the answer to it.
struct Case {
  const char* target;
  const char* request;
  int status;
  std::string body;
};

TEST_F(FeastEndpoints, WritesAnswerAsFeastDoes) {
  const std::vector<Case> cases = {
      {"/push", R"({"push_source_name":"clicks_source","df":{"a":[1],"b":["x"]}})", 200, ""},
      {"/push",
       R"({"push_source_name":"nope","df":{"a":[1]}})",
       422,
       feast("PushSourceNotFoundException", "Unable to find push source 'nope'.")},
      {"/push",
       R"({"push_source_name":"clicks_source","to":"x","df":{"a":[1]}})",
       422,  // Feast: 500
       feast("FeastError",
             "x is not a supported push format. Please specify one of these ['online', 'offline', "
             "'online_and_offline'].")},
      {"/push",
       R"({"push_source_name":"clicks_source","df":{"a":[1,2],"b":[1]}})",
       422,  // Feast: 500
       feast("FeastError", "All arrays must be of the same length")},
      {"/push",
       R"({"push_source_name":"topic","df":{"a":[1]}})",
       501,
       feast("FeastError", "rows go to the topic itself")},
      {"/push",
       R"({"df":{"a":[1]}})",
       422,
       R"({"detail":[{"type":"missing","loc":["body","push_source_name"],"msg":"Field required",)"
       R"("input":{"df":{"a":[1]}}}]})"},
      {"/write-to-online-store",
       R"({"feature_view_name":"nope","df":{"user_id":[1]}})",
       404,
       feast("FeastObjectNotFoundException", "Can't recognize feast object with a name nope")},
      {"/write-to-online-store",
       R"({"feature_view_name":"clicks","df":{"user_id":["u1"],"f0":[1.0]}})",
       501,
       feast("FeastError",
             "values of feature view clicks are computed from the rows of table events, online and "
             "offline alike, and are not written from outside; POST /push takes rows into a "
             "source")},
      {"/materialize",
       R"({"start_ts":"2025-12-01T00:00:00","end_ts":"2026-02-01T00:00:00","feature_views":["clicks"]})",
       200,
       "null"},
      {"/materialize?async=true",
       R"({"start_ts":"2025-12-01T00:00:00","end_ts":"2026-02-01T00:00:00","feature_views":["clicks"]})",
       202,
       R"({"status":"accepted","feature_views":["clicks"]})"},
      {"/materialize",
       R"({"start_ts":"2026-02-01T00:00:00","end_ts":"2025-02-01T00:00:00","feature_views":["clicks"]})",
       422,  // Feast: 500
       feast("FeastError",
             "start_ts (2026-02-01 00:00:00+00:00) must be before end_ts (2025-02-01 "
             "00:00:00+00:00)")},
      {"/materialize",
       R"({"start_ts":"2025-12-01T00:00:00","end_ts":"2026-02-01T00:00:00","feature_views":["nope"]})",
       404,
       feast("FeatureViewNotFoundException", "Feature view nope does not exist in project shop")},
      {"/materialize",
       R"({"feature_views":["clicks"]})",
       422,  // Feast: 500
       feast("FeastError",
             "start_ts and end_ts are required when disable_event_timestamp is False")},
      {"/materialize", R"({"disable_event_timestamp":true})", 200, "null"},
      {"/materialize-incremental", R"({"end_ts":"2026-11-01T00:00:00"})", 200, "null"},
      {"/materialize-incremental", R"({"end_ts":"soon"})", 422, ""},
      {"/materialize-incremental",
       "{}",
       422,
       R"({"detail":[{"type":"missing","loc":["body","end_ts"],"msg":"Field required","input":{}}]})"},
      {"/search",
       R"({"features":["clicks:f0"],"query":[1.0],"top_k":1})",
       501,  // Feast: 500
       feast("FeastError", "Online store assay does not support online retrieval")},
      {"/retrieve-online-documents", "{}", 501, ""},
      {"/v1/vector_stores/nope/search",
       "{}",
       404,
       R"({"error":{"message":"No vector store found with id 'nope'","type":"not_found_error"}})"},
  };
  for (const Case& one : cases) {
    const Response answer = post(one.target, one.request);
    EXPECT_EQ(answer.status, one.status) << one.target << one.request << answer.body;
    if (!one.body.empty() || one.status == 200) {
      EXPECT_EQ(answer.body, one.body) << one.target << one.request;
    }
  }
  EXPECT_EQ(line_.taken, "{\"a\":1,\"b\":\"x\"}\n");
  EXPECT_EQ(line_.asked, (std::vector<std::string>{"clicks", "routes", "spend"}));
}

TEST_F(FeastEndpoints, APushThatWouldFailTheLineIsRefused) {
  line_.verdict = Status(Code::kFailedPrecondition, "check amount failed");
  const std::string body = R"({"push_source_name":"clicks_source","df":{"a":[1,"x"]})";
  EXPECT_EQ(post("/push", body + R"(,"verdicts":true})").status, 422);
  EXPECT_EQ(line_.taken, "");
  line_.verdict = Status(Code::kUnavailable, "the catalog is away");
  EXPECT_EQ(post("/push", body + R"(,"verdicts":true})").status, 503);
  EXPECT_EQ(line_.taken, "");
  EXPECT_EQ(post("/push", body + "}").status, 200);
}

TEST_F(FeastEndpoints, APushOfColumnsThatNoTableHasIsRefused) {
  const Response answer =
      post("/push", R"({"push_source_name":"clicks_source","df":{"nope":[1],"nor":[2]}})");
  EXPECT_EQ(answer.status, 422);
  EXPECT_NE(answer.body.find("nope"), std::string::npos) << answer.body;
  EXPECT_EQ(line_.taken, "");
  EXPECT_EQ(
      post("/push", R"({"push_source_name":"clicks_source","df":{"nope":[1],"a":[2]}})").status,
      200)
      << "others are ignored";
}

TEST_F(FeastEndpoints, APushNamesFieldsAsTheRecordsDo) {
  EXPECT_EQ(post("/push", R"({"push_source_name":"clicks_source","df":{"renamed":[1]}})").status,
            422);
  EXPECT_EQ(line_.taken, "");
  EXPECT_EQ(post("/push", R"({"push_source_name":"clicks_source","df":{"Some Name":[1]}})").status,
            200);
  EXPECT_EQ(line_.taken, "{\"Some Name\":1}\n");
}

TEST_F(FeastEndpoints, APushForWhichTheDiskHasNoRoomIs507) {
  line_.failure = {Code::kResourceExhausted, "No space left on device: file x"};
  const Response answer = post("/push", R"({"push_source_name":"clicks_source","df":{"a":[1]}})");
  EXPECT_EQ(answer.status, 507);
  EXPECT_EQ(answer.body, feast("FeastError", "No space left on device: file x"));
}

TEST_F(FeastEndpoints, APushIsNamedByItsCallerAndKey) {
  const std::string body = R"({"push_source_name":"clicks_source","df":{"a":[1]}})";
  const auto push = [&](const std::string& key, const std::string& secret) {
    return features_
        .handle({"POST", "/push", {{"idempotency-key", key}, {"x-api-key", secret}}, body})
        .status;
  };
  EXPECT_EQ(post("/push", body).status, 200);
  EXPECT_EQ(push("k1", ""), 200);
  EXPECT_EQ(push("k1", ""), 200);
  EXPECT_EQ(push("k2", ""), 200);
  const auto caller = [](const std::string& name) {
    return R"({"name":")" + name + R"(","secret_sha256":")" + sha256_hex(name) +
           R"(","may":["source:*"]})";
  };
  features_.gate().protect(
      *Access::parse(R"({"callers":[)" + caller("a") + "," + caller("b") + "]}",
                     [](const std::string& path) -> Result<std::string> {
                       return Status(Code::kNotFound, path);
                     }));
  EXPECT_EQ(push("k1", "a"), 200);
  EXPECT_EQ(push("k1", "b"), 200);
  const std::vector<std::string>& keys = line_.keys;
  ASSERT_EQ(keys.size(), 6U);
  EXPECT_EQ(keys[0], "") << "without a key";
  EXPECT_EQ(keys[1], keys[2]);
  EXPECT_EQ(keys[1].size(), 64U);
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), 5U);
  EXPECT_EQ(push(std::string(256, 'k'), "a"), 422);
  line_.failure = Status(Code::kAlreadyExists, "other rows");
  EXPECT_EQ(push("k1", "a"), 422);
}

TEST_F(FeastEndpoints, APushMayNotBecomeMoreThanItWas) {
  const auto zeros = [](std::size_t rows) {
    std::string text(2 * rows - 1, '0');  // 0,0,0,...,0
    for (std::size_t i = 1; i < text.size(); i += 2) {
      text[i] = ',';
    }
    return text;
  };
  const auto push = [&](const std::string& name, const std::string& rows) {
    return post("/push",
                R"({"push_source_name":"clicks_source","df":{"a":[)" + rows + "],\"" + name +
                    "\":[" + rows + "]}}")
        .status;
  };
  EXPECT_EQ(push(std::string(70'000, 'n'), zeros(1000)), 413) << "70 MB of names";
  EXPECT_EQ(push("n", zeros(1'000'001)), 413);
  EXPECT_EQ(line_.taken, "");
  EXPECT_EQ(push(std::string(70'000, 'n'), zeros(2)), 200);
}

TEST_F(FeastEndpoints, APushMayAskWhatBecomesOfItsRows) {
  const Response answer =
      post("/push", R"({"push_source_name":"clicks_source","df":{"a":[1,"x",1]},"verdicts":true})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            R"({"accepted":1,"quarantined":1,"dropped":1,"rows":[{"verdict":"accepted"},)"
            R"({"verdict":"quarantined","table":"clicks","reason":"wrong_type","column":"a"},)"
            R"({"verdict":"dropped","table":"clicks"}]})");
  EXPECT_EQ(line_.taken, "{\"a\":1}\n{\"a\":\"x\"}\n{\"a\":1}\n");
  EXPECT_EQ(post("/push", R"({"push_source_name":"nope","df":{"a":[1]},"verdicts":true})").status,
            422);
  EXPECT_EQ(
      post("/push", R"({"push_source_name":"clicks_source","df":{"a":[1]},"verdicts":1})").status,
      422);
}

TEST_F(FeastEndpoints, PushedRowsKeepTheirDigits) {
  const Parsed<WriteBody> parsed = parse_write_body(
      R"({"t":"s","df":{"u":[18446744073709551615,9223372036854775808],"i":[9007199254740993,null],"d":[0.1,-0.0],"s":["Zo\u00eb \"q\"",""],)"
      R"("l":[[1, 2.5],{"k": null}],"b":[true,false]}})",
      "t");
  ASSERT_TRUE(parsed.errors.empty());
  EXPECT_EQ(to_json_lines(parsed.body.df),
            "{\"u\":18446744073709551615,\"i\":9007199254740993,\"d\":0.1,\"s\":\"Zoë "
            "\\\"q\\\"\",\"l\":[1,2.5],\"b\":true}\n"
            "{\"u\":9223372036854775808,\"i\":null,\"d\":-0.0,\"s\":\"\",\"l\":{\"k\":null},\"b\":"
            "false}\n");
}

TEST_F(FeastEndpoints, WhatIsNotOnlineYetIsSaid) {
  line_.late = {"spend"};
  const Response behind = post("/materialize-incremental", R"({"end_ts":"2026-11-01T00:00:00"})");
  EXPECT_EQ(behind.status, 503);
  EXPECT_NE(behind.body.find("spend"), std::string::npos) << behind.body;
  line_.failure = Status(Code::kCorrupt, "the folder is damaged");
  EXPECT_EQ(post("/push", R"({"push_source_name":"clicks_source","df":{"a":[1]}})").status, 500);
}

TEST_F(FeastEndpoints, AServerWithoutALineRefusesToWrite) {
  FeatureServer alone(fixture_.world, *fixture_.store, fixture_.state);
  EXPECT_EQ(alone.handle({"POST", "/push", {}, R"({"push_source_name":"s","df":{}})"}).status, 501);
  EXPECT_EQ(
      alone.handle({"POST", "/materialize-incremental", {}, R"({"end_ts":"2026-11-01"})"}).status,
      501);
}

TEST_F(FeastEndpoints, VerbsAreFeasts) {
  EXPECT_EQ(get("/v1/vector_stores").body, R"({"object":"list","data":[]})");
  EXPECT_EQ(get("/v1/vector_stores/nope").status, 404);
  for (const char* const path :
       {"/push", "/materialize", "/search", "/v1/vector_stores/x/search"}) {
    EXPECT_EQ(get(path).status, 405) << path;
  }
  EXPECT_EQ(post("/v1/vector_stores", "{}").status, 405);
  EXPECT_EQ(post("/api/v1/entities?project=shop", "{}").status, 405);
  EXPECT_EQ(get("/v1/vector_storesx").status, 404);
}

TEST_F(FeastEndpoints, EntitiesMayBeCalledByTheirNames) {
  const std::string body = post("/get-online-features",
                                R"({"entities":{"user":["u1"]},"features":["clicks@latest:f1"],)"
                                R"("include_feature_view_version_metadata":true})")
                               .body;
  EXPECT_EQ(
      body,
      R"({"results":[)"
      R"({"values":["u1"],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z"]},)"
      R"({"values":[2.0],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T23:30:00Z"]}],)"
      R"("metadata":{"feature_names":["user_id","f1"],)"
      R"("feature_view_metadata":[{"name":"clicks"}]}})");
  EXPECT_EQ(
      post("/get-online-features", R"({"entities":{"user":["u1"]},"features":["clicks@v2:f1"]})")
          .status,
      404);
}

TEST_F(FeastEndpoints, RegistryListsAndFinds) {
  const std::vector<Case> cases = {
      {"/api/v1/projects",
       "",
       200,
       R"({"projects":[{"spec":{"name":"shop"},"meta":{}}],)"
       R"("pagination":{"totalCount":1,"totalPages":1}})"},
      {"/api/v1/entities?project=shop&page=3&limit=1",
       "",
       200,
       R"({"entities":[{"spec":{"name":"user","valueType":"STRING","description":"Who clicks",)"
       R"("joinKey":"user_id","project":"shop"},"meta":{}}],)"
       R"("pagination":{"page":3,"limit":1,"totalCount":3,"totalPages":3,"hasPrevious":true}})"},
      {"/api/v1/feature_views/clicks?project=shop",
       "",
       200,
       R"({"type":"featureView","spec":{"name":"clicks","project":"shop","entities":["user"],)"
       R"("features":[{"name":"f0","valueType":"DOUBLE"},{"name":"f1","valueType":"DOUBLE"}],)"
       R"("tags":{"team":"growth"},"batchSource":{"type":"BATCH_FILE","timestampField":"known_time",)"
       R"("fileOptions":{"fileFormat":{"deltaFormat":{}},"uri":"/lake/gold/clicks"},)"
       R"("dataSourceClassType":"feast.infra.offline_stores.file_source.FileSource",)"
       R"("name":"clicks_steps","project":"shop"},"online":true,"description":"Clicks of a user",)"
       R"("owner":"ann@example.com","entityColumns":[{"name":"user_id","valueType":"STRING"}]},)"
       R"("meta":{}})"},
      {"/api/v1/features/spend/f0?project=shop",
       "",
       200,
       R"({"name":"f0","featureView":"spend","type":"DOUBLE","kind":"feature"})"},
      {"/api/v1/features?project=shop&feature_view=spend",
       "",
       200,
       R"({"features":[{"name":"f0","featureView":"spend","type":"DOUBLE","kind":"feature"}],)"
       R"("pagination":{"totalCount":1,"totalPages":1}})"},
      {"/api/v1/data_sources?project=shop",
       "",
       200,
       R"({"dataSources":[{"type":"BATCH_FILE","timestampField":"known_time","fileOptions":)"
       R"({"fileFormat":{"deltaFormat":{}},"uri":"/lake/gold/clicks"},"dataSourceClassType":)"
       R"("feast.infra.offline_stores.file_source.FileSource","name":"clicks_steps",)"
       R"("project":"shop"}],"pagination":{"totalCount":1,"totalPages":1}})"},
      {"/api/v1/entities?project=other", "", 200, R"({"entities":[],"pagination":{}})"},
      {"/api/v1/search?query=Click%53&limit=1",
       "",
       200,
       R"({"query":"ClickS","projects_searched":["shop"],"results":[{"type":"featureView",)"
       R"("name":"clicks","description":"Clicks of a user","project":"shop","matched_tags":{},)"
       R"("match_score":100}],"pagination":{"page":1,"limit":1,"totalCount":2,"totalPages":2,)"
       R"("hasNext":true},"errors":[]})"},
      {"/api/v1/search?query=growth",
       "",
       200,
       R"({"query":"growth","projects_searched":["shop"],"results":[{"type":"featureView",)"
       R"("name":"clicks","description":"Clicks of a user","project":"shop",)"
       R"("matched_tags":{"team":"growth"},"match_score":60}],)"
       R"("pagination":{"page":1,"limit":50,"totalCount":1,"totalPages":1},"errors":[]})"},
      {"/api/v1/feature_views/nope?project=shop",
       "",
       404,
       R"({"status_code":404,"detail":"Feature view nope does not exist in project shop",)"
       R"("error_type":"FeastObjectNotFoundException"})"},
      {"/api/v1/feature_views", "", 422, ""},
      {"/api/v1/entities?project=shop&limit=101", "", 422, ""},
      {"/api/v1/entities?project=shop&page=0", "", 422, ""},
      {"/api/v1/search", "", 422, ""},
      {"/api/v1/nope", "", 404, R"({"detail":"Not Found"})"},
      {"/api/v1", "", 404, R"({"detail":"Not Found"})"},
  };
  for (const Case& one : cases) {
    const Response answer = get(one.target);
    EXPECT_EQ(answer.status, one.status) << one.target << answer.body;
    if (!one.body.empty()) {
      EXPECT_EQ(answer.body, one.body) << one.target;
    }
  }
  EXPECT_NE(get("/api/v1/entities/all").body.find("__dummy"), std::string::npos);
  EXPECT_NE(get("/api/v1/feature_services/shop?project=shop").body.find("featureColumns"),
            std::string::npos);
}

TEST_F(FeastEndpoints, AnEntityOfSeveralKeysIsOneEntityAKey) {
  const std::string entities = get("/api/v1/entities?project=shop").body;
  EXPECT_NE(entities.find(R"("name":"item_id","valueType":"INT64")"), std::string::npos)
      << entities;
  EXPECT_NE(get("/api/v1/feature_views/routes?project=shop")
                .body.find(R"("entities":["user","item_id"])"),
            std::string::npos);
  EXPECT_NE(get("/api/v1/feature_views/basket?project=shop")
                .body.find(R"("tags":{"assay.computed":"on_demand"})"),
            std::string::npos);
}

TEST_F(FeastEndpoints, TheRegistryFileIsAMessageThatDoesNotChangeByItself) {
  const std::string file = feast_registry(*fixture_.state).file();
  EXPECT_EQ(file, feast_registry(*fixture_.state).file());
  std::map<int, int> fields;
  data::ProtoReader reader(file);
  while (true) {
    const auto field = reader.next();
    ASSERT_TRUE(field.ok());
    if (!field->has_value()) {
      break;
    }
    ++fields[(*field)->number];
  }
  EXPECT_EQ(fields, (std::map<int, int>{{1, 1}, {3, 1}, {4, 1}, {6, 4}, {7, 1}, {17, 1}}));
}

}  // namespace
}  // namespace assay::serve
