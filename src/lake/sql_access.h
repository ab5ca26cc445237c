#pragma once

#include <optional>

#include "data/sql_engine.h"
#include "store/object_store.h"

namespace assay::lake {

/// Lets an SQL engine read the objects of a store where they lie: for a bucket by DuckDB's httpfs
/// extension, with ranged reads and a cache of what was read inside the engine's memory bound.
///
/// Threads one thread at a time.
class SqlReading {
 public:
  SqlReading(store::ObjectStore& store, data::SqlEngine& sql) : store_(store), sql_(sql) {}
  /// Call before SQL over read_path()s is made. Does nothing for a folder, or when the engine has
  /// the credentials that the store has now.
  ///
  /// Errors  those of sql_access(); kFailedPrecondition: the extension is missing.
  Status allow();

 private:
  store::ObjectStore& store_;
  data::SqlEngine& sql_;
  std::optional<store::SqlAccess> allowed_;
};

}  // namespace assay::lake
