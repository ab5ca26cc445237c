#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/expression.h"
#include "gold/contract.h"

namespace assay::gold {

/// What views of every kind have in common: names and types, and which features are computed from
/// others.
///
/// Threads immutable.
struct ViewLayout {
  /// A feature `expr`, over the features read from data and the computed ones before it.
  struct Computed {
    data::Field field;
    data::Expression expression;
    bool at_read = false;  // it depends on the instant of the question: no step holds it
  };

  std::string name;
  std::string storage_name;
  std::vector<data::Field> keys;
  std::vector<data::Field> features;     // all, in definition order
  data::SchemaPtr raw;                   // what is read from data, in definition order
  data::SchemaPtr stored;                // what steps hold: features, then other raw columns
  std::vector<Computed> computed;        // in definition order
  std::vector<std::string> overflowing;  // raw features that have an overflow column, in order
  std::optional<Duration> ttl;
  Duration window_max;
  Duration slide;
  std::vector<std::string> source_columns;
  data::SchemaPtr steps_schema;
  uint64_t fingerprint = 0;
  bool of_changes = false;  // rows have a replaced_time
};

/// What steps hold, from one row of raw features per output row.
Result<data::Batch> stored_features(const ViewLayout& layout, const data::Batch& raw);
/// The stored columns given, with the features of the question's instant that they suffice for.
Result<data::Batch> features_at(const ViewLayout& layout,
                                const data::Batch& stored,
                                const data::ColumnPtr& now);
/// All features of one row. Scalars stand in the order of layout.raw.
Result<std::vector<data::Scalar>> complete_features(const ViewLayout& layout,
                                                    std::vector<data::Scalar> raw,
                                                    EventTime now);

/// A steps table: keys, times, raw features and overflow columns of each step, sorted; features and
/// dates are added.
Result<data::Batch> make_steps(const ViewLayout& layout,
                               const std::vector<data::ColumnPtr>& keys,
                               const data::ColumnPtr& event_time,
                               const data::ColumnPtr& known_time,
                               const data::Batch& raw,
                               const std::vector<data::ColumnPtr>& overflows);

/// Whether an answer of that event time is OUTSIDE_MAX_AGE at `now`.
inline bool is_too_old(const ViewLayout& layout, EventTime event_time, EventTime now) {
  return layout.ttl && now.micros - event_time.micros > layout.ttl->micros;
}
/// Values and statuses of an answer at `now`: `event_time` of the newest visible event, which
/// decides whether the answer is too old. `overflowed` names the sums that did not fit.
Result<FeatureValues> make_answer(const ViewLayout& layout,
                                  std::optional<EventTime> event_time,
                                  std::vector<data::Scalar> raw,
                                  const std::vector<std::string>& overflowed,
                                  EventTime now);

/// The replaced_time of a row that stands.
inline constexpr int64_t kNeverReplaced = EventTime::max().micros;

/// Key and system columns of a batch of source rows.
struct RowColumns {
  std::vector<data::ColumnPtr> keys;
  const data::Column* event_time = nullptr;
  const data::Column* known_time = nullptr;
  const data::Column* sequence = nullptr;
  std::vector<int64_t> replaced_time;  // kNeverReplaced where null; empty: no row ever is

  [[nodiscard]] int64_t replaced_at(int64_t row) const {
    return replaced_time.empty() ? kNeverReplaced : replaced_time[static_cast<std::size_t>(row)];
  }
  /// False for rows that are never visible: without a time, with one outside years 1 to 9999, or
  /// replaced by the time they would be visible.
  [[nodiscard]] bool has_times(int64_t row) const;
};

/// Find them. kInvalidArgument when one is missing or of another type than the view was compiled
/// for.
Result<RowColumns> find_row_columns(const ViewLayout& layout, const data::Batch& rows);

/// The columns of `batch` called as `fields`, as exactly their types; int32 is widened to int64.
Result<std::vector<data::ColumnPtr>> columns_as(const std::vector<data::Field>& fields,
                                                const data::Batch& batch);

/// The getters of FeatureView, from a layout.
class LaidOutView : public FeatureView {
 public:
  explicit LaidOutView(ViewLayout layout) : layout_(std::move(layout)) {}
  [[nodiscard]] const std::string& name() const override { return layout_.name; }
  [[nodiscard]] const std::string& storage_name() const override { return layout_.storage_name; }
  [[nodiscard]] const std::vector<data::Field>& keys() const override { return layout_.keys; }
  [[nodiscard]] const std::vector<data::Field>& features() const override {
    return layout_.features;
  }
  [[nodiscard]] std::optional<Duration> ttl() const override { return layout_.ttl; }
  [[nodiscard]] Duration window_max() const override { return layout_.window_max; }
  [[nodiscard]] Duration slide() const override { return layout_.slide; }
  [[nodiscard]] const std::vector<std::string>& source_columns() const override {
    return layout_.source_columns;
  }
  [[nodiscard]] const data::SchemaPtr& steps_schema() const override {
    return layout_.steps_schema;
  }
  [[nodiscard]] uint64_t fingerprint() const override { return layout_.fingerprint; }
  [[nodiscard]] bool of_changes() const override { return layout_.of_changes; }
  [[nodiscard]] std::vector<data::Field> step_columns(std::span<const int> features) const override;
  [[nodiscard]] Result<std::vector<data::ColumnPtr>> answers(const data::Batch& steps,
                                                             std::span<const int64_t> rows,
                                                             const data::ColumnPtr& now,
                                                             std::span<const int> features,
                                                             int threads) const override;

 protected:
  [[nodiscard]] const ViewLayout& layout() const { return layout_; }

 private:
  ViewLayout layout_;
};

}  // namespace assay::gold
