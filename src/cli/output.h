#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/batch.h"

namespace assay::cli {

enum class OutputFormat { kTable, kJson, kCsv, kParquet, kArrow };

/// Data goes to stdout in the format asked for, talk to stderr.
///
/// Threads one thread at a time.
class Output {
 public:
  Output(OutputFormat format, bool progress) : format_(format), progress_(progress) {}
  [[nodiscard]] OutputFormat format() const { return format_; }

  /// A table of rows: aligned text, a JSON array of objects, or CSV with a header.
  void rows(const data::Batch& batch);
  /// The same of rows that come in batches, holding one of them: a table shows the first 10,000.
  /// Errors  those of the reader.
  Status rows(data::BatchReader& reader);
  /// One object: "name  value" lines, a JSON object, or CSV of one row.
  void object(const std::vector<std::pair<std::string, data::Scalar>>& fields);
  /// Bytes as they are, for what has one form only.
  void raw(std::string_view text);
  /// One JSON value in JSON format; nothing in the others.
  void json(std::string_view json);

  /// A line of talk on stderr.
  void say(std::string_view line);
  /// A line that the next one replaces; only when stderr is a terminal.
  void progress(std::string_view line);
  /// Take the last progress line away.
  void progress_done();

 private:
  OutputFormat format_;
  bool progress_;
  bool progress_shown_ = false;
};

/// One value as JSON: doubles in shortest form, times as text, NaN and infinities as null.
void append_json_value(std::string& out, const data::Column& column, int64_t row);

/// Aligned text of a batch, as `--output table` prints it. At most `rows_max` rows, then a line
/// that says how many there are.
std::string render_table(const data::Batch& batch, int64_t rows_max);
std::string render_csv(const data::Batch& batch);
std::string render_json(const data::Batch& batch);

}  // namespace assay::cli
