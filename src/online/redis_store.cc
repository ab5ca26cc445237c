// An online store in Redis. Keys, all beginning with the address's prefix:
//
//   assay:project            name of the project whose keys these are
//   assay:views              set of the storage names of all views
//   assay:epoch              counter: the epoch that the next new view gets
//   assay:view:<name>        epoch u64 | meta value, as of the embedded store
//   assay:row:<epoch>:<entity key bytes>    row value, as of the embedded store; the checksum
//   covers
//                            the key
//
//   assay:feast:<epoch>      which fields the epoch's rows have as below
//
// With `feast=PROJECT` in the address also what a row answers at the instant of its apply, as
// Feast's own clients read it (feast_layout.h).
//
// A view's rows and its position change in one MULTI/EXEC, guarded by a WATCH on its record. Reads
// take record and rows in one MGET, so they see one state. A view that is dropped and made again
// gets another epoch: rows left behind by a crash are never read, and swept by the next drop.
//
// In a cluster there are kClusterParts of these stores behind one (sharded_store.h), each with all
// of its keys in one slot: `assay:{tag}:row:...`. Feast's keys are where their own names say.

#include "online/redis_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/fail_point.h"
#include "base/hash.h"
#include "online/feast_reads.h"
#include "online/redis_cluster.h"
#include "online/row_codec.h"
#include "online/sharded_store.h"

namespace assay::online {
namespace {

constexpr std::size_t kKeysPerCommand = 1000;
/// So many nodes at most have rows. Not to be changed: entities would belong to other parts.
constexpr int kClusterParts = 16;

}  // namespace

EventTime RedisStore::instant_for_feast(const gold::FeatureView& view, EventTime applied) {
  const int64_t slide = view.slide().micros;
  const bool has_slides = slide > 0 && view.window_max().micros > 0;
  if (!has_slides || applied < kFirstInstant || applied.micros >= kEndInstant.micros - slide) {
    return applied;
  }
  return EventTime{floor_to(applied.micros, slide) + slide};
}

std::string RedisStore::encode_record(const std::string& name, const Record& record) {
  std::string value(sizeof(record.epoch), '\0');
  std::memcpy(value.data(), &record.epoch, sizeof(record.epoch));
  return value + encode_meta(name, record.meta);
}

Result<std::optional<RedisStore::Record>> RedisStore::decode_record(const std::string& name,
                                                                    const RedisReply& reply) {
  if (reply.kind != RedisReply::Kind::kText) {
    return std::optional<Record>();
  }
  Record record;
  const std::string_view value = reply.text;
  if (value.size() < sizeof(record.epoch)) {
    return Status(Code::kCorrupt, "the record of view " + name + " in Redis is too short");
  }
  std::memcpy(&record.epoch, value.data(), sizeof(record.epoch));
  Result<ViewMeta> meta = decode_meta(name, value.substr(sizeof(record.epoch)));
  if (!meta.ok()) {
    return meta.status().with_context("online store, view " + name);
  }
  record.meta = *meta;
  return std::optional<Record>(record);
}

Result<std::vector<RedisReply>> RedisStore::ask(RedisUse use,
                                                const std::vector<RedisCommand>& commands) {
  std::vector<RedisReply> answers;
  ASSAY_RETURN_IF_ERROR(route_->read(use, [&](RedisConnection& redis) -> Status {
    ASSAY_ASSIGN_OR_RETURN(answers, redis.run(commands));
    return {};
  }));
  return answers;
}

Status RedisStore::write(const std::vector<RedisCommand>& commands) {
  return route_->write([&](RedisConnection& redis) { return redis.run(commands).status(); });
}

Result<std::optional<RedisStore::Record>> RedisStore::record(RedisUse use,
                                                             const std::string& name) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> values,
                         route_->get(use, {record_key(name)}));
  return decode_record(name, values[0]);
}

