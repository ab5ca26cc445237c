#pragma once

#include <string>
#include <vector>

#include "catalog/definitions.h"

namespace assay::catalog {

/// One definition as canonical JSON: keys in a fixed order, every key that decides anything, no
/// places in files, no paths of this machine, and not its own name. Equal texts mean equal
/// definitions.
struct ObjectJson {
  std::string kind;  // "project", "source", "bronze", "silver", "entity", "feature_view",
                     // "derived", "on_demand", "service", "model"
  std::string name;
  std::string json;
  bool operator==(const ObjectJson&) const = default;
};

/// All definitions of a project, in the order of the kinds above, by name within a kind.
///
/// Source  docs/formats/catalog.md
std::vector<ObjectJson> project_objects(const Project& project);

std::string source_json(const SourceDef& source);
std::string bronze_json(const BronzeDef& bronze);
std::string silver_json(const SilverDef& silver);
std::string entity_json(const EntityDef& entity);
std::string feature_view_json(const FeatureViewDef& view);
std::string on_demand_json(const OnDemandDef& view);
std::string derived_json(const DerivedDef& view);
std::string service_json(const ServiceDef& service);
std::string model_json(const ModelDef& model);

}  // namespace assay::catalog
