#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/json_lines.h"

namespace assay::data {

/// Cut CSV text into records: RFC 4180 quotes (a quoted cell may hold line ends), LF or CRLF, the last
/// line end optional. Feed blocks in order; a record that crosses a block is kept until it is whole.
///
/// Threads one thread at a time.
class CsvSplitter {
 public:
  /// Records whose end lies in what has been fed so far, without their line ends. The views live until
  /// the next call. At the end of input call with `last` true.
  std::vector<std::string_view> feed(std::string_view block, bool last);
  /// Line number, from 1, of the first record of the last feed(), and of each record after it.
  [[nodiscard]] const std::vector<int64_t>& line_numbers() const { return line_numbers_; }

 private:
  std::string buffer_;
  std::size_t consumed_ = 0;
  int64_t next_line_ = 1;
  std::vector<int64_t> line_numbers_;
};

/// Cells of one record, unquoted. False when quotes do not balance.
bool split_csv_record(std::string_view record, char delimiter, std::vector<std::string>* cells);

/// Decode CSV records under a header. Columns are found by header name; a declared column that the
/// header lacks is null in every row. An empty cell is null (the empty string only when quoted).
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
