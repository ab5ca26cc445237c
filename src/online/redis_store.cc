// An online store in Redis. Keys, all beginning with the address's prefix:
//
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

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include "base/fail_point.h"
#include "base/hash.h"
#include "online/entity_rows.h"
#include "online/feast_layout.h"
#include "online/online_store.h"
#include "online/redis_client.h"
#include "online/row_codec.h"

namespace assay::online {
namespace {

constexpr std::size_t kKeysPerCommand = 1000;

/// A view's record: which epoch its rows belong to, and where it stands.
struct Record {
  uint64_t epoch = 0;
  ViewMeta meta;
};

class RedisStore : public OnlineStore {
 public:
  RedisStore(const RedisAddress& address, Metrics& metrics) : pool_(address), metrics_(metrics) {}

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
  Result<EventTime> data_now() override;
  Result<std::vector<std::string>> views() override;
  Status drop(const std::string& storage_name) override;
  Result<uint64_t> content_hash(const gold::FeatureView& view) override;

  /// Fail now rather than at the first request.
  Status ping() {
    return pool_.read([](RedisConnection& redis) { return redis.run({{"PING"}}).status(); });
  }

 private:
  struct Change {
    const gold::FeatureView& view;
    const data::Batch& rows;
    const EntityRows& gathered;
    std::optional<int64_t> expected;
    int64_t position = 0;
    EventTime applied_until;
    std::span<const data::EntityKey> anew;
  };
  /// kFailedPrecondition when the view stands elsewhere, or another process moved it meanwhile.
  Status try_apply(RedisConnection& redis, const Change& change, int64_t* written);
  Result<std::vector<RedisCommand>> changed_rows(RedisConnection& redis,
                                                 const Change& change,
                                                 const std::optional<Record>& record,
                                                 uint64_t epoch,
                                                 int64_t* written);
  Result<std::vector<gold::FeatureValues>> read(RedisConnection& redis,
                                                const gold::FeatureView& view,
                                                std::span<const data::EntityKey> keys,
                                                EventTime now);
  Result<uint64_t> content_hash(RedisConnection& redis,
                                const gold::FeatureView& view,
                                EventTime now);
  Result<std::optional<Record>> record(RedisConnection& redis, const std::string& name);
  Result<std::optional<Record>> decode_record(const std::string& name, const RedisReply& reply);
  Result<std::map<std::string, Record>> records(RedisConnection& redis);
  Status sweep(RedisConnection& redis);
  Result<std::map<std::string, FeastLayout>> dead_layouts(RedisConnection& redis,
                                                          const std::set<std::string>& live,
                                                          std::vector<std::string>* keys);
  Status scan(RedisConnection& redis,
              const std::string& prefix,
              const std::function<Status(const std::vector<std::string>&)>& visit);
  Status corrupt(const gold::FeatureView& view, const data::EntityKey& key, const Status& why);

  /// What `work` finds out on a connection.
  template <typename T, typename Work>
  Result<T> ask(const Work& work) {
    std::optional<Result<T>> answer;
    const Status done = pool_.read([&](RedisConnection& redis) {
      answer.emplace(work(redis));
      return answer->ok() ? Status() : answer->status();
    });
    return done.ok() ? *std::move(answer) : Result<T>(done);
  }

  [[nodiscard]] std::string key(std::string_view rest) const {
    return pool_.address().prefix + ":" + std::string(rest);
  }
  [[nodiscard]] std::string record_key(const std::string& name) const {
    return key("view:" + name);
  }
  [[nodiscard]] std::string row_prefix(uint64_t epoch) const {
    return key("row:" + std::to_string(epoch) + ":");
  }
  [[nodiscard]] std::string feast_key(uint64_t epoch) const {
    return key("feast:" + std::to_string(epoch));
  }
  uint64_t known_epoch(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return epochs_[name];
  }
  void know_epoch(const std::string& name, uint64_t epoch) {
    const std::lock_guard lock(mutex_);
    epochs_[name] = epoch;
  }

