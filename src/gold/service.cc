#include "gold/service.h"

#include <algorithm>
#include <utility>

#include "base/suggest.h"

namespace assay::gold {
namespace {

/// Builds a service item by item.
class ServiceCompiler {
 public:
  ServiceCompiler(const catalog::ServiceDef& definition,
                  const std::map<std::string, FeatureViewPtr>& views,
                  const std::map<std::string, catalog::OnDemandDef>& on_demand)
      : definition_(definition), views_(views), on_demand_(on_demand) {
    service_.name = definition.name;
  }

  Result<std::shared_ptr<const Service>> run() {
    if (definition_.items.empty()) {
      return Status(Code::kInvalidArgument, "it has no features");
    }
    for (const catalog::ServiceItem& item : definition_.items) {
      const auto view = views_.find(item.view);
      const auto on_demand = on_demand_.find(item.view);
      if (view != views_.end()) {
        ASSAY_RETURN_IF_ERROR(add_view(item, view->second));
      } else if (on_demand != on_demand_.end()) {
        ASSAY_RETURN_IF_ERROR(add_on_demand(item, on_demand->second));
      } else {
        return unknown_view(item.view);
      }
    }
    return std::make_shared<const Service>(std::move(service_));
  }

 private:
  Status unknown_view(const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& entry : views_) {
      names.push_back(entry.first);
    }
    for (const auto& entry : on_demand_) {
      names.push_back(entry.first);
    }
    return {Code::kNotFound, "there is no feature view `" + name + "`" + did_you_mean(name, names)};
  }

  /// Merge a field into a list of fields; one name must mean one type.
  static Status merge_field(const data::Field& field, std::vector<data::Field>* fields) {
    for (const data::Field& known : *fields) {
      if (known.name == field.name) {
        if (known.type != field.type) {
          return {Code::kInvalidArgument,
                  "`" + field.name + "` is " + std::string(data::type_name(known.type)) +
                      " in one place and " + std::string(data::type_name(field.type)) +
                      " in another"};
        }
        return {};
      }
    }
    fields->push_back(field);
    return {};
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

  Status add_view(const catalog::ServiceItem& item, const FeatureViewPtr& view) {
    const auto known = std::find(service_.views.begin(), service_.views.end(), view);
    ServiceFeature origin;
    origin.view_index = static_cast<int>(known - service_.views.begin());
    if (known == service_.views.end()) {
      service_.views.push_back(view);
      for (const data::Field& key : view->keys()) {
        ASSAY_RETURN_IF_ERROR(merge_field(key, &service_.entity_keys).with_context("entity keys"));
      }
    }
    return add_features(item, view->features(), origin);
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
      ASSAY_RETURN_IF_ERROR(merge_field(field, &service_.request).with_context("request values"));
    }
    ServiceFeature origin;
    origin.on_demand_index = static_cast<int>(service_.on_demand.size());
    service_.on_demand.push_back(view);
    return add_features(item, view->features(), origin);
  }

  const catalog::ServiceDef& definition_;
  const std::map<std::string, FeatureViewPtr>& views_;
  const std::map<std::string, catalog::OnDemandDef>& on_demand_;
  Service service_;
};

}  // namespace

std::string Service::output_name(int feature, bool full_names) const {
  const ServiceFeature& one = features.at(static_cast<std::size_t>(feature));
  return full_names ? one.view + "__" + one.name : one.name;
}

Result<std::shared_ptr<const Service>> compile_service(
    const catalog::ServiceDef& definition,
    const std::map<std::string, FeatureViewPtr>& views,
    const std::map<std::string, catalog::OnDemandDef>& on_demand) {
  Result<std::shared_ptr<const Service>> service =
      ServiceCompiler(definition, views, on_demand).run();
  if (!service.ok()) {
    return std::move(service).status().with_context("service `" + definition.name + "`");
  }
  return service;
}

}  // namespace assay::gold
