#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/batch.h"
#include "lake/delta_table.h"

namespace assay::lake {

/// The text that the log has of a value in a partition column; nothing for null.
///
/// Nulls   an empty text is null: readers disagree on anything else.
/// Errors  kInvalidArgument: a date or timestamp outside years 0001 to 9999.
Result<std::optional<std::string>> partition_text(const data::Column& column, int64_t row);

/// Tells which partition each row belongs to, over many batches of one schema.
///
/// Nulls   an empty text is null: readers disagree on anything else.
/// Threads one thread at a time.
class PartitionSplit {
 public:
  /// No columns: one partition. Types are those that can partition a table.
  explicit PartitionSplit(const std::vector<std::string>& columns) : columns_(columns) {}
  /// Can a column of this type partition a table?
  static bool takes(const data::Type& type);

  /// Number of each row's partition. Numbers are given in order of first appearance.
  ///
  /// Errors  kInvalidArgument: a date or timestamp outside years 0001 to 9999, or a null in a
  ///         column that is declared not null.
  Result<std::span<const uint32_t>> number(const data::Batch& rows);
  /// What the log says of a partition that was given a number.
  [[nodiscard]] const PartitionValues& values(uint32_t partition) const {
    return values_.at(partition);
  }
  [[nodiscard]] std::size_t size() const { return values_.size(); }

 private:
  void find_runs(const data::Batch& rows);
  Result<uint32_t> number_of(const data::Batch& rows, int64_t row);

  std::vector<std::string> columns_;
  std::vector<PartitionValues> values_;
  std::unordered_map<std::string, uint32_t> numbers_;  // by the bytes of a row's values
  std::string key_;
  std::vector<uint8_t> begins_run_;
  std::vector<uint32_t> of_rows_;
};

}  // namespace assay::lake
