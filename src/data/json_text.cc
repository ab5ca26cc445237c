#include "data/json_text.h"

#include <algorithm>
#include <cmath>

#include "base/json_writer.h"
#include "data/schema.h"

namespace assay::data {
namespace {

class ValueWriter {
 public:
  ValueWriter(std::string& out, JsonNonFinite non_finite) : json_(out), non_finite_(non_finite) {}

  void write(const Column& column, int64_t row) {
    if (column.is_null(row)) {
      json_.null();
      return;
    }
    switch (column.type()) {
      case Type::kList:
      case Type::kArray:
        return write_list(column, row);
      case Type::kStruct:
        return write_struct(column, row);
      case Type::kMap:
        return write_map(column, row);
      default:
        return write_leaf(column, row);
    }
  }

 private:
  void write_list(const Column& column, int64_t row) {
    json_.begin_array();
    const ElementRange range = column.elements(row);
    for (int64_t element = range.begin; element < range.end; ++element) {
      write(column.child(0), element);
    }
    json_.end_array();
  }

  void write_struct(const Column& column, int64_t row) {
    json_.begin_object();
    for (int i = 0; i < column.child_count(); ++i) {
      json_.key(column.type().children()[static_cast<std::size_t>(i)].name);
      write(column.child(i), row);
    }
    json_.end_object();
  }

  void write_map(const Column& column, int64_t row) {
    const Column& entries = column.child(0);
    const ElementRange range = column.elements(row);
    json_.begin_object();
    for (int64_t entry = range.begin; entry < range.end; ++entry) {
      json_.key(format_scalar(entries.child(0).scalar(entry)));
      write(entries.child(1), entry);
    }
    json_.end_object();
  }

  void write_leaf(const Column& column, int64_t row) {
    const auto at = static_cast<std::size_t>(row);
    switch (column.type()) {
      case Type::kBool:
        return json_.boolean(column.integer(row) != 0);
      case Type::kInt8:
      case Type::kInt16:
      case Type::kInt32:
      case Type::kInt64:
        return json_.integer(column.integer(row));
      case Type::kFloat32: {
        const float value = column.values<float>()[at];
        return std::isfinite(value) ? json_.number32(value) : write_non_finite(value);
      }
      case Type::kFloat64: {
        const double value = column.values<double>()[at];
        return std::isfinite(value) ? json_.number(value) : write_non_finite(value);
      }
      case Type::kDecimal: {
        const std::string text = format_scalar(column.scalar(row));
        return fits_double(text) ? json_.raw(text) : json_.string(text);
      }
      case Type::kBytes:
        return json_.string(to_base64(column.text(row)));
      case Type::kString:
        return json_.string(column.text(row));
      default:
        return json_.string(format_scalar(column.scalar(row)));
    }
  }

  /// Readers of JSON take numbers through a double, which keeps 15 digits.
  static bool fits_double(const std::string& decimal) {
    const std::size_t first = decimal.find_first_of("123456789");
    return first == std::string::npos ||
           std::count_if(decimal.begin() + static_cast<std::ptrdiff_t>(first),
                         decimal.end(),
                         [](char c) { return c != '.'; }) <= 15;
  }

  void write_non_finite(double value) {
    if (non_finite_ == JsonNonFinite::kNull) {
      json_.null();
    } else {
      json_.string(std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
    }
  }

  JsonWriter json_;
  JsonNonFinite non_finite_;
};

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

void append_json(std::string& out, const Column& column, int64_t row, JsonNonFinite non_finite) {
  ValueWriter(out, non_finite).write(column, row);
}

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? static_cast<uint8_t>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text += i <= count ? kBase64[(group >> (18 - 6 * i)) & 63] : '=';
    }
  }
  return text;
}

}  // namespace assay::data
