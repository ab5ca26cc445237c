#include "learn/model_card.h"

#include <limits>

#include <gtest/gtest.h>

namespace assay::learn {
namespace {

ModelCard full_card() {
  return {.name = "delay \"model\" \\ é",
          .version = "7",
          .service = "delay_v1",
          .algorithm = "gbdt",
          .objective = "binary:logistic",
          .features = {"flights_1h", "mean_delay_24h"},
          .left_out = {"carrier"},
          .fingerprints = {{"flights", 0xfedcba9876543210ULL}, {"other", 1}},
          .data_versions = {{"gold/flights", 12}, {"silver/labels", 0}},
          .parameters = {{"learning_rate", 0.1}, {"trees", 200}},
          .label = "arr_delay > 15",
          .train_rows = 80,
          .test_rows = 20,
          .unlabelled_rows = 3,
          .train_times = {{-5}, {1'000'000}},
          .test_times = {{1'000'001}, {253'402'300'799'999'999}},
          .metrics = {{"auc", 0.7123456789012345}, {"log_loss", 1e-300}},
          .base_rate = 1.0 / 3,
          .trained_at = {1'700'000'000'123'456}};
}

TEST(ModelCard, ComesBackFromItsJson) {
  const auto back = parse_model_card(to_json(full_card()));
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_EQ(*back, full_card());
  const auto empty = parse_model_card(to_json(ModelCard{}));
  ASSERT_TRUE(empty.ok()) << empty.status().to_string();
  EXPECT_EQ(*empty, ModelCard{});
}

TEST(ModelCard, MetricThatIsNoNumberIsLeftOut) {
  ModelCard card = full_card();
  card.metrics["auc"] = std::numeric_limits<double>::quiet_NaN();
  const auto back = parse_model_card(to_json(card));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->metrics.count("auc"), 0U);
}

TEST(ModelCard, UnknownMembersAreIgnored) {
  const std::string json = to_json(full_card());
  const auto back = parse_model_card("{\"later\": [1], " + json.substr(1));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, full_card());
}

TEST(ModelCard, DamagedCardIsCorruptAndNamesTheMember) {
  const std::string json = to_json(full_card());
  for (std::size_t size = 0; size < json.size(); ++size) {
    EXPECT_EQ(parse_model_card(json.substr(0, size)).code(), Code::kCorrupt) << size;
  }
  std::string wrong = json;
  wrong.replace(wrong.find("\"fedcba9876543210\""), 18, "7");
  const auto card = parse_model_card(wrong);
  EXPECT_EQ(card.code(), Code::kCorrupt);
  EXPECT_NE(card.status().message().find("fingerprints"), std::string::npos);
  EXPECT_EQ(parse_model_card("{}").code(), Code::kCorrupt);
  EXPECT_EQ(parse_model_card("[]").code(), Code::kCorrupt);
}

}  // namespace
}  // namespace assay::learn
