#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/world.h"
#include "data/batch.h"
#include "data/sql_engine.h"
#include "lake/path_map.h"
#include "lake/table_columns.h"
#include "store/object_store.h"

namespace assay::lake {

/// Version of a table: 0, 1, 2, ... one per commit.
using Version = int64_t;

/// What a new table is to look like. Partition columns are columns of the schema.
struct TableSpec {
  std::string name;  // "bronze.flights", for messages and the log
  data::SchemaPtr schema;
  std::vector<std::string> partition_columns;
  std::map<std::string, std::string> properties = {};  // of a new table
};

/// Which rows of a data file are deleted, as the log says: where the bitmap lies.
struct DeletionVector {
  std::string storage_type;    // "u": a file named by a UUID, "i": inline, "p": an absolute path
  std::string path_or_inline;  // z85 text of the UUID, or of the bitmap; or the path
  int64_t offset = 0;
  int64_t size_bytes = 0;
  int64_t cardinality = 0;  // rows that it deletes
  bool operator==(const DeletionVector&) const = default;
};

/// Partition values of a file, or of a partition, by column.
using PartitionValues = std::map<std::string, std::optional<std::string>>;

/// A data file of a snapshot, as its `add` action says.
struct DataFile {
  std::string path;  // key below the table's root, percent-decoded once
  /// By the column's physical name, which is its name unless the table maps columns.
  PartitionValues partition_values;
  int64_t size_bytes = 0;
  int64_t modification_ms = 0;
  int64_t rows = -1;       // deleted ones too; -1: the writer left no statistics
  std::string stats_json;  // "" for none
  std::map<std::string, std::string> tags;
  std::optional<DeletionVector> deletion_vector;
};

/// Rows to be written that a query gives: columns by the table's names and of its types.
struct QueryRows {
  std::string sql;
  std::string order;                         // SQL after ORDER BY, within each file; "" for none
  std::map<std::string, std::string> tags;   // of each file
  std::optional<PartitionValues> partition;  // all rows belong to this one: one file
  bool is_costly = false;                    // into one file: better not run twice
};

/// A position that travels inside a commit: `txn` with compare-and-swap.
struct TxnUpdate {
  std::string app_id;
  int64_t version = 0;
  std::optional<int64_t> expected;  // what the snapshot must hold; nothing: app_id not there yet
};

/// Everything that one commit does, atomically.
struct CommitRequest {
  std::string operation = "WRITE";                // commitInfo.operation
  std::map<std::string, std::string> parameters;  // commitInfo.operationParameters
  std::vector<DataFile> adds;
  std::vector<std::string> removes;  // paths of files in the snapshot
  std::vector<TxnUpdate> txns;
  data::SchemaPtr
      schema;  // set to evolve: same columns (int32 may become int64), then nullable ones
  bool data_change = true;
  /// Partitions that hold nothing but `adds` afterwards: kAborted when one got a file that is not
  /// in `removes`.
  std::vector<PartitionValues> replaces = {};
  /// The whole table was read at this version: kAborted when rows came or went since.
  std::optional<Version> read_version = {};
  /// Properties to set, or (without a value) to unset; known ones are checked.
  std::map<std::string, std::optional<std::string>> properties = {};
};

/// The state of a table at one version.
///
/// Threads immutable.
struct Snapshot {
  Version version = -1;
  /// Columns of types that batches know; `columns` has all, and how files name them.
  data::SchemaPtr schema;
  std::shared_ptr<const std::vector<TableColumn>> columns;
  ColumnMapping mapping = ColumnMapping::kNone;
  std::vector<std::string> partition_columns;
  PathMap<DataFile> files;
  std::map<std::string, int64_t> txns;
  std::map<std::string, std::string> configuration;
  [[nodiscard]] std::optional<int64_t> txn(const std::string& app_id) const;
  [[nodiscard]] int64_t rows() const;  // sum of the files' row counts, less deleted ones
};

/// Rows that one version added or removed: those of `file` that its deletion vector leaves, or,
/// when `only` is set, those of them that `only` deletes.
struct FileChange {
  Version version = 0;
  bool is_added = true;
  DataFile file;
  std::optional<DeletionVector> only;
  bool by_retention = false;  // removed because it grew old, which takes nothing back
};

/// One line of `assay lake history`.
struct HistoryEntry {
  Version version = 0;
  int64_t timestamp_ms = 0;
  std::string operation;
  std::map<std::string, std::string> parameters;
  int64_t files_added = 0;
  int64_t files_removed = 0;
  int64_t rows_added = 0;
};

/// A Delta Lake table (protocol reader 1, writer 2) in an object store, written by us alone.
///
/// Errors  kNotFound: no such table or version; kCorrupt: a log entry that cannot be read, named by
///         file; kUnimplemented: a protocol or feature we do not support, named; kAborted: a
///         conflict with another commit (a txn that is not `expected`, a removed file that is
///         gone).
/// Threads one thread at a time per object; several objects and processes may share a table.
/// Source  docs/formats/delta.md
class DeltaTable {
 public:
  /// Open `key` (e.g. "bronze/flights") in the store, or nothing there: kNotFound.
  static Result<std::unique_ptr<DeltaTable>> open(World& world,
                                                  store::ObjectStore& store,
                                                  data::SqlEngine& sql,
                                                  const std::string& key);
  /// Open, or create at version 0. An existing table must have the spec's partition columns and a
  /// schema that the spec's extends by nullable columns (then the table is evolved); else
  /// kFailedPrecondition with what differs.
  static Result<std::unique_ptr<DeltaTable>> open_or_create(World& world,
                                                            store::ObjectStore& store,
                                                            data::SqlEngine& sql,
                                                            const std::string& key,
                                                            const TableSpec& spec);
  virtual ~DeltaTable() = default;

