#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "catalog/definitions.h"
#include "data/batch.h"
#include "data/wire_schema.h"

// The contract between ingest and bronze: records with a position that can be resumed.
//
// A source is cut into parts, numbered in the order they were found: a file, or a partition of a
// topic. Within a part records are numbered in the order they stand there. Files are read one after
// the other, so one position says how far a source was read; partitions are read side by side, and
// each has a position of its own.

namespace assay::ingest {

/// The column of RecordBatch::meta with a key's own bytes, where its text is made from them.
inline constexpr char kRawKey[] = "raw_key";

/// Where a record stands in its source. Of files it grows with reading order, of partitions within
/// each; the position after a record is the next number.
struct Position {
  int64_t value = 0;  // part's ordinal * 2^32 + record number
  auto operator<=>(const Position&) const = default;
  static Position of(int64_t file_ordinal, int64_t record) {
    return {(file_ordinal << 32) | record};
  }
  [[nodiscard]] int64_t file_ordinal() const { return value >> 32; }
  [[nodiscard]] int64_t record() const { return value & 0xffff'ffff; }
};

/// Records of one file, or of several partitions, as their source wrote them, by position.
///
/// Text formats: `records` view into `bytes`, one per record, `lines` gives the line number of
/// each. Parquet: `rows` holds the file's own columns and `records` is empty.
struct RecordBatch {
  std::string source;
  std::string file;  // as listed, for messages and quarantine
  catalog::Format format = catalog::Format::kCsv;
  Position first;      // of record 0; record i stands at first.value + i
  Position end;        // the position after this batch, where reading goes on
  EventTime received;  // when we read it
  std::shared_ptr<const void> memory;  // what the records look into
  std::vector<std::string_view> records;
  std::vector<int64_t> lines;
  std::vector<bool> oversized;      // per record; empty when none: the record was cut at the limit
  std::vector<std::string> header;  // CSV
  data::Batch rows;                 // Parquet

  // Of partitions; else empty.
  std::vector<int64_t> positions;  // of each record, ascending
  std::vector<std::string> parts;  // "topic/3": what the records came from
  std::vector<uint32_t> part_of;   // per record: index into parts
  std::map<int64_t, int64_t>
      part_end;                   // by part's ordinal: the position after what was taken of it
  data::Batch meta;               // what came beside the values: catalog::kKafkaColumns
  std::vector<bool> null_values;  // per record: it has a key and no value; empty when none
  /// By number, the schemas that these records name; a null one is not known to the registry.
  std::map<int32_t, std::shared_ptr<const data::WireSchema>> schemas;

  /// Position of record i.
  [[nodiscard]] int64_t position_of(int64_t i) const {
    return positions.empty() ? first.value + i : positions[static_cast<std::size_t>(i)];
  }
  /// The file or part that record i came from.
  [[nodiscard]] const std::string& part_name(int64_t i) const {
    return parts.empty() ? file : parts[part_of[static_cast<std::size_t>(i)]];
  }
  [[nodiscard]] int64_t size() const {
    return format == catalog::Format::kParquet ? rows.rows() : static_cast<int64_t>(records.size());
  }
};

/// Some of the records of a batch from partitions, by index, ascending by position; the memory is
/// shared. `part_end` is left empty.
RecordBatch select_records(const RecordBatch& batch, const std::vector<int64_t>& records);

}  // namespace assay::ingest
