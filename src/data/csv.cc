#include "data/csv.h"

#include <algorithm>
#include <utility>

#include "data/decode_row.h"
#include "data/utf8.h"

namespace assay::data {
namespace {

struct Cell {
  std::string_view text;
  bool quoted = false;
};

/// Read the quoted cell whose first quote is at `*at` and move behind its last one. The text views
/// the record, or `scratch` where quotes were doubled. False when the last quote is missing.
bool cut_quoted(std::string_view record, std::size_t* at, std::string* scratch, Cell* cell) {
  const std::size_t kept = scratch->size();
  std::size_t begin = *at + 1;
  for (;;) {
    const std::size_t quote = record.find('"', begin);
    if (quote == std::string_view::npos) {
      return false;
    }
    *at = quote + 1;
    if (*at < record.size() && record[*at] == '"') {
      scratch->append(record, begin, *at - begin);
      begin = *at + 1;
      continue;
    }
    cell->quoted = true;
    if (scratch->size() == kept) {
      cell->text = record.substr(begin, quote - begin);
    } else {
      scratch->append(record, begin, quote - begin);
      cell->text = std::string_view(*scratch).substr(kept);
    }
    return true;
  }
}

bool cut_cells(std::string_view record,
               char delimiter,
               std::string* scratch,
               std::vector<Cell>* cells) {
  cells->clear();
  scratch->clear();
  scratch->reserve(record.size());  // so that views into it stay good
  for (std::size_t at = 0;; ++at) {
    Cell& cell = cells->emplace_back();
    if (at < record.size() && record[at] == '"') {
      if (!cut_quoted(record, &at, scratch, &cell) ||
          (at < record.size() && record[at] != delimiter)) {
        return false;
      }
    } else {
      const std::size_t end = std::min(record.find(delimiter, at), record.size());
      cell.text = record.substr(at, end - at);
      at = end;
    }
    if (at == record.size()) {
      return true;
    }
  }
}

bool contains(const std::vector<std::string>& texts, std::string_view text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

}  // namespace

bool split_csv_record(std::string_view record, char delimiter, std::vector<std::string>* cells) {
  std::string scratch;
  std::vector<Cell> cut;
  cells->clear();
  if (!cut_cells(record, delimiter, &scratch, &cut)) {
    return false;
  }
  for (const Cell& cell : cut) {
    cells->emplace_back(cell.text);
  }
  return true;
}

CsvDecoder::CsvDecoder(DecodeOptions options, std::vector<std::string> header, char delimiter)
    : options_(std::move(options)), cell_count_(header.size()), delimiter_(delimiter) {
  const std::size_t columns = options_.schema->fields().size();
  options_.time_units.resize(columns, TimeUnit::kText);
  options_.column_null_texts.resize(columns);
  for (const Field& field : options_.schema->fields()) {
    const auto found = std::find(header.begin(), header.end(), field.name);
    cell_of_column_.push_back(found == header.end() ? -1
                                                    : static_cast<int>(found - header.begin()));
  }
}

Decoded CsvDecoder::decode(std::span<const std::string_view> records) const {
  RowCollector rows(options_.schema);
  std::string scratch;
  std::vector<Cell> cells;
  const std::vector<Field>& fields = options_.schema->fields();
  for (std::size_t r = 0; r < records.size(); ++r) {
    const auto record = static_cast<int64_t>(r);
    if (!is_utf8(records[r])) {
      rows.reject(record, RejectReason::kInvalidUtf8);
      continue;
    }
    if (!cut_cells(records[r], delimiter_, &scratch, &cells) || cells.size() != cell_count_) {
      rows.reject(record, RejectReason::kMalformed);
      continue;
    }
    rows.begin_row();
    bool good = true;
    for (std::size_t i = 0; i < fields.size() && good; ++i) {
      if (cell_of_column_[i] < 0) {
        continue;
      }
      const Cell& cell = cells[static_cast<std::size_t>(cell_of_column_[i])];
      const bool empty = cell.text.empty() && !(cell.quoted && is_text(fields[i].type));
      if (empty || contains(options_.null_texts, cell.text) ||
          contains(options_.column_null_texts[i], cell.text)) {
        continue;
      }
      good = read_cell(cell.text, fields[i].type, options_.time_units[i], &rows.cell(i));
      if (!good) {
        rows.reject(record, RejectReason::kWrongType, fields[i].name);
      }
    }
    if (good) {
      rows.end_row(record);
    }
  }
  return rows.finish();
}

}  // namespace assay::data
