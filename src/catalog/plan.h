#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "catalog/definition_json.h"
#include "catalog/definitions.h"
#include "catalog/validate.h"
#include "data/schema.h"

namespace assay::catalog {

/// Output features with their types, by feature view; views whose types cannot be known are absent.
using OutputTypes = std::map<std::string, std::vector<data::Field>>;
/// Types of every view's outputs; those over silver need the resolver. The project must be valid.
OutputTypes output_types(const Project& project, const SchemaResolver& silver_schema = {});
/// {"clicks_1h":"int64"} of a view's outputs.
std::string outputs_json(const std::vector<data::Field>& outputs);

/// One version of a definition in the catalog.
struct AppliedObject {
  std::string kind;
  std::string name;
  int64_t version = 0;  // 1, 2, ...
  std::string json;     // as project_objects gives it
  std::string outputs;  // feature views: outputs_json, or "" when unknown
  bool removed = false;
  EventTime applied;
};

enum class ChangeKind { kAdd, kChange, kRemove, kRename };

/// A key of a definition, with its JSON values; "" where it is absent.
struct KeyChange {
  std::string key;  // "columns.price.type"
  std::string before;
  std::string after;
};

struct ObjectChange {
  ChangeKind change = ChangeKind::kAdd;
  std::string kind;
  std::string name;
  std::string old_name;  // kRename
  std::vector<KeyChange> keys;
};

/// A change after which something that exists no longer fits.
struct Incompatibility {
  std::string kind;
  std::string name;
  std::string message;              // "column `price` changes type from int64 to string"
  std::vector<std::string> breaks;  // "service `v1`", "model `buy`", ...
  std::string help;
};

/// What apply would do.
struct Plan {
  std::vector<ObjectChange> changes;  // by kind and name
  std::vector<Incompatibility> incompatible;
  [[nodiscard]] bool empty() const { return changes.empty(); }
};

/// Compare a project with what is applied.
///
/// Renames are a definition gone and an equal one of another name; incompatible are changed types
/// and keys, removed columns and features, each with what depends on it. Errors  kCorrupt: an
/// applied definition that is not JSON.
Result<Plan> make_plan(const std::vector<AppliedObject>& applied,
                       const Project& project,
                       const OutputTypes& outputs = {});

/// For people: `+ add`, `~ change` with the keys' old and new values, `- remove`, renames, what
/// breaks, and a line that counts.
std::string format_plan(const Plan& plan);
/// {"add": 1, "change": 0, "remove": 0, "rename": 0, "changes": [...], "incompatible": [...]}
std::string plan_json(const Plan& plan);

}  // namespace assay::catalog
