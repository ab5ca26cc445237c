#include "data/json_lines.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>

#include <simdjson.h>

#include "data/decode_row.h"
#include "data/json_members.h"
#include "data/json_shape.h"
#include "data/json_text.h"
#include "data/scalar.h"

namespace assay::data {
namespace {

namespace dom = simdjson::dom;

/// Records that are looked through at once: with their places they stay in the second cache.
constexpr std::size_t kTogetherBytes = std::size_t{64} << 10;
/// Among them so many may be written in a way of their own before the rest is not tried by shape
/// where a quarter was.
constexpr std::size_t kMissesMin = 8;

bool read_integer(const dom::element& value, TypeId type, RowCell* cell) {
  return value.get_int64().get(cell->integer) == simdjson::SUCCESS &&
         fits_integer(cell->integer, type);
}

/// Text is read digit by digit. A number with a fraction has been read as a double, whose shortest
/// text is what was written up to 15 digits.
bool read_decimal(const dom::element& value, const Type& type, RowCell* cell) {
  if (value.is_string() || value.is_number()) {
    const std::string shortest = value.is_string() ? "" : simdjson::minify(value);
    return read_decimal(
        value.is_string() ? value.get_string().value_unsafe() : shortest, type, cell);
  }
  return false;
}

bool read_float32(const dom::element& value, RowCell* cell) {
  if (value.get_double().get(cell->number) != simdjson::SUCCESS) {
    return false;
  }
  return fits_float32(cell->number);
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

/// A number, or a number as text, which also has the values that JSON does not know.
bool read_real(const dom::element& value, const Type& type, RowCell* cell) {
  if (value.is_string()) {
    return read_cell(value.get_string().value_unsafe(), type, TimeUnit::kText, cell);
  }
  return type == Type::kFloat32 ? read_float32(value, cell)
                                : value.get_double().get(cell->number) == simdjson::SUCCESS;
}

bool read_leaf(const dom::element& value,
               const Type& type,
               TimeUnit unit,
               std::string* scratch,
               RowCell* cell) {
  std::string_view text;
  bool flag = false;
  switch (type) {
    case Type::kBool:
      if (value.get_bool().get(flag) != simdjson::SUCCESS) {
        return false;
      }
      cell->integer = flag ? 1 : 0;
      return true;
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kInt64:
      return read_integer(value, type, cell);
    case Type::kFloat32:
      return read_float32(value, cell);
    case Type::kFloat64:
      return value.get_double().get(cell->number) == simdjson::SUCCESS;
    case Type::kString:
      if (value.is_object() || value.is_array()) {
        *scratch = simdjson::minify(value);
        cell->text = *scratch;
        return true;
      }
      return value.get_string().get(cell->text) == simdjson::SUCCESS;
    case Type::kBytes:
      if (value.get_string().get(text) != simdjson::SUCCESS || !read_base64(text, scratch)) {
        return false;
      }
      cell->text = *scratch;
      return true;
    case Type::kDate:
      return value.get_string().get(text) == simdjson::SUCCESS && read_date(text, cell);
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      return read_timestamp(value, unit, cell);
    case Type::kDecimal:
      return read_decimal(value, type, cell);
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      return false;  // see append_element
  }
  return false;
}

// Lists, arrays, structs and maps go into a builder. When one value in them does not fit, the
// builder is left with half a row and must be thrown away.

bool append_element(const dom::element& value, TimeUnit unit, ColumnBuilder* builder);

bool append_list(const dom::element& value, TimeUnit unit, ColumnBuilder* builder) {
  dom::array array;
  const Type& type = builder->type();
  if (value.get_array().get(array) != simdjson::SUCCESS ||
      (type == Type::kArray && array.size() != static_cast<std::size_t>(type.array_size()))) {
    return false;
  }
  for (const dom::element element : array) {
    if (!append_element(element, unit, &builder->child(0))) {
      return false;
    }
  }
  builder->append_nested();
  return true;
}

bool append_struct(const dom::element& value, TimeUnit unit, ColumnBuilder* builder) {
  dom::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) {
    return false;
  }
  const std::vector<Field>& fields = builder->type().children();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    ColumnBuilder& child = builder->child(static_cast<int>(i));
    dom::element member;
    if (object.at_key(fields[i].name).get(member) != simdjson::SUCCESS) {
      child.append_null();
    } else if (!append_element(member, unit, &child)) {
      return false;
    }
  }
  builder->append_nested();
  return true;
}

bool append_map(const dom::element& value, TimeUnit unit, ColumnBuilder* builder) {
  dom::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) {
    return false;
  }
  ColumnBuilder& entries = builder->child(0);
  for (const auto& [name, member] : object) {
    Result<Scalar> key = parse_scalar(name, builder->type().map_key());
    if (!key.ok() || !append_element(member, unit, &entries.child(1))) {
      return false;
    }
    entries.child(0).append_scalar(*key);
    entries.append_nested();
  }
  builder->append_nested();
  return true;
}

