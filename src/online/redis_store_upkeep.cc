// What a store in Redis has as a whole, and what it throws away.

#include <algorithm>
#include <utility>

#include "base/fail_point.h"
#include "base/hash.h"
#include "online/redis_store.h"
#include "online/row_codec.h"

namespace assay::online {
namespace {

constexpr std::size_t kKeysPerScan = 1000;

}  // namespace

Status RedisStore::open(bool read_only) {
  const std::string name = key("project");
  ASSAY_ASSIGN_OR_RETURN(std::vector<RedisReply> replies, ask(RedisUse::kWork, {{"GET", name}}));
  if (keys_.project.empty()) {
    return {};
  }
  if (replies[0].kind == RedisReply::Kind::kNothing && !read_only) {
    ASSAY_RETURN_IF_ERROR(write({{"SET", name, keys_.project, "NX"}}));
    ASSAY_ASSIGN_OR_RETURN(replies, ask(RedisUse::kWork, {{"GET", name}}));
  }
  if (replies[0].kind == RedisReply::Kind::kText && replies[0].text != keys_.project) {
    return {Code::kFailedPrecondition,
            "these keys are of the project `" + replies[0].text +
                "`; give this one others by `?prefix=NAME` in the URL of `online`, or delete the "
                "key `" +
                name + "` if the project has another name now"};
  }
  return {};
}

Result<RedisStore::Records> RedisStore::records(RedisUse use) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> names,
                         ask(use, {{"SMEMBERS", key("views")}}));
  std::vector<std::string> keys;
  for (const RedisReply& name : names[0].list) {
    keys.push_back(record_key(name.text));
  }
  Records records;
  if (keys.empty()) {
    return records;
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> found, route_->get(use, keys));
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::string& name = names[0].list[i].text;
    ASSAY_ASSIGN_OR_RETURN(const std::optional<Record> record, decode_record(name, found[i]));
    if (record.has_value()) {
      records.emplace(name, *record);
    }
  }
  return records;
}

Result<EventTime> RedisStore::data_now(RedisUse use) {
  ASSAY_ASSIGN_OR_RETURN(const Records found, records(use));
  LatestOfViews latest;
  for (const auto& [name, record] : found) {
    latest.add(name, record.meta.applied);
  }
  return latest.latest();
}

Result<std::vector<std::string>> RedisStore::views() {
  ASSAY_ASSIGN_OR_RETURN(const Records found, records(RedisUse::kWork));
  std::vector<std::string> names;
  for (const auto& [name, record] : found) {
    names.push_back(name);
  }
  return names;
}

Status RedisStore::drop(const std::string& storage_name) {
  const RedisCommand forget{"DEL", record_key(storage_name)};
  const RedisCommand unlist{"SREM", key("views"), storage_name};
  Status taken = write({{"MULTI"}, forget, unlist, {"SET", sweep_key(), "1"}, {"EXEC"}});
  if (taken.code() == Code::kResourceExhausted) {
    // A full server queues nothing, not even what makes room. A name without a record is no view.
    taken = write({forget, unlist});
  }
  fail_point("online.drop.before_sweep");
  return (taken.ok() ? sweep() : taken)
      .with_context("drop view " + storage_name + " from the online store");
}

/// Rows are of an epoch, not of a name: only the record changes. Feast's values are written then:
/// what is cut off before has those of the old rows.
Status RedisStore::replace(const gold::FeatureView& view, const std::string& filled) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  const std::string& name = view.storage_name();
  Replaced replaced;
  const auto replace_once = [&] {
    return route_->write(
        [&](RedisConnection& redis) { return replace_record(redis, view, filled, &replaced); });
  };
  Status done = replace_once();
  if (done.code() == Code::kUnavailable) {  // the transaction may have landed
    const Result<std::optional<Record>> now = record(RedisUse::kWork, name);
    if (now.ok()) {
      done = now->has_value() && (*now)->epoch == replaced.now.epoch ? Status() : replace_once();
    }
  }
  if (done.ok() && !keys_.feast_project.empty()) {
    done = write_feast(view, replaced)
               .with_context("the rows are replaced, but not all of Feast's values");
  }
  if (!done.ok()) {
    return done.with_context("replace view " + name + " of the online store");
  }
  fail_point("online.replace.before_sweep");
  return sweep().with_context("the rows of view " + name +
                              " are replaced, but not all old ones removed; the next run does it");
}

Status RedisStore::remove_leftovers() {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> due,
                         ask(RedisUse::kWork, {{"EXISTS", sweep_key()}}));
  return due[0].integer != 0 ? sweep().with_context("remove rows of dropped views") : Status();
}

