#include "serve/predict.h"

#include <map>
#include <optional>
#include <tuple>

#include <gtest/gtest.h>

#include "serve/feature_response.h"
#include "serve/served_log.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

using data::Scalar;

RequestRows ask(const std::vector<std::string>& users) {
  RequestRows rows;
  rows.rows = static_cast<int64_t>(users.size());
  rows.columns = {{"user_id", {}}, {"amount", {}}};
  for (const std::string& user : users) {
    rows.columns[0].values.push_back(Scalar::string(user));
    rows.columns[1].values.push_back(Scalar::float64(10));
  }
  return rows;
}

TEST(Predict, InputsStandInTheOrderOfTheModelAndNullIsMissing) {
  ServingFixture fixture;
  const auto predictions = predict(fixture.state->models.at("buy"),
                                   *fixture.store,
                                   ask({"u1", "u2", "nobody"}),
                                   EventTime{ServingFixture::kNow});
  ASSERT_TRUE(predictions.ok()) << predictions.status().to_string();
  EXPECT_EQ(predictions->rows[0].score, 2.0F + 1.5F + 20.0F);
  EXPECT_EQ(predictions->rows[0].status, data::FeatureStatus::kPresent);
  EXPECT_EQ(predictions->rows[1].score, 0.0F + 100.0F + 20.0F) << "u2 has a null f0";
  EXPECT_EQ(predictions->rows[1].status, data::FeatureStatus::kPresent) << "null is an answer";
  EXPECT_EQ(predictions->rows[2].score, 100.0F + 100.0F + 20.0F);
  EXPECT_EQ(predictions->rows[2].status, data::FeatureStatus::kNotFound);
}

/// The fixture's model with two others beside it, whose scores are 1000 and 2000 larger.
ServingModel challenged(const ServingFixture& fixture, double first, double second, bool shadow) {
  ServingModel model = fixture.state->models.at("buy");
  for (const auto& [name, more, share] :
       {std::tuple{"a", 1000.0F, first}, std::tuple{"b", 2000.0F, second}}) {
    ServingModel other = model;
    other.challengers.clear();
    other.name = name;
    other.version = "7";
    other.scorer = std::make_shared<SumScorer>(3, more);
    model.challengers.push_back(
        {std::make_shared<const ServingModel>(std::move(other)), share, shadow});
  }
  return model;
}

std::vector<std::string> many_users() {
  std::vector<std::string> users;
  for (int user = 0; user < 1000; ++user) {
    users.push_back("v" + std::to_string(user));
  }
  return users;
}

TEST(Predict, ChallengersAnswerForTheirShareOfTheEntitiesAlwaysTheSameOnes) {
  ServingFixture fixture;
  const EventTime now{ServingFixture::kNow};
  const auto alone =
      predict(challenged(fixture, 0, 0, false), *fixture.store, ask(many_users()), now);
  const auto some =
      predict(challenged(fixture, 0.2, 0.3, false), *fixture.store, ask(many_users()), now);
  const auto more =
      predict(challenged(fixture, 0.2, 0.4, false), *fixture.store, ask(many_users()), now);
  ASSERT_TRUE(alone.ok() && some.ok() && more.ok());
  EXPECT_TRUE(some->shadows.empty());
  std::map<std::string, int> counts;
  for (std::size_t row = 0; row < some->rows.size(); ++row) {
    const auto& by = some->rows[row].by;
    ++counts[by == nullptr ? "" : by->name];
    EXPECT_EQ(alone->rows[row].by, nullptr);
    EXPECT_EQ(some->rows[row].score,
              alone->rows[row].score + (by == nullptr     ? 0
                                        : by->name == "a" ? 1000
                                                          : 2000));
    if (by != nullptr) {
      EXPECT_EQ(more->rows[row].by->name, by->name) << "a larger share takes from the model alone";
    }
    const auto again = predict(challenged(fixture, 0.2, 0.3, false),
                               *fixture.store,
                               ask({"v" + std::to_string(row)}),
                               now);
    EXPECT_EQ(again->rows[0].score, some->rows[row].score) << "in whatever request it stands";
  }
  EXPECT_NEAR(counts["a"], 200, 50);
  EXPECT_NEAR(counts["b"], 300, 60);
}

