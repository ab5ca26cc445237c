// A number is explained as it was permitted, or not at all.

#include "cli/line_beside.h"

#include <gtest/gtest.h>

#include "base/unsynced_files.h"
#include "cli/definition_watch.h"
#include "flow/test_project.h"
#include "serve/serving_fixture.h"

namespace assay::cli {
namespace {

class Beside : public testing::Test {
 protected:
  Beside() {
    EXPECT_TRUE(project_.run().ok());
    arguments_.set("project", {project_.folder()});
  }
  /// The question as a server with today's definitions would hand it on.
  serve::ExplainQuestion question(const std::string& feature, const std::string& view) {
    const auto state = serving_state(*project_.open()).value();
    return {feature,
            {{"user_id", {serve::JsonValue(std::string("u1"))}}},
            *parse_time("2026-01-03T12:00:00Z"),
            state->services.at("v1"),
            view,
            state->definitions,
            std::size_t{16} << 20};
  }

  flow::TestProject project_;
  serve::ServingFixture serving_;
  UnsyncedWorld world_{LogLevel::kError};
  Arguments arguments_;
  Output output_{OutputFormat::kTable, false};
  Invocation invocation_{arguments_, world_.world(), output_};
  LineBeside line_{invocation_, *serving_.store, false};
};

TEST_F(Beside, WhatWasPermittedIsExplained) {
  const Result<std::string> json = line_.explain(question("v1:total_24h", "spend"));
  ASSERT_TRUE(json.ok()) << json.status().to_string();
  EXPECT_NE(json->find("\"agrees\":true"), std::string::npos) << *json;
}

TEST_F(Beside, NoMoreRowsAreReadThanAnAnswerHolds) {
  serve::ExplainQuestion small = question("v1:total_24h", "spend");
  small.bytes_max = 1000;
  EXPECT_EQ(line_.explain(small).code(), Code::kResourceExhausted);
}

TEST_F(Beside, RowsOfAViewThatWasNotAskedAboutAreNotShown) {
  EXPECT_EQ(line_.explain(question("v1:total_24h", "")).code(), Code::kFailedPrecondition);
  EXPECT_EQ(line_.explain(question("v1:total_24h", "other")).code(), Code::kFailedPrecondition);
}

TEST_F(Beside, ANameThatMeansSomethingElseByNowIsNotExplained) {
  const serve::ExplainQuestion before = question("v1:total_24h", "spend");
  project_.change("of: amount, over: [1h, 24h]", "of: amount * 2, over: [1h, 24h]");
  ASSERT_TRUE(project_.run().ok());
  EXPECT_EQ(line_.explain(before).code(), Code::kFailedPrecondition);
  EXPECT_TRUE(line_.explain(question("v1:total_24h", "spend")).ok());
  const serve::ExplainQuestion all = question("v1:total_24h", "spend");
  project_.change("v1: [spend]", "v1: [\"spend:n_1h\"]");
  ASSERT_TRUE(project_.run().ok());
  EXPECT_EQ(line_.explain(all).code(), Code::kFailedPrecondition);
}

TEST_F(Beside, ThePastOfAViewIsAnsweredFromTheRowsThatItWasMadeOf) {
  const std::vector<data::EntityKey> keys{
      *data::encode_key(std::vector<data::Scalar>{data::Scalar::string("u1")})};
  const EventTime at = *parse_time("2026-01-03T12:00:00Z");
  const gold::FeatureViewPtr before = serving_state(*project_.open()).value()->views.at("spend");
  const auto then = line_.past(*before, keys, at);
  ASSERT_TRUE(then.ok()) << then.status().to_string();
  project_.change("SELECT user_id, amount, ts", "SELECT user_id, amount * 2 AS amount, ts");
  ASSERT_TRUE(project_.run().ok());
  const gold::FeatureViewPtr now = serving_state(*project_.open()).value()->views.at("spend");
  ASSERT_EQ(now->fingerprint(), before->fingerprint()) << "the view's own text is the same";
  const auto other = line_.past(*now, keys, at);
  ASSERT_TRUE(other.ok()) << other.status().to_string();
  const auto again = line_.past(*before, keys, at);
  ASSERT_TRUE(again.ok()) << again.status().to_string();
  EXPECT_EQ(again->front().values, then->front().values);
  EXPECT_NE(again->front().values, other->front().values);

  // What the old table of steps was not made up to is not in it.
  project_.change("of: amount, over: [1h, 24h]", "of: amount * 3, over: [1h, 24h]");
  project_.write("data/day-7.csv", flow::TestProject::events_of_day(7));
  ASSERT_TRUE(project_.run().ok());
  EXPECT_TRUE(line_.past(*now, keys, at).ok());
  EXPECT_EQ(line_.past(*now, keys, *parse_time("2026-01-07T12:00:00Z")).code(),
            Code::kFailedPrecondition);
}

TEST_F(Beside, ThePastOfAViewThatNeverWasServedIsNotAnswered) {
  const std::vector<data::EntityKey> keys{
      *data::encode_key(std::vector<data::Scalar>{data::Scalar::string("u1")})};
  const gold::FeatureViewPtr others = (*serving_.state).views.at("spend");
  EXPECT_EQ(line_.past(*others, keys, *parse_time("2026-01-03T12:00:00Z")).code(),
            Code::kFailedPrecondition);
}

}  // namespace
}  // namespace assay::cli
