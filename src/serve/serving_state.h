#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "catalog/definitions.h"
#include "gold/service.h"
#include "learn/scorer.h"

namespace assay::serve {

/// A model that can be asked: its scorer, and which feature of its service goes where.
///
/// Threads immutable.
struct ServingModel {
  std::string name;
  std::string version;
  std::shared_ptr<const gold::Service> service;
  std::shared_ptr<const learn::Scorer> scorer;
  std::vector<int> inputs;  // per input of the scorer: index into service->features
  /// A model of the same service that is tried beside this one.
  struct Challenger;
  std::vector<Challenger> challengers;
  /// It is asked with the definitions that it was trained under, which are not those that are
  /// served; and of some of their views: they stand where they stood when they were replaced.
  bool is_pinned = false;
  bool is_of_before = false;
  uint64_t definitions = 0;  // of models with the same one the features are the same
  std::string instead_of{};  // the version that should be served and cannot be; "": this one

  /// `feature_names`: the inputs as the model was trained, in order.
  ///
  /// Errors  kFailedPrecondition: the service lacks a feature, or their number is not the scorer's:
  /// the
  ///         definitions changed since the model was trained.
  static Result<ServingModel> make(std::string name,
                                   std::string version,
                                   std::shared_ptr<const gold::Service> service,
                                   std::shared_ptr<const learn::Scorer> scorer,
                                   const std::vector<std::string>& feature_names);
};

struct ServingModel::Challenger {
  std::shared_ptr<const ServingModel> model;  // nullptr: not there yet; the other one answers
  double share = 0;                           // of the entities that it answers for
  bool shadow = false;                        // it is scored where it does not answer
};

/// Everything a server answers from, save the rows themselves. Replaced as a whole, never changed.
///
/// Threads immutable.
struct ServingState {
  std::string project;
  catalog::ServingClock clock = catalog::ServingClock::kWall;
  std::map<std::string, gold::FeatureViewPtr> views;
  std::map<std::string, catalog::OnDemandDef> on_demand;
  std::map<std::string, std::shared_ptr<const gold::Service>> services;
  std::map<std::string, catalog::DerivedDef> derived{};
  std::map<std::string, ServingModel> models;
  std::map<std::string, std::string> models_not_served{};  // that are trained: why, for who asks
  std::shared_ptr<const catalog::Project> definitions{};   // what clients are told of all this
  std::map<std::string, std::string> steps_tables{};       // where the steps table of each view is
};

}  // namespace assay::serve
