#include "data/parquet.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include "data/sql_over_rows.h"

namespace assay::data {
namespace {

constexpr char kTable[] = "assay_written_file";
constexpr char kCsvOptions[] = "FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'";

/// A path as a SQL literal that DuckDB does not read as a pattern.
std::string path_literal(std::string_view path) {
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
  return SqlEngine::literal(out);
}

std::string suffix_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  const std::size_t dot = path.rfind('.');
  if (dot == std::string_view::npos || (slash != std::string_view::npos && dot < slash)) {
    return "";
  }
  return std::string(path.substr(dot + 1));
}

/// `columns` is what to select of the batch.
Status write_by_copy(SqlEngine& engine,
                     const Batch& batch,
                     const std::string& columns,
                     const std::string& path,
                     std::string_view options) {
  ASSAY_RETURN_IF_ERROR(engine.create_table(kTable, batch));
  Status written =
      engine.execute("COPY (SELECT " + columns + " FROM " + std::string(kTable) + ") TO " +
                     SqlEngine::literal(path) + " (" + std::string(options) + ")");
  Status dropped = engine.drop_table(kTable);
  return (written.ok() ? dropped : written).with_context("write " + path);
}

constexpr char kNoDictionaries[] = ", DICTIONARY_SIZE_LIMIT 0";

/// The type with lists for arrays of a size.
Type as_lists(const Type& type) {
  switch (type.id()) {
    case Type::kArray:
    case Type::kList:
      return Type::list(as_lists(type.element()));
    case Type::kMap:
      return Type::map(as_lists(type.map_key()), as_lists(type.map_value()));
    case Type::kStruct: {
      std::vector<Field> fields = type.children();
      for (Field& field : fields) {
        field.type = as_lists(field.type);
      }
      return Type::structure(std::move(fields));
    }
    default:
      return type;
  }
}

bool is_float(const Field& field) {
  return field.type == Type::kFloat32 || field.type == Type::kFloat64;
}

/// Nulls are zeros of plus sign.
template <typename T>
bool has_negative_zero(std::span<const T> values) {
  return std::any_of(
      values.begin(), values.end(), [](T value) { return value == 0 && std::signbit(value); });
}

}  // namespace

std::string stored_column(const Field& field) {
  const std::string name = SqlEngine::identifier(field.name);
  const Type stored = as_lists(field.type);
  return stored == field.type
             ? name
             : "CAST(" + name + " AS " + std::string(SqlEngine::sql_type(stored)) + ") AS " + name;
}

std::string stored_columns(const Schema& schema) {
  std::string columns;
  bool any = false;
  for (const Field& field : schema.fields()) {
    columns += (columns.empty() ? "" : ", ") + stored_column(field);
    any = any || as_lists(field.type) != field.type;
  }
  return any ? columns : "*";
}

std::string zero_sign_option(const Schema& schema) {
  const std::vector<Field>& fields = schema.fields();
  return std::any_of(fields.begin(), fields.end(), is_float) ? kNoDictionaries : "";
}

std::string zero_sign_option(const Batch& batch) {
  for (int c = 0; c < batch.column_count(); ++c) {
    const Column& column = batch.column(c);
    if ((column.type() == Type::kFloat64 && has_negative_zero(column.values<double>())) ||
        (column.type() == Type::kFloat32 && has_negative_zero(column.values<float>()))) {
      return kNoDictionaries;
    }
  }
  return "";
}

Result<std::string> zero_sign_option(SqlEngine& engine,
                                     const Schema& schema,
                                     const std::string& query) {
  std::string any;
  for (const Field& field : schema.fields()) {
    if (is_float(field)) {
      const std::string name = SqlEngine::identifier(field.name);
      any += (any.empty() ? "" : " OR ") + ("(" + name + " = 0 AND signbit(" + name + "))");
    }
  }
  if (any.empty()) {
    return std::string();
  }
  ASSAY_ASSIGN_OR_RETURN(
      const Batch found,
      engine.query("SELECT coalesce(bool_or(" + any + "), false) AS found FROM (" + query + "\n)"));
  return std::string(found.column(0).values<uint8_t>()[0] != 0 ? kNoDictionaries : "");
}

Result<SchemaPtr> parquet_schema(SqlEngine& engine, const std::string& path) {
  Result<Batch> none =
      engine.query("SELECT * FROM read_parquet(" + path_literal(path) + ") LIMIT 0");
  if (!none.ok()) {
    return none.status().with_context("read schema of " + path);
  }
  return none->schema_ptr();
}

Result<std::unique_ptr<BatchReader>> stream_parquet(SqlEngine& engine,
                                                    const std::string& path,
                                                    int64_t first_row,
                                                    int64_t rows_max) {
  const std::string skip = first_row > 0 ? " OFFSET " + std::to_string(first_row) : "";
  Result<std::unique_ptr<BatchReader>> rows = engine.stream(
      "SELECT * FROM read_parquet(" + path_literal(path) + ", hive_partitioning = false)" + skip,
      rows_max,
      SqlUnknownTypes::kAsText);
  if (!rows.ok()) {
    return rows.status().with_context("read " + path);
  }
  return rows;
}

Result<std::string> file_relation(const std::string& path) {
  const std::string suffix = suffix_of(path);
  if (suffix == "parquet") {
    return "read_parquet(" + path_literal(path) + ", hive_partitioning = false)";
  }
  if (suffix == "csv") {
    // The engine would take quotes that do not end for letters.
    return "read_csv(" + path_literal(path) +
           ", header = true, quote = '\"', escape = '\"', hive_partitioning = false)";
  }
  if (suffix == "json" || suffix == "jsonl" || suffix == "ndjson") {
    return "read_json(" + path_literal(path) + ", hive_partitioning = false)";
  }
  return Status(Code::kInvalidArgument,
                "cannot tell the format; name the file .parquet, .csv, .json or .jsonl: " + path);
}

Result<Batch> read_file(SqlEngine& engine, const std::string& path) {
  ASSAY_ASSIGN_OR_RETURN(const std::string from, file_relation(path));
  Result<Batch> rows = engine.query(
      "SELECT * FROM " + from,
      suffix_of(path) == "parquet" ? SqlUnknownTypes::kRefuse : SqlUnknownTypes::kAsText);
  if (!rows.ok()) {
    return rows.status().with_context("read " + path);
  }
  return rows;
}

Status write_stream(SqlEngine& engine, BatchReader& rows, const std::string& path) {
  const std::string suffix = suffix_of(path);
  std::string options;
  std::string columns = "*";
  if (suffix == "parquet") {
    options = "FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE " +
              std::to_string(kRowGroupRows) + zero_sign_option(*rows.schema());
    columns = stored_columns(*rows.schema());
  } else if (suffix == "csv") {
    options = kCsvOptions;
  } else {
    return {Code::kInvalidArgument,
            "cannot tell the format; name the file .parquet or .csv: " + path};
  }
  return execute_over(engine,
                      kTable,
                      rows,
                      "COPY (SELECT " + columns + " FROM " + std::string(kTable) + ") TO " +
                          SqlEngine::literal(path) + " (" + options + ")")
      .with_context("write " + path);
}

Status write_parquet(SqlEngine& engine, const Batch& batch, const std::string& path) {
  return write_by_copy(engine,
                       batch,
                       stored_columns(batch.schema()),
                       path,
                       "FORMAT parquet, COMPRESSION zstd" + zero_sign_option(batch));
}

Status write_csv(SqlEngine& engine, const Batch& batch, const std::string& path) {
  return write_by_copy(engine, batch, "*", path, kCsvOptions);
}

}  // namespace assay::data
