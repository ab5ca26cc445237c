#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace assay {

/// A file that is written piece by piece and appears whole: until publish() it has another name, in
/// the same folder. It is removed when it was not published. Links are followed. What is there and
/// no regular file, as a pipe or a device, is written to piece by piece and stays what it is.
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

/// Write a file whole, as WholeFile does.
Status write_whole_file(const std::string& path, std::string_view bytes);

/// The path that symbolic links lead to from `path`, whether or not there is something.
std::string follow_links(const std::string& path);

/// Whether something is there that must not be replaced by a file.
bool is_special_file(const std::string& path);

}  // namespace assay
