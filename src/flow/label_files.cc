#include "flow/label_files.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "base/suggest.h"
#include "data/parquet.h"

namespace assay::flow {
namespace {

using data::Type;

Status invalid(const std::string& message) {
  return {Code::kInvalidArgument, message};
}

bool is_whole(data::TypeId type) {
  return data::is_integer(type);
}

/// SQL of a time column as microseconds.
Result<std::string> time_sql(const data::Field& field, const std::string& unit) {
  const std::string column = data::SqlEngine::identifier(field.name);
  if (is_whole(field.type)) {
    static const std::map<std::string, std::string> kFactors = {
        {"s", "1000000"}, {"ms", "1000"}, {"us", "1"}};
    const auto factor = kFactors.find(unit);
    if (factor == kFactors.end()) {
      return invalid("the labels' time column `" + field.name +
                     "` holds whole numbers; say with --time-unit whether they are s, ms or us "
                     "since 1970" +
                     (unit.empty() ? "" : ", not `" + unit + "`"));
    }
    return "make_timestamp(CAST(" + column + " AS BIGINT) * " + factor->second + ")";
  }
  if (!unit.empty()) {
    return invalid("--time-unit is for whole numbers; the labels' time column `" + field.name +
                   "` is of type " + std::string(data::type_name(field.type)));
  }
  if (field.type == Type::kTimestamp) {
    return column;
  }
  if (data::is_text(field.type) || field.type == Type::kDate) {
    return "CAST(" + column + " AS TIMESTAMP WITH TIME ZONE)";
  }
  return invalid("the labels' time column `" + field.name + "` is of type " +
                 std::string(data::type_name(field.type)) +
                 "; it must be a timestamp, a text, or whole numbers with --time-unit");
}

/// SQL of a key or request column as the type that the service needs.
Result<std::string> value_sql(const data::Field& field, Type wanted) {
  const std::string column = data::SqlEngine::identifier(field.name);
  const std::string cast =
      "CAST(" + column + " AS " + std::string(data::SqlEngine::sql_type(wanted)) + ")";
  if (field.type == wanted) {
    return column;
  }
  const bool from_number = data::is_numeric(field.type) || field.type == Type::kDecimal;
  if (is_whole(wanted) && from_number && !is_whole(field.type)) {
    // A cast would round: 1.5 is no key.
    return "CASE WHEN " + column + " IS NULL OR " + column + " = trunc(" + column + ") THEN " +
           cast + " ELSE CAST(error(" +
           data::SqlEngine::literal("column `" + field.name +
                                    "` must hold whole numbers, and one is not") +
           ") AS " + std::string(data::SqlEngine::sql_type(wanted)) + ") END";
  }
  const bool possible = data::is_text(wanted) || data::is_text(field.type) ||
                        (from_number && data::is_numeric(wanted)) ||
                        (field.type == Type::kDate && wanted == Type::kTimestamp) ||
                        (data::is_nested(field.type) && data::is_nested(wanted));
  if (!possible) {
    return invalid("the labels' column `" + field.name + "` is of type " +
                   std::string(data::type_name(field.type)) + "; the service needs " +
                   std::string(data::type_name(wanted)));
  }
  return cast;
}

Status check_same_columns(const data::Schema& first,
                          const std::string& first_path,
                          const data::Schema& other,
                          const std::string& path) {
  for (const data::Field& field : first.fields()) {
    const std::optional<int> found = other.find(field.name);
    if (!found) {
      return invalid("label files must have the same columns: " + path + " has no `" + field.name +
                     "`, which " + first_path + " has");
    }
    const Type type = other.field(*found).type;
    if (type != field.type) {
      return invalid("label files must have the same columns: `" + field.name + "` is of type " +
                     std::string(data::type_name(type)) + " in " + path + " and " +
                     std::string(data::type_name(field.type)) + " in " + first_path);
    }
  }
  for (const std::string& name : other.names()) {
    if (!first.find(name)) {
      return invalid("label files must have the same columns: " + path + " has `" + name +
                     "`, which " + first_path + " has not");
    }
  }
  return {};
}

bool is_parquet(const std::string& path) {
  return path.size() > 8 && path.compare(path.size() - 8, 8, ".parquet") == 0;
}

/// Text between two marks, or nothing.
std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t found = text.find(begin);
  const std::size_t at = found == std::string::npos ? text.size() : found + begin.size();
  return text.substr(at, text.find(end, at) - at);
}

/// The beginning of a long text.
std::string shortened(const std::string& text) {
  constexpr std::size_t kBytesMax = 300;
  std::size_t size = std::min(text.size(), kBytesMax);
  while (size < text.size() && size > 0 &&
         (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) {
    --size;
  }
  return size == text.size() ? text : text.substr(0, size) + "...";
}

/// Refuse a file without even a line of names, of which the engine would make one of its own.
Status check_not_empty(World& world, const std::string& path) {
  const Result<FileInfo> info = world.files.stat(path);
  if (!info.ok()) {
    return info.code() == Code::kNotFound ? Status(Code::kNotFound, "there is no file " + path)
                                          : info.status();
  }
  return info->size_bytes > 0
             ? Status()
             : invalid(path + " is empty; a label file says at least what its columns are called");
}

/// Where lines do not have equal numbers of cells, the engine may take whole lines for one cell.
Status check_cells(data::SqlEngine& sql,
                   const std::string& path,
                   const data::Schema& schema,
                   const std::string& time_column) {
  const bool is_csv = path.size() > 4 && path.compare(path.size() - 4, 4, ".csv") == 0;
  if (!is_csv || schema.find(time_column)) {
    return {};
  }
  const Result<data::Batch> by_comma =
      sql.query("SELECT * FROM read_csv(" + data::SqlEngine::literal(path) +
                    ", header = true, skip = 0, delim = ',') LIMIT 0",
                data::SqlUnknownTypes::kAsText);
  return by_comma.ok() && !by_comma->schema().find(time_column)
             ? Status()
             : invalid(path + ": its lines do not all have as many cells as its first line");
}

/// A few bytes of Parquet can say that they hold any number of rows.
Status check_rows(World& world,
                  data::SqlEngine& sql,
                  const std::string& path,
                  const std::string& relation,
                  int64_t rows_max,
                  int64_t* rows) {
  if (!is_parquet(path)) {
    return {};  // a row takes a byte at least
  }
  Result<data::Batch> count = sql.query("SELECT count(*) AS n FROM " + relation);
  if (!count.ok()) {
    return count.status().with_context("read " + path);
  }
  *rows += count->column(0).values<int64_t>()[0];
  if (*rows > rows_max) {
    ASSAY_ASSIGN_OR_RETURN(const FileInfo info, world.files.stat(path));
    return {Code::kResourceExhausted,
            "the label files say that they hold " + std::to_string(*rows) + " rows (" + path +
                " has " + std::to_string(info.size_bytes) +
                " bytes), more than --rows-max allows: " + std::to_string(rows_max)};
  }
  return {};
}

/// Does the engine, or what value_sql() wrote, complain of values? Else of the file.
bool tells_of_values(const std::string& message) {
  const std::array<std::string_view, 4> begins = {"Conversion Error",
                                                  "Out of Range Error",
                                                  "Invalid Input Error: Could not convert",
                                                  "Invalid Input Error: column `"};
  return std::any_of(begins.begin(), begins.end(), [&](std::string_view begin) {
    return message.starts_with(begin);
  });
}

}  // namespace

Status of_label_file(const Status& status) {
  const std::string& message = status.message();
  const std::string line = between(message, "CSV Error on Line: ", "\n");
  if (!line.empty()) {
    const std::string file = between(message, "file = ", "\n");
    if (message.find("not utf-8 encoded") != std::string::npos) {
      return {status.code(),  // the engine quotes a line that is near
              file + " is not UTF-8, at line " + line + " or the one before; save it as UTF-8"};
    }
    const std::string cells = between(message, "Expected Number of Columns: ", "\n");
    const std::string original = shortened(between(message, "Original Line: ", "\n"));
    return {
        status.code(),
        file + ", line " + line +
            (cells.empty() ? " is no line of CSV: " + original
                           : ": " + cells.substr(0, cells.find(' ')) + " cells expected, found " +
                                 cells.substr(cells.rfind(' ') + 1) + ": " + original)};
  }
  const std::string unknown = between(message, "Error when sniffing file \"", "\"");
  if (!unknown.empty()) {
    return {status.code(),
            unknown +
                " is no CSV: look for quotes that do not end, and for lines with more cells "
                "than the first"};
  }
  return {status.code(), shortened(message.substr(0, message.find("\n")))};
}

Result<LabelFiles> LabelFiles::open(World& world,
                                    data::SqlEngine& sql,
                                    const gold::Service& service,
                                    const gold::TrainingSetOptions& set,
                                    const LabelFilesOptions& options) {
  if (options.paths.empty()) {
    return invalid("no label file is given");
  }
  LabelFiles files;
  files.service_ = service.name;
  files.files_ = " (in " + options.paths.front() + (options.paths.size() > 1 ? ", ...)" : ")");
  data::SchemaPtr found;
  int64_t rows = 0;
  for (const std::string& path : options.paths) {
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, data::file_relation(path));
    ASSAY_RETURN_IF_ERROR(check_not_empty(world, path));
    Result<data::Batch> none = sql.query(
        "SELECT * FROM " + relation + " LIMIT 0",
        is_parquet(path) ? data::SqlUnknownTypes::kRefuse : data::SqlUnknownTypes::kAsText);
    if (!none.ok()) {
      return of_label_file(none.status()).with_context("read " + path);
    }
    ASSAY_RETURN_IF_ERROR(check_cells(sql, path, none->schema(), set.time_column));
    if (found == nullptr) {
      found = none->schema_ptr();
    }
    ASSAY_RETURN_IF_ERROR(check_same_columns(*found, options.paths.front(), none->schema(), path));
    ASSAY_RETURN_IF_ERROR(check_rows(world, sql, path, relation, options.rows_max, &rows));
    files.relations_.push_back(relation);
  }

