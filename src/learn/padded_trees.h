#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "learn/tree_nodes.h"

// Trees in which every branch is as long as the longest of all: a leaf that stands higher stands in
// all places below it instead. Where a node stands says where its children stand, so half of a
// node's bytes go, and no step asks whether a value is missing: each value has two places, and who
// is missing has one in each that goes the way that the node wants.
//
//   places    1 is the root; the children of n are 2n (left) and 2n + 1; 2^depth + i is leaf i
//   node      condition (float) | 2 * feature + (1: missing goes left)
//   inputs    value, value; or of one that is missing: +infinity, -infinity
//   step      place = 2 * place + !(inputs[node] < condition)

namespace assay::learn {

/// Threads immutable.
class PaddedTrees {
 public:
  /// Nothing when the trees would take much more memory than they do, or have conditions that are
  /// no finite numbers.
  static std::optional<PaddedTrees> of(std::span<const Tree> trees,
                                       std::span<const TreeNode> nodes,
                                       std::size_t features);
  /// `sum` and what the trees say of `features`, added one after the other.
  [[nodiscard]] float add_to(float sum, std::span<const float> features) const;

 private:
  struct Node {
    float condition = 0;
    uint32_t input = 0;
  };
  PaddedTrees(std::size_t trees, uint32_t depth);
  void fill(std::size_t tree, std::span<const TreeNode> nodes, uint32_t node, uint64_t place);
  [[nodiscard]] float walk(float sum, const float* inputs) const;

  uint32_t depth_;
  std::size_t trees_;
  std::vector<Node> nodes_;    // 2^depth of each tree, the first of which is not used
  std::vector<float> leaves_;  // 2^depth of each tree
};

}  // namespace assay::learn
