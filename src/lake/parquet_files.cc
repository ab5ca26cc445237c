#include "lake/parquet_files.h"

#include <algorithm>

#include "lake/query_files.h"
#include "lake/row_writer.h"
#include "lake/uri_path.h"

namespace assay::lake {
namespace {

using data::Batch;
using data::Column;
using data::Type;

constexpr char kStaging[] = "assay_lake_rows";
constexpr std::size_t kFolderBytesMax = 255;
constexpr int64_t kRowGroup = data::ParquetFile::kRowGroupRows;  // also of the SQL engine's tables

Status validate_instants(const Column& column, const std::string& name, int64_t micros_per_unit) {
  const int64_t first = kFirstInstant.micros / micros_per_unit;
  const int64_t end = kEndInstant.micros / micros_per_unit;
  for (int64_t row = 0; row < column.size(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    const int64_t value =
        column.type() == Type::kDate ? column.values<int32_t>()[at] : column.values<int64_t>()[at];
    if (column.is_valid(row) && (value < first || value >= end)) {
      return {Code::kInvalidArgument,
              "a value outside years 0001 to 9999 in column `" + name + "`, row " +
                  std::to_string(row)};
    }
  }
  return {};
}

/// Texts that are to name a folder are short enough for it.
Status validate_folders(const Column& column, const std::string& name) {
  for (int64_t row = 0; row < column.size(); ++row) {
    const bool is_short = 3 * (column.text(row).size() + name.size()) < kFolderBytesMax;
    if (column.is_valid(row) && !is_short) {
      const PartitionValues values{{name, std::string(column.text(row))}};
      ASSAY_RETURN_IF_ERROR(partition_folder({name}, values).status());
    }
  }
  return {};
}

Status validate_rows(const Batch& rows, const std::vector<std::string>& partition_columns) {
  for (int i = 0; i < rows.column_count(); ++i) {
    const data::Field& field = rows.schema().field(i);
    const Column& column = rows.column(i);
    if (!field.nullable && column.null_count() != 0) {
      return {Code::kInvalidArgument,
              "a null in column `" + field.name + "`, which is declared not null"};
    }
    if (field.type == Type::kDate) {
      ASSAY_RETURN_IF_ERROR(validate_instants(column, field.name, kMicrosPerDay));
    } else if (field.type == Type::kTimestamp) {
      ASSAY_RETURN_IF_ERROR(validate_instants(column, field.name, 1));
    } else if (field.type == Type::kString &&
               std::find(partition_columns.begin(), partition_columns.end(), field.name) !=
                   partition_columns.end()) {
      ASSAY_RETURN_IF_ERROR(validate_folders(column, field.name));
    }
  }
  return {};
}

/// By the SQL engine, from a table of its own.
Result<std::vector<DataFile>> copy_rows(const ParquetTarget& target,
                                        const Batch& rows,
                                        const std::map<std::string, std::string>& tags) {
  ASSAY_RETURN_IF_ERROR(target.sql.create_table(kStaging, rows));
  const QueryRows query{std::string("SELECT * FROM temp.") + kStaging, "", tags, {}};
  // So few rows are read by one thread anyway.
  const RowOrder order = rows.rows() <= kRowGroup ? RowOrder::kAnyhow : RowOrder::kAsTheyCome;
  Result<std::vector<DataFile>> files = copy_query_files(target, rows.schema(), query, order);
  const Status dropped = target.sql.drop_table(kStaging);
  ASSAY_RETURN_IF_ERROR(files.status());
  ASSAY_RETURN_IF_ERROR(dropped);
  return files;
}

Result<std::vector<DataFile>> encode_rows(const ParquetTarget& target,
                                          const Batch& rows,
                                          const std::map<std::string, std::string>& tags) {
  RowWriter writer(target, tags, {});
  for (int64_t row = 0; row < rows.rows(); row += kRowGroup) {
    ASSAY_RETURN_IF_ERROR(writer.add(rows.slice(row, std::min(row + kRowGroup, rows.rows()))));
  }
  return writer.finish();
}

}  // namespace

Result<std::string> partition_folder(const std::vector<std::string>& columns,
                                     const PartitionValues& values) {
  std::string folder;
  for (const std::string& name : columns) {
    const std::optional<std::string>& value = values.at(name);
    const std::string part = encode_path_part(name) + '=' +
                             (value ? encode_path_part(*value) : "__HIVE_DEFAULT_PARTITION__");
    if (part.size() > kFolderBytesMax) {
      return Status(
          Code::kInvalidArgument,
          "partition value is too long for a folder's name: " + part.substr(0, 80) + "...");
    }
    folder += part + '/';
  }
  return folder;
}

Result<std::vector<DataFile>> write_parquet_files(const ParquetTarget& target,
                                                  const Batch& rows,
                                                  const std::map<std::string, std::string>& tags) {
  if (rows.rows() == 0) {
    return std::vector<DataFile>();
  }
  ASSAY_RETURN_IF_ERROR(validate_rows(rows, target.partition_columns));
  Result<std::vector<DataFile>> files = row_writer_takes(rows.schema(), target.partition_columns)
                                            ? encode_rows(target, rows, tags)
                                            : copy_rows(target, rows, tags);
  ASSAY_RETURN_IF_ERROR(files.status());
  std::stable_sort(files->begin(), files->end(), [](const DataFile& a, const DataFile& b) {
    return a.partition_values < b.partition_values;
  });
  return files;
}

}  // namespace assay::lake
