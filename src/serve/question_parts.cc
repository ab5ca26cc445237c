#include "serve/question_parts.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/json_writer.h"
#include "data/entity_key.h"
#include "serve/json_request.h"
#include "serve/json_slices.h"
#include "serve/json_value.h"

namespace assay::serve {
namespace {

/// The list of the key that decides; an entity's name may stand for it (Selections::name_keys).
const JsonColumn* find_key(const std::vector<JsonColumn>& entities, const ShareMap& shares) {
  for (const JsonColumn& column : entities) {
    if (column.name == shares.list.key) {
      return &column;
    }
  }
  for (const JsonColumn& column : entities) {
    const auto& names = shares.other_names;
    if (std::find(names.begin(), names.end(), column.name) != names.end()) {
      return &column;
    }
  }
  return nullptr;
}

void write_value(JsonWriter& writer, const JsonValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    writer.boolean(*flag);
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    writer.integer(*integer);
  } else if (const auto* number = std::get_if<double>(&value)) {
    writer.number(*number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    writer.string(*text);
  } else if (const auto* json = std::get_if<JsonText>(&value)) {
    writer.raw(json->json);
  } else if (const auto* large = std::get_if<uint64_t>(&value)) {
    writer.raw(std::to_string(*large));
  } else {
    writer.null();
  }
}

/// The question about some of its rows.
std::string question_of(const RequestBody& body, std::span<const int64_t> rows) {
  std::string text;
  JsonWriter writer(text);
  writer.begin_object();
  for (const auto& [name, value] :
       {std::pair{"feature_service", &body.feature_service}, std::pair{"model", &body.model}}) {
    if (value->has_value()) {
      writer.key(name);
      writer.string(**value);
    }
  }
  if (body.features.has_value()) {
    writer.key("features");
    writer.begin_array();
    for (const std::string& feature : *body.features) {
      writer.string(feature);
    }
    writer.end_array();
  }
  for (const auto& [name, is_set] :
       {std::pair{"full_feature_names", body.full_feature_names},
        std::pair{"with_features", body.with_features},
        std::pair{"include_feature_view_version_metadata", body.with_view_versions}}) {
    if (is_set) {
      writer.key(name);
      writer.boolean(true);
    }
  }
  if (body.at.has_value()) {
    writer.key("at");
    write_value(writer, *body.at);
  }
  writer.key("entities");
  writer.begin_object();
  for (const JsonColumn& column : body.entities) {
    writer.key(column.name);
    writer.begin_array();
    for (const int64_t row : rows) {
      write_value(writer, column.values[static_cast<std::size_t>(row)]);
    }
    writer.end_array();
  }
  writer.end_object();
  writer.end_object();
  return text;
}

/// The share of each row, nothing for a null key; none at all when a value is not of its type.
std::optional<std::vector<std::optional<std::size_t>>> owners_of(const JsonColumn& column,
                                                                 const ShareMap& shares) {
  std::vector<std::optional<std::size_t>> owners;
  owners.reserve(column.values.size());
  for (const JsonValue& value : column.values) {
    const Result<data::Scalar> typed = to_scalar(value, shares.type);
    if (!typed.ok()) {
      return std::nullopt;
    }
    const std::optional<data::EntityKey> key = data::encode_key(std::span(&*typed, 1));
    owners.push_back(key.has_value() ? std::optional(shares.owners.owner(key->bytes()))
                                     : std::nullopt);
  }
  return owners;
}

using Members = std::vector<JsonMember>;

Status differ() {
  return {Code::kUnavailable,
          "the servers of the shares do not answer alike, as while definitions change; ask again"};
}

/// Puts the parts of answers together.
class Merge {
 public:
  Merge(std::span<const QuestionPart> parts, std::string* out) : parts_(parts), out_(*out) {
    std::size_t rows = 0;
    for (const QuestionPart& part : parts) {
      rows += part.rows.size();
    }
    by_row_.resize(rows);
  }

  Status answers(std::span<const std::string_view> texts) {
    return objects(texts, [this](std::string_view name, std::span<const std::string_view> values) {
      return name == "\"results\""                                 ? results(values)
             : name == "\"predictions\"" || name == "\"features\"" ? rows(values)
                                                                   : same(values);
    });
  }

