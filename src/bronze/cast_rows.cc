#include "bronze/cast_rows.h"

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "data/scalar.h"

namespace assay::bronze {
namespace {

using data::RejectReason;
using data::Scalar;
using data::TimeUnit;
using data::Type;

bool is_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto lead = static_cast<uint8_t>(text[at]);
    const int length = lead < 0x80   ? 1
                       : lead < 0xc2 ? 0
                       : lead < 0xe0 ? 2
                       : lead < 0xf0 ? 3
                       : lead < 0xf5 ? 4
                                     : 0;
    if (length == 0 || text.size() - at < static_cast<std::size_t>(length)) {
      return false;
    }
    for (int index = 1; index < length; ++index) {
      if ((static_cast<uint8_t>(text[at + static_cast<std::size_t>(index)]) & 0xc0) != 0x80) {
        return false;
      }
    }
    const auto second = length > 1 ? static_cast<uint8_t>(text[at + 1]) : uint8_t{0};
    const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
    const bool beyond = (lead == 0xed && second > 0x9f) || (lead == 0xf4 && second > 0x8f);
    if (overlong || beyond) {
      return false;
    }
    at += static_cast<std::size_t>(length);
  }
  return true;
}

bool in_time_range(int64_t micros) {
  return micros >= kFirstInstant.micros && micros < kEndInstant.micros;
}

std::optional<Scalar> text_as(const std::string& text, const Type& type, TimeUnit unit);

std::optional<Scalar> integer_as(int64_t value, const Type& type, TimeUnit unit) {
  switch (type) {
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
      return data::fits_integer(value, type) ? std::optional<Scalar>(Scalar{type, value})
                                             : std::nullopt;
    case Type::kFloat32:
      return Scalar{type, static_cast<double>(static_cast<float>(value))};
    case Type::kFloat64:
      return Scalar{type, static_cast<double>(value)};
    case Type::kDecimal:
      return text_as(std::to_string(value), type, unit);
    case Type::kTimestamp:
    case Type::kTimestampNtz: {
      const int64_t scale = unit == TimeUnit::kSeconds  ? kMicrosPerSecond
                            : unit == TimeUnit::kMillis ? 1'000
                            : unit == TimeUnit::kMicros ? 1
                                                        : 0;
      int64_t micros = 0;
      if (scale == 0 || __builtin_mul_overflow(value, scale, &micros) || !in_time_range(micros)) {
        return std::nullopt;
      }
      return Scalar{type, micros};
    }
    default:
      return std::nullopt;
  }
}

std::optional<Scalar> floating_as(double value, const Type& type, TimeUnit unit) {
  if (type == Type::kFloat64) {
    return Scalar{type, value};
  }
  if (type == Type::kFloat32) {
    const bool fits =
        !std::isfinite(value) || std::fabs(value) <= std::numeric_limits<float>::max();
    return fits
               ? std::optional<Scalar>(Scalar{type, static_cast<double>(static_cast<float>(value))})
               : std::nullopt;
  }
  if (type == Type::kDecimal) {
    return text_as(data::format_scalar({Type::kFloat64, value}), type, unit);
  }
  const bool is_whole =
      std::isfinite(value) && value == std::floor(value) && std::fabs(value) < 9.2e18;
  return is_whole ? integer_as(static_cast<int64_t>(value), type, unit) : std::nullopt;
}

std::optional<Scalar> text_as(const std::string& text, const Type& type, TimeUnit unit) {
  if (data::is_time(type) && unit != TimeUnit::kText) {
    const Result<Scalar> number = data::parse_scalar(text, Type::kInt64);
    return number.ok() ? integer_as(std::get<int64_t>(number->value), type, unit) : std::nullopt;
  }
  Result<Scalar> value = data::parse_scalar(text, type);
  return value.ok() ? std::optional<Scalar>(std::move(value).value()) : std::nullopt;
}

std::optional<Scalar> day_as(int64_t day, const Type& type) {
  if (!data::is_time(type) || day > kEndInstant.micros / kMicrosPerDay ||
      day < kFirstInstant.micros / kMicrosPerDay) {
    return std::nullopt;
  }
  return Scalar{type, day * kMicrosPerDay};
}

