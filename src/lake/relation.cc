#include "lake/relation.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>

#include "lake/deletion_vector.h"

// Partition values come from the log, never from the files or their folders. Up to kGroupsMax
// distinct values, each is a constant beside its own read_parquet; beyond that one read_parquet is
// joined by file number to a list of values (1,000 files: the join costs 10 ms, 1,000 branches of a
// UNION cost seconds).
//
// What to read comes from the table's schema, not from the files: `schema` gives read_parquet each
// column's name in the files (or its field id) and its type. A column or a struct's field that a
// file lacks is null, narrower types are widened, INT96 and timestamps without a zone are taken as
// UTC. Inside the query columns have names of ours (c0, c1, ...), so none can hide file_index and
// file_row_number, DuckDB's numbers of a row's file in the list and of the row in its file.
//
// Deleted rows are an ANTI JOIN with the row numbers of the deletion vectors; rows that a change of
// a deletion vector touched are a SEMI JOIN with theirs.
//
// DuckDB casts the constant of a pushed-down comparison to the type that a file has, also where
// that loses digits (docs/bugs.md, "0.1 is not more than 0.1"): a column that was widened is
// wrapped, so that its comparisons are made after the cast.

namespace assay::lake {
namespace {

using data::SqlEngine;

constexpr std::size_t kGroupsMax = 8;

using PartitionValues = std::map<std::string, std::optional<std::string>>;
const PartitionValues kNoValues;

/// Rows of one file: what its deletion vector leaves, or those of them that `only` deletes.
struct FilePart {
  const DataFile* file = nullptr;
  const DeletionVector* only = nullptr;
  const FileChange* change = nullptr;  // set when the rows are to say what happened to them
};
using Files = std::vector<FilePart>;

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

std::optional<std::string> value_of(const PartitionValues& values, const std::string& column) {
  const auto found = values.find(column);
  return found == values.end() ? std::nullopt : found->second;
}

/// A path in which the SQL engine sees no pattern. In URLs of S3 it does not look for one.
std::string escaped_pattern(const std::string& path) {
  if (path.starts_with("s3://")) {
    return path;
  }
  std::string out;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[') {
      out += '[';
      out += c;
      out += ']';
    } else {
      out += c;
    }
  }
  return out;
}

std::string cast_partition(const TableColumn& column, const std::string& text) {
  return column.type.primitive == "binary"
             ? "encode(" + text + ")"
             : "CAST(" + text + " AS " + sql_type_of(column.type, NameKind::kLogical) + ")";
}

/// The field ids of one file, each with the name it has there.
using FileFields = std::map<int64_t, std::string>;

class RelationBuilder {
 public:
  RelationBuilder(store::ObjectStore& store,
                  SqlEngine& sql,
                  const std::string& key,
                  const Snapshot& snapshot,
                  bool stored_only = false)
      : store_(store), sql_(sql), key_(key), snapshot_(snapshot), stored_only_(stored_only) {}

  Result<std::string> build(const Files& files, bool is_change) {
    if (snapshot_.mapping == ColumnMapping::kById) {
      return build_by_id(files, is_change);
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string branches, branches_of(*snapshot_.columns, files));
    return "(" + (branches.empty() ? empty_relation(is_change) : branches) + ")";
  }

 private:
  /// Files may name a field as they like: one branch for all that do alike.
  Result<std::string> build_by_id(const Files& files, bool is_change) {
    std::map<FileFields, Files> alike;
    ASSAY_ASSIGN_OR_RETURN(const auto fields, fields_of(files));
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (fields[i].empty()) {
        return Status(Code::kCorrupt,
                      "the table maps columns by id, but a data file has no field ids: " +
                          files[i].file->path);
      }
      alike[fields[i]].push_back(files[i]);
    }
    std::string out;
    for (const auto& [names, group] : alike) {
      std::vector<TableColumn> columns = *snapshot_.columns;
      for (TableColumn& column : columns) {
        name_by_id(names, column);
      }
      ASSAY_ASSIGN_OR_RETURN(const std::string branches, branches_of(columns, group));
      out += (out.empty() ? "" : " UNION ALL ") + branches;
    }
    return "(" + (out.empty() ? empty_relation(is_change) : out) + ")";
  }