Status RedisStore::apply(const gold::FeatureView& view,
                         const data::Batch& rows,
                         std::optional<int64_t> expected,
                         int64_t position,
                         EventTime applied_until,
                         std::span<const data::EntityKey> anew) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  ASSAY_ASSIGN_OR_RETURN(const EntityRows gathered, EntityRows::gather(view, rows));
  const ViewChange change{view, rows, gathered, expected, position, applied_until, anew};
  int64_t written = 0;
  Status done = apply_once(change, &written);
  if (done.code() == Code::kUnavailable) {
    // Whether the transaction landed is not known; the position says it, if it was to move.
    const Result<std::optional<AppliedTo>> applied = applied_to(view);
    if (expected == position) {
      done = Status(Code::kCommitUnknown, done.message());
    } else if (applied.ok() && applied->has_value() && (*applied)->position == position) {
      done = {};
    } else if (applied.ok()) {
      done = apply_once(change, &written);
    }
  }
  if (!done.ok()) {
    return done.with_context("apply rows to the online store, view " + view.name());
  }
  fail_point("online.apply.after_commit");
  metrics_.count(rows, gathered, written);
  return {};
}

Status RedisStore::apply_once(const ViewChange& change, int64_t* written) {
  return route_->write([&](RedisConnection& redis) { return try_apply(redis, change, written); });
}

/// kFailedPrecondition when the view stands elsewhere, or another process moved it meanwhile.
Status RedisStore::try_apply(RedisConnection& redis, const ViewChange& change, int64_t* written) {
  const std::string& name = change.view.storage_name();
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> watched,
                         redis.run({{"WATCH", record_key(name)}, {"GET", record_key(name)}}));
  const Result<Changed> changed = prepare(redis, change, watched[1]);
  if (!changed.ok()) {
    (void)redis.run({{"UNWATCH"}});
    return changed.status();
  }
  *written = changed->written;
  std::vector<RedisCommand> commands{{"MULTI"}};
  commands.insert(commands.end(), changed->commands.begin(), changed->commands.end());
  if (route_->has_all_keys()) {
    commands.insert(commands.end(), changed->feast.begin(), changed->feast.end());
  } else {
    // Before the rows: what is cut off here is done again, since the position has not moved.
    const Status put = route_->run_each(changed->feast);
    if (!put.ok()) {
      (void)redis.run({{"UNWATCH"}});
      return put;
    }
  }
  commands.push_back({"EXEC"});
  fail_point("online.apply.before_commit");
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies, redis.run(commands));
  if (replies.back().kind == RedisReply::Kind::kNothing) {
    return {Code::kFailedPrecondition,
            "another process moved the view's position meanwhile: view " + change.view.name()};
  }
  return {};
}

Result<RedisStore::Changed> RedisStore::prepare(RedisConnection& redis,
                                                const ViewChange& change,
                                                const RedisReply& record) {
  const std::string& name = change.view.storage_name();
  ASSAY_ASSIGN_OR_RETURN(const std::optional<Record> found, decode_record(name, record));
  ASSAY_RETURN_IF_ERROR(check_apply(change.view,
                                    found.has_value() ? std::optional(found->meta) : std::nullopt,
                                    change.expected,
                                    change.position));
  Record next = found.value_or(Record{});
  if (!found.has_value()) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> epoch,
                           redis.run({{"INCR", key("epoch")}}));
    next.epoch = static_cast<uint64_t>(epoch[0].integer);
  }
  next.meta = change.after(next.meta);
  Changed changed;
  ASSAY_RETURN_IF_ERROR(change_rows(redis, change, found, next.epoch, &changed));
  changed.commands.push_back({"SET", record_key(name), encode_record(name, next)});
  changed.commands.push_back({"SADD", key("views"), name});
  return changed;
}

/// Leave empty rows of entities that are made anew.
Status RedisStore::forget(const ViewChange& change,
                          uint64_t epoch,
                          const FeastLayout* feast,
                          Changed* changed) {
  for (const data::EntityKey& entity : change.anew) {
    const std::string row_key = row_prefix(epoch) + entity.bytes();
    changed->commands.push_back({"SET", row_key, encode_row(row_key, "", "")});
    if (feast != nullptr) {
      ASSAY_ASSIGN_OR_RETURN(const std::string hash_key, feast->hash_key(entity));
      changed->feast.push_back(feast->erase(hash_key));
    }
  }
  return {};
}

