#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/world.h"
#include "catalog/definitions.h"
#include "ingest/file_ledger.h"
#include "ingest/record.h"

namespace assay::ingest {

/// The records of a file, a folder or a glob, in an order that never changes.
///
/// Order   files by ordinal: known files first, new ones by path; within a file as they are
/// written. Damage  the records before it are delivered, then next() fails, and fails again when
/// called again. Bounds  holds one batch, one block and one record of `record_bytes_max`, for
/// Parquet about a row
///         group; whatever the size of the files.
/// Threads one thread at a time.
/// Source  docs/formats/positions.md
class FileSource {
 public:
  /// Touches nothing but the ledger. The world and the ledger must outlive the source.
  static Result<std::unique_ptr<FileSource>> open(World& world,
                                                  const catalog::SourceDef& definition,
                                                  const std::string& project_folder,
                                                  FileLedger& ledger);
  virtual ~FileSource() = default;

  /// Look for new files and for what was appended to known ones, and put them into the ledger;
  /// gives how many were found. Text that is appended must begin at a line end.
  ///
  /// Errors  kNotFound: no such file or folder. kPermissionDenied: it cannot be read.
  ///         kFailedPrecondition: a known file has changed.
  virtual Result<int64_t> discover() = 0;

  /// Go on at `position`: 0, or `end` of a batch of this source.
  ///
  /// Errors  kFailedPrecondition: the ledger knows no such file.
  virtual Status seek(Position position) = 0;
  /// Where next() reads on.
  [[nodiscard]] virtual Position position() const = 0;

  /// The next records of one file: at least one, at most `records_max`, and no more than
  /// `bytes_max` save for one record that is larger; nothing at the end of what discover() found.
  ///
  /// Errors  kNotFound: a file has vanished before it was read. kFailedPrecondition: it has
  /// changed.
  ///         kCorrupt: it is damaged or not what its name says. kOutOfRange: more than 2^32
  ///         records.
  virtual Result<std::optional<RecordBatch>> next(int64_t records_max, std::size_t bytes_max) = 0;
};

}  // namespace assay::ingest
