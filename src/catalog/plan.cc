#include "catalog/plan.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/json_writer.h"
#include "catalog/dependents.h"
#include "catalog/feature_schema.h"
#include "catalog/json_leaves.h"
#include "catalog/table_schema.h"

namespace assay::catalog {
namespace {

using Leaves = std::vector<std::pair<std::string, std::string>>;
using ObjectId = std::pair<std::string, std::string>;  // kind, name

/// The kinds in the order of project_objects.
int kind_rank(const std::string& kind) {
  const std::vector<std::string> kinds = {"project",
                                          "source",
                                          "bronze",
                                          "silver",
                                          "entity",
                                          "feature_view",
                                          "derived",
                                          "on_demand",
                                          "service",
                                          "model"};
  return static_cast<int>(std::find(kinds.begin(), kinds.end(), kind) - kinds.begin());
}

const std::string* find_leaf(const Leaves& leaves, const std::string& path) {
  for (const auto& [key, value] : leaves) {
    if (key == path) {
      return &value;
    }
  }
  return nullptr;
}

std::vector<KeyChange> diff(const Leaves& before, const Leaves& after) {
  std::vector<KeyChange> changes;
  for (const auto& [key, value] : before) {
    const std::string* now = find_leaf(after, key);
    if (now == nullptr || *now != value) {
      changes.push_back({key, value, now == nullptr ? "" : *now});
    }
  }
  for (const auto& [key, value] : after) {
    if (find_leaf(before, key) == nullptr) {
      changes.push_back({key, "", value});
    }
  }
  if (changes.empty()) {
    changes.push_back({"order", "\"as applied\"", "\"as written\""});
  }
  return changes;
}

/// "price" of "columns.price.type" for prefix "columns."; "" when the path is another's.
std::string member_of(const std::string& path, const std::string& prefix) {
  if (path.compare(0, prefix.size(), prefix) != 0) {
    return "";
  }
  return path.substr(prefix.size(), path.find('.', prefix.size()) - prefix.size());
}

/// Members below a prefix with all their leaves as one text: {"price": ".type=\"int64\";"}.
std::map<std::string, std::string> members(const Leaves& leaves, const std::string& prefix) {
  std::map<std::string, std::string> members;
  for (const auto& [key, value] : leaves) {
    const std::string member = member_of(key, prefix);
    if (!member.empty()) {
      members[member] += key.substr(prefix.size() + member.size()) + "=" + value + ";";
    }
  }
  return members;
}

/// Compares one applied definition with what it becomes, and says what no longer fits.
class IncompatibilityFinder {
 public:
  IncompatibilityFinder(const Dependents& dependents,
                        const ObjectJson& object,
                        std::vector<Incompatibility>* out)
      : dependents_(dependents), object_(object), out_(out) {}

  void find(const Leaves& before, const Leaves& after) {
    if (object_.kind == "bronze") {
      find_members(before, after, "columns.", "column", ".type");
      find_key(before, after, "key", "the key of duplicates");
      find_key(before, after, "partition_by", "the partition columns");
    } else if (object_.kind == "silver") {
      find_key(before, after, "partition_by", "the partition columns");
    } else if (object_.kind == "entity") {
      if (members(before, "keys.") != members(after, "keys.")) {
        add("the entity's key changes",
            "features are kept by key: make a new entity and views of it");
      }
    } else if (object_.kind == "feature_view") {
      find_key(before, after, "entity", "the entity");
    } else if (object_.kind == "derived") {
      find_members(before, after, "features.", "feature", "-");
    } else if (object_.kind == "on_demand") {
      find_members(before, after, "request.", "request value", "");
      find_members(before, after, "features.", "feature", "-");
    }
  }

  /// Features by their outputs' types, as far as both are known.
  void find_outputs(const Leaves& before, const Leaves& after) {
    for (const auto& [name, type] : before) {
      const std::string* now = find_leaf(after, name);
      if (now == nullptr) {
        add("feature `" + name + "` is gone", "keep it until nothing asks for it");
      } else if (*now != type) {
        add("feature `" + name + "` changes type from " + bare(type) + " to " + bare(*now),
            "give the new feature a new name");
      }
    }
  }

