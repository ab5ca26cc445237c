#include "lake/rewrite.h"

#include <algorithm>
#include <utility>

#include "base/fail_point.h"
#include "lake/pruning.h"

namespace assay::lake {
namespace {

using data::SqlEngine;

constexpr std::size_t kFilesPerQuery = 64;
constexpr int kMergeAttemptsMax = 10;
constexpr std::string_view kKeys = "assay_merge_keys";

/// A file and how many of its rows a condition takes.
struct TouchedFile {
  const DataFile* file;
  int64_t rows = 0;  // those it takes
  int64_t all = 0;
};

/// Count the rows of each file that `condition` takes; files without any are left out. `joined` is
/// what stands behind the file's relation in FROM.
Result<std::vector<TouchedFile>> touched_files(const LakeAccess& lake,
                                               DeltaTable& table,
                                               const Snapshot& snapshot,
                                               const std::vector<const DataFile*>& files,
                                               const std::string& condition,
                                               const std::string& joined) {
  std::vector<TouchedFile> touched;
  for (std::size_t begin = 0; begin < files.size(); begin += kFilesPerQuery) {
    const std::size_t end = std::min(begin + kFilesPerQuery, files.size());
    std::string sql;
    for (std::size_t i = begin; i < end; ++i) {
      ASSAY_ASSIGN_OR_RETURN(const std::string relation, table.relation_of(snapshot, {*files[i]}));
      sql += sql.empty() ? "" : " UNION ALL ";
      sql += "SELECT CAST(" + std::to_string(i) + " AS BIGINT) AS number, count(*) FILTER (WHERE " +
             condition + "\n) AS taken, count(*) AS every FROM " + relation + " AS file" + joined;
    }
    ASSAY_ASSIGN_OR_RETURN(
        const data::Batch counts,
        lake.sql.query("SELECT * FROM (" + sql + ") WHERE taken > 0 ORDER BY number"));
    for (int64_t row = 0; row < counts.rows(); ++row) {
      const auto at = static_cast<std::size_t>(row);
      touched.push_back({files[static_cast<std::size_t>(counts.column(0).values<int64_t>()[at])],
                         counts.column(1).values<int64_t>()[at],
                         counts.column(2).values<int64_t>()[at]});
    }
  }
  return touched;
}

/// Files that belong together: of one partition, with the same tags.
using FileGroup = std::pair<PartitionValues, std::map<std::string, std::string>>;

/// Write what stays of the touched files: the rows of `select` + relation + `rest`.
Result<std::vector<DataFile>> write_remaining(const LakeAccess& lake,
                                              DeltaTable& table,
                                              const Snapshot& snapshot,
                                              const std::vector<TouchedFile>& touched,
                                              const std::string& rest) {
  std::map<FileGroup, std::vector<DataFile>> groups;
  for (const TouchedFile& each : touched) {
    if (each.rows < each.all) {
      groups[{each.file->partition_values, each.file->tags}].push_back(*each.file);
    }
  }
  std::vector<DataFile> written;
  for (const auto& [group, files] : groups) {
    const Result<std::string> relation = table.relation_of(snapshot, files);
    Result<std::vector<DataFile>> rows =
        relation.ok()
            ? table.write_query({.sql = "SELECT file.* FROM " + *relation + " AS file" + rest,
                                 .order = "",
                                 .tags = group.second,
                                 .partition = group.first})
            : Result<std::vector<DataFile>>(relation.status());
    if (!rows.ok()) {
      discard_files(lake, table, written);
      return std::move(rows).status();
    }
    written.insert(written.end(), rows->begin(), rows->end());
  }
  return written;
}

RewriteReport report_of(const CommitRequest& request, const std::vector<TouchedFile>& touched) {
  RewriteReport report;
  report.files_removed = static_cast<int64_t>(request.removes.size());
  report.files_added = static_cast<int64_t>(request.adds.size());
  for (const TouchedFile& each : touched) {
    report.rows_removed += each.rows;
  }
  return report;
}

void remove_touched(CommitRequest& request, const std::vector<TouchedFile>& touched) {
  for (const TouchedFile& each : touched) {
    request.removes.push_back(each.file->path);
  }
}

}  // namespace

void discard_files(const LakeAccess& lake,
                   const DeltaTable& table,
                   const std::vector<DataFile>& files) {
  for (const DataFile& file : files) {
    static_cast<void>(lake.store.remove(table.key() + '/' + file.path));
  }
}

Result<Version> commit_or_discard(const LakeAccess& lake,
                                  DeltaTable& table,
                                  const CommitRequest& request) {
  Result<Version> version = table.commit(request);
  switch (version.code()) {
    case Code::kAborted:
    case Code::kFailedPrecondition:
    case Code::kInvalidArgument:
    case Code::kUnimplemented:
      discard_files(lake, table, request.adds);
      break;
    default:
      break;
  }
  return version;
}

Result<RewriteReport> delete_where(const LakeAccess& lake,
                                   DeltaTable& table,
                                   const std::string& where,
                                   const std::vector<TxnUpdate>& txns) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<TouchedFile> touched,
      touched_files(
          lake, table, *snapshot, prune_files(*snapshot, where), "(" + where + "\n)", ""));
  if (touched.empty() && txns.empty()) {
    return RewriteReport();
  }
  CommitRequest request;
  request.operation = "DELETE";
  request.parameters = {{"predicate", where}};
  request.txns = txns;
  remove_touched(request, touched);
  ASSAY_ASSIGN_OR_RETURN(
      request.adds,
      write_remaining(lake, table, *snapshot, touched, " WHERE (" + where + "\n) IS NOT TRUE"));
  RewriteReport report = report_of(request, touched);
  fail_point("lake.rewrite.before_commit");
  ASSAY_ASSIGN_OR_RETURN(report.version, commit_or_discard(lake, table, request));
  return report;
}

