#include "learn/padded_trees.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace assay::learn {
namespace {

constexpr std::size_t kLanes = 8;  // one step waits for the one before: trees side by side
constexpr uint32_t kDepthMax = 12;
constexpr std::size_t kFeaturesAtHand = 512;

/// Two places for each value.
void spread(std::span<const float> features, float* inputs) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float value : features) {
    const bool is_missing = std::isnan(value);
    *inputs++ = is_missing ? kInfinity : value;
    *inputs++ = is_missing ? -kInfinity : value;
  }
}

}  // namespace

PaddedTrees::PaddedTrees(std::size_t trees, uint32_t depth)
    : depth_(depth), trees_(trees), nodes_(trees << depth), leaves_(trees << depth) {}

std::optional<PaddedTrees> PaddedTrees::of(std::span<const Tree> trees,
                                           std::span<const TreeNode> nodes,
                                           std::size_t features) {
  uint32_t depth = 0;
  for (const Tree& tree : trees) {
    depth = std::max(depth, tree.depth);
  }
  if (features == 0 || depth > kDepthMax) {
    return std::nullopt;
  }
  // At most half as much again; full trees take three eighths.
  const std::size_t bytes = (trees.size() << depth) * (sizeof(Node) + sizeof(float));
  if (bytes > 3 * nodes.size_bytes() / 2) {
    return std::nullopt;
  }
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    if (!nodes[i].is_leaf(i) && !std::isfinite(nodes[i].condition)) {
      return std::nullopt;
    }
  }
  PaddedTrees padded(trees.size(), depth);
  for (std::size_t tree = 0; tree < trees.size(); ++tree) {
    padded.fill(tree, nodes, trees[tree].root, 1);
  }
  return padded;
}

void PaddedTrees::fill(std::size_t tree,
                       std::span<const TreeNode> nodes,
                       uint32_t node,
                       uint64_t place) {
  const std::size_t begin = tree << depth_;
  const uint64_t leaves = uint64_t{1} << depth_;
  const TreeNode& held = nodes[node];
  if (place >= leaves) {
    leaves_[begin + place - leaves] = held.condition;
    return;
  }
  const uint32_t feature = held.feature & ~kMissingGoesLeft;
  if (!held.is_leaf(node)) {
    nodes_[begin + place] = {held.condition,
                             2 * feature + ((held.feature & kMissingGoesLeft) != 0 ? 1 : 0)};
  }
  fill(tree, nodes, held.children[0], 2 * place);
  fill(tree, nodes, held.children[1], 2 * place + 1);
}

float PaddedTrees::add_to(float sum, std::span<const float> features) const {
  if (features.size() <= kFeaturesAtHand) {
    std::array<float, 2 * kFeaturesAtHand> inputs;  // filled as far as it is used
    spread(features, inputs.data());
    return walk(sum, inputs.data());
  }
  std::vector<float> inputs(2 * features.size());
  spread(features, inputs.data());
  return walk(sum, inputs.data());
}

float PaddedTrees::walk(float sum, const float* inputs) const {
  const std::size_t size = std::size_t{1} << depth_;
  const Node* nodes = nodes_.data();
  const float* leaves = leaves_.data();
  std::size_t left = trees_;
  for (; left >= kLanes; left -= kLanes, nodes += kLanes * size, leaves += kLanes * size) {
    std::array<std::size_t, kLanes> at;
    at.fill(1);
    for (uint32_t step = 0; step < depth_; ++step) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const Node& node = nodes[lane * size + at[lane]];
        at[lane] = 2 * at[lane] + (inputs[node.input] < node.condition ? 0 : 1);
      }
    }
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      sum += leaves[lane * size + at[lane] - size];
    }
  }
  for (; left > 0; --left, nodes += size, leaves += size) {
    std::size_t at = 1;
    for (uint32_t step = 0; step < depth_; ++step) {
      at = 2 * at + (inputs[nodes[at].input] < nodes[at].condition ? 0 : 1);
    }
    sum += leaves[at - size];
  }
  return sum;
}

}  // namespace assay::learn
