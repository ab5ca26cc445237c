#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "online/online_store.h"

namespace assay::online {
namespace {

/// Whether a folder has a file whose name begins like this.
bool has_file(World& world, const std::string& folder, std::string_view beginning) {
  const Result<std::vector<FileInfo>> files = world.files.list(folder);
  return files.ok() && std::any_of(files->begin(), files->end(), [&](const FileInfo& file) {
           return file_name(file.path).compare(0, beginning.size(), beginning) == 0;
         });
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
  return has_file(world, folder, "log.");
}

bool holds_lmdb(World& world, const std::string& folder) {
  return has_file(world, folder, "data.mdb");
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
  return holds_hash_log(world, place) ? open_hash_log_store(world, place, options)
                                      : open_lmdb_store(world, place, read_only);
}

}  // namespace assay::online