bool append_element(const dom::element& value, TimeUnit unit, ColumnBuilder* builder) {
  const Type& type = builder->type();
  if (value.is_null()) {
    builder->append_null();
    return true;
  }
  switch (type) {
    case Type::kList:
    case Type::kArray:
      return append_list(value, unit, builder);
    case Type::kStruct:
      return append_struct(value, unit, builder);
    case Type::kMap:
      return append_map(value, unit, builder);
    default: {
      std::string scratch;
      RowCell cell;
      const bool read = is_real(type) ? read_real(value, type, &cell)
                                      : read_leaf(value, type, unit, &scratch, &cell);
      if (read) {
        append_cell(cell, builder);
      }
      return read;
    }
  }
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

/// Whether the first record is a line right before the second: then what stands behind it can be
/// read, and no value goes on there.
bool is_followed(std::span<const std::string_view> records) {
  if (records.size() < 2 || records[1].size() < JsonShape::kReadBehind) {
    return false;
  }
  const char* const end = records[0].data() + records[0].size();
  return std::bit_cast<uintptr_t>(end) + 1 == std::bit_cast<uintptr_t>(records[1].data()) &&
         *end == '\n';
}

}  // namespace

struct JsonLinesDecoder::State {
  explicit State(DecodeOptions decode_options);
  simdjson::error_code parse(std::string_view record, dom::element* element);
  simdjson::error_code parse_padded(std::string_view record, dom::element* element);
  int column_of(std::size_t member, std::string_view name);
  bool read(const dom::element& value, std::size_t column, RowCell* cell);
  void decode(std::span<const std::string_view> records, int64_t number, RowCollector* rows);
  bool read_by_shape(std::span<const std::string_view> records, RowCollector* rows);
  void decode_together(std::span<const std::string_view> records,
                       int64_t number,
                       RowCollector* rows);
  std::size_t copy_together(std::span<const std::string_view> records);
  void read_as_tree(std::string_view record, int64_t number, RowCollector* rows);
  void pad(std::string_view record);

  DecodeOptions options;
  std::unique_ptr<JsonMembers> members;  // where plain records can be read without a tree
  std::unique_ptr<JsonShape> shape;      // and those that are written as others were, at once
  dom::parser parser;
  std::string padded;
  std::string together;              // records that are looked through at once; cells view into it
  std::vector<std::string> scratch;  // per column: text that had to be made
  std::vector<ColumnPtr> nested;     // per column: a list, array, struct or map
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
  rows.expect(records.size());
  for (std::size_t first = 0; first < records.size();) {
    std::size_t end = first;
    for (std::size_t bytes = 0; end < records.size() && bytes < kTogetherBytes; ++end) {
      bytes += records[end].size();
    }
    state_->decode(records.subspan(first, end - first), static_cast<int64_t>(first), &rows);
    first = end;
  }
  return rows.finish();
}

JsonLinesDecoder::State::State(DecodeOptions decode_options) : options(std::move(decode_options)) {
  const std::vector<Field>& fields = options.schema->fields();
  options.time_units.resize(fields.size(), TimeUnit::kText);
  scratch.resize(fields.size());
  nested.resize(fields.size());
  values.resize(fields.size());
  for (std::size_t i = 0; i < fields.size(); ++i) {
    column_by_name.emplace(fields[i].name, static_cast<int>(i));
  }
  if (!options.only_by_tree) {
    members = JsonMembers::of(options);
    shape = JsonShape::of(options);
  }
}

void JsonLinesDecoder::State::decode(std::span<const std::string_view> records,
                                     int64_t number,
                                     RowCollector* rows) {
  if (members == nullptr) {
    for (const std::string_view record : records) {
      rows->begin_row();
      read_as_tree(record, number++, rows);
    }
    return;
  }
  for (std::size_t i = 0, missed = 0; i < records.size(); ++i) {
    if (read_by_shape(records.subspan(i), rows)) {
      rows->end_row(number + static_cast<int64_t>(i));
      continue;
    }
    ++missed;
    const bool is_worth_it = missed < kMissesMin || missed * 4 < i;
    decode_together(records.subspan(i, is_worth_it ? 1 : records.size() - i),
                    number + static_cast<int64_t>(i),
                    rows);
    if (!is_worth_it) {
      return;
    }
  }
}

