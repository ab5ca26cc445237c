#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/hash.h"
#include "online/mapped_file.h"
#include "online/online_store.h"
#include "online/redis_client.h"
#include "online/set_aside.h"
#include "online/sharded_store.h"
#include "online/share_store.h"

namespace assay::online {
namespace {

constexpr std::string_view kSharded = "sharded:";
constexpr std::string_view kLmdb = "lmdb:";
constexpr std::string_view kHashLog = "hashlog:";

/// "log." and a number.
bool is_log_file(std::string_view name) {
  constexpr std::string_view kLog = "log.";
  return name.size() > kLog.size() && name.substr(0, kLog.size()) == kLog &&
         name.find_first_not_of("0123456789", kLog.size()) == std::string_view::npos;
}

/// A folder holds one store: another kind beside it would be an empty one.
Status check_kind(bool holds_other, const std::string& folder, const char* other) {
  return !holds_other
             ? Status()
             : Status(Code::kFailedPrecondition,
                      std::string("the folder holds an online store of the other kind; name "
                                  "it `") +
                          other + ":` or another folder: " + folder);
}

std::vector<std::string> split(const std::string& places) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= places.size()) {
    const std::size_t end = std::min(places.find(',', begin), places.size());
    parts.push_back(places.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool is_url(const std::string& place) {
  return place.find("://") != std::string::npos;
}

bool is_postgres(const std::string& place) {
  return place.compare(0, 11, "postgres://") == 0 || place.compare(0, 13, "postgresql://") == 0;
}

/// As messages name it, and as it decides whose an entity is: another password changes nothing.
Result<std::string> shard_name(const std::string& place) {
  if (!is_url(place)) {
    return place;
  }
  if (is_postgres(place)) {
    return Status(Code::kInvalidArgument, "PostgreSQL cannot be a shard of the online store");
  }
  ASSAY_ASSIGN_OR_RETURN(const RedisAddress address, parse_redis_url(place));
  if (!address.feast_project.empty() || !address.from_feast.empty()) {
    return Status(Code::kInvalidArgument,
                  "a shard of the online store has no values for Feast's clients or of its jobs, "
                  "who would find those of one shard only; leave `feast=` and `from_feast=` out "
                  "of " +
                      address.text());
  }
  if (address.kind == RedisAddress::Kind::kCluster) {
    return Status(
        Code::kInvalidArgument,
        "a Redis Cluster shares entities out itself and cannot be a shard; write it alone: " +
            address.text());
  }
  return address.text() + "/" + std::to_string(address.database) + "?prefix=" + address.prefix;
}

/// What another list of shards left in a place is of no use: each list has keys, or folders, of its
/// own.
Result<std::unique_ptr<OnlineStore>> open_shard(World& world,
                                                const std::string& place,
                                                const std::string& own,
                                                bool read_only,
                                                const std::string& project) {
  if (!is_url(place)) {
    return open_online_store(world, join_path(place, own), read_only, project);
  }
  ASSAY_ASSIGN_OR_RETURN(RedisAddress address, parse_redis_url(place));
  address.prefix += "-" + own;
  return open_redis_store(world, address, read_only, project);
}

/// A shard of a list: its place, its name, and what its own rows are kept under. Two shards may be
/// one place by two names.
struct ShardPlace {
  std::string place;
  std::string name;
  std::string own;
};

Result<std::vector<ShardPlace>> shards_in(const std::string& places) {
  std::vector<std::string> names;
  std::vector<ShardPlace> shards;
  for (const std::string& place : split(places)) {
    ASSAY_ASSIGN_OR_RETURN(const std::string name, shard_name(place));
    if (place.empty() || std::find(names.begin(), names.end(), name) != names.end()) {
      return Status(Code::kInvalidArgument,
                    "each shard of the online store is another place; write them like "
                    "sharded:redis://one,redis://two: " +
                        name);
    }
    names.push_back(name);
    shards.push_back({place, name, ""});
  }
  const std::string list = shard_list_id(names);
  for (ShardPlace& shard : shards) {
    shard.own = list + "-" + hash_text(hash_bytes(shard.name));
  }
  return shards;
}

Result<std::unique_ptr<OnlineStore>> open_shards(World& world,
                                                 const std::string& places,
                                                 bool read_only,
                                                 const std::string& project) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<ShardPlace> parts, shards_in(places));
  std::vector<StoreShard> shards;
  for (const ShardPlace& part : parts) {
    Result<std::unique_ptr<OnlineStore>> store =
        open_shard(world, part.place, part.own, read_only, project);
    if (!store.ok()) {
      return store.status().with_context("shard " + part.name);
    }
    shards.push_back({part.name, std::move(store).value()});
  }
  return make_sharded_store(world.clock, std::move(shards));
}

Result<std::unique_ptr<OnlineStore>> open_share(World& world,
                                                const catalog::SharePlace& store,
                                                bool read_only,
                                                const std::string& project) {
  if (store.place.starts_with(kSharded)) {
    return Status(Code::kInvalidArgument,
                  "`share:` is of an online store in one place, and `sharded:` shares entities out "
                  "itself; use one of the two");
  }
  ASSAY_RETURN_IF_ERROR(shard_name(store.place).status());
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<OnlineStore> opened,
                         open_shard(world, store.place, share_id(store.share), read_only, project));
  return make_share_store(store.share, std::move(opened));
}

