#include "learn/scorer.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>
#include <xgboost/c_api.h>

namespace assay::learn {
namespace {

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

struct Rows {
  std::size_t width = 0;
  std::vector<float> values;
  std::vector<float> labels;
  [[nodiscard]] std::size_t count() const { return labels.size(); }
  [[nodiscard]] std::span<const float> row(std::size_t i) const {
    return {values.data() + i * width, width};
  }
};

/// Rows with missing values and values on a coarse grid, so that rows meet split conditions
/// exactly.
Rows random_rows(std::mt19937& random, std::size_t count, std::size_t width, bool binary) {
  Rows rows{.width = width, .values = {}, .labels = {}};
  std::uniform_int_distribution<int> grid(-50, 50);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < count; ++i) {
    float sum = 0;
    for (std::size_t j = 0; j < width; ++j) {
      const float value =
          j % 2 == 0 ? static_cast<float>(grid(random)) / 10 : normal(random) * 1e3F;
      rows.values.push_back(grid(random) > 40 ? kMissing : value);
      sum += value * (j % 3 == 0 ? 1.0F : -0.01F);
    }
    sum += normal(random);
    rows.labels.push_back(binary ? (sum > 0 ? 1.0F : 0.0F) : sum);
  }
  return rows;
}

/// XGBoost itself: trains, writes its model, predicts.
class Xgboost {
 public:
  Xgboost(const Rows& rows,
          const std::vector<std::pair<const char*, std::string>>& parameters,
          int trees)
      : matrix_(matrix_of(rows)) {
    check(XGDMatrixSetFloatInfo(matrix_, "label", rows.labels.data(), rows.count()));
    check(XGBoosterCreate(&matrix_, 1, &booster_));
    for (const auto& [name, value] : parameters) {
      check(XGBoosterSetParam(booster_, name, value.c_str()));
    }
    for (int tree = 0; tree < trees; ++tree) {
      check(XGBoosterUpdateOneIter(booster_, tree, matrix_));
    }
  }
  ~Xgboost() {
    check(XGBoosterFree(booster_));
    check(XGDMatrixFree(matrix_));
  }
  Xgboost(const Xgboost&) = delete;
  Xgboost& operator=(const Xgboost&) = delete;

  std::string json() {
    bst_ulong size = 0;
    const char* bytes = nullptr;
    check(XGBoosterSaveModelToBuffer(booster_, R"({"format": "json"})", &size, &bytes));
    return {bytes, size};
  }
  std::vector<float> predict(const Rows& rows) {
    DMatrixHandle matrix = matrix_of(rows);
    bst_ulong size = 0;
    const float* values = nullptr;
    check(XGBoosterPredict(booster_, matrix, 0, 0, 0, &size, &values));
    std::vector<float> out(values, values + size);
    check(XGDMatrixFree(matrix));
    return out;
  }

 private:
  static void check(int answer) { ASSERT_EQ(answer, 0) << XGBGetLastError(); }
  static DMatrixHandle matrix_of(const Rows& rows) {
    DMatrixHandle matrix = nullptr;
    check(XGDMatrixCreateFromMat(rows.values.data(), rows.count(), rows.width, kMissing, &matrix));
    return matrix;
  }
  DMatrixHandle matrix_;
  BoosterHandle booster_ = nullptr;
};

using Parameters = std::vector<std::pair<const char*, std::string>>;

void expect_equal_bits(const Parameters& parameters, bool binary, int trees, unsigned seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const Rows train = random_rows(random, 1000, 9, binary);
  Parameters all = parameters;
  all.emplace_back("objective", binary ? "binary:logistic" : "reg:squarederror");
  all.emplace_back("verbosity", "0");
  all.emplace_back("nthread", "1");
  Xgboost xgboost(train, all, trees);
  const std::string json = xgboost.json();
  const auto scorer = Scorer::load(json);
  ASSERT_TRUE(scorer.ok()) << scorer.status().to_string();
  ASSERT_EQ((*scorer)->feature_count(), 9);
  const Rows fresh = random_rows(random, 3000, 9, binary);
  const std::vector<float> expected = xgboost.predict(fresh);
  ASSERT_EQ(expected.size(), fresh.count());
  for (std::size_t i = 0; i < fresh.count(); ++i) {
    const float score = (*scorer)->score(fresh.row(i));
    ASSERT_EQ(std::bit_cast<uint32_t>(score), std::bit_cast<uint32_t>(expected[i]))
        << "row " << i << ": " << score << " and " << expected[i];
  }
}

TEST(Scorer, ProbabilitiesHaveXgboostsBits) {
  expect_equal_bits({{"tree_method", "hist"}, {"max_depth", "6"}}, true, 50, 1);
  expect_equal_bits(
      {{"tree_method", "hist"}, {"max_depth", "2"}, {"base_score", "0.037"}}, true, 7, 2);
  expect_equal_bits({{"tree_method", "exact"}, {"max_depth", "9"}, {"gamma", "1.5"}}, true, 13, 3);
  expect_equal_bits({{"tree_method", "hist"},
                     {"grow_policy", "lossguide"},
                     {"max_leaves", "40"},
                     {"max_depth", "0"}},
                    true,
                    21,
                    4);
}

TEST(Scorer, NumbersHaveXgboostsBits) {
  expect_equal_bits({{"tree_method", "hist"}, {"max_depth", "7"}, {"eta", "0.05"}}, false, 33, 5);
  expect_equal_bits({{"tree_method", "approx"}, {"base_score", "-12.25"}}, false, 8, 6);
}

TEST(Scorer, LargeMarginsHaveXgboostsBits) {
  expect_equal_bits(
      {{"tree_method", "hist"}, {"eta", "60"}, {"lambda", "0"}, {"min_child_weight", "0"}},
      true,
      3,
      7);
}

/// A model of one tree: feature 0 < 0.5 gives -1, else 2; missing goes right.
std::string one_tree(std::string_view left = "[1,-1,-1]",
                     std::string_view objective = "reg:squarederror",
                     std::string_view booster = "gbtree",
                     std::string_view categories = "[]") {
  std::string json = R"({"learner":{"gradient_booster":{"model":{"trees":[{"categories_nodes":)";
  json += categories;
  json += R"(,"default_left":[false,0,0],"left_children":)";
  json += left;
  json +=
      R"(,"right_children":[2,-1,-1],"split_conditions":[5E-1,-1E0,2E0],"split_indices":[0,0,0]}]},"name":")";
  json += booster;
  json +=
      R"("},"learner_model_param":{"base_score":"5E-1","num_class":"0","num_feature":"1"},"objective":{"name":")";
  json += objective;
  json += R"("}}})";
  return json;
}

