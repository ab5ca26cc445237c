#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "catalog/definitions.h"
#include "ingest/file_ledger.h"

namespace assay::ingest {

enum class Compression { kNone, kGzip, kZstd };
/// Told by the name: `.gz`, `.zst`.
Compression compression_of(std::string_view path);

/// Hash of the first 64 KiB of a file, or of its first `size_bytes` if they are fewer.
Result<uint64_t> fingerprint_of(FileSystem& files, const std::string& path, int64_t size_bytes);

/// Compares what a folder holds with what a ledger remembers.
///
/// Threads one thread at a time.
class FileDiscovery {
 public:
  FileDiscovery(FileSystem& files, const catalog::SourceDef& definition, std::string project_folder)
      : files_(files), definition_(definition), project_folder_(std::move(project_folder)) {}

  /// New files and appended parts, by path, numbered on from the known ones.
  ///
  /// Errors  as FileSource::discover().
  Result<std::vector<SourceFile>> find_new(const std::vector<SourceFile>& known);
  /// Fails unless the file is there and begins as it did when it was found.
  Status verify(const SourceFile& file);

 private:
  Status check_known(const SourceFile& known, const FileInfo& now);
  Status check_append(const SourceFile& known, const FileInfo& now);

  FileSystem& files_;
  const catalog::SourceDef& definition_;
  std::string project_folder_;
  // Files found unchanged though their time differs from the ledger's, as after a copy.
  std::map<std::string, EventTime> unchanged_at_;
};

}  // namespace assay::ingest
