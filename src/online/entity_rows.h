#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/memory.h"
#include "base/metrics.h"
#include "data/entity_key.h"
#include "data/partition.h"
#include "gold/contract.h"
#include "online/row_codec.h"

// What every online store does alike, whatever holds its bytes.

namespace assay::online {

/// Rows of a batch, gathered by entity; entities sorted by key bytes.
class EntityRows {
 public:
  struct Entity {
    data::EntityKey key;
    int64_t begin = 0;  // into order()
    int64_t end = 0;
  };
  /// Errors  kInvalidArgument: the batch lacks a key column, event_time or known_time, or one is of
  ///         another type.
  static Result<EntityRows> gather(const gold::FeatureView& view, const data::Batch& rows);

  [[nodiscard]] std::span<const Entity> entities() const { return entities_; }
  /// Row numbers, those of one entity after those of the one before, each in batch order.
  [[nodiscard]] std::span<const int64_t> order() const { return {rows_.data(), rows_.size()}; }
  /// Row numbers of one entity, in batch order.
  [[nodiscard]] std::span<const int64_t> rows_of(const Entity& entity) const {
    return order().subspan(static_cast<std::size_t>(entity.begin),
                           static_cast<std::size_t>(entity.end - entity.begin));
  }
  /// Rows that name no entity: they change nothing.
  [[nodiscard]] int64_t null_key_rows() const { return null_key_rows_; }
  /// Largest visible time of all rows; EventTime::min() without rows.
  [[nodiscard]] EventTime known_until() const { return known_until_; }

 private:
  void order_by_key(const std::vector<const data::Column*>& keys, const data::Column& any_column);
  void take_sorted(data::TypeId type, int64_t lowest, std::span<const uint64_t> sorted);

  std::vector<Entity, BlockAllocator<Entity>> entities_;
  data::Records<int64_t> rows_;
  int64_t null_key_rows_ = 0;
  EventTime known_until_ = EventTime::min();
};

/// Fold the rows of one entity into its row; `updates` are of the gathered batch and its order().
Status update_row(gold::RowUpdates& updates,
                  const EntityRows::Entity& entity,
                  std::string_view row,
                  gold::RowPageWriter* pages,
                  std::string* updated);
/// Whether an ascending list has the entity.
bool contains(std::span<const data::EntityKey> entities, const data::EntityKey& key);
/// kFailedPrecondition unless the view stands at `expected` under the same definition.
Status check_apply(const gold::FeatureView& view,
                   const std::optional<ViewMeta>& meta,
                   std::optional<int64_t> expected,
                   int64_t position);
/// kFailedPrecondition when the rows were written under another definition of the view.
Status check_definition(const gold::FeatureView& view, const ViewMeta& meta);
/// The largest known_until of all views but those that are filled beside others.
class LatestOfViews {
 public:
  void add(std::string_view storage_name, const AppliedTo& applied) {
    if (!storage_name.starts_with(kBeside)) {
      latest_ = std::max(latest_, applied.known_until);
    }
  }
  [[nodiscard]] EventTime latest() const { return latest_; }

 private:
  EventTime latest_ = EventTime::min();
};
/// What is to stand under a view's name from now on, of what was filled beside it.
/// Errors  those of ViewReplacer::replace.
Result<ViewMeta> check_filled(const gold::FeatureView& view,
                              const std::string& filled,
                              const std::optional<ViewMeta>& meta);
/// kInvalidArgument for a name that cannot be part of a key.
Status check_view_name(const gold::FeatureView& view);
/// The failure of a row that cannot be read, or of what is known of a view, with what a user can do
/// about it.
Status damaged_view(const Status& why, std::string_view view);
Status damaged_row(const Status& why, std::string_view view, std::string_view key);
/// Hash of one entity's answer. Sums of these over all entities do not depend on their order.
uint64_t hash_answer(const data::EntityKey& key, const gold::FeatureValues& answer);

/// The pages of stores that keep each row as one value.
class NoRowPages final : public gold::RowPages {
 public:
  [[nodiscard]] Result<std::string_view> get(uint64_t /*number*/) const override {
    return Status(Code::kCorrupt, "a row refers to a page where there are none");
  }
};

/// What one apply is asked to do to a view, its rows gathered.
struct ViewChange {
  const gold::FeatureView& view;
  const data::Batch& rows;
  const EntityRows& gathered;
  std::optional<int64_t> expected;
  int64_t position = 0;
  EventTime applied_until;
  std::span<const data::EntityKey> anew;

  /// What is to be known of the view once it is done.
  [[nodiscard]] ViewMeta after(ViewMeta before) const;
};

/// Counters of a store.
struct StoreMetrics {
  explicit StoreMetrics(Metrics& metrics);
  /// Count an apply that wrote so many entities.
  void count(const data::Batch& rows, const EntityRows& gathered, int64_t written);

  Counter& applied_rows;
  Counter& null_key_rows;
  Counter& written_entities;
  Counter& corrupt_rows;
  Counter& passed_over;
};

}  // namespace assay::online
