// The store of our own: what LmdbStore does, in a hash log.

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "base/fail_point.h"
#include "base/hash.h"
#include "online/entity_rows.h"
#include "online/hash_log.h"
#include "online/hash_log_writer.h"
#include "online/online_store.h"
#include "online/row_codec.h"
#include "online/rows_ahead.h"
#include "online/view_replacer.h"

namespace assay::online {
namespace {

constexpr std::size_t kPageBytesMax = 4096 - kRecordHeaderBytes;

std::string_view page_key(const uint64_t& number) {
  return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

/// Pages of one view.
class LogPages final : public gold::RowPages {
 public:
  LogPages(const HashLog::Snapshot& snapshot, uint32_t epoch)
      : snapshot_(snapshot), epoch_(epoch) {}
  [[nodiscard]] Result<std::string_view> get(uint64_t number) const override {
    ASSAY_ASSIGN_OR_RETURN(const Found found,
                           snapshot_.find(RecordKind::kPage, epoch_, page_key(number)));
    return found.value.has_value()
               ? Result<std::string_view>(*found.value)
               : Status(Code::kCorrupt, "a row refers to a page that is not there");
  }

 private:
  const HashLog::Snapshot& snapshot_;
  uint32_t epoch_;
};

/// The same in a transaction: changes are kept aside, so that each page is written once.
class LogPageWriter final : public gold::RowPageWriter {
 public:
  LogPageWriter(HashLogWriter& writer, uint32_t epoch, uint64_t next)
      : writer_(writer), epoch_(epoch), next_(next) {}
  [[nodiscard]] std::size_t bytes_max() const override { return kPageBytesMax; }
  [[nodiscard]] Result<std::string_view> get(uint64_t number) const override {
    const auto changed = changed_.find(number);
    if (changed == changed_.end()) {
      const Result<std::string_view> held = LogPages(writer_.snapshot(), epoch_).get(number);
      damaged_ |= held.code() == Code::kCorrupt;
      return held;
    }
    return changed->second.has_value()
               ? Result<std::string_view>(*changed->second)
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
  /// Whether a page of the row that was begun last could not be read.
  [[nodiscard]] bool met_damage() const { return damaged_; }
  void begin_row() { damaged_ = false; }
  /// Write them, over damaged ones too. The number of the next page.
  Result<uint64_t> finish() {
    for (const auto& [number, bytes] : changed_) {
      ASSAY_ASSIGN_OR_RETURN(
          const Standing before,
          writer_.snapshot().find_to_change(RecordKind::kPage, epoch_, page_key(number)));
      ASSAY_RETURN_IF_ERROR(
          bytes.has_value()
              ? writer_.put(RecordKind::kPage, epoch_, page_key(number), *bytes, before.found)
              : writer_.erase(RecordKind::kPage, epoch_, page_key(number), before.found));
    }
    return next_;
  }

 private:
  HashLogWriter& writer_;
  uint32_t epoch_;
  uint64_t next_;
  mutable bool damaged_ = false;
  std::unordered_map<uint64_t, std::optional<std::string>> changed_;
};

/// What is kept of a view.
struct ViewNote {
  uint64_t next_page = 0;
  ViewMeta meta;
};

std::string encode_note(const std::string& name, const ViewNote& note) {
  std::string bytes(reinterpret_cast<const char*>(&note.next_page), sizeof(note.next_page));
  return bytes + encode_meta(name, note.meta);
}

Result<std::optional<ViewNote>> decode_note(const std::string& name, const Found& found) {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string_view> bytes,
                         HashLogWriter::note_of(found));
  if (!bytes.has_value()) {
    return std::optional<ViewNote>();
  }
  ViewNote note;
  if (bytes->size() < sizeof(note.next_page)) {
    return Status(Code::kCorrupt, "the record of a view is too short: " + name);
  }
  std::memcpy(&note.next_page, bytes->data(), sizeof(note.next_page));
  ASSAY_ASSIGN_OR_RETURN(note.meta, decode_meta(name, bytes->substr(sizeof(note.next_page))));
  return std::optional<ViewNote>(note);
}

/// A view's record, and where it stands.
struct HeldView {
  uint32_t epoch = 0;  // 0: there is no such view
  Found found;
  std::optional<ViewNote> note;
};

/// The epoch that a view's records are of; 0 when there is no such view.
uint32_t epoch_of(const HashLog::Snapshot& snapshot, const std::string& name) {
  const LogDirectory::View* const view = snapshot.directory().find(name);
  return view == nullptr ? 0 : view->epoch;
}

/// `epoch`: of epoch_of().
Result<HeldView> find_view(const HashLog::Snapshot& snapshot,
                           const std::string& name,
                           uint32_t epoch) {
  HeldView held;
  if (epoch != 0) {
    held.epoch = epoch;
    const Result<Found> found = snapshot.find(RecordKind::kMeta, epoch, "");
    if (!found.ok()) {
      return damaged_view(found.status(), name);
    }
    held.found = *found;
    ASSAY_ASSIGN_OR_RETURN(held.note, decode_note(name, held.found));
  }
  return held;
}

/// Of all views whose record can be read: a damaged one has nothing to say for the others.
Result<EventTime> latest_of(const HashLog::Snapshot& snapshot) {
  LatestOfViews latest;
  for (const auto& [name, view] : snapshot.directory().views) {
    const Result<HeldView> held = find_view(snapshot, name, view.epoch);
    if (!held.ok() && held.code() != Code::kCorrupt) {
      return held.status();
    }
    if (held.ok() && held->note.has_value()) {
      latest.add(name, held->note->meta.applied);
    }
  }
  return latest.latest();
}

class HashLogStore : public OnlineStore, public ViewReplacer {
 public:
  HashLogStore(std::unique_ptr<HashLog> log, World& world)
      : log_(std::move(log)), events_(world.log), metrics_(world.metrics) {}

  Status apply(const gold::FeatureView& view,
               const data::Batch& rows,
               std::optional<int64_t> expected,
               int64_t position,
               EventTime applied_until,
               std::span<const data::EntityKey> anew) override;
  Result<std::optional<AppliedTo>> applied_to(const gold::FeatureView& view) override;
  Result<std::vector<gold::FeatureValues>> read(const gold::FeatureView& view,
                                                std::span<const data::EntityKey> keys,
                                                EventTime now) override;
  Result<std::optional<AppliedTo>> read_flat(const gold::FeatureView& view,
                                             std::span<const data::EntityKey> keys,
                                             EventTime now,
                                             data::FlatValues* values) override;
  Status read_flat_views(std::span<const ViewKeys> asked,
                         EventTime now,
                         data::FlatValues* values,
                         std::vector<std::optional<AppliedTo>>* applied) override;
  Result<EventTime> data_now() override;
  Result<std::vector<std::string>> views() override;
  Status drop(const std::string& storage_name) override;
  Status replace(const gold::FeatureView& view, const std::string& filled) override;
  Result<uint64_t> content_hash_at(const gold::FeatureView& view,
                                   std::optional<EventTime> now) override;

 private:
  struct Change {
    const gold::FeatureView& view;
    const data::Batch& rows;
    const EntityRows& gathered;
    EventTime applied_until;
    std::span<const data::EntityKey> anew;
    uint32_t epoch = 0;
  };
  Status forget(HashLogWriter& writer, const Change& change, LogPageWriter& pages);
  Status pass_over(HashLogWriter& writer,
                   const Change& change,
                   const data::EntityKey& key,
                   uint64_t hash,
                   const Standing& before);
  Result<int64_t> apply_rows(HashLogWriter& writer, const Change& change, LogPageWriter& pages);
  Status read_views(std::span<const ViewKeys> asked,
                    EventTime now,
                    data::FlatValues* values,
                    HeldKeys* held,
                    std::optional<AppliedTo>* applied);
  Status counted(Status status) {
    metrics_.corrupt_rows.add(status.code() == Code::kCorrupt ? 1 : 0);
    return status;
  }

  std::unique_ptr<HashLog> log_;
  Log& events_;
  StoreMetrics metrics_;
};

Status HashLogStore::apply(const gold::FeatureView& view,
                           const data::Batch& rows,
                           std::optional<int64_t> expected,
                           int64_t position,
                           EventTime applied_until,
                           std::span<const data::EntityKey> anew) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  ASSAY_ASSIGN_OR_RETURN(const EntityRows gathered, EntityRows::gather(view, rows));
  int64_t written = 0;
  Status done = log_->update([&](HashLogWriter& writer) -> Status {
    const std::string& name = view.storage_name();
    ASSAY_ASSIGN_OR_RETURN(const HeldView held,
                           find_view(writer.snapshot(), name, epoch_of(writer.snapshot(), name)));
    ASSAY_RETURN_IF_ERROR(
        check_apply(view,
                    held.note.has_value() ? std::optional(held.note->meta) : std::nullopt,
                    expected,
                    position));
    const uint32_t epoch =
        held.epoch != 0 ? held.epoch : writer.add_view(view.storage_name(), view.fingerprint());
    const Change change{view, rows, gathered, applied_until, anew, epoch};
    ViewNote note = held.note.value_or(ViewNote{});
    LogPageWriter pages(writer, epoch, note.next_page);
    ASSAY_RETURN_IF_ERROR(forget(writer, change, pages));
    ASSAY_ASSIGN_OR_RETURN(written, apply_rows(writer, change, pages));
    ASSAY_ASSIGN_OR_RETURN(note.next_page, pages.finish());
    note.meta.fingerprint = view.fingerprint();
    note.meta.applied.position = position;
    note.meta.applied.known_until = std::max(note.meta.applied.known_until, gathered.known_until());
    ASSAY_RETURN_IF_ERROR(
        writer.put_meta(epoch, encode_note(view.storage_name(), note), held.found));
    fail_point("online.apply.before_commit");
    return {};
  });
  if (!done.ok()) {
    return counted(done.with_context("apply rows to the online store, view " + view.name()));
  }
  fail_point("online.apply.after_commit");
  metrics_.count(rows, gathered, written);
  return {};
}

/// Give back the pages of entities that are made anew; those that get no rows are erased.
Status HashLogStore::forget(HashLogWriter& writer, const Change& change, LogPageWriter& pages) {
  const std::span<const EntityRows::Entity> entities = change.gathered.entities();
  for (const data::EntityKey& key : change.anew) {
    ASSAY_ASSIGN_OR_RETURN(
        const Standing before,
        writer.snapshot().find_to_change(RecordKind::kRow, change.epoch, key.bytes()));
    if (before.damage.ok() && !before.found.value.has_value()) {
      continue;
    }
    if (before.found.value.has_value()) {
      std::string row(*before.found.value);
      const Status emptied =
          change.view.update_paged_row(change.rows, {}, EventTime::max(), pages, &row);
      if (!emptied.ok() && emptied.code() != Code::kCorrupt) {  // a damaged row is made anew too
        return emptied;
      }
    }
    const auto at = std::lower_bound(
        entities.begin(), entities.end(), key, [](const EntityRows::Entity& entity, const auto& k) {
          return entity.key < k;
        });
    if (at == entities.end() || at->key != key) {
      ASSAY_RETURN_IF_ERROR(
          writer.erase(RecordKind::kRow, change.epoch, key.bytes(), before.found));
    }
  }
  return {};
}

/// How many entities were written.
Result<int64_t> HashLogStore::apply_rows(HashLogWriter& writer,
                                         const Change& change,
                                         LogPageWriter& pages) {
  const HashLog::Snapshot& snapshot = writer.snapshot();
  const std::span<const EntityRows::Entity> entities = change.gathered.entities();
  std::vector<uint64_t> hashes;
  hashes.reserve(entities.size());
  for (const EntityRows::Entity& entity : entities) {
    hashes.push_back(record_hash(RecordKind::kRow, change.epoch, entity.key.bytes()));
  }
  ASSAY_ASSIGN_OR_RETURN(
      const std::unique_ptr<gold::RowUpdates> updates,
      change.view.begin_updates(change.rows, change.gathered.order(), change.applied_until));
  int64_t written = 0;
  std::string row;
  for (std::size_t i = 0; i < entities.size(); ++i) {
    if (i + kSlotsAhead < entities.size()) {
      snapshot.prefetch_slot(hashes[i + kSlotsAhead]);
      snapshot.prefetch_record(hashes[i + kRecordsAhead], kRecordBytesAhead);
    }
    const EntityRows::Entity& entity = entities[i];
    Result<Standing> found =
        snapshot.find_to_change(RecordKind::kRow, change.epoch, entity.key.bytes(), hashes[i]);
    if (!found.ok()) {
      return damaged_row(found.status(), change.view.storage_name(), entity.key.bytes());
    }
    Standing before = std::move(found).value();
    if (contains(change.anew, entity.key)) {
      before.damage = Status();
      before.found.value.reset();
    }
    if (before.damage.ok()) {
      pages.begin_row();
      before.damage = update_row(
          *updates, entity, before.found.value.value_or(std::string_view()), &pages, &row);
      if (!before.damage.ok() && !pages.met_damage()) {
        return damaged_row(before.damage, change.view.storage_name(), entity.key.bytes());
      }
    }
    if (!before.damage.ok()) {
      ASSAY_RETURN_IF_ERROR(pass_over(writer, change, entity.key, hashes[i], before));
    } else if (before.found.value != std::string_view(row)) {
      ASSAY_RETURN_IF_ERROR(
          writer.put(RecordKind::kRow, change.epoch, entity.key.bytes(), row, before.found));
      ++written;
    }
  }
  return written;
}

/// New rows are not folded into what cannot be read, and all else of the batch does not wait for
/// it: the entity is found damaged from now on, never older, until it is made anew.
Status HashLogStore::pass_over(HashLogWriter& writer,
                               const Change& change,
                               const data::EntityKey& key,
                               uint64_t hash,
                               const Standing& before) {
  metrics_.passed_over.add();
  if (before.is_lost) {
    return {};
  }
  const Status why = damaged_row(before.damage, change.view.storage_name(), key.bytes());
  events_.error("online_row_lost", {{"status", why.to_string()}});
  return writer.lose(hash, before.found.place);
}

/// Where a view stands in a state.
Result<std::optional<AppliedTo>> applied_in(const HashLog::Snapshot& snapshot,
                                            const gold::FeatureView& view,
                                            uint32_t epoch) {
  ASSAY_ASSIGN_OR_RETURN(const HeldView held, find_view(snapshot, view.storage_name(), epoch));
  if (!held.note.has_value()) {
    return std::optional<AppliedTo>();
  }
  ASSAY_RETURN_IF_ERROR(check_definition(view, held.note->meta));
  return std::optional<AppliedTo>(held.note->meta.applied);
}

Result<std::optional<AppliedTo>> HashLogStore::applied_to(const gold::FeatureView& view) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  std::optional<AppliedTo> applied;
  Status done = log_->read([&](const HashLog::Snapshot& snapshot) -> Status {
    const uint32_t epoch = epoch_of(snapshot, view.storage_name());
    ASSAY_ASSIGN_OR_RETURN(applied, applied_in(snapshot, view, epoch));
    return {};
  });
  ASSAY_RETURN_IF_ERROR(counted(std::move(done)));
  return applied;
}

/// The keys as the log knows their view: of no epoch when it was never written.
Result<HeldKeys> held_keys(const HashLog::Snapshot& snapshot,
                           const gold::FeatureView& view,
                           std::span<const data::EntityKey> keys) {
  const LogDirectory::View* const held = snapshot.directory().find(view.storage_name());
  if (held == nullptr) {
    return HeldKeys{0, keys};
  }
  ASSAY_RETURN_IF_ERROR(check_definition(view, ViewMeta{held->fingerprint, {}}));
  return HeldKeys{held->epoch, keys};
}

/// Hands the row of each key to `take`, "" where there is none, with the view's pages. They are the
/// next ones of `rows`.
template <typename Take>
Status each_row(const HashLog::Snapshot& snapshot,
                const gold::FeatureView& view,
                const HeldKeys& held,
                RowsAhead* rows,
                const Take& take) {
  const LogPages pages(snapshot, held.epoch);
  for (const data::EntityKey& key : held.keys) {
    std::string_view row;
    const bool is_found = rows->next(&row);
    Status taken = is_found ? take(row, pages) : rows->search(&row);
    if (!is_found && taken.ok()) {
      taken = take(row, pages);
    }
    if (!taken.ok()) {
      return damaged_row(taken, view.storage_name(), key.bytes());
    }
  }
  return {};
}

Result<std::vector<gold::FeatureValues>> HashLogStore::read(const gold::FeatureView& view,
                                                            std::span<const data::EntityKey> keys,
                                                            EventTime now) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  std::vector<gold::FeatureValues> answers;
  answers.reserve(keys.size());
  Status done = log_->read([&](const HashLog::Snapshot& snapshot) -> Status {
    answers.clear();
    ASSAY_ASSIGN_OR_RETURN(HeldKeys held, held_keys(snapshot, view, keys));
    RowsAhead rows(snapshot, {&held, 1});
    return each_row(
        snapshot, view, held, &rows, [&](std::string_view row, const LogPages& pages) -> Status {
          ASSAY_ASSIGN_OR_RETURN(gold::FeatureValues answer, view.read_paged_row(row, now, pages));
          answers.push_back(std::move(answer));
          return {};
        });
  });
  if (!done.ok()) {
    return counted(std::move(done));
  }
  return answers;
}

