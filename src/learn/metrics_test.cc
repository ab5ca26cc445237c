#include "learn/metrics.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace assay::learn {
namespace {

/// The definition: every pair of a one and a zero.
double naive_auc(const std::vector<float>& scores, const std::vector<float>& labels) {
  double won = 0;
  double pairs = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    for (std::size_t j = 0; j < scores.size(); ++j) {
      if (labels[i] == 1 && labels[j] == 0) {
        pairs += 1;
        won += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
      }
    }
  }
  return won / pairs;
}

TEST(Metrics, AgreeWithTheDefinitionsOnRandomScores) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const unsigned levels = seed % 3 == 0 ? 3 : 1000;  // few levels: many ties
    std::vector<float> scores;
    std::vector<float> labels = {0, 1};
    for (int i = 0; i < 200; ++i) {
      scores.push_back(static_cast<float>(random() % (levels + 1)) / static_cast<float>(levels));
      labels.push_back(random() % 4 == 0 ? 1.0F : 0.0F);
    }
    labels.resize(scores.size());
    double loss = 0;
    double squares = 0;
    double ones = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const double p = std::min(std::max(static_cast<double>(scores[i]), 1e-15), 1 - 1e-15);
      loss += labels[i] == 1 ? -std::log(p) : -std::log(1 - p);
      squares += std::pow(static_cast<double>(scores[i]) - static_cast<double>(labels[i]), 2);
      ones += static_cast<double>(labels[i]);
    }
    const auto metrics = binary_metrics(scores, labels);
    ASSERT_TRUE(metrics.ok());
    EXPECT_DOUBLE_EQ(*metrics->auc, naive_auc(scores, labels));
    EXPECT_NEAR(metrics->log_loss, loss / 200, 1e-9);
    EXPECT_NEAR(metrics->brier, squares / 200, 1e-12);
    EXPECT_DOUBLE_EQ(metrics->base_rate, ones / 200);
    EXPECT_EQ(metrics->rows, 200);
  }
}

TEST(Metrics, CertainMistakesCostAFiniteLoss) {
  const auto metrics =
      binary_metrics(std::vector<float>{0.0F, 1.0F}, std::vector<float>{1.0F, 0.0F});
  ASSERT_TRUE(metrics.ok());
  EXPECT_TRUE(std::isfinite(metrics->log_loss));
  EXPECT_GT(metrics->log_loss, 30);
  EXPECT_EQ(metrics->auc, 0.0);
}

TEST(Metrics, OneClassHasNoAuc) {
  const auto metrics =
      binary_metrics(std::vector<float>{0.1F, 0.9F}, std::vector<float>{1.0F, 1.0F});
  ASSERT_TRUE(metrics.ok());
  EXPECT_EQ(metrics->auc, std::nullopt);
  EXPECT_EQ(metric_map(*metrics).count("auc"), 0U);
}

TEST(Metrics, NumbersAreComparedWithLabels) {
  const auto metrics = numeric_metrics(std::vector<float>{1, 2, 3}, std::vector<float>{1, 4, 2});
  ASSERT_TRUE(metrics.ok());
  EXPECT_DOUBLE_EQ(metrics->rmse, std::sqrt(5.0 / 3));
  EXPECT_DOUBLE_EQ(metrics->mae, 1);
  EXPECT_DOUBLE_EQ(metrics->label_mean, 7.0 / 3);
}

TEST(Metrics, BadInputIsRefused) {
  using V = std::vector<float>;
  EXPECT_EQ(binary_metrics(V{}, V{}).code(), Code::kInvalidArgument);
  EXPECT_EQ(binary_metrics(V{1}, V{1, 0}).code(), Code::kInvalidArgument);
  EXPECT_EQ(binary_metrics(V{1, NAN}, V{1, 0}).code(), Code::kInvalidArgument);
  EXPECT_EQ(binary_metrics(V{1, 0}, V{1, 0.5}).code(), Code::kInvalidArgument);
  EXPECT_EQ(numeric_metrics(V{1}, V{NAN}).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::learn
