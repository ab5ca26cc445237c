#include "store/spool.h"

// <folder>/<uuid>/    files of one process
// <folder>/<uuid>.lock  held as long as that process lives

namespace assay::store {
namespace {

void remove_below(FileSystem& files, const std::string& folder) {
  const Result<std::vector<FileInfo>> entries = files.list(folder);
  if (!entries.ok()) {
    return;
  }
  for (const FileInfo& entry : *entries) {
    if (entry.is_directory) {
      remove_below(files, entry.path);
    } else {
      static_cast<void>(files.remove(entry.path));
    }
  }
  static_cast<void>(files.remove(folder));
}

/// What is in the way of nobody, for its process is gone.
void remove_left_behind(FileSystem& files, const std::string& folder) {
  constexpr std::string_view kLock = ".lock";
  const Result<std::vector<FileInfo>> entries = files.list(folder);
  if (!entries.ok()) {
    return;
  }
  for (const FileInfo& entry : *entries) {
    if (!entry.path.ends_with(kLock)) {
      continue;
    }
    const Result<std::unique_ptr<FileLock>> lock = files.lock(entry.path);
    if (lock.ok()) {
      remove_below(files, entry.path.substr(0, entry.path.size() - kLock.size()));
      static_cast<void>(files.remove(entry.path));
    }
  }
}

}  // namespace

Result<std::unique_ptr<Spool>> Spool::open(World& world, const std::string& folder) {
  ASSAY_CHECK(!folder.empty());
  ASSAY_RETURN_IF_ERROR(world.files.make_directories(folder));
  remove_left_behind(world.files, folder);
  const std::string own = join_path(folder, world.random.uuid());
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, world.files.lock(own + ".lock"));
  ASSAY_RETURN_IF_ERROR(world.files.make_directories(own));
  return std::unique_ptr<Spool>(new Spool(world, own, std::move(lock)));
}

Spool::~Spool() {
  remove_below(world_.files, own_);
  static_cast<void>(world_.files.remove(own_ + ".lock"));
}

Status Spool::remove(const std::string& key) {
  const Status removed = world_.files.remove(path(key));
  return removed.code() == Code::kNotFound ? Status() : removed;
}

}  // namespace assay::store