  static void name_by_id(const FileFields& names, TableColumn& column) {
    if (column.field_id >= 0) {
      const auto found = names.find(column.field_id);
      column.physical_name = found != names.end()
                                 ? found->second
                                 : "assay: no field " + std::to_string(column.field_id);
    }
    for (TableColumn& field : column.type.fields) {
      name_by_id(names, field);
    }
  }

  Result<std::vector<FileFields>> fields_of(const Files& files) {
    std::vector<FileFields> out(files.size());
    if (files.empty()) {
      return out;
    }
    std::map<std::string, std::size_t> index;
    for (std::size_t i = 0; i < files.size(); ++i) {
      index[read_path(*files[i].file)] = i;
    }
    ASSAY_ASSIGN_OR_RETURN(const data::Batch rows,
                           sql_.query("SELECT file_name, name, field_id FROM parquet_schema([" +
                                      list_of(files) + "]) WHERE field_id IS NOT NULL"));
    for (int64_t row = 0; row < rows.rows(); ++row) {
      const auto file = index.find(std::string(rows.column(0).text(row)));
      ASSAY_CHECK(file != index.end());
      out[file->second].emplace(rows.column(2).values<int64_t>()[static_cast<std::size_t>(row)],
                                rows.column(1).text(row));
    }
    return out;
  }

  /// Nothing for no files.
  Result<std::string> branches_of(const std::vector<TableColumn>& columns, const Files& files) {
    std::array<std::map<PartitionValues, Files>, 3> kinds;  // whole, less some rows, some rows
    if (stored_only_) {
      return files.empty() ? std::string() : branch_of(columns, files, &kNoValues);
    }
    bool is_change = false;
    for (const FilePart& part : files) {
      const std::size_t kind = part.only != nullptr ? 2 : part.file->deletion_vector ? 1 : 0;
      Files& group = kinds[kind][part.file->partition_values];
      group.push_back(part);
      is_change |= part.change != nullptr;
    }
    std::string out;
    const auto append = [&](const std::string& branch) {
      out += (out.empty() ? "" : " UNION ALL ") + branch;
    };
    for (const auto& groups : kinds) {
      const bool is_join = groups.size() > kGroupsMax && !snapshot_.partition_columns.empty();
      if (!groups.empty() && (is_join || is_change)) {
        Files all;
        for (const auto& [values, group] : groups) {
          all.insert(all.end(), group.begin(), group.end());
        }
        ASSAY_ASSIGN_OR_RETURN(const std::string branch, branch_of(columns, all, nullptr));
        append(branch);
        continue;
      }
      for (const auto& [values, group] : groups) {
        ASSAY_ASSIGN_OR_RETURN(const std::string branch, branch_of(columns, group, &values));
        append(branch);
      }
    }
    return out;
  }

