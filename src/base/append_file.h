#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace assay {

/// A file that grows by whole pieces. After a crash its end may hold a part of the last piece, so
/// pieces need a length and a checksum of their own.
///
/// Errors  as FileSystem's.
/// Threads one thread at a time.
class AppendFile {
 public:
  /// A new file, its name durable at return; kAlreadyExists.
  static Result<std::unique_ptr<AppendFile>> create(const std::string& path);
  virtual ~AppendFile() = default;
  /// Durable at return.
  virtual Status append(std::string_view bytes) = 0;
};

/// Put bytes at the end of a file, made when missing; durable only when it is synced. The folder is
/// there.
///
/// Errors  as FileSystem's; then the file may have a part of the bytes.
/// Threads thread-safe for different files.
Status append_bytes(const std::string& path, std::string_view bytes);

}  // namespace assay
