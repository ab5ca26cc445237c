#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "catalog/definitions.h"
#include "data/asof_join.h"
#include "data/batch.h"
#include "data/entity_key.h"
#include "data/flat_values.h"

// The contract between gold and online, learn and serve: a compiled feature view, its steps table,
// and the online row with the functions that update and read it. All four uses of a feature
// (backfill, training set, stream, serving) go through what is declared here.
//
// The steps table of a view holds one row per change of what serving answers for one entity:
//   key columns | event_time | known_time | one column per stored feature | overflow columns |
//   feature_date
//   known_time   the instant from which this row is the answer (never before event_time)
//   event_time   event time of the newest visible event of the entity; the answer is too old when
//                t - event_time > ttl
//   overflow     `<feature>__overflow` for each sum of integers: true where it does not fit 64
//                bits; the feature is null then, and its status OVERFLOW
//   feature_date date of known_time; the partition
// A view over a table of changes has rows that a later version of their key replaces, or a
// tombstone removes, at replaced_time: such a row is visible at t when event_time <= t and
// known_time <= t < replaced_time. There event_time of a step is null when the entity has no
// visible event any more: from its known_time on the answer is NOT_FOUND. Elsewhere no step is like
// that. A feature that depends on the instant of the question, such as the time since the last
// event, is not stored: the step holds the columns it is computed from (docs/semantics.md),
// answers() does. The answer at t is the row with the largest known_time <= t. No two rows of an
// entity have equal known_time.

namespace assay::gold {

inline constexpr char kEventTime[] = "event_time";
inline constexpr char kKnownTime[] = "known_time";
inline constexpr char kFeatureDate[] = "feature_date";
/// Column of the source rows of a view over changes: null for a row that stands.
inline constexpr char kReplacedTime[] = "replaced_time";

class FeatureView;

/// Name of the overflow column of a feature.
std::string overflow_column(std::string_view feature);
/// The overflow columns of a view's steps, in their order.
std::vector<data::Field> overflow_fields(const FeatureView& view);
/// Status of a feature that is null in a step that answers: NULL_VALUE or OVERFLOW.
data::FeatureStatus null_status(const data::Batch& steps, const std::string& feature, int64_t row);

/// What an online or offline read gives for one entity: one scalar and status per feature. A scalar
/// is null exactly when its status is not PRESENT.
struct FeatureValues {
  std::vector<data::Scalar> values;
  std::vector<data::FeatureStatus> statuses;
  std::optional<EventTime> event_time;  // of the newest visible event; nothing for NOT_FOUND
};

/// Pages of one view's online rows, by number. An entity's row is one value of bytes; what would
/// make that value too long stands in pages that it refers to. They are kept where the rows are and
/// change in the same transaction.
class RowPages {
 public:
  virtual ~RowPages() = default;
  /// A page's bytes, which live until the next add, put or erase.
  /// Errors  kCorrupt: there is no such page, or it fails its checksum.
  [[nodiscard]] virtual Result<std::string_view> get(uint64_t number) const = 0;
};

/// Pages that can be changed. Numbers are of the store's choosing and not used twice.
class RowPageWriter : public RowPages {
 public:
  /// Bytes that a page and a row should stay within.
  [[nodiscard]] virtual std::size_t bytes_max() const = 0;
  virtual Result<uint64_t> add(std::string_view bytes) = 0;
  virtual Status put(uint64_t number, std::string_view bytes) = 0;
  virtual Status erase(uint64_t number) = 0;
};

/// Folds the rows of one batch into online rows, entity by entity: what is the same for all of them
/// is done once.
///
/// Threads one thread at a time.
class RowUpdates {
 public:
  virtual ~RowUpdates() = default;
  /// As update_paged_row, with rows [begin, end) of the order that was given: `row` is what the
  /// entity's row was ("" for none), `updated` becomes what it is. `row` is not looked at any more
  /// once a page is changed. `pages`: nullptr where rows stay one value.
  [[nodiscard]] virtual Status update(std::size_t begin,
                                      std::size_t end,
                                      std::string_view row,
                                      RowPageWriter* pages,
                                      std::string* updated) = 0;
};

/// A feature view, compiled against its source table's schema.
///
/// Threads immutable.
class FeatureView {
 public:
  /// `source_fingerprint`: of the definitions that the source table is made from; it becomes part
  /// of the storage name. Errors  kInvalidArgument: an expression that does not compile, a missing
  /// column, a window that is
  ///         not a multiple of the slide.
  static Result<std::shared_ptr<const FeatureView>> compile(const catalog::FeatureViewDef& view,
                                                            const catalog::EntityDef& entity,
                                                            const data::Schema& source,
                                                            uint64_t source_fingerprint = 0);
  virtual ~FeatureView() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;
  /// What online stores keep its rows under: another one for each definition of the view and of all
  /// that it is made from, so that an old definition can be served while a new one is filled.
  [[nodiscard]] virtual const std::string& storage_name() const { return name(); }
  /// Key columns, as in the entity's definition.
  [[nodiscard]] virtual const std::vector<data::Field>& keys() const = 0;
  /// Output features: windows expanded (flights_1h, ...), in definition order.
  [[nodiscard]] virtual const std::vector<data::Field>& features() const = 0;
  [[nodiscard]] virtual std::optional<Duration> ttl() const = 0;
  /// Longest window; zero for a view of latest values.
  [[nodiscard]] virtual Duration window_max() const = 0;
  [[nodiscard]] virtual Duration slide() const = 0;
  /// Columns of the source table that the view reads, system columns included.
  [[nodiscard]] virtual const std::vector<std::string>& source_columns() const = 0;
  /// Schema of the steps table.
  [[nodiscard]] virtual const data::SchemaPtr& steps_schema() const = 0;