/// What was opened in a folder; when damage keeps it closed, with what brings its rows back. The
/// folder is not touched: other processes may have it open.
Result<std::unique_ptr<OnlineStore>> or_remedy(Result<std::unique_ptr<OnlineStore>> opened,
                                               const std::string& folder) {
  return opened.code() != Code::kCorrupt
             ? std::move(opened)
             : Status(
                   Code::kCorrupt,
                   opened.status().message() +
                       "; end what has it open, and `assay materialize --anew` sets the folder " +
                       folder +
                       " aside and makes its rows anew from the lake (without a lake move it "
                       "away, and `assay up` makes them from the topics)");
}

/// The embedded stores at a place, each as open_online_store takes it.
Result<std::vector<std::string>> embedded_in(const std::string& place) {
  std::vector<std::string> stores;
  const auto add = [&](const std::string& of, const std::string& own) {
    if (!is_url(of)) {
      stores.push_back(own.empty() ? of : join_path(of, own));
    }
  };
  if (const std::optional<catalog::SharePlace> share = catalog::share_in_place(place)) {
    add(share->place, share_id(share->share));
  } else if (place.starts_with(kSharded)) {
    ASSAY_ASSIGN_OR_RETURN(const auto shards, shards_in(place.substr(kSharded.size())));
    for (const ShardPlace& shard : shards) {
      add(shard.place, shard.own);
    }
  } else {
    add(place, "");
  }
  return stores;
}

/// The folder of an embedded store.
std::string folder_of(const std::string& place) {
  for (const std::string_view kind : {kLmdb, kHashLog}) {
    if (place.starts_with(kind)) {
      return place.substr(kind.size());
    }
  }
  return place;
}

}  // namespace

bool holds_hash_log(World& world, const std::string& folder) {
  const Result<std::vector<FileInfo>> files = world.files.list(folder);
  return files.ok() && std::any_of(files->begin(), files->end(), [](const FileInfo& file) {
           return is_log_file(file_name(file.path));
         });
}

bool holds_lmdb(World& world, const std::string& folder) {
  return world.files.stat(join_path(folder, "data.mdb")).ok();
}

Result<std::unique_ptr<OnlineStore>> open_online_store(World& world,
                                                       const std::string& place,
                                                       bool read_only,
                                                       const std::string& project) {
  if (const std::optional<catalog::SharePlace> share = catalog::share_in_place(place)) {
    return open_share(world, *share, read_only, project);
  }
  if (place.compare(0, kSharded.size(), kSharded) == 0) {
    return open_shards(world, place.substr(kSharded.size()), read_only, project);
  }
  if (is_postgres(place)) {
    return open_postgres_store(world, place, read_only, project);
  }
  if (is_url(place)) {
    ASSAY_ASSIGN_OR_RETURN(const RedisAddress address, parse_redis_url(place));
    return open_redis_store(world, address, read_only, project);
  }
  HashLogOptions options;
  options.read_only = read_only;
  if (place.compare(0, kHashLog.size(), kHashLog) == 0) {
    const std::string folder = place.substr(kHashLog.size());
    ASSAY_RETURN_IF_ERROR(check_kind(holds_lmdb(world, folder), folder, "lmdb"));
    return or_remedy(open_hash_log_store(world, folder, options), folder);
  }
  if (place.compare(0, kLmdb.size(), kLmdb) == 0) {
    const std::string folder = place.substr(kLmdb.size());
    ASSAY_RETURN_IF_ERROR(check_kind(holds_hash_log(world, folder), folder, "hashlog"));
    return or_remedy(open_lmdb_store(world, folder, read_only), folder);
  }
  if (holds_hash_log(world, place) && holds_lmdb(world, place)) {
    return Status(Code::kFailedPrecondition,
                  "the folder holds two online stores, a hash log and LMDB's data.mdb; move away "
                  "the one that is not used: " +
                      place);
  }
  return or_remedy(holds_lmdb(world, place) ? open_lmdb_store(world, place, read_only)
                                            : open_hash_log_store(world, place, options),
                   place);
}

Result<std::vector<std::string>> set_aside_damaged(World& world,
                                                   const std::string& place,
                                                   const std::string& project) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> stores, embedded_in(place));
  std::vector<std::string> moved;
  for (const std::string& store : stores) {
    const Status opened = open_online_store(world, store, true, project).status();
    if (opened.ok() || opened.code() == Code::kNotFound) {
      continue;
    }
    if (opened.code() != Code::kCorrupt) {
      return opened;
    }
    std::string folder = folder_of(store);
    while (folder.size() > 1 && folder.ends_with('/')) {
      folder.pop_back();
    }
    int number = 1;
    const auto aside = [&] { return folder + ".damaged-" + std::to_string(number); };
    while (world.files.stat(aside()).ok()) {
      ++number;
    }
    ASSAY_RETURN_IF_ERROR(rename_file(folder, aside()));
    moved.push_back(aside());
  }
  return moved;
}

}  // namespace assay::online
