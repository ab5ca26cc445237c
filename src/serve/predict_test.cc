#include "serve/predict.h"

#include <gtest/gtest.h>

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