  /// Steps with known_time in [begin, end), sorted by (entity key bytes, known_time).
  ///
  /// `rows`: source rows (source_columns). They must hold every row with event_time >= begin -
  /// window_max - slide, and every row not visible before begin; more do no harm. Of an entity with
  /// a row that is replaced in [begin, end) they must hold every row not replaced before begin.
  /// `seed`: at most one steps row per entity, its last one before begin (steps_schema); an entity
  /// without one had no answer before begin.
  /// The result does not depend on the order of rows, nor on threads.
  virtual Result<data::Batch> steps(const data::Batch& rows,
                                    const data::Batch& seed,
                                    EventTime begin,
                                    EventTime end,
                                    int threads) const = 0;

  /// Columns of the steps table that these features are had from: their own, or those that one of
  /// the instant of the question is computed from.
  [[nodiscard]] virtual std::vector<data::Field> step_columns(
      std::span<const int> features) const = 0;
  /// What rows of a steps table (at least step_columns) answer at instants `now`, by feature.
  ///
  /// Shape   one column per feature asked for; one row per entry of `rows`, which is a row of
  ///         `steps`, or -1 for none: null then.
  [[nodiscard]] virtual Result<std::vector<data::ColumnPtr>> answers(const data::Batch& steps,
                                                                     std::span<const int64_t> rows,
                                                                     const data::ColumnPtr& now,
                                                                     std::span<const int> features,
                                                                     int threads) const = 0;

