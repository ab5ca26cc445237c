#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "online/entity_rows.h"
#include "online/online_store.h"

namespace assay::online {
namespace {

class MemoryStore : public OnlineStore {
 public:
  explicit MemoryStore(Metrics& metrics) : metrics_(metrics) {}

  Status apply(const gold::FeatureView& view,
               const data::Batch& rows,
               std::optional<int64_t> expected,
               int64_t position,
               EventTime applied_until) override {
    ASSAY_RETURN_IF_ERROR(check_view_name(view));
    ASSAY_ASSIGN_OR_RETURN(const EntityRows gathered, EntityRows::gather(view, rows));
    const std::unique_lock lock(mutex_);
    const auto found = views_.find(view.storage_name());
    ASSAY_RETURN_IF_ERROR(
        check_apply(view,
                    found == views_.end() ? std::nullopt : std::optional(found->second.meta),
                    expected,
                    position));
    std::vector<std::string> updated;  // all or nothing: kept aside until every entity succeeded
    updated.reserve(gathered.entities().size());
    for (const EntityRows::Entity& entity : gathered.entities()) {
      std::string row = found == views_.end() ? std::string() : row_of(found->second, entity.key);
      ASSAY_RETURN_IF_ERROR(
          view.update_online_row(rows, gathered.rows_of(entity), applied_until, &row));
      updated.push_back(std::move(row));
    }
    ViewState& state = views_[view.storage_name()];
    for (std::size_t i = 0; i < updated.size(); ++i) {
      state.rows[gathered.entities()[i].key] = std::move(updated[i]);
    }
    state.meta.fingerprint = view.fingerprint();
    state.meta.applied.position = position;
    state.meta.applied.known_until =
        std::max(state.meta.applied.known_until, gathered.known_until());
    metrics_.applied_rows.add(rows.rows() - gathered.null_key_rows());
    metrics_.null_key_rows.add(gathered.null_key_rows());
    metrics_.written_entities.add(static_cast<int64_t>(updated.size()));
    return {};
  }

  Result<std::optional<AppliedTo>> applied_to(const gold::FeatureView& view) override {
    const std::shared_lock lock(mutex_);
    const auto found = views_.find(view.storage_name());
    if (found == views_.end()) {
      return std::optional<AppliedTo>();
    }
    ASSAY_RETURN_IF_ERROR(check_definition(view, found->second.meta));
    return std::optional<AppliedTo>(found->second.meta.applied);
  }

  Result<std::vector<gold::FeatureValues>> read(const gold::FeatureView& view,
                                                std::span<const data::EntityKey> keys,
                                                EventTime now) override {
    const std::shared_lock lock(mutex_);
    const auto found = views_.find(view.storage_name());
    if (found != views_.end()) {
      ASSAY_RETURN_IF_ERROR(check_definition(view, found->second.meta));
    }
    std::vector<gold::FeatureValues> answers;
    answers.reserve(keys.size());
    for (const data::EntityKey& key : keys) {
      const std::string row = found == views_.end() ? std::string() : row_of(found->second, key);
      ASSAY_ASSIGN_OR_RETURN(gold::FeatureValues answer, view.read_online_row(row, now));
      answers.push_back(std::move(answer));
    }
    return answers;
  }

  Result<EventTime> data_now() override {
    const std::shared_lock lock(mutex_);
    return latest();
  }

  Result<std::vector<std::string>> views() override {
    const std::shared_lock lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, state] : views_) {
      names.push_back(name);
    }
    return names;
  }

  Status drop(const std::string& storage_name) override {
    const std::unique_lock lock(mutex_);
    views_.erase(storage_name);
    return {};
  }

  Result<uint64_t> content_hash(const gold::FeatureView& view) override {
    const std::shared_lock lock(mutex_);
    const auto found = views_.find(view.storage_name());
    uint64_t sum = 0;
    if (found != views_.end()) {
      for (const auto& [key, row] : found->second.rows) {
        ASSAY_ASSIGN_OR_RETURN(const gold::FeatureValues answer,
                               view.read_online_row(row, latest()));
        sum += hash_answer(key, answer);
      }
    }
    return sum;
  }

 private:
  struct ViewState {
    ViewMeta meta;
    std::map<data::EntityKey, std::string> rows;
  };

  static std::string row_of(const ViewState& state, const data::EntityKey& key) {
    const auto found = state.rows.find(key);
    return found == state.rows.end() ? std::string() : found->second;
  }

  [[nodiscard]] EventTime latest() const {
    EventTime latest = EventTime::min();
    for (const auto& [name, state] : views_) {
      latest = std::max(latest, state.meta.applied.known_until);
    }
    return latest;
  }

  std::shared_mutex mutex_;
  std::map<std::string, ViewState> views_;
  StoreMetrics metrics_;
};

}  // namespace

std::unique_ptr<OnlineStore> make_memory_store(Metrics& metrics) {
  return std::make_unique<MemoryStore>(metrics);
}

}  // namespace assay::online