Result<std::optional<AppliedTo>> HashLogStore::read_flat(const gold::FeatureView& view,
                                                         std::span<const data::EntityKey> keys,
                                                         EventTime now,
                                                         data::FlatValues* values) {
  const ViewKeys asked{&view, keys};
  HeldKeys held;
  std::optional<AppliedTo> applied;
  ASSAY_RETURN_IF_ERROR(read_views({&asked, 1}, now, values, &held, &applied));
  return applied;
}

Status HashLogStore::read_flat_views(std::span<const ViewKeys> asked,
                                     EventTime now,
                                     data::FlatValues* values,
                                     std::vector<std::optional<AppliedTo>>* applied) {
  thread_local std::vector<HeldKeys> held;  // its memory serves for the next question
  const std::size_t before = applied->size();
  held.assign(asked.size(), {});
  applied->resize(before + asked.size());
  return read_views(asked, now, values, held.data(), applied->data() + before);
}

/// All of one state. `held` and `applied`: one for each view.
Status HashLogStore::read_views(std::span<const ViewKeys> asked,
                                EventTime now,
                                data::FlatValues* values,
                                HeldKeys* held,
                                std::optional<AppliedTo>* applied) {
  for (const ViewKeys& one : asked) {
    ASSAY_RETURN_IF_ERROR(check_view_name(*one.view));
  }
  const data::FlatValues::Size before = values->size();
  Status done = log_->read([&](const HashLog::Snapshot& snapshot) -> Status {
    values->shrink(before);
    for (std::size_t i = 0; i < asked.size(); ++i) {
      ASSAY_ASSIGN_OR_RETURN(held[i], held_keys(snapshot, *asked[i].view, asked[i].keys));
    }
    RowsAhead rows(snapshot, {held, asked.size()});
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const gold::FeatureView& view = *asked[i].view;
      ASSAY_ASSIGN_OR_RETURN(applied[i], applied_in(snapshot, view, held[i].epoch));
      ASSAY_RETURN_IF_ERROR(each_row(
          snapshot, view, held[i], &rows, [&](std::string_view row, const LogPages& pages) {
            return view.read_flat_row(row, now, pages, values);
          }));
    }
    return {};
  });
  if (!done.ok()) {
    values->shrink(before);
    return counted(std::move(done));
  }
  return {};
}

