#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gold/paged_view.h"

namespace assay::gold {

/// A feature view made of parts, each a view of one kind over the same rows: windows, latest
/// values. A part makes steps and online rows as it would alone; here they are merged.
///
/// Threads immutable.
class ComposedView final : public PagedView {
 public:
  struct Part {
    FeatureViewPtr view;
    std::vector<data::Field> columns;  // of its steps: its features, then its overflow columns
    data::Batch over_nothing;          // one row of them, while it has not seen an event
    std::vector<std::size_t> raw;      // where its features stand in layout.raw
  };

  ComposedView(ViewLayout layout, std::vector<Part> parts)
      : PagedView(std::move(layout)), parts_(std::move(parts)) {}

  /// `parts`: their features together are the raw features of `layout`.
  static Result<FeatureViewPtr> make(ViewLayout layout,
                                     std::vector<FeatureViewPtr> parts,
                                     const data::Schema& source);

  Result<data::Batch> steps(const data::Batch& rows,
                            const data::Batch& seed,
                            EventTime begin,
                            EventTime end,
                            int threads) const override;
  [[nodiscard]] Result<std::unique_ptr<RowUpdates>> begin_updates(
      const data::Batch& rows,
      std::span<const int64_t> order,
      EventTime applied_until) const override;

 private:
  class Updates;
  [[nodiscard]] Status update_row(const data::Batch& rows,
                                  std::span<const int64_t> selected,
                                  EventTime applied_until,
                                  RowPageWriter* pages,
                                  std::string* row) const override;
  [[nodiscard]] Result<FeatureValues> read_row(std::string_view row,
                                               EventTime now,
                                               const RowPages* pages) const override;

  /// The online row of each part; empty ones when `row` is empty.
  [[nodiscard]] Result<std::vector<std::string>> split_row(std::string_view row) const;

  std::vector<Part> parts_;
};

}  // namespace assay::gold
