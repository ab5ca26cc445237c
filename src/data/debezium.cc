// A change event is an envelope around the row before and after:
//
//   {"before": null, "after": {"id": 1, "price": "MDk="}, "source": {"ts_ms": 5, "lsn": 9, ...},
//    "op": "c", "ts_ms": 6}
//
// or that in {"schema": ..., "payload": ...}, whose schema says of each field what its JSON means:
// {"field": "price", "type": "bytes", "name": "org.apache.kafka.connect.data.Decimal",
//  "parameters": {"scale": "2"}}.
//
// Each event becomes the plain JSON record of its row, {"id":1,"price":"123.45"}, which the decoder
// of JSON lines reads. Timestamps are written as microseconds.
//
// Source  https://debezium.io/documentation/reference/stable/connectors/postgresql.html

#include "data/debezium.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <simdjson.h>

#include "base/json_writer.h"
#include "base/time.h"
#include "data/decimal.h"
#include "data/decode_row.h"
#include "data/wire_json.h"

namespace assay::data {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view kUnavailable = "__debezium_unavailable_value";
constexpr std::string_view kUnavailableBytes = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";

enum class Meaning { kPlain, kDays, kSeconds, kMillis, kMicros, kNanos, kDecimal };

/// What the schema says of one field.
struct FieldMeaning {
  Meaning meaning = Meaning::kPlain;
  int scale = 0;
};

Meaning meaning_of(std::string_view name) {
  constexpr std::pair<std::string_view, Meaning> kNames[] = {
      {"io.debezium.time.Date", Meaning::kDays},
      {"org.apache.kafka.connect.data.Date", Meaning::kDays},
      {"io.debezium.time.Timestamp", Meaning::kMillis},
      {"org.apache.kafka.connect.data.Timestamp", Meaning::kMillis},
      {"io.debezium.time.MicroTimestamp", Meaning::kMicros},
      {"io.debezium.time.NanoTimestamp", Meaning::kNanos},
      {"org.apache.kafka.connect.data.Decimal", Meaning::kDecimal},
  };
  for (const auto& [known, meaning] : kNames) {
    if (name == known) {
      return meaning;
    }
  }
  return Meaning::kPlain;
}

std::optional<std::string_view> text_at(const dom::object& object, std::string_view name) {
  std::string_view text;
  if (object.at_key(name).get_string().get(text) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return text;
}

/// The member, unless it is not there or null.
std::optional<dom::element> value_at(const dom::object& object, std::string_view name) {
  dom::element value;
  if (object.at_key(name).get(value) != simdjson::SUCCESS || value.is_null()) {
    return std::nullopt;
  }
  return value;
}

std::optional<dom::object> object_at(const dom::object& object, std::string_view name) {
  dom::object inner;
  if (object.at_key(name).get_object().get(inner) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return inner;
}

/// The description of field `name` among a schema's `fields`.
std::optional<dom::object> field_of(const std::optional<dom::object>& schema,
                                    std::string_view name) {
  dom::array fields;
  if (!schema || schema->at_key("fields").get_array().get(fields) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  for (const dom::element entry : fields) {
    dom::object field;
    if (entry.get_object().get(field) == simdjson::SUCCESS && text_at(field, "field") == name) {
      return field;
    }
  }
  return std::nullopt;
}

FieldMeaning meaning_in(const std::optional<dom::object>& row_schema, std::string_view name) {
  FieldMeaning found;
  const std::optional<dom::object> field = field_of(row_schema, name);
  if (!field) {
    return found;
  }
  found.meaning = meaning_of(text_at(*field, "name").value_or(""));
  const std::optional<dom::object> parameters = object_at(*field, "parameters");
  if (found.meaning == Meaning::kDecimal && parameters) {
    const std::string_view scale = text_at(*parameters, "scale").value_or("");
    std::from_chars(scale.data(), scale.data() + scale.size(), found.scale);
  }
  return found;
}

/// Base64 of an unscaled number as decimal text.
std::optional<std::string> decimal_text(std::string_view base64, int64_t scale) {
  std::string bytes;
  return read_base64(base64, &bytes) ? unscaled_decimal(bytes, scale) : std::nullopt;
}

bool is_unavailable(const dom::element& value) {
  std::string_view text;
  dom::array array;
  if (value.get_array().get(array) == simdjson::SUCCESS) {
    return array.size() == 1 && array.at(0).get_string().get(text) == simdjson::SUCCESS &&
           text == kUnavailable;
  }
  return value.get_string().get(text) == simdjson::SUCCESS &&
         (text == kUnavailable || text == kUnavailableBytes);
}

/// The unit of a timestamp without a schema: what is declared, or what its name ends in.
Meaning unit_of(TimeUnit unit, std::string_view name) {
  switch (unit) {
    case TimeUnit::kSeconds:
      return Meaning::kSeconds;
    case TimeUnit::kMillis:
      return Meaning::kMillis;
    case TimeUnit::kMicros:
      return Meaning::kMicros;
    default:
      break;
  }
  if (name.ends_with("_ms")) {
    return Meaning::kMillis;
  }
  if (name.ends_with("_us")) {
    return Meaning::kMicros;
  }
  return name.ends_with("_ns") ? Meaning::kNanos : Meaning::kPlain;
}

/// Microseconds since the epoch; nothing when it does not fit or nobody says what is counted.
std::optional<int64_t> micros_of(int64_t count, Meaning meaning) {
  const int64_t factor = meaning == Meaning::kDays      ? kMicrosPerDay
                         : meaning == Meaning::kSeconds ? kMicrosPerSecond
                         : meaning == Meaning::kMillis  ? 1'000
                                                        : 1;
  int64_t micros = 0;
  if (meaning == Meaning::kNanos) {
    return floor_to(count, 1'000) / 1'000;
  }
  if (meaning == Meaning::kPlain || meaning == Meaning::kDecimal ||
      __builtin_mul_overflow(count, factor, &micros)) {
    return std::nullopt;
  }
  return micros;
}

/// Where a column is found.
struct EventColumn {
  std::string name;
  Type type = Type::kString;
  TimeUnit unit = TimeUnit::kText;
  bool beside = false;  // in the envelope: `name` is then without underscores
};

/// One event: its parts, and the row that it tells of.
struct Event {
  dom::object envelope;
  std::optional<dom::object> image;       // the row
  std::optional<dom::object> other;       // the row before, of an update
  std::optional<dom::object> row_schema;  // of the image
  bool is_delete = false;
};

}  // namespace

struct DebeziumDecoder::State {
  enum class Verdict { kRow, kNothing, kMalformed, kInvalidUtf8, kUnsupported };

  State(DecodeOptions columns_options, DebeziumOptions debezium_options);
  simdjson::error_code parse(dom::parser* parser,
                             std::string* padded,
                             std::string_view record,
                             dom::element* element) const;
  Verdict read_event(std::string_view record, std::string_view key, Event* event);
  Verdict read_image(std::string_view op, std::string_view key, Event* event);
  Verdict flatten(std::string_view record, std::string_view key, std::string* culprit);
  void write_beside(const Event& event, const EventColumn& column, JsonWriter* json) const;
  void write(const dom::element& value,
             const EventColumn& column,
             const FieldMeaning& said,
             JsonWriter* json) const;
  void write_time(const dom::element& value,
                  const EventColumn& column,
                  const FieldMeaning& said,
                  JsonWriter* json) const;
  [[nodiscard]] std::optional<std::string> read_decimal(const dom::element& value,
                                                        const EventColumn& column,
                                                        const FieldMeaning& said) const;

  std::vector<EventColumn> columns;
  DebeziumOptions options;
  JsonLinesDecoder plain;
  dom::parser parser;
  dom::parser key_parser;
  std::string padded;
  std::string padded_key;
  std::string row;  // the plain record that was made last
};

namespace {

/// Timestamps come to the decoder of plain records as microseconds, whatever they were.
DecodeOptions plain_options(DecodeOptions options) {
  options.time_units.assign(static_cast<std::size_t>(options.schema->size()), TimeUnit::kMicros);
  return options;
}

}  // namespace

DebeziumDecoder::State::State(DecodeOptions columns_options, DebeziumOptions debezium_options)
    : options(debezium_options), plain(plain_options(columns_options)) {
  columns_options.time_units.resize(static_cast<std::size_t>(columns_options.schema->size()),
                                    TimeUnit::kText);
  std::size_t index = 0;
  for (const Field& field : columns_options.schema->fields()) {
    const bool beside = field.name.starts_with("__");
    columns.push_back({beside ? field.name.substr(2) : field.name,
                       field.type,
                       columns_options.time_units[index++],
                       beside});
  }
}

DebeziumDecoder::DebeziumDecoder(DecodeOptions columns, DebeziumOptions options)
    : state_(std::make_unique<State>(std::move(columns), options)) {}
DebeziumDecoder::~DebeziumDecoder() = default;
DebeziumDecoder::DebeziumDecoder(DebeziumDecoder&&) noexcept = default;

Decoded DebeziumDecoder::decode(std::span<const std::string_view> records,
                                std::span<const std::string_view> keys) {
  std::vector<std::string> rows;
  std::vector<int64_t> numbers;
  Rejects rejects;
  int64_t skipped = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto number = static_cast<int64_t>(i);
    std::string culprit;
    switch (state_->flatten(records[i], i < keys.size() ? keys[i] : "", &culprit)) {
      case State::Verdict::kRow:
        rows.push_back(state_->row);
        numbers.push_back(number);
        break;
      case State::Verdict::kNothing:
        ++skipped;
        break;
      case State::Verdict::kMalformed:
        rejects.push_back({number, RejectReason::kMalformed, ""});
        break;
      case State::Verdict::kInvalidUtf8:
        rejects.push_back({number, RejectReason::kInvalidUtf8, ""});
        break;
      case State::Verdict::kUnsupported:
        rejects.push_back({number, RejectReason::kUnsupported, culprit});
        break;
    }
  }
  const std::vector<std::string_view> views(rows.begin(), rows.end());
  Decoded decoded = state_->plain.decode(views);
  for (int64_t& record : decoded.record_of_row) {
    record = numbers[static_cast<std::size_t>(record)];
  }
  for (Reject& reject : decoded.rejects) {
    reject.row = numbers[static_cast<std::size_t>(reject.row)];
    rejects.push_back(std::move(reject));
  }
  sort_by_row(&rejects);
  decoded.rejects = std::move(rejects);
  decoded.skipped = skipped;
  return decoded;
}

simdjson::error_code DebeziumDecoder::State::parse(dom::parser* with,
                                                   std::string* buffer,
                                                   std::string_view record,
                                                   dom::element* element) const {
  const std::size_t size = record.size() + simdjson::SIMDJSON_PADDING;
  if (buffer->size() < size) {
    buffer->resize(size + size / 2);
  }
  std::memcpy(buffer->data(), record.data(), record.size());
  std::memset(buffer->data() + record.size(), ' ', simdjson::SIMDJSON_PADDING);
  return with->parse(buffer->data(), record.size(), false).get(*element);
}

/// Take the envelope apart.
DebeziumDecoder::State::Verdict DebeziumDecoder::State::read_event(std::string_view record,
                                                                   std::string_view key,
                                                                   Event* event) {
  dom::element root;
  if (record.empty()) {
    return Verdict::kNothing;
  }
  const simdjson::error_code error = parse(&parser, &padded, record, &root);
  if (error != simdjson::SUCCESS) {
    return error == simdjson::UTF8_ERROR ? Verdict::kInvalidUtf8 : Verdict::kMalformed;
  }
  if (root.is_null()) {
    return Verdict::kNothing;
  }
  if (root.get_object().get(event->envelope) != simdjson::SUCCESS) {
    return Verdict::kMalformed;
  }
  dom::element payload;
  std::optional<dom::object> schema;
  if (event->envelope.at_key("payload").get(payload) == simdjson::SUCCESS &&
      event->envelope.at_key("op").error() != simdjson::SUCCESS) {
    schema = object_at(event->envelope, "schema");
    if (payload.is_null()) {
      return Verdict::kNothing;
    }
    if (payload.get_object().get(event->envelope) != simdjson::SUCCESS) {
      return Verdict::kMalformed;
    }
  }
  const std::optional<std::string_view> op = text_at(event->envelope, "op");
  if (!op) {
    return Verdict::kMalformed;
  }
  event->is_delete = *op == "d";
  event->row_schema = field_of(schema, event->is_delete ? "before" : "after");
  return read_image(*op, key, event);
}

/// Find the row that the event tells of.
DebeziumDecoder::State::Verdict DebeziumDecoder::State::read_image(std::string_view op,
                                                                   std::string_view key,
                                                                   Event* event) {
  if (op == "m") {
    return Verdict::kNothing;
  }
  if (op == "c" || op == "u" || op == "r") {
    event->image = object_at(event->envelope, "after");
    event->other = object_at(event->envelope, "before");
    return event->image ? Verdict::kRow : Verdict::kMalformed;
  }
  if (op != "d") {
    return Verdict::kUnsupported;
  }
  event->image = object_at(event->envelope, "before");
  if (event->image) {
    return Verdict::kRow;
  }
  dom::element root;
  dom::object object;
  if (key.empty() || parse(&key_parser, &padded_key, key, &root) != simdjson::SUCCESS ||
      root.get_object().get(object) != simdjson::SUCCESS) {
    return Verdict::kMalformed;
  }
  const std::optional<dom::object> payload = object_at(object, "payload");
  event->image = payload && object_at(object, "schema") ? *payload : object;
  event->row_schema = payload ? object_at(object, "schema") : std::nullopt;
  return Verdict::kRow;
}

/// Make the plain record of an event in `row`.
DebeziumDecoder::State::Verdict DebeziumDecoder::State::flatten(std::string_view record,
                                                                std::string_view key,
                                                                std::string* culprit) {
  Event event;
  const Verdict verdict = read_event(record, key, &event);
  if (verdict != Verdict::kRow) {
    *culprit = verdict == Verdict::kUnsupported ? "op" : "";
    return verdict;
  }
  row.clear();
  JsonWriter json(row);
  json.begin_object();
  for (const EventColumn& column : columns) {
    if (column.beside) {
      write_beside(event, column, &json);
      continue;
    }
    std::optional<dom::element> value = value_at(*event.image, column.name);
    if (value && is_unavailable(*value)) {
      value = event.other ? value_at(*event.other, column.name) : std::nullopt;
      if (!value || is_unavailable(*value)) {
        *culprit = column.name;
        return Verdict::kUnsupported;
      }
    }
    if (value) {
      json.key(column.name);
      write(*value, column, meaning_in(event.row_schema, column.name), &json);
    }
  }
  json.end_object();
  return Verdict::kRow;
}

/// A column from beside the row: of the envelope itself, else of its `source`.
void DebeziumDecoder::State::write_beside(const Event& event,
                                          const EventColumn& column,
                                          JsonWriter* json) const {
  if (column.name == "deleted") {
    json->key("__deleted");
    json->raw(column.type == Type::kBool ? (event.is_delete ? "true" : "false")
                                         : (event.is_delete ? "\"true\"" : "\"false\""));
    return;
  }
  std::optional<dom::element> value = value_at(event.envelope, column.name);
  for (const std::string_view part : {"source", "transaction"}) {
    const std::optional<dom::object> object = object_at(event.envelope, part);
    if (value || !object) {
      continue;
    }
    const std::string_view name = column.name;
    const bool is_named =
        name.size() > part.size() && name.starts_with(part) && name[part.size()] == '_';
    if (is_named) {
      value = value_at(*object, name.substr(part.size() + 1));
    } else if (part == "source") {
      value = value_at(*object, name);
    }
  }
  if (value) {
    json->key("__" + column.name);
    write(*value, column, {}, json);
  }
}

void DebeziumDecoder::State::write(const dom::element& value,
                                   const EventColumn& column,
                                   const FieldMeaning& said,
                                   JsonWriter* json) const {
  const bool is_instant = column.type == Type::kDate || column.type == Type::kTimestamp ||
                          column.type == Type::kTimestampNtz;
  if (is_instant) {
    write_time(value, column, said, json);
    return;
  }
  const bool may_be_decimal = column.type == Type::kDecimal || said.meaning == Meaning::kDecimal ||
                              (value.is_object() && is_numeric(column.type));
  const std::optional<std::string> decimal =
      may_be_decimal ? read_decimal(value, column, said) : std::nullopt;
  if (decimal && is_numeric(column.type)) {
    json->raw(*decimal);
  } else if (decimal) {
    json->string(*decimal);
  } else if (column.type == Type::kDecimal && !value.is_number()) {
    json->boolean(false);  // what cannot be read is no decimal, also when its text looks like one
  } else {
    json->raw(simdjson::minify(value));
  }
}

void DebeziumDecoder::State::write_time(const dom::element& value,
                                        const EventColumn& column,
                                        const FieldMeaning& said,
                                        JsonWriter* json) const {
  std::string_view text;
  EventTime time;
  int64_t count = 0;
  const bool is_date = column.type == Type::kDate;
  if (value.get_string().get(text) == simdjson::SUCCESS) {
    if (!is_date && try_parse_time(text, &time)) {
      json->integer(time.micros);
    } else {
      json->string(is_date && text.ends_with('Z') ? text.substr(0, text.size() - 1) : text);
    }
    return;
  }
  if (value.get_int64().get(count) != simdjson::SUCCESS) {
    json->boolean(false);  // no time
    return;
  }
  Meaning meaning = said.meaning;
  if (meaning == Meaning::kPlain) {
    meaning = is_date ? Meaning::kDays : unit_of(column.unit, column.name);
  }
  const bool fits = !is_date || meaning == Meaning::kDays;
  const std::optional<int64_t> micros = fits ? micros_of(count, meaning) : std::nullopt;
  if (!micros) {
    json->boolean(false);
  } else if (!is_date) {
    json->integer(*micros);
  } else if (*micros >= kFirstInstant.micros && *micros < kEndInstant.micros) {
    json->string(format_time({*micros}).substr(0, 10));
  } else {
    json->boolean(false);
  }
}

/// The digits of a decimal in any of its forms; nothing for what is none, and for numbers.
std::optional<std::string> DebeziumDecoder::State::read_decimal(const dom::element& value,
                                                                const EventColumn& column,
                                                                const FieldMeaning& said) const {
  dom::object parts;
  std::string_view text;
  if (value.get_object().get(parts) == simdjson::SUCCESS) {  // of a scale of its own
    int64_t scale = 0;
    if (parts.at_key("scale").get_int64().get(scale) != simdjson::SUCCESS) {
      return std::nullopt;
    }
    return decimal_text(text_at(parts, "value").value_or(""), scale);
  }
  if (value.get_string().get(text) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  if (said.meaning == Meaning::kDecimal) {
    return decimal_text(text, said.scale);
  }
  if (options.decimals_are_text) {
    return parse_decimal(text, column.type.precision(), column.type.scale())
               ? std::optional(std::string(text))
               : std::nullopt;
  }
  return decimal_text(text, column.type.scale());
}

}  // namespace assay::data
