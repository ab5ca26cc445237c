#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::catalog {

/// What a key's value may be.
enum class ValueKind {
  kNone,
  kText,
  kName,        // [a-z][a-z0-9_]*
  kColumn,      // [A-Za-z_][A-Za-z0-9_]*: columns keep the names their files have
  kColumns,     // one column or a list of them
  kTexts,       // one text or a list of them
  kColumnType,  // data::Type by name, with an optional ! where `detail` is "required"
  kTypeMap,     // column: type
  kDuration,    // 90s, 10m, 24h, 7d
  kDurations,   // one or a list
  kBoolean,
  kInteger,
  kNumber,
  kBytes,       // 4096, 64KB, 8MB, 1GB
  kScalars,     // a list of values
  kRange,       // [first, last]; null leaves an end open
  kExpression,  // data::Expression
  kSql,         // a statement, or the name of a .sql file
  kPath,
  kChoice,       // one of `detail`, cut by |
  kSection,      // a map with the keys of section `detail`
  kSectionMap,   // name: section `detail`
  kSectionList,  // a list of section `detail`
  kServiceMap,   // name: list of views
  kProfiles,     // name: any of the project's own keys
  kLater,        // known, and refused in this version
  kTextMap,      // name: text; names as another program has them
};

/// One key of one section: parsing checks, defaults, JSON Schema and the reference page come from
/// here.
struct KeyDef {
  std::string_view section;
  std::string_view key;
  ValueKind kind;
  bool required;
  std::string_view default_text;  // "" for none
  std::string_view detail;        // choices, the section's name or a duration's other word
  std::string_view help;
  std::string_view example;
};

/// One section. `shorthand`: what a single value instead of a map means, with `shorthand_key` the
/// key it stands for ("" when the section says itself).
struct SectionDef {
  std::string_view name;
  std::string_view path;  // as a reader meets it: "bronze.<name>.columns.<column>"
  ValueKind shorthand;
  std::string_view shorthand_key;
  std::string_view help;
};

/// Every section, in the order of the reference page.
std::span<const SectionDef> all_sections();
/// Every key, grouped by section.
std::span<const KeyDef> all_keys();
/// The section of this name; asking for another is a bug of ours.
const SectionDef& section_def(std::string_view name);
/// Keys of one section, in table order.
std::vector<const KeyDef*> keys_of(std::string_view section);
/// The key, or nullptr.
const KeyDef* find_key(std::string_view section, std::string_view key);
/// "a", "b" and "c" of "a|b|c".
std::vector<std::string> choices_of(std::string_view detail);
/// "a duration such as 24h", for messages and the reference page.
std::string kind_phrase(const KeyDef& key);

/// The page docs/reference/yaml.md.
std::string yaml_reference();

}  // namespace assay::catalog
