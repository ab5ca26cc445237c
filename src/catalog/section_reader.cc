#include "catalog/section_reader.h"

#include <algorithm>
#include <utility>

#include "base/suggest.h"

namespace assay::catalog {
namespace {

using Kind = YamlNode::Kind;

std::string_view kind_name(const YamlNode& node) {
  switch (node.kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return "a single value";
    case Kind::kList:
      return node.items.empty() ? "an empty list" : "a list";
    case Kind::kMap:
      return "a map";
  }
  return "";
}

std::string in_backticks(std::string_view text) {
  constexpr std::size_t kBytesMax = 80;
  return "`" + std::string(text.substr(0, kBytesMax)) + (text.size() > kBytesMax ? "..." : "") +
         "`";
}

/// Message without its leading fixed part moved to help: "x; did you mean `y`?" is cut at the
/// semicolon.
std::pair<std::string, std::string> cut_help(const std::string& message) {
  const std::size_t semicolon = message.find("; ");
  if (semicolon == std::string::npos) {
    return {message, ""};
  }
  return {message.substr(0, semicolon), message.substr(semicolon + 2)};
}

bool takes_list(ValueKind kind) {
  return kind == ValueKind::kColumns || kind == ValueKind::kTexts || kind == ValueKind::kDurations;
}

}  // namespace

bool ParseContext::is_away(const Status& read) {
  if (!retryable(read.code())) {
    return false;
  }
  if (failure.ok()) {
    failure = read;
  }
  return true;
}

void ParseContext::error(const char* code,
                         const YamlNode& node,
                         std::string message,
                         std::string help) {
  diagnostics.items.push_back(
      {span(node.mark), node.length, Severity::kError, code, std::move(message), std::move(help)});
}

void ParseContext::error_at_key(const char* code,
                                const YamlEntry& entry,
                                std::string message,
                                std::string help) {
  diagnostics.items.push_back({span(entry.key_mark),
                               static_cast<int>(entry.key.size()),
                               Severity::kError,
                               code,
                               std::move(message),
                               std::move(help)});
}

SectionReader::SectionReader(ParseContext& context, const YamlNode& node, Options options)
    : context_(context),
      node_(node),
      section_(options.section),
      title_(std::move(options.title)),
      partial_(options.partial) {
  const SectionDef& section = section_def(section_);
  if (node_.kind == Kind::kScalar && !section.shorthand_key.empty()) {
    const KeyDef* key = find_key(section_, section.shorthand_key);
    if (check_value(*key, node_)) {
      values_[std::string(key->key)] = &node_;
    }
    return;
  }
  if (node_.kind != Kind::kMap && node_.kind != Kind::kNull) {
    fail("E0104",
         node_,
         title_ + " is " + std::string(kind_name(node_)) + " where a map is needed",
         "write its keys below it, each as `key: value`");
    return;
  }
  read_entries();
  check_required();
}

void SectionReader::read_entries() {
  for (const YamlEntry& entry : node_.entries) {
    const KeyDef* key = find_key(section_, entry.key);
    if (key == nullptr) {
      std::vector<std::string> known;
      for (const KeyDef* row : keys_of(section_)) {
        known.emplace_back(row->key);
      }
      const std::optional<std::string> near = suggest(entry.key, known);
      std::string help = "did you mean `" + near.value_or("") + "`?";
      if (!near.has_value()) {
        help = "its keys are";
        for (const std::string& name : known) {
          help += (name == known.front() ? " " : ", ") + name;
        }
      }
      context_.error_at_key(
          "E0102", entry, "unknown key " + in_backticks(entry.key) + " in " + title_, help);
    } else if (key->kind == ValueKind::kLater) {
      context_.error_at_key("E0108",
                            entry,
                            "`" + entry.key + "` is not in this version of assay",
                            "this version reads `files` (CSV, JSON lines and Parquet) and `kafka`");
      values_[entry.key] = &entry.value;
    } else if (check_value(*key, entry.value)) {
      values_[entry.key] = &entry.value;
    } else {
      values_.erase(entry.key);
    }
  }
}

void SectionReader::check_required() {
  if (partial_) {
    return;
  }
  for (const KeyDef* key : keys_of(section_)) {
    if (key->required && node_.find(key->key) == nullptr) {
      std::string help = key->help.empty() ? "" : std::string(key->help);
      if (!key->example.empty()) {
        help = "add `" + std::string(key->key) + ": " + std::string(key->example) + "`";
      }
      fail("E0103", node_, title_ + " needs `" + std::string(key->key) + "`", help);
    }
  }
}

bool SectionReader::fail(const char* code,
                         const YamlNode& value,
                         std::string message,
                         std::string help) {
  context_.error(code, value, std::move(message), std::move(help));
  return false;
}

bool SectionReader::check_value(const KeyDef& key, const YamlNode& value) {
  if (!check_shape(key, value)) {
    return fail("E0104",
                value,
                "`" + std::string(key.key) + "` in " + title_ + " is " +
                    std::string(kind_name(value)) + " where " + kind_phrase(key) + " is needed",
                key.example.empty() ? ""
                                    : "for example `" + std::string(key.key) + ": " +
                                          std::string(key.example) + "`");
  }
  if (takes_list(key.kind) && value.kind == Kind::kList) {
    bool good = true;
    for (const YamlNode& item : value.items) {
      good = check_scalar(key, item) && good;
    }
    return good;
  }
  switch (key.kind) {
    case ValueKind::kTypeMap:
      return check_type_map(key, value);
    case ValueKind::kTextMap:
      return check_text_map(key, value);
    case ValueKind::kSectionMap:
    case ValueKind::kServiceMap:
    case ValueKind::kProfiles:
      return check_names(key, value);
    case ValueKind::kSection:
    case ValueKind::kSectionList:
    case ValueKind::kScalars:
    case ValueKind::kRange:
      return true;
    default:
      return check_scalar(key, value);
  }
}

bool SectionReader::check_shape(const KeyDef& key, const YamlNode& value) {
  const auto all_scalars = [](const YamlNode& list, bool nulls) {
    return std::all_of(list.items.begin(), list.items.end(), [&](const YamlNode& item) {
      return item.kind == Kind::kScalar || (nulls && item.kind == Kind::kNull);
    });
  };
  switch (key.kind) {
    case ValueKind::kColumns:
      return value.kind == Kind::kScalar ||
             (value.kind == Kind::kList && all_scalars(value, false) &&
              (!key.required || !value.items.empty()));
    case ValueKind::kTexts:
    case ValueKind::kDurations:
      return value.kind == Kind::kScalar ||
             (value.kind == Kind::kList && !value.items.empty() && all_scalars(value, false));
    case ValueKind::kScalars:
      return value.kind == Kind::kList && !value.items.empty() && all_scalars(value, false);
    case ValueKind::kRange:
      return value.kind == Kind::kList && value.items.size() == 2 && all_scalars(value, true);
    case ValueKind::kSectionList:
      return value.kind == Kind::kList;
    case ValueKind::kTypeMap:
    case ValueKind::kTextMap:
    case ValueKind::kProfiles:
      return value.kind == Kind::kMap;
    case ValueKind::kSectionMap:
    case ValueKind::kServiceMap:
      return value.kind == Kind::kMap || (value.kind == Kind::kNull && !key.required);
    case ValueKind::kSection:
      return value.kind == Kind::kMap ||
             (value.kind == Kind::kScalar && !section_def(key.detail).shorthand_key.empty());
    default:
      return value.kind == Kind::kScalar;
  }
}

bool SectionReader::check_scalar(const KeyDef& key, const YamlNode& value) {
  const std::string& text = value.text;
  const std::string name = "`" + std::string(key.key) + "` in " + title_;
  const auto check = [&](const Status& status) {
    const auto [message, help] = cut_help(status.message());
    return status.ok() || fail("E0201", value, name + ": " + message, help);
  };
  switch (key.kind) {
    case ValueKind::kName:
      return is_name(text) ||
             fail("E0202",
                  value,
                  name + ": " + in_backticks(text) + " is not a name",
                  "names are lower-case letters, digits and _, and begin with a letter");
    case ValueKind::kColumn:
    case ValueKind::kColumns:
      return is_column_name(text) ||
             fail("E0202",
                  value,
                  name + ": " + in_backticks(text) + " is not a column name",
                  "column names are letters, digits and _, and do not begin with a digit");
    case ValueKind::kColumnType:
      return check(parse_column_type(text).status());
    case ValueKind::kDuration:
    case ValueKind::kDurations: {
      const std::string word =
          key.detail.empty() ? "" : " or " + in_backticks(std::string(key.detail));
      return (!key.detail.empty() && text == key.detail) || parse_duration(text).ok() ||
             fail("E0201",
                  value,
                  name + ": " + in_backticks(text) + " is not a duration" + word,
                  "write a whole number and ms, s, m, h or d, such as 90s, 10m, 24h or 7d" + word);
    }
    case ValueKind::kBoolean:
      return parse_boolean(text).has_value() ||
             fail("E0201", value, name + ": " + in_backticks(text) + " is neither true nor false");
    case ValueKind::kBytes:
      return check(parse_byte_size(text).status());
    case ValueKind::kInteger:
    case ValueKind::kNumber:
      return check_number(key, value);
    case ValueKind::kChoice: {
      const std::vector<std::string> choices = choices_of(key.detail);
      if (std::find(choices.begin(), choices.end(), text) != choices.end()) {
        return true;
      }
      const std::optional<std::string> near = suggest(text, choices);
      return fail("E0201",
                  value,
                  name + ": " + in_backticks(text) + " is not " + kind_phrase(key),
                  near.has_value() ? "did you mean `" + *near + "`?" : "");
    }
    default:
      return !text.empty() || key.kind == ValueKind::kText || key.kind == ValueKind::kTexts ||
             fail("E0201", value, name + " is empty");
  }
}

bool SectionReader::check_number(const KeyDef& key, const YamlNode& value) {
  const std::optional<double> real = parse_real(value.text);
  const bool whole = parse_whole(value.text).has_value();
  const std::string name = "`" + std::string(key.key) + "` in " + title_;
  if (!real.has_value() || (key.kind == ValueKind::kInteger && !whole)) {
    return fail(
        "E0201", value, name + ": " + in_backticks(value.text) + " is not " + kind_phrase(key));
  }
  const std::size_t dots = key.detail.find("..");
  if (dots == std::string_view::npos) {
    return true;
  }
  const double first = parse_real(key.detail.substr(0, dots)).value_or(0);
  const double last = parse_real(key.detail.substr(dots + 2)).value_or(0);
  return (*real >= first && *real <= last) ||
         fail("E0201",
              value,
              name + ": " + in_backticks(value.text) + " is not " + kind_phrase(key));
}

bool SectionReader::check_names(const KeyDef& key, const YamlNode& value) {
  const bool columns = key.detail == "column" || key.detail == "input_key";
  for (const YamlEntry& entry : value.entries) {
    if (columns ? !is_column_name(entry.key) : !is_name(entry.key)) {
      context_.error_at_key(
          "E0202",
          entry,
          in_backticks(entry.key) + " is not a name",
          key.detail == "column"
              ? "column names are letters, digits and _, and do not begin with a digit; a field of "
                "another name is said by `from`"
          : columns ? "column names are letters, digits and _, and do not begin with a digit"
                    : "names are lower-case letters, digits and _, and begin with a letter");
    }
  }
  return true;  // what stands under a bad name is read all the same, for its own errors
}

bool SectionReader::check_type_map(const KeyDef& key, const YamlNode& value) {
  bool good = true;
  for (const YamlEntry& entry : value.entries) {
    const std::string name = "`" + entry.key + "` in `" + std::string(key.key) + "` of " + title_;
    if (!is_column_name(entry.key)) {
      context_.error_at_key(
          "E0202",
          entry,
          in_backticks(entry.key) + " is not a column name",
          "column names are letters, digits and _, and do not begin with a digit");
      good = false;
    } else if (entry.value.kind != Kind::kScalar) {
      good = fail("E0104",
                  entry.value,
                  name + " is " + std::string(kind_name(entry.value)) + " where a type is needed");
    } else if (const Result<ColumnType> type = parse_column_type(entry.value.text); !type.ok()) {
      const auto [message, help] = cut_help(type.status().message());
      good = fail("E0201", entry.value, name + ": " + message, help);
    }
  }
  return good;
}

bool SectionReader::check_text_map(const KeyDef& key, const YamlNode& value) {
  bool good = true;
  for (const YamlEntry& entry : value.entries) {
    if (entry.value.kind != Kind::kScalar) {
      good = fail("E0104",
                  entry.value,
                  "`" + entry.key + "` in `" + std::string(key.key) + "` of " + title_ + " is " +
                      std::string(kind_name(entry.value)) + " where a text is needed");
    }
  }
  return good;
}

const YamlNode* SectionReader::find(std::string_view key) const {
  const auto found = values_.find(std::string(key));
  return found == values_.end() ? nullptr : found->second;
}

std::string SectionReader::text(std::string_view key) const {
  const YamlNode* value = find(key);
  return value != nullptr ? value->text : std::string(find_key(section_, key)->default_text);
}

std::vector<std::string> SectionReader::texts(std::string_view key) const {
  std::vector<std::string> texts;
  const YamlNode* value = find(key);
  if (value == nullptr) {
    std::string_view list = find_key(section_, key)->default_text;  // "[a, b]" or ""
    while (list.size() > 2) {
      const std::size_t end = list.find_first_of(",]", 1);
      texts.emplace_back(list.substr(1, end - 1));
      list.remove_prefix(list[end] == ',' ? end + 1 : list.size());
    }
  } else if (value->kind == Kind::kScalar) {
    texts.push_back(value->text);
  } else {
    for (const YamlNode& item : value->items) {
      texts.push_back(item.text);
    }
  }
  return texts;
}

std::optional<Duration> SectionReader::duration(std::string_view key) const {
  const Result<Duration> duration = parse_duration(text(key));
  return duration.ok() ? std::optional(duration.value()) : std::nullopt;
}

std::vector<Duration> SectionReader::durations(std::string_view key) const {
  std::vector<Duration> durations;
  for (const std::string& item : texts(key)) {
    durations.push_back(parse_duration(item).value());
  }
  return durations;
}

bool SectionReader::boolean(std::string_view key) const {
  return parse_boolean(text(key)).value_or(false);
}

int64_t SectionReader::integer(std::string_view key) const {
  return parse_whole(text(key)).value_or(0);
}

double SectionReader::number(std::string_view key) const {
  return parse_real(text(key)).value_or(0);
}

int64_t SectionReader::bytes(std::string_view key) const {
  const Result<int64_t> size = parse_byte_size(text(key));
  return size.ok() ? size.value() : 0;
}

ColumnType SectionReader::column_type(std::string_view key) const {
  const Result<ColumnType> type = parse_column_type(text(key));
  return type.ok() ? type.value() : ColumnType{};
}

std::map<std::string, std::string> SectionReader::text_map(std::string_view key) const {
  std::map<std::string, std::string> texts;
  const YamlNode* value = find(key);
  if (value != nullptr) {
    for (const YamlEntry& entry : value->entries) {
      texts[entry.key] = entry.value.text;
    }
  }
  return texts;
}

std::vector<data::Field> SectionReader::type_map(std::string_view key) const {
  std::vector<data::Field> fields;
  const YamlNode* value = find(key);
  if (value != nullptr) {
    for (const YamlEntry& entry : value->entries) {
      const Result<ColumnType> type = parse_column_type(entry.value.text);
      if (type.ok()) {
        fields.push_back({entry.key, type->type, !type->required});
      }
    }
  }
  return fields;
}

}  // namespace assay::catalog