/// The first record.
bool JsonLinesDecoder::State::read_by_shape(std::span<const std::string_view> records,
                                            RowCollector* rows) {
  rows->begin_row();
  if (is_followed(records) ? shape->read_in_place(records[0], rows)
                           : shape->read(records[0], rows)) {
    return true;
  }
  if (!shape->learn(records[0])) {
    return false;
  }
  rows->begin_row();
  return shape->read(records[0], rows);
}

/// Look through records at once, and decode them. Where one of them is bad, half of them at a time.
void JsonLinesDecoder::State::decode_together(std::span<const std::string_view> records,
                                              int64_t number,
                                              RowCollector* rows) {
  const std::size_t size = copy_together(records);
  if (!members->find({together.data(), size})) {
    if (records.size() == 1) {
      rows->begin_row();
      read_as_tree(records.front(), number, rows);
      return;
    }
    const std::size_t half = records.size() / 2;
    decode_together(records.first(half), number, rows);
    decode_together(records.subspan(half), number + static_cast<int64_t>(half), rows);
    return;
  }
  std::size_t end = 0;
  for (const std::string_view record : records) {
    end += record.size() + 1;
    rows->begin_row();
    if (members->read_next(end, rows)) {
      rows->end_row(number);
    } else {
      rows->begin_row();
      read_as_tree(record, number, rows);
    }
    ++number;
  }
}

/// Records as lines of one text; gives its size.
std::size_t JsonLinesDecoder::State::copy_together(std::span<const std::string_view> records) {
  std::size_t size = 0;
  for (const std::string_view record : records) {
    size += record.size() + 1;
  }
  if (together.size() < size + simdjson::SIMDJSON_PADDING) {
    together.resize(size + size / 2 + simdjson::SIMDJSON_PADDING);
  }
  char* to = together.data();
  for (const std::string_view record : records) {
    to = std::copy(record.begin(), record.end(), to);
    *to++ = '\n';
  }
  std::memset(to, ' ', simdjson::SIMDJSON_PADDING);
  return size;
}

void JsonLinesDecoder::State::read_as_tree(std::string_view record,
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
  for (std::size_t i = 0; i < values.size(); ++i) {
    RowCell& cell = rows->cell(i);
    if (!values[i] && i < options.defaults.size() && options.defaults[i]) {
      set_cell(*options.defaults[i], &cell);
      continue;
    }
    if (!values[i] || values[i]->is_null()) {
      continue;
    }
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
  pad(record);
  return parser.parse(padded.data(), record.size(), false).get(*element);
}

/// The parsers look at up to SIMDJSON_PADDING bytes behind the end.
void JsonLinesDecoder::State::pad(std::string_view record) {
  const std::size_t size = record.size() + simdjson::SIMDJSON_PADDING;
  if (padded.size() < size) {
    padded.resize(size + size / 2);
  }
  std::memcpy(padded.data(), record.data(), record.size());
  std::memset(padded.data() + record.size(), ' ', simdjson::SIMDJSON_PADDING);
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
  const Type& type = options.schema->field(static_cast<int>(column)).type;
  if (!is_nested(type)) {
    return options.reals_may_be_text && is_real(type)
               ? read_real(value, type, cell)
               : read_leaf(value, type, options.time_units[column], &scratch[column], cell);
  }
  ColumnBuilder builder(type);
  if (!append_element(value, options.time_units[column], &builder)) {
    return false;
  }
  nested[column] = builder.finish();
  cell->nested = nested[column].get();
  return true;
}

Result<Scalar> parse_json(std::string_view text, const Type& type) {
  const Status wrong(
      Code::kInvalidArgument,
      "not a value of type " + type_name(type) + ": `" + std::string(text.substr(0, 64)) + "`");
  dom::parser parser;
  dom::element element;
  ColumnBuilder builder(type);
  if (parser.parse(text.data(), text.size()).get(element) != simdjson::SUCCESS ||
      !append_element(element, TimeUnit::kText, &builder)) {
    return wrong;
  }
  return builder.finish()->scalar(0);
}

}  // namespace assay::data
