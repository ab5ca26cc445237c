#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/file_system.h"

namespace assay {

/// A folder for one test, gone at its end.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "assay_test_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  /// Write a file with the folders above it.
  void write(const std::string& name, std::string_view bytes) const {
    ASSAY_CHECK(files_->make_directories(parent_path(file(name))).ok());
    ASSAY_CHECK(files_->write(file(name), bytes).ok());
  }
  void append(const std::string& name, std::string_view bytes) const {
    write(name, files_->read(file(name)).value() + std::string(bytes));
  }

 private:
  std::unique_ptr<FileSystem> files_ = system_files();
  std::string path_;
};

}  // namespace assay
