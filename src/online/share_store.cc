#include "online/share_store.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "online/rendezvous.h"
#include "online/sharded_store.h"
#include "online/view_replacer.h"

namespace assay::online {
namespace {

/// The bytes of one value inside a key (docs/formats/entity_key.md), as a key of that value alone
/// has them.
std::string_view part_of(std::string_view key, int index) {
  constexpr std::size_t kIntegerBytes = 9;  // with the tag
  constexpr std::size_t kLengthBytes = 5;   // the same
  while (true) {
    std::size_t size = std::min(kIntegerBytes, key.size());
    if (!key.empty() && (key.front() == 's' || key.front() == 'x')) {
      size = 0;
      for (std::size_t i = 1; i < std::min(kLengthBytes, key.size()); ++i) {
        size = size << 8 | static_cast<unsigned char>(key[i]);
      }
      size = std::min(size + kLengthBytes, key.size());
    }
    if (index == 0) {
      return key.substr(0, size);
    }
    --index;
    key.remove_prefix(size);
  }
}

/// Where the share's column stands among the keys of a view; -1: it has none.
int place_of(const gold::FeatureView& view, const std::string& column) {
  const std::vector<data::Field>& keys = view.keys();
  const auto found = std::find_if(
      keys.begin(), keys.end(), [&](const data::Field& key) { return key.name == column; });
  return found == keys.end() ? -1 : static_cast<int>(found - keys.begin());
}

class ShareStore : public OnlineStore, public ViewReplacer {
 public:
  ShareStore(catalog::ShareDef share, std::unique_ptr<OnlineStore> store)
      : share_(std::move(share)),
        owners_(share_.names),
        own_(static_cast<std::size_t>(
            std::find(share_.names.begin(), share_.names.end(), share_.name) -
            share_.names.begin())),
        store_(std::move(store)) {}

  Status apply(const gold::FeatureView& view,
               const data::Batch& rows,
               std::optional<int64_t> expected,
               int64_t position,
               EventTime applied_until,
               std::span<const data::EntityKey> anew) override;
  Result<std::optional<AppliedTo>> applied_to(const gold::FeatureView& view) override {
    return store_->applied_to(view);
  }
  Result<std::optional<AppliedTo>> known_applied_to(const gold::FeatureView& view) override {
    return store_->known_applied_to(view);
  }
  Result<std::optional<int64_t>> ahead_of(const gold::FeatureView& view) override {
    return store_->ahead_of(view);
  }
  Result<std::vector<gold::FeatureValues>> read(const gold::FeatureView& view,
                                                std::span<const data::EntityKey> keys,
                                                EventTime now) override {
    ASSAY_RETURN_IF_ERROR(check_keys({&view, keys}));
    return store_->read(view, keys, now);
  }
  Result<std::optional<AppliedTo>> read_flat(const gold::FeatureView& view,
                                             std::span<const data::EntityKey> keys,
                                             EventTime now,
                                             data::FlatValues* values) override {
    ASSAY_RETURN_IF_ERROR(check_keys({&view, keys}));
    return store_->read_flat(view, keys, now, values);
  }
  Status read_flat_views(std::span<const ViewKeys> asked,
                         EventTime now,
                         data::FlatValues* values,
                         std::vector<std::optional<AppliedTo>>* applied) override {
    for (const ViewKeys& one : asked) {
      ASSAY_RETURN_IF_ERROR(check_keys(one));
    }
    return store_->read_flat_views(asked, now, values, applied);
  }
  std::unique_ptr<PendingRead> begin_read(const gold::FeatureView& view,
                                          std::span<const data::EntityKey> keys,
                                          EventTime now) override {
    return check_keys({&view, keys}).ok() ? store_->begin_read(view, keys, now) : nullptr;
  }
  Result<EventTime> data_now() override { return store_->data_now(); }
  Result<EventTime> known_data_now() override { return store_->known_data_now(); }
  Result<std::vector<std::string>> views() override { return store_->views(); }
  Status drop(const std::string& storage_name) override { return store_->drop(storage_name); }
  Status remove_leftovers() override { return store_->remove_leftovers(); }
  Status replace(const gold::FeatureView& view, const std::string& filled) override {
    return replace_view(*store_, view, filled);
  }
  Result<uint64_t> content_hash_at(const gold::FeatureView& view,
                                   std::optional<EventTime> now) override {
    return store_->content_hash_at(view, now);
  }
  [[nodiscard]] const catalog::ShareDef& share() const { return share_; }
  [[nodiscard]] bool has(const gold::FeatureView& view, const data::EntityKey& key) const {
    const int place = place_of(view, share_.key);
    return place < 0 || owners_.owner(part_of(key.bytes(), place)) == own_;
  }

