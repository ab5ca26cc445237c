#include <algorithm>

#include "base/fail_point.h"
#include "base/hash.h"
#include "online/entity_rows.h"
#include "online/lmdb_env.h"
#include "online/lmdb_pages.h"
#include "online/online_store.h"
#include "online/row_codec.h"
#include "online/view_replacer.h"

namespace assay::online {
namespace {

/// Where the row of an entity is, or would be put.
struct Place {
  std::string key;  // row key, reused from entity to entity
  std::optional<StoredRow> row;
  bool hashed = false;
};

class LmdbStore : public OnlineStore, public ViewReplacer {
 public:
  LmdbStore(std::unique_ptr<LmdbEnv> env, Metrics& metrics)
      : env_(std::move(env)), metrics_(metrics) {}

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
  Result<EventTime> data_now() override;
  Result<std::vector<std::string>> views() override;
  Status drop(const std::string& storage_name) override;
  Status replace(const gold::FeatureView& view, const std::string& filled) override;
  Result<uint64_t> content_hash_at(const gold::FeatureView& view,
                                   std::optional<EventTime> now) override;

 private:
  struct Applied {
    int64_t written_entities = 0;
  };
  Status forget(LmdbEnv::Writer& writer,
                const gold::FeatureView& view,
                const data::Batch& rows,
                std::span<const data::EntityKey> anew);
  Status apply_rows(LmdbEnv::Writer& writer,
                    const gold::FeatureView& view,
                    const data::Batch& rows,
                    const EntityRows& gathered,
                    EventTime applied_until,
                    Applied* applied);
  Status move_rows(LmdbEnv::Writer& writer, const std::string& from, const std::string& to);
  Status move_row(LmdbEnv::Writer& writer,
                  const std::string& from,
                  const std::string& to,
                  std::string_view row_key,
                  std::string_view value);
  static Result<std::optional<ViewMeta>> read_meta(const LmdbEnv::Reader& reader,
                                                   const std::string& view_name);
  static Result<EventTime> data_now(const LmdbEnv::Reader& reader);
  template <typename Take>
  Result<std::optional<AppliedTo>> each_row(const gold::FeatureView& view,
                                            std::span<const data::EntityKey> keys,
                                            const Take& take);
  Status find(const LmdbEnv::Reader& reader,
              const std::string& prefix,
              const data::EntityKey& key,
              Place* place);
  Status corrupt(std::string_view prefix, std::string_view entity_key, const Status& why);

  std::unique_ptr<LmdbEnv> env_;
  StoreMetrics metrics_;
};

Status LmdbStore::apply(const gold::FeatureView& view,
                        const data::Batch& rows,
                        std::optional<int64_t> expected,
                        int64_t position,
                        EventTime applied_until,
                        std::span<const data::EntityKey> anew) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  ASSAY_ASSIGN_OR_RETURN(const EntityRows gathered, EntityRows::gather(view, rows));
  Applied applied;
  Status done = env_->update([&](LmdbEnv::Writer& writer) -> Status {
    applied = {};
    ASSAY_ASSIGN_OR_RETURN(const std::optional<ViewMeta> found,
                           read_meta(writer, view.storage_name()));
    ASSAY_RETURN_IF_ERROR(check_apply(view, found, expected, position));
    ASSAY_RETURN_IF_ERROR(forget(writer, view, rows, anew));
    ASSAY_RETURN_IF_ERROR(apply_rows(writer, view, rows, gathered, applied_until, &applied));
    ViewMeta meta = found.value_or(ViewMeta{});
    meta.fingerprint = view.fingerprint();
    meta.applied.position = position;
    meta.applied.known_until = std::max(meta.applied.known_until, gathered.known_until());
    ASSAY_RETURN_IF_ERROR(
        writer.put(LmdbTable::kMeta, view.storage_name(), encode_meta(view.storage_name(), meta)));
    fail_point("online.apply.before_commit");
    return {};
  });
  if (!done.ok()) {
    return done.with_context("apply rows to the online store, view " + view.name());
  }
  fail_point("online.apply.after_commit");
  metrics_.count(rows, gathered, applied.written_entities);
  return {};
}

/// Leave empty rows, without pages, of entities that are made anew: without rows they have no
/// answer.
Status LmdbStore::forget(LmdbEnv::Writer& writer,
                         const gold::FeatureView& view,
                         const data::Batch& rows,
                         std::span<const data::EntityKey> anew) {
  const std::string prefix = row_key_prefix(view.storage_name());
  ASSAY_ASSIGN_OR_RETURN(LmdbPageWriter pages, LmdbPageWriter::open(writer, prefix));
  Place place;
  for (const data::EntityKey& key : anew) {
    ASSAY_RETURN_IF_ERROR(find(writer, prefix, key, &place));
    if (place.row.has_value()) {
      std::string row(place.row->row);
      const Status emptied = view.update_paged_row(rows, {}, EventTime::max(), pages, &row);
      if (!emptied.ok() && emptied.code() != Code::kCorrupt) {  // a damaged row is made anew too
        return emptied;
      }
      const std::string_view held_key = place.hashed ? std::string_view(key.bytes()) : "";
      ASSAY_RETURN_IF_ERROR(
          writer.put(LmdbTable::kRows, place.key, encode_row(place.key, held_key, "")));
    }
  }
  return pages.finish();
}

Status LmdbStore::apply_rows(LmdbEnv::Writer& writer,
                             const gold::FeatureView& view,
                             const data::Batch& rows,
                             const EntityRows& gathered,
                             EventTime applied_until,
                             Applied* applied) {
  const std::string prefix = row_key_prefix(view.storage_name());
  ASSAY_ASSIGN_OR_RETURN(LmdbPageWriter pages, LmdbPageWriter::open(writer, prefix));
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<gold::RowUpdates> updates,
                         view.begin_updates(rows, gathered.order(), applied_until));
  Place place;
  std::string before;  // a copy: what place.row refers to may go with the first page that is put
  std::string row;
  for (const EntityRows::Entity& entity : gathered.entities()) {
    ASSAY_RETURN_IF_ERROR(find(writer, prefix, entity.key, &place));
    before.assign(place.row.has_value() ? place.row->row : std::string_view());
    Status updated = update_row(*updates, entity, before, &pages, &row);
    if (!updated.ok()) {
      return updated.code() == Code::kCorrupt ? corrupt(prefix, entity.key.bytes(), updated)
                                              : updated;
    }
    if (place.row.has_value() && before == row) {
      continue;
    }
    const std::string_view held_key = place.hashed ? std::string_view(entity.key.bytes()) : "";
    ASSAY_RETURN_IF_ERROR(
        writer.put(LmdbTable::kRows, place.key, encode_row(place.key, held_key, row)));
    ++applied->written_entities;
  }
  return pages.finish();
}

