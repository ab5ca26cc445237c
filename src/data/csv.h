#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/json_lines.h"

namespace assay::data {

/// Cells of one record (data/record_splitter.h cuts text into records), unquoted. A quote inside an
/// unquoted cell is an ordinary character. False when quotes do not balance.
bool split_csv_record(std::string_view record, char delimiter, std::vector<std::string>* cells);

/// Decode CSV records under a header. Columns are found by header name; a declared column that the
/// header lacks is null in every row. An empty cell is null; quoted, it is the empty text of a text
/// column. Numbers, dates and times are read as parse_scalar reads them, times by `time_units`.
///
/// Errors  none for bad records: kMalformed (cell count, quotes), kInvalidUtf8, kWrongType,
///         kMissingRequired. Threads immutable after construction.
class CsvDecoder {
 public:
  CsvDecoder(DecodeOptions options, std::vector<std::string> header, char delimiter);
  [[nodiscard]] Decoded decode(std::span<const std::string_view> records) const;

 private:
  DecodeOptions options_;
  std::vector<int> cell_of_column_;  // -1: not in the header
  std::size_t cell_count_ = 0;
  char delimiter_ = ',';
};

}  // namespace assay::data
