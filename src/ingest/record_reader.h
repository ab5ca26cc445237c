#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/file_system.h"
#include "base/status.h"
#include "catalog/definitions.h"
#include "data/sql_engine.h"
#include "ingest/file_ledger.h"
#include "ingest/record.h"

namespace assay::ingest {

/// Reads the records of one file, or of one appended part, in order.
///
/// Threads one thread at a time.
class RecordReader {
 public:
  virtual ~RecordReader() = default;
  /// Put the next records into a batch: `records`, `lines`, `oversized`, `bytes` and `header`, or
  /// `rows`. At least one, within bounds as FileSource::next(); false at the end of the file.
  virtual Result<bool> read(int64_t records_max, std::size_t bytes_max, RecordBatch* batch) = 0;
  /// True when the last read() gave the last records.
  [[nodiscard]] virtual bool at_end() const = 0;
};

/// CSV or JSON lines, plain, gzip or zstd by name, from record `first_record` of the file or part
/// on.
///
/// Errors  kFailedPrecondition: there are fewer records, or fewer bytes than `file` says. kCorrupt:
/// not
///         text, damaged compression, a header that is no CSV record.
Result<std::unique_ptr<RecordReader>> open_text_records(FileSystem& files,
                                                        const catalog::SourceDef& definition,
                                                        const std::string& project_folder,
                                                        const SourceFile& file,
                                                        int64_t first_record);

/// Rows of a Parquet file in file order. Columns of types that a batch does not know come as text.
///
/// Errors  kFailedPrecondition: there are fewer rows. kCorrupt: damaged or truncated.
Result<std::unique_ptr<RecordReader>> open_parquet_records(data::SqlEngine& engine,
                                                           const std::string& path,
                                                           int64_t first_record);

/// Records of an Avro container file, as JSON.
///
/// Errors  kFailedPrecondition: there are fewer records. kCorrupt: damaged, truncated or no such
///         file. kInvalidArgument: its schema is none. kUnimplemented: a codec.
Result<std::unique_ptr<RecordReader>> open_avro_records(std::unique_ptr<FileReader> file,
                                                        const std::string& path,
                                                        int64_t first_record);

}  // namespace assay::ingest
