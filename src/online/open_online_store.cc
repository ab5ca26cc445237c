#include "base/file_system.h"
#include "online/online_store.h"

namespace assay::online {

Result<std::unique_ptr<OnlineStore>> open_online_store(World& world,
                                                       const std::string& place,
                                                       bool read_only) {
  constexpr std::string_view kLmdb = "lmdb:";
  constexpr std::string_view kHashLog = "hashlog:";
  if (place.find("://") != std::string::npos) {
    return open_redis_store(world, place);
  }
  HashLogOptions options;
  options.read_only = read_only;
  if (place.compare(0, kHashLog.size(), kHashLog) == 0) {
    return open_hash_log_store(world, place.substr(kHashLog.size()), options);
  }
  if (place.compare(0, kLmdb.size(), kLmdb) == 0) {
    return open_lmdb_store(world, place.substr(kLmdb.size()), read_only);
  }
  return holds_hash_log(world, place) ? open_hash_log_store(world, place, options)
                                      : open_lmdb_store(world, place, read_only);
}

}  // namespace assay::online
