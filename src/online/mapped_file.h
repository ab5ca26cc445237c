#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

// What the hash log asks of the system: files that several processes map, a file that grows, a lock
// that dies with its process.
//
// Errors  kNotFound, kPermissionDenied, kResourceExhausted (disk full), kUnavailable; every message
//         names the file.

namespace assay::online {

/// A file in memory, shared with every process that maps it.
///
/// Threads immutable; what the bytes are protected by is their owner's affair.
class MappedFile {
 public:
  /// Map `map_bytes` from the beginning, or the whole file for 0. The file may be shorter: bytes
  /// behind its end must not be touched before it has grown.
  static Result<std::unique_ptr<MappedFile>> open(const std::string& path,
                                                  uint64_t map_bytes,
                                                  bool writable);
  /// A new file of zeroes in the place of what is there, all its blocks reserved.
  static Result<std::unique_ptr<MappedFile>> create(const std::string& path, uint64_t bytes);
  /// The same with `first`, and `rest` again and again: written, since a page of a map is dear to
  /// touch for the first time.
  static Result<std::unique_ptr<MappedFile>> create(const std::string& path,
                                                    uint64_t bytes,
                                                    std::string_view first,
                                                    std::string_view rest);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] char* data() const { return data_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Ask for large pages, which the system then reads and fills as a whole: for a file all of which
  /// is needed, at any place of it.
  void use_large_pages() const;
  /// Durable at return.
  [[nodiscard]] Status sync() const;
  /// Changes with every boot of the machine and with every copy of the file.
  [[nodiscard]] uint64_t incarnation() const { return incarnation_; }

 private:
  MappedFile(std::string path, char* data, uint64_t bytes, uint64_t incarnation)
      : path_(std::move(path)), data_(data), bytes_(bytes), incarnation_(incarnation) {}
  std::string path_;
  char* data_;
  uint64_t bytes_;
  uint64_t incarnation_;
};

/// Bytes that the file has now.
Result<uint64_t> file_bytes(const std::string& path);

/// A file that is written at its end.
///
/// Threads one thread at a time.
class LogFile {
 public:
  /// Made when it is not there.
  static Result<std::unique_ptr<LogFile>> open(const std::string& path);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  Status write(uint64_t offset, std::string_view bytes);
  /// Begin to bring what was written to the disk, without waiting for it.
  void start_sync(uint64_t offset, uint64_t bytes) const;
  /// Durable at return. kCommitUnknown: the disk failed; nobody knows what it has.
  [[nodiscard]] Status sync() const;
  Status truncate(uint64_t bytes);
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  LogFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::string path_;
  int descriptor_;
};

/// A name that no other object of this or another running process has.
std::string own_name();

/// Give a file another name, in the place of what has it.
Status rename_file(const std::string& from, const std::string& to);

/// The lock of a file, waited for; given back when this object or its process ends.
class ProcessLock {
 public:
  static Result<std::unique_ptr<ProcessLock>> open(const std::string& path);
  ~ProcessLock();
  ProcessLock(const ProcessLock&) = delete;
  ProcessLock& operator=(const ProcessLock&) = delete;

  /// Holds the lock while it lives.
  class Hold {
   public:
    explicit Hold(const ProcessLock& lock);
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    /// Whether it holds.
    [[nodiscard]] const Status& status() const { return status_; }

   private:
    const ProcessLock& lock_;
    Status status_;
  };

 private:
  explicit ProcessLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace assay::online