 private:
  static std::string bare(const std::string& json) {
    return json.size() >= 2 && json[0] == '"' ? json.substr(1, json.size() - 2) : json;
  }

  void add(std::string message, std::string help) {
    out_->push_back({object_.kind,
                     object_.name,
                     std::move(message),
                     dependents_.of(object_.kind, object_.name),
                     std::move(help)});
  }

  void find_key(const Leaves& before,
                const Leaves& after,
                const std::string& key,
                const std::string& what) {
    const std::string* old_value = find_leaf(before, key);
    const std::string* new_value = find_leaf(after, key);
    const std::string old_text = old_value == nullptr ? "nothing" : *old_value;
    const std::string new_text = new_value == nullptr ? "nothing" : *new_value;
    if (old_text != new_text) {
      add(what + " changes from " + old_text + " to " + new_text,
          "what is stored was made with the old one: give the new definition a new name");
    }
  }

  /// Members that are gone, and those whose type (the leaf at `type_key`; "-" for none) is another.
  void find_members(const Leaves& before,
                    const Leaves& after,
                    const std::string& prefix,
                    const std::string& noun,
                    const std::string& type_key) {
    const auto old_members = members(before, prefix);
    const auto new_members = members(after, prefix);
    for (const auto& [name, text] : old_members) {
      const auto now = new_members.find(name);
      if (now == new_members.end()) {
        std::string help = "keep it until nothing reads it";
        for (const auto& [new_name, new_text] : new_members) {
          if (new_text == text && old_members.count(new_name) == 0) {
            help = "`" + new_name +
                   "` is declared alike: is it renamed? Stored rows keep the old name";
            break;
          }
        }
        add(noun + " `" + name + "` is gone", help);
        continue;
      }
      const std::string* old_type = find_leaf(before, prefix + name + type_key);
      const std::string* new_type = find_leaf(after, prefix + name + type_key);
      if (type_key != "-" && old_type != nullptr && new_type != nullptr && *old_type != *new_type) {
        add(noun + " `" + name + "` changes type from " + bare(*old_type) + " to " +
                bare(*new_type),
            "stored rows have the old type: give the new column a new name");
      }
    }
  }

  const Dependents& dependents_;
  const ObjectJson& object_;
  std::vector<Incompatibility>* out_;
};

Result<Leaves> leaves_of(const std::string& json, const ObjectId& id) {
  Result<Leaves> leaves = json_leaves(json);
  if (!leaves.ok()) {
    return std::move(leaves).status().with_context("applied " + id.first + " `" + id.second + "`");
  }
  return leaves;
}

/// Turn removals with an equal addition of the same kind into renames.
void pair_renames(const std::map<ObjectId, const AppliedObject*>& applied,
                  const std::map<ObjectId, const ObjectJson*>& wanted,
                  std::vector<ObjectChange>* changes) {
  for (ObjectChange& removed : *changes) {
    if (removed.change != ChangeKind::kRemove) {
      continue;
    }
    for (ObjectChange& added : *changes) {
      if (added.change == ChangeKind::kAdd && added.kind == removed.kind &&
          wanted.at({added.kind, added.name})->json ==
              applied.at({removed.kind, removed.name})->json) {
        added.change = ChangeKind::kRename;
        added.old_name = removed.name;
        removed.name.clear();
        break;
      }
    }
  }
  changes->erase(std::remove_if(changes->begin(),
                                changes->end(),
                                [](const ObjectChange& change) { return change.name.empty(); }),
                 changes->end());
}

/// What a whole definition that goes or is renamed breaks.
void find_gone(const Dependents& dependents,
               const ObjectChange& change,
               std::vector<Incompatibility>* out) {
  const bool renamed = change.change == ChangeKind::kRename;
  const std::string& name = renamed ? change.old_name : change.name;
  if (renamed && change.kind == "project") {
    out->push_back(
        {change.kind,
         change.name,
         "the project's name changes from `" + name + "`",
         {},
         "tables keep their positions under the old name and would be read again: keep the name"});
  } else if (renamed && (change.kind == "bronze" || change.kind == "silver" ||
                         change.kind == "feature_view" || change.kind == "source")) {
    out->push_back({change.kind,
                    change.name,
                    "`" + name + "` is renamed to `" + change.name + "`",
                    dependents.of(change.kind, name),
                    "what is stored stays under the old name, and the new one begins empty"});
  } else if (!renamed) {
    std::vector<std::string> broken = dependents.of(change.kind, name);
    if (!broken.empty()) {
      out->push_back(
          {change.kind, name, "`" + name + "` is gone", std::move(broken), "remove these too"});
    }
  }
}

}  // namespace

OutputTypes output_types(const Project& project, const SchemaResolver& silver_schema) {
  OutputTypes outputs;
  for (const auto& [name, view] : project.views) {
    const std::optional<TableLayer> layer = layer_of(project, view.from);
    if (!layer.has_value() || (*layer == TableLayer::kSilver && !silver_schema)) {
      continue;
    }
    const Result<data::SchemaPtr> source = *layer == TableLayer::kSilver
                                               ? silver_schema(project, view.from)
                                               : bronze_schema(project.bronze.at(view.from));
    if (!source.ok()) {
      continue;
    }
    Result<std::vector<data::Field>> fields = feature_fields(view, **source);
    if (fields.ok()) {
      outputs[name] = std::move(fields).value();
    }
  }
  return outputs;
}

std::string outputs_json(const std::vector<data::Field>& outputs) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  for (const data::Field& field : outputs) {
    json.key(field.name);
    json.string(data::type_name(field.type));
  }
  json.end_object();
  return text;
}

