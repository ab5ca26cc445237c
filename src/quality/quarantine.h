#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "base/time.h"
#include "data/batch.h"
#include "data/reject.h"

// Quarantine tables of bronze and silver look alike. A row says what was refused, why, where it
// stands in its source, and holds the record as far as it may be stored.
//
//   source string | file string | position int64 | line int64? | stage string | reason string |
//   column string | payload bytes | event_time timestamp? | known_time timestamp | meta string? |
//   dt date (partition)

namespace assay::quality {

/// Columns of every quarantine table, in order.
data::SchemaPtr quarantine_schema();

/// One refused record.
struct QuarantineRow {
  std::string_view source;      // source of bronze, bronze table of silver
  std::string_view file;        // "" when there is none
  int64_t position = 0;         // ingest::Position::value, as in `sequence`
  std::optional<int64_t> line;  // of a text file, from 1
  std::string_view stage;       // "bronze" or "silver"
  data::RejectReason reason = data::RejectReason::kMalformed;
  std::string_view column;  // column or check; may be empty
  std::string_view payload;
  std::optional<EventTime> event_time;  // when it could be read
  EventTime known_time;                 // when the record was received; dt is its date
  std::optional<std::string> meta;      // what stood beside a record of a topic, as JSON
};

/// Collects refused records into a batch of quarantine_schema().
///
/// Threads one thread at a time.
class QuarantineBuilder {
 public:
  QuarantineBuilder() : builder_(quarantine_schema()) {}
  void add(const QuarantineRow& row);
  data::Batch finish() { return builder_.finish(); }

 private:
  data::BatchBuilder builder_;
};

/// One value as JSON: times as text, bytes in hexadecimal, NaN and infinities as text, since JSON
/// has no such numbers.
void write_json_value(const data::Column& column, int64_t row, JsonWriter* json);

/// One row as a JSON object in column order.
std::string row_json(const data::Batch& batch, int64_t row);

/// Days since the epoch of an instant, as a date column holds it.
int32_t date_of(EventTime time);

}  // namespace assay::quality