Result<EventTime> HashLogStore::data_now() {
  EventTime latest;
  Status done = log_->read([&](const HashLog::Snapshot& snapshot) -> Status {
    ASSAY_ASSIGN_OR_RETURN(latest, latest_of(snapshot));
    return {};
  });
  ASSAY_RETURN_IF_ERROR(counted(std::move(done)));
  return latest;
}

Result<std::vector<std::string>> HashLogStore::views() {
  std::vector<std::string> names;
  ASSAY_RETURN_IF_ERROR(log_->read([&](const HashLog::Snapshot& snapshot) -> Status {
    names.clear();
    for (const auto& [name, view] : snapshot.directory().views) {
      names.push_back(name);
    }
    return {};
  }));
  return names;
}

Status HashLogStore::drop(const std::string& storage_name) {
  return log_->update([&](HashLogWriter& writer) { return writer.drop_view(storage_name); })
      .with_context("drop view " + storage_name + " from the online store");
}

/// Records are of an epoch, not of a name: only what leads to it changes.
Status HashLogStore::replace(const gold::FeatureView& view, const std::string& filled) {
  const std::string& name = view.storage_name();
  return log_
      ->update([&](HashLogWriter& writer) -> Status {
        ASSAY_ASSIGN_OR_RETURN(
            const HeldView held,
            find_view(writer.snapshot(), filled, epoch_of(writer.snapshot(), filled)));
        ViewNote note = held.note.value_or(ViewNote{});
        ASSAY_ASSIGN_OR_RETURN(
            note.meta,
            check_filled(view,
                         filled,
                         held.note.has_value() ? std::optional(held.note->meta) : std::nullopt));
        ASSAY_RETURN_IF_ERROR(writer.rename_view(filled, name));
        ASSAY_RETURN_IF_ERROR(writer.put_meta(held.epoch, encode_note(name, note), held.found));
        fail_point("online.replace.before_commit");
        return {};
      })
      .with_context("replace view " + name + " of the online store");
}

