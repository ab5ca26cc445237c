#include "lake/relation.h"

#include <algorithm>
#include <map>

#include "data/sql_engine.h"

// Partition values come from the log, never from the files or their folders. Up to kGroupsMax
// distinct values, each is a constant beside its own read_parquet; beyond that one read_parquet is
// joined by file name to a list of values (1,000 files: the join costs 10 ms, 1,000 branches of a
// UNION cost seconds).
//
// A file may lack columns that the table got later. `union_by_name` takes care of files that
// differ, an empty relation of all columns of columns that no file has.

namespace assay::lake {
namespace {

using data::Field;
using data::SqlEngine;

constexpr std::size_t kGroupsMax = 8;
constexpr std::string_view kFileName = "assay file name";  // no table has columns of such names
constexpr std::string_view kPartition = "assay partition ";

using PartitionValues = std::map<std::string, std::optional<std::string>>;

/// A text as an SQL expression; SQL takes no NUL inside quotes.
std::string text_literal(const std::optional<std::string>& text) {
  if (!text) {
    return "CAST(NULL AS VARCHAR)";
  }
  std::string out;
  std::size_t begin = 0;
  while (true) {
    const std::size_t nul = text->find('\0', begin);
    out += SqlEngine::literal(std::string_view(*text).substr(begin, nul - begin));
    if (nul == std::string::npos) {
      return begin == 0 ? out : "(" + out + ")";
    }
    out += " || chr(0) || ";
    begin = nul + 1;
  }
}

std::string partition_name(std::size_t index) {
  return SqlEngine::identifier(std::string(kPartition) + std::to_string(index));
}

std::optional<std::string> value_of(const PartitionValues& values, const std::string& column) {
  const auto found = values.find(column);
  return found == values.end() ? std::nullopt : found->second;
}

bool is_partition(const Snapshot& snapshot, const std::string& name) {
  const auto& columns = snapshot.partition_columns;
  return std::find(columns.begin(), columns.end(), name) != columns.end();
}

/// "SELECT CAST(f.a AS BIGINT) AS a, ...": the table's columns, in order.
std::string select_columns(const Snapshot& snapshot) {
  std::string out;
  for (const Field& field : snapshot.schema->fields()) {
    const std::string name = SqlEngine::identifier(field.name);
    std::string source = name;
    const auto& partitions = snapshot.partition_columns;
    const auto found = std::find(partitions.begin(), partitions.end(), field.name);
    if (found != partitions.end()) {
      source = partition_name(static_cast<std::size_t>(found - partitions.begin()));
    }
    out += out.empty() ? "SELECT " : ", ";
    out +=
        "CAST(" + source + " AS " + std::string(SqlEngine::sql_type(field.type)) + ") AS " + name;
  }
  return out;
}

/// No rows of the columns that lie in files.
std::string empty_relation(const Snapshot& snapshot) {
  std::string out;
  for (const Field& field : snapshot.schema->fields()) {
    if (!is_partition(snapshot, field.name)) {
      out += out.empty() ? "SELECT " : ", ";
      out += "CAST(NULL AS " + std::string(SqlEngine::sql_type(field.type)) + ") AS " +
             SqlEngine::identifier(field.name);
    }
  }
  return out + " WHERE false";
}

class RelationBuilder {
 public:
  RelationBuilder(const store::ObjectStore& store, const std::string& key, const Snapshot& snapshot)
      : store_(store), key_(key), snapshot_(snapshot) {}

  Result<std::string> build(const std::vector<const DataFile*>& files) {
    std::map<PartitionValues, std::vector<const DataFile*>> groups;
    for (const DataFile* file : files) {
      std::vector<const DataFile*>& group = groups[file->partition_values];
      group.push_back(file);
    }
    std::string inner = empty_relation(snapshot_);
    if (groups.size() > kGroupsMax && !snapshot_.partition_columns.empty()) {
      return joined(files, inner);
    }
    for (const auto& [values, group] : groups) {
      ASSAY_ASSIGN_OR_RETURN(const std::string scan, read_parquet(group, ""));
      inner += " UNION ALL BY NAME SELECT *";
      for (std::size_t i = 0; i < snapshot_.partition_columns.size(); ++i) {
        inner += ", " + text_literal(value_of(values, snapshot_.partition_columns[i])) + " AS " +
                 partition_name(i);
      }
      inner += " FROM " + scan;
    }
    if (groups.empty()) {
      inner = empty_with_partitions(inner);
    }
    return "(" + select_columns(snapshot_) + " FROM (" + inner + "))";
  }

 private:
  Result<std::string> joined(const std::vector<const DataFile*>& files, const std::string& empty) {
    ASSAY_ASSIGN_OR_RETURN(const std::string scan,
                           read_parquet(files, ", filename=" + SqlEngine::literal(kFileName)));
    std::string columns = SqlEngine::identifier(kFileName);
    for (std::size_t i = 0; i < snapshot_.partition_columns.size(); ++i) {
      columns += ", " + partition_name(i);
    }
    std::string rows;
    for (const DataFile* file : files) {
      rows += (rows.empty() ? "(" : ", (") + SqlEngine::literal(local_path(*file));
      for (const std::string& column : snapshot_.partition_columns) {
        rows += ", " + text_literal(value_of(file->partition_values, column));
      }
      rows += ")";
    }
    return "(" + select_columns(snapshot_) + " FROM (" + empty +
           " UNION ALL BY NAME SELECT * FROM " + scan + ") AS f JOIN (VALUES " + rows + ") AS p(" +
           columns + ") USING (" + SqlEngine::identifier(kFileName) + "))";
  }

  Result<std::string> read_parquet(const std::vector<const DataFile*>& files,
                                   const std::string& options) {
    std::string list;
    for (const DataFile* file : files) {
      const std::string path = local_path(*file);
      if (path.find_first_of("*?[") != std::string::npos) {
        return Status(Code::kUnimplemented,
                      "a data file's path must not hold any of * ? [; move the lake: " + path);
      }
      list += (list.empty() ? "" : ", ") + SqlEngine::literal(path);
    }
    return "read_parquet([" + list + "], hive_partitioning=false, union_by_name=true" + options +
           ")";
  }

  std::string empty_with_partitions(const std::string& empty) {
    std::string out = "SELECT *";
    for (std::size_t i = 0; i < snapshot_.partition_columns.size(); ++i) {
      out += ", " + text_literal(std::nullopt) + " AS " + partition_name(i);
    }
    return out + " FROM (" + empty + ")";
  }

  std::string local_path(const DataFile& file) const {
    return store_.local_path(key_ + '/' + file.path);
  }

  const store::ObjectStore& store_;
  const std::string& key_;
  const Snapshot& snapshot_;
};

}  // namespace

Result<std::string> files_relation(const store::ObjectStore& store,
                                   const std::string& key,
                                   const Snapshot& snapshot,
                                   const std::vector<const DataFile*>& files) {
  return RelationBuilder(store, key, snapshot).build(files);
}

}  // namespace assay::lake
