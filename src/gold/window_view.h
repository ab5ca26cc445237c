#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "gold/paged_view.h"
#include "gold/window_plan.h"

namespace assay::gold {

/// A feature view of windows, hopping or continuous.
///
/// Threads immutable.
class WindowView final : public PagedView {
 public:
  WindowView(ViewLayout layout, WindowPlan plan)
      : PagedView(std::move(layout)), plan_(std::move(plan)) {}

  Result<data::Batch> steps(const data::Batch& rows,
                            const data::Batch& seed,
                            EventTime begin,
                            EventTime end,
                            int threads) const override;
  [[nodiscard]] Result<std::unique_ptr<RowUpdates>> begin_updates(
      const data::Batch& rows,
      std::span<const int64_t> order,
      EventTime applied_until) const override;

  [[nodiscard]] const WindowPlan& plan() const { return plan_; }
  using LaidOutView::layout;

 private:
  [[nodiscard]] Status update_row(const data::Batch& rows,
                                  std::span<const int64_t> selected,
                                  EventTime applied_until,
                                  RowPageWriter* pages,
                                  std::string* row) const override;
  [[nodiscard]] Result<FeatureValues> read_row(std::string_view row,
                                               EventTime now,
                                               const RowPages* pages) const override;

  WindowPlan plan_;
};

}  // namespace assay::gold
