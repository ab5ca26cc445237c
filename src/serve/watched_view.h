#pragma once

#include <functional>
#include <string_view>

#include "gold/forwarding_view.h"
#include "serve/pace.h"

namespace assay::serve {

/// A view whose rows are read as long as somebody wants them: whatever the store, it hears that
/// nobody does some rows later, as a row that cannot be read.
///
/// Threads one thread at a time. The view and `goes_on` must outlive it.
class WatchedView final : public gold::ForwardingView {
 public:
  WatchedView(const gold::FeatureView& view, const std::function<Status()>& goes_on)
      : ForwardingView(view), wanted_(goes_on) {}

  [[nodiscard]] Result<gold::FeatureValues> read_online_row(std::string_view row,
                                                            EventTime now) const override {
    ASSAY_RETURN_IF_ERROR(wanted_.look());
    return ForwardingView::read_online_row(row, now);
  }
  [[nodiscard]] Result<gold::FeatureValues> read_paged_row(
      std::string_view row, EventTime now, const gold::RowPages& pages) const override {
    ASSAY_RETURN_IF_ERROR(wanted_.look());
    return ForwardingView::read_paged_row(row, now, pages);
  }
  [[nodiscard]] Status read_flat_row(std::string_view row,
                                     EventTime now,
                                     const gold::RowPages& pages,
                                     data::FlatValues* values) const override {
    ASSAY_RETURN_IF_ERROR(wanted_.look());
    return ForwardingView::read_flat_row(row, now, pages, values);
  }

 private:
  mutable LookByRows wanted_;
};

}  // namespace assay::serve
