#include "data/json_lines.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>

#include <simdjson.h>

#include "data/decode_row.h"

namespace assay::data {
namespace {

namespace dom = simdjson::dom;

bool read_integer(const dom::element& value, int64_t first, int64_t last, RowCell* cell) {
  return value.get_int64().get(cell->integer) == simdjson::SUCCESS && cell->integer >= first &&
         cell->integer <= last;
}

bool read_float32(const dom::element& value, RowCell* cell) {
  if (value.get_double().get(cell->number) != simdjson::SUCCESS) {
    return false;
  }
  // A finite number that no float can hold is of the wrong type.
  constexpr double kEnd = 0x1.ffffffp127;  // from here on rounding gives infinity
  return cell->number > -kEnd && cell->number < kEnd;
}

bool read_timestamp(const dom::element& value, TimeUnit unit, RowCell* cell) {
  std::string_view text;
  int64_t count = 0;
  double fraction = 0;
  if (unit == TimeUnit::kText) {
    return value.get_string().get(text) == simdjson::SUCCESS && read_time_text(text, cell);
  }
  if (value.type() == dom::element_type::INT64 &&
      value.get_int64().get(count) == simdjson::SUCCESS) {
    return read_time_count(count, unit, cell);
  }
  return value.type() == dom::element_type::DOUBLE &&
         value.get_double().get(fraction) == simdjson::SUCCESS &&
         read_time_count(fraction, unit, cell);
}

/// True for an integer that 64 bits cannot hold.
bool is_wide_integer(std::string_view number) {
  int64_t value = 0;
  const char* end = number.data() + number.size();
  const auto read = std::from_chars(number.data(), end, value);
  return read.ec == std::errc::result_out_of_range && read.ptr == end;
}

/// The parser refuses integers that 64 bits cannot hold, though they are JSON. With ".0" behind
/// them they are read as floating-point numbers. Strings stay as they are.
std::string widen_integers(std::string_view record) {
  std::string wide;
  bool in_string = false;
  for (std::size_t at = 0; at < record.size();) {
    const char c = record[at];
    std::size_t end = at + 1;
    if (in_string) {
      end += c == '\\' && end < record.size() ? 1 : 0;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '-' || (c >= '0' && c <= '9')) {
      end = std::min(record.find_first_not_of("0123456789+-.eE", at), record.size());
    }
    const std::string_view part = record.substr(at, end - at);
    wide += part;
    if (is_wide_integer(part)) {
      wide += ".0";
    }
    at = end;
  }
  return wide;
}

}  // namespace

struct JsonLinesDecoder::State {
  explicit State(DecodeOptions decode_options);
  simdjson::error_code parse(std::string_view record, dom::element* element);
  simdjson::error_code parse_padded(std::string_view record, dom::element* element);
  int column_of(std::size_t member, std::string_view name);
  bool read(const dom::element& value, std::size_t column, RowCell* cell);
  void decode_record(std::string_view record, int64_t number, RowCollector* rows);

