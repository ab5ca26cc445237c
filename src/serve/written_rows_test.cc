#include "serve/written_rows.h"

#include <gtest/gtest.h>

#include "serve/fake_line.h"
#include "serve/feast_writes.h"
#include "serve/feature_server.h"
#include "serve/serving_fixture.h"
#include "serve/signature.h"

namespace assay::serve {
namespace {

using catalog::FeatureDef;

catalog::ColumnDef column(const std::string& name,
                          const data::Type& type,
                          data::TimeUnit unit = data::TimeUnit::kText) {
  catalog::ColumnDef made;
  made.name = name;
  made.type = type;
  made.unit = unit;
  return made;
}

FeatureDef latest(const std::string& name, const std::string& of = "") {
  FeatureDef made;
  made.name = name;
  made.column = of;
  return made;
}

/// A source whose rows have a user, an amount, a time that they were seen and one of the event.
catalog::Project project() {
  catalog::Project made;
  made.sources["clicks_source"].name = "clicks_source";
  catalog::BronzeDef& events = made.bronze["events"];
  events.name = "events";
  events.source = "clicks_source";
  events.event_time = "ts";
  events.columns = {column("user_id", data::Type::kString),
                    column("amount", data::Type::kFloat64),
                    column("seen", data::Type::kTimestamp),
                    column("ts", data::Type::kTimestamp, data::TimeUnit::kMillis)};
  catalog::SilverDef& clean = made.silver["clean"];
  clean.name = "clean";
  clean.from = "events";
  clean.sql = "select user_id, amount AS spent,\n  seen, ts AS event_time FROM events";
  catalog::EntityDef& user = made.entities["user"];
  user.name = "user";
  user.keys = {{"user_id", data::Type::kString}};
  catalog::FeatureViewDef& clicks = made.views["clicks"];
  clicks.name = "clicks";
  clicks.entity = "user";
  clicks.from = "clean";
  clicks.features = {latest("f0", "spent"), latest("seen")};
  return made;
}

WriteBody frame(const std::string& df) {
  const Parsed<WriteBody> parsed = parse_write_body(
      R"({"feature_view_name":"clicks","allow_registry_cache":false,"df":)" + df + "}",
      "feature_view_name");
  EXPECT_TRUE(parsed.errors.empty()) << df;
  return parsed.body;
}

/// The lines that are pushed; or why none are.
std::string lines_of(const std::string& df, const catalog::Project& of = project()) {
  const Result<WrittenView> view = find_written_view(of, "clicks");
  EXPECT_TRUE(view.ok()) << view.status().to_string();
  const Result<WriteBody> rows = rows_of_source(*view, frame(df));
  if (!rows.ok()) {
    EXPECT_EQ(rows.code(), Code::kInvalidArgument);
    return rows.status().message();
  }
  EXPECT_EQ(rows->target, "clicks_source");
  return to_json_lines(rows->df);
}

TEST(WrittenRows, WhatFeastsClientSendsIsARowOfTheSource) {
  EXPECT_EQ(lines_of(R"({"user_id":["u1","u2"],"f0":[1.5,null],"seen":[1767225600,null],)"
                     R"("event_timestamp":["2026-01-02T00:00:00","2026-01-02T00:00:00.0015"],)"
                     R"("created":[null,null]})"),
            R"({"user_id":"u1","amount":1.5,"seen":"2026-01-01T00:00:00Z","ts":1767312000000})"
            "\n"
            R"({"user_id":"u2","amount":null,"seen":null,"ts":1767312000001.5})"
            "\n");
}

TEST(WrittenRows, ARowMayHaveTheNamesOfItsTable) {
  EXPECT_EQ(lines_of(R"({"user_id":["u1"],"amount":[1],"seen":["2026-01-01T01:00:00+01:00"],)"
                     R"("ts":[1],"more":["x"]})"),
            R"({"user_id":"u1","amount":1,"seen":"2026-01-01T00:00:00Z","ts":1000,"more":"x"})"
            "\n");
}

TEST(WrittenRows, CreatedIsTheKnownTimeOfATableThatHasOne) {
  catalog::Project with_known = project();
  catalog::BronzeDef& events = with_known.bronze["events"];
  events.columns.push_back(column("made", data::Type::kTimestamp, data::TimeUnit::kSeconds));
  events.known_time = {catalog::KnownTimeDef::Kind::kColumn, "made", {}};
  EXPECT_EQ(lines_of(R"({"user_id":["u1"],"f0":[1],"seen":[null],"event_timestamp":["1970-01-01"],)"
                     R"("created":["1970-01-01T00:00:02"]})",
                     with_known),
            R"({"user_id":"u1","amount":1,"seen":null,"ts":0,"made":2})"
            "\n");
}

TEST(WrittenRows, ARowThatIsNotWholeIsNoRow) {
  EXPECT_NE(lines_of(R"({"user_id":["u1"],"f0":[1],"event_timestamp":["2026-01-02"]})")
                .find("`seen` is missing"),
            std::string::npos);
  EXPECT_NE(lines_of(R"({"user_id":["u1"],"f0":[1],"seen":[1]})").find("`ts` is missing"),
            std::string::npos);
  EXPECT_NE(
      lines_of(R"({"user_id":["u1"],"f0":[1],"amount":[2],"seen":[1],"ts":[1]})").find("twice"),
      std::string::npos);
  for (const char* const time : {R"("yesterday")", "true", "[1]", "1e300", "9223372036854775807"}) {
    EXPECT_NE(lines_of(R"({"user_id":["u1"],"f0":[1],"seen":[null],"event_timestamp":[)" +
                       std::string(time) + "]}")
                  .find("event_timestamp"),
              std::string::npos)
        << time;
  }
}

TEST(WrittenRows, ViewsWhoseRowsAreNotThoseOfASourceAreComputed) {
  const auto why = [](const std::function<void(catalog::Project&)>& change) {
    catalog::Project changed = project();
    change(changed);
    const Result<WrittenView> view = find_written_view(changed, "clicks");
    EXPECT_EQ(view.code(), Code::kUnimplemented);
    return view.status().message();
  };
  EXPECT_NE(why([](auto& p) {
              p.views["clicks"].features[0].kind = FeatureDef::Kind::kWindow;
            }).find("table clean"),
            std::string::npos);
  EXPECT_NE(why([](auto& p) { p.views["clicks"].features[1].where = "amount > 0"; }), "");
  EXPECT_NE(why([](auto& p) { p.views["clicks"].features.push_back(latest("again", "seen")); }),
            "");
  EXPECT_NE(why([](auto& p) { p.views.clear(); }), "");
  EXPECT_NE(why([](auto& p) { p.bronze["events"].event_time = "to_timestamp(x)"; }), "");
  EXPECT_NE(why([](auto& p) { p.bronze["events"].of_changes = true; }), "");
  EXPECT_NE(
      why([](auto& p) { p.bronze["again"].source = "clicks_source"; }).find("source clicks_source"),
      std::string::npos);
  EXPECT_NE(why([](auto& p) { p.silver["clean"].enrich.emplace_back(); }), "");
  EXPECT_NE(why([](auto& p) {
              p.bronze["events"].columns[2].type = data::Type::list(data::Type::kTimestamp);
            }),
            "");
  for (const char* const sql :
       {"SELECT user_id, amount * 2 AS spent, seen, ts AS event_time FROM events",
        "SELECT user_id, amount AS spent, seen, ts AS event_time FROM events WHERE amount > 0",
        "SELECT DISTINCT user_id, amount AS spent, seen, ts AS event_time FROM events",
        "SELECT user_id, amount AS spent, seen, seen AS event_time FROM events",
        "SELECT user_id, 1 AS spent, seen, ts AS event_time FROM events",
        "SELECT * FROM events",
        "SELECT user_id, amount spent, seen, ts AS event_time FROM events",
        "SELECT user_id, amount AS spent, seen, ts AS event_time FROM another",
        ""}) {
    EXPECT_NE(why([&](auto& p) { p.silver["clean"].sql = sql; }), "") << sql;
  }
  EXPECT_TRUE(find_written_view(project(), "clicks").ok());
}

/// A server whose view `clicks` is that one.
class WrittenRowsServed : public testing::Test {
 protected:
  void SetUp() override {
    ServingState state = fixture_.make_state();
    state.definitions = std::make_shared<const catalog::Project>(project());
    features_.replace(std::make_shared<const ServingState>(std::move(state)));
  }
  Response write(const std::string& df, Headers headers = {}) {
    return features_.handle({"POST",
                             "/write-to-online-store",
                             std::move(headers),
                             R"({"feature_view_name":"clicks","df":)" + df + "}"});
  }

