#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "base/world.h"
#include "catalog/definition_table.h"
#include "catalog/diagnostics.h"
#include "catalog/value_reading.h"
#include "catalog/yaml_document.h"
#include "data/schema.h"

namespace assay::catalog {

/// The file that is being read and where its errors go.
struct ParseContext {
  World& world;
  std::string folder;  // of the project
  std::string file;    // relative to it
  Diagnostics& diagnostics;
  Status& failure;  // the first one that says nothing of the definitions

  /// Whether a file could not be read for a reason that may pass, which is kept in `failure`.
  bool is_away(const Status& read);
  [[nodiscard]] Span span(YamlMark mark) const { return {file, mark.line, mark.column}; }
  /// Report an error at a value.
  void error(const char* code, const YamlNode& node, std::string message, std::string help = "");
  /// Report an error at a key.
  void error_at_key(const char* code,
                    const YamlEntry& entry,
                    std::string message,
                    std::string help = "");
};

/// One section of a file, checked against the definition table: unknown and missing keys, shapes
/// and values are reported when it is made. What was wrong reads as if it were absent.
///
/// Threads one thread at a time; keeps references to the context and the tree.
class SectionReader {
 public:
  struct Options {
    std::string_view section;  // of the definition table
    std::string title;         // for messages: "bronze `clicks`"
    bool partial = false;      // required keys may be missing
  };
  SectionReader(ParseContext& context, const YamlNode& node, Options options);

  [[nodiscard]] bool has(std::string_view key) const { return values_.count(std::string(key)) > 0; }
  /// The value of a key, or nullptr.
  [[nodiscard]] const YamlNode* find(std::string_view key) const;
  /// The section itself, for errors about it as a whole.
  [[nodiscard]] const YamlNode& node() const { return node_; }
  [[nodiscard]] const std::string& title() const { return title_; }

  // Values, or the table's default when the key is absent or wrong. The names say the table's
  // kinds.
  [[nodiscard]] std::string text(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;
  [[nodiscard]] std::optional<Duration> duration(std::string_view key) const;
  [[nodiscard]] std::vector<Duration> durations(std::string_view key) const;
  [[nodiscard]] bool boolean(std::string_view key) const;
  [[nodiscard]] int64_t integer(std::string_view key) const;
  [[nodiscard]] double number(std::string_view key) const;
  [[nodiscard]] int64_t bytes(std::string_view key) const;
  [[nodiscard]] ColumnType column_type(std::string_view key) const;
  [[nodiscard]] std::vector<data::Field> type_map(std::string_view key) const;
  [[nodiscard]] std::map<std::string, std::string> text_map(std::string_view key) const;

 private:
  void read_entries();
  void check_required();
  [[nodiscard]] bool check_value(const KeyDef& key, const YamlNode& value);
  [[nodiscard]] bool check_shape(const KeyDef& key, const YamlNode& value);
  [[nodiscard]] bool check_scalar(const KeyDef& key, const YamlNode& value);
  [[nodiscard]] bool check_number(const KeyDef& key, const YamlNode& value);
  [[nodiscard]] bool check_names(const KeyDef& key, const YamlNode& value);
  [[nodiscard]] bool check_type_map(const KeyDef& key, const YamlNode& value);
  [[nodiscard]] bool check_text_map(const KeyDef& key, const YamlNode& value);
  bool fail(const char* code, const YamlNode& value, std::string message, std::string help = "");

  ParseContext& context_;
  const YamlNode& node_;
  std::string_view section_;
  std::string title_;
  bool partial_;
  std::map<std::string, const YamlNode*> values_;
};

}  // namespace assay::catalog
