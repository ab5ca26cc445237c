#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gold/batch_inputs.h"
#include "gold/byte_buffer.h"
#include "gold/folded_state.h"
#include "gold/tile_tree.h"
#include "gold/window_plan.h"

namespace assay::gold {

/// Folds rows into the newest tiles of a tree and copies the rest of its bytes as they are: what
/// nearly every update is. A newest group that becomes too long is cut where it is full. Anything
/// else, such as rows that are older than that group or a tree of pages, is TileTreeUpdate's.
///
/// Threads one thread at a time.
class TilePatch {
 public:
  /// `first`: tiles before it may go.
  TilePatch(const WindowPlan& plan, const BatchInputs& inputs, int64_t slide, int64_t first);

  /// Append the tree `root` ("" for none) with the rows folded in: at least one, by tile, none
  /// before `first`. False when it cannot: what was appended is worth nothing then.
  bool append_folded(std::string_view root, std::span<const RowPlace> rows, std::string* out);

 private:
  /// The newest group of the tree before.
  struct Newest {
    int64_t newest = 0;
    int64_t oldest = 0;
    std::string_view states;
    std::string_view body;
    std::string_view rest;  // the groups behind it
  };
  using Rows = std::span<const RowPlace>;

  /// Tiles on their way into groups, and rows that are folded into them; both newest first.
  class Merging;

  [[nodiscard]] std::optional<Newest> open(std::string_view root) const;
  [[nodiscard]] bool is_short(const std::optional<Newest>& before, Rows rows) const;
  bool append_group(const std::optional<Newest>& before, Rows rows, std::string* out);
  bool append_groups(const std::optional<Newest>& before,
                     Rows rows,
                     std::size_t count,
                     std::string* out);
  bool write_group(Merging& from, std::size_t size, int64_t before);
  bool fold_body(const std::optional<Newest>& before, Rows rows);
  bool note_front(int64_t tile, std::string_view payload);
  bool append_folded_tile(std::string_view payload, int64_t before, int64_t tile, Rows rows);
  void append_group_head(int64_t newest);
  [[nodiscard]] bool may_drop(const Newest& before) const;
  [[nodiscard]] int64_t newest_event(Rows rows) const;

  const BatchInputs& inputs_;
  const int64_t slide_;
  const int64_t first_;
  FoldedStates states_;
  FoldedStates group_states_;
  int64_t front_event_time_ = 0;  // of the newest tile that was written
  ByteBuffer body_;               // tiles of the group
  ByteBuffer groups_;             // what stands before its body, or whole groups
};

}  // namespace assay::gold
