#include "learn/trainer.h"

#include <random>

#include <gtest/gtest.h>

#include "learn/metrics.h"
#include "learn/scorer.h"

namespace assay::learn {
namespace {

using data::Batch;
using data::Type;

/// Rows whose label depends on `signal` and `flag`; a tenth of the values is null.
Batch random_rows(unsigned seed, int count) {
  std::mt19937 random(seed);
  data::BatchBuilder builder(data::make_schema({{"signal", Type::kFloat64, true},
                                                {"flag", Type::kBool, true},
                                                {"count", Type::kInt64, true},
                                                {"name", Type::kString, true},
                                                {"label", Type::kBool, true},
                                                {"amount", Type::kFloat64, true}}));
  for (int i = 0; i < count; ++i) {
    const double signal = static_cast<double>(random() % 1000) / 1000;
    const bool flag = random() % 2 == 0;
    if (random() % 10 == 0) {
      builder.column(0).append_null();
    } else {
      builder.column(0).append(signal);
    }
    builder.column(1).append<uint8_t>(flag);
    builder.column(2).append(static_cast<int64_t>(random() % 7));
    builder.column(3).append_text("n" + std::to_string(i));
    const double noisy = signal + (flag ? 0.3 : 0) + static_cast<double>(random() % 100) / 500;
    builder.column(4).append<uint8_t>(noisy > 0.7);
    builder.column(5).append(noisy * 10);
  }
  return builder.finish();
}

const std::vector<std::string> kFeatures = {"signal", "name", "flag", "count"};

TEST(Trainer, LearnsAndLeavesTextOut) {
  const auto model = train(random_rows(1, 3000),
                           kFeatures,
                           "label",
                           TrainObjective::kBinary,
                           {.trees = 30, .threads = 1});
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  EXPECT_EQ(model->features, (std::vector<std::string>{"signal", "flag", "count"}));
  EXPECT_EQ(model->left_out, std::vector<std::string>{"name"});
  const auto scorer = Scorer::load(model->json);
  ASSERT_TRUE(scorer.ok()) << scorer.status().to_string();

  const Batch fresh = random_rows(2, 1000);
  const auto values = feature_matrix(fresh, model->features);
  const auto labels = label_values(fresh, "label");
  ASSERT_TRUE(values.ok() && labels.ok());
  std::vector<float> scores;
  for (std::size_t row = 0; row < labels->size(); ++row) {
    scores.push_back((*scorer)->score(std::span(values->data() + row * 3, 3)));
  }
  const auto metrics = binary_metrics(scores, *labels);
  ASSERT_TRUE(metrics.ok());
  EXPECT_GT(*metrics->auc, 0.9);
  EXPECT_LT(metrics->brier, metrics->base_rate * (1 - metrics->base_rate));
}

TEST(Trainer, LearnsNumbers) {
  const auto model = train(random_rows(3, 3000),
                           kFeatures,
                           "amount",
                           TrainObjective::kNumeric,
                           {.trees = 60, .threads = 1});
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  const auto scorer = Scorer::load(model->json);
  ASSERT_TRUE(scorer.ok());
  const float low[] = {0.1F, 0.0F, 3.0F};
  const float high[] = {0.9F, 1.0F, 3.0F};
  EXPECT_LT((*scorer)->score(low) + 5, (*scorer)->score(high));
}

TEST(Trainer, SameInputGivesTheSameBytes) {
  const TrainParameters parameters{
      .trees = 20, .subsample = 0.7, .column_sample = 0.7, .seed = 5, .threads = 2};
  const auto first =
      train(random_rows(4, 5000), kFeatures, "label", TrainObjective::kBinary, parameters);
  const auto second =
      train(random_rows(4, 5000), kFeatures, "label", TrainObjective::kBinary, parameters);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->json, second->json);
}

TEST(Trainer, ParametersAreReadAndFaultsToldTogether) {
  const auto read = read_parameters({{"trees", 10}, {"learning_rate", 1e-7}, {"seed", 3}});
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, (TrainParameters{.trees = 10, .learning_rate = 1e-7, .seed = 3}));
  EXPECT_EQ(*read_parameters(parameter_map(*read)), *read);

  const auto wrong = read_parameters({{"tress", 10}, {"depth", 2.5}, {"subsample", 1.5}});
  ASSERT_EQ(wrong.code(), Code::kInvalidArgument);
  for (const std::string part : {"trees", "depth", "whole number", "subsample"}) {
    EXPECT_NE(wrong.status().message().find(part), std::string::npos) << wrong.status().message();
  }
}

TEST(Trainer, TinyLearningRateReachesXgboost) {
  const auto model = train(random_rows(5, 500),
                           kFeatures,
                           "label",
                           TrainObjective::kBinary,
                           {.trees = 1, .learning_rate = 1e-7, .threads = 1});
  ASSERT_TRUE(model.ok());
  const auto scorer = Scorer::load(model->json);
  const float row[] = {0.9F, 1.0F, 3.0F};
  EXPECT_NE((*scorer)->score(row), 0.5F);
  EXPECT_NEAR((*scorer)->score(row), 0.5F, 1e-5);
}

TEST(Trainer, BadInputIsRefused) {
  const Batch rows = random_rows(6, 50);
  const auto code = [](const Batch& batch,
                       const std::vector<std::string>& features,
                       const std::string& label,
                       TrainObjective objective = TrainObjective::kBinary) {
    return train(batch, features, label, objective, {.trees = 1, .threads = 1}).code();
  };
  EXPECT_EQ(code(rows, {"name"}, "label"), Code::kInvalidArgument);
  EXPECT_EQ(code(rows, {"nosuch"}, "label"), Code::kNotFound);
  EXPECT_EQ(code(rows, kFeatures, "nosuch"), Code::kNotFound);
  EXPECT_EQ(code(rows, kFeatures, "name"), Code::kInvalidArgument);
  EXPECT_EQ(code(rows, kFeatures, "amount"), Code::kInvalidArgument);
  EXPECT_EQ(code(rows, kFeatures, "signal", TrainObjective::kNumeric),
            Code::kInvalidArgument);  // has nulls
  EXPECT_EQ(code(rows.slice(0, 0), kFeatures, "label"), Code::kInvalidArgument);
  EXPECT_EQ(code(rows.slice(0, 1), kFeatures, "label"), Code::kInvalidArgument);  // one class
}

}  // namespace
}  // namespace assay::learn