  RedisPool pool_;
  StoreMetrics metrics_;
  std::mutex mutex_;
  std::map<std::string, uint64_t> epochs_;  // of views read before: which keys to ask for at once
};

std::string encode_record(const std::string& name, const Record& record) {
  std::string value(sizeof(record.epoch), '\0');
  std::memcpy(value.data(), &record.epoch, sizeof(record.epoch));
  return value + encode_meta(name, record.meta);
}

Result<std::optional<Record>> RedisStore::decode_record(const std::string& name,
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

Result<std::optional<Record>> RedisStore::record(RedisConnection& redis, const std::string& name) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies,
                         redis.run({{"GET", record_key(name)}}));
  return decode_record(name, replies[0]);
}

Result<std::map<std::string, Record>> RedisStore::records(RedisConnection& redis) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> names,
                         redis.run({{"SMEMBERS", key("views")}}));
  RedisCommand get{"MGET"};
  for (const RedisReply& name : names[0].list) {
    get.push_back(record_key(name.text));
  }
  std::map<std::string, Record> records;
  if (get.size() == 1) {
    return records;
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> found, redis.run({get}));
  for (std::size_t i = 0; i < found[0].list.size(); ++i) {
    const std::string& name = names[0].list[i].text;
    ASSAY_ASSIGN_OR_RETURN(const std::optional<Record> record,
                           decode_record(name, found[0].list[i]));
    if (record.has_value()) {
      records.emplace(name, *record);
    }
  }
  return records;
}

Status RedisStore::apply(const gold::FeatureView& view,
                         const data::Batch& rows,
                         std::optional<int64_t> expected,
                         int64_t position,
                         EventTime applied_until,
                         std::span<const data::EntityKey> anew) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  ASSAY_ASSIGN_OR_RETURN(const EntityRows gathered, EntityRows::gather(view, rows));
  const Change change{view, rows, gathered, expected, position, applied_until, anew};
  int64_t written = 0;
  Status done =
      pool_.write([&](RedisConnection& redis) { return try_apply(redis, change, &written); });
  if (done.code() == Code::kUnavailable) {
    // Whether the transaction landed is not known; the position says it, if it was to move.
    const Result<std::optional<AppliedTo>> applied = applied_to(view);
    if (expected == position) {
      done = Status(Code::kCommitUnknown, done.message());
    } else if (applied.ok() && applied->has_value() && (*applied)->position == position) {
      done = {};
    } else if (applied.ok()) {
      written = 0;
      done =
          pool_.write([&](RedisConnection& redis) { return try_apply(redis, change, &written); });
    }
  }
  if (!done.ok()) {
    return done.with_context("apply rows to the online store, view " + view.name());
  }
  fail_point("online.apply.after_commit");
  metrics_.applied_rows.add(rows.rows() - gathered.null_key_rows());
  metrics_.null_key_rows.add(gathered.null_key_rows());
  metrics_.written_entities.add(written);
  return {};
}

Status RedisStore::try_apply(RedisConnection& redis, const Change& change, int64_t* written) {
  const std::string& name = change.view.storage_name();
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> watched,
                         redis.run({{"WATCH", record_key(name)}, {"GET", record_key(name)}}));
  const auto prepare = [&]() -> Result<std::vector<RedisCommand>> {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<Record> found, decode_record(name, watched[1]));
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
    next.meta.fingerprint = change.view.fingerprint();
    next.meta.applied.position = change.position;
    next.meta.applied.known_until =
        std::max(next.meta.applied.known_until, change.gathered.known_until());
    ASSAY_ASSIGN_OR_RETURN(std::vector<RedisCommand> commands,
                           changed_rows(redis, change, found, next.epoch, written));
    commands.push_back({"SET", record_key(name), encode_record(name, next)});
    commands.push_back({"SADD", key("views"), name});
    commands.push_back({"EXEC"});
    return commands;
  };
  const Result<std::vector<RedisCommand>> commands = prepare();
  if (!commands.ok()) {
    (void)redis.run({{"UNWATCH"}});
    return commands.status();
  }
  fail_point("online.apply.before_commit");
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies, redis.run(*commands));
  if (replies.back().kind == RedisReply::Kind::kNothing) {
    return {Code::kFailedPrecondition,
            "another process moved the view's position meanwhile: view " + change.view.name()};
  }
  return {};
}

