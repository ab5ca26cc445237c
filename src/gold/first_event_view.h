#pragma once

#include <utility>

#include "gold/view_layout.h"

namespace assay::gold {

/// A part of a feature view: when the first event of an entity happened, of those visible. All its
/// raw features are this time, and its steps are also where the newest event changes, because that
/// decides the age of an answer.
///
/// Threads immutable.
class FirstEventView final : public LaidOutView {
 public:
  explicit FirstEventView(ViewLayout layout) : LaidOutView(std::move(layout)) {}

  Result<data::Batch> steps(const data::Batch& rows,
                            const data::Batch& seed,
                            EventTime begin,
                            EventTime end,
                            int threads) const override;
  [[nodiscard]] Status update_online_row(const data::Batch& rows,
                                         std::span<const int64_t> selected,
                                         EventTime applied_until,
                                         std::string* row) const override;
  [[nodiscard]] Result<FeatureValues> read_online_row(std::string_view row,
                                                      EventTime now) const override;
};

}  // namespace assay::gold
