#include "gold/served_schema.h"

#include <set>
#include <utility>
#include <vector>

namespace assay::gold {

using data::Type;

std::string served_applied_column(const Service& service, std::size_t view) {
  const std::string& name = service.views[view]->name();
  std::size_t before = 0;  // a service may look one view up several times
  for (std::size_t i = 0; i < view; ++i) {
    before += service.views[i]->name() == name ? 1 : 0;
  }
  return name + (before == 0 ? "" : "__" + std::to_string(before + 1)) + "__applied";
}

std::string served_value_column(const ServiceFeature& feature) {
  return feature.view + "__" + feature.name;
}

std::string served_status_column(const ServiceFeature& feature) {
  return served_value_column(feature) + "__status";
}

Result<data::SchemaPtr> served_schema(const Service& service) {
  std::vector<data::Field> fields = {{kServedDate, Type::kDate, false},
                                     {kServedAsOf, Type::kTimestamp, false}};
  for (const data::Field& key : service.entity_keys) {
    fields.push_back({key.name, key.type, true});
  }
  fields.push_back({kServedModel, Type::kString, true});
  fields.push_back({kServedModelVersion, Type::kString, true});
  fields.push_back({kServedScore, Type::kFloat32, true});
  for (std::size_t view = 0; view < service.views.size(); ++view) {
    fields.push_back({served_applied_column(service, view), Type::kInt64, true});
  }
  for (const ServiceFeature& feature : service.features) {
    if (feature.view_index >= 0) {
      fields.push_back({served_value_column(feature), feature.type, true});
      fields.push_back({served_status_column(feature), Type::kString, false});
    }
  }
  std::set<std::string> names;
  for (const data::Field& field : fields) {
    if (!names.insert(field.name).second) {
      return Status(Code::kInvalidArgument,
                    "the log of service " + service.name + " would have two columns `" +
                        field.name + "`; rename the entity's key or the feature");
    }
  }
  return data::make_schema(std::move(fields));
}

}  // namespace assay::gold
