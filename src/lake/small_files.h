#pragma once

#include <memory>
#include <vector>

#include "data/batch.h"
#include "lake/delta_table.h"
#include "lake/lake_access.h"

namespace assay::lake {

/// May files of this snapshot be read without the SQL engine, if we wrote them?
bool may_read_small_files(const Snapshot& snapshot);

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

}  // namespace assay::lake
