// `lake: none`: rows go from topics into the online store, and no table has them. What would have
// to be looked up in a table later is refused here.

#include <algorithm>

#include "catalog/validation.h"

namespace assay::catalog {
namespace {

constexpr char kWithLake[] = "leave it out, or keep a lake";

bool has_unique(const std::vector<CheckDef>& checks) {
  return std::any_of(checks.begin(), checks.end(), [](const CheckDef& check) {
    return check.kind == CheckKind::kUnique;
  });
}

void check_table(Validation& v,
                 const std::string& path,
                 const std::vector<CheckDef>& checks,
                 const StorageDef& storage) {
  if (has_unique(checks)) {
    v.error_at_key("E0203",
                   path + "/checks",
                   "a check `unique` speaks of all rows of a table, and `lake: none` keeps none",
                   kWithLake);
  }
  if (storage.keep.has_value()) {
    v.error_at_key(
        "E0203", path + "/keep", "`lake: none` keeps no rows that could grow old", kWithLake);
  }
  if (storage.format.has_value()) {
    v.error_at_key("E0203", path + "/format", "`lake: none` writes no files", kWithLake);
  }
}

void check_tables(Validation& v) {
  for (const auto& [name, bronze] : v.project().bronze) {
    check_table(v, "bronze/" + name, bronze.checks, bronze.storage);
    const auto source = v.project().sources.find(bronze.source);
    if (source != v.project().sources.end() && !source->second.kafka.has_value()) {
      v.error("E0203",
              "bronze/" + name + "/source",
              "source `" + bronze.source + "` is no topic, and `lake: none` follows topics only",
              "read it into a lake");
    }
    if (bronze.of_changes) {
      v.error_at_key("E0203",
                     "bronze/" + name,
                     "`" + name +
                         "` is a table of changes: a row may replace an older one, which "
                         "`lake: none` does not have",
                     "keep a lake");
    }
  }
  for (const auto& [name, silver] : v.project().silver) {
    check_table(v, "silver/" + name, silver.checks, silver.storage);
    if (!silver.enrich.empty()) {
      v.error_at_key("E0203",
                     "silver/" + name + "/enrich",
                     "`enrich` looks rows up in a table, and `lake: none` has none",
                     kWithLake);
    }
  }
}

}  // namespace

void validate_direct(Validation& validation) {
  const Project& project = validation.project();
  if (project.has_lake) {
    return;
  }
  check_tables(validation);
  for (const auto& [name, view] : project.views) {
    check_table(validation, "feature_views/" + name, {}, view.storage);
    if (view.publish.has_value()) {
      validation.error_at_key("E0203",
                              "feature_views/" + name + "/publish",
                              "what is published is found in the gold table, and `lake: none` has "
                              "none",
                              kWithLake);
    }
  }
  for (const auto& [name, model] : project.models) {
    validation.error_at_key(
        "E0203",
        "models/" + name,
        "model `" + name + "` is trained from tables, and `lake: none` has none",
        "train it in a project with a lake");
  }
}

}  // namespace assay::catalog