  std::map<std::string, Type> wanted;
  for (const std::vector<data::Field>* fields : {&service.request, &service.entity_keys}) {
    for (const data::Field& field : *fields) {
      wanted[field.name] = field.type;
    }
  }
  std::vector<data::Field> typed;
  for (const data::Field& field : found->fields()) {
    const auto want = wanted.find(field.name);
    std::string column = data::SqlEngine::identifier(field.name);
    Type type = field.type;
    if (field.name == set.time_column) {
      ASSAY_ASSIGN_OR_RETURN(column, time_sql(field, options.time_unit));
      type = Type::kTimestamp;
    } else if (want != wanted.end()) {
      ASSAY_ASSIGN_OR_RETURN(column, value_sql(field, want->second));
      type = want->second;
    }
    typed.push_back({field.name, type, true});
    files.columns_.push_back(column + " AS " + data::SqlEngine::identifier(field.name));
  }
  files.schema_ = data::make_schema(std::move(typed));
  ASSAY_RETURN_IF_ERROR(gold::check_label_columns(service, *files.schema_, set));
  return files;
}

Result<std::unique_ptr<data::BatchReader>> LabelFiles::stream(
    data::SqlEngine& sql,
    const std::vector<std::string>& columns,
    int64_t begin,
    int64_t end,
    int64_t rows_max) const {
  std::string list;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::string& name = schema_->field(static_cast<int>(i)).name;
    if (columns.empty() || std::find(columns.begin(), columns.end(), name) != columns.end()) {
      list += (list.empty() ? "" : ", ") + columns_[i];
    }
  }
  std::string text;
  for (const std::string& relation : relations_) {
    text += (text.empty() ? "SELECT " : " UNION ALL SELECT ") + list + " FROM " + relation;
  }
  if (begin > 0 || end >= 0) {
    text = "SELECT * FROM (" + text + ")";
    text += end >= 0 ? " LIMIT " + std::to_string(end - begin) : "";
    text += " OFFSET " + std::to_string(begin);
  }
  Result<std::unique_ptr<data::BatchReader>> rows =
      sql.stream(text, rows_max, data::SqlUnknownTypes::kAsText);
  if (!rows.ok()) {
    Status status = of_label_file(rows.status());
    if (status.code() == Code::kCorrupt || !tells_of_values(status.message())) {
      const Code code = status.code() == Code::kInvalidArgument ? Code::kCorrupt : status.code();
      return Status(code, "read labels: " + status.message() + files_);
    }
    return std::move(status).with_context("labels do not have the types that service " + service_ +
                                          " needs");
  }
  return rows;
}

