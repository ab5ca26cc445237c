#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gold/contract.h"

namespace assay::gold {

/// A view that is another one in all that is not overridden.
///
/// Threads those of that view, which must outlive it.
class ForwardingView : public FeatureView {
 public:
  explicit ForwardingView(const FeatureView& view) : view_(view) {}

  [[nodiscard]] const std::string& name() const override { return view_.name(); }
  [[nodiscard]] const std::string& storage_name() const override { return view_.storage_name(); }
  [[nodiscard]] const std::vector<data::Field>& keys() const override { return view_.keys(); }
  [[nodiscard]] const std::vector<data::Field>& features() const override {
    return view_.features();
  }
  [[nodiscard]] std::optional<Duration> ttl() const override { return view_.ttl(); }
  [[nodiscard]] Duration window_max() const override { return view_.window_max(); }
  [[nodiscard]] Duration slide() const override { return view_.slide(); }
  [[nodiscard]] const std::vector<std::string>& source_columns() const override {
    return view_.source_columns();
  }
  [[nodiscard]] const data::SchemaPtr& steps_schema() const override {
    return view_.steps_schema();
  }
  Result<data::Batch> steps(const data::Batch& rows,
                            const data::Batch& seed,
                            EventTime begin,
                            EventTime end,
                            int threads) const override {
    return view_.steps(rows, seed, begin, end, threads);
  }
  [[nodiscard]] std::vector<data::Field> step_columns(
      std::span<const int> features) const override {
    return view_.step_columns(features);
  }
  [[nodiscard]] Result<std::vector<data::ColumnPtr>> answers(const data::Batch& steps,
                                                             std::span<const int64_t> rows,
                                                             const data::ColumnPtr& now,
                                                             std::span<const int> features,
                                                             int threads) const override {
    return view_.answers(steps, rows, now, features, threads);
  }
  [[nodiscard]] Status update_online_row(const data::Batch& rows,
                                         std::span<const int64_t> selected,
                                         EventTime applied_until,
                                         std::string* row) const override {
    return view_.update_online_row(rows, selected, applied_until, row);
  }
  [[nodiscard]] Status update_paged_row(const data::Batch& rows,
                                        std::span<const int64_t> selected,
                                        EventTime applied_until,
                                        RowPageWriter& pages,
                                        std::string* row) const override {
    return view_.update_paged_row(rows, selected, applied_until, pages, row);
  }
  [[nodiscard]] Result<std::unique_ptr<RowUpdates>> begin_updates(
      const data::Batch& rows,
      std::span<const int64_t> order,
      EventTime applied_until) const override {
    return view_.begin_updates(rows, order, applied_until);
  }
  [[nodiscard]] uint64_t fingerprint() const override { return view_.fingerprint(); }
  [[nodiscard]] bool of_changes() const override { return view_.of_changes(); }

  [[nodiscard]] Result<FeatureValues> read_online_row(std::string_view row,
                                                      EventTime now) const override {
    return view_.read_online_row(row, now);
  }
  [[nodiscard]] Result<FeatureValues> read_paged_row(std::string_view row,
                                                     EventTime now,
                                                     const RowPages& pages) const override {
    return view_.read_paged_row(row, now, pages);
  }
  [[nodiscard]] Status read_flat_row(std::string_view row,
                                     EventTime now,
                                     const RowPages& pages,
                                     data::FlatValues* values) const override {
    return view_.read_flat_row(row, now, pages, values);
  }

 private:
  const FeatureView& view_;
};

}  // namespace assay::gold