/// MULTI and the commands that write what the rows change.
Result<std::vector<RedisCommand>> RedisStore::changed_rows(RedisConnection& redis,
                                                           const Change& change,
                                                           const std::optional<Record>& record,
                                                           uint64_t epoch,
                                                           int64_t* written) {
  const std::string prefix = row_prefix(epoch);
  const std::vector<EntityRows::Entity>& entities = change.gathered.entities();
  std::vector<RedisCommand> commands{{"MULTI"}};
  // Feast's layout has no rows that are of the future: all that was applied is visible in it.
  const EventTime known = record.has_value() ? record->meta.applied.known_until : EventTime::min();
  const EventTime now = std::max({change.applied_until, known, change.gathered.known_until()});
  std::optional<FeastLayout> feast;
  if (!pool_.address().feast_project.empty()) {
    feast.emplace(change.view, pool_.address().feast_project);
    commands.push_back({"SET", feast_key(epoch), feast->text()});
  }
  for (const data::EntityKey& key : change.anew) {
    const std::string row_key = prefix + key.bytes();
    commands.push_back({"SET", row_key, encode_row(row_key, "", "")});
    if (feast.has_value()) {
      ASSAY_ASSIGN_OR_RETURN(const std::string hash_key, feast->hash_key(key));
      commands.push_back(feast->erase(hash_key));
    }
  }
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
      const RedisReply& reply = held[0].list[i - begin];
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
      if (reply.kind != RedisReply::Kind::kText || is_forgotten || row != before) {
        put.push_back(row_key);
        put.push_back(encode_row(row_key, "", row));
        ++*written;
        if (feast.has_value()) {
          ASSAY_ASSIGN_OR_RETURN(const std::string hash_key, feast->hash_key(entities[i].key));
          ASSAY_ASSIGN_OR_RETURN(const gold::FeatureValues values,
                                 change.view.read_online_row(row, now));
          commands.push_back(feast->put(hash_key, values));
        }
      }
    }
    if (put.size() > 1) {
      commands.push_back(std::move(put));
    }
  }
  return commands;
}

Result<std::optional<AppliedTo>> RedisStore::applied_to(const gold::FeatureView& view) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  ASSAY_ASSIGN_OR_RETURN(const std::optional<Record> found,
                         ask<std::optional<Record>>([&](RedisConnection& redis) {
                           return record(redis, view.storage_name());
                         }));
  if (!found.has_value()) {
    return std::optional<AppliedTo>();
  }
  ASSAY_RETURN_IF_ERROR(check_definition(view, found->meta));
  return std::optional<AppliedTo>(found->meta.applied);
}

Result<std::vector<gold::FeatureValues>> RedisStore::read(const gold::FeatureView& view,
                                                          std::span<const data::EntityKey> keys,
                                                          EventTime now) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  return ask<std::vector<gold::FeatureValues>>(
      [&](RedisConnection& redis) { return read(redis, view, keys, now); });
}

Result<std::vector<gold::FeatureValues>> RedisStore::read(RedisConnection& redis,
                                                          const gold::FeatureView& view,
                                                          std::span<const data::EntityKey> keys,
                                                          EventTime now) {
  const std::string& name = view.storage_name();
  std::optional<Record> found;
  RedisCommand get;
  std::vector<RedisReply> replies;
  uint64_t epoch = known_epoch(name);
  for (;;) {  // again when the view was dropped and made anew since this process last read it
    get = {"MGET", record_key(name)};
    for (const data::EntityKey& entity : keys) {
      get.push_back(row_prefix(epoch) + entity.bytes());
    }
    ASSAY_ASSIGN_OR_RETURN(replies, redis.run({get}));
    ASSAY_ASSIGN_OR_RETURN(found, decode_record(name, replies[0].list[0]));
    if (!found.has_value() || found->epoch == epoch) {
      break;
    }
    epoch = found->epoch;
    know_epoch(name, epoch);
  }
  if (found.has_value()) {
    ASSAY_RETURN_IF_ERROR(check_definition(view, found->meta));
  }
  std::vector<gold::FeatureValues> answers;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const RedisReply& reply = replies[0].list[i + 1];
    Result<StoredRow> stored = StoredRow{};
    if (found.has_value() && reply.kind == RedisReply::Kind::kText) {
      stored = decode_row(get[i + 2], reply.text);
    }
    Result<gold::FeatureValues> answer =
        stored.ok() ? view.read_online_row(stored->row, now) : stored.status();
    if (!answer.ok()) {
      return answer.code() == Code::kCorrupt ? corrupt(view, keys[i], answer.status())
                                             : answer.status();
    }
    answers.push_back(std::move(answer).value());
  }
  return answers;
}