Result<Plan> make_plan(const std::vector<AppliedObject>& applied,
                       const Project& project,
                       const OutputTypes& outputs) {
  const std::vector<ObjectJson> objects = project_objects(project);
  std::map<ObjectId, const AppliedObject*> before;
  std::map<ObjectId, const ObjectJson*> after;
  for (const AppliedObject& object : applied) {
    before[{object.kind, object.name}] = &object;
  }
  Plan plan;
  const Dependents dependents(project);
  for (const ObjectJson& object : objects) {
    const ObjectId id{object.kind, object.name};
    after[id] = &object;
    const auto old = before.find(id);
    if (old == before.end()) {
      plan.changes.push_back({ChangeKind::kAdd, object.kind, object.name, "", {}});
      continue;
    }
    IncompatibilityFinder finder(dependents, object, &plan.incompatible);
    if (old->second->json != object.json) {
      ASSAY_ASSIGN_OR_RETURN(const Leaves old_leaves, leaves_of(old->second->json, id));
      ASSAY_ASSIGN_OR_RETURN(const Leaves new_leaves, leaves_of(object.json, id));
      plan.changes.push_back(
          {ChangeKind::kChange, object.kind, object.name, "", diff(old_leaves, new_leaves)});
      finder.find(old_leaves, new_leaves);
    }
    const auto types = outputs.find(object.name);
    if (object.kind == "feature_view" && types != outputs.end() && !old->second->outputs.empty()) {
      ASSAY_ASSIGN_OR_RETURN(const Leaves old_types, leaves_of(old->second->outputs, id));
      ASSAY_ASSIGN_OR_RETURN(const Leaves new_types, leaves_of(outputs_json(types->second), id));
      finder.find_outputs(old_types, new_types);
    }
  }
  for (const AppliedObject& object : applied) {
    if (after.count({object.kind, object.name}) == 0) {
      plan.changes.push_back({ChangeKind::kRemove, object.kind, object.name, "", {}});
    }
  }
  pair_renames(before, after, &plan.changes);
  std::stable_sort(
      plan.changes.begin(), plan.changes.end(), [](const ObjectChange& a, const ObjectChange& b) {
        return std::pair(kind_rank(a.kind), a.name) < std::pair(kind_rank(b.kind), b.name);
      });
  for (const ObjectChange& change : plan.changes) {
    if (change.change == ChangeKind::kRemove || change.change == ChangeKind::kRename) {
      find_gone(dependents, change, &plan.incompatible);
    }
  }
  return plan;
}

}  // namespace assay::catalog
