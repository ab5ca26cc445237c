// Which version of a model answers, with which definitions, now and about an instant that is past.

#include "cli/model_versions.h"

#include <gtest/gtest.h>

#include "base/unsynced_files.h"
#include "cli/definition_watch.h"
#include "cli/line_beside.h"
#include "flow/model.h"
#include "flow/test_project.h"
#include "serve/feature_server.h"
#include "serve/http_head.h"

namespace assay::cli {
namespace {

constexpr char kModel[] = R"yaml(derived:
  share:
    inputs: [spend]
    features: {share: "total_1h / nullif(total_24h, 0)"}
services:
  v1: [spend, share, {view: spend, by: {user_id: "CASE WHEN n_24h > 70 THEN 'u1' ELSE 'u2' END"}, prefix: other_}]
models:
  big:
    service: v1
    labels: {from: clean, column: "amount > 500"}
    train: {trees: 8, depth: 3}
)yaml";

class ModelVersionsTest : public testing::Test {
 protected:
  ModelVersionsTest() {
    project_.change("services:\n  v1: [spend]\n", kModel);
    project_.change("{path: data, format: csv}", "{path: more, format: csv}");
    arguments_.set("project", {project_.folder()});
    take_day(1);
    take_day(2);
  }
  void take_day(int day) {
    project_.write("more/" + std::to_string(day) + ".csv", flow::TestProject::events_of_day(day));
    run();
  }
  void run() {
    const auto done = project_.run();
    ASSERT_TRUE(done.ok()) << done.status().to_string();
  }
  int64_t train() {
    const auto report = flow::train_model(*project_.open(), "big", {});
    EXPECT_TRUE(report.ok()) << report.status().to_string();
    return report.ok() ? report->version : 0;
  }
  int64_t add_damaged() {
    const auto workspace = project_.open();
    const std::string card = workspace->catalog().model("big")->card_json;
    return *workspace->catalog().add_model(
        "big", card, "{\"learner\":", workspace->definitions(), workspace->serving_instant());
  }
  void promote(int64_t version) {
    const auto workspace = project_.open();
    const std::optional<EventTime> now = workspace->serving_instant();
    ASSERT_TRUE(now.has_value());
    ASSERT_TRUE(workspace->catalog().promote_model("big", version, now).ok());
  }
  ServedModel served() {
    const auto workspace = project_.open_as(flow::Definitions::kServed);
    Result<ServedModel> found = ModelVersions(*workspace).served("big");
    EXPECT_TRUE(found.ok()) << found.status().to_string();
    return found.ok() ? *std::move(found) : ServedModel();
  }
  /// What a server that begins now answers.
  serve::Response ask(const std::string& at = "") {
    const auto workspace = project_.open_as(flow::Definitions::kServed);
    const auto state = serving_state(*workspace);
    EXPECT_TRUE(state.ok()) << state.status().to_string();
    online::OnlineStore* store = *workspace->online(true);
    LineBeside line(invocation_, *store, false);
    serve::FeatureServer server(world_.world(), *store, *state, nullptr, &line);
    return server.handle(
        {"POST",
         "/predict",
         {},
         R"({"with_features":true,"entities":{"user_id":["u0","u1","u2","u3","u4","nobody"]})" +
             (at.empty() ? "" : ",\"at\":\"" + at + "\"") + "}"});
  }
  static std::string instant_of(const serve::Response& answer) {
    std::string instant;
    serve::for_each_mark(answer.marks, [&instant](std::string_view name, std::string_view value) {
      instant = name == "x-assay-as-of" ? value : instant;
    });
    return instant;
  }