Result<EventTime> RedisStore::data_now() {
  using Records = std::map<std::string, Record>;
  ASSAY_ASSIGN_OR_RETURN(const Records found,
                         ask<Records>([&](RedisConnection& redis) { return records(redis); }));
  EventTime latest = EventTime::min();
  for (const auto& [name, record] : found) {
    latest = std::max(latest, record.meta.applied.known_until);
  }
  return latest;
}

Result<std::vector<std::string>> RedisStore::views() {
  using Records = std::map<std::string, Record>;
  ASSAY_ASSIGN_OR_RETURN(const Records found,
                         ask<Records>([&](RedisConnection& redis) { return records(redis); }));
  std::vector<std::string> names;
  for (const auto& [name, record] : found) {
    names.push_back(name);
  }
  return names;
}

Status RedisStore::drop(const std::string& storage_name) {
  return pool_
      .write([&](RedisConnection& redis) -> Status {
        ASSAY_RETURN_IF_ERROR(redis
                                  .run({{"MULTI"},
                                        {"DEL", record_key(storage_name)},
                                        {"SREM", key("views"), storage_name},
                                        {"EXEC"}})
                                  .status());
        return sweep(redis);
      })
      .with_context("drop view " + storage_name + " from the online store");
}

/// Take out the rows of epochs that no view has any more, and what they were for Feast's clients.
Status RedisStore::sweep(RedisConnection& redis) {
  ASSAY_ASSIGN_OR_RETURN(const auto found, records(redis));
  std::set<std::string> live;
  for (const auto& [name, record] : found) {
    live.insert(std::to_string(record.epoch));
  }
  std::vector<std::string> done;
  ASSAY_ASSIGN_OR_RETURN(const auto layouts, dead_layouts(redis, live, &done));
  const std::string prefix = key("row:");
  ASSAY_RETURN_IF_ERROR(scan(redis, prefix, [&](const std::vector<std::string>& keys) -> Status {
    std::vector<RedisCommand> commands;
    RedisCommand unlink{"UNLINK"};
    for (const std::string& row_key : keys) {
      const std::size_t end = row_key.find(':', prefix.size());
      const std::string epoch = row_key.substr(prefix.size(), end - prefix.size());
      if (live.count(epoch) == 0) {
        unlink.push_back(row_key);
        const auto layout = layouts.find(epoch);
        if (layout != layouts.end() && layout->second.has_fields()) {
          ASSAY_ASSIGN_OR_RETURN(const std::string hash_key,
                                 layout->second.hash_key(data::EntityKey(row_key.substr(end + 1))));
          commands.push_back(layout->second.erase(hash_key));
        }
      }
    }
    if (unlink.size() > 1) {
      commands.push_back(std::move(unlink));  // last: what is cut off before is done again
    }
    return commands.empty() ? Status() : redis.run(commands).status();
  }));
  if (!done.empty()) {
    done.insert(done.begin(), "DEL");
    ASSAY_RETURN_IF_ERROR(redis.run({done}).status());
  }
  return {};
}