Status RedisStore::replace_record(RedisConnection& redis,
                                  const gold::FeatureView& view,
                                  const std::string& filled,
                                  Replaced* replaced) {
  const std::string from = record_key(filled);
  const std::string to = record_key(view.storage_name());
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> watched,
                         redis.run({{"WATCH", from, to}, {"GET", from}, {"GET", to}}));
  const Result<std::optional<Record>> found = decode_record(filled, watched[1]);
  const Result<std::optional<Record>> old = decode_record(view.storage_name(), watched[2]);
  Record record = found.ok() ? found->value_or(Record{}) : Record{};
  const Result<ViewMeta> meta =
      found.ok() ? check_filled(
                       view, filled, found->has_value() ? std::optional(record.meta) : std::nullopt)
                 : found.status();
  if (!meta.ok()) {
    (void)redis.run({{"UNWATCH"}});
    return meta.status();
  }
  replaced->now = record;
  replaced->old.reset();
  if (old.ok() && old->has_value()) {  // a damaged one is replaced like others
    replaced->old = (*old)->epoch;
  }
  fail_point("online.replace.before_commit");
  std::vector<RedisCommand> commands{{"MULTI"},
                                     {"SET", to, encode_record(view.storage_name(), record)},
                                     {"DEL", from},
                                     {"SADD", key("views"), view.storage_name()},
                                     {"SREM", key("views"), filled},
                                     {"SET", sweep_key(), "1"}};
  if (!keys_.feast_project.empty()) {
    commands.push_back({"SET",
                        key("feast:" + std::to_string(record.epoch)),
                        FeastLayout(view, keys_.feast_project).text()});
  }
  commands.push_back({"EXEC"});
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies, redis.run(commands));
  return replies.back().kind != RedisReply::Kind::kNothing
             ? Status()
             : Status(Code::kFailedPrecondition,
                      "another process moved the view's position meanwhile: view " + view.name());
}

/// Write Feast's values of all rows that have replaced others, and take out those of entities that
/// have none any more.
Status RedisStore::write_feast(const gold::FeatureView& view, const Replaced& replaced) {
  const FeastLayout feast(view, keys_.feast_project);
  const std::string prefix = row_prefix(replaced.now.epoch);
  ASSAY_RETURN_IF_ERROR(scan(prefix, [&](const std::vector<std::string>& row_keys) {
    return put_feast(view, feast, replaced.now, row_keys);
  }));
  if (!replaced.old.has_value()) {
    return {};
  }
  return scan(row_prefix(*replaced.old), [&](const std::vector<std::string>& row_keys) {
    return erase_feast(feast, replaced, row_keys);
  });
}

Status RedisStore::put_feast(const gold::FeatureView& view,
                             const FeastLayout& feast,
                             const Record& record,
                             const std::vector<std::string>& row_keys) {
  if (row_keys.empty()) {
    return {};
  }
  const std::size_t begin = row_prefix(record.epoch).size();
  const EventTime now = instant_for_feast(view, record.meta.applied.known_until);
  RedisCommand get{"MGET"};
  get.insert(get.end(), row_keys.begin(), row_keys.end());
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> held, ask(RedisUse::kWork, {get}));
  std::vector<RedisCommand> put;
  for (std::size_t i = 0; i < row_keys.size(); ++i) {
    const data::EntityKey entity(row_keys[i].substr(begin));
    Result<StoredRow> stored = decode_row(row_keys[i], held[0].list.at(i).text);
    if (!stored.ok()) {
      return corrupt(view, entity, stored.status());
    }
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureValues values,
                           view.read_online_row(stored->row, now));
    ASSAY_ASSIGN_OR_RETURN(const std::string hash_key, feast.hash_key(entity));
    put.push_back(feast.put(hash_key, values));
  }
  return route_->run_each(put);
}

/// Of rows that were replaced, take out Feast's values of those whose entities have no row now.
Status RedisStore::erase_feast(const FeastLayout& feast,
                               const Replaced& replaced,
                               const std::vector<std::string>& row_keys) {
  if (row_keys.empty()) {
    return {};
  }
  const std::size_t begin = row_prefix(*replaced.old).size();
  RedisCommand get{"MGET"};
  for (const std::string& row_key : row_keys) {
    get.push_back(row_prefix(replaced.now.epoch) + row_key.substr(begin));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> now, ask(RedisUse::kWork, {get}));
  std::vector<RedisCommand> erase;
  for (std::size_t i = 0; i < row_keys.size(); ++i) {
    if (now[0].list.at(i).kind == RedisReply::Kind::kText) {
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string hash_key,
                           feast.hash_key(data::EntityKey(row_keys[i].substr(begin))));
    erase.push_back(feast.erase(hash_key));
  }
  return route_->run_each(erase);
}

