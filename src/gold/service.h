#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "catalog/definitions.h"
#include "gold/contract.h"
#include "gold/on_demand.h"

namespace assay::gold {

/// One output of a service, in request order.
struct ServiceFeature {
  std::string view;
  std::string name;  // as the view calls it
  data::Type type = data::Type::kFloat64;
  int view_index = -1;       // into Service::views, or -1
  int on_demand_index = -1;  // into Service::on_demand, or -1
  int feature_index = 0;     // within that view's features()
};

/// A feature service with its views compiled: what training sets, serving and verify all walk
/// through.
///
/// Threads immutable.
struct Service {
  std::string name;
  std::vector<FeatureViewPtr> views;  // each once, in order of first use
  std::vector<OnDemandViewPtr> on_demand;
  std::vector<ServiceFeature> features;  // in definition order
  std::vector<data::Field> entity_keys;  // union of the views' keys, in order of first use
  std::vector<data::Field> request;      // request values needed, in order of first use

  /// Output name of a feature: `name`, or `view__name` with full names.
  [[nodiscard]] std::string output_name(int feature, bool full_names) const;
};

/// Compile a service from its definition.
///
/// Errors  kNotFound: a view or feature that is not there (with the nearest name);
/// kInvalidArgument:
///         two features of one name (say view:feature, or rename), key columns of one name but
///         different types.
Result<std::shared_ptr<const Service>> compile_service(
    const catalog::ServiceDef& definition,
    const std::map<std::string, FeatureViewPtr>& views,
    const std::map<std::string, catalog::OnDemandDef>& on_demand);

}  // namespace assay::gold