/// By epoch, what rows of epochs that are not `live` have for Feast's clients, less what live ones
/// have too: those of a view that was replaced by one of its name. `keys` gets where they stand.
Result<std::map<std::string, FeastLayout>> RedisStore::dead_layouts(
    RedisConnection& redis, const std::set<std::string>& live, std::vector<std::string>* keys) {
  std::map<std::string, FeastLayout> dead;
  std::vector<FeastLayout> others;
  const std::string prefix = key("feast:");
  ASSAY_RETURN_IF_ERROR(scan(redis, prefix, [&](const std::vector<std::string>& found) -> Status {
    for (const std::string& one : found) {
      ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies, redis.run({{"GET", one}}));
      const std::string epoch = one.substr(prefix.size());
      std::optional<FeastLayout> layout = FeastLayout::of_text(replies[0].text);
      if (live.count(epoch) == 0) {
        keys->push_back(one);
      }
      if (layout.has_value() && live.count(epoch) == 0) {
        dead.insert_or_assign(epoch, *std::move(layout));
      } else if (layout.has_value()) {
        others.push_back(*std::move(layout));
      }
    }
    return {};
  }));
  for (auto& [epoch, layout] : dead) {
    for (const FeastLayout& other : others) {
      layout.leave_to(other);
    }
  }
  return dead;
}

/// Visit every key that begins with `prefix`, some of them more than once.
Status RedisStore::scan(RedisConnection& redis,
                        const std::string& prefix,
                        const std::function<Status(const std::vector<std::string>&)>& visit) {
  std::string pattern;
  for (const char byte : prefix) {
    pattern += std::string_view("*?[]\\").find(byte) == std::string_view::npos ? "" : "\\";
    pattern += byte;
  }
  std::string cursor = "0";
  do {
    ASSAY_ASSIGN_OR_RETURN(
        const std::vector<RedisReply> replies,
        redis.run(
            {{"SCAN", cursor, "MATCH", pattern + "*", "COUNT", std::to_string(kKeysPerCommand)}}));
    std::vector<std::string> keys;
    for (const RedisReply& found : replies[0].list.at(1).list) {
      keys.push_back(found.text);
    }
    ASSAY_RETURN_IF_ERROR(visit(keys));
    cursor = replies[0].list.at(0).text;
  } while (cursor != "0");
  return {};
}

Result<uint64_t> RedisStore::content_hash(const gold::FeatureView& view) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  ASSAY_ASSIGN_OR_RETURN(const EventTime now, data_now());
  return ask<uint64_t>([&](RedisConnection& redis) { return content_hash(redis, view, now); });
}

Result<uint64_t> RedisStore::content_hash(RedisConnection& redis,
                                          const gold::FeatureView& view,
                                          EventTime now) {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<Record> found, record(redis, view.storage_name()));
  uint64_t sum = 0;
  if (!found.has_value()) {
    return sum;
  }
  const std::string prefix = row_prefix(found->epoch);
  std::set<std::string> entities;
  Status scanned = scan(redis, prefix, [&](const std::vector<std::string>& keys) -> Status {
    for (const std::string& row_key : keys) {
      entities.insert(row_key.substr(prefix.size()));
    }
    return {};
  });
  ASSAY_RETURN_IF_ERROR(std::move(scanned));
  for (const std::string& entity : entities) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies,
                           redis.run({{"GET", prefix + entity}}));
    Result<StoredRow> stored = decode_row(prefix + entity, replies[0].text);
    if (!stored.ok()) {
      return corrupt(view, data::EntityKey(entity), stored.status());
    }
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureValues answer,
                           view.read_online_row(stored->row, now));
    sum += hash_answer(data::EntityKey(entity), answer);
  }
  return sum;
}

Status RedisStore::corrupt(const gold::FeatureView& view,
                           const data::EntityKey& key,
                           const Status& why) {
  metrics_.corrupt_rows.add();
  return {Code::kCorrupt,
          why.message() + "; drop and materialize the view again: view " + view.name() +
              ", key hash " + hash_text(hash_bytes(key.bytes()))};
}

}  // namespace

Result<std::unique_ptr<OnlineStore>> open_redis_store(World& world, const std::string& url) {
  ASSAY_ASSIGN_OR_RETURN(const RedisAddress address, parse_redis_url(url));
  return open_redis_store(world, address);
}

Result<std::unique_ptr<OnlineStore>> open_redis_store(World& world, const RedisAddress& address) {
  auto store = std::make_unique<RedisStore>(address, world.metrics);
  ASSAY_RETURN_IF_ERROR(store->ping().with_context("open the online store"));
  return std::unique_ptr<OnlineStore>(std::move(store));
}

}  // namespace assay::online