/// The commands that write what the rows change.
Status RedisStore::change_rows(RedisConnection& redis,
                               const ViewChange& change,
                               const std::optional<Record>& record,
                               uint64_t epoch,
                               Changed* changed) {
  const std::string prefix = row_prefix(epoch);
  const std::span<const EntityRows::Entity> entities = change.gathered.entities();
  const EventTime known = record.has_value() ? record->meta.applied.known_until : EventTime::min();
  const EventTime now = instant_for_feast(
      change.view, std::max({change.applied_until, known, change.gathered.known_until()}));
  std::optional<FeastLayout> feast;
  // What is filled beside served rows begins in the past: Feast's values are written once it has
  // taken their place.
  if (!keys_.feast_project.empty() && change.view.storage_name().front() != kBeside) {
    feast.emplace(change.view, keys_.feast_project);
    changed->commands.push_back({"SET", key("feast:" + std::to_string(epoch)), feast->text()});
  }
  ASSAY_RETURN_IF_ERROR(forget(change, epoch, feast.has_value() ? &*feast : nullptr, changed));
  ASSAY_ASSIGN_OR_RETURN(
      const std::unique_ptr<gold::RowUpdates> updates,
      change.view.begin_updates(change.rows, change.gathered.order(), change.applied_until));
  for (std::size_t begin = 0; begin < entities.size(); begin += kKeysPerCommand) {
    const std::size_t end = std::min(entities.size(), begin + kKeysPerCommand);
    RedisCommand get{"MGET"};
    for (std::size_t i = begin; i < end; ++i) {
      get.push_back(prefix + entities[i].key.bytes());
    }
    std::vector<RedisReply> held(1);
    held[0].list.resize(end - begin);
    if (record.has_value()) {
      ASSAY_ASSIGN_OR_RETURN(held, redis.run({get}));
    }
    RedisCommand put{"MSET"};
    for (std::size_t i = begin; i < end; ++i) {
      const std::string& row_key = get[i - begin + 1];
      const RedisReply& reply = held[0].list.at(i - begin);
      std::string before;
      const bool is_forgotten = contains(change.anew, entities[i].key);
      if (reply.kind == RedisReply::Kind::kText && !is_forgotten) {
        Result<StoredRow> stored = decode_row(row_key, reply.text);
        if (!stored.ok()) {
          return corrupt(change.view, entities[i].key, stored.status());
        }
        before.assign(stored->row);
      }
      std::string row;
      ASSAY_RETURN_IF_ERROR(update_row(*updates, entities[i], before, nullptr, &row));
      if (reply.kind == RedisReply::Kind::kText && !is_forgotten && row == before) {
        continue;
      }
      put.push_back(row_key);
      put.push_back(encode_row(row_key, "", row));
      ++changed->written;
      if (feast.has_value()) {
        ASSAY_ASSIGN_OR_RETURN(const std::string hash_key, feast->hash_key(entities[i].key));
        ASSAY_ASSIGN_OR_RETURN(const gold::FeatureValues values,
                               change.view.read_online_row(row, now));
        changed->feast.push_back(feast->put(hash_key, values));
      }
    }
    if (put.size() > 1) {
      changed->commands.push_back(std::move(put));
    }
  }
  return {};
}

Result<std::optional<AppliedTo>> RedisStore::applied_to(RedisUse use,
                                                        const gold::FeatureView& view) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  ASSAY_ASSIGN_OR_RETURN(const std::optional<Record> found, record(use, view.storage_name()));
  if (!found.has_value()) {
    return std::optional<AppliedTo>();
  }
  ASSAY_RETURN_IF_ERROR(check_definition(view, found->meta));
  return std::optional<AppliedTo>(found->meta.applied);
}

RedisStore::Wanted RedisStore::wanted(const gold::FeatureView& view,
                                      std::span<const data::EntityKey> keys) {
  const std::string& name = view.storage_name();
  Wanted wanted{known_epoch(name), {record_key(name)}};
  const std::string prefix = row_prefix(wanted.epoch);
  for (const data::EntityKey& entity : keys) {
    wanted.keys.push_back(prefix + entity.bytes());
  }
  return wanted;
}

template <typename Take>
Result<bool> RedisStore::each_row(const ViewKeys& asked,
                                  const Wanted& wanted,
                                  std::span<const RedisReply> values,
                                  std::optional<AppliedTo>* applied,
                                  const Take& take) {
  const gold::FeatureView& view = *asked.view;
  const std::string& name = view.storage_name();
  ASSAY_ASSIGN_OR_RETURN(const std::optional<Record> found, decode_record(name, values[0]));
  if (found.has_value() && found->epoch != wanted.epoch) {
    know_epoch(name, found->epoch);
    return false;
  }
  if (found.has_value()) {
    ASSAY_RETURN_IF_ERROR(check_definition(view, found->meta));
    *applied = found->meta.applied;
  }
  for (std::size_t i = 0; i < asked.keys.size(); ++i) {
    const RedisReply& reply = values[i + 1];
    Result<StoredRow> stored = StoredRow{};
    if (found.has_value() && reply.kind == RedisReply::Kind::kText) {
      stored = decode_row(wanted.keys[i + 1], reply.text);
    }
    const Status taken = stored.ok() ? take(stored->row) : stored.status();
    if (!taken.ok()) {
      return taken.code() == Code::kCorrupt ? corrupt(view, asked.keys[i], taken) : taken;
    }
  }
  return true;
}