namespace {

class EqualBatches : public data::BatchReader {
 public:
  EqualBatches(std::unique_ptr<data::BatchReader> reader, int64_t rows)
      : reader_(std::move(reader)), rows_(rows) {}

  [[nodiscard]] const data::SchemaPtr& schema() const override { return reader_->schema(); }

  Result<std::optional<data::Batch>> next() override {
    while (!ended_ && (!pending_ || pending_->rows() < rows_)) {
      ASSAY_ASSIGN_OR_RETURN(std::optional<data::Batch> more, reader_->next());
      if (!more) {
        ended_ = true;
      } else if (!pending_) {
        pending_ = std::move(more);
      } else {
        const std::vector<data::Batch> both = {*pending_, *more};
        ASSAY_ASSIGN_OR_RETURN(pending_, data::concat(schema(), both));
      }
    }
    std::optional<data::Batch> batch;
    std::swap(batch, pending_);
    if (batch && batch->rows() > rows_) {
      pending_ = batch->slice(rows_, batch->rows());
      batch = batch->slice(0, rows_);
    }
    return batch;
  }

 private:
  std::unique_ptr<data::BatchReader> reader_;
  int64_t rows_;
  std::optional<data::Batch> pending_;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<data::BatchReader> in_equal_batches(std::unique_ptr<data::BatchReader> reader,
                                                    int64_t rows) {
  return std::make_unique<EqualBatches>(std::move(reader), rows);
}

}  // namespace assay::flow
