#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/world.h"
#include "data/batch.h"
#include "data/sql_engine.h"
#include "lake/delta_table.h"
#include "store/object_store.h"

namespace assay::lake {

/// Where and how the data files of one table are written.
struct ParquetTarget {
  World& world;
  store::ObjectStore& store;
  data::SqlEngine& sql;
  const std::string& key;  // the table's
  const std::vector<std::string>& partition_columns;
};

/// Write rows as Parquet files, one per distinct partition value (where a column is nested: several
/// when there are more than a hundred of them), in order of the values; rows keep their order
/// within each. Durable at return. No rows give no files.
///
/// Nulls   an empty text in a partition column becomes null: readers disagree on anything else.
/// Errors  kInvalidArgument: a null in a column that is not nullable; a date or timestamp outside
///         years 0001 to 9999; a partition value too long for a folder's name.
/// Cost    at most one copy of the rows; where a column is nested, one SQL statement.
Result<std::vector<DataFile>> write_parquet_files(const ParquetTarget& target,
                                                  const data::Batch& rows,
                                                  const std::map<std::string, std::string>& tags);

/// "dt=2026-01-01/hr=7/": where files of a partition lie below the table's root; "" without
/// partitions.
///
/// Errors  kInvalidArgument: a value too long for a folder's name.
Result<std::string> partition_folder(const std::vector<std::string>& columns,
                                     const PartitionValues& values);

}  // namespace assay::lake
