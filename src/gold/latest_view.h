#pragma once

#include <cstddef>
#include <cstdint>
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
      : LaidOutView(std::move(layout)), columns_(std::move(columns)), flat_(flat_fields()) {}

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
  /// How a raw feature is read into flat values.
  struct FlatField {
    enum class Kind : uint8_t { kReal, kInteger, kBool, kText, kOther };
    Kind kind = Kind::kOther;
    std::size_t alike = 1;  // features from it on that are of its kind
  };
  [[nodiscard]] std::vector<FlatField> flat_fields() const;

  std::vector<std::string> columns_;
  std::vector<FlatField> flat_;  // by raw feature
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