  ServingFixture fixture_;
  FakeLine line_;
  FeatureServer features_{fixture_.world, *fixture_.store, fixture_.state, nullptr, &line_};
  const std::string row_ =
      R"({"user_id":["u1"],"f0":[1.0],"seen":[0],"event_timestamp":["1970-01-01"]})";
};

TEST_F(WrittenRowsServed, ARowGoesIntoTheSourceAsAPushDoes) {
  Response answer = write(row_, {{"idempotency-key", "k"}});
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.body, "null");
  EXPECT_EQ(line_.taken,
            "{\"user_id\":\"u1\",\"amount\":1.0,\"seen\":\"1970-01-01T00:00:00Z\",\"ts\":0}\n");
  ASSERT_EQ(line_.keys.size(), 1U);
  EXPECT_EQ(line_.keys[0].size(), 64U);
  answer =
      write(R"({"user_id":["u1","u2"],"f0":[1.0],"seen":[0],"event_timestamp":["1970-01-01"]})");
  EXPECT_EQ(answer.status, 422) << answer.body;
  EXPECT_NE(answer.body.find("same length"), std::string::npos) << answer.body;
  answer = write(R"({"user_id":["u1"]})");
  EXPECT_EQ(answer.status, 422) << answer.body;
  EXPECT_EQ(line_.keys.size(), 1U) << "nothing of these was taken";
  line_.failure = Status(Code::kResourceExhausted, "disk full");
  EXPECT_EQ(write(row_).status, 507);
}

TEST_F(WrittenRowsServed, ItTakesTheSourcesPermission) {
  const auto status = [&](const std::string& may) {
    features_.gate().protect(*Access::parse(R"({"callers":[{"name":"a","secret_sha256":")" +
                                                sha256_hex("s") + R"(","may":[)" + may + "]}]}",
                                            [](const std::string&) -> Result<std::string> {
                                              return Status(Code::kNotFound, "no keys");
                                            }));
    const Response answer = write(row_, {{"x-api-key", "s"}});
    EXPECT_EQ(answer.status == 403 ? answer.body.find("clicks_source") : std::string::npos,
              may.find("registry") == std::string::npos ? std::string::npos
                                                        : answer.body.find("clicks_source"))
        << "who may not see names is told none";
    return answer.status;
  };
  EXPECT_EQ(status(R"("view:clicks")"), 403);
  EXPECT_EQ(status(R"("view:clicks","registry")"), 403);
  EXPECT_EQ(status(R"("source:clicks_source")"), 403);
  EXPECT_EQ(line_.taken, "");
  EXPECT_EQ(status(R"("view:clicks","source:clicks_source")"), 200);
  EXPECT_NE(line_.taken, "");
}

}  // namespace
}  // namespace assay::serve