 private:
  template <typename Each>
  Status objects(std::span<const std::string_view> texts, const Each& each) {
    std::vector<Members> members;
    for (const std::string_view text : texts) {
      std::optional<Members> found = json_members(text);
      if (!found.has_value() || (!members.empty() && found->size() != members.front().size())) {
        return differ();
      }
      members.push_back(*std::move(found));
    }
    out_ += '{';
    std::vector<std::string_view> values;
    for (std::size_t i = 0; i < members.front().size(); ++i) {
      const std::string_view name = members.front()[i].name;
      values.clear();
      for (const Members& one : members) {
        if (one[i].name != name) {
          return differ();
        }
        values.push_back(one[i].value);
      }
      out_.append(i == 0 ? "" : ",").append(name).append(":");
      ASSAY_RETURN_IF_ERROR(each(name, values));
    }
    out_ += '}';
    return {};
  }
  /// Feature by feature, an object of lists with a value a row.
  Status results(std::span<const std::string_view> texts) {
    std::vector<std::vector<std::string_view>> features;
    for (const std::string_view text : texts) {
      auto found = json_elements(text);
      if (!found.has_value() || (!features.empty() && found->size() != features.front().size())) {
        return differ();
      }
      features.push_back(*std::move(found));
    }
    out_ += '[';
    std::vector<std::string_view> one(texts.size());
    for (std::size_t feature = 0; feature < features.front().size(); ++feature) {
      for (std::size_t part = 0; part < features.size(); ++part) {
        one[part] = features[part][feature];
      }
      out_.append(feature == 0 ? "" : ",");
      ASSAY_RETURN_IF_ERROR(
          objects(one, [this](std::string_view, std::span<const std::string_view> lists) {
            return rows(lists);
          }));
    }
    out_ += ']';
    return {};
  }
  /// Lists with a value for each row of their part.
  Status rows(std::span<const std::string_view> texts) {
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      const auto values = json_elements(texts[part]);
      const std::vector<int64_t>& places = parts_[part].rows;
      if (!values.has_value() || values->size() != places.size()) {
        return differ();
      }
      for (std::size_t i = 0; i < places.size(); ++i) {
        by_row_[static_cast<std::size_t>(places[i])] = (*values)[i];
      }
    }
    out_ += '[';
    for (std::size_t row = 0; row < by_row_.size(); ++row) {
      out_.append(row == 0 ? "" : ",").append(by_row_[row]);
    }
    out_ += ']';
    return {};
  }
  Status same(std::span<const std::string_view> texts) {
    if (std::any_of(texts.begin(), texts.end(), [&](std::string_view text) {
          return text != texts.front();
        })) {
      return differ();
    }
    out_.append(texts.front());
    return {};
  }

  const std::span<const QuestionPart> parts_;
  std::string& out_;
  std::vector<std::string_view> by_row_;
};

}  // namespace

std::vector<QuestionPart> split_question(std::string_view body, const ShareMap& shares) {
  const ParsedBody parsed = parse_request_body(body);
  const JsonColumn* key = parsed.errors.empty() ? find_key(parsed.body.entities, shares) : nullptr;
  if (key == nullptr ||
      std::any_of(
          parsed.body.entities.begin(), parsed.body.entities.end(), [&](const JsonColumn& other) {
            return other.values.size() != key->values.size();
          })) {
    return {};
  }
  const auto owners = owners_of(*key, shares);
  if (!owners.has_value()) {
    return {};
  }
  std::map<std::size_t, std::vector<int64_t>> rows_of;
  for (std::size_t row = 0; row < owners->size(); ++row) {
    if ((*owners)[row].has_value()) {
      rows_of[*(*owners)[row]].push_back(static_cast<int64_t>(row));
    }
  }
  if (rows_of.empty()) {
    return {};
  }
  std::vector<int64_t>& first = rows_of.begin()->second;
  for (std::size_t row = 0; row < owners->size(); ++row) {
    if (!(*owners)[row].has_value()) {
      first.push_back(static_cast<int64_t>(row));
    }
  }
  std::sort(first.begin(), first.end());
  std::vector<QuestionPart> parts;
  for (auto& [share, rows] : rows_of) {
    std::string text = rows_of.size() == 1 ? std::string() : question_of(parsed.body, rows);
    parts.push_back({share, std::move(rows), std::move(text)});
  }
  return parts;
}

Result<std::string> merge_answers(std::span<const QuestionPart> parts,
                                  std::span<const std::string_view> answers) {
  std::string merged;
  std::size_t bytes = 0;
  for (const std::string_view answer : answers) {
    bytes += answer.size();
  }
  merged.reserve(bytes);
  ASSAY_RETURN_IF_ERROR(Merge(parts, &merged).answers(answers));
  return merged;
}

}  // namespace assay::serve
