#include "data/decode_row.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/time.h"

namespace assay::data {
namespace {

template <typename T>
bool read_number(std::string_view text, T* value) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') {
    text.remove_prefix(1);
  }
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, *value);
  return read.ec == std::errc() && read.ptr == end && !text.empty();
}

bool read_bool(std::string_view text, RowCell* cell) {
  const bool yes = text == "true" || text == "1" || text == "t" || text == "True" || text == "TRUE";
  const bool no =
      text == "false" || text == "0" || text == "f" || text == "False" || text == "FALSE";
  cell->integer = yes ? 1 : 0;
  return yes || no;
}

bool read_time(std::string_view text, TimeUnit unit, RowCell* cell) {
  if (unit == TimeUnit::kText) {
    return read_time_text(text, cell);
  }
  int64_t count = 0;
  if (read_number(text, &count)) {
    return read_time_count(count, unit, cell);
  }
  double fraction = 0;
  return read_number(text, &fraction) && read_time_count(fraction, unit, cell);
}

int64_t micros_of(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::kSeconds:
      return kMicrosPerSecond;
    case TimeUnit::kMillis:
      return 1000;
    case TimeUnit::kText:
    case TimeUnit::kMicros:
      break;
  }
  return 1;
}

bool set_time(int64_t micros, RowCell* cell) {
  cell->integer = micros;
  return micros >= kFirstInstant.micros && micros < kEndInstant.micros;
}

}  // namespace

bool read_cell(std::string_view text, const Type& type, TimeUnit unit, RowCell* cell) {
  cell->null = false;
  switch (type) {
    case Type::kBool:
      return read_bool(text, cell);
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
      return read_number(text, &cell->integer) && fits_integer(cell->integer, type);
    case Type::kFloat32: {
      float value = 0;
      const bool good = read_number(text, &value);
      cell->number = value;
      return good;
    }
    case Type::kFloat64:
      return read_number(text, &cell->number);
    case Type::kString:
    case Type::kBytes:
      cell->text = text;
      return true;
    case Type::kDate:
      return read_date(text, cell);
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      return read_time(text, unit, cell);
    case Type::kDecimal:
      return read_decimal(text, type, cell);
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      return false;
  }
  return false;
}

bool read_decimal(std::string_view text, const Type& type, RowCell* cell) {
  const std::optional<Int128> units = parse_decimal(text, type.precision(), type.scale());
  cell->integer = static_cast<int64_t>(units.value_or(0));
  cell->high = static_cast<int64_t>(units.value_or(0) >> 64);
  return units.has_value();
}

void set_cell(const Scalar& value, RowCell* cell) {
  cell->null = false;
  if (const auto* flag = std::get_if<bool>(&value.value)) {
    cell->integer = *flag ? 1 : 0;
  } else if (const auto* integer = std::get_if<int64_t>(&value.value)) {
    cell->integer = *integer;
  } else if (const auto* number = std::get_if<double>(&value.value)) {
    cell->number = *number;
  } else if (const auto* text = std::get_if<std::string>(&value.value)) {
    cell->text = *text;
  } else if (const auto* units = std::get_if<Int128>(&value.value)) {
    cell->integer = static_cast<int64_t>(*units);
    cell->high = static_cast<int64_t>(*units >> 64);
  }
}

bool read_date(std::string_view text, RowCell* cell) {
  EventTime time;
  if (!try_parse_time(text, &time) || time.micros % kMicrosPerDay != 0) {
    return false;
  }
  cell->integer = time.micros / kMicrosPerDay;
  return true;
}

bool read_time_text(std::string_view text, RowCell* cell) {
  EventTime time;
  return try_parse_time(text, &time) && set_time(time.micros, cell);
}

bool read_time_count(int64_t count, TimeUnit unit, RowCell* cell) {
  int64_t micros = 0;
  return !__builtin_mul_overflow(count, micros_of(unit), &micros) && set_time(micros, cell);
}