  [[nodiscard]] virtual const std::string& key() const = 0;
  /// The newest state, or the one at `version`. Cheap when nothing was committed since the last
  /// call.
  virtual Result<std::shared_ptr<const Snapshot>> snapshot(std::optional<Version> version = {}) = 0;
  /// Write rows as Parquet files below the root, one per partition value in the rows (sorted as
  /// given within each); durable at return, part of no version until committed.
  virtual Result<std::vector<DataFile>> write_files(
      const data::Batch& rows, const std::map<std::string, std::string>& tags = {}) = 0;
  /// Write the rows of a query: the bulk way, of which only some row groups are in memory at a
  /// time. Files are durable at return, part of no version until committed.
  ///
  /// Errors  those of write_files and of the query.
  virtual Result<std::vector<DataFile>> write_query(const QueryRows& rows) = 0;
  /// Write rows of one partition, without its columns, that are neither in the SQL engine nor in
  /// memory at once. Types are the table's and not nested. Files as above.
  ///
  /// Errors  those of write_files and of the reader.
  virtual Result<std::vector<DataFile>> write_stream(data::BatchReader& rows,
                                                     const std::map<std::string, std::string>& tags,
                                                     const PartitionValues& partition) = 0;
  /// Commit on top of the newest version; a lost race against blind appends is tried again.
  virtual Result<Version> commit(const CommitRequest& request) = 0;

  /// SQL text of a relation over a snapshot's files with the table's columns, in parentheses:
  /// usable after FROM. `where` (SQL, may be "") prunes files by partition and statistics and
  /// filters.
  virtual Result<std::string> relation(const Snapshot& snapshot, const std::string& where = "") = 0;
  /// The same without the partition columns, which `where` may not name either, its rows in the
  /// same order each time it is read. Nothing when a file has deleted rows: then there is no order.
  virtual Result<std::optional<std::string>> relation_in_order(const Snapshot& snapshot,
                                                               const std::string& where) = 0;
  /// The files that relation_in_order reads, in its order; nothing where they are no plain files of
  /// this machine whose columns have the names that the table's have.
  struct LocalFile {
    std::string path;
    int64_t size_bytes = 0;
  };
  virtual Result<std::optional<std::vector<LocalFile>>> files_in_order(
      const Snapshot& snapshot, const std::string& where) = 0;
  /// The same over some of its files only (e.g. those of one commit).
  virtual Result<std::string> relation_of(const Snapshot& snapshot,
                                          const std::vector<DataFile>& files) = 0;
  /// Files that versions (after, last] added with data change, in version order, each with its
  /// version; those of days that a later one of them dropped by retention are left out.
  struct AddedFile {
    Version version = 0;
    DataFile file;
  };
  virtual Result<std::vector<AddedFile>> added_between(Version after, Version last) = 0;
  /// What versions (after, last] added and removed, in version order, removals of a version first;
  /// compactions give nothing. kOutOfRange: the log of that range was cleaned up; then only a whole
  /// version can be read. kNotFound: a version not there yet.
  virtual Result<std::vector<FileChange>> changes_between(Version after, Version last) = 0;
  /// SQL text, in parentheses, of those rows under a snapshot's columns, and after them
  /// `_change_type` ('insert' or 'delete') and `_commit_version` (BIGINT). A row that a commit
  /// rewrote without change is in it twice: removed and added.
  virtual Result<std::string> relation_of_changes(const Snapshot& snapshot,
                                                  const std::vector<FileChange>& changes) = 0;
  /// The newest version committed at `time` or before, by the commits' own times where the table
  /// has them, else by those of the log files, made to ascend. kNotFound: older than the log.
  virtual Result<Version> version_at(EventTime time) = 0;
  virtual Result<std::vector<HistoryEntry>> history() = 0;
  /// Write a checkpoint of the newest version and _last_checkpoint. Done by commit every 10
  /// versions, up to 100 where they take less than a second, or as delta.checkpointInterval says.
  virtual Status checkpoint() = 0;
};

/// Keys of all tables in the store, sorted: folders that hold a _delta_log.
Result<std::vector<std::string>> list_tables(store::ObjectStore& store);

}  // namespace assay::lake