  /// Fold source rows of one entity into its online row (bytes; "" when it has none yet).
  ///
  /// The same rows in any order and grouping give rows that read alike. Rows that become visible
  /// only after `applied_until` are kept aside in the row until a later update; reads see them when
  /// their time comes. What no read at or after `applied_until` can need is dropped. Errors
  /// kCorrupt: `row` is not an online row of this view.
  /// A row that is replaced after it was folded in cannot be taken out: the entity's row is made
  /// anew from "" then.
  [[nodiscard]] virtual Status update_online_row(const data::Batch& rows,
                                                 std::span<const int64_t> selected,
                                                 EventTime applied_until,
                                                 std::string* row) const = 0;
  /// What the online row answers at `now`. now >= every applied_until it was updated with.
  /// `row` empty: NOT_FOUND.
  [[nodiscard]] virtual Result<FeatureValues> read_online_row(std::string_view row,
                                                              EventTime now) const = 0;
  /// Hash of everything that decides values: equal definitions have equal fingerprints.
  [[nodiscard]] virtual uint64_t fingerprint() const = 0;
  /// True when source rows have a replaced_time.
  [[nodiscard]] virtual bool of_changes() const { return false; }

  /// The same two for stores that keep pages: rows of a view that makes none are the same bytes
  /// either way. A row that has pages can be read and updated with them only. An update with no
  /// rows at EventTime::max() gives all pages of a row back: what is left of it may be thrown away.
  /// Cost  O(log n) pages of some KB each, for a row of n events.
  [[nodiscard]] virtual Status update_paged_row(const data::Batch& rows,
                                                std::span<const int64_t> selected,
                                                EventTime applied_until,
                                                RowPageWriter& /*pages*/,
                                                std::string* row) const {
    return update_online_row(rows, selected, applied_until, row);
  }
  [[nodiscard]] virtual Result<FeatureValues> read_paged_row(std::string_view row,
                                                             EventTime now,
                                                             const RowPages& /*pages*/) const {
    return read_online_row(row, now);
  }

  /// Many updates from one batch. `order`: row numbers, those of one entity next to each other;
  /// both must outlive what is returned.
  [[nodiscard]] inline virtual Result<std::unique_ptr<RowUpdates>> begin_updates(
      const data::Batch& rows, std::span<const int64_t> order, EventTime applied_until) const;

  /// read_paged_row, its answer as one row more of `values`; none when it fails.
  [[nodiscard]] virtual Status read_flat_row(std::string_view row,
                                             EventTime now,
                                             const RowPages& pages,
                                             data::FlatValues* values) const {
    ASSAY_ASSIGN_OR_RETURN(const FeatureValues answer, read_paged_row(row, now, pages));
    values->add_row(answer.values, answer.statuses, answer.event_time.value_or(EventTime{}));
    return {};
  }
};

/// Updates of a view that has no better way than one entity after the other.
class UpdatesOneByOne final : public RowUpdates {
 public:
  UpdatesOneByOne(const FeatureView& view,
                  const data::Batch& rows,
                  std::span<const int64_t> order,
                  EventTime applied_until)
      : view_(view), rows_(rows), order_(order), applied_until_(applied_until) {}

  Status update(std::size_t begin,
                std::size_t end,
                std::string_view row,
                RowPageWriter* pages,
                std::string* updated) override {
    const std::span<const int64_t> selected = order_.subspan(begin, end - begin);
    updated->assign(row);
    return pages == nullptr
               ? view_.update_online_row(rows_, selected, applied_until_, updated)
               : view_.update_paged_row(rows_, selected, applied_until_, *pages, updated);
  }

 private:
  const FeatureView& view_;
  const data::Batch& rows_;
  const std::span<const int64_t> order_;
  const EventTime applied_until_;
};

Result<std::unique_ptr<RowUpdates>> FeatureView::begin_updates(const data::Batch& rows,
                                                               std::span<const int64_t> order,
                                                               EventTime applied_until) const {
  return std::unique_ptr<RowUpdates>(
      std::make_unique<UpdatesOneByOne>(*this, rows, order, applied_until));
}

/// Indexes of every feature of a view.
inline std::vector<int> all_features(const FeatureView& view) {
  std::vector<int> features;
  for (std::size_t i = 0; i < view.features().size(); ++i) {
    features.push_back(static_cast<int>(i));
  }
  return features;
}

using FeatureViewPtr = std::shared_ptr<const FeatureView>;

}  // namespace assay::gold
