#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gold/view_layout.h"

namespace assay::gold {

/// A feature view of the newest row's values.
///
/// Threads immutable.
class LatestView final : public LaidOutView {
 public:
  /// `columns`: the source column of each raw feature.
  LatestView(ViewLayout layout, std::vector<std::string> columns)
      : LaidOutView(std::move(layout)), columns_(std::move(columns)), reals_from_(count_reals()) {}

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
  [[nodiscard]] Status read_flat_row(std::string_view row,
                                     EventTime now,
                                     const RowPages& pages,
                                     data::FlatValues* values) const override;
  [[nodiscard]] Result<std::unique_ptr<RowUpdates>> begin_updates(
      const data::Batch& rows,
      std::span<const int64_t> order,
      EventTime applied_until) const override;

 private:
  /// The columns of the raw features. kInvalidArgument when one is missing or of another type.
  [[nodiscard]] Result<std::vector<data::ColumnPtr>> find_columns(const data::Batch& rows) const;

  /// The values of one row of raw features, from a place on whose statuses are PRESENT. False when
  /// the bytes are none.
  [[nodiscard]] bool read_flat_values(std::string_view bytes,
                                      std::size_t at,
                                      data::FlatValues* values) const;
  /// Per raw feature: how many from it on are real numbers.
  [[nodiscard]] std::vector<std::size_t> count_reals() const {
    std::vector<std::size_t> counts(layout().raw->fields().size());
    for (std::size_t i = counts.size(); i-- > 0;) {
      if (data::is_real(layout().raw->fields()[i].type)) {
        counts[i] = 1 + (i + 1 < counts.size() ? counts[i + 1] : 0);
      }
    }
    return counts;
  }

  std::vector<std::string> columns_;
  std::vector<std::size_t> reals_from_;
};

/// True when two rows say the same in all columns, to the bit.
bool same_values(const std::vector<data::ColumnPtr>& a,
                 int64_t a_row,
                 const std::vector<data::ColumnPtr>& b,
                 int64_t b_row);

/// The scalars of one row of raw features from these bytes. kCorrupt when they are none.
Result<std::vector<data::Scalar>> read_row_values(const ViewLayout& layout, std::string_view bytes);

/// Append the values of one row: per column 0 for null, or 1 and the value. Latest rows that are
/// equal in all three times are told apart by these bytes.
void append_row_values(std::span<const data::ColumnPtr> columns, int64_t row, std::string* out);

}  // namespace assay::gold