  /// SELECT over these files, with these partition values, or with each file's own.
  Result<std::string> branch_of(const std::vector<TableColumn>& columns,
                                const Files& files,
                                const PartitionValues* values) {
    std::string select;
    std::string schema;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const TableColumn& column = columns[i];
      if (stored_only_ && partition_index(column.name)) {
        continue;
      }
      std::string source;
      if (const auto partition = partition_index(column.name)) {
        source = cast_partition(column,
                                values == nullptr
                                    ? "p.p" + std::to_string(*partition)
                                    : text_literal(value_of(*values, partition_key(column.name))));
      } else {
        const std::string name = "c" + std::to_string(i);
        schema += (schema.empty() ? "" : ", ") + SqlEngine::literal(column.physical_name) +
                  ": {name: '" + name +
                  "', type: " + SqlEngine::literal(sql_type_of(column.type, NameKind::kPhysical)) +
                  ", default_value: NULL}";
        source = renamed_expression(column.type, "f." + name);
        if (is_widened(column)) {
          source = "CASE WHEN " + source + " IS NULL THEN NULL ELSE " + source + " END";
        }
      }
      select += (select.empty() ? "SELECT " : ", ") + sized(column.name, source) + " AS " +
                SqlEngine::identifier(column.name);
    }
    if (files.front().change != nullptr) {
      select += ", p.change_type AS _change_type, p.commit_version AS _commit_version";
    }
    if (schema.empty()) {  // only the number of rows counts
      schema = "'assay: nothing': {name: 'c', type: 'BOOLEAN', default_value: NULL}";
    }
    std::string from = " FROM read_parquet([" + list_of(files) +
                       "], hive_partitioning=false, schema=MAP {" + schema + "}) AS f";
    if (values == nullptr) {
      from += " JOIN " + partition_rows(files) + " ON f.file_index = p.file_number";
    }
    if (files.front().only != nullptr || files.front().file->deletion_vector) {
      ASSAY_ASSIGN_OR_RETURN(const std::string numbers, row_numbers(files));
      from += (files.front().only != nullptr ? " SEMI JOIN " : " ANTI JOIN ") + numbers +
              " ON f.file_index = d.file_number AND f.file_row_number = d.row_number";
    }
    return select + from;
  }

  /// Files have lists where the table has arrays of a size.
  [[nodiscard]] std::string sized(const std::string& name, const std::string& source) const {
    const std::optional<int> index = snapshot_.schema->find(name);
    return index && has_size(snapshot_.schema->field(*index).type)
               ? "CAST(" + source + " AS " +
                     std::string(SqlEngine::sql_type(snapshot_.schema->field(*index).type)) + ")"
               : source;
  }

  static bool has_size(const data::Type& type) {
    return type == data::Type::kArray ||
           (data::is_nested(type) &&
            std::any_of(type.children().begin(),
                        type.children().end(),
                        [](const data::Field& child) { return has_size(child.type); }));
  }

  /// Was the column, or anything in it, of a type in which comparisons lose digits?
  static bool is_widened(const TableColumn& column) {
    const std::string& type = column.type.primitive;
    const bool is_integer = type == "short" || type == "integer" || type == "long";
    return (column.widened && !is_integer) ||
           std::any_of(column.type.fields.begin(), column.type.fields.end(), is_widened);
  }

  [[nodiscard]] std::optional<std::size_t> partition_index(const std::string& name) const {
    const auto& names = snapshot_.partition_columns;
    const auto found = std::find(names.begin(), names.end(), name);
    return found == names.end() ? std::nullopt
                                : std::optional(static_cast<std::size_t>(found - names.begin()));
  }

  /// The key of a partition value is the physical name, in all modes of mapping.
  [[nodiscard]] std::string partition_key(const std::string& name) const {
    const auto found = std::find_if(snapshot_.columns->begin(),
                                    snapshot_.columns->end(),
                                    [&](const TableColumn& column) { return column.name == name; });
    return found->physical_name;
  }

  /// "(VALUES (0, 'a'), ...) AS p(file_number, p0, ...)".
  [[nodiscard]] std::string partition_rows(const Files& files) const {
    std::vector<std::string> keys;
    std::string names = "file_number";
    for (const std::string& column : snapshot_.partition_columns) {
      names += ", p" + std::to_string(keys.size());
      keys.push_back(partition_key(column));
    }
    std::string rows;
    for (std::size_t i = 0; i < files.size(); ++i) {
      rows += (i == 0 ? "(" : ", (") + std::to_string(i);
      for (const std::string& key : keys) {
        rows += ", " + text_literal(value_of(files[i].file->partition_values, key));
      }
      if (files[i].change != nullptr) {
        rows += std::string(", ") + (files[i].change->is_added ? "'insert'" : "'delete'") +
                ", CAST(" + std::to_string(files[i].change->version) + " AS BIGINT)";
      }
      rows += ")";
    }
    names += files.front().change != nullptr ? ", change_type, commit_version" : "";
    return "(VALUES " + rows + ") AS p(" + names + ")";
  }

  /// The rows that a part is less, or is: in ascending order.
  Result<std::vector<int64_t>> row_numbers_of(const FilePart& part) {
    std::vector<int64_t> deleted;
    if (part.file->deletion_vector) {
      ASSAY_ASSIGN_OR_RETURN(deleted,
                             read_deletion_vector(store_, key_, *part.file->deletion_vector));
    }
    if (part.only == nullptr) {
      return deleted;
    }
    ASSAY_ASSIGN_OR_RETURN(const std::vector<int64_t> only,
                           read_deletion_vector(store_, key_, *part.only));
    std::vector<int64_t> rows;
    std::set_difference(
        only.begin(), only.end(), deleted.begin(), deleted.end(), std::back_inserter(rows));
    return rows;
  }

  /// Row numbers travel as one text a file: SQL reads it far quicker than a list of constants.
  Result<std::string> row_numbers(const Files& files) {
    std::string rows;
    int64_t total = 0;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const Result<std::vector<int64_t>> numbers = row_numbers_of(files[i]);
      if (!numbers.ok()) {
        return numbers.status().with_context("data file " + files[i].file->path);
      }
      total += static_cast<int64_t>(numbers->size());
      if (total > kDeletedRowsMax) {
        return Status(Code::kUnimplemented,
                      "more than " + std::to_string(kDeletedRowsMax) +
                          " deleted rows at once are not supported; rewrite the table's files "
                          "(OPTIMIZE) with the engine that owns it");
      }
      rows += (rows.empty() ? "(" : ", (") + std::to_string(i) + ", '[";
      for (const int64_t row : *numbers) {
        rows += std::to_string(row);
        rows += ',';
      }
      if (rows.back() == ',') {
        rows.pop_back();
      }
      rows += "]')";
    }
    return "(SELECT file_number, unnest(CAST(row_numbers AS BIGINT[])) AS row_number FROM "
           "(VALUES " +
           rows + ") AS v(file_number, row_numbers)) AS d";
  }

  [[nodiscard]] std::string list_of(const Files& files) const {
    std::string list;
    for (const FilePart& part : files) {
      list +=
          (list.empty() ? "" : ", ") + SqlEngine::literal(escaped_pattern(read_path(*part.file)));
    }
    return list;
  }

  [[nodiscard]] std::string empty_relation(bool is_change) const {
    std::string out;
    for (const TableColumn& column : *snapshot_.columns) {
      if (stored_only_ && partition_index(column.name)) {
        continue;
      }
      const std::string null = "CAST(NULL AS " + sql_type_of(column.type, NameKind::kLogical) + ")";
      out += (out.empty() ? "SELECT " : ", ") + sized(column.name, null) + " AS " +
             SqlEngine::identifier(column.name);
    }
    out += is_change ? ", '' AS _change_type, CAST(0 AS BIGINT) AS _commit_version" : "";
    return out + " WHERE false";
  }

  [[nodiscard]] std::string read_path(const DataFile& file) const {
    return store_.read_path(key_ + '/' + file.path);
  }

  store::ObjectStore& store_;
  SqlEngine& sql_;
  const std::string& key_;
  const Snapshot& snapshot_;
  bool stored_only_;  // no partition columns
};

