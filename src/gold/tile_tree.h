#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gold/contract.h"
#include "gold/row_bytes.h"
#include "gold/window_plan.h"

// The tiles of an online row as a tree of bytes, drawn in docs/formats/online_row.md: what a read
// merges and an update rewrites is O(log n) of it, whatever the number of tiles.
//
//   root, inside the row      [ group | group | ... ]                 newest first
//   group                     states of all its items | item | item | ...   up to 16
//   item                      a page with the states of all its tiles; at the bottom a tile
//
// A node that becomes too long is cut into pages, and the root one level higher refers to them. So
// the row of few events is one value, and a window over millions takes the path of its edge.

namespace assay::gold {

/// A row of an entity as it waits in an online row or is folded into a tile.
struct RowInputs {
  RowOrder order;
  std::string_view inputs;  // per argument: byte 1 and the value, or byte 0
  auto operator<=>(const RowInputs&) const = default;
};

/// Fresh states of all primitives.
std::vector<AggregateState> fresh_states(const WindowPlan& plan);
/// Call `add(primitive, value)` for the inputs of one row.
template <typename Add>
void for_inputs(const WindowPlan& plan, const RowInputs& row, Add add) {
  RowReader reader(row.inputs);
  for (std::size_t argument = 0; argument < plan.arguments.size(); ++argument) {
    if (reader.byte() == 0) {
      continue;
    }
    InputValue value;
    if (plan.arguments[argument].of >= 0) {
      value = read_input(&reader, plan.arguments[argument].type);
    }
    for (std::size_t i = 0; i < plan.primitives.size(); ++i) {
      if (static_cast<std::size_t>(plan.primitives[i].argument) == argument) {
        add(i, value);
      }
    }
  }
}

/// A tile, a page of tiles or a group of either.
struct TileItem {
  int64_t newest = 0;  // index of its newest tile: start / slide
  int64_t oldest = 0;
  int64_t event_time = 0;   // of its newest event
  uint64_t page = 0;        // where a page is
  std::string_view states;  // of all its tiles, merged; of a group possibly empty: not kept
  std::string_view body;    // of a group: its items
};

/// What the items of a list are.
enum class TileItemKind { kTile, kPage, kGroup };

/// Reads items one after the other, newest first. Damaged bytes end it: failed() then.
///
/// Threads one thread at a time. The bytes are the caller's.
class TileItems {
 public:
  /// Items of one kind in `bytes`, the newest of which has index `newest`.
  TileItems(std::string_view bytes, TileItemKind kind, int64_t newest, int64_t slide)
      : reader_(bytes), kind_(kind), slide_(slide), next_(static_cast<uint64_t>(newest)) {}
  /// The next item; nullptr at the end. It lives until the next call.
  const TileItem* next();
  [[nodiscard]] bool failed() const { return reader_.failed(); }

 private:
  RowReader reader_;
  TileItemKind kind_;
  int64_t slide_;
  uint64_t next_;  // index that the next distance counts from
  TileItem item_;
};

/// A node in parts. Views into its bytes.
struct TileNode {
  int level = 0;  // 0: its groups hold tiles; else pages of nodes one level below
  TileItems groups;
};
/// Nothing when the bytes are no node.
std::optional<TileNode> open_tile_node(std::string_view bytes, int64_t slide);

inline constexpr int kTileLevelsMax = 12;
inline constexpr std::size_t kGroupItemsMax = 16;

/// Changes the tree of one row: folds rows in, drops tiles that no read needs.
///
/// Threads one thread at a time.
class TileTreeUpdate {
 public:
  /// Tiles before index `first` may go. `pages`: nullptr for a row that stays one value.
  TileTreeUpdate(const WindowPlan& plan, int64_t slide, int64_t first, RowPageWriter* pages)
      : plan_(plan), slide_(slide), first_(first), pages_(pages) {}

  /// The root after rows (in order, none before `first`) are folded in; `root` may be empty.
  ///
  /// Errors  kCorrupt without a message worth showing: bytes are no tree; those of the pages.
  Result<std::string> fold(std::string root, std::span<const RowInputs> rows);
  /// Event time of the newest event in what was dropped.
  [[nodiscard]] std::optional<int64_t> dropped_newest() const { return dropped_newest_; }

 private:
  struct Item;
  struct Group;
  struct Node;
  using Rows = std::span<const RowInputs>;

  Result<std::optional<std::vector<Node>>> update(std::string_view bytes,
                                                  Rows rows,
                                                  bool is_newest);
  Status update_group(int level, Rows rows, bool is_newest, Group* group);
  Result<bool> update_pages(int level, Rows rows, bool is_newest, std::vector<Item>* items);
  Status fold_tiles(Rows rows, std::vector<Item>* items);
  Status drop(const Item& item, int level);
  Result<std::string> make_root(std::vector<Node> nodes);

  std::vector<Node> build(int level, std::vector<Group> groups, bool is_newest);
  std::vector<Group> cut_groups(int level, std::vector<Group> groups, bool is_newest) const;
  Group close(int level, std::span<const Item> items) const;
  Node encode(int level, std::span<const Group> groups) const;
  Result<Item> describe(const Node& node, uint64_t page);
  std::string merged(std::span<const std::string_view> parts);
  void add_parts(int level, const TileItem& group, std::vector<std::string_view>* parts);

  [[nodiscard]] bool may_go(const Item& item) const;
  [[nodiscard]] Result<std::vector<Item>> read_items(const Group& group, TileItemKind kind) const;
  Rows take_rows(Rows* rows, int64_t oldest) const;

  const WindowPlan& plan_;
  const int64_t slide_;
  const int64_t first_;
  RowPageWriter* const pages_;
  std::optional<int64_t> dropped_newest_;
  bool damaged_ = false;
};

}  // namespace assay::gold
