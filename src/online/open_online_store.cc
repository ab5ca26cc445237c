#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "online/online_store.h"

namespace assay::online {
namespace {

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
                                                       bool read_only) {
  constexpr std::string_view kLmdb = "lmdb:";
  constexpr std::string_view kHashLog = "hashlog:";
  if (place.find("://") != std::string::npos) {
    return open_redis_store(world, place);
  }
  HashLogOptions options;
  options.read_only = read_only;
  if (place.compare(0, kHashLog.size(), kHashLog) == 0) {
    const std::string folder = place.substr(kHashLog.size());
    ASSAY_RETURN_IF_ERROR(check_kind(holds_lmdb(world, folder), folder, "lmdb"));
    return open_hash_log_store(world, folder, options);
  }
  if (place.compare(0, kLmdb.size(), kLmdb) == 0) {
    const std::string folder = place.substr(kLmdb.size());
    ASSAY_RETURN_IF_ERROR(check_kind(holds_hash_log(world, folder), folder, "hashlog"));
    return open_lmdb_store(world, folder, read_only);
  }
  if (holds_hash_log(world, place) && holds_lmdb(world, place)) {
    return Status(Code::kFailedPrecondition,
                  "the folder holds two online stores, a hash log and LMDB's data.mdb; move away "
                  "the one that is not used: " +
                      place);
  }
  return holds_lmdb(world, place) ? open_lmdb_store(world, place, read_only)
                                  : open_hash_log_store(world, place, options);
}

}  // namespace assay::online