  flow::TestProject project_;
  UnsyncedWorld world_{LogLevel::kError};
  Arguments arguments_;
  Output output_{OutputFormat::kTable, false};
  Invocation invocation_{arguments_, world_.world(), output_};
};

TEST_F(ModelVersionsTest, ADamagedPromotionLeavesTheOneBeforeInItsPlace) {
  promote(train());
  const serve::Response good = ask();
  ASSERT_EQ(good.status, 200) << good.body;
  const int64_t damaged = add_damaged();
  EXPECT_EQ(served().wanted, 1) << "it is not promoted";
  promote(damaged);
  const ServedModel kept = served();
  EXPECT_EQ(kept.wanted, damaged);
  EXPECT_EQ(kept.why_not.code(), Code::kCorrupt) << kept.why_not.to_string();
  ASSERT_TRUE(kept.model.has_value());
  EXPECT_EQ(kept.model->version, "1");
  EXPECT_EQ(kept.model->instead_of, std::to_string(damaged));
  EXPECT_EQ(ask().body, good.body);
  promote(add_damaged());
  EXPECT_EQ(ask().body, good.body) << "the second in a row";
  promote(train());
  EXPECT_EQ(served().model->version, "4");
  EXPECT_EQ(served().model->instead_of, "");
}

TEST_F(ModelVersionsTest, WhereNoVersionCanBeServedNoneIs) {
  train();
  promote(add_damaged());
  EXPECT_EQ(served().model->version, "1") << "it was served until then, as the newest";
  project_.change("total: {agg: sum, of: amount", "total: {agg: sum, of: amount * 2");
  run();
  EXPECT_EQ(served().model->version, "1") << "with the definitions before";
  project_.change("total: {agg: sum, of: amount * 2", "total: {agg: sum, of: amount * 3");
  run();
  EXPECT_FALSE(served().model.has_value()) << "its rows are gone";
  EXPECT_EQ(ask().status, 503);
}

TEST_F(ModelVersionsTest, APromotionOfDefinitionsLongGoneLeavesTheOneBeforeInItsPlace) {
  promote(train());
  project_.change("total: {agg: sum, of: amount", "total: {agg: sum, of: amount * 2");
  run();
  project_.change("total: {agg: sum, of: amount * 2", "total: {agg: sum, of: amount * 3");
  run();
  promote(train());
  const serve::Response good = ask();
  ASSERT_EQ(good.status, 200) << good.body;
  promote(1);
  EXPECT_EQ(served().why_not.code(), Code::kFailedPrecondition);
  EXPECT_EQ(ask().body, good.body);
}

TEST_F(ModelVersionsTest, WhatChangesNoRowLeavesAModelItsDefinitions) {
  promote(train());
  const serve::Response before = ask();
  ASSERT_EQ(before.status, 200) << before.body;
  const auto rows_of = [this] { return *project_.open()->catalog().complete_views(2); };
  const std::set<std::string> rows = rows_of();
  for (const auto& [from, to] : {std::pair{"total_1h / nullif", "2 * total_1h / nullif"},
                                 std::pair{"THEN 'u1' ELSE 'u2'", "THEN 'u3' ELSE 'u4'"},
                                 std::pair{"2 * total_1h", "3 * total_1h"}}) {
    project_.change(from, to);
    run();
    ASSERT_EQ(rows_of(), rows);
    EXPECT_EQ(ask().body, before.body) << to;
    EXPECT_TRUE(served().model->is_pinned);
    EXPECT_FALSE(served().model->is_of_before);
    EXPECT_NE(served().model->service->lookups, (*project_.open()->service("v1"))->lookups)
        << "answers of both would be in one table of the log";
  }
  const auto features_of = [](const serve::Response& answer) {
    return answer.body.substr(answer.body.find("\"features\""));
  };
  take_day(3);
  const serve::Response later = ask();
  EXPECT_NE(features_of(later), features_of(before)) << "its features move on";
  const int64_t second = train();
  promote(second);
  EXPECT_FALSE(served().model->is_pinned);
  EXPECT_NE(features_of(ask()), features_of(later)) << "they are others by now";
  promote(1);
  EXPECT_EQ(ask().body, later.body);
}

TEST_F(ModelVersionsTest, LookupsThatAreGoneAreNotWhatAModelKnows) {
  promote(train());
  const serve::Response before = ask();
  project_.change(
      "{view: spend, by: {user_id: \"CASE WHEN n_24h > 70 THEN 'u1' ELSE 'u2' END\"}, "
      "prefix: other_}",
      "{view: spend, prefix: other_}");
  run();
  EXPECT_EQ(ask().body, before.body);
  EXPECT_TRUE(served().model->is_pinned) << "features of these names are another entity's";
}

TEST_F(ModelVersionsTest, AnInstantIsAnsweredByTheVersionOfThen) {
  promote(train());
  std::vector<std::string> versions;
  std::vector<serve::Response> answers;
  const auto note = [&] {
    answers.push_back(ask());
    ASSERT_EQ(answers.back().status, 200) << answers.back().body;
    versions.push_back(served().model->version);
  };
  note();
  take_day(3);
  note();
  take_day(4);
  promote(train());
  note();
  take_day(5);
  promote(add_damaged());
  note();  // by the second one, in its place
  project_.change("total_1h / nullif", "2 * total_1h / nullif");
  take_day(6);
  note();
  take_day(7);
  promote(train());
  take_day(8);
  project_.change("total: {agg: sum, of: amount", "total: {agg: sum, of: amount * 2");
  run();
  promote(train());
  project_.write("more/9.csv", "user_id,amount,ts\nu1,3.5,2026-01-09T10:00:00Z\n");
  run();
  note();
  EXPECT_EQ(versions, (std::vector<std::string>{"1", "1", "2", "2", "2", "5"}));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const serve::Response again = ask(instant_of(answers[i]));
    EXPECT_EQ(again.status, 200) << i << ": " << again.body;
    EXPECT_EQ(again.body, answers[i].body) << i;
  }
  const serve::Response none = ask("2026-01-01T12:00:00Z");
  EXPECT_EQ(none.status, 422) << none.body;
  EXPECT_NE(none.body.find("version 1 since"), std::string::npos) << none.body;
}

