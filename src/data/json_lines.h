#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/batch.h"
#include "data/reject.h"
#include "data/scalar.h"

namespace assay::data {

/// How to read the text of a timestamp column; numbers are counted in `unit`.
enum class TimeUnit { kText, kSeconds, kMillis, kMicros };

/// What a decoder makes of each column of the declared schema.
struct DecodeOptions {
  SchemaPtr schema;                     // declared columns; non-nullable ones are required
  std::vector<TimeUnit> time_units;     // one per column; looked at for kTimestamp only
  std::vector<std::string> null_texts;  // CSV cells that mean null, besides the empty one
  std::vector<std::vector<std::string>>
      column_null_texts;                          // the same for one column each; may be empty
  bool reals_may_be_text = false;                 // JSON: "NaN" and "1.5" are floats
  std::vector<std::optional<Scalar>> defaults{};  // JSON: of absent members; may be empty
  bool only_by_tree = false;  // JSON: without the short way; for tests, the rows are the same
};

/// Rows that could be read, and which records could not.
struct Decoded {
  Batch rows;                          // good records only, in order
  std::vector<int64_t> record_of_row;  // record index of each row
  Rejects rejects;                     // Reject::row is the record index
  int64_t skipped = 0;                 // records that say nothing, such as a topic's tombstones
};

/// Decode JSON objects, one a record. Unknown members are ignored; absent ones are null; of members
/// of one name the last counts. The whole record must be JSON, also the members that are ignored.
///
/// Shape   integers take numbers without fraction or exponent (1.0 is not one), floats take any
/// number,
///         strings take strings and, as JSON text, objects and arrays; bytes take base64; dates
///         take text; timestamps take text, or numbers when they have a unit. Nothing else is
///         converted: digits in a string are no number.
/// Errors  none for bad records: they are rejected with kMalformed, kInvalidUtf8, kWrongType,
///         kMissingRequired. Threads one decoder per thread; keeps its buffers between calls.
class JsonLinesDecoder {
 public:
  explicit JsonLinesDecoder(DecodeOptions options);
  ~JsonLinesDecoder();
  JsonLinesDecoder(JsonLinesDecoder&&) noexcept;
  Decoded decode(std::span<const std::string_view> records);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace assay::data
