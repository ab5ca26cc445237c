#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "catalog/definitions.h"
#include "data/batch.h"

// The contract between ingest and bronze: records with a position that can be resumed.

namespace assay::ingest {

/// Where a record stands in its source: files are numbered in the order they were found, records
/// within a file from 0. Grows with reading order; `next` is the position after a record.
struct Position {
  int64_t value = 0;  // file ordinal * 2^32 + record number
  auto operator<=>(const Position&) const = default;
  static Position of(int64_t file_ordinal, int64_t record) {
    return {(file_ordinal << 32) | record};
  }
  [[nodiscard]] int64_t file_ordinal() const { return value >> 32; }
  [[nodiscard]] int64_t record() const { return value & 0xffff'ffff; }
};

/// Records of one file, in order, as their source wrote them.
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
  std::shared_ptr<const std::string> bytes;
  std::vector<std::string_view> records;
  std::vector<int64_t> lines;
  std::vector<bool> oversized;      // per record; empty when none: the record was cut at the limit
  std::vector<std::string> header;  // CSV
  data::Batch rows;                 // Parquet

  [[nodiscard]] int64_t size() const {
    return format == catalog::Format::kParquet ? rows.rows() : static_cast<int64_t>(records.size());
  }
};

}  // namespace assay::ingest
