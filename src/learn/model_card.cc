#include "learn/model_card.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/json_writer.h"
#include "learn/json_view.h"

namespace assay::learn {
namespace {

/// 64-bit hashes do not fit JSON numbers as others read them: they are 16 hexadecimal digits.
std::string hex(uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4) {
    out[i] = kDigits[value & 15];
  }
  return out;
}

void write_texts(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  json.key(name);
  json.begin_array();
  for (const std::string& text : texts) {
    json.string(text);
  }
  json.end_array();
}

template <typename Value, typename Write>
void write_map(JsonWriter& json,
               std::string_view name,
               const std::map<std::string, Value>& map,
               Write write) {
  json.key(name);
  json.begin_object();
  for (const auto& [key, value] : map) {
    if constexpr (std::is_same_v<Value, double>) {
      if (!std::isfinite(value)) {
        continue;
      }
    }
    json.key(key);
    write(value);
  }
  json.end_object();
}

void write_text(JsonWriter& json, std::string_view name, const std::string& text) {
  json.key(name);
  json.string(text);
}

void write_rows(JsonWriter& json, std::string_view name, int64_t rows, const TimeRange& times) {
  json.key(name);
  json.begin_object();
  json.key("rows");
  json.integer(rows);
  write_text(json, "first", format_time(times.first));
  write_text(json, "last", format_time(times.last));
  json.end_object();
}

/// Reads members of one object and remembers the first fault.
class CardReader {
 public:
  explicit CardReader(const JsonView& object) {
    auto members = object.members();
    if (members) {
      for (auto& [name, value] : *members) {
        members_.emplace(std::move(name), value);
      }
    } else {
      fault_ = "it is not an object";
    }
  }
  [[nodiscard]] Status status() const {
    return fault_.empty() ? Status() : Status(Code::kCorrupt, "not a model card: " + fault_);
  }

  /// What `get` makes of the member; on nothing a fault, and the default value.
  template <typename Get>
  auto read(const std::string& name, Get get) {
    const auto found = members_.find(name);
    auto value = found == members_.end() ? decltype(get(found->second))() : get(found->second);
    if (!value && fault_.empty()) {
      fault_ = "member " + name +
               (found == members_.end() ? " is missing" : " is not what it should be");
    }
    return value ? *std::move(value) : typename decltype(value)::value_type();
  }
  std::string text(const std::string& name) {
    return read(name, [](const JsonView& value) { return value.text(); });
  }
  int64_t integer(const std::string& name) {
    return read(name, [](const JsonView& value) { return value.integer(); });
  }
  double number(const std::string& name) {
    return read(name, [](const JsonView& value) { return value.number(); });
  }

 private:
  std::map<std::string, JsonView> members_;
  std::string fault_;
};

std::optional<EventTime> as_time(const JsonView& value) {
  const std::optional<std::string> text = value.text();
  EventTime time;
  return text && try_parse_time(*text, &time) ? std::optional(time) : std::nullopt;
}

std::optional<uint64_t> as_hash(const JsonView& value) {
  const std::string text = value.text().value_or("");
  uint64_t hash = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), hash, 16);
  return text.size() == 16 && error == std::errc() && end == text.data() + 16 ? std::optional(hash)
                                                                              : std::nullopt;
}

std::optional<std::vector<std::string>> as_texts(const JsonView& value) {
  const auto items = value.items();
  if (!items) {
    return std::nullopt;
  }
  std::vector<std::string> texts;
  for (const JsonView& item : *items) {
    std::optional<std::string> text = item.text();
    if (!text) {
      return std::nullopt;
    }
    texts.push_back(*std::move(text));
  }
  return texts;
}

template <typename Value, typename Get>
std::optional<std::map<std::string, Value>> as_map(const JsonView& value, Get get) {
  const auto members = value.members();
  if (!members) {
    return std::nullopt;
  }
  std::map<std::string, Value> map;
  for (const auto& [name, member] : *members) {
    const std::optional<Value> read = get(member);
    if (!read) {
      return std::nullopt;
    }
    map[name] = *read;
  }
  return map;
}

struct RowsOfTime {
  int64_t rows = 0;
  TimeRange times;
};

std::optional<RowsOfTime> as_rows(const JsonView& value) {
  CardReader reader(value);
  RowsOfTime out;
  out.rows = reader.integer("rows");
  out.times.first = reader.read("first", as_time);
  out.times.last = reader.read("last", as_time);
  return reader.status().ok() ? std::optional(out) : std::nullopt;
}

}  // namespace

std::string to_json(const ModelCard& card) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_text(json, "name", card.name);
  write_text(json, "version", card.version);
  write_text(json, "service", card.service);
  write_text(json, "algorithm", card.algorithm);
  write_text(json, "objective", card.objective);
  write_texts(json, "features", card.features);
  write_texts(json, "left_out", card.left_out);
  write_map(
      json, "fingerprints", card.fingerprints, [&](uint64_t value) { json.string(hex(value)); });
  write_map(json, "data_versions", card.data_versions, [&](int64_t value) { json.integer(value); });
  write_map(json, "parameters", card.parameters, [&](double value) { json.number(value); });
  write_text(json, "label", card.label);
  write_rows(json, "train", card.train_rows, card.train_times);
  write_rows(json, "test", card.test_rows, card.test_times);
  json.key("unlabelled_rows");
  json.integer(card.unlabelled_rows);
  write_map(json, "metrics", card.metrics, [&](double value) { json.number(value); });
  json.key("base_rate");
  json.number(card.base_rate);
  write_text(json, "trained_at", format_time(card.trained_at));
  json.end_object();
  return out;
}

Result<ModelCard> parse_model_card(std::string_view json) {
  Result<JsonView> parsed = JsonView::parse(json);
  if (!parsed.ok()) {
    return parsed.status().with_context("read model card");
  }
  CardReader reader(*parsed);
  ModelCard card;
  card.name = reader.text("name");
  card.version = reader.text("version");
  card.service = reader.text("service");
  card.algorithm = reader.text("algorithm");
  card.objective = reader.text("objective");
  card.features = reader.read("features", as_texts);
  card.left_out = reader.read("left_out", as_texts);
  card.fingerprints =
      reader.read("fingerprints", [](const JsonView& v) { return as_map<uint64_t>(v, as_hash); });
  card.data_versions = reader.read("data_versions", [](const JsonView& v) {
    return as_map<int64_t>(v, [](const JsonView& member) { return member.integer(); });
  });
  const auto as_numbers = [](const JsonView& v) {
    return as_map<double>(v, [](const JsonView& member) { return member.number(); });
  };
  card.parameters = reader.read("parameters", as_numbers);
  card.label = reader.text("label");
  const RowsOfTime train = reader.read("train", as_rows);
  const RowsOfTime test = reader.read("test", as_rows);
  card.train_rows = train.rows;
  card.train_times = train.times;
  card.test_rows = test.rows;
  card.test_times = test.times;
  card.unlabelled_rows = reader.integer("unlabelled_rows");
  card.metrics = reader.read("metrics", as_numbers);
  card.base_rate = reader.number("base_rate");
  card.trained_at = reader.read("trained_at", as_time);
  ASSAY_RETURN_IF_ERROR(reader.status());
  return card;
}

}  // namespace assay::learn
