#include "lake/query_files.h"

#include <algorithm>

#include "base/fail_point.h"
#include "data/parquet.h"
#include "lake/copy_statistics.h"
#include "lake/json_value.h"
#include "lake/row_writer.h"
#include "lake/uri_path.h"

// Flat rows stream out of the SQL engine into a RowWriter. Nested ones are written by COPY ...
// PARTITION_BY, which says what is in the files. It makes the folders' names as encode_path_part
// does; the partition values that the log gets are the texts that it grouped by.

namespace assay::lake {
namespace {

using data::SqlEngine;
using data::Type;

/// A partition column such that the engine's text of it is the one that the log holds.
std::string partition_expression(const data::Field& field) {
  const std::string name = SqlEngine::identifier(field.name);
  if (data::is_integer(field.type) || field.type == Type::kDate || field.type == Type::kBool) {
    return name;  // a third less processor time than grouping by their texts
  }
  std::string text = "CAST(" + name + " AS VARCHAR)";
  if (field.type == Type::kTimestamp) {
    // As a batch's: no more digits than thousands of microseconds need.
    const std::string seconds = "strftime(" + name + ", '%Y-%m-%d %H:%M:%S";
    text = "CASE WHEN epoch_us(" + name + ") % 1000000 = 0 THEN " + seconds + "') WHEN epoch_us(" +
           name + ") % 1000 = 0 THEN " + seconds + ".%g') ELSE " + seconds + ".%f') END";
  }
  return "nullif(" + text + ", '') AS " + name;
}

constexpr char kMinusZero[] = "assay: a zero with a minus";

/// The column; the query ends with kMinusZero where it holds a -0.0.
std::string without_minus_zero(const data::Field& field) {
  const std::string name = SqlEngine::identifier(field.name);
  return "CASE WHEN " + name + " = 0 AND signbit(" + name + ") THEN error(" +
         SqlEngine::literal(kMinusZero) + ") ELSE " + name + " END AS " + name;
}

/// A map of the answer as JSON.
std::string json_of(const data::Batch& answer, const char* column, int64_t row) {
  return data::format_scalar(answer.find(column)->scalar(row));
}

class QueryWriter {
 public:
  QueryWriter(const ParquetTarget& target,
              const data::Schema& schema,
              const QueryRows& rows,
              RowOrder order)
      : target_(target),
        schema_(schema),
        rows_(rows),
        is_ordered_(!rows.order.empty() || order == RowOrder::kAsTheyCome),
        root_(target.store.write_path(target.key)) {}

  Result<std::vector<DataFile>> write() {
    ASSAY_RETURN_IF_ERROR(target_.world.files.make_directories(root_));
    Result<data::Batch> answer = partitioned() ? copy_to_folders() : copy_to_file();
    ASSAY_RETURN_IF_ERROR(answer.status());
    Result<std::vector<DataFile>> files = files_of(*answer);
    if (!files.ok()) {
      remove_written(*answer);
    }
    return files;
  }

 private:
  [[nodiscard]] bool is_partition(const std::string& name) const {
    const auto& columns = target_.partition_columns;
    return std::find(columns.begin(), columns.end(), name) != columns.end();
  }

  [[nodiscard]] bool partitioned() const {
    return !target_.partition_columns.empty() && !rows_.partition;
  }

  enum class MinusZero { kMayBe, kEndsQuery };

  [[nodiscard]] std::string select(MinusZero minus_zero) const {
    std::string columns;
    for (const data::Field& field : schema_.fields()) {
      if (is_partition(field.name) && !partitioned()) {
        continue;
      }
      columns += columns.empty() ? "SELECT " : ", ";
      if (is_partition(field.name)) {
        columns += partition_expression(field);
      } else if (minus_zero == MinusZero::kEndsQuery && data::is_real(field.type.id())) {
        columns += without_minus_zero(field);
      } else {
        columns += data::stored_column(field);
      }
    }
    return columns + " FROM (" + rows_.sql + "\n)" +
           (rows_.order.empty() ? "" : " ORDER BY " + rows_.order);
  }

  Result<data::Batch> copy(const std::string& select,
                           const std::string& target,
                           const std::string& options) {
    return target_.sql.query("COPY (" + select + ") TO " + SqlEngine::literal(target) +
                                 " (FORMAT parquet, COMPRESSION zstd, RETURN_STATS" + options + ")",
                             data::SqlUnknownTypes::kAsText);
  }

