#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "data/json_lines.h"

namespace assay::data {

/// How to read what a message without a schema does not say.
struct DebeziumOptions {
  bool decimals_are_text = false;  // `decimal.handling.mode: string`; else base64
};

/// Decode change events as Debezium writes them in JSON, with and without `schema`, into columns of
/// the row that they tell of.
///
/// Shape   a create, update or snapshot event gives its `after`, a delete its `before`, or what the
///         message's key says when there is none. A column whose name begins with two underscores
///         is read from beside the row, as Debezium's own flattening names it: `__op`, `__ts_ms`,
///         `__table`, `__lsn`, `__source_ts_ms`, `__deleted`. Tombstones and messages of the log
///         (`op` m) give nothing and count as skipped.
/// Time    counts of days, milliseconds, microseconds and nanoseconds are told by the schema; when
///         there is none, timestamps by the column's unit or a name that ends in _ms, _us or _ns,
///         and dates are counts of days.
/// Errors  none for bad records: kMalformed (no envelope), kUnsupported (truncate; a value that
///         Debezium left out because it had not changed), and those of JsonLinesDecoder.
/// Threads one decoder per thread; keeps its buffers between calls.
class DebeziumDecoder {
 public:
  DebeziumDecoder(DecodeOptions columns, DebeziumOptions options);
  ~DebeziumDecoder();
  DebeziumDecoder(DebeziumDecoder&&) noexcept;
  /// `keys`: of each record, as JSON; "" for none. May be empty. An empty record is a tombstone.
  Decoded decode(std::span<const std::string_view> records,
                 std::span<const std::string_view> keys = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace assay::data
