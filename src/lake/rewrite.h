#pragma once

#include <string>
#include <vector>

#include "lake/delta_table.h"
#include "lake/lake_access.h"

namespace assay::lake {

// Changes of rows that are there, by writing the files that hold them anew. Every one is a single
// commit: readers see all of it or nothing.

/// What a rewrite did.
struct RewriteReport {
  Version version = -1;  // that it made; -1: there was nothing to do
  int64_t files_removed = 0;
  int64_t files_added = 0;
  int64_t rows_removed = 0;  // gone or replaced
  int64_t rows_added = 0;    // new, or in the place of others
};

/// Delete the rows for which `where` (SQL) is true. Files without such a row stay as they are, as
/// do rows that others append in the meantime.
///
/// Errors  kAborted: others rewrote one of the files. Those of the query and of commit.
Result<RewriteReport> delete_where(const LakeAccess& lake,
                                   DeltaTable& table,
                                   const std::string& where,
                                   const std::vector<TxnUpdate>& txns = {});

/// Let the partitions of these rows hold nothing but these rows.
///
/// Errors  kFailedPrecondition: a table without partitions. kAborted: one of the partitions got a
///         file in the meantime. Those of write_files and of commit.
Result<RewriteReport> replace_partitions(const LakeAccess& lake,
                                         DeltaTable& table,
                                         const data::Batch& rows,
                                         const std::vector<TxnUpdate>& txns = {});

/// Drop whole partitions: files whose partition values fulfil `where` (SQL over the partition
/// columns). No data file is read. A dry run says what would go and commits nothing.
///
/// Errors  kInvalidArgument: `where` names another column. kAborted: others rewrote such a file.
Result<RewriteReport> drop_partitions(const LakeAccess& lake,
                                      DeltaTable& table,
                                      const std::string& where,
                                      const std::vector<TxnUpdate>& txns = {},
                                      bool dry_run = false);

struct MergeRequest {
  std::vector<std::string> keys;  // columns of the table that name a row
  data::Batch upserts;            // rows under the table's schema, each key once
  data::Batch deletes;            // the key columns of rows that go; may be empty
  std::vector<TxnUpdate> txns;
};

/// Put each row of `upserts` in the place of the row with its key, or beside the others; delete the
/// rows whose keys are in `deletes`. A merge that loses against another commit reads again, up to
/// ten times.
///
/// Nulls   a null key is kInvalidArgument.
/// Errors  kInvalidArgument: a key twice, a key column that is not there. kAborted: lost ten times,
///         or a position is not the expected one.
Result<RewriteReport> merge_by_key(const LakeAccess& lake,
                                   DeltaTable& table,
                                   const MergeRequest& request);

/// Remove files that were written and got into no version.
void discard_files(const LakeAccess& lake,
                   const DeltaTable& table,
                   const std::vector<DataFile>& files);

/// Commit; when nothing of it can have landed, discard the files it was to add.
Result<Version> commit_or_discard(const LakeAccess& lake,
                                  DeltaTable& table,
                                  const CommitRequest& request);

}  // namespace assay::lake
