#include "lake/file_statistics.h"

#include "base/json_writer.h"
#include "base/time.h"
#include "data/utf8.h"
#include "lake/statistics.h"

namespace assay::lake {
namespace {

using data::ColumnBounds;
using data::Scalar;
using data::Type;

std::string text_bound(const std::string& text, bool is_min) {
  std::string bound;
  if (data::is_utf8(text)) {
    append_text_bound(bound, text, is_min);
  }
  return bound;
}

Result<std::string> instant_bound(const Scalar& bound, bool is_min) {
  const bool is_date = bound.type == Type::kDate;
  const int64_t unit = is_date ? kMicrosPerDay : 1;
  const int64_t value = std::get<int64_t>(bound.value);
  if (value < kFirstInstant.micros / unit || value >= kEndInstant.micros / unit) {
    return Status(Code::kInvalidArgument, "a value outside years 0001 to 9999");
  }
  return is_date ? '"' + format_date({value * unit}) + '"' : timestamp_bound(value, is_min);
}

/// A JSON value; "" for none.
Result<std::string> json_bound(const Scalar& bound, bool is_min) {
  switch (bound.type) {
    case Type::kBool:
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
      return data::format_scalar(bound);
    case Type::kFloat32:
    case Type::kFloat64:
      return float_bound(std::get<double>(bound.value), is_min);
    case Type::kString:
      return text_bound(std::get<std::string>(bound.value), is_min);
    case Type::kDate:
    case Type::kTimestamp:
      return instant_bound(bound, is_min);
    case Type::kDecimal:
      return decimal_bound(data::format_scalar(bound), is_min);
    default:
      return std::string();  // readers do not skip files by these columns
  }
}

}  // namespace

Result<std::string> file_statistics_json(const data::Schema& schema,
                                         const data::ParquetFile& file) {
  std::string mins;
  std::string maxs;
  std::string nulls;
  JsonWriter min_json(mins);
  JsonWriter max_json(maxs);
  JsonWriter null_json(nulls);
  for (int column = 0; column < schema.size(); ++column) {
    const data::Field& field = schema.field(column);
    const ColumnBounds& bounds = file.bounds(column);
    const std::string where = "column `" + field.name + "`";
    if (!field.nullable && bounds.null_count != 0) {
      return Status(Code::kInvalidArgument, where + ": a null, which it is declared not to hold");
    }
    if (bounds.min && bounds.max) {
      Result<std::string> min = json_bound(*bounds.min, true);
      Result<std::string> max = json_bound(*bounds.max, false);
      ASSAY_RETURN_IF_ERROR(min.status().with_context(where));
      ASSAY_RETURN_IF_ERROR(max.status().with_context(where));
      if (!min->empty() && !max->empty()) {
        min_json.key(field.name);
        min_json.raw(*min);
        max_json.key(field.name);
        max_json.raw(bounds.has_nan ? "\"NaN\"" : *max);
      }
    }
    null_json.key(field.name);
    null_json.integer(bounds.null_count);
  }
  return "{\"numRecords\":" + std::to_string(file.rows()) + ",\"minValues\":{" + mins +
         "},\"maxValues\":{" + maxs + "},\"nullCount\":{" + nulls + "}}";
}

}  // namespace assay::lake