Result<RewriteReport> replace_partitions(const LakeAccess& lake,
                                         DeltaTable& table,
                                         const data::Batch& rows,
                                         const std::vector<TxnUpdate>& txns) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
  if (snapshot->partition_columns.empty()) {
    return Status(Code::kFailedPrecondition, "table " + table.key() + " has no partitions");
  }
  CommitRequest request;
  request.operation = "WRITE";
  request.parameters = {{"mode", "Overwrite"}, {"partitionOverwriteMode", "dynamic"}};
  request.txns = txns;
  ASSAY_ASSIGN_OR_RETURN(request.adds, table.write_files(rows));
  for (const DataFile& file : request.adds) {
    if (std::find(request.replaces.begin(), request.replaces.end(), file.partition_values) ==
        request.replaces.end()) {
      request.replaces.push_back(file.partition_values);
    }
  }
  RewriteReport report;
  for (const auto& [path, file] : snapshot->files) {
    if (std::find(request.replaces.begin(), request.replaces.end(), file.partition_values) !=
        request.replaces.end()) {
      request.removes.push_back(path);
      report.rows_removed += std::max<int64_t>(file.rows, 0);
    }
  }
  report.files_removed = static_cast<int64_t>(request.removes.size());
  report.files_added = static_cast<int64_t>(request.adds.size());
  report.rows_added = rows.rows();
  fail_point("lake.rewrite.before_commit");
  ASSAY_ASSIGN_OR_RETURN(report.version, commit_or_discard(lake, table, request));
  return report;
}

