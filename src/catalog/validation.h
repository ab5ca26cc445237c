#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/text_lines.h"
#include "catalog/validate.h"
#include "data/expression.h"
#include "data/schema.h"

namespace assay::catalog {

/// What the checks of validate.cc, validate_tables.cc, validate_features.cc and validate_models.cc
/// share: the project, where things were written, schemas found so far, and the findings.
///
/// Threads one thread at a time.
class Validation {
 public:
  Validation(const ParsedProject& parsed, const SchemaResolver& silver_schema);

  [[nodiscard]] const Project& project() const { return parsed_.project; }
  /// True when the definition at "section/name" had errors of its own.
  [[nodiscard]] bool is_broken(const std::string& path) const {
    return parsed_.broken.count(path) > 0;
  }

  /// Report at the value, or at the key, of a path such as "bronze/clicks/key/0".
  void error(const char* code, const std::string& path, std::string message, std::string help = "");
  void error_at_key(const char* code,
                    const std::string& path,
                    std::string message,
                    std::string help = "");
  void warn_at_key(const char* code,
                   const std::string& path,
                   std::string message,
                   std::string help = "");
  /// Report an unknown name with the nearest of those that there are.
  void unknown(const std::string& path,
               std::string_view noun,
               const std::string& name,
               const std::vector<std::string>& known);
  /// Compile an expression; its error is reported at the very place in the file.
  std::optional<data::Type> compile(const std::string& path,
                                    const std::string& text,
                                    const data::Schema& schema);
  /// The same, and the type must be bool.
  void compile_condition(const std::string& path,
                         const std::string& text,
                         const data::Schema& schema);
  /// Report a failed compilation at the place in the file that its "at column N" means.
  void expression_error(const std::string& path, const Status& status);

  /// Schema of a bronze or silver table, or nullptr when it cannot be known here.
  data::SchemaPtr table_schema(const std::string& table);
  data::SchemaPtr silver_schema(const std::string& table);
  data::SchemaPtr stored_bronze_schema(const std::string& table);
  [[nodiscard]] std::vector<std::string> table_names() const;

  Diagnostics take();

 private:
  void add(Severity severity,
           const char* code,
           const Place& place,
           std::string message,
           std::string help);

  const ParsedProject& parsed_;
  const SchemaResolver& resolver_;
  std::map<std::string, data::SchemaPtr> silver_schemas_;
  std::map<std::string, TextLines> sources_;
  Diagnostics diagnostics_;
};

/// Names of a map's definitions, sorted.
template <typename Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, definition] : map) {
    names.push_back(name);
  }
  return names;
}

void validate_tables(Validation& validation);
void validate_storage(Validation& validation);
void validate_features(Validation& validation);
void validate_derived(Validation& validation);
void validate_models(Validation& validation);
void validate_publish(Validation& validation);
void validate_direct(Validation& validation);

/// Output features of a view with their types; nothing when they cannot be known here.
std::optional<std::vector<data::Field>> view_fields(Validation& validation,
                                                    const FeatureViewDef& view);

/// Report the features of the ratio at `path` that are unknown or no numbers; true when both are
/// good. `expression`: what it stands for.
bool check_ratio(Validation& validation,
                 const std::string& path,
                 const std::string& expression,
                 const std::vector<data::Field>& visible);

// validate_derived.cc: what services and derived views take from views.

/// Names of a view's features, whatever kind of view it is; nothing when there is none.
std::optional<std::vector<std::string>> outputs_of(const Project& project, const std::string& view);
/// Names that an entry brings with it.
std::vector<std::string> taken_names(const Project& project, const ServiceItem& item);
/// Report a feature that a view does not have.
void unknown_feature(Validation& validation,
                     const std::string& path,
                     const ServiceItem& item,
                     const std::string& feature,
                     const std::vector<std::string>& outputs);
/// Features of an entry with their types; nothing when they cannot be known here.
std::optional<std::vector<data::Field>> item_fields(Validation& validation,
                                                    const ServiceItem& item);
/// Keys that rows are asked with for an entry.
std::vector<data::Field> asked_keys(const Project& project, const ServiceItem& item);
/// Check `by` of an entry at `path`. `visible`: what its expressions see; nullptr when unknown.
void check_computed_keys(Validation& validation,
                         const std::string& path,
                         const ServiceItem& item,
                         const std::vector<data::Field>* visible);

}  // namespace assay::catalog
