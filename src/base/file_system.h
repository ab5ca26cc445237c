#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace assay {

struct FileInfo {
  std::string path;
  int64_t size_bytes = 0;
  EventTime modified;
  bool is_directory = false;
};

/// A file that is read from its beginning to its end.
///
/// Threads one thread at a time.
class FileReader {
 public:
  virtual ~FileReader() = default;
  /// Up to `bytes_max` next bytes; empty at the end.
  virtual Result<std::string> read(std::size_t bytes_max) = 0;
};

/// Held until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// The only place that touches the disk, save for the adapters of libraries with files of their
/// own.
///
/// Errors  kNotFound, kPermissionDenied, kResourceExhausted (disk full), kAlreadyExists,
/// kUnavailable.
///         Every message names the path.
/// Threads thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// The whole file.
  virtual Result<std::string> read(const std::string& path) = 0;
  /// Bytes [offset, offset + size) of the file; fewer at its end.
  virtual Result<std::string> read_range(const std::string& path, int64_t offset, int64_t size) = 0;
  virtual Result<std::unique_ptr<FileReader>> open(const std::string& path) = 0;
  /// Replace or create: written beside, synced, renamed. A reader sees the old or the new bytes.
  virtual Status write(const std::string& path, std::string_view bytes) = 0;
  /// Create with these bytes, durable at return; kAlreadyExists when there is such a file.
  virtual Status put_if_absent(const std::string& path, std::string_view bytes) = 0;
  /// put_if_absent for secrets: the system's disk makes the file readable by its owner only, from
  /// its first byte. A file system without owners has nothing to add.
  virtual Status put_secret_if_absent(const std::string& path, std::string_view bytes) {
    return put_if_absent(path, bytes);
  }
  /// Entries of one folder, sorted by name. kNotFound when it is missing.
  virtual Result<std::vector<FileInfo>> list(const std::string& directory) = 0;
  virtual Result<FileInfo> stat(const std::string& path) = 0;
  /// Make the folder and those above it; fine when it exists.
  virtual Status make_directories(const std::string& path) = 0;
  /// Remove a file or an empty folder.
  virtual Status remove(const std::string& path) = 0;
  /// Make a file's bytes, or a folder's entries, durable.
  virtual Status sync(const std::string& path) = 0;
  /// Take the exclusive lock of a file (created when absent), or kFailedPrecondition when another
  /// process or object holds it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  /// The same lock, which several may hold this way at once, but not while one holds it
  /// exclusively. A file system that cannot tell them apart lets one in.
  virtual Result<std::unique_ptr<FileLock>> lock_shared(const std::string& path) {
    return lock(path);
  }
};

/// The machine's disks.
std::unique_ptr<FileSystem> system_files();

/// "a/b" from "a" and "b"; an absolute `name` is returned as it is.
std::string join_path(std::string_view directory, std::string_view name);
/// "a" of "a/b", "." of "b".
std::string parent_path(std::string_view path);
/// "b" of "a/b".
std::string file_name(std::string_view path);

}  // namespace assay
