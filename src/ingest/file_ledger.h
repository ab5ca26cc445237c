#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace assay::ingest {

/// A file of a source, or a part that was appended to one, with the number that positions carry. An
/// entry with begin_bytes = end_bytes > 0 has no records: it says how a completed or replaced file
/// is now.
struct SourceFile {
  int64_t ordinal = 0;
  std::string path;         // relative to the project folder, or absolute as the definition says it
  int64_t begin_bytes = 0;  // 0, or where the file ended before this part was appended
  int64_t end_bytes = 0;    // the file's size when it was found; reading ends there
  uint64_t fingerprint = 0;  // of the file's beginning: see fingerprint_of()
  EventTime modified;        // when the file was last written, as its disk says
  bool operator==(const SourceFile&) const = default;
};

/// Remembers for each source the files in the order they were found. What it says is what positions
/// mean, so it must be as durable as the tables that carry positions.
///
/// Threads thread-safe.
class FileLedger {
 public:
  virtual ~FileLedger() = default;
  /// Files of a source by ordinal: 0, 1, 2, ...; none for a source that is not known.
  virtual Result<std::vector<SourceFile>> known(const std::string& source) = 0;
  /// Remember files behind the known ones: all of them or none, durable at return.
  ///
  /// Errors  kAlreadyExists: an ordinal is taken.
  virtual Status add(const std::string& source, const std::vector<SourceFile>& files) = 0;
};

/// A ledger that lives as long as its process: for tests and for reading once.
class MemoryFileLedger : public FileLedger {
 public:
  Result<std::vector<SourceFile>> known(const std::string& source) override {
    return files_[source];
  }
  Status add(const std::string& source, const std::vector<SourceFile>& files) override {
    std::vector<SourceFile>& list = files_[source];
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (files[i].ordinal != static_cast<int64_t>(list.size() + i)) {
        return {Code::kAlreadyExists, "file ordinal out of order: " + files[i].path};
      }
    }
    list.insert(list.end(), files.begin(), files.end());
    return {};
  }

 private:
  std::map<std::string, std::vector<SourceFile>> files_;
};

}  // namespace assay::ingest
