#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gold/tile_patch.h"
#include "gold/view_layout.h"
#include "gold/window_plan.h"

namespace assay::gold {

/// Updates of a window view's rows from one batch. Expressions are evaluated once, over the batch
/// as it is; rows are read where they lie, fetched ahead of the entity that is asked for.
///
/// Threads one thread at a time.
class WindowUpdates final : public RowUpdates {
 public:
  /// Ways through an update: rows that are alike for reads come out of both.
  enum class Ways {
    kBoth,      // the newest tiles are patched, rows wait behind others, where they can
    kOnlyFold,  // for tests
  };
  /// `layout` and `plan` must outlive it.
  /// Errors  kInvalidArgument: a column is missing or of another type.
  static Result<std::unique_ptr<WindowUpdates>> begin(const ViewLayout& layout,
                                                      const WindowPlan& plan,
                                                      const data::Batch& rows,
                                                      std::span<const int64_t> order,
                                                      EventTime applied_until,
                                                      Ways ways = Ways::kBoth);

  Status update(std::size_t begin,
                std::size_t end,
                std::string_view row,
                RowPageWriter* pages,
                std::string* updated) override;
  /// How many updates patched what was there.
  [[nodiscard]] int64_t patched() const { return patched_; }
  /// How many only had rows wait behind those that do.
  [[nodiscard]] int64_t waited() const { return waited_; }

 private:
  enum class Use : uint8_t {
    kNever,   // the row is never visible
    kWaits,   // not known yet, or it will be replaced
    kCounts,  // it can be folded into a tile
  };
  /// A column that every update reads at its rows.
  struct FetchedColumn {
    const char* values = nullptr;
    std::size_t width = 0;
  };
  WindowUpdates(const ViewLayout& layout, const WindowPlan& plan, int64_t applied_until);

  void take_rows(data::Batch rows,
                 const std::vector<int64_t>& replaced_time,
                 std::span<const int64_t> order);
  void find_uses();
  [[nodiscard]] bool all_count(const RowColumns& columns) const;
  void find_fetched_columns();
  void fetch_behind(std::size_t at);
  [[nodiscard]] int64_t tile_of(int64_t event_time);
  [[nodiscard]] bool patch(std::size_t begin,
                           std::size_t end,
                           std::string_view row,
                           const RowPageWriter* pages,
                           std::string* updated);
  [[nodiscard]] bool wait(std::size_t begin,
                          std::size_t end,
                          std::string_view row,
                          std::string* updated);
  [[nodiscard]] bool may_drop_tiles(std::string_view root) const;
  void append_inputs(std::size_t row, std::string* out) const;
  [[nodiscard]] Status fold(std::size_t begin,
                            std::size_t end,
                            std::string_view row,
                            RowPageWriter* pages,
                            std::string* updated);

  const ViewLayout& layout_;
  const WindowPlan& plan_;
  const int64_t slide_;
  const int64_t until_;
  const int64_t first_index_;  // tiles before it are not needed any more
  data::Batch rows_;           // what is read of them
  std::span<const int64_t> order_;
  std::vector<int64_t> own_order_;  // of rows that were taken out of a longer batch
  BatchInputs inputs_;
  std::vector<int64_t> replaced_time_;  // empty: none ever is
  std::vector<Use> uses_;               // empty: every row counts
  std::vector<FetchedColumn> fetched_columns_;
  std::size_t fetched_ = 0;  // of order_: rows up to here are on their way
  TilePatch tiles_;
  std::vector<RowPlace> places_;
  int64_t last_tile_ = 0;  // where the last row fell
  Ways ways_ = Ways::kBoth;
  int64_t patched_ = 0;
  int64_t waited_ = 0;
  std::vector<std::pair<RowOrder, std::size_t>> waiting_;  // and the row's number
};

}  // namespace assay::gold
