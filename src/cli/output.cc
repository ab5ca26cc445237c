#include "cli/output.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "base/check.h"
#include "base/json_writer.h"
#include "base/time.h"

namespace assay::cli {
namespace {

constexpr int64_t kTableRowsMax = 10'000;

std::string cell_text(const data::Column& column, int64_t row) {
  if (column.is_null(row)) {
    return "null";
  }
  return data::format_scalar(column.scalar(row));
}

/// Characters of UTF-8 text, for alignment.
std::size_t text_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

void append_padded(std::string& line, std::string_view text, std::size_t width, bool right) {
  const std::size_t used = text_width(text);
  const std::string padding(width > used ? width - used : 0, ' ');
  line += right ? padding + std::string(text) : std::string(text) + padding;
}

void append_line(std::string& out, std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  out += line + "\n";
}

void append_csv_cell(std::string& out, std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos && !text.empty()) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    out += c;
    if (c == '"') {
      out += '"';
    }
  }
  out += '"';
}

/// Aligned text of the first `shown` rows of `total`.
std::string table_text(const data::Batch& batch, int64_t shown, int64_t total) {
  std::vector<std::vector<std::string>> cells;
  std::vector<std::size_t> widths;
  for (int c = 0; c < batch.column_count(); ++c) {
    std::vector<std::string> column{batch.schema().field(c).name};
    for (int64_t row = 0; row < shown; ++row) {
      column.push_back(cell_text(batch.column(c), row));
    }
    std::size_t width = 0;
    for (const std::string& cell : column) {
      width = std::max(width, text_width(cell));
    }
    widths.push_back(width);
    cells.push_back(std::move(column));
  }
  std::string out;
  for (int64_t row = 0; row <= shown; ++row) {
    std::string line;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const bool right = data::is_numeric(batch.schema().field(static_cast<int>(c)).type);
      append_padded(line, cells[c][static_cast<std::size_t>(row)], widths[c], right);
      line += "  ";
    }
    append_line(out, std::move(line));
  }
  if (shown < total) {
    out += "... " + std::to_string(total - shown) + " more rows; --output csv prints all of them\n";
  }
  return out;
}

void append_csv_header(std::string& out, const data::Schema& schema) {
  for (int c = 0; c < schema.size(); ++c) {
    out += c == 0 ? "" : ",";
    append_csv_cell(out, schema.field(c).name);
  }
  out += "\n";
}

void append_csv_rows(std::string& out, const data::Batch& batch) {
  for (int64_t row = 0; row < batch.rows(); ++row) {
    for (int c = 0; c < batch.column_count(); ++c) {
      out += c == 0 ? "" : ",";
      if (batch.column(c).is_valid(row)) {
        append_csv_cell(out, data::format_scalar(batch.column(c).scalar(row)));
      }
    }
    out += "\n";
  }
}

/// Members of a JSON array, a line each; `first`: no comma before the first.
void append_json_rows(std::string& out, const data::Batch& batch, bool first) {
  for (int64_t row = 0; row < batch.rows(); ++row) {
    out += row == 0 && first ? "\n{" : ",\n{";
    for (int c = 0; c < batch.column_count(); ++c) {
      out += c == 0 ? "" : ",";
      append_json_string(out, batch.schema().field(c).name);
      out += ":";
      append_json_value(out, batch.column(c), row);
    }
    out += "}";
  }
}

}  // namespace

void append_json_value(std::string& out, const data::Column& column, int64_t row) {
  JsonWriter json(out);
  if (column.is_null(row)) {
    json.null();
    return;
  }
  const data::Scalar scalar = column.scalar(row);
  switch (scalar.type) {
    case data::Type::kBool:
      json.boolean(std::get<bool>(scalar.value));
      break;
    case data::Type::kInt8:
    case data::Type::kInt16:
    case data::Type::kInt32:
    case data::Type::kInt64:
      json.integer(std::get<int64_t>(scalar.value));
      break;
    case data::Type::kFloat32:
      json.number32(static_cast<float>(std::get<double>(scalar.value)));
      break;
    case data::Type::kFloat64:
      json.number(std::get<double>(scalar.value));
      break;
    case data::Type::kString:
    case data::Type::kBytes:
    case data::Type::kDate:
    case data::Type::kTimestamp:
    case data::Type::kTimestampNtz:
      json.string(data::format_scalar(scalar));
      break;
    case data::Type::kDecimal:
      json.raw(data::format_scalar(scalar));
      break;
    case data::Type::kList:
    case data::Type::kArray:
    case data::Type::kStruct:
    case data::Type::kMap:
      json.raw(data::format_scalar(scalar));
      break;
  }
}

