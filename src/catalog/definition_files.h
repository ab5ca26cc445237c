#pragma once

#include <map>
#include <string>

#include "base/file_system.h"

namespace assay::catalog {

/// The texts that a project's definitions were read from, by path below its folder.
using DefinitionTexts = std::map<std::string, std::string>;

/// A file system that a project is parsed from; nothing can be written to it.
///
/// Errors  kUnimplemented: everything but read, list and stat.
/// Threads one thread at a time.
class DefinitionFiles : public FileSystem {
 public:
  Result<std::string> read_range(const std::string& path, int64_t offset, int64_t size) override;
  Result<std::unique_ptr<FileReader>> open(const std::string& path) override;
  Status write(const std::string& path, std::string_view bytes) override;
  Status put_if_absent(const std::string& path, std::string_view bytes) override;
  Status make_directories(const std::string& path) override;
  Status remove(const std::string& path) override;
  Status sync(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
};

/// Reads from `below` and remembers every text it gave, so that the same definitions can be read
/// again when the files have changed.
class RecordedDefinitions : public DefinitionFiles {
 public:
  RecordedDefinitions(FileSystem& below, std::string folder)
      : below_(below), folder_(std::move(folder)) {}
  Result<std::string> read(const std::string& path) override;
  Result<std::vector<FileInfo>> list(const std::string& directory) override;
  Result<FileInfo> stat(const std::string& path) override;
  [[nodiscard]] const DefinitionTexts& texts() const { return texts_; }

 private:
  FileSystem& below_;
  const std::string folder_;
  DefinitionTexts texts_;
};

/// Gives recorded texts as the files of `folder`.
class ReplayedDefinitions : public DefinitionFiles {
 public:
  ReplayedDefinitions(DefinitionTexts texts, std::string folder)
      : texts_(std::move(texts)), folder_(std::move(folder)) {}
  Result<std::string> read(const std::string& path) override;
  Result<std::vector<FileInfo>> list(const std::string& directory) override;
  Result<FileInfo> stat(const std::string& path) override;

 private:
  const DefinitionTexts texts_;
  const std::string folder_;
};

}  // namespace assay::catalog