bool read_time_count(double count, TimeUnit unit, RowCell* cell) {
  const double micros = std::round(count * static_cast<double>(micros_of(unit)));
  const bool whole = unit != TimeUnit::kMicros || micros == count;
  // 1e18 microseconds are beyond the year 9999; NaN compares false.
  return whole && std::fabs(micros) < 1e18 && set_time(static_cast<int64_t>(micros), cell);
}

bool read_base64(std::string_view text, std::string* bytes) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 == 0) {
    for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) {
      text.remove_suffix(1);
    }
  }
  if (text.size() % 4 == 1) {
    return false;
  }
  bytes->clear();
  bytes->reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) {
      return false;
    }
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes->push_back(static_cast<char>((bits >> count) & 0xff));
    }
  }
  return (bits & ((1U << count) - 1)) == 0;  // bits that no byte holds must be zero
}

void append_cell(const RowCell& cell, ColumnBuilder* builder) {
  ColumnBuilder& column = *builder;
  switch (column.type()) {
    case Type::kBool:
      column.append(static_cast<uint8_t>(cell.integer));
      break;
    case Type::kInt8:
      column.append(static_cast<int8_t>(cell.integer));
      break;
    case Type::kInt16:
      column.append(static_cast<int16_t>(cell.integer));
      break;
    case Type::kInt32:
    case Type::kDate:
      column.append(static_cast<int32_t>(cell.integer));
      break;
    case Type::kInt64:
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      column.append(cell.integer);
      break;
    case Type::kDecimal:
      column.append((Int128{cell.high} << 64) | static_cast<uint64_t>(cell.integer));
      break;
    case Type::kFloat32:
      column.append(static_cast<float>(cell.number));
      break;
    case Type::kFloat64:
      column.append(cell.number);
      break;
    case Type::kString:
    case Type::kBytes:
      column.append_text(cell.text);
      break;
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      column.append_from(*cell.nested, 0);
      break;
  }
}

namespace {

constexpr std::size_t kStagedRows = 256;
constexpr std::size_t kStagedTextBytes = std::size_t{64} << 10;

}  // namespace

RowCollector::RowCollector(const SchemaPtr& schema)
    : schema_(schema), builder_(schema), cells_(static_cast<std::size_t>(schema->size())) {
  for (const Field& field : schema->fields()) {
    Staged& staged = staged_.emplace_back();
    const auto width = static_cast<std::size_t>(value_width(field.type));
    staged.is_required = !field.nullable;
    if (is_text(field.type)) {
      staged.as = Waiting::kText;
      staged.ends.resize(kStagedRows);
    } else if (width == 0 || width > sizeof(int64_t)) {
      continue;
    } else if (field.type == Type::kFloat64) {
      staged.as = Waiting::kFloat64;
    } else {
      staged.as = field.type == Type::kFloat32 ? Waiting::kFloat32 : Waiting::kWord;
    }
    staged.width = width;
    staged.bytes.resize(width * kStagedRows);
    staged.is_null.resize(kStagedRows);
  }
}

void RowCollector::begin_row() {
  for (RowCell& cell : cells_) {
    cell.null = true;
  }
}

void RowCollector::end_row(int64_t record) {
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    if (cells_[i].null && staged_[i].is_required) {
      reject(record, RejectReason::kMissingRequired, schema_->field(static_cast<int>(i)).name);
      return;
    }
  }
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    if (staged_[i].as == Waiting::kText) {
      stage_text(cells_[i], &staged_[i]);
    } else if (staged_[i].as != Waiting::kNot) {
      stage(cells_[i], &staged_[i]);
    } else if (cells_[i].null) {
      builder_.column(static_cast<int>(i)).append_null();
    } else {
      append_cell(cells_[i], &builder_.column(static_cast<int>(i)));
    }
  }
  if (++staged_rows_ == kStagedRows || is_full_) {
    flush();
  }
  record_of_row_.push_back(record);
}

