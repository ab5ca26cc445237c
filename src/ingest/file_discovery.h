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
/// True for plain text, which may grow by whole lines; each part is then an entry of its own.
bool may_grow(const catalog::SourceDef& definition, std::string_view path);

/// Hash of the first 64 KiB of a file, or of its first `size_bytes` if they are fewer.
Result<uint64_t> fingerprint_of(FileSystem& files, const std::string& path, int64_t size_bytes);

/// What became of a file since it was found.
enum class FileChange {
  kNone,
  kAppended,   // plain text with more whole lines behind those that were there
  kCompleted,  // compressed or Parquet, longer and with the same beginning: it had been cut off
  kReplaced,   // compressed or Parquet with other bytes
};

/// Compares what a folder holds with what a ledger remembers.
///
/// Threads one thread at a time.
class FileDiscovery {
 public:
  FileDiscovery(FileSystem& files, const catalog::SourceDef& definition, std::string project_folder)
      : files_(files), definition_(definition), project_folder_(std::move(project_folder)) {}

  /// New files and appended parts, by path, numbered on from the known ones. Known files that were
  /// completed or replaced are left alone: compare() tells when they are read.
  ///
  /// Errors  as FileSource::discover().
  Result<std::vector<SourceFile>> find_new(const std::vector<SourceFile>& known);
  /// Paths of the files that find_new() found completed or replaced.
  [[nodiscard]] const std::vector<std::string>& unsettled() const { return unsettled_; }
  /// What became of a file; `known` is the newest entry of its path.
  ///
  /// Errors  kNotFound: it vanished. kFailedPrecondition: text that was changed.
  Result<FileChange> compare(const SourceFile& known);
  /// An entry without records that says how a file is now; the file is settled then.
  Result<SourceFile> restate(const SourceFile& known, int64_t ordinal);
  /// The failure for a file whose change cannot be taken in.
  [[nodiscard]] Status changed(const std::string& path) const;

 private:
  Result<FileChange> compare(const SourceFile& known, const FileInfo& now);
  Status check_append(const SourceFile& known, const FileInfo& now);

  FileSystem& files_;
  const catalog::SourceDef& definition_;
  std::string project_folder_;
  // Files found unchanged though their time differs from the ledger's, as after a copy.
  std::map<std::string, EventTime> unchanged_at_;
  std::vector<std::string> unsettled_;
};

}  // namespace assay::ingest
