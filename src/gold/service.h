#pragma once

#include <cstdint>
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
  int derived_index = -1;    // into Service::derived, or -1
};

/// Where a value comes from that a service computes with.
struct ValueSource {
  enum class Kind {
    kAsked,    // a key that rows are asked with
    kNow,      // the instant of the question
    kView,     // a feature of Service::views[index]
    kDerived,  // a feature of Service::derived[index]
  } kind = Kind::kAsked;
  int index = -1;
  int feature = 0;
  std::string name;  // kAsked: the key column
  bool operator==(const ValueSource&) const = default;
};

/// Features of a derived view, or keys of a lookup: expressions over other values of the service.
struct DerivedNode {
  OnDemandViewPtr view;
  std::vector<ValueSource> inputs;  // of view->inputs()
};

/// A feature service with its views compiled: what training sets, serving and verify all walk
/// through.
///
/// Threads immutable.
struct Service {
  std::string name;
  // Each view once for each way to its keys, behind those that its keys are computed from.
  std::vector<FeatureViewPtr> views;
  std::vector<OnDemandViewPtr> on_demand;
  std::vector<ServiceFeature> features;  // in definition order
  std::vector<data::Field> entity_keys;  // that rows are asked with, in order of first use
  std::vector<data::Field> request;      // request values needed, in order of first use
  // Per view where its keys come from; empty, or not there, when all of them are asked with.
  std::vector<std::vector<ValueSource>> view_keys{};
  std::vector<DerivedNode> derived{};
  uint64_t lookups = 0;  // hash of what says how keys are computed; 0: none are

  /// Output name of a feature: `name`, or `view__name` with full names.
  [[nodiscard]] std::string output_name(int feature, bool full_names) const;
  /// Where the i-th key of a view comes from.
  [[nodiscard]] ValueSource key_source(int view, std::size_t i) const;
  /// True when some key of the view is computed, so that it is a lookup of its own.
  [[nodiscard]] bool has_computed_keys(int view) const;
};

/// Compile a service from its definition.
///
/// Errors  kNotFound: a view or feature that is not there (with the nearest name);
/// kInvalidArgument:
///         two features of one name (say view:feature, or rename), key columns of one name but
///         different types, a derived view that is made from itself.
Result<std::shared_ptr<const Service>> compile_service(
    const catalog::ServiceDef& definition,
    const std::map<std::string, FeatureViewPtr>& views,
    const std::map<std::string, catalog::OnDemandDef>& on_demand,
    const std::map<std::string, catalog::DerivedDef>& derived = {});

}  // namespace assay::gold