 private:
  [[nodiscard]] Status check_keys(const ViewKeys& asked) const;

  const catalog::ShareDef share_;
  const Rendezvous owners_;
  const std::size_t own_;
  const std::unique_ptr<OnlineStore> store_;
};

Status ShareStore::check_keys(const ViewKeys& asked) const {
  const int place = place_of(*asked.view, share_.key);
  if (place < 0) {
    return {};
  }
  for (const data::EntityKey& key : asked.keys) {
    const std::size_t owner = owners_.owner(part_of(key.bytes(), place));
    if (owner != own_) {
      return {Code::kFailedPrecondition,
              "an entity of view " + asked.view->name() + " is share " + share_.names[owner] +
                  "'s by its " + share_.key + ", and this is share " + share_.name +
                  "; ask `assay proxy`, or the server of that share"};
    }
  }
  return {};
}

/// The newest time that a row says something is known by.
EventTime known_by(const data::Batch& rows, int64_t row) {
  EventTime latest = EventTime::min();
  for (const std::string_view name : {gold::kEventTime, gold::kKnownTime, gold::kReplacedTime}) {
    const data::Column* column = rows.find(name);
    if (column != nullptr && column->is_valid(row)) {
      latest = std::max(latest, EventTime{column->integer(row)});
    }
  }
  return latest;
}

/// These rows, and behind them one of no entity, which changes nothing but how far all is known.
data::Batch with_time_of(const data::Batch& rows,
                         std::vector<int64_t> taken,
                         int64_t newest,
                         const std::string& key) {
  taken.push_back(newest);
  const data::Batch with = rows.take(taken);
  taken.back() = -1;
  std::vector<data::ColumnPtr> columns;
  for (int c = 0; c < rows.column_count(); ++c) {
    columns.push_back(rows.schema().field(c).name == key ? data::take(rows.column(c), taken)
                                                         : with.column_ptr(c));
  }
  return {rows.schema_ptr(), std::move(columns), with.rows()};
}

Status ShareStore::apply(const gold::FeatureView& view,
                         const data::Batch& rows,
                         std::optional<int64_t> expected,
                         int64_t position,
                         EventTime applied_until,
                         std::span<const data::EntityKey> anew) {
  const int place = place_of(view, share_.key);
  const data::Column* const column = place < 0 ? nullptr : rows.find(share_.key);
  if (column == nullptr) {  // one that is missing is refused there
    return store_->apply(view, rows, expected, position, applied_until, anew);
  }
  const data::EntityIndex entities = data::index_entities(std::array{column}, rows.rows());
  std::vector<bool> is_own;
  for (const data::EntityKey& key : entities.keys) {
    is_own.push_back(owners_.owner(key.bytes()) == own_);
  }
  std::vector<int64_t> taken;
  std::optional<int64_t> newest;  // of the others
  EventTime known = EventTime::min();
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const int32_t entity = entities.ids[static_cast<std::size_t>(row)];
    if (entity < 0 || is_own[static_cast<std::size_t>(entity)]) {
      taken.push_back(row);  // those of no entity are counted, too
    } else if (!newest.has_value() || known_by(rows, row) > known) {
      newest = row;
      known = known_by(rows, row);
    }
  }
  std::vector<data::EntityKey> own_anew;
  for (const data::EntityKey& key : anew) {
    if (has(view, key)) {
      own_anew.push_back(key);
    }
  }
  const data::Batch own =
      newest.has_value() ? with_time_of(rows, std::move(taken), *newest, share_.key) : rows;
  return store_->apply(view, own, expected, position, applied_until, own_anew);
}

}  // namespace

std::unique_ptr<OnlineStore> make_share_store(catalog::ShareDef share,
                                              std::unique_ptr<OnlineStore> store) {
  return std::make_unique<ShareStore>(std::move(share), std::move(store));
}

const catalog::ShareDef* share_of(const OnlineStore& store) {
  const auto* const of_share = dynamic_cast<const ShareStore*>(&store);
  return of_share == nullptr ? nullptr : &of_share->share();
}

bool has_share_of(const OnlineStore& store,
                  const gold::FeatureView& view,
                  const data::EntityKey& key) {
  const auto* const of_share = dynamic_cast<const ShareStore*>(&store);
  return of_share == nullptr || of_share->has(view, key);
}

std::string share_id(const catalog::ShareDef& share) {
  const uint64_t own = hash_mix(hash_bytes(share.key), hash_bytes(share.name));
  return shard_list_id(share.names) + "-" + hash_text(own);
}

}  // namespace assay::online