/// The entity's row. Hashed keys probe the next slot when another entity has the same hashes.
Status LmdbStore::find(const LmdbEnv::Reader& reader,
                       const std::string& prefix,
                       const data::EntityKey& key,
                       Place* place) {
  place->hashed = !fits_row_key(prefix.size() - 1, key.bytes().size());
  place->row.reset();
  for (int probe = 0; probe < kProbes; ++probe) {
    place->key.assign(prefix);
    append_row_key(&place->key, key.bytes(), probe);
    ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string_view> value,
                           reader.get(LmdbTable::kRows, place->key));
    if (!value.has_value()) {
      return {};
    }
    Result<StoredRow> stored = decode_row(place->key, *value);
    if (!stored.ok()) {
      return corrupt(prefix, key.bytes(), stored.status());
    }
    if (!place->hashed || stored->entity_key == key.bytes()) {
      place->row = *stored;
      return {};
    }
  }
  return {Code::kResourceExhausted, "too many long entity keys have the same hashes"};
}

Status LmdbStore::corrupt(std::string_view prefix, std::string_view entity_key, const Status& why) {
  metrics_.corrupt_rows.add();
  return damaged_row(why, prefix.substr(0, prefix.size() - 1), entity_key);
}

Result<std::optional<ViewMeta>> LmdbStore::read_meta(const LmdbEnv::Reader& reader,
                                                     const std::string& view_name) {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string_view> value,
                         reader.get(LmdbTable::kMeta, view_name));
  if (!value.has_value()) {
    return std::optional<ViewMeta>();
  }
  Result<ViewMeta> meta = decode_meta(view_name, *value);
  if (!meta.ok()) {
    return meta.status().with_context("online store, view " + view_name);
  }
  return std::optional<ViewMeta>(*meta);
}

Result<std::optional<AppliedTo>> LmdbStore::applied_to(const gold::FeatureView& view) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  ASSAY_ASSIGN_OR_RETURN(const LmdbEnv::Snapshot snapshot, env_->snapshot());
  ASSAY_ASSIGN_OR_RETURN(const std::optional<ViewMeta> meta,
                         read_meta(snapshot, view.storage_name()));
  if (!meta.has_value()) {
    return std::optional<AppliedTo>();
  }
  ASSAY_RETURN_IF_ERROR(check_definition(view, *meta));
  return std::optional<AppliedTo>(meta->applied);
}

