#include "lake/partition_split.h"

#include <algorithm>

#include "base/time.h"

namespace assay::lake {
namespace {

using data::Column;
using data::Type;

/// Mark the rows whose value is another one than that of the row before. The value under a null is
/// zero, or empty text.
template <typename Value>
void mark_changes(std::span<const Value> values, std::vector<uint8_t>& marks) {
  for (std::size_t row = 1; row < values.size(); ++row) {
    marks[row] = static_cast<uint8_t>(marks[row] | (values[row] != values[row - 1] ? 1 : 0));
  }
}

void mark_changes(const Column& column, std::vector<uint8_t>& marks) {
  for (int64_t row = 1; row < column.size() && column.null_count() != 0; ++row) {
    if (column.is_null(row) != column.is_null(row - 1)) {
      marks[static_cast<std::size_t>(row)] = 1;
    }
  }
  switch (column.type()) {
    case Type::kBool:
      return mark_changes(column.values<uint8_t>(), marks);
    case Type::kInt8:
      return mark_changes(column.values<int8_t>(), marks);
    case Type::kInt16:
      return mark_changes(column.values<int16_t>(), marks);
    case Type::kInt32:
    case Type::kDate:
      return mark_changes(column.values<int32_t>(), marks);
    case Type::kDecimal:
      return mark_changes(column.values<data::Int128>(), marks);
    case Type::kString:
      for (int64_t row = 1; row < column.size(); ++row) {
        if (column.text(row) != column.text(row - 1)) {
          marks[static_cast<std::size_t>(row)] = 1;
        }
      }
      return;
    default:
      return mark_changes(column.values<int64_t>(), marks);
  }
}

bool is_absent(const Column& column, int64_t row) {
  return column.is_null(row) || (column.type() == Type::kString && column.text(row).empty());
}

/// Bytes that differ where values do.
void append_key(const Column& column, int64_t row, std::string& key) {
  key.push_back(is_absent(column, row) ? '\0' : '\1');
  if (column.type() == Type::kString) {
    const auto size = static_cast<uint32_t>(column.text(row).size());
    key.append(reinterpret_cast<const char*>(&size), sizeof size);
    key.append(column.text(row));
  } else {
    const auto width = static_cast<std::size_t>(data::value_width(column.type()));
    const auto* values = reinterpret_cast<const char*>(column.value_buffer().data());
    key.append(values + static_cast<std::size_t>(row) * width, width);
  }
}

/// "2026-01-01 10:00:00.123456", with as many digits as thousands of microseconds need.
std::string timestamp_text(EventTime time) {
  std::string text = format_time(time);
  std::replace(text.begin(), text.end(), 'T', ' ');
  text.pop_back();
  return text;
}

}  // namespace

Result<std::optional<std::string>> partition_text(const Column& column, int64_t row) {
  if (is_absent(column, row)) {
    return std::optional<std::string>();
  }
  if (column.type() != Type::kDate && column.type() != Type::kTimestamp) {
    return std::optional(data::format_scalar(column.scalar(row)));
  }
  const bool is_date = column.type() == Type::kDate;
  const int64_t unit = is_date ? kMicrosPerDay : 1;
  const int64_t value = column.integer(row);
  if (value < kFirstInstant.micros / unit || value >= kEndInstant.micros / unit) {
    return Status(Code::kInvalidArgument, "a value outside years 0001 to 9999");
  }
  const EventTime time{value * unit};
  return std::optional(is_date ? format_date(time) : timestamp_text(time));
}

bool PartitionSplit::takes(const Type& type) {
  return data::is_integer(type) || type == Type::kBool || type == Type::kDate ||
         type == Type::kTimestamp || type == Type::kDecimal || type == Type::kString;
}

Result<std::span<const uint32_t>> PartitionSplit::number(const data::Batch& rows) {
  find_runs(rows);
  of_rows_.resize(begins_run_.size());
  for (std::size_t row = 0; row < of_rows_.size(); ++row) {
    if (begins_run_[row] == 0) {
      of_rows_[row] = of_rows_[row - 1];
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(of_rows_[row], number_of(rows, static_cast<int64_t>(row)));
  }
  return std::span<const uint32_t>(of_rows_);
}

void PartitionSplit::find_runs(const data::Batch& rows) {
  begins_run_.assign(static_cast<std::size_t>(rows.rows()), 0);
  if (!begins_run_.empty()) {
    begins_run_.front() = 1;
  }
  for (const std::string& name : columns_) {
    mark_changes(*rows.find(name), begins_run_);
  }
}

Result<uint32_t> PartitionSplit::number_of(const data::Batch& rows, int64_t row) {
  key_.clear();
  for (const std::string& name : columns_) {
    append_key(*rows.find(name), row, key_);
  }
  const auto known = numbers_.find(key_);
  if (known != numbers_.end()) {
    return known->second;
  }
  PartitionValues values;
  for (const std::string& name : columns_) {
    Result<std::optional<std::string>> text = partition_text(*rows.find(name), row);
    if (!text.ok()) {
      return text.status().with_context("partition column `" + name + "`");
    }
    if (!*text && !rows.schema().field(*rows.schema().find(name)).nullable) {
      return Status(
          Code::kInvalidArgument,
          "a null or empty text in partition column `" + name + "`, which is declared not null");
    }
    values[name] = *std::move(text);
  }
  const auto number = static_cast<uint32_t>(values_.size());
  values_.push_back(std::move(values));
  numbers_.emplace(key_, number);
  return number;
}

}  // namespace assay::lake