TEST(Scorer, MissingGoesWhereTheTreeSays) {
  const auto scorer = Scorer::load(one_tree());
  ASSERT_TRUE(scorer.ok()) << scorer.status().to_string();
  const auto score = [&](float value) { return (*scorer)->score(std::span(&value, 1)); };
  EXPECT_EQ(score(0.49F), -0.5F);
  EXPECT_EQ(score(0.5F), 2.5F);
  EXPECT_EQ(score(kMissing), 2.5F);
}

TEST(Scorer, WhatCannotBeScoredIsNamed) {
  EXPECT_EQ(Scorer::load(one_tree("[1,-1,-1]", "rank:pairwise")).code(), Code::kUnimplemented);
  EXPECT_EQ(Scorer::load(one_tree("[1,-1,-1]", "reg:squarederror", "dart")).code(),
            Code::kUnimplemented);
  EXPECT_EQ(Scorer::load(one_tree("[1,-1,-1]", "reg:squarederror", "gbtree", "[0]")).code(),
            Code::kUnimplemented);
}

TEST(Scorer, DamagedModelsAreCorrupt) {
  for (const std::string_view left : {"[0,-1,-1]",
                                      "[2,-1,-1]",
                                      "[3,-1,-1]",
                                      "[-7,-1,-1]",
                                      "[1,-1]",
                                      "[]",
                                      "[1,2,-1]",
                                      "[\"1\",-1,-1]",
                                      "7"}) {
    EXPECT_EQ(Scorer::load(one_tree(left)).code(), Code::kCorrupt) << left;
  }
  const std::string whole = one_tree();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(Scorer::load(whole.substr(0, size)).code(), Code::kCorrupt) << size;
  }
  EXPECT_EQ(Scorer::load("{}").code(), Code::kCorrupt);
}

TEST(Scorer, ModelInputRoundsOnceAndKeepsMissing) {
  using data::Scalar;
  EXPECT_EQ(model_input(Scalar::boolean(true)), 1.0F);
  EXPECT_EQ(model_input(Scalar::int64(16'777'217)), 16'777'216.0F);
  EXPECT_EQ(model_input(Scalar::float64(0.1)), 0.1F);
  EXPECT_TRUE(std::isnan(model_input(Scalar::null(data::Type::kFloat64))));
  EXPECT_TRUE(std::isnan(model_input(Scalar::float64(std::nan("")))));
  EXPECT_TRUE(std::isnan(model_input(Scalar::string("7"))));
  EXPECT_TRUE(std::isnan(model_input(Scalar::timestamp(7))));
  EXPECT_EQ(model_input(Scalar::float64(std::numeric_limits<double>::infinity())),
            std::numeric_limits<float>::max());
  EXPECT_EQ(model_input(Scalar::float64(-1e300)), std::numeric_limits<float>::lowest());
}

}  // namespace
}  // namespace assay::learn