Files parts_of(const std::vector<const DataFile*>& files) {
  Files parts;
  parts.reserve(files.size());
  for (const DataFile* file : files) {
    parts.push_back({file, nullptr, nullptr});
  }
  return parts;
}

}  // namespace

Result<std::string> files_relation(store::ObjectStore& store,
                                   SqlEngine& sql,
                                   const std::string& key,
                                   const Snapshot& snapshot,
                                   const std::vector<const DataFile*>& files) {
  return RelationBuilder(store, sql, key, snapshot).build(parts_of(files), false);
}

Result<std::string> stored_relation(store::ObjectStore& store,
                                    SqlEngine& sql,
                                    const std::string& key,
                                    const Snapshot& snapshot,
                                    const std::vector<const DataFile*>& files) {
  return RelationBuilder(store, sql, key, snapshot, /*stored_only=*/true)
      .build(parts_of(files), false);
}

Result<std::string> changes_relation(store::ObjectStore& store,
                                     SqlEngine& sql,
                                     const std::string& key,
                                     const Snapshot& snapshot,
                                     const std::vector<FileChange>& changes) {
  for (const TableColumn& column : *snapshot.columns) {
    if (column.name == "_change_type" || column.name == "_commit_version") {
      return Status(Code::kFailedPrecondition,
                    "changes of a table with this column cannot be told: `" + column.name + "`");
    }
  }
  Files parts;
  parts.reserve(changes.size());
  for (const FileChange& change : changes) {
    parts.push_back({&change.file, change.only ? &*change.only : nullptr, &change});
  }
  return RelationBuilder(store, sql, key, snapshot).build(parts, true);
}

}  // namespace assay::lake
