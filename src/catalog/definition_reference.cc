// The words for people that come from the definition table: phrases of messages, and the reference
// page.

#include "catalog/definition_table.h"

namespace assay::catalog {
namespace {

std::string choice_phrase(std::string_view detail) {
  const std::vector<std::string> choices = choices_of(detail);
  if (choices.size() == 1) {
    return "`" + choices.front() + "`";
  }
  std::string phrase = "one of";
  for (const std::string& choice : choices) {
    phrase += (choice == choices.front() ? " " : ", ") + choice;
  }
  return phrase;
}

std::string bounds_phrase(std::string_view noun, std::string_view detail) {
  const std::size_t dots = detail.find("..");
  if (dots == std::string_view::npos) {
    return std::string(noun);
  }
  return std::string(noun) + " from " + std::string(detail.substr(0, dots)) + " to " +
         std::string(detail.substr(dots + 2));
}

/// `|` would end a table's cell.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c == '|' ? "\\|" : std::string(1, c);
  }
  return out;
}

std::string code(std::string_view text) {
  return text.empty() ? "" : "`" + cell(text) + "`";
}

}  // namespace

std::string kind_phrase(const KeyDef& key) {
  switch (key.kind) {
    case ValueKind::kNone:
    case ValueKind::kLater:
      return "nothing yet";
    case ValueKind::kText:
      return "a text";
    case ValueKind::kName:
      return "a name";
    case ValueKind::kColumn:
      return "a column";
    case ValueKind::kColumns:
      return "a column or a list of columns";
    case ValueKind::kTexts:
      return "a text or a list of texts";
    case ValueKind::kColumnType:
      return "a type";
    case ValueKind::kTypeMap:
      return "a map of columns and types";
    case ValueKind::kTextMap:
      return "a map of names and texts";
    case ValueKind::kDuration:
      return key.detail.empty() ? "a duration" : "a duration or `" + std::string(key.detail) + "`";
    case ValueKind::kDurations:
      return "a duration or a list of durations";
    case ValueKind::kBoolean:
      return "true or false";
    case ValueKind::kInteger:
      return bounds_phrase("a whole number", key.detail);
    case ValueKind::kNumber:
      return bounds_phrase("a number", key.detail);
    case ValueKind::kBytes:
      return "a size";
    case ValueKind::kScalars:
      return "a list of values";
    case ValueKind::kRange:
      return "a list of two values";
    case ValueKind::kExpression:
      return "an expression";
    case ValueKind::kSql:
      return "SQL or a .sql file";
    case ValueKind::kPath:
      return "a path";
    case ValueKind::kChoice:
      return choice_phrase(key.detail);
    case ValueKind::kSection:
      return "a map";
    case ValueKind::kSectionMap:
      return "a map of names";
    case ValueKind::kSectionList:
      return "a list";
    case ValueKind::kServiceMap:
      return "a map of names to lists of views";
    case ValueKind::kProfiles:
      return "a map of names";
  }
  return "";
}

std::string yaml_reference() {
  std::string page =
      "# The YAML of a project\n\n"
      "A project is a folder with `assay.yaml` and any number of other YAML files. Every key there "
      "is, with "
      "its\ndefault. Durations are a whole number and `ms`, `s`, `m`, `h` or `d`. `${VAR}` is "
      "replaced by the "
      "environment's\nvalue and `${VAR:-text}` has a default. Generated from "
      "`src/catalog/definition_table.cc`; "
      "editors take the same\nfrom `assay schema`.\n";
  for (const SectionDef& section : all_sections()) {
    page += "\n## `" + std::string(section.path) + "`\n\n" + std::string(section.help) + "\n\n" +
            "| key | value | default | meaning | example |\n|---|---|---|---|---|\n";
    for (const KeyDef* key : keys_of(section.name)) {
      const std::string fallback = key->required ? "required" : code(key->default_text);
      page += "| " + code(key->key) + " | " + cell(kind_phrase(*key)) + " | " + fallback + " | " +
              cell(key->help) + (key->kind == ValueKind::kLater ? " Not in this version." : "") +
              " | " + code(key->example) + " |\n";
    }
  }
  return page;
}

}  // namespace assay::catalog
