#pragma once

#include <span>
#include <string>
#include <string_view>

#include "gold/view_layout.h"

namespace assay::gold {

/// A view whose online rows may have pages: with and without them it goes the same way.
class PagedView : public LaidOutView {
 public:
  using LaidOutView::LaidOutView;

  [[nodiscard]] Status update_online_row(const data::Batch& rows,
                                         std::span<const int64_t> selected,
                                         EventTime applied_until,
                                         std::string* row) const final {
    return update_row(rows, selected, applied_until, nullptr, row);
  }
  [[nodiscard]] Result<FeatureValues> read_online_row(std::string_view row,
                                                      EventTime now) const final {
    return read_row(row, now, nullptr);
  }
  [[nodiscard]] Status update_paged_row(const data::Batch& rows,
                                        std::span<const int64_t> selected,
                                        EventTime applied_until,
                                        RowPageWriter& pages,
                                        std::string* row) const final {
    return update_row(rows, selected, applied_until, &pages, row);
  }
  [[nodiscard]] Result<FeatureValues> read_paged_row(std::string_view row,
                                                     EventTime now,
                                                     const RowPages& pages) const final {
    return read_row(row, now, &pages);
  }

 private:
  /// `pages`: nullptr where there are none.
  [[nodiscard]] virtual Status update_row(const data::Batch& rows,
                                          std::span<const int64_t> selected,
                                          EventTime applied_until,
                                          RowPageWriter* pages,
                                          std::string* row) const = 0;
  [[nodiscard]] virtual Result<FeatureValues> read_row(std::string_view row,
                                                       EventTime now,
                                                       const RowPages* pages) const = 0;
};

}  // namespace assay::gold