  Result<data::Batch> copy_to_file() {
    ASSAY_ASSIGN_OR_RETURN(const std::string folder, folder_of());
    const std::string target =
        join_path(root_, folder + "part-" + target_.world.random.uuid() + ".parquet");
    ASSAY_RETURN_IF_ERROR(target_.world.files.make_directories(parent_path(target)));
    if (!rows_.is_costly) {
      ASSAY_ASSIGN_OR_RETURN(const std::string zero_sign,
                             data::zero_sign_option(target_.sql, schema_, rows_.sql));
      return copy(select(MinusZero::kMayBe), target, zero_sign);
    }
    // Rows are looked at on their way, and once more only where there is a -0.0.
    Result<data::Batch> answer = copy(select(MinusZero::kEndsQuery), target, "");
    if (answer.ok() || answer.status().message().find(kMinusZero) == std::string::npos) {
      return answer;
    }
    static_cast<void>(target_.world.files.remove(target));  // where the engine left a part of it
    return copy(select(MinusZero::kMayBe), target, data::zero_sign_option(schema_));
  }

  Result<data::Batch> copy_to_folders() {
    ASSAY_ASSIGN_OR_RETURN(std::string options,
                           data::zero_sign_option(target_.sql, schema_, rows_.sql));
    std::string names;
    for (const std::string& name : target_.partition_columns) {
      names += (names.empty() ? "" : ", ") + SqlEngine::identifier(name);
    }
    options += ", PARTITION_BY (" + names +
               "), WRITE_PARTITION_COLUMNS false, APPEND true, FILENAME_PATTERN 'part-{uuid}'";
    if (!is_ordered_) {
      return copy(select(MinusZero::kMayBe), root_, options);
    }
    // Partitioned writing keeps the order of rows on one thread only.
    ASSAY_ASSIGN_OR_RETURN(const data::Batch threads,
                           target_.sql.query("SELECT CAST(current_setting('threads') AS BIGINT)"));
    ASSAY_RETURN_IF_ERROR(target_.sql.execute("SET threads = 1"));
    Result<data::Batch> answer = copy(select(MinusZero::kMayBe), root_, options);
    ASSAY_RETURN_IF_ERROR(target_.sql.execute(
        "SET threads = " + std::to_string(threads.column(0).values<int64_t>()[0])));
    return answer;
  }

  [[nodiscard]] Result<std::string> folder_of() const {
    return rows_.partition ? partition_folder(target_.partition_columns, *rows_.partition)
                           : Result<std::string>(std::string());
  }

  Result<std::vector<DataFile>> files_of(const data::Batch& answer) {
    std::vector<DataFile> files;
    for (int64_t row = 0; row < answer.rows(); ++row) {
      ASSAY_ASSIGN_OR_RETURN(DataFile file, file_of(answer, row));
      if (file.rows == 0) {
        ASSAY_RETURN_IF_ERROR(target_.world.files.remove(path_of(answer, row)));
        continue;
      }
      fail_point("lake.write.before_sync");
      ASSAY_RETURN_IF_ERROR(target_.store.adopt(target_.key + '/' + file.path));
      files.push_back(std::move(file));
    }
    return files;
  }

  static std::string path_of(const data::Batch& answer, int64_t row) {
    return std::string(answer.find("filename")->text(row));
  }

  Result<DataFile> file_of(const data::Batch& answer, int64_t row) {
    const std::string path = path_of(answer, row);
    if (!path.starts_with(root_ + '/')) {
      return Status(Code::kInternal, "a file outside the table's folder: " + path);
    }
    DataFile file;
    file.path = path.substr(root_.size() + 1);
    file.tags = rows_.tags;
    // An unsigned number of 64 bits, which a batch holds as text.
    ASSAY_ASSIGN_OR_RETURN(const JsonValue count, json_.read(answer.find("count")->text(row)));
    if (count.integer() == nullptr) {
      return Status(Code::kInternal, "a count of rows that is no number");
    }
    file.rows = *count.integer();
    ASSAY_ASSIGN_OR_RETURN(const JsonValue columns,
                           json_.read(json_of(answer, "column_statistics", row)));
    if (file.rows > 0) {
      ASSAY_ASSIGN_OR_RETURN(
          file.stats_json,
          copy_statistics_json(columns, file.rows, schema_, target_.partition_columns));
    }
    ASSAY_RETURN_IF_ERROR(set_partition(answer, row, file));
    ASSAY_ASSIGN_OR_RETURN(const FileInfo info, target_.world.files.stat(path));
    file.size_bytes = info.size_bytes;
    file.modification_ms = info.modified.micros / 1'000;
    return file;
  }