/// `value`, not null, as a value of `type`; nothing when it is none.
std::optional<Scalar> value_as(const Scalar& value, const Type& type, TimeUnit unit) {
  if (value.type == type) {
    return !data::is_time(type) || in_time_range(std::get<int64_t>(value.value))
               ? std::optional<Scalar>(value)
               : std::nullopt;
  }
  if (data::is_text(type)) {
    return Scalar{type, data::format_scalar(value)};
  }
  switch (value.type) {
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
      return integer_as(std::get<int64_t>(value.value), type, unit);
    case Type::kFloat32:
    case Type::kFloat64:
      return floating_as(std::get<double>(value.value), type, unit);
    case Type::kString:
      return text_as(std::get<std::string>(value.value), type, unit);
    case Type::kDate:
      return day_as(std::get<int64_t>(value.value), type);
    case Type::kDecimal:
      return text_as(data::format_scalar(value), type, unit);
    case Type::kTimestamp:
    case Type::kTimestampNtz: {
      const int64_t micros = std::get<int64_t>(value.value);
      if (data::is_time(type)) {
        return in_time_range(micros) ? std::optional<Scalar>(Scalar{type, micros}) : std::nullopt;
      }
      const bool is_midnight = type == Type::kDate && floor_to(micros, kMicrosPerDay) == micros;
      return is_midnight ? std::optional<Scalar>(Scalar{type, micros / kMicrosPerDay})
                         : std::nullopt;
    }
    case Type::kBool:
    case Type::kBytes:
      return std::nullopt;
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:  // elements of other widths, lists of the declared length: by way of JSON
      return data::is_nested(type) ? text_as(data::format_scalar(value), type, unit) : std::nullopt;
  }
  return std::nullopt;
}

/// First failure of each row, in column order.
using Failures = std::vector<std::optional<data::Reject>>;

void fail(Failures* failures, int64_t row, RejectReason reason, const std::string& column) {
  std::optional<data::Reject>& failure = (*failures)[static_cast<std::size_t>(row)];
  if (!failure) {
    failure = data::Reject{row, reason, column};
  }
}

void require(const data::Field& field, const data::Column& column, Failures* failures) {
  if (field.nullable || column.null_count() == 0) {
    return;
  }
  for (int64_t row = 0; row < column.size(); ++row) {
    if (column.is_null(row)) {
      fail(failures, row, RejectReason::kMissingRequired, field.name);
    }
  }
}

data::ColumnPtr cast_column(const data::Field& field,
                            TimeUnit unit,
                            const data::Column& column,
                            Failures* failures) {
  data::ColumnBuilder builder(field.type);
  builder.reserve(column.size());
  for (int64_t row = 0; row < column.size(); ++row) {
    if (column.is_null(row)) {
      builder.append_null();
      continue;
    }
    const std::optional<Scalar> value = value_as(column.scalar(row), field.type, unit);
    if (!value) {
      fail(failures, row, RejectReason::kWrongType, field.name);
      builder.append_null();
    } else if (field.type == Type::kString && !is_utf8(std::get<std::string>(value->value))) {
      fail(failures, row, RejectReason::kInvalidUtf8, field.name);
      builder.append_null();
    } else {
      builder.append_scalar(*value);
    }
  }
  return builder.finish();
}

bool needs_no_cast(const Type& from, const Type& to) {
  return from == to && to != Type::kString && !data::is_time(to);
}

}  // namespace

data::Decoded cast_rows(const data::DecodeOptions& options, const data::Batch& rows) {
  Failures failures(static_cast<std::size_t>(rows.rows()));
  std::vector<data::ColumnPtr> columns;
  for (int index = 0; index < options.schema->size(); ++index) {
    const data::Field& field = options.schema->field(index);
    const TimeUnit unit = options.time_units.empty()
                              ? TimeUnit::kText
                              : options.time_units.at(static_cast<std::size_t>(index));
    const std::optional<int> found = rows.schema().find(field.name);
    data::ColumnPtr column;
    if (!found) {
      column = data::constant_column(Scalar::null(field.type), rows.rows());
      require(field, *column, &failures);
    } else {
      require(field, rows.column(*found), &failures);
      column = needs_no_cast(rows.column(*found).type(), field.type)
                   ? rows.column_ptr(*found)
                   : cast_column(field, unit, rows.column(*found), &failures);
    }
    columns.push_back(std::move(column));
  }
  data::Decoded decoded;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    std::optional<data::Reject>& failure = failures[static_cast<std::size_t>(row)];
    if (failure) {
      decoded.rejects.push_back(*std::move(failure));
    } else {
      decoded.record_of_row.push_back(row);
    }
  }
  const data::Batch all(options.schema, std::move(columns), rows.rows());
  decoded.rows = decoded.rejects.empty() ? all : all.take(decoded.record_of_row);
  return decoded;
}

}  // namespace assay::bronze