Result<std::vector<gold::FeatureValues>> LmdbStore::read(const gold::FeatureView& view,
                                                         std::span<const data::EntityKey> keys,
                                                         EventTime now) {
  std::vector<gold::FeatureValues> answers;
  answers.reserve(keys.size());
  const auto applied =
      each_row(view, keys, [&](std::string_view row, const gold::RowPages& pages) -> Status {
        ASSAY_ASSIGN_OR_RETURN(gold::FeatureValues answer, view.read_paged_row(row, now, pages));
        answers.push_back(std::move(answer));
        return {};
      });
  return applied.ok() ? Result<std::vector<gold::FeatureValues>>(std::move(answers))
                      : applied.status();
}

Result<std::optional<AppliedTo>> LmdbStore::read_flat(const gold::FeatureView& view,
                                                      std::span<const data::EntityKey> keys,
                                                      EventTime now,
                                                      data::FlatValues* values) {
  const data::FlatValues::Size before = values->size();
  Result<std::optional<AppliedTo>> applied =
      each_row(view, keys, [&](std::string_view row, const gold::RowPages& pages) {
        return view.read_flat_row(row, now, pages, values);
      });
  if (!applied.ok()) {
    values->shrink(before);
  }
  return applied;
}

/// Hands the row of each key to `take`, "" where there is none, with the view's pages. Where the
/// view stands in the same state.
template <typename Take>
Result<std::optional<AppliedTo>> LmdbStore::each_row(const gold::FeatureView& view,
                                                     std::span<const data::EntityKey> keys,
                                                     const Take& take) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  ASSAY_ASSIGN_OR_RETURN(const LmdbEnv::Snapshot snapshot, env_->snapshot());
  ASSAY_ASSIGN_OR_RETURN(const std::optional<ViewMeta> meta,
                         read_meta(snapshot, view.storage_name()));
  if (meta.has_value()) {
    ASSAY_RETURN_IF_ERROR(check_definition(view, *meta));
  }
  const std::string prefix = row_key_prefix(view.storage_name());
  const LmdbPages pages(snapshot, prefix);
  Place place;
  for (const data::EntityKey& key : keys) {
    ASSAY_RETURN_IF_ERROR(find(snapshot, prefix, key, &place));
    const Status taken = take(place.row.has_value() ? place.row->row : std::string_view(), pages);
    if (!taken.ok()) {
      return taken.code() == Code::kCorrupt ? corrupt(prefix, key.bytes(), taken) : taken;
    }
  }
  return meta.has_value() ? std::optional<AppliedTo>(meta->applied) : std::nullopt;
}

Result<EventTime> LmdbStore::data_now(const LmdbEnv::Reader& reader) {
  LatestOfViews latest;
  ASSAY_RETURN_IF_ERROR(reader.scan(
      LmdbTable::kMeta, "", [&](std::string_view name, std::string_view value) -> Status {
        Result<ViewMeta> meta = decode_meta(name, value);
        if (!meta.ok()) {
          return meta.status().with_context("online store, view " + std::string(name));
        }
        latest.add(name, meta->applied);
        return {};
      }));
  return latest.latest();
}

Result<EventTime> LmdbStore::data_now() {
  ASSAY_ASSIGN_OR_RETURN(const LmdbEnv::Snapshot snapshot, env_->snapshot());
  return data_now(snapshot);
}

Result<std::vector<std::string>> LmdbStore::views() {
  ASSAY_ASSIGN_OR_RETURN(const LmdbEnv::Snapshot snapshot, env_->snapshot());
  std::vector<std::string> names;
  ASSAY_RETURN_IF_ERROR(snapshot.scan(
      LmdbTable::kMeta, "", [&](std::string_view name, std::string_view /*value*/) -> Status {
        names.emplace_back(name);
        return {};
      }));
  return names;
}

Status LmdbStore::drop(const std::string& storage_name) {
  return env_
      ->update([&](LmdbEnv::Writer& writer) -> Status {
        ASSAY_RETURN_IF_ERROR(writer.erase_prefix(LmdbTable::kRows, row_key_prefix(storage_name)));
        return writer.erase(LmdbTable::kMeta, storage_name);
      })
      .with_context("drop view " + storage_name + " from the online store");
}

/// Keys begin with the view's name, so each row is written again.
Status LmdbStore::replace(const gold::FeatureView& view, const std::string& filled) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  const std::string& name = view.storage_name();
  return env_
      ->update([&](LmdbEnv::Writer& writer) -> Status {
        ASSAY_ASSIGN_OR_RETURN(const std::optional<ViewMeta> found, read_meta(writer, filled));
        ASSAY_ASSIGN_OR_RETURN(const ViewMeta meta, check_filled(view, filled, found));
        ASSAY_RETURN_IF_ERROR(writer.erase_prefix(LmdbTable::kRows, row_key_prefix(name)));
        ASSAY_RETURN_IF_ERROR(move_rows(writer, row_key_prefix(filled), row_key_prefix(name)));
        ASSAY_RETURN_IF_ERROR(writer.erase(LmdbTable::kMeta, filled));
        ASSAY_RETURN_IF_ERROR(writer.put(LmdbTable::kMeta, name, encode_meta(name, meta)));
        fail_point("online.replace.before_commit");
        return {};
      })
      .with_context("replace view " + name + " of the online store");
}

