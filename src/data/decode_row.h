#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/batch.h"
#include "data/json_lines.h"

namespace assay::data {

/// One decoded value on its way into a column; what it means is said by the column's type.
struct RowCell {
  bool null = true;
  int64_t integer = 0;  // bool, integers, date, timestamp, the low half of a decimal
  union {
    double number = 0;     // floats
    int64_t high;          // the high half of a decimal
    const Column* nested;  // one row: list, array, struct, map; memory of the decoder
  };
  std::string_view text;  // string, bytes: memory of the record or of the decoder
};

/// Read a CSV cell as `type`, as parse_scalar does, and timestamps by `unit`; false when it is not
/// one.
///
/// Time    counts of seconds and milliseconds may have a fraction; it is rounded to microseconds.
bool read_cell(std::string_view text, const Type& type, TimeUnit unit, RowCell* cell);
/// A decimal as text, "12.30".
bool read_decimal(std::string_view text, const Type& type, RowCell* cell);
/// Append a cell that is not null to a builder of its type.
void append_cell(const RowCell& cell, ColumnBuilder* builder);
/// A value that is not null, of a type that is not nested; text views into it.
void set_cell(const Scalar& value, RowCell* cell);
/// False for a finite number that no float can hold.
inline bool fits_float32(double value) {
  constexpr double kEnd = 0x1.ffffffp127;  // from here on rounding gives infinity
  return value > -kEnd && value < kEnd;
}
/// A date as text, "2001-01-31".
bool read_date(std::string_view text, RowCell* cell);
/// A timestamp as text; false also outside years 0001 to 9999.
bool read_time_text(std::string_view text, RowCell* cell);
/// A timestamp as a count of `unit` since the epoch.
bool read_time_count(int64_t count, TimeUnit unit, RowCell* cell);
bool read_time_count(double count, TimeUnit unit, RowCell* cell);
/// RFC 4648 base64, with or without padding.
bool read_base64(std::string_view text, std::string* bytes);

/// Collects rows whose cells have all been read, and the rejects between them.
///
/// Threads one thread at a time.
class RowCollector {
 public:
  explicit RowCollector(const SchemaPtr& schema);
  /// So many records will come.
  void expect(std::size_t records) { record_of_row_.reserve(records); }
  /// All cells null again.
  void begin_row();
  RowCell& cell(std::size_t column) { return cells_[column]; }
  /// Append the row of record `record`, or reject it when a required column is null.
  void end_row(int64_t record);
  void reject(int64_t record, RejectReason reason, std::string_view column = {});
  Decoded finish();

 private:
  /// How values of a column wait before they go to its builder, many at a time.
  enum class Waiting { kNot, kWord, kFloat32, kFloat64, kText };
  struct Staged {
    Waiting as = Waiting::kNot;
    std::size_t width = 0;  // of words and floats
    bool is_required = false;
    bool any_null = false;
    std::vector<uint8_t> bytes;  // of text: as many as there are or more
    std::vector<uint8_t> is_null;
    std::vector<int32_t> ends;  // of text
    std::size_t text_bytes = 0;
  };

  void stage(const RowCell& cell, Staged* staged);
  void stage_text(const RowCell& cell, Staged* staged);
  static void flush_text(const Staged& staged, int64_t rows, ColumnBuilder* column);
  static void flush_words(const Staged& staged, int64_t rows, ColumnBuilder* column);
  void flush();

  SchemaPtr schema_;
  BatchBuilder builder_;
  std::vector<RowCell> cells_;
  std::vector<Staged> staged_;  // per column
  std::size_t staged_rows_ = 0;
  bool is_full_ = false;  // a column has as much text as may wait
  std::vector<int64_t> record_of_row_;
  Rejects rejects_;
};

}  // namespace assay::data
