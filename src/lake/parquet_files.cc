#include "lake/parquet_files.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "base/fail_point.h"
#include "data/parquet.h"
#include "lake/statistics.h"
#include "lake/uri_path.h"

namespace assay::lake {
namespace {

using data::Batch;
using data::Column;
using data::SqlEngine;
using data::Type;

constexpr std::string_view kStaging = "assay_lake_rows";
constexpr std::string_view kPartitionNumber =
    "assay partition number";  // no schema has such a name
constexpr std::size_t kFolderBytesMax = 255;

/// A partition number per row, in order of first appearance.
struct Grouping {
  std::vector<int32_t> group_of_row;
  int32_t groups = 1;
};

/// Tell apart, within each group so far, the rows that `code_of` tells apart.
template <typename Code, typename CodeOf>
void refine(Grouping& grouping, const Column& column, const CodeOf& code_of) {
  struct Slot {
    std::unordered_map<Code, int32_t> values;
    int32_t null = -1;
  };
  std::vector<Slot> slots(static_cast<std::size_t>(grouping.groups));
  int32_t next = 0;
  for (int64_t row = 0; row < column.size(); ++row) {
    int32_t& group = grouping.group_of_row[static_cast<std::size_t>(row)];
    Slot& slot = slots[static_cast<std::size_t>(group)];
    const auto code = code_of(row);
    int32_t& number = code ? slot.values.try_emplace(*code, -1).first->second : slot.null;
    if (number < 0) {
      number = next++;
    }
    group = number;
  }
  grouping.groups = next;
}

void refine_by(Grouping& grouping, const Column& column) {
  if (column.type() == Type::kString) {
    refine<std::string_view>(grouping, column, [&](int64_t row) {
      const std::string_view text = column.text(row);
      return text.empty() ? std::nullopt : std::optional(text);  // "" is null
    });
    return;
  }
  refine<int64_t>(grouping, column, [&](int64_t row) -> std::optional<int64_t> {
    if (column.is_null(row)) {
      return std::nullopt;
    }
    return column.integer(row);
  });
}

/// A partition value as the log writes it.
std::optional<std::string> partition_text(const Column& column, int64_t row) {
  if (column.is_null(row)) {
    return std::nullopt;
  }
  std::string text = data::format_scalar(column.scalar(row));
  if (column.type() == Type::kTimestamp) {
    text[10] = ' ';  // "2026-01-01 10:00:00.123456", which every reader takes
    text.pop_back();
  }
  return text.empty() ? std::nullopt : std::optional(text);
}

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

Status validate_rows(const Batch& rows) {
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
    }
  }
  return {};
}

/// Writes the files of one batch, whose rows lie partition by partition in a temporary table.
class FileWriter {
 public:
  FileWriter(const ParquetTarget& target, const Batch& rows, bool numbered)
      : target_(target),
        rows_(rows),
        numbered_(numbered),
        zero_sign_(data::zero_sign_option(rows)) {
    for (const data::Field& field : rows.schema().fields()) {
      const auto& partitions = target.partition_columns;
      if (std::find(partitions.begin(), partitions.end(), field.name) == partitions.end()) {
        const std::string name = SqlEngine::identifier(field.name);
        columns_ += columns_.empty() ? "" : ", ";
        columns_ += name;
      }
    }
  }

  /// Rows [begin, end) are partition `number`.
  Result<DataFile> write(int32_t number, int64_t begin, int64_t end) {
    DataFile file;
    for (const std::string& name : target_.partition_columns) {
      const std::optional<std::string> value = partition_text(*rows_.find(name), begin);
      if (!value && !rows_.schema().field(*rows_.schema().find(name)).nullable) {
        return Status(
            Code::kInvalidArgument,
            "an empty text in partition column `" + name + "`, which is declared not null");
      }
      file.partition_values[name] = value;
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string folder,
                           partition_folder(target_.partition_columns, file.partition_values));
    file.path = folder + "part-" + target_.world.random.uuid() + ".parquet";
    const std::string object = target_.key + '/' + file.path;
    const std::string path = target_.store.write_path(object);
    FileSystem& files = target_.world.files;
    ASSAY_RETURN_IF_ERROR(files.make_directories(parent_path(path)));
    written_.push_back(object);
    ASSAY_RETURN_IF_ERROR(copy(number, path));
    ASSAY_ASSIGN_OR_RETURN(const FileInfo info, files.stat(path));
    fail_point("lake.write.before_sync");
    ASSAY_RETURN_IF_ERROR(target_.store.adopt(object));
    file.size_bytes = info.size_bytes;
    file.modification_ms = info.modified.micros / 1'000;
    file.rows = end - begin;
    file.stats_json = statistics_json(rows_, begin, end, target_.partition_columns);
    return file;
  }