/// Take out the rows of epochs that no view has any more, and what they were for Feast's clients.
Status RedisStore::sweep() {
  ASSAY_ASSIGN_OR_RETURN(const Records found, records(RedisUse::kWork));
  std::set<std::string> live;
  for (const auto& [name, record] : found) {
    live.insert(std::to_string(record.epoch));
  }
  std::vector<std::string> done;
  ASSAY_ASSIGN_OR_RETURN(const auto layouts, dead_layouts(live, &done));
  ASSAY_RETURN_IF_ERROR(scan(key("row:"), [&](const std::vector<std::string>& keys) {
    return sweep_found(keys, live, layouts);
  }));
  done.insert(done.begin(), {"DEL", sweep_key()});
  return write({done});
}

/// Of these keys of rows, those that are not `live`.
Status RedisStore::sweep_found(const std::vector<std::string>& keys,
                               const std::set<std::string>& live,
                               const std::map<std::string, FeastLayout>& layouts) {
  const std::size_t begin = key("row:").size();
  std::vector<RedisCommand> erase;
  RedisCommand unlink{"UNLINK"};
  for (const std::string& row_key : keys) {
    const std::size_t end = row_key.find(':', begin);
    const std::string epoch = row_key.substr(begin, end - begin);
    if (live.count(epoch) != 0) {
      continue;
    }
    unlink.push_back(row_key);
    const auto layout = layouts.find(epoch);
    if (layout != layouts.end() && layout->second.has_fields()) {
      ASSAY_ASSIGN_OR_RETURN(const std::string hash_key,
                             layout->second.hash_key(data::EntityKey(row_key.substr(end + 1))));
      erase.push_back(layout->second.erase(hash_key));
    }
  }
  ASSAY_RETURN_IF_ERROR(route_->run_each(erase));
  // Last: what is cut off before is done again.
  return unlink.size() > 1 ? write({unlink}) : Status();
}

/// By epoch, what rows of epochs that are not `live` have for Feast's clients, less what live ones
/// have too: those of a view that was replaced by one of its name. `keys` gets where they stand.
Result<std::map<std::string, FeastLayout>> RedisStore::dead_layouts(
    const std::set<std::string>& live, std::vector<std::string>* keys) {
  std::map<std::string, FeastLayout> dead;
  std::vector<FeastLayout> others;
  const std::string prefix = key("feast:");
  ASSAY_RETURN_IF_ERROR(scan(prefix, [&](const std::vector<std::string>& found) -> Status {
    for (const std::string& one : found) {
      ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies,
                             ask(RedisUse::kWork, {{"GET", one}}));
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

/// Visit every key that begins with `prefix`, some of them more than once. A server's keys are
/// looked through as a whole.
Status RedisStore::scan(const std::string& prefix,
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
        ask(RedisUse::kWork,
            {{"SCAN", cursor, "MATCH", pattern + "*", "COUNT", std::to_string(kKeysPerScan)}}));
    if (replies[0].list.size() != 2) {
      return {Code::kInternal, "not an answer to SCAN"};
    }
    std::vector<std::string> keys;
    for (const RedisReply& found : replies[0].list[1].list) {
      keys.push_back(found.text);
    }
    ASSAY_RETURN_IF_ERROR(visit(keys));
    cursor = replies[0].list[0].text;
  } while (cursor != "0");
  return {};
}

Result<uint64_t> RedisStore::content_hash_at(const gold::FeatureView& view,
                                             std::optional<EventTime> at) {
  ASSAY_RETURN_IF_ERROR(check_view_name(view));
  ASSAY_ASSIGN_OR_RETURN(const EventTime latest, data_now());
  const EventTime now = at.value_or(latest);
  ASSAY_ASSIGN_OR_RETURN(const std::optional<Record> found,
                         record(RedisUse::kWork, view.storage_name()));
  uint64_t sum = 0;
  if (!found.has_value()) {
    return sum;
  }
  const std::string prefix = row_prefix(found->epoch);
  std::set<std::string> entities;
  ASSAY_RETURN_IF_ERROR(scan(prefix, [&](const std::vector<std::string>& keys) -> Status {
    for (const std::string& row_key : keys) {
      entities.insert(row_key.substr(prefix.size()));
    }
    return {};
  }));
  for (const std::string& entity : entities) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies,
                           ask(RedisUse::kWork, {{"GET", prefix + entity}}));
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

}  // namespace assay::online
