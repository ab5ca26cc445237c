// Services and models: references, names of features, keys, labels.

#include <algorithm>
#include <map>
#include <set>

#include "base/suggest.h"
#include "catalog/feature_schema.h"
#include "catalog/table_schema.h"
#include "catalog/validation.h"

namespace assay::catalog {
namespace {

std::vector<std::string> view_names(const Project& project) {
  std::vector<std::string> names = names_of(project.views);
  for (std::string& name : names_of(project.derived)) {
    names.push_back(std::move(name));
  }
  for (std::string& name : names_of(project.on_demand)) {
    names.push_back(std::move(name));
  }
  return names;
}

/// Keys of one name must have one type in all views of a service.
void check_service_keys(Validation& v,
                        const ServiceItem& item,
                        const std::string& path,
                        std::map<std::string, data::Type>* keys) {
  for (const data::Field& key : asked_keys(v.project(), item)) {
    const auto [known, is_new] = keys->emplace(key.name, key.type);
    if (!is_new && known->second != key.type) {
      v.error("E0306",
              path,
              "key `" + key.name + "` is " + std::string(data::type_name(key.type)) + " in view `" +
                  item.view + "` and " + std::string(data::type_name(known->second)) +
                  " in a view before it",
              "give the entities' keys one type");
    }
  }
}

/// Features that stand before an entry; nothing when they cannot be known here. What is on demand
/// is none: it is computed last.
std::optional<std::vector<data::Field>> fields_before(Validation& v,
                                                      const ServiceDef& service,
                                                      std::size_t index) {
  std::vector<data::Field> fields;
  for (std::size_t i = 0; i < index; ++i) {
    if (v.project().on_demand.count(service.items[i].view) > 0) {
      continue;
    }
    const auto some = item_fields(v, service.items[i]);
    if (!some.has_value()) {
      return std::nullopt;
    }
    fields.insert(fields.end(), some->begin(), some->end());
  }
  return fields;
}

void check_service(Validation& v, const ServiceDef& service) {
  std::map<std::string, std::string> taken;  // feature -> view
  std::map<std::string, data::Type> keys;
  for (std::size_t i = 0; i < service.items.size(); ++i) {
    const ServiceItem& item = service.items[i];
    const std::string path = "services/" + service.name + "/" + std::to_string(i);
    const auto outputs = outputs_of(v.project(), item.view);
    if (!outputs.has_value()) {
      if (!v.is_broken("services/" + service.name)) {
        v.unknown(path, "feature view", item.view, view_names(v.project()));
      }
      continue;
    }
    check_service_keys(v, item, path, &keys);
    if (!item.by.empty()) {
      const auto visible = fields_before(v, service, i);
      check_computed_keys(v, path, item, visible.has_value() ? &*visible : nullptr);
    }
    for (const std::string& feature : item.features) {
      if (std::find(outputs->begin(), outputs->end(), feature) == outputs->end() &&
          !v.is_broken("services/" + service.name)) {
        unknown_feature(v, path, item, feature, *outputs);
      }
    }
    for (const std::string& feature : taken_names(v.project(), item)) {
      const auto [known, is_new] = taken.emplace(feature, item.view);
      if (!is_new) {
        v.error("E0305",
                path,
                "service `" + service.name + "` has feature `" + feature + "` twice, of view `" +
                    known->second + "` and of view `" + item.view + "`",
                "name the features that are needed, as in `\"" + item.view +
                    ":feature,feature\"`, or give one of the views a `prefix`");
      }
    }
  }
}

void check_label_column(Validation& v,
                        const ModelDef& model,
                        const data::Field& wanted,
                        const data::Schema& labels) {
  const std::string path = "models/" + model.name + "/labels/from";
  if (!labels.find(wanted.name).has_value()) {
    v.error("E0308",
            path,
            "table `" + model.labels_from + "` has no column `" + wanted.name +
                "`, which service `" + model.service + "` needs",
            "add it to the table's SQL");
  }
}

void check_labels(Validation& v, const ModelDef& model, const data::Schema& labels) {
  const std::string path = "models/" + model.name + "/labels";
  const std::optional<data::Type> label = v.compile(path + "/column", model.label, labels);
  if (label.has_value() && *label != data::Type::kBool && !data::is_numeric(*label)) {
    v.error("E0306",
            path + "/column",
            "the label is " + std::string(data::type_name(*label)) +
                " where bool or a number is needed",
            "write a comparison, such as `tier = 'gold'`");
  }
  if (!model.where.empty()) {
    v.compile_condition(path + "/where", model.where, labels);
  }
  const std::optional<int> time = labels.find(model.label_event_time);
  if (!time.has_value()) {
    const std::optional<std::string> near = suggest(model.label_event_time, labels.names());
    v.error("E0308",
            path + "/event_time",
            "table `" + model.labels_from + "` has no column `" + model.label_event_time + "`",
            near.has_value() ? "did you mean `" + *near + "`?" : "");
  } else if (labels.field(*time).type != data::Type::kTimestamp) {
    v.error("E0306", path + "/event_time", "`" + model.label_event_time + "` is not a timestamp");
  }
  const auto service = v.project().services.find(model.service);
  if (service == v.project().services.end()) {
    return;
  }
  for (const ServiceItem& item : service->second.items) {
    const auto on_demand = v.project().on_demand.find(item.view);
    for (const data::Field& key : asked_keys(v.project(), item)) {
      check_label_column(v, model, key, labels);
    }
    if (on_demand != v.project().on_demand.end()) {
      for (const data::Field& field : on_demand->second.request) {
        check_label_column(v, model, field, labels);
      }
    }
  }
}

/// A challenger is scored on what the model sees, and answers for a share of its entities.
void check_challengers(Validation& v, const ModelDef& model) {
  double shares = 0;
  for (const auto& [name, challenger] : model.challengers) {
    const std::string path = "models/" + model.name + "/challengers/" + name;
    shares += challenger.share;
    const auto other = v.project().models.find(name);
    if (other == v.project().models.end()) {
      v.unknown(path, "model", name, names_of(v.project().models));
    } else if (name == model.name) {
      v.error("E0203", path, "model `" + name + "` cannot be tried beside itself");
    } else if (other->second.service != model.service) {
      v.error("E0203",
              path,
              "model `" + name + "` is of service `" + other->second.service + "`, and model `" +
                  model.name + "` of `" + model.service + "`",
              "both must see the same features");
    } else if (!other->second.challengers.empty()) {
      v.error("E0203",
              path,
              "model `" + name + "` has challengers of its own",
              "name them here as well");
    }
  }
  constexpr double kRounding = 1e-9;
  if (shares > 1 + kRounding) {
    v.error(
        "E0203", "models/" + model.name + "/challengers", "the shares are more than 1 together");
  }
}

void check_model(Validation& v, const ModelDef& model) {
  const std::string path = "models/" + model.name;
  if (v.project().services.count(model.service) == 0) {
    v.unknown(path + "/service", "service", model.service, names_of(v.project().services));
  }
  check_challengers(v, model);
  if (!layer_of(v.project(), model.labels_from).has_value()) {
    v.unknown(path + "/labels/from", "table", model.labels_from, v.table_names());
    return;
  }
  const data::SchemaPtr labels = v.table_schema(model.labels_from);
  if (labels != nullptr && !v.is_broken(path)) {
    check_labels(v, model, *labels);
  }
}

}  // namespace

void validate_models(Validation& validation) {
  for (const auto& [name, service] : validation.project().services) {
    check_service(validation, service);
  }
  for (const auto& [name, model] : validation.project().models) {
    check_model(validation, model);
  }
}

}  // namespace assay::catalog
