#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace assay::data {

/// How hard to look for fewer bytes.
enum class ZstdEffort : int {
  kLittle = -1,  // bytes that repeat nowhere are left as they are
  kSome = 1,     // 3 takes twice the time for a fiftieth fewer bytes
};

/// Makes zstd frames (RFC 8878) with checksums, one after the other with the same working memory.
///
/// Threads one thread at a time.
class ZstdCompressor {
 public:
  ZstdCompressor();
  /// Append `bytes` as one frame. Equal bytes give equal frames.
  ///
  /// Errors  kResourceExhausted: no memory to work in.
  Status append(std::string_view bytes, std::string& out, ZstdEffort effort = ZstdEffort::kSome);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  std::vector<char> frame_;
};

/// Reads them again.
///
/// Threads one thread at a time.
class ZstdDecompressor {
 public:
  ZstdDecompressor();
  /// Make `bytes` what the frame holds; false when it is damaged or does not hold `size` bytes.
  bool read(std::string_view frame, std::size_t size, std::string& bytes);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
};

}  // namespace assay::data