Result<RewriteReport> drop_partitions(const LakeAccess& lake,
                                      DeltaTable& table,
                                      const std::string& where,
                                      const std::vector<TxnUpdate>& txns,
                                      bool dry_run) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
  // One row per partition, typed as the table's columns are.
  std::map<PartitionValues, std::vector<const DataFile*>> partitions;
  for (const auto& [path, file] : snapshot->files) {
    partitions[file.partition_values].push_back(&file);
  }
  std::string values;
  std::vector<const std::vector<const DataFile*>*> files;
  for (const auto& [partition, in_it] : partitions) {
    std::string row = std::to_string(files.size());
    for (const std::string& column : snapshot->partition_columns) {
      const auto found = partition.find(column);
      const bool null = found == partition.end() || !found->second;
      const data::Field& field = snapshot->schema->field(*snapshot->schema->find(column));
      row += ", CAST(" + (null ? std::string("NULL") : SqlEngine::literal(*found->second)) +
             " AS " + std::string(SqlEngine::sql_type(field.type)) + ")";
    }
    values += (values.empty() ? "(" : ", (") + row + ")";
    files.push_back(&in_it);
  }
  if (snapshot->partition_columns.empty()) {
    return Status(Code::kFailedPrecondition, "table " + table.key() + " has no partitions");
  }
  if (values.empty()) {
    return RewriteReport();
  }
  std::string names = "\"assay partition\"";
  for (const std::string& column : snapshot->partition_columns) {
    names += ", " + SqlEngine::identifier(column);
  }
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch dropped,
      lake.sql.query("SELECT CAST(\"assay partition\" AS BIGINT) FROM (VALUES " + values +
                     ") AS p(" + names + ") WHERE (" + where + "\n) ORDER BY 1"));
  CommitRequest request;
  request.operation = "DELETE";
  request.parameters = {{"predicate", where}};
  request.txns = txns;
  RewriteReport report;
  for (const int64_t number : dropped.column(0).values<int64_t>()) {
    for (const DataFile* file : *files[static_cast<std::size_t>(number)]) {
      request.removes.push_back(file->path);
      report.rows_removed += std::max<int64_t>(file->rows, 0);
    }
  }
  if (request.removes.empty() && txns.empty()) {
    return RewriteReport();
  }
  report.files_removed = static_cast<int64_t>(request.removes.size());
  if (dry_run) {
    return report;
  }
  fail_point("lake.rewrite.before_commit");
  ASSAY_ASSIGN_OR_RETURN(report.version, table.commit(request));
  return report;
}

// ---- Merge --------------------------------------------------------------------------------------

namespace {

std::string key_list(const std::vector<std::string>& keys) {
  std::string out;
  for (const std::string& key : keys) {
    out += (out.empty() ? "" : ", ") + SqlEngine::identifier(key);
  }
  return out;
}

/// The keys of a merge as a temporary table, gone with the object.
class MergeKeys {
 public:
  explicit MergeKeys(SqlEngine& sql) : sql_(sql) {}
  MergeKeys(const MergeKeys&) = delete;
  MergeKeys& operator=(const MergeKeys&) = delete;
  ~MergeKeys() { static_cast<void>(sql_.drop_table(std::string(kKeys))); }

  Status fill(const MergeRequest& request) {
    ASSAY_ASSIGN_OR_RETURN(const data::Batch upserts, request.upserts.select(request.keys));
    std::vector<data::Batch> parts = {upserts};
    if (request.deletes.rows() > 0) {
      ASSAY_ASSIGN_OR_RETURN(data::Batch deletes, request.deletes.select(request.keys));
      std::vector<data::ColumnPtr> columns;
      for (int i = 0; i < deletes.column_count(); ++i) {
        if (deletes.column(i).type() != upserts.column(i).type()) {
          return {Code::kInvalidArgument,
                  "key column `" + request.keys[static_cast<std::size_t>(i)] +
                      "` has other types in upserts and deletes"};
        }
        columns.push_back(deletes.column_ptr(i));
      }
      parts.emplace_back(upserts.schema_ptr(), columns, deletes.rows());
    }
    ASSAY_ASSIGN_OR_RETURN(const data::Batch keys, data::concat(upserts.schema_ptr(), parts));
    for (int i = 0; i < keys.column_count(); ++i) {
      if (keys.column(i).null_count() != 0) {
        return {Code::kInvalidArgument,
                "a null in key column `" + request.keys[static_cast<std::size_t>(i)] + "`"};
      }
    }
    ASSAY_RETURN_IF_ERROR(sql_.create_table(std::string(kKeys), keys));
    ASSAY_ASSIGN_OR_RETURN(
        const data::Batch twice,
        sql_.query("SELECT count(*) FROM (SELECT 1 FROM temp." + std::string(kKeys) + " GROUP BY " +
                   key_list(request.keys) + " HAVING count(*) > 1)"));
    if (twice.column(0).values<int64_t>()[0] != 0) {
      return {Code::kInvalidArgument, "a merge with the same key twice"};
    }
    return {};
  }