Result<std::optional<RedisStore::Answers>> RedisStore::answers(const ViewKeys& asked,
                                                               EventTime now,
                                                               const Wanted& wanted,
                                                               std::span<const RedisReply> values) {
  Answers answers;
  std::optional<AppliedTo> applied;
  ASSAY_ASSIGN_OR_RETURN(
      const bool is_known,
      each_row(asked, wanted, values, &applied, [&](std::string_view row) -> Status {
        ASSAY_ASSIGN_OR_RETURN(answers.emplace_back(), asked.view->read_online_row(row, now));
        return {};
      }));
  return is_known ? std::optional(std::move(answers)) : std::nullopt;
}

Result<std::vector<gold::FeatureValues>> RedisStore::read(const gold::FeatureView& view,
                                                          std::span<const data::EntityKey> keys,
                                                          EventTime now) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  for (;;) {  // again when the view was dropped and made anew since this process last read it
    const Wanted asked = wanted(view, keys);
    ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> values,
                           route_->get(RedisUse::kServing, asked.keys));
    ASSAY_ASSIGN_OR_RETURN(std::optional<Answers> found,
                           answers({&view, keys}, now, asked, values));
    if (found.has_value()) {
      return *std::move(found);
    }
  }
}

Result<std::optional<AppliedTo>> RedisStore::read_flat(const gold::FeatureView& view,
                                                       std::span<const data::EntityKey> keys,
                                                       EventTime now,
                                                       data::FlatValues* values) {
  std::vector<std::optional<AppliedTo>> applied;
  const ViewKeys asked{&view, keys};
  ASSAY_RETURN_IF_ERROR(read_flat_views({&asked, 1}, now, values, &applied));
  return applied.front();
}

Status RedisStore::read_flat_views(std::span<const ViewKeys> asked,
                                   EventTime now,
                                   data::FlatValues* values,
                                   std::vector<std::optional<AppliedTo>>* applied) {
  for (const ViewKeys& one : asked) {
    ASSAY_RETURN_IF_ERROR(check_view_name(*one.view));
  }
  const data::FlatValues::Size before = values->size();
  const std::size_t applied_before = applied->size();
  Result<bool> is_read = false;
  while (is_read.ok() && !*is_read) {  // again as in read()
    values->shrink(before);
    applied->resize(applied_before);
    is_read = try_read_flat(asked, now, values, applied);
  }
  if (!is_read.ok()) {
    values->shrink(before);
  }
  return is_read.status();
}

Result<bool> RedisStore::try_read_flat(std::span<const ViewKeys> asked,
                                       EventTime now,
                                       data::FlatValues* values,
                                       std::vector<std::optional<AppliedTo>>* applied) {
  std::vector<Wanted> wanted;
  std::vector<std::string> keys;
  for (const ViewKeys& one : asked) {
    wanted.push_back(this->wanted(*one.view, one.keys));
    keys.insert(keys.end(), wanted.back().keys.begin(), wanted.back().keys.end());
  }
  if (keys.empty()) {  // MGET wants one
    return true;
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> found,
                         route_->get(RedisUse::kServing, keys));
  std::span<const RedisReply> rest(found);
  bool are_known = true;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto take = [&](std::string_view row) {
      return asked[i].view->read_flat_row(row, now, NoRowPages(), values);
    };
    ASSAY_ASSIGN_OR_RETURN(const bool is_known,
                           each_row(asked[i],
                                    wanted[i],
                                    rest.first(wanted[i].keys.size()),
                                    &applied->emplace_back(),
                                    take));
    are_known = are_known && is_known;
    rest = rest.subspan(wanted[i].keys.size());
  }
  return are_known;
}

