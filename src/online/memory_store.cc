#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "online/entity_rows.h"
#include "online/online_store.h"

namespace assay::online {
namespace {

using Pages = std::map<uint64_t, std::string>;

class MemoryPages final : public gold::RowPages {
 public:
  explicit MemoryPages(const Pages* pages) : pages_(pages) {}
  [[nodiscard]] Result<std::string_view> get(uint64_t number) const override {
    const auto found = pages_ == nullptr ? Pages::const_iterator() : pages_->find(number);
    if (pages_ == nullptr || found == pages_->end()) {
      return Status(Code::kCorrupt, "a row refers to a page that is not there");
    }
    return std::string_view(found->second);
  }

 private:
  const Pages* pages_;  // nullptr: none
};

/// Changes to pages, kept aside until they are taken over.
class StagedPages final : public gold::RowPageWriter {
 public:
  StagedPages(const Pages* pages, uint64_t next) : pages_(pages), next_(next) {}
  [[nodiscard]] std::size_t bytes_max() const override { return 8192; }
  [[nodiscard]] Result<std::string_view> get(uint64_t number) const override {
    const auto changed = changed_.find(number);
    if (changed == changed_.end()) {
      return pages_.get(number);
    }
    return changed->second ? Result<std::string_view>(*changed->second)
                           : Status(Code::kCorrupt, "a row refers to a page that was erased");
  }
  Result<uint64_t> add(std::string_view bytes) override {
    changed_[next_] = std::string(bytes);
    return next_++;
  }
  Status put(uint64_t number, std::string_view bytes) override {
    changed_[number] = std::string(bytes);
    return {};
  }
  Status erase(uint64_t number) override {
    changed_[number].reset();
    return {};
  }
  /// Number of the next page.
  uint64_t take_over(Pages* pages) {
    for (auto& [number, bytes] : changed_) {
      if (bytes) {
        (*pages)[number] = std::move(*bytes);
      } else {
        pages->erase(number);
      }
    }
    return next_;
  }

 private:
  MemoryPages pages_;
  uint64_t next_;
  std::map<uint64_t, std::optional<std::string>> changed_;
};

class MemoryStore : public OnlineStore {
 public:
  explicit MemoryStore(Metrics& metrics) : metrics_(metrics) {}

  Status apply(const gold::FeatureView& view,
               const data::Batch& rows,
               std::optional<int64_t> expected,
               int64_t position,
               EventTime applied_until,
               std::span<const data::EntityKey> anew) override {
    ASSAY_RETURN_IF_ERROR(check_view_name(view));
    ASSAY_ASSIGN_OR_RETURN(const EntityRows gathered, EntityRows::gather(view, rows));
    const std::unique_lock lock(mutex_);
    const auto found = views_.find(view.storage_name());
    ASSAY_RETURN_IF_ERROR(
        check_apply(view,
                    found == views_.end() ? std::nullopt : std::optional(found->second.meta),
                    expected,
                    position));
    const bool is_new = found == views_.end();
    StagedPages pages(is_new ? nullptr : &found->second.pages,
                      is_new ? 0 : found->second.next_page);
    for (const data::EntityKey& key : anew) {
      std::string row = is_new ? std::string() : row_of(found->second, key);
      const Status emptied = view.update_paged_row(rows, {}, EventTime::max(), pages, &row);
      if (!emptied.ok() && emptied.code() != Code::kCorrupt) {  // a damaged row is made anew too
        return emptied;
      }
    }
    std::vector<std::string> updated;  // all or nothing: kept aside until every entity succeeded
    updated.reserve(gathered.entities().size());
    for (const EntityRows::Entity& entity : gathered.entities()) {
      std::string row =
          is_new || contains(anew, entity.key) ? std::string() : row_of(found->second, entity.key);
      ASSAY_RETURN_IF_ERROR(
          view.update_paged_row(rows, gathered.rows_of(entity), applied_until, pages, &row));
      updated.push_back(std::move(row));
    }
    ViewState& state = views_[view.storage_name()];
    state.next_page = pages.take_over(&state.pages);
    for (const data::EntityKey& key : anew) {
      state.rows.erase(key);
    }
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
    const MemoryPages pages(found == views_.end() ? nullptr : &found->second.pages);
    for (const data::EntityKey& key : keys) {
      const std::string row = found == views_.end() ? std::string() : row_of(found->second, key);
      ASSAY_ASSIGN_OR_RETURN(gold::FeatureValues answer, view.read_paged_row(row, now, pages));
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
      const MemoryPages pages(&found->second.pages);
      for (const auto& [key, row] : found->second.rows) {
        ASSAY_ASSIGN_OR_RETURN(const gold::FeatureValues answer,
                               view.read_paged_row(row, latest(), pages));
        sum += hash_answer(key, answer);
      }
    }
    return sum;
  }

 private:
  struct ViewState {
    ViewMeta meta;
    std::map<data::EntityKey, std::string> rows;
    Pages pages;
    uint64_t next_page = 0;
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