  /// After a failure: no table will ever name what was written.
  void remove_written() {
    for (const std::string& object : written_) {
      static_cast<void>(target_.store.remove(object));
    }
  }

 private:
  Status copy(int32_t number, const std::string& path) {
    std::string sql = "COPY (SELECT " + columns_ + " FROM temp." + std::string(kStaging);
    if (numbered_) {
      sql += " WHERE " + SqlEngine::identifier(kPartitionNumber) + " = " + std::to_string(number);
    }
    return target_.sql.execute(sql + ") TO " + SqlEngine::literal(path) +
                               " (FORMAT parquet, COMPRESSION zstd" + zero_sign_ + ")");
  }

  const ParquetTarget& target_;
  const Batch& rows_;
  bool numbered_;
  std::string zero_sign_;
  std::string columns_;
  std::vector<std::string> written_;
};

/// Rows partition by partition, and where each partition begins.
struct Partitioned {
  Batch rows;
  std::vector<int64_t> begins;  // one more than partitions
  data::ColumnPtr numbers;      // partition of each row; nullptr for a single partition
};

Partitioned partition(const Batch& rows, const std::vector<std::string>& columns) {
  Grouping grouping;
  grouping.group_of_row.assign(static_cast<std::size_t>(rows.rows()), 0);
  for (const std::string& name : columns) {
    refine_by(grouping, *rows.find(name));
  }
  if (grouping.groups == 1) {
    return {rows, {0, rows.rows()}, nullptr};
  }
  Partitioned result;
  result.begins.assign(static_cast<std::size_t>(grouping.groups) + 1, 0);
  for (const int32_t group : grouping.group_of_row) {
    ++result.begins[static_cast<std::size_t>(group) + 1];
  }
  std::partial_sum(result.begins.begin(), result.begins.end(), result.begins.begin());
  std::vector<int64_t> next(result.begins.begin(), result.begins.end() - 1);
  std::vector<int64_t> order(grouping.group_of_row.size());
  std::vector<int32_t> numbers(order.size());
  for (std::size_t row = 0; row < order.size(); ++row) {
    const int32_t group = grouping.group_of_row[row];
    const auto at = static_cast<std::size_t>(next[static_cast<std::size_t>(group)]++);
    order[at] = static_cast<int64_t>(row);
    numbers[at] = group;
  }
  result.rows = rows.take(order);
  data::ColumnBuilder builder(Type::kInt32);
  builder.append_block(numbers.data(), static_cast<int64_t>(numbers.size()));
  result.numbers = builder.finish();
  return result;
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
  std::vector<DataFile> files;
  if (rows.rows() == 0) {
    return files;
  }
  ASSAY_RETURN_IF_ERROR(validate_rows(rows));
  const Partitioned partitioned = partition(rows, target.partition_columns);
  const bool numbered = partitioned.numbers != nullptr;
  ASSAY_RETURN_IF_ERROR(target.sql.create_table(
      std::string(kStaging),
      numbered ? partitioned.rows.with_column({std::string(kPartitionNumber), Type::kInt32, false},
                                              partitioned.numbers)
               : partitioned.rows));
  FileWriter writer(target, partitioned.rows, numbered);
  Status status;
  for (std::size_t i = 0; status.ok() && i + 1 < partitioned.begins.size(); ++i) {
    Result<DataFile> file =
        writer.write(static_cast<int32_t>(i), partitioned.begins[i], partitioned.begins[i + 1]);
    if (file.ok()) {
      file->tags = tags;
      files.push_back(*std::move(file));
    } else {
      status = std::move(file).status();
    }
  }
  const Status dropped = target.sql.drop_table(std::string(kStaging));
  if (!status.ok()) {
    writer.remove_written();
    return status;
  }
  ASSAY_RETURN_IF_ERROR(dropped);
  return files;
}

}  // namespace assay::lake