TEST(Predict, ShadowsAreScoredWhereTheyDoNotAnswer) {
  ServingFixture fixture;
  const EventTime now{ServingFixture::kNow};
  const auto found =
      predict(challenged(fixture, 0.5, 0, true), *fixture.store, ask(many_users()), now);
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->shadows.size(), 2);
  for (std::size_t row = 0; row < found->rows.size(); ++row) {
    const bool by_a = found->rows[row].by != nullptr;
    const float model = found->rows[row].score - (by_a ? 1000 : 0);
    EXPECT_EQ(found->shadows[0].scores[row],
              by_a ? std::nullopt : std::optional<float>(model + 1000));
    EXPECT_EQ(found->shadows[1].scores[row], std::optional<float>(model + 2000));
  }
}

TEST(Predict, AChallengerThatIsNotThereYetTakesNothingFromTheOthers) {
  ServingFixture fixture;
  const EventTime now{ServingFixture::kNow};
  ServingModel model = challenged(fixture, 0.2, 0.3, true);
  const auto both = predict(model, *fixture.store, ask(many_users()), now);
  model.challengers[0].model = nullptr;
  const auto one = predict(model, *fixture.store, ask(many_users()), now);
  ASSERT_TRUE(both.ok() && one.ok());
  for (std::size_t row = 0; row < both->rows.size(); ++row) {
    const auto& by = both->rows[row].by;
    const bool by_b = by != nullptr && by->name == "b";
    EXPECT_EQ(one->rows[row].by != nullptr, by_b);
  }
  EXPECT_EQ(one->shadows.size(), 1);
  const auto quiet =
      predict(model, ViewReads::of(*fixture.store, now), ask(many_users()), now, false);
  EXPECT_TRUE(quiet->shadows.empty()) << "nobody keeps them";
}

TEST(Predict, WhoAnsweredIsSaidWhereItIsAChallenger) {
  ServingFixture fixture;
  const ServingModel model = challenged(fixture, 1, 0, true);
  const auto found = predict(model, *fixture.store, ask({"u1"}), EventTime{ServingFixture::kNow});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(render_predictions(model, *found, false),
            R"({"predictions":[{"score":1023.5,"status":"PRESENT","model":"a","version":"7"}],)"
            R"("model":"buy","version":"3"})");
}

TEST(Predict, TheLogHasWhatWasAnsweredAndWhatWasNot) {
  ServingFixture fixture;
  const ServingModel model = challenged(fixture, 1, 0, true);
  const RequestRows rows = ask({"u1"});
  const auto found = predict(model, *fixture.store, rows, EventTime{ServingFixture::kNow});
  ASSERT_TRUE(found.ok());
  ServedLog log(fixture.world.metrics, {.share = 1});
  log.add(model, rows, *found);
  const auto batches = log.take();
  ASSERT_TRUE(batches.ok());
  ASSERT_EQ(batches->size(), 1);
  const data::Batch& logged = batches->front().rows;
  ASSERT_EQ(logged.rows(), 2);
  EXPECT_EQ(logged.find("model")->text(0), "a");
  EXPECT_EQ(logged.find("score")->scalar(0), (data::Scalar{data::Type::kFloat32, 1023.5}));
  EXPECT_EQ(logged.find("model")->text(1), "shadow:b");
  EXPECT_EQ(logged.find("model_version")->text(1), "7");
  EXPECT_EQ(logged.find("score")->scalar(1), (data::Scalar{data::Type::kFloat32, 2023.5}));
}

TEST(Predict, AModelWhoseFeaturesAreGoneIsRefused) {
  ServingFixture fixture;
  const auto service = fixture.state->services.at("shop");
  const auto scorer = std::make_shared<SumScorer>(2);
  EXPECT_EQ(ServingModel::make("m", "1", service, scorer, {"f0"}).code(),
            Code::kFailedPrecondition);
  EXPECT_EQ(ServingModel::make("m", "1", service, scorer, {"f0", "gone"}).code(),
            Code::kFailedPrecondition);
  const auto model = ServingModel::make("m", "1", service, scorer, {"clicks__f1", "f0"});
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->inputs, (std::vector<int>{1, 0}));
}

}  // namespace
}  // namespace assay::serve
