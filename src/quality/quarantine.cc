#include "quality/quarantine.h"

#include <cmath>
#include <utility>

#include "base/json_writer.h"

namespace assay::quality {
namespace {

using data::Type;

void append_hex(std::string_view bytes, std::string* text) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    text->push_back(kDigits[byte >> 4]);
    text->push_back(kDigits[byte & 15]);
  }
}

}  // namespace

data::SchemaPtr quarantine_schema() {
  return data::make_schema({{"source", Type::kString, false},
                            {"file", Type::kString, false},
                            {"position", Type::kInt64, false},
                            {"line", Type::kInt64, true},
                            {"stage", Type::kString, false},
                            {"reason", Type::kString, false},
                            {"column", Type::kString, false},
                            {"payload", Type::kBytes, false},
                            {"event_time", Type::kTimestamp, true},
                            {"known_time", Type::kTimestamp, false},
                            {"meta", Type::kString, true},
                            {"dt", Type::kDate, false}});
}

void QuarantineBuilder::add(const QuarantineRow& row) {
  int column = 0;
  builder_.column(column++).append_text(row.source);
  builder_.column(column++).append_text(row.file);
  builder_.column(column++).append(row.position);
  if (row.line) {
    builder_.column(column++).append(*row.line);
  } else {
    builder_.column(column++).append_null();
  }
  builder_.column(column++).append_text(row.stage);
  builder_.column(column++).append_text(data::reason_name(row.reason));
  builder_.column(column++).append_text(row.column);
  builder_.column(column++).append_text(row.payload);
  if (row.event_time) {
    builder_.column(column++).append(row.event_time->micros);
  } else {
    builder_.column(column++).append_null();
  }
  builder_.column(column++).append(row.known_time.micros);
  if (row.meta) {
    builder_.column(column++).append_text(*row.meta);
  } else {
    builder_.column(column++).append_null();
  }
  builder_.column(column).append(date_of(row.known_time));
}

void write_json_value(const data::Column& column, int64_t row, JsonWriter* json) {
  if (column.is_null(row)) {
    json->null();
    return;
  }
  const data::Scalar scalar = column.scalar(row);
  switch (column.type()) {
    case Type::kBool:
      json->boolean(std::get<bool>(scalar.value));
      return;
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
      json->integer(std::get<int64_t>(scalar.value));
      return;
    case Type::kFloat32:
    case Type::kFloat64: {
      const double value = std::get<double>(scalar.value);
      if (!std::isfinite(value)) {
        json->string(data::format_scalar(scalar));
      } else if (column.type() == Type::kFloat32) {
        json->number32(static_cast<float>(value));
      } else {
        json->number(value);
      }
      return;
    }
    case Type::kBytes: {
      std::string hex;
      append_hex(column.text(row), &hex);
      json->string(hex);
      return;
    }
    case Type::kString:
    case Type::kDate:
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      json->string(data::format_scalar(scalar));
      return;
    case Type::kDecimal:
      json->raw(data::format_scalar(scalar));
      return;
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      json->raw(data::format_scalar(scalar));
      return;
  }
}

std::string row_json(const data::Batch& batch, int64_t row) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  for (int index = 0; index < batch.column_count(); ++index) {
    json.key(batch.schema().field(index).name);
    write_json_value(batch.column(index), row, &json);
  }
  json.end_object();
  return text;
}

int32_t date_of(EventTime time) {
  return static_cast<int32_t>(floor_to(time.micros, kMicrosPerDay) / kMicrosPerDay);
}

}  // namespace assay::quality
