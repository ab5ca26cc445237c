#include "catalog/validate.h"

#include <algorithm>
#include <utility>

#include "base/suggest.h"
#include "catalog/share_definition.h"
#include "catalog/table_schema.h"
#include "catalog/validation.h"
#include "catalog/value_reading.h"

namespace assay::catalog {
namespace {

struct ExpressionError {
  std::string message;
  std::string help;
  int column = 0;  // in characters, from 1; 0 for none
};

/// "unknown column `x`; did you mean `y`? at column 5" in its parts.
ExpressionError split_message(const std::string& text) {
  ExpressionError error;
  error.message = text;
  constexpr std::string_view kAt = "at column ";
  const std::size_t at = text.rfind(kAt);
  if (at != std::string::npos) {
    if (const auto column = parse_whole(std::string_view(text).substr(at + kAt.size()))) {
      error.column = static_cast<int>(*column);
      std::size_t end = at;
      while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == ',' || text[end - 1] == ';')) {
        --end;
      }
      error.message.resize(end);
    }
  }
  const std::size_t semicolon = error.message.find("; ");
  if (semicolon != std::string::npos) {
    error.help = error.message.substr(semicolon + 2);
    error.message.resize(semicolon);
  }
  return error;
}

/// Bytes before the `column`-th character, from 1.
int bytes_before(std::string_view text, int column) {
  int characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0U) != 0x80U && ++characters == column) {
      return static_cast<int>(i);
    }
  }
  return static_cast<int>(text.size());
}

/// Length of the word that begins at `offset`; 1 for anything else.
int word_length(std::string_view text, std::size_t offset) {
  std::size_t end = offset;
  while (end < text.size() && is_column_name("a" + std::string(1, text[end]))) {
    ++end;
  }
  return static_cast<int>(std::max<std::size_t>(end - std::min(offset, end), 1));
}

}  // namespace

Validation::Validation(const ParsedProject& parsed, const SchemaResolver& silver_schema)
    : parsed_(parsed), resolver_(silver_schema) {
  for (const auto& [file, text] : parsed.diagnostics.sources) {
    sources_.emplace(file, TextLines(text));
  }
}

void Validation::add(Severity severity,
                     const char* code,
                     const Place& place,
                     std::string message,
                     std::string help) {
  diagnostics_.items.push_back(
      {place.span, place.length, severity, code, std::move(message), std::move(help)});
}

void Validation::error(const char* code,
                       const std::string& path,
                       std::string message,
                       std::string help) {
  add(Severity::kError, code, parsed_.places.value(path), std::move(message), std::move(help));
}

void Validation::error_at_key(const char* code,
                              const std::string& path,
                              std::string message,
                              std::string help) {
  add(Severity::kError, code, parsed_.places.key(path), std::move(message), std::move(help));
}

void Validation::warn_at_key(const char* code,
                             const std::string& path,
                             std::string message,
                             std::string help) {
  add(Severity::kWarning, code, parsed_.places.key(path), std::move(message), std::move(help));
}

void Validation::unknown(const std::string& path,
                         std::string_view noun,
                         const std::string& name,
                         const std::vector<std::string>& known) {
  if (name.empty()) {
    return;  // it was missing or wrong, and has been reported
  }
  const std::optional<std::string> near = suggest(name, known);
  std::string help = near.has_value() ? "did you mean `" + *near + "`?" : "";
  if (!near.has_value() && !known.empty() && known.size() <= 12) {
    help = "there is";
    for (const std::string& candidate : known) {
      help += (candidate == known.front() ? " `" : ", `") + candidate + "`";
    }
  }
  error("E0301", path, "unknown " + std::string(noun) + " `" + name + "`", help);
}

void Validation::expression_error(const std::string& path, const Status& status) {
  ExpressionError parts = split_message(status.message());
  Place place = parsed_.places.value(path);
  const auto source = sources_.find(place.span.file);
  if (parts.column > 0 && place.text_column > 0 && source != sources_.end()) {
    const std::string_view line = source->second.from(place.span.line, place.text_column);
    const int offset = bytes_before(line, parts.column);
    place.span.column = place.text_column + offset;
    place.length = word_length(line, static_cast<std::size_t>(offset));
  } else if (parts.column > 0) {
    parts.message += " (at character " + std::to_string(parts.column) + " of the expression)";
  }
  add(Severity::kError, "E0307", place, std::move(parts.message), std::move(parts.help));
}

