#pragma once

#include <array>
#include <cstdint>

namespace assay::learn {

inline constexpr uint32_t kMissingGoesLeft = uint32_t{1} << 31;

/// A node of a flattened tree, or a leaf, which points at itself.
struct TreeNode {
  float condition = 0;                 // or the leaf's value
  uint32_t feature = 0;                // top bit: missing goes left
  std::array<uint32_t, 2> children{};  // left, right; both its own index for a leaf
  [[nodiscard]] bool is_leaf(uint32_t own) const { return children[0] == own; }
};
static_assert(sizeof(TreeNode) == 16);

struct Tree {
  uint32_t root = 0;
  uint32_t depth = 0;
};

}  // namespace assay::learn