  Status set_partition(const data::Batch& answer, int64_t row, DataFile& file) {
    if (!partitioned()) {
      file.partition_values = rows_.partition.value_or(PartitionValues());
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(const JsonValue keys,
                           json_.read(json_of(answer, "partition_keys", row)));
    for (const std::string& name : target_.partition_columns) {
      const JsonValue* value = keys.find(name);
      if (value != nullptr && value->text() == nullptr) {
        return {Code::kInternal, "a partition value that is no text: " + name};
      }
      file.partition_values[name] = value == nullptr ? std::nullopt : std::optional(*value->text());
      if (value == nullptr && !schema_.field(*schema_.find(name)).nullable) {
        return {
            Code::kInvalidArgument,
            "a null or empty text in partition column `" + name + "`, which is declared not null"};
      }
    }
    return {};
  }

  void remove_written(const data::Batch& answer) {
    for (int64_t row = 0; row < answer.rows(); ++row) {
      const std::string path = path_of(answer, row);
      static_cast<void>(target_.world.files.remove(path));
      if (path.starts_with(root_ + '/')) {
        static_cast<void>(target_.store.remove(target_.key + path.substr(root_.size())));
      }
    }
  }

  const ParquetTarget& target_;
  const data::Schema& schema_;
  const QueryRows& rows_;
  bool is_ordered_;
  std::string root_;
  JsonReader json_;
};

/// A tenth of a row group: little enough to stay in the cache until it is copied.
constexpr int64_t kBatchRows = data::ParquetFile::kRowGroupRows / 10;

/// The rows under the fields that the files have: those of the table, less the partition columns
/// when all rows belong to one partition.
data::SchemaPtr streamed_schema(const ParquetTarget& target,
                                const data::Schema& schema,
                                const QueryRows& rows) {
  std::vector<data::Field> fields;
  for (const data::Field& field : schema.fields()) {
    const auto& partitions = target.partition_columns;
    const bool splits =
        std::find(partitions.begin(), partitions.end(), field.name) != partitions.end();
    if (!splits || !rows.partition) {
      fields.push_back(field);
    }
  }
  return data::make_schema(std::move(fields));
}

/// Rows of a query under a schema of ours.
class CastRows : public data::BatchReader {
 public:
  CastRows(std::unique_ptr<data::BatchReader> rows, data::SchemaPtr schema)
      : rows_(std::move(rows)), schema_(std::move(schema)) {}

  [[nodiscard]] const data::SchemaPtr& schema() const override { return schema_; }

  Result<std::optional<data::Batch>> next() override {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<data::Batch> batch, rows_->next());
    if (!batch) {
      return std::optional<data::Batch>();
    }
    std::vector<data::ColumnPtr> pointers;
    for (int column = 0; column < batch->column_count(); ++column) {
      pointers.push_back(batch->column_ptr(column));
    }
    return std::optional<data::Batch>(data::Batch(schema_, std::move(pointers), batch->rows()));
  }

 private:
  std::unique_ptr<data::BatchReader> rows_;
  data::SchemaPtr schema_;
};

Result<std::vector<DataFile>> write_all(RowWriter& writer, data::BatchReader& rows) {
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<data::Batch> batch, rows.next());
    if (!batch) {
      return writer.finish();
    }
    ASSAY_RETURN_IF_ERROR(writer.add(*batch));
  }
}

Result<std::vector<DataFile>> stream_query_files(const ParquetTarget& target,
                                                 const data::Schema& schema,
                                                 const QueryRows& rows) {
  RowWriter writer(target, rows.tags, rows.partition);
  ASSAY_ASSIGN_OR_RETURN(
      const std::unique_ptr<data::BatchReader> reader,
      stream_rows(target.sql, streamed_schema(target, schema, rows), rows.sql, rows.order));
  return write_all(writer, *reader);
}

}  // namespace

Result<std::unique_ptr<data::BatchReader>> stream_rows(SqlEngine& sql,
                                                       const data::SchemaPtr& schema,
                                                       const std::string& query,
                                                       const std::string& order) {
  std::string columns;
  for (const data::Field& field : schema->fields()) {
    const std::string name = SqlEngine::identifier(field.name);
    columns += (columns.empty() ? "CAST(" : ", CAST(") + name + " AS " +
               std::string(SqlEngine::sql_type(field.type)) + ") AS " + name;
  }
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<data::BatchReader> rows,
                         sql.stream("SELECT " + columns + " FROM (" + query + "\n)" +
                                        (order.empty() ? "" : " ORDER BY " + order),
                                    kBatchRows));
  return std::unique_ptr<data::BatchReader>(std::make_unique<CastRows>(std::move(rows), schema));
}

Result<std::vector<DataFile>> write_streamed_files(const ParquetTarget& target,
                                                   data::BatchReader& rows,
                                                   const std::map<std::string, std::string>& tags,
                                                   const PartitionValues& partition) {
  RowWriter writer(target, tags, partition);
  return write_all(writer, rows);
}

Result<std::vector<DataFile>> write_query_files(const ParquetTarget& target,
                                                const data::Schema& schema,
                                                const QueryRows& rows,
                                                RowOrder order) {
  return row_writer_takes(schema, target.partition_columns)
             ? stream_query_files(target, schema, rows)
             : copy_query_files(target, schema, rows, order);
}

Result<std::vector<DataFile>> copy_query_files(const ParquetTarget& target,
                                               const data::Schema& schema,
                                               const QueryRows& rows,
                                               RowOrder order) {
  return QueryWriter(target, schema, rows, order).write();
}

}  // namespace assay::lake