class RedisStore::Pending : public PendingRead {
 public:
  Pending(RedisStore& store,
          const gold::FeatureView& view,
          std::span<const data::EntityKey> keys,
          EventTime now,
          Wanted wanted,
          std::unique_ptr<PendingGet> get)
      : store_(store),
        view_(view),
        keys_(keys),
        now_(now),
        wanted_(std::move(wanted)),
        get_(std::move(get)) {}

  Result<std::vector<gold::FeatureValues>> finish() override {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> values, get_->finish());
    ASSAY_ASSIGN_OR_RETURN(std::optional<Answers> found,
                           store_.answers({&view_, keys_}, now_, wanted_, values));
    return found.has_value() ? Result<Answers>(*std::move(found)) : store_.read(view_, keys_, now_);
  }

 private:
  RedisStore& store_;
  const gold::FeatureView& view_;
  const std::span<const data::EntityKey> keys_;
  const EventTime now_;
  const Wanted wanted_;
  const std::unique_ptr<PendingGet> get_;
};

std::unique_ptr<PendingRead> RedisStore::begin_read(const gold::FeatureView& view,
                                                    std::span<const data::EntityKey> keys,
                                                    EventTime now) {
  Wanted asked = wanted(view, keys);
  std::unique_ptr<PendingGet> get = route_->begin_get(asked.keys);
  return get == nullptr
             ? nullptr
             : std::make_unique<Pending>(*this, view, keys, now, std::move(asked), std::move(get));
}

Status RedisStore::corrupt(const gold::FeatureView& view,
                           const data::EntityKey& key,
                           const Status& why) {
  metrics_.corrupt_rows.add();
  return {Code::kCorrupt,
          why.message() + "; `assay materialize VIEW --anew` makes its rows again: view " +
              view.name() + ", key hash " + hash_text(hash_bytes(key.bytes()))};
}

namespace {

/// A tag whose slot is in the middle of a part's share of the slots, so that nodes with as many
/// slots get as many parts.
std::string cluster_tag(int part) {
  constexpr int kShare = kRedisSlots / kClusterParts;
  for (int number = 0;; ++number) {
    const std::string tag = std::to_string(part) + "-" + std::to_string(number);
    const int place = redis_slot(tag) - part * kShare;
    if (place >= kShare / 4 && place < kShare * 3 / 4) {
      return tag;
    }
  }
}

Result<std::unique_ptr<OnlineStore>> open_part(World& world,
                                               std::unique_ptr<RedisRoute> route,
                                               RedisStore::Keys keys,
                                               bool read_only) {
  auto store = std::make_unique<RedisStore>(std::move(route), std::move(keys), world.metrics);
  ASSAY_RETURN_IF_ERROR(store->open(read_only).with_context("open the online store"));
  return std::unique_ptr<OnlineStore>(std::move(store));
}

}  // namespace

Result<std::unique_ptr<OnlineStore>> open_redis_store(World& world,
                                                      const RedisAddress& address,
                                                      bool read_only,
                                                      const std::string& project) {
  RedisStore::Keys keys{address.prefix, address.feast_project, project};
  if (address.kind != RedisAddress::Kind::kCluster) {
    ASSAY_ASSIGN_OR_RETURN(
        std::unique_ptr<OnlineStore> own,
        open_part(
            world, std::make_unique<RedisPool>(address, world.clock), std::move(keys), read_only));
    return address.from_feast.empty()
               ? std::move(own)
               : make_feast_reads(std::move(own),
                                  std::make_unique<RedisPool>(address, world.clock),
                                  {address.from_feast, address.from_feast_views});
  }
  const auto cluster = RedisCluster::connect(address, world.clock);
  ASSAY_RETURN_IF_ERROR(cluster.status().with_context("open the online store"));
  std::vector<StoreShard> parts;
  for (int part = 0; part < kClusterParts; ++part) {
    const std::string tag = "{" + cluster_tag(part) + "}";
    keys.prefix = address.prefix + ":" + tag;
    const int slot = redis_slot(tag);
    ASSAY_ASSIGN_OR_RETURN(auto store, open_part(world, (*cluster)->route(slot), keys, read_only));
    parts.push_back({"slot " + std::to_string(slot), std::move(store)});
  }
  return make_sharded_store(world.clock, std::move(parts));
}

Result<std::unique_ptr<OnlineStore>> open_redis_store(World& world, const std::string& url) {
  ASSAY_ASSIGN_OR_RETURN(const RedisAddress address, parse_redis_url(url));
  return open_redis_store(world, address, false, "");
}

}  // namespace assay::online