  /// SQL that no row outside the keys' ranges fulfils; "" where nothing can be said.
  Result<std::string> range(const Snapshot& snapshot, const std::vector<std::string>& keys) {
    std::string where;
    for (const std::string& key : keys) {
      const std::string name = SqlEngine::identifier(key);
      ASSAY_ASSIGN_OR_RETURN(const data::Batch bounds,
                             sql_.query("SELECT CAST(min(" + name + ") AS VARCHAR), CAST(max(" +
                                        name + ") AS VARCHAR) FROM temp." + std::string(kKeys)));
      const data::Type type = snapshot.schema->field(*snapshot.schema->find(key)).type;
      std::string kind;
      if (type == data::Type::kDate) {
        kind = "DATE ";
      } else if (type == data::Type::kTimestamp) {
        kind = "TIMESTAMPTZ ";
      }
      const auto literal = [&](int column) {
        const std::string text(bounds.column(column).text(0));
        const bool plain = type == data::Type::kInt32 || type == data::Type::kInt64;
        return plain ? text : kind + SqlEngine::literal(text);
      };
      if (type != data::Type::kBool && type != data::Type::kBytes) {
        where += (where.empty() ? "" : " AND ") + name + " >= " + literal(0) + " AND " + name +
                 " <= " + literal(1);
      }
    }
    return where;
  }

 private:
  SqlEngine& sql_;
};

Result<RewriteReport> merge_once(const LakeAccess& lake,
                                 DeltaTable& table,
                                 const MergeRequest& request,
                                 MergeKeys& keys) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
  ASSAY_ASSIGN_OR_RETURN(const std::string range, keys.range(*snapshot, request.keys));
  const std::string names = key_list(request.keys);
  const std::string temp = "temp." + std::string(kKeys);
  ASSAY_ASSIGN_OR_RETURN(const std::vector<TouchedFile> touched,
                         touched_files(lake,
                                       table,
                                       *snapshot,
                                       prune_files(*snapshot, range),
                                       "merged.found",
                                       " LEFT JOIN (SELECT " + names + ", true AS found FROM " +
                                           temp + ") AS merged USING (" + names + ")"));
  CommitRequest commit;
  commit.operation = "MERGE";
  commit.parameters = {{"keys", names}};
  commit.txns = request.txns;
  commit.read_version = snapshot->version;
  remove_touched(commit, touched);
  ASSAY_ASSIGN_OR_RETURN(
      commit.adds,
      write_remaining(
          lake, table, *snapshot, touched, " ANTI JOIN " + temp + " USING (" + names + ")"));
  Result<std::vector<DataFile>> upserts = table.write_files(request.upserts);
  if (!upserts.ok()) {
    discard_files(lake, table, commit.adds);
    return std::move(upserts).status();
  }
  commit.adds.insert(commit.adds.end(), upserts->begin(), upserts->end());
  RewriteReport report = report_of(commit, touched);
  report.rows_added = request.upserts.rows();
  if (commit.adds.empty() && commit.removes.empty() && commit.txns.empty()) {
    return report;
  }
  fail_point("lake.rewrite.before_commit");
  ASSAY_ASSIGN_OR_RETURN(report.version, commit_or_discard(lake, table, commit));
  return report;
}

bool holds_expected(const Snapshot& snapshot, const std::vector<TxnUpdate>& txns) {
  return std::all_of(txns.begin(), txns.end(), [&](const TxnUpdate& txn) {
    return snapshot.txn(txn.app_id) == txn.expected;
  });
}

}  // namespace

Result<RewriteReport> merge_by_key(const LakeAccess& lake,
                                   DeltaTable& table,
                                   const MergeRequest& request) {
  ASSAY_ASSIGN_OR_RETURN(const auto before, table.snapshot());
  for (const std::string& key : request.keys) {
    if (!before->schema->find(key)) {
      return Status(Code::kInvalidArgument,
                    "key column `" + key + "` is not in table " + table.key());
    }
  }
  if (request.keys.empty()) {
    return Status(Code::kInvalidArgument, "a merge needs a key column");
  }
  MergeKeys keys(lake.sql);
  ASSAY_RETURN_IF_ERROR(keys.fill(request).with_context("merge into table " + table.key()));
  Result<RewriteReport> report = Status(Code::kInternal, "no attempt was made");
  for (int attempt = 0; attempt < kMergeAttemptsMax; ++attempt) {
    report = merge_once(lake, table, request, keys);
    if (report.code() != Code::kAborted) {
      break;
    }
    ASSAY_ASSIGN_OR_RETURN(const auto now, table.snapshot());
    if (!holds_expected(*now, request.txns)) {
      break;
    }
  }
  return report;
}

}  // namespace assay::lake
