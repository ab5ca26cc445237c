#include "catalog/feature_registry.h"

#include <algorithm>

#include "catalog/aggregates.h"
#include "catalog/definition_names.h"
#include "catalog/dependents.h"
#include "catalog/feature_schema.h"
#include "catalog/json_leaves.h"

namespace assay::catalog {
namespace {

bool takes(const ServiceItem& item, const std::string& view, const std::string& feature) {
  return item.view == view && (item.features.empty() ||
                               std::count(item.features.begin(), item.features.end(), feature) > 0);
}

/// Derived views and services that take this feature, with all that is made from them.
std::vector<std::string> users_of(const Project& project,
                                  const Dependents& dependents,
                                  const std::string& view,
                                  const std::string& feature) {
  std::vector<std::string> users;
  const auto add =
      [&](const char* kind, const char* words, const auto& definitions, const auto& items_of) {
        for (const auto& [name, definition] : definitions) {
          const std::vector<ServiceItem>& items = items_of(definition);
          if (std::any_of(items.begin(), items.end(), [&](const ServiceItem& item) {
                return takes(item, view, feature);
              })) {
            users.push_back(std::string(words) + " `" + name + "`");
            for (std::string& user : dependents.of(kind, name)) {
              users.push_back(std::move(user));
            }
          }
        }
      };
  add(
      "derived", "derived view", project.derived, [](const DerivedDef& one) -> const auto& {
        return one.inputs;
      });
  add(
      "service", "service", project.services, [](const ServiceDef& one) -> const auto& {
        return one.items;
      });
  std::sort(users.begin(), users.end(), [](const std::string& a, const std::string& b) {
    return std::pair(a.starts_with("model"), a) < std::pair(b.starts_with("model"), b);
  });
  users.erase(std::unique(users.begin(), users.end()), users.end());
  return users;
}

/// True when a version's definition declares this feature, by the name in its JSON.
Result<bool> declares(const AppliedObject& object, const std::string& declared) {
  if (object.removed) {
    return false;
  }
  ASSAY_ASSIGN_OR_RETURN(const auto leaves, json_leaves(object.json));
  const std::string path = "features." + declared;
  return std::any_of(leaves.begin(), leaves.end(), [&](const auto& leaf) {
    return leaf.first == path || leaf.first.starts_with(path + ".");
  });
}

/// Version and since: the applied version, and when the feature came for good.
Status fill_versions(const std::vector<AppliedObject>& versions,
                     const std::string& declared,
                     RegisteredFeature* feature) {
  for (const AppliedObject& object : versions) {
    ASSAY_ASSIGN_OR_RETURN(const bool has, declares(object, declared));
    if (!has) {
      feature->since.reset();
      feature->version = 0;
      continue;
    }
    feature->version = object.version;
    feature->since = feature->since.value_or(object.applied);
  }
  return {};
}

/// " 0.9" of a quantile, " 5" of a list.
std::string parameter_in_words(const FeatureDef& feature) {
  switch (aggregate_info(feature.aggregate).parameter) {
    case AggregateParameter::kNone:
      return "";
    case AggregateParameter::kQ:
      return " " + data::format_scalar(data::Scalar::float64(feature.q));
    case AggregateParameter::kK:
      return " " + std::to_string(feature.k);
  }
  return "";
}

}  // namespace

std::string feature_in_words(const FeatureDef& feature, std::optional<Duration> window) {
  if (!feature.expression.empty()) {
    return feature.expression;
  }
  if (feature.kind == FeatureDef::Kind::kSince) {
    return "seconds since " + feature.column;
  }
  if (feature.kind == FeatureDef::Kind::kSequence && is_of_session(feature.sequence)) {
    return "session " + std::string(session_word(feature.sequence)) +
           (feature.of.empty() ? "" : " of " + feature.of);
  }
  if (feature.kind == FeatureDef::Kind::kSequence) {
    const std::string lag =
        feature.sequence == SequenceValue::kLag ? " " + std::to_string(feature.k) : "";
    return std::string(sequence_key(feature.sequence)) + lag + " of " + feature.of +
           (window.has_value() ? " over " + format_duration(*window) : "");
  }
  if (feature.kind == FeatureDef::Kind::kRatio) {
    return feature.above + " / " + feature.below +
           (window ? " over " + format_duration(*window) : "");
  }
  if (!window.has_value()) {
    return "latest " + (feature.column.empty() ? feature.name : feature.column);
  }
  return std::string(aggregate_name(feature.aggregate)) + parameter_in_words(feature) +
         (feature.of.empty() ? "" : " of " + feature.of) +
         (feature.where.empty() ? "" : " where " + feature.where) + " over " +
         format_duration(*window);
}

Result<std::vector<RegisteredFeature>> feature_registry(const Project& project,
                                                        const OutputTypes& outputs,
                                                        const DefinitionHistory& history) {
  const Dependents dependents(project);
  std::vector<RegisteredFeature> features;
  for (const auto& [name, view] : project.views) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<AppliedObject> versions,
                           history("feature_view", name));
    const auto types = outputs.find(name);
    std::size_t output = 0;
    for (const FeatureDef& definition : view.features) {
      const std::vector<std::string> names = output_names(definition);
      for (std::size_t i = 0; i < names.size(); ++i, ++output) {
        RegisteredFeature feature;
        feature.view = name;
        feature.name = names[i];
        if (types != outputs.end() && output < types->second.size()) {
          feature.type = data::type_name(types->second[output].type);
        }
        feature.definition = feature_in_words(
            definition,
            i < definition.over.size() ? std::optional(definition.over[i]) : std::nullopt);
        feature.unit = definition.unit;
        feature.description = definition.description;
        feature.owner = view.owner;
        feature.tags = view.tags;
        feature.entity = view.entity;
        ASSAY_RETURN_IF_ERROR(fill_versions(versions, definition.name, &feature));
        feature.used_by = users_of(project, dependents, name, feature.name);
        features.push_back(std::move(feature));
      }
    }
  }
  for (const auto& [name, view] : project.derived) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<AppliedObject> versions, history("derived", name));
    for (const OnDemandDef::Feature& definition : view.features) {
      RegisteredFeature feature;
      feature.view = name;
      feature.name = definition.name;
      feature.definition = definition.expression;
      feature.description = view.description;
      feature.owner = view.owner;
      feature.tags = view.tags;
      ASSAY_RETURN_IF_ERROR(fill_versions(versions, definition.name, &feature));
      feature.used_by = users_of(project, dependents, name, feature.name);
      features.push_back(std::move(feature));
    }
  }
  for (const auto& [name, view] : project.on_demand) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<AppliedObject> versions, history("on_demand", name));
    for (const OnDemandDef::Feature& definition : view.features) {
      RegisteredFeature feature;
      feature.view = name;
      feature.name = definition.name;
      feature.definition = definition.expression;
      ASSAY_RETURN_IF_ERROR(fill_versions(versions, definition.name, &feature));
      feature.used_by = users_of(project, dependents, name, feature.name);
      features.push_back(std::move(feature));
    }
  }
  return features;
}

}  // namespace assay::catalog
