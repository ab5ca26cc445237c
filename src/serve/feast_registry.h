#pragma once

#include <map>
#include <string>
#include <vector>

#include "serve/feast_message.h"
#include "serve/serving_state.h"

namespace assay::serve {

/// One object of a registry, as Feast's clients list, find and load it.
struct FeastObject {
  std::string kind;  // "entity", "featureView", "feature", "featureService"
  std::string name;
  std::string description;
  std::map<std::string, std::string> tags;
  std::string view;  // of a feature
  FeastMessage message;
};

/// What a project serves, in Feast's words. An Assay entity of several keys is one Feast entity a
/// key, since Feast's have one; features that are computed when they are read stand in plain
/// feature views tagged `assay.computed`, because it is the server that computes them. The source
/// of a stored view is its steps table: a join as of `known_time` on it gives what was served.
struct FeastRegistry {
  std::string project;
  std::vector<FeastObject> entities;
  std::vector<FeastObject> feature_views;
  std::vector<FeastObject> features;
  std::vector<FeastObject> feature_services;
  std::vector<FeastObject> data_sources;
  FeastMessage project_message;

  /// Bytes of Feast's registry file: message feast.core.Registry. The same for the same
  /// definitions.
  [[nodiscard]] std::string file() const;
};

/// Views that no service has and that are computed from features of others are left out: what type
/// their features have, only a service says.
FeastRegistry feast_registry(const ServingState& state);

/// Where a name of `entities` in a request may stand for a key: a Feast entity's name for its one
/// join key.
std::map<std::string, std::string> feast_entity_keys(const ServingState& state);

}  // namespace assay::serve
