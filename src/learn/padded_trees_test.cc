#include "learn/padded_trees.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace assay::learn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kFeatures = 5;

struct Forest {
  std::vector<Tree> trees;
  std::vector<TreeNode> nodes;
};

/// Puts a random tree below a node that is there, as deep as `depth` in places.
void grow(std::mt19937& random, uint32_t node, uint32_t level, uint32_t depth, Forest* forest) {
  Tree& tree = forest->trees.back();
  tree.depth = std::max(tree.depth, level);
  const auto value = static_cast<float>(static_cast<int>(random() % 21) - 10);
  if (level == depth || random() % 8 == 0) {
    forest->nodes[node] = {value * 0.37F, 0, {node, node}};
    return;
  }
  const auto left = static_cast<uint32_t>(forest->nodes.size());
  const auto feature = static_cast<uint32_t>(random() % kFeatures);
  forest->nodes[node] = {
      value, feature | (random() % 2 == 0 ? kMissingGoesLeft : 0), {left, left + 1}};
  forest->nodes.resize(forest->nodes.size() + 2);
  grow(random, left, level + 1, depth, forest);
  grow(random, left + 1, level + 1, depth, forest);
}

Forest random_forest(std::mt19937& random, std::size_t trees, uint32_t depth) {
  Forest forest;
  for (std::size_t i = 0; i < trees; ++i) {
    const auto root = static_cast<uint32_t>(forest.nodes.size());
    forest.trees.push_back({root, 0});
    forest.nodes.emplace_back();
    grow(random, root, 0, depth, &forest);
  }
  return forest;
}

float naive_sum(const Forest& forest, const std::vector<float>& features, float sum) {
  for (const Tree& tree : forest.trees) {
    uint32_t at = tree.root;
    while (!forest.nodes[at].is_leaf(at)) {
      const TreeNode& node = forest.nodes[at];
      const float value = features[node.feature & ~kMissingGoesLeft];
      const bool left =
          std::isnan(value) ? (node.feature & kMissingGoesLeft) != 0 : value < node.condition;
      at = node.children[left ? 0 : 1];
    }
    sum += forest.nodes[at].condition;
  }
  return sum;
}

TEST(PaddedTrees, SumTheLeavesThatANaiveWalkComesTo) {
  std::mt19937 random(20261129);
  std::size_t padded = 0;
  for (int round = 0; round < 200; ++round) {
    const Forest forest = random_forest(random, random() % 20, static_cast<uint32_t>(random() % 7));
    const auto trees = PaddedTrees::of(forest.trees, forest.nodes, kFeatures);
    if (!trees.has_value()) {
      continue;  // of few nodes
    }
    ++padded;
    for (int row = 0; row < 50; ++row) {
      std::vector<float> features;
      for (std::size_t i = 0; i < kFeatures; ++i) {
        const auto kind = static_cast<uint32_t>(random() % 8);
        features.push_back(kind == 0   ? std::numeric_limits<float>::quiet_NaN()
                           : kind == 1 ? (random() % 2 == 0 ? kInfinity : -kInfinity)
                                       : static_cast<float>(static_cast<int>(random() % 21) - 10));
      }
      const float sum = trees->add_to(0.1F, features);
      ASSERT_EQ(std::bit_cast<uint32_t>(sum),
                std::bit_cast<uint32_t>(naive_sum(forest, features, 0.1F)))
          << "round " << round;
    }
  }
  EXPECT_GT(padded, 100U);
}

TEST(PaddedTrees, AreNotMadeOfLongThinTreesNorOfConditionsThatAreNoNumbers) {
  // A list: each left child a leaf.
  Forest list;
  list.trees.push_back({0, 9});
  for (uint32_t level = 0; level < 9; ++level) {
    list.nodes.push_back({1.0F, 0, {2 * level + 1, 2 * level + 2}});
    list.nodes.push_back({2.0F, 0, {2 * level + 1, 2 * level + 1}});
  }
  list.nodes.push_back({3.0F, 0, {18, 18}});
  EXPECT_FALSE(PaddedTrees::of(list.trees, list.nodes, 1).has_value());
  for (const float condition : {0.5F, kInfinity, -kInfinity, std::nanf("")}) {
    const Forest one{{{0, 1}}, {{condition, 0, {1, 2}}, {1, 0, {1, 1}}, {2, 0, {2, 2}}}};
    EXPECT_EQ(PaddedTrees::of(one.trees, one.nodes, 1).has_value(), std::isfinite(condition));
  }
  const Forest deep{{{0, 1000}}, {{1.0F, 0, {0, 0}}}};  // as a damaged model might say
  EXPECT_FALSE(PaddedTrees::of(deep.trees, deep.nodes, 1).has_value());
}

TEST(PaddedTrees, TakeMoreFeaturesThanAreKeptAtHand) {
  const uint32_t last = 1999;
  const Forest one{{{0, 1}}, {{0.5F, last, {1, 2}}, {1, 0, {1, 1}}, {2, 0, {2, 2}}}};
  const auto trees = PaddedTrees::of(one.trees, one.nodes, last + 1);
  ASSERT_TRUE(trees.has_value());
  std::vector<float> features(last + 1);
  EXPECT_EQ(trees->add_to(0, features), 1.0F);
  features[last] = 0.5F;
  EXPECT_EQ(trees->add_to(0, features), 2.0F);
}

}  // namespace
}  // namespace assay::learn