TEST_F(ModelVersionsTest, AnInstantOfWhichNothingIsKnownIsNotGuessed) {
  const int64_t first = train();
  promote(first);
  {
    const auto workspace = project_.open();
    const int64_t second = train();
    ASSERT_TRUE(workspace->catalog().promote_model("big", second).ok()) << "the store was away";
  }
  const std::string now = instant_of(ask());
  EXPECT_EQ(ask(now).status, 422);
  promote(2);
  EXPECT_EQ(ask(now).status, 200);
}

TEST_F(ModelVersionsTest, TheStateIsReplacedOnceForEachChange) {
  const auto workspace = project_.open_as(flow::Definitions::kServed);
  DefinitionWatch watch(invocation_, *workspace, workspace->served_version());
  ASSERT_TRUE(watch.state(*workspace).ok());
  std::vector<std::string> taken;
  const auto look = [&] {
    watch.look([&](const std::shared_ptr<const serve::ServingState>& state) {
      const auto model = state->models.find("big");
      taken.push_back(model == state->models.end() ? "none" : model->second.version);
    });
  };
  look();
  EXPECT_TRUE(taken.empty());
  train();
  look();
  look();
  EXPECT_EQ(taken, std::vector<std::string>{"1"});
  train();
  promote(1);
  look();
  EXPECT_EQ(taken, (std::vector<std::string>{"1", "1"})) << "it is in production now";
  promote(2);
  look();
  promote(add_damaged());
  look();
  look();
  EXPECT_EQ(taken, (std::vector<std::string>{"1", "1", "2", "2"}));
  promote(1);
  look();
  EXPECT_EQ(taken.back(), "1");
}

TEST_F(ModelVersionsTest, WhatFailedIsTriedAgainUntilItSucceeds) {
  train();
  const auto workspace = project_.open_as(flow::Definitions::kServed);
  DefinitionWatch watch(invocation_, *workspace, workspace->served_version());
  ASSERT_TRUE(watch.state(*workspace).ok());
  int taken = 0;
  const auto look = [&] {
    watch.look([&](const std::shared_ptr<const serve::ServingState>&) { ++taken; });
  };
  train();
  promote(2);
  const std::string path = join_path(project_.folder(), "project.yaml");
  const std::string text = *world_.world().files.read(path);
  project_.write("project.yaml", text + "\n]");
  for (int i = 0; i < 3; ++i) {
    look();
  }
  EXPECT_EQ(taken, 0);
  EXPECT_EQ(world_.world().metrics.counter("assay_serve_failed_looks_total", "").value(), 3);
  project_.write("project.yaml", text);
  look();
  look();
  EXPECT_EQ(taken, 1);
}

}  // namespace
}  // namespace assay::cli