  DecodeOptions options;
  dom::parser parser;
  std::string padded;
  std::vector<std::string> scratch;                 // per column: text that had to be made
  std::vector<std::optional<dom::element>> values;  // per column, of the present record
  std::unordered_map<std::string, int> column_by_name;
  // Records of one source list their members in one order, so the n-th member is looked up once.
  struct Hint {
    std::string name;
    int column = -1;
  };
  std::vector<Hint> hints;
};

JsonLinesDecoder::JsonLinesDecoder(DecodeOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}
JsonLinesDecoder::~JsonLinesDecoder() = default;
JsonLinesDecoder::JsonLinesDecoder(JsonLinesDecoder&&) noexcept = default;

Decoded JsonLinesDecoder::decode(std::span<const std::string_view> records) {
  RowCollector rows(state_->options.schema);
  for (std::size_t i = 0; i < records.size(); ++i) {
    state_->decode_record(records[i], static_cast<int64_t>(i), &rows);
  }
  return rows.finish();
}

JsonLinesDecoder::State::State(DecodeOptions decode_options) : options(std::move(decode_options)) {
  const std::vector<Field>& fields = options.schema->fields();
  options.time_units.resize(fields.size(), TimeUnit::kText);
  scratch.resize(fields.size());
  values.resize(fields.size());
  for (std::size_t i = 0; i < fields.size(); ++i) {
    column_by_name.emplace(fields[i].name, static_cast<int>(i));
  }
}

void JsonLinesDecoder::State::decode_record(std::string_view record,
                                            int64_t number,
                                            RowCollector* rows) {
  dom::element element;
  dom::object object;
  const simdjson::error_code error = parse(record, &element);
  if (error != simdjson::SUCCESS || element.get_object().get(object) != simdjson::SUCCESS) {
    const bool bad_text = error == simdjson::UTF8_ERROR;
    rows->reject(number, bad_text ? RejectReason::kInvalidUtf8 : RejectReason::kMalformed);
    return;
  }
  for (std::optional<dom::element>& value : values) {
    value.reset();
  }
  std::size_t member = 0;
  for (const auto& [name, value] : object) {
    const int column = column_of(member, name);
    if (column >= 0) {
      values[static_cast<std::size_t>(column)] = value;
    }
    ++member;
  }
  rows->begin_row();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i] || values[i]->is_null()) {
      continue;
    }
    RowCell& cell = rows->cell(i);
    cell.null = false;
    if (!read(*values[i], i, &cell)) {
      rows->reject(
          number, RejectReason::kWrongType, options.schema->field(static_cast<int>(i)).name);
      return;
    }
  }
  rows->end_row(number);
}

simdjson::error_code JsonLinesDecoder::State::parse(std::string_view record,
                                                    dom::element* element) {
  const simdjson::error_code error = parse_padded(record, element);
  return error == simdjson::NUMBER_ERROR ? parse_padded(widen_integers(record), element) : error;
}

simdjson::error_code JsonLinesDecoder::State::parse_padded(std::string_view record,
                                                           dom::element* element) {
  // The parser looks at up to SIMDJSON_PADDING bytes behind the end.
  const std::size_t size = record.size() + simdjson::SIMDJSON_PADDING;
  if (padded.size() < size) {
    padded.resize(size + size / 2);
  }
  std::memcpy(padded.data(), record.data(), record.size());
  std::memset(padded.data() + record.size(), ' ', simdjson::SIMDJSON_PADDING);
  return parser.parse(padded.data(), record.size(), false).get(*element);
}

/// Column of the record's n-th member, or -1.
int JsonLinesDecoder::State::column_of(std::size_t member, std::string_view name) {
  constexpr std::size_t kHintsMax = 256;
  if (member < hints.size() && hints[member].name == name) {
    return hints[member].column;
  }
  const auto found = column_by_name.find(std::string(name));
  const int column = found == column_by_name.end() ? -1 : found->second;
  if (member < kHintsMax) {
    if (member >= hints.size()) {
      hints.resize(member + 1);
    }
    hints[member] = {std::string(name), column};
  }
  return column;
}

bool JsonLinesDecoder::State::read(const dom::element& value, std::size_t column, RowCell* cell) {
  std::string_view text;
  bool flag = false;
  switch (options.schema->field(static_cast<int>(column)).type) {
    case Type::kBool:
      if (value.get_bool().get(flag) != simdjson::SUCCESS) {
        return false;
      }
      cell->integer = flag ? 1 : 0;
      return true;
    case Type::kInt32:
      return read_integer(
          value, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max(), cell);
    case Type::kInt64:
      return read_integer(
          value, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), cell);
    case Type::kFloat32:
      return read_float32(value, cell);
    case Type::kFloat64:
      return value.get_double().get(cell->number) == simdjson::SUCCESS;
    case Type::kString:
      if (value.is_object() || value.is_array()) {
        scratch[column] = simdjson::minify(value);
        cell->text = scratch[column];
        return true;
      }
      return value.get_string().get(cell->text) == simdjson::SUCCESS;
    case Type::kBytes:
      if (value.get_string().get(text) != simdjson::SUCCESS ||
          !read_base64(text, &scratch[column])) {
        return false;
      }
      cell->text = scratch[column];
      return true;
    case Type::kDate:
      return value.get_string().get(text) == simdjson::SUCCESS && read_date(text, cell);
    case Type::kTimestamp:
      return read_timestamp(value, options.time_units[column], cell);
  }
  return false;
}

}  // namespace assay::data
