#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace assay {

/// Bytes put aside on disk while something runs: a file without a name, gone with this object or
/// with the process.
///
/// Threads one thread at a time.
class ScratchFile {
 public:
  /// Errors  kNotFound, kPermissionDenied: no file can be made in `folder`.
  static Result<ScratchFile> open(const std::string& folder);
  ~ScratchFile();
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&& other) noexcept;

  /// Put bytes at the end; where they begin. kResourceExhausted: the disk is full.
  Result<int64_t> append(std::string_view bytes);
  /// The bytes put there. kUnavailable when the disk does not give them back.
  [[nodiscard]] Result<std::string> read(int64_t offset, int64_t size) const;
  [[nodiscard]] int64_t size() const { return size_; }
  /// Where a library of this process can open the same bytes to read them.
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  ScratchFile(std::string folder, int descriptor)
      : folder_(std::move(folder)), descriptor_(descriptor) {}
  std::string folder_;
  int descriptor_ = -1;
  int64_t size_ = 0;
};

}  // namespace assay