/// Some rows at a time: what a scan shows goes with the first row that is put.
Status LmdbStore::move_rows(LmdbEnv::Writer& writer,
                            const std::string& from,
                            const std::string& to) {
  constexpr std::size_t kAtOnce = 1000;
  std::vector<std::pair<std::string, std::string>> rows;
  do {
    rows.clear();
    const Status seen = writer.scan(
        LmdbTable::kRows, from, [&](std::string_view row_key, std::string_view value) -> Status {
          rows.emplace_back(row_key, value);
          return rows.size() < kAtOnce ? Status() : Status(Code::kCancelled, "enough");
        });
    if (!seen.ok() && seen.code() != Code::kCancelled) {
      return seen;
    }
    for (const auto& [row_key, value] : rows) {
      ASSAY_RETURN_IF_ERROR(move_row(writer, from, to, row_key, value));
      ASSAY_RETURN_IF_ERROR(writer.erase(LmdbTable::kRows, row_key));
    }
  } while (!rows.empty());
  return {};
}

/// Its key, and so its checksum, are others then.
Status LmdbStore::move_row(LmdbEnv::Writer& writer,
                           const std::string& from,
                           const std::string& to,
                           std::string_view row_key,
                           std::string_view value) {
  const std::string_view part = row_key.substr(from.size());
  const Result<StoredRow> stored = decode_row(row_key, value);
  if (!stored.ok()) {
    return corrupt(from, part, stored.status());
  }
  if (is_page_key_part(part)) {
    const std::string key = to + std::string(part);
    return writer.put(LmdbTable::kRows, key, encode_row(key, "", stored->row));
  }
  const data::EntityKey entity(std::string(stored->entity_key.empty() ? part : stored->entity_key));
  Place place;
  ASSAY_RETURN_IF_ERROR(find(writer, to, entity, &place));
  return writer.put(
      LmdbTable::kRows,
      place.key,
      encode_row(place.key, place.hashed ? std::string_view(entity.bytes()) : "", stored->row));
}

Result<uint64_t> LmdbStore::content_hash_at(const gold::FeatureView& view,
                                            std::optional<EventTime> at) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  ASSAY_ASSIGN_OR_RETURN(const LmdbEnv::Snapshot snapshot, env_->snapshot());
  ASSAY_ASSIGN_OR_RETURN(const EventTime latest, data_now(snapshot));
  const EventTime now = at.value_or(latest);
  const std::string prefix = row_key_prefix(view.storage_name());
  const LmdbPages pages(snapshot, prefix);
  uint64_t sum = 0;
  ASSAY_RETURN_IF_ERROR(snapshot.scan(
      LmdbTable::kRows, prefix, [&](std::string_view row_key, std::string_view value) -> Status {
        const std::string_view key_part = row_key.substr(prefix.size());
        if (is_page_key_part(key_part)) {
          return {};
        }
        Result<StoredRow> stored = decode_row(row_key, value);
        if (!stored.ok()) {
          return corrupt(prefix, key_part, stored.status());
        }
        if (stored->row.empty()) {  // forgotten: it is read as if it was not there
          return {};
        }
        const data::EntityKey key(
            std::string(stored->entity_key.empty() ? key_part : stored->entity_key));
        ASSAY_ASSIGN_OR_RETURN(const gold::FeatureValues answer,
                               view.read_paged_row(stored->row, now, pages));
        sum += hash_answer(key, answer);
        return {};
      }));
  return sum;
}

}  // namespace

Result<std::unique_ptr<OnlineStore>> open_lmdb_store(World& world,
                                                     const std::string& folder,
                                                     const LmdbOptions& options) {
  if (options.read_only) {
    if (!world.files.stat(join_path(folder, "data.mdb")).ok()) {
      return Status(Code::kNotFound, "there is no online store; run `assay run` first: " + folder);
    }
  } else {
    ASSAY_RETURN_IF_ERROR(world.files.make_directories(folder));
  }
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<LmdbEnv> env, LmdbEnv::open(folder, options));
  return std::unique_ptr<OnlineStore>(std::make_unique<LmdbStore>(std::move(env), world.metrics));
}

Result<std::unique_ptr<OnlineStore>> open_lmdb_store(World& world,
                                                     const std::string& folder,
                                                     bool read_only) {
  LmdbOptions options;
  options.read_only = read_only;
  return open_lmdb_store(world, folder, options);
}

}  // namespace assay::online
