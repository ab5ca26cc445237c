#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "data/batch.h"
#include "lake/delta_table.h"
#include "lake/lake_access.h"

namespace assay::lake {

/// May files of this snapshot be read without the SQL engine, if we wrote them?
bool may_read_small_files(const Snapshot& snapshot);

/// Are these the bytes of a small file that we wrote, with the table's columns as they are now?
bool is_our_file(const Snapshot& snapshot, std::string_view bytes);

/// Rows of files of one partition, file after file, without the partition columns. Small files that
/// we wrote are read by ourselves, a batch each: a tenth of what the SQL engine takes to open one.
/// It reads the others: a file that is large or unpacks to much, and everything from the first file
/// on that another writer made, that lacks columns, is damaged or gone. Files have no deleted rows;
/// rows keep their order. `table` and `snapshot` outlive the reader.
///
/// Errors  kCorrupt: files have another number of rows than the log says. kUnavailable: of the
///         store. Those of DeltaTable::relation_of and of SQL over it.
/// Threads one thread at a time. The SQL engine runs nothing else until the reader is gone.
/// Cost    memory: a sixteenth of the SQL engine's for one file, and, from a bucket, 32 MiB of
///         files that were fetched ahead.
std::unique_ptr<data::BatchReader> read_small_files(const LakeAccess& lake,
                                                    DeltaTable& table,
                                                    const Snapshot& snapshot,
                                                    std::vector<DataFile> files);

/// How files are read, and by whom else.
struct SmallFileReading {
  store::ObjectStore& store;
  std::string key;  // the table's
  const Snapshot& snapshot;
  data::SchemaPtr columns;       // some of the table's, in its order; perhaps partition columns
  std::size_t memory_bytes_max;  // of which a sixteenth is for one file
  bool heeds_row_counts;         // is a file with other rows than the log says an error?
  Counter& by_ourselves;
  Counter& by_engine;
  /// The rows of files under `columns` as the SQL engine reads them, in their order.
  std::function<Result<std::unique_ptr<data::BatchReader>>(const std::vector<DataFile>&)> by_sql;
};

/// The same with what `reading` says. Partition values are those of the log.
std::unique_ptr<data::BatchReader> read_small_files(SmallFileReading reading,
                                                    std::vector<DataFile> files);

}  // namespace assay::lake