Result<uint64_t> HashLogStore::content_hash_at(const gold::FeatureView& view,
                                               std::optional<EventTime> at) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  uint64_t sum = 0;
  Status done = log_->read([&](const HashLog::Snapshot& snapshot) -> Status {
    sum = 0;
    const LogDirectory::View* const held = snapshot.directory().find(view.storage_name());
    if (held == nullptr) {
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(const EventTime latest, latest_of(snapshot));
    const EventTime now = at.value_or(latest);
    const LogPages pages(snapshot, held->epoch);
    return snapshot.scan(
        held->epoch, [&](std::string_view key_bytes, std::string_view row) -> Status {
          const data::EntityKey key{std::string(key_bytes)};
          const Result<gold::FeatureValues> answer = view.read_paged_row(row, now, pages);
          if (!answer.ok()) {
            return damaged_row(answer.status(), view.storage_name(), key_bytes);
          }
          sum += hash_answer(key, *answer);
          return {};
        });
  });
  ASSAY_RETURN_IF_ERROR(counted(std::move(done)));
  return sum;
}

}  // namespace

Result<std::unique_ptr<OnlineStore>> open_hash_log_store(World& world,
                                                         const std::string& folder,
                                                         const HashLogOptions& options) {
  if (options.read_only) {
    if (!holds_hash_log(world, folder)) {
      return Status(Code::kNotFound, "there is no online store; run `assay run` first: " + folder);
    }
  } else {
    ASSAY_RETURN_IF_ERROR(world.files.make_directories(folder));
  }
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<HashLog> log, HashLog::open(world, folder, options));
  return std::unique_ptr<OnlineStore>(std::make_unique<HashLogStore>(std::move(log), world));
}

}  // namespace assay::online
