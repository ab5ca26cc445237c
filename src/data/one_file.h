#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"

namespace assay::data {

/// For tests and fuzzers: a file system of one file, whatever its path, of which only pieces are
/// read.
///
/// Errors  kUnavailable: read_range when no more reads are left; kUnimplemented: everything else.
/// Threads one thread at a time.
class OneFile : public FileSystem {
 public:
  explicit OneFile(std::string bytes, int64_t reads_left = INT64_MAX)
      : bytes_(std::move(bytes)), reads_left_(reads_left) {}

  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(bytes_.size()); }
  void allow_reads(int64_t reads) { reads_left_ = reads; }

  Result<std::string> read_range(const std::string& path, int64_t offset, int64_t size) override {
    if (reads_left_ <= 0) {
      return Status(Code::kUnavailable, "no more reads of " + path);
    }
    --reads_left_;
    const auto begin = static_cast<std::size_t>(std::clamp<int64_t>(offset, 0, this->size()));
    return bytes_.substr(begin, static_cast<std::size_t>(std::max<int64_t>(size, 0)));
  }
  Result<std::string> read(const std::string&) override { return none(); }
  Result<std::unique_ptr<FileReader>> open(const std::string&) override { return none(); }
  Status write(const std::string&, std::string_view) override { return none(); }
  Status put_if_absent(const std::string&, std::string_view) override { return none(); }
  Result<std::vector<FileInfo>> list(const std::string&) override { return none(); }
  Result<FileInfo> stat(const std::string&) override { return none(); }
  Status make_directories(const std::string&) override { return none(); }
  Status remove(const std::string&) override { return none(); }
  Status sync(const std::string&) override { return none(); }
  Result<std::unique_ptr<FileLock>> lock(const std::string&) override { return none(); }

 private:
  static Status none() { return {Code::kUnimplemented, "there is only a file to read from"}; }

  std::string bytes_;
  int64_t reads_left_;
};

}  // namespace assay::data
