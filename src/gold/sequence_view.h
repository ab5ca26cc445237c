#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "gold/sequence_plan.h"
#include "gold/view_layout.h"

namespace assay::gold {

/// A feature view of events in their order: sessions, changes, earlier values.
///
/// Threads immutable.
class SequenceView final : public LaidOutView {
 public:
  SequenceView(ViewLayout layout, SequencePlan plan)
      : LaidOutView(std::move(layout)), plan_(std::move(plan)) {}

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

 private:
  SequencePlan plan_;
};

}  // namespace assay::gold
