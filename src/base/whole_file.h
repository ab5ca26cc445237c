#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace assay {

/// A file that is written piece by piece and appears whole: until publish() it has another name, in
/// the same folder. It is removed when it was not published.
///
/// Errors  as FileSystem's.
/// Threads one thread at a time.
class WholeFile {
 public:
  static Result<std::unique_ptr<WholeFile>> create(const std::string& path);
  virtual ~WholeFile() = default;
  virtual Status append(std::string_view bytes) = 0;
  /// Replace or create the file; durable at return. Nothing is appended from then on.
  virtual Status publish() = 0;
};

}  // namespace assay
