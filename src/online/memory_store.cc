#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "online/entity_rows.h"
#include "online/online_store.h"
#include "online/row_table.h"

namespace assay::online {
namespace {

using Pages = std::map<uint64_t, std::string>;

constexpr std::size_t kTogether = 16;  // entities that are looked up at once

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

/// Rows as they were before a batch, to put them back when it fails.
class Undo {
 public:
  explicit Undo(RowTable* rows) : rows_(*rows) {}
  void note(const RowTable::Entry& entry) {
    before_.push_back({rows_.place_of(entry), bytes_.size(), entry.is_held});
    bytes_.append(entry.row);
  }
  void put_back() {
    std::size_t end = bytes_.size();
    for (; !before_.empty(); before_.pop_back()) {
      const Before& before = before_.back();
      RowTable::Entry& entry = rows_.at(before.place);
      if (before.is_held) {
        entry.row.assign(bytes_, before.begin, end - before.begin);
        rows_.hold(&entry);
      } else {
        rows_.let_go(&entry);
      }
      end = before.begin;
    }
  }

 private:
  struct Before {
    std::size_t place;
    std::size_t begin;  // into bytes_
    bool is_held;
  };
  RowTable& rows_;
  std::vector<Before> before_;
  std::string bytes_;
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
    const bool is_new = found == views_.end();
    ASSAY_RETURN_IF_ERROR(check_apply(
        view, is_new ? std::nullopt : std::optional(found->second.meta), expected, position));
    ViewState& state = views_[view.storage_name()];
    StagedPages pages(&state.pages, state.next_page);
    Undo undo(&state.rows);
    Status done = forget(view, rows, anew, pages, &state, &undo);
    if (done.ok()) {
      done = update_rows(view, rows, gathered, applied_until, pages, &state, &undo);
    }
    if (!done.ok()) {  // all or nothing
      undo.put_back();
      state.rows.shrink();
      if (is_new) {
        views_.erase(view.storage_name());
      }
      return done;
    }
    state.rows.shrink();
    state.next_page = pages.take_over(&state.pages);
    state.meta.fingerprint = view.fingerprint();
    state.meta.applied.position = position;
    state.meta.applied.known_until =
        std::max(state.meta.applied.known_until, gathered.known_until());
    metrics_.count(rows, gathered, static_cast<int64_t>(gathered.entities().size()));
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
      const RowTable::Entry* entry = found == views_.end() ? nullptr : found->second.rows.find(key);
      ASSAY_ASSIGN_OR_RETURN(
          gold::FeatureValues answer,
          view.read_paged_row(
              entry == nullptr ? std::string_view() : std::string_view(entry->row), now, pages));
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

  Result<uint64_t> content_hash_at(const gold::FeatureView& view,
                                   std::optional<EventTime> now) override {
    const std::shared_lock lock(mutex_);
    const auto found = views_.find(view.storage_name());
    uint64_t sum = 0;
    if (found != views_.end()) {
      const MemoryPages pages(&found->second.pages);
      for (const RowTable::Entry& entry : found->second.rows.entries()) {
        if (entry.is_held) {
          ASSAY_ASSIGN_OR_RETURN(const gold::FeatureValues answer,
                                 view.read_paged_row(entry.row, now.value_or(latest()), pages));
          sum += hash_answer(entry.key, answer);
        }
      }
    }
    return sum;
  }

 private:
  struct ViewState {
    ViewMeta meta;
    RowTable rows;
    Pages pages;
    uint64_t next_page = 0;
  };

  /// Forget entities that are made anew.
  static Status forget(const gold::FeatureView& view,
                       const data::Batch& rows,
                       std::span<const data::EntityKey> anew,
                       StagedPages& pages,
                       ViewState* state,
                       Undo* undo) {
    for (const data::EntityKey& key : anew) {
      if (state->rows.find(key) == nullptr) {
        continue;
      }
      RowTable::Entry& entry = state->rows.entry_of(RowTable::hash_of(key), key);
      undo->note(entry);
      const Status emptied = view.update_paged_row(rows, {}, EventTime::max(), pages, &entry.row);
      if (!emptied.ok() && emptied.code() != Code::kCorrupt) {  // a damaged row is made anew too
        return emptied;
      }
      state->rows.let_go(&entry);
    }
    return {};
  }

  static Status update_rows(const gold::FeatureView& view,
                            const data::Batch& rows,
                            const EntityRows& gathered,
                            EventTime applied_until,
                            StagedPages& pages,
                            ViewState* state,
                            Undo* undo) {
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<gold::RowUpdates> updates,
                           view.begin_updates(rows, gathered.order(), applied_until));
    const std::span<const EntityRows::Entity> entities = gathered.entities();
    std::array<uint64_t, kTogether> hashes{};
    std::string updated;
    for (std::size_t begin = 0; begin < entities.size(); begin += kTogether) {
      const std::size_t count = std::min(kTogether, entities.size() - begin);
      for (std::size_t i = 0; i < count; ++i) {
        hashes[i] = RowTable::hash_of(entities[begin + i].key);
        state->rows.fetch_slot(hashes[i]);
      }
      for (std::size_t i = 0; i < count; ++i) {
        state->rows.fetch_entry(hashes[i]);
      }
      for (std::size_t i = 0; i < count; ++i) {
        state->rows.fetch_row(hashes[i]);
      }
      for (std::size_t i = 0; i < count; ++i) {
        const EntityRows::Entity& entity = entities[begin + i];
        RowTable::Entry& entry = state->rows.entry_of(hashes[i], entity.key);
        undo->note(entry);
        ASSAY_RETURN_IF_ERROR(update_row(*updates, entity, entry.row, &pages, &updated));
        entry.row.assign(updated);
        state->rows.hold(&entry);
      }
    }
    return {};
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
