#include "gold/service.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/suggest.h"
#include "catalog/definition_json.h"
#include "gold/service_resolver.h"

namespace assay::gold {
namespace {

/// Builds a service item by item.
class ServiceCompiler {
 public:
  ServiceCompiler(const catalog::ServiceDef& definition,
                  const std::map<std::string, FeatureViewPtr>& views,
                  const std::map<std::string, catalog::OnDemandDef>& on_demand,
                  const std::map<std::string, catalog::DerivedDef>& derived)
      : definition_(definition),
        on_demand_(on_demand),
        derived_(derived),
        resolver_(views, derived, &service_) {
    service_.name = definition.name;
  }

  Result<std::shared_ptr<const Service>> run() {
    if (definition_.items.empty()) {
      return Status(Code::kInvalidArgument, "it has no features");
    }
    for (const catalog::ServiceItem& item : definition_.items) {
      const auto on_demand = on_demand_.find(item.view);
      if (on_demand != on_demand_.end()) {
        ASSAY_RETURN_IF_ERROR(add_on_demand(item, on_demand->second));
      } else if (resolver_.knows(item.view)) {
        ASSAY_RETURN_IF_ERROR(add_view(item));
      } else {
        return unknown_view(item.view);
      }
    }
    service_.lookups = lookups();
    return std::make_shared<const Service>(std::move(service_));
  }

 private:
  [[nodiscard]] uint64_t lookups() const {
    if (std::ranges::all_of(service_.view_keys, &std::vector<ValueSource>::empty)) {
      return 0;
    }
    uint64_t hash = hash_bytes(catalog::service_json(definition_));
    for (const DerivedNode& node : service_.derived) {
      const auto known = derived_.find(node.view->name());
      hash =
          known == derived_.end() ? hash : hash_bytes(catalog::derived_json(known->second), hash);
    }
    return hash;
  }

  Status unknown_view(const std::string& name) const {
    std::vector<std::string> names = resolver_.names();
    for (const auto& entry : on_demand_) {
      names.push_back(entry.first);
    }
    return {Code::kNotFound, "there is no feature view `" + name + "`" + did_you_mean(name, names)};
  }

  Status add_feature(const catalog::ServiceItem& item,
                     const data::Field& field,
                     ServiceFeature feature) {
    for (const ServiceFeature& known : service_.features) {
      if (known.name == field.name) {
        return {Code::kInvalidArgument,
                "`" + known.view + "` and `" + item.view + "` both have a feature `" + field.name +
                    "`: say which with view:feature, or rename one"};
      }
    }
    feature.view = item.view;
    feature.name = field.name;
    feature.type = field.type;
    service_.features.push_back(std::move(feature));
    return {};
  }

  /// Add the item's features out of `fields`, all of them when it names none.
  Status add_features(const catalog::ServiceItem& item,
                      const std::vector<data::Field>& fields,
                      const ServiceFeature& origin) {
    std::vector<std::string> names;
    for (const data::Field& field : fields) {
      names.push_back(field.name);
    }
    for (const std::string& name : item.features.empty() ? names : item.features) {
      const auto found = std::find(names.begin(), names.end(), name);
      if (found == names.end()) {
        return {
            Code::kNotFound,
            "view `" + item.view + "` has no feature `" + name + "`" + did_you_mean(name, names)};
      }
      ServiceFeature feature = origin;
      feature.feature_index = static_cast<int>(found - names.begin());
      ASSAY_RETURN_IF_ERROR(add_feature(
          item, fields[static_cast<std::size_t>(found - names.begin())], std::move(feature)));
    }
    return {};
  }

  /// Add features of a feature view or a derived one.
  Status add_view(const catalog::ServiceItem& item) {
    std::vector<ResolvedValue> visible;
    for (const ServiceFeature& feature : service_.features) {
      if (feature.on_demand_index < 0) {
        visible.push_back({{feature.name, feature.type, true}, source_of(feature)});
      }
    }
    ASSAY_ASSIGN_OR_RETURN(const std::vector<ResolvedValue> values,
                           resolver_.resolve(item, visible));
    for (const ResolvedValue& value : values) {
      ServiceFeature feature;
      const bool derived = value.source.kind == ValueSource::Kind::kDerived;
      (derived ? feature.derived_index : feature.view_index) = value.source.index;
      feature.feature_index = value.source.feature;
      ASSAY_RETURN_IF_ERROR(add_feature(item, value.field, std::move(feature)));
    }
    return {};
  }

  static ValueSource source_of(const ServiceFeature& feature) {
    return feature.derived_index >= 0
               ? ValueSource{ValueSource::Kind::kDerived,
                             feature.derived_index,
                             feature.feature_index,
                             ""}
               : ValueSource{
                     ValueSource::Kind::kView, feature.view_index, feature.feature_index, ""};
  }

  Status add_on_demand(const catalog::ServiceItem& item, const catalog::OnDemandDef& definition) {
    std::vector<data::Field> available = definition.request;
    for (const ServiceFeature& feature : service_.features) {
      for (const data::Field& field : definition.request) {
        if (field.name == feature.name) {
          return {Code::kInvalidArgument,
                  "request value `" + field.name + "` of `" + item.view +
                      "` has the name of a feature; rename one"};
        }
      }
      available.push_back({feature.name, feature.type, true});
    }
    ASSAY_ASSIGN_OR_RETURN(OnDemandViewPtr view,
                           OnDemandView::compile(definition, data::Schema(available)));
    for (const data::Field& field : definition.request) {
      ASSAY_RETURN_IF_ERROR(
          merge_fields({field}, &service_.request).with_context("request values"));
    }
    ServiceFeature origin;
    origin.on_demand_index = static_cast<int>(service_.on_demand.size());
    service_.on_demand.push_back(view);
    return add_features(item, view->features(), origin);
  }

  const catalog::ServiceDef& definition_;
  const std::map<std::string, catalog::OnDemandDef>& on_demand_;
  const std::map<std::string, catalog::DerivedDef>& derived_;
  Service service_;
  ServiceResolver resolver_;
};

}  // namespace

std::string Service::output_name(int feature, bool full_names) const {
  const ServiceFeature& one = features.at(static_cast<std::size_t>(feature));
  return full_names ? one.view + "__" + one.name : one.name;
}

ValueSource Service::key_source(int view, std::size_t i) const {
  const auto index = static_cast<std::size_t>(view);
  if (has_computed_keys(view)) {
    return view_keys[index][i];
  }
  return {ValueSource::Kind::kAsked, -1, 0, views[index]->keys()[i].name};
}

bool Service::has_computed_keys(int view) const {
  const auto index = static_cast<std::size_t>(view);
  return index < view_keys.size() && !view_keys[index].empty();
}

Result<std::shared_ptr<const Service>> compile_service(
    const catalog::ServiceDef& definition,
    const std::map<std::string, FeatureViewPtr>& views,
    const std::map<std::string, catalog::OnDemandDef>& on_demand,
    const std::map<std::string, catalog::DerivedDef>& derived) {
  Result<std::shared_ptr<const Service>> service =
      ServiceCompiler(definition, views, on_demand, derived).run();
  if (!service.ok()) {
    return std::move(service).status().with_context("service `" + definition.name + "`");
  }
  return service;
}

}  // namespace assay::gold
