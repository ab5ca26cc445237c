#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <shared_mutex>

#include "data/partition.h"
#include "online/entity_rows.h"
#include "online/online_store.h"
#include "online/row_table.h"
#include "online/view_replacer.h"

namespace assay::online {
namespace {

using Pages = std::map<uint64_t, std::string>;

// How many entities ahead of the one that is updated something is fetched: each waits for the last.
constexpr std::size_t kSlotsAhead = 24;
constexpr std::size_t kEntriesAhead = 16;
constexpr std::size_t kRowsAhead = 8;

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

/// Rows as they were before a batch, to put them back when it fails: one after the other in blocks,
/// which are used again for the next batch.
class Undo {
 public:
  explicit Undo(RowTable* rows) : rows_(*rows) {}
  void note(RowTable::Entry* entry) {
    const std::string_view row = entry->row();
    const std::size_t whole =
        (sizeof(Before) + row.size() + alignof(Before) - 1) / alignof(Before) * alignof(Before);
    if (left_ < whole) {
      blocks_.emplace_back(std::max(blocks_.empty() ? kFirstBlock : kBlock, whole));
      next_ = blocks_.back().data();
      left_ = blocks_.back().size();
    }
    last_ = ::new (static_cast<void*>(next_)) Before{entry, last_, row.size(), entry->is_held};
    if (!row.empty()) {
      std::memcpy(next_ + sizeof(Before), row.data(), row.size());
    }
    next_ += whole;
    left_ -= whole;
  }
  /// The last first: an entity may have been noted twice.
  void put_back() {
    for (; last_ != nullptr; last_ = last_->before_it) {
      if (last_->is_held) {
        rows_.set(last_->entry, {reinterpret_cast<const char*>(last_ + 1), last_->size});
      } else {
        rows_.let_go(last_->entry);
      }
    }
  }

 private:
  struct Before {  // and behind it the bytes of the row
    RowTable::Entry* entry;
    const Before* before_it;
    std::size_t size;
    bool is_held;
  };
  static constexpr std::size_t kFirstBlock = std::size_t{64} << 10;
  static constexpr std::size_t kBlock = std::size_t{4} << 20;

  RowTable& rows_;
  std::vector<data::Records<char>> blocks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;  // of the last block
  const Before* last_ = nullptr;
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

class MemoryStore : public OnlineStore, public ViewReplacer {
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
          view.read_paged_row(entry == nullptr ? std::string_view() : entry->row(), now, pages));
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

  Status replace(const gold::FeatureView& view, const std::string& filled) override {
    const std::unique_lock lock(mutex_);
    const auto found = views_.find(filled);
    ASSAY_RETURN_IF_ERROR(
        check_filled(
            view, filled, found == views_.end() ? std::nullopt : std::optional(found->second.meta))
            .status());
    auto node = views_.extract(found);
    node.key() = view.storage_name();
    views_.erase(view.storage_name());
    views_.insert(std::move(node));
    return {};
  }

  Result<uint64_t> content_hash_at(const gold::FeatureView& view,
                                   std::optional<EventTime> now) override {
    const std::shared_lock lock(mutex_);
    const auto found = views_.find(view.storage_name());
    uint64_t sum = 0;
    if (found != views_.end()) {
      const MemoryPages pages(&found->second.pages);
      for (std::size_t place = 0; place < found->second.rows.size(); ++place) {
        const RowTable::Entry& entry = found->second.rows.at(place);
        if (entry.is_held) {
          ASSAY_ASSIGN_OR_RETURN(const gold::FeatureValues answer,
                                 view.read_paged_row(entry.row(), now.value_or(latest()), pages));
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
      undo->note(&entry);
      std::string row(entry.row());
      const Status emptied = view.update_paged_row(rows, {}, EventTime::max(), pages, &row);
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
    std::array<uint64_t, 2 * kSlotsAhead> hashes{};  // of entities from the one that is updated on
    const auto fetch = [&](std::size_t i) {  // what is asked for is there some entities later
      if (i < entities.size()) {
        hashes[i % hashes.size()] = RowTable::hash_of(entities[i].key);
        state->rows.fetch_slot(hashes[i % hashes.size()]);
      }
      if (i >= kSlotsAhead - kEntriesAhead && i - (kSlotsAhead - kEntriesAhead) < entities.size()) {
        state->rows.fetch_entry(hashes[(i - (kSlotsAhead - kEntriesAhead)) % hashes.size()]);
      }
      if (i >= kSlotsAhead - kRowsAhead && i - (kSlotsAhead - kRowsAhead) < entities.size()) {
        state->rows.fetch_row(hashes[(i - (kSlotsAhead - kRowsAhead)) % hashes.size()]);
      }
    };
    for (std::size_t i = 0; i < kSlotsAhead; ++i) {
      fetch(i);
    }
    std::string updated;
    for (std::size_t i = 0; i < entities.size(); ++i) {
      fetch(i + kSlotsAhead);
      const EntityRows::Entity& entity = entities[i];
      RowTable::Entry& entry = state->rows.entry_of(hashes[i % hashes.size()], entity.key);
      undo->note(&entry);
      ASSAY_RETURN_IF_ERROR(update_row(*updates, entity, entry.row(), &pages, &updated));
      state->rows.set(&entry, updated);
    }
    return {};
  }

  [[nodiscard]] EventTime latest() const {
    LatestOfViews latest;
    for (const auto& [name, state] : views_) {
      latest.add(name, state.meta.applied);
    }
    return latest.latest();
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