std::string render_table(const data::Batch& batch, int64_t rows_max) {
  return table_text(batch, std::min(batch.rows(), rows_max), batch.rows());
}

std::string render_csv(const data::Batch& batch) {
  std::string out;
  append_csv_header(out, batch.schema());
  append_csv_rows(out, batch);
  return out;
}

std::string render_json(const data::Batch& batch) {
  std::string out = "[";
  append_json_rows(out, batch, true);
  return out + (batch.rows() == 0 ? "]\n" : "\n]\n");
}
void Output::rows(const data::Batch& batch) {
  switch (format_) {
    case OutputFormat::kTable:
      raw(render_table(batch, kTableRowsMax));
      break;
    case OutputFormat::kJson:
      raw(render_json(batch));
      break;
    case OutputFormat::kCsv:
      raw(render_csv(batch));
      break;
    case OutputFormat::kParquet:
    case OutputFormat::kArrow:
      ASSAY_CHECK(false);  // the command line lets only `sql` have them
  }
}

Status Output::rows(data::BatchReader& reader) {
  std::string text;
  int64_t total = 0;
  std::optional<data::Batch> shown;
  if (format_ == OutputFormat::kCsv) {
    append_csv_header(text, *reader.schema());
  } else if (format_ == OutputFormat::kJson) {
    text = "[";
  }
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(std::optional<data::Batch> batch, reader.next());
    if (!batch) {
      break;
    }
    if (format_ == OutputFormat::kCsv) {
      append_csv_rows(text, *batch);
    } else if (format_ == OutputFormat::kJson) {
      append_json_rows(text, *batch, total == 0);
    }
    raw(text);
    text.clear();
    total += batch->rows();
    if (!shown) {
      shown = std::move(batch);
    }
  }
  if (format_ == OutputFormat::kTable) {
    const data::Batch rows = shown ? *std::move(shown) : data::Batch::empty(reader.schema());
    text = table_text(rows, std::min(rows.rows(), kTableRowsMax), total);
  } else if (format_ == OutputFormat::kJson) {
    text += total == 0 ? "]\n" : "\n]\n";
  }
  raw(text);
  return {};
}

void Output::object(const std::vector<std::pair<std::string, data::Scalar>>& fields) {
  std::vector<data::Field> schema;
  std::vector<data::ColumnPtr> columns;
  std::size_t width = 0;
  for (const auto& [name, value] : fields) {
    schema.push_back({name, value.type, true});
    columns.push_back(data::constant_column(value, 1));
    width = std::max(width, name.size());
  }
  const data::Batch batch(data::make_schema(schema), columns, 1);
  std::string out;
  switch (format_) {
    case OutputFormat::kTable:
      for (int c = 0; c < batch.column_count(); ++c) {
        std::string line;
        append_padded(line, batch.schema().field(c).name, width + 2, false);
        append_line(out, line + cell_text(batch.column(c), 0));
      }
      break;
    case OutputFormat::kJson:
      out = "{";
      for (int c = 0; c < batch.column_count(); ++c) {
        out += c == 0 ? "" : ",";
        append_json_string(out, batch.schema().field(c).name);
        out += ":";
        append_json_value(out, batch.column(c), 0);
      }
      out += "}\n";
      break;
    case OutputFormat::kCsv:
      out = render_csv(batch);
      break;
    case OutputFormat::kParquet:
    case OutputFormat::kArrow:
      ASSAY_CHECK(false);  // the command line lets only `sql` have them
  }
  raw(out);
}

void Output::raw(std::string_view text) {
  progress_done();
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Output::json(std::string_view json) {
  if (format_ == OutputFormat::kJson) {
    raw(std::string(json) + "\n");
  }
}

void Output::say(std::string_view line) {
  progress_done();
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

void Output::progress(std::string_view line) {
  if (!progress_) {
    return;
  }
  std::fprintf(stderr, "\r\033[K%.*s", static_cast<int>(line.size()), line.data());
  std::fflush(stderr);
  progress_shown_ = true;
}

void Output::progress_done() {
  if (progress_shown_) {
    std::fprintf(stderr, "\r\033[K");
    progress_shown_ = false;
  }
}

}  // namespace assay::cli
