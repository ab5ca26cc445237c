#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "catalog/definitions.h"
#include "catalog/plan.h"

namespace assay::catalog {

/// All that is known about one feature of a project.
struct RegisteredFeature {
  std::string view;  // feature view or on-demand view
  std::string name;
  std::string type;        // "" when it cannot be known
  std::string definition;  // in words
  std::string unit;
  std::string description;
  std::string owner;
  std::vector<std::string> tags;
  std::string entity;                // "" for on-demand features
  int64_t version = 0;               // of the view's applied definition; 0: not applied
  std::optional<EventTime> since;    // when a version of the view first had this feature
  std::vector<std::string> used_by;  // "service `v1`", "model `buy`", sorted along the line
};

/// What a feature is, in words: "sum of price where kind = 'buy' over 1h".
std::string feature_in_words(const FeatureDef& feature, std::optional<Duration> window);

/// Versions of one definition, oldest first.
using DefinitionHistory = std::function<Result<std::vector<AppliedObject>>(
    const std::string& kind, const std::string& name)>;

/// Every feature of every view and on-demand view, by view and in definition order.
Result<std::vector<RegisteredFeature>> feature_registry(const Project& project,
                                                        const OutputTypes& outputs,
                                                        const DefinitionHistory& history);

}  // namespace assay::catalog