void RowCollector::stage(const RowCell& cell, Staged* staged) {
  int64_t word = cell.null ? 0 : cell.integer;  // its low bytes are the value
  if (staged->as == Waiting::kFloat64) {
    word = cell.null ? 0 : std::bit_cast<int64_t>(cell.number);
  } else if (staged->as == Waiting::kFloat32) {
    word = cell.null ? 0 : std::bit_cast<int32_t>(static_cast<float>(cell.number));
  }
  const auto put = [&](auto value) {
    std::memcpy(staged->bytes.data() + staged_rows_ * sizeof(value), &value, sizeof(value));
  };
  switch (staged->width) {
    case sizeof(int64_t):
      put(word);
      break;
    case sizeof(int32_t):
      put(static_cast<int32_t>(word));
      break;
    case sizeof(int16_t):
      put(static_cast<int16_t>(word));
      break;
    default:
      put(static_cast<int8_t>(word));
  }
  staged->is_null[staged_rows_] = cell.null ? 1 : 0;
  staged->any_null = staged->any_null || cell.null;
}

void RowCollector::stage_text(const RowCell& cell, Staged* staged) {
  const std::string_view text = cell.null ? std::string_view() : cell.text;
  const std::size_t end = staged->text_bytes + text.size();
  if (end > staged->bytes.size()) {
    staged->bytes.resize(end + end / 2);
  }
  if (!text.empty()) {
    std::memcpy(staged->bytes.data() + staged->text_bytes, text.data(), text.size());
  }
  staged->text_bytes = end;
  ASSAY_CHECK(end <= INT32_MAX);
  staged->ends[staged_rows_] = static_cast<int32_t>(end);
  staged->is_null[staged_rows_] = cell.null ? 1 : 0;
  staged->any_null = staged->any_null || cell.null;
  is_full_ = is_full_ || end >= kStagedTextBytes;
}

void RowCollector::flush() {
  const auto rows = static_cast<int64_t>(staged_rows_);
  for (std::size_t i = 0; i < staged_.size(); ++i) {
    Staged& staged = staged_[i];
    ColumnBuilder& column = builder_.column(static_cast<int>(i));
    if (staged.as == Waiting::kText) {
      flush_text(staged, rows, &column);
    } else if (staged.as != Waiting::kNot) {
      flush_words(staged, rows, &column);
    }
    staged.any_null = false;
    staged.text_bytes = 0;
  }
  staged_rows_ = 0;
  is_full_ = false;
}

void RowCollector::flush_text(const Staged& staged, int64_t rows, ColumnBuilder* column) {
  const auto* text = reinterpret_cast<const char*>(staged.bytes.data());
  if (staged.any_null) {
    int32_t begin = 0;
    for (int64_t row = 0; row < rows; ++row) {
      const auto at = static_cast<std::size_t>(row);
      const int32_t end = staged.ends[at];
      if (staged.is_null[at] != 0) {
        column->append_null();
      } else {
        column->append_text({text + begin, static_cast<std::size_t>(end - begin)});
      }
      begin = end;
    }
    return;
  }
  const ColumnBuilder::TextRoom room = column->append_texts(rows, staged.text_bytes);
  std::copy(text, text + staged.text_bytes, room.bytes);
  for (int64_t row = 0; row < rows; ++row) {
    room.ends[row] = room.begin + staged.ends[static_cast<std::size_t>(row)];
  }
}

void RowCollector::flush_words(const Staged& staged, int64_t rows, ColumnBuilder* column) {
  const auto append = [&](auto sample) {
    const auto* values = reinterpret_cast<const decltype(sample)*>(staged.bytes.data());
    if (staged.any_null) {
      column->append_block(values, staged.is_null.data(), rows);
    } else {
      column->append_block(values, rows);
    }
  };
  switch (staged.width) {
    case sizeof(int64_t):
      append(int64_t{});
      break;
    case sizeof(int32_t):
      append(int32_t{});
      break;
    case sizeof(int16_t):
      append(int16_t{});
      break;
    default:
      append(uint8_t{});
  }
}

void RowCollector::reject(int64_t record, RejectReason reason, std::string_view column) {
  rejects_.push_back({record, reason, std::string(column)});
}

Decoded RowCollector::finish() {
  flush();
  Decoded decoded;
  decoded.rows = builder_.finish();
  decoded.record_of_row = std::move(record_of_row_);
  decoded.rejects = std::move(rejects_);
  return decoded;
}

}  // namespace assay::data