std::optional<data::Type> Validation::compile(const std::string& path,
                                              const std::string& text,
                                              const data::Schema& schema) {
  const Result<data::Expression> expression = data::Expression::compile(text, schema);
  if (!expression.ok()) {
    expression_error(path, expression.status());
    return std::nullopt;
  }
  return expression->type();
}

void Validation::compile_condition(const std::string& path,
                                   const std::string& text,
                                   const data::Schema& schema) {
  const std::optional<data::Type> type = compile(path, text, schema);
  if (type.has_value() && *type != data::Type::kBool) {
    error("E0307",
          path,
          "the expression is " + std::string(data::type_name(*type)) + " where bool is needed",
          "compare it with something");
  }
}

data::SchemaPtr Validation::stored_bronze_schema(const std::string& table) {
  const auto found = project().bronze.find(table);
  if (found == project().bronze.end() || is_broken("bronze/" + table)) {
    return nullptr;
  }
  Result<data::SchemaPtr> schema = bronze_schema(found->second);
  return schema.ok() ? std::move(schema).value() : nullptr;
}

data::SchemaPtr Validation::silver_schema(const std::string& table) {
  const auto known = silver_schemas_.find(table);
  if (known != silver_schemas_.end()) {
    return known->second;
  }
  data::SchemaPtr& schema = silver_schemas_[table];
  const auto found = project().silver.find(table);
  if (!resolver_ || found == project().silver.end() || is_broken("silver/" + table) ||
      stored_bronze_schema(found->second.from) == nullptr) {
    return nullptr;
  }
  for (const EnrichDef& enrich : found->second.enrich) {
    if (enrich.lookup == table || table_schema(enrich.lookup) == nullptr) {
      return nullptr;
    }
  }
  Result<data::SchemaPtr> resolved = resolver_(project(), table);
  if (!resolved.ok()) {
    const std::string part = found->second.sql_file.empty() ? "/sql" : "/sql_file";
    error("E0307", "silver/" + table + part, resolved.status().message());
    return nullptr;
  }
  return schema = std::move(resolved).value();
}

data::SchemaPtr Validation::table_schema(const std::string& table) {
  const std::optional<TableLayer> layer = layer_of(project(), table);
  if (!layer.has_value()) {
    return nullptr;
  }
  return *layer == TableLayer::kSilver ? silver_schema(table) : stored_bronze_schema(table);
}

std::vector<std::string> Validation::table_names() const {
  std::vector<std::string> names = names_of(project().silver);
  for (std::string& name : names_of(project().bronze)) {
    names.push_back(std::move(name));
  }
  return names;
}

Diagnostics Validation::take() {
  diagnostics_.sort();
  return std::move(diagnostics_);
}

namespace {

/// Entities are shared out by a key that some have.
void validate_share(Validation& validation) {
  const std::optional<SharePlace> store = share_in_place(validation.project().online);
  if (!store.has_value()) {
    return;
  }
  const std::string& wanted = store->share.key;
  std::vector<std::string> keys;
  for (const auto& [name, entity] : validation.project().entities) {
    for (const data::Field& key : entity.keys) {
      keys.push_back(key.name);
    }
  }
  if (std::find(keys.begin(), keys.end(), wanted) == keys.end()) {
    validation.unknown("share", "entity key", wanted, keys);
  }
}

}  // namespace

Diagnostics validate(const ParsedProject& parsed, const SchemaResolver& silver_schema) {
  Validation validation(parsed, silver_schema);
  validate_share(validation);
  validate_tables(validation);
  validate_storage(validation);
  validate_features(validation);
  validate_derived(validation);
  validate_models(validation);
  validate_publish(validation);
  validate_direct(validation);
  return validation.take();
}

Result<ParsedProject> load_project(World& world,
                                   const std::string& folder,
                                   const ParseOptions& options,
                                   const SchemaResolver& silver_schema) {
  ASSAY_ASSIGN_OR_RETURN(ParsedProject parsed, parse_project(world, folder, options));
  parsed.diagnostics.append(validate(parsed, silver_schema));
  parsed.diagnostics.sort();
  return parsed;
}

}  // namespace assay::catalog
