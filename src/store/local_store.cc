#include <algorithm>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "store/object_store.h"

namespace assay::store {
namespace {

/// Objects are files; "a/b" is file b in folder a. What write and put_if_absent leave behind when
/// the power goes, ".tmp.*", is never shown.
class LocalStore : public ObjectStore {
 public:
  LocalStore(FileSystem& files, std::string root) : files_(files), root_(std::move(root)) {}

  Result<std::string> get(const std::string& key) override {
    ASSAY_RETURN_IF_ERROR(validate_key(key));
    return found(files_.read(read_path(key)), key);
  }

  Result<std::string> get_range(const std::string& key, int64_t offset, int64_t size) override {
    ASSAY_RETURN_IF_ERROR(validate_key(key));
    if (offset < 0 || size < 0) {
      return Status(Code::kInvalidArgument, "negative range of object " + key);
    }
    return found(files_.read_range(read_path(key), offset, size), key);
  }

  Status put(const std::string& key, std::string_view bytes) override {
    ASSAY_RETURN_IF_ERROR(make_folder_of(key));
    return files_.write(read_path(key), bytes);
  }

  Status put_if_absent(const std::string& key, std::string_view bytes) override {
    ASSAY_RETURN_IF_ERROR(make_folder_of(key));
    return files_.put_if_absent(read_path(key), bytes);
  }

  Result<std::vector<ObjectInfo>> list(const std::string& prefix,
                                       const std::string& start_after) override {
    const std::size_t slash = prefix.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : prefix.substr(0, slash);
    if (!folder.empty()) {
      ASSAY_RETURN_IF_ERROR(validate_key(folder));
    }
    std::vector<ObjectInfo> objects;
    ASSAY_RETURN_IF_ERROR(list_below(folder, prefix, start_after, objects));
    std::sort(objects.begin(), objects.end(), [](const ObjectInfo& a, const ObjectInfo& b) {
      return a.key < b.key;
    });
    return objects;
  }

  Result<std::vector<std::string>> list_folders(const std::string& key) override {
    if (!key.empty()) {
      ASSAY_RETURN_IF_ERROR(validate_key(key));
    }
    ASSAY_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, entries_of(key));
    std::vector<std::string> names;
    for (const FileInfo& entry : entries) {
      if (entry.is_directory) {
        names.push_back(file_name(entry.path));
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<ObjectInfo> stat(const std::string& key) override {
    ASSAY_RETURN_IF_ERROR(validate_key(key));
    ASSAY_ASSIGN_OR_RETURN(const FileInfo info, files_.stat(read_path(key)));
    if (info.is_directory) {
      return Status(Code::kNotFound, "no such object: " + key);
    }
    return ObjectInfo{key, info.size_bytes, info.modified};
  }

  Status remove(const std::string& key) override {
    ASSAY_RETURN_IF_ERROR(validate_key(key));
    const Result<FileInfo> info = files_.stat(read_path(key));
    if (info.code() == Code::kNotFound || (info.ok() && info->is_directory)) {
      return {};
    }
    const Status removed = files_.remove(read_path(key));
    return removed.code() == Code::kNotFound ? Status() : removed;
  }

  Status adopt(const std::string& key) override {
    ASSAY_RETURN_IF_ERROR(validate_key(key));
    ASSAY_RETURN_IF_ERROR(files_.sync(read_path(key)));
    // A library, or another process, may have made any of the folders above: each one's name must
    // reach the disk too, once.
    std::string name = key;
    bool new_entry = true;
    while (new_entry) {
      const std::size_t slash = name.rfind('/');
      const std::string folder = slash == std::string::npos ? "" : name.substr(0, slash);
      ASSAY_RETURN_IF_ERROR(files_.sync(read_path(folder)));
      new_entry = !folder.empty() && !is_durable(folder);
      name = folder;
    }
    std::string folder = key;
    for (std::size_t slash = folder.rfind('/'); slash != std::string::npos;
         slash = folder.rfind('/')) {
      folder.resize(slash);
      remember_durable(folder);
    }
    return {};
  }

  [[nodiscard]] std::string read_path(const std::string& key) const override {
    return key.empty() ? root_ : join_path(root_, key);
  }

  [[nodiscard]] std::string write_path(const std::string& key) const override {
    return read_path(key);
  }

 private:
  /// A folder of that name is no object.
  static Result<std::string> found(Result<std::string> bytes, const std::string& key) {
    if (bytes.code() == Code::kInvalidArgument) {
      return Status(Code::kNotFound, "no such object: " + key);
    }
    return bytes;
  }

  Status make_folder_of(const std::string& key) {
    ASSAY_RETURN_IF_ERROR(validate_key(key));
    const Status made = files_.make_directories(parent_path(read_path(key)));
    // Not "the object exists": a racer would take it for a lost race.
    return made.code() == Code::kAlreadyExists ? Status(Code::kFailedPrecondition, made.message())
                                               : made;
  }

  bool is_durable(const std::string& folder) {
    const std::lock_guard lock(mutex_);
    return durable_folders_.find(folder) != durable_folders_.end();
  }

  void remember_durable(const std::string& folder) {
    const std::lock_guard lock(mutex_);
    if (durable_folders_.size() >= kFoldersRememberedMax) {
      durable_folders_.clear();  // they are synced once more
    }
    durable_folders_.insert(folder);
  }

  Result<std::vector<FileInfo>> entries_of(const std::string& folder) {
    Result<std::vector<FileInfo>> entries = files_.list(read_path(folder));
    if (entries.code() == Code::kNotFound) {
      return std::vector<FileInfo>();
    }
    return entries;
  }

  Status list_below(const std::string& folder,
                    const std::string& prefix,
                    const std::string& start_after,
                    std::vector<ObjectInfo>& objects) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, entries_of(folder));
    for (const FileInfo& entry : entries) {
      const std::string name = file_name(entry.path);
      const std::string key = folder.empty() ? name : folder + "/" + name;
      if (entry.is_directory) {
        const std::string inside = key + "/";
        if (inside.starts_with(prefix) || prefix.starts_with(inside)) {
          ASSAY_RETURN_IF_ERROR(list_below(key, prefix, start_after, objects));
        }
      } else if (key.starts_with(prefix) && key > start_after && !name.starts_with(".tmp.")) {
        objects.push_back({key, entry.size_bytes, entry.modified});
      }
    }
    return {};
  }

  static constexpr std::size_t kFoldersRememberedMax = 100'000;

  FileSystem& files_;
  std::string root_;
  std::mutex mutex_;
  std::unordered_set<std::string> durable_folders_;  // whose names are known to be on the disk
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_local_store(World& world, const std::string& root) {
  if (root.empty()) {
    return Status(Code::kInvalidArgument, "the folder of the object store has no name");
  }
  std::string folder = root;
  while (folder.size() > 1 && folder.back() == '/') {
    folder.pop_back();
  }
  ASSAY_RETURN_IF_ERROR(
      world.files.make_directories(folder).with_context("open object store " + folder));
  std::unique_ptr<ObjectStore> store = std::make_unique<LocalStore>(world.files, folder);
  return store;
}

}  // namespace assay::store
