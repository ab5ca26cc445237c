#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/world.h"

namespace assay::catalog {

/// Files in memory, read only, for tests of the parser; folders are what the paths say.
class MemoryFiles : public FileSystem {
 public:
  explicit MemoryFiles(std::map<std::string, std::string> files) : files_(std::move(files)) {}

  /// Each call that asks for this file or folder gets this answer.
  void set_failure(const std::string& path, Status failure) {
    failures_[path] = std::move(failure);
  }

  Result<std::string> read(const std::string& path) override {
    ASSAY_RETURN_IF_ERROR(failures_[path]);
    const auto found = files_.find(path);
    if (found == files_.end()) {
      return Status(Code::kNotFound, "no such file: " + path);
    }
    return found->second;
  }
  Result<std::vector<FileInfo>> list(const std::string& directory) override {
    ASSAY_RETURN_IF_ERROR(failures_[directory]);
    std::map<std::string, FileInfo> entries;
    const std::string prefix = directory + "/";
    for (const auto& [path, text] : files_) {
      if (path.compare(0, prefix.size(), prefix) == 0) {
        const std::size_t slash = path.find('/', prefix.size());
        const std::string entry = path.substr(0, slash);
        entries[entry] = {
            entry, static_cast<int64_t>(text.size()), EventTime{}, slash != std::string::npos};
      }
    }
    std::vector<FileInfo> list;
    for (const auto& [path, info] : entries) {
      list.push_back(info);
    }
    return list;
  }
  Result<FileInfo> stat(const std::string& path) override {
    ASSAY_RETURN_IF_ERROR(failures_[path]);
    const auto found = files_.find(path);
    if (found == files_.end()) {
      return Status(Code::kNotFound, "no such file: " + path);
    }
    return FileInfo{path, static_cast<int64_t>(found->second.size()), EventTime{}, false};
  }

  Result<std::string> read_range(const std::string&, int64_t, int64_t) override {
    return refused();
  }
  Result<std::unique_ptr<FileReader>> open(const std::string&) override { return refused(); }
  Status write(const std::string&, std::string_view) override { return refused(); }
  Status put_if_absent(const std::string&, std::string_view) override { return refused(); }
  Status make_directories(const std::string&) override { return refused(); }
  Status remove(const std::string&) override { return refused(); }
  Status sync(const std::string&) override { return refused(); }
  Result<std::unique_ptr<FileLock>> lock(const std::string&) override { return refused(); }

 private:
  static Status refused() { return {Code::kUnimplemented, "these files can only be read"}; }

  std::map<std::string, std::string> files_;
  std::map<std::string, Status> failures_;
};

/// A World of files in memory at a fixed time.
class MemoryWorld {
 public:
  explicit MemoryWorld(std::map<std::string, std::string> files)
      : files_(std::move(files)),
        clock_(EventTime{0}),
        random_(seeded_random(1)),
        log_(null_log()),
        world_{clock_, files_, *random_, *log_, metrics_} {}
  MemoryWorld(const MemoryWorld&) = delete;
  MemoryWorld& operator=(const MemoryWorld&) = delete;
  World& world() { return world_; }
  MemoryFiles& files() { return files_; }

 private:
  MemoryFiles files_;
  FakeClock clock_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Log> log_;
  Metrics metrics_;
  World world_;
};

}  // namespace assay::catalog
