// Derived views, and what services and derived views take from views.

#include <algorithm>
#include <set>

#include "base/suggest.h"
#include "catalog/feature_schema.h"
#include "catalog/share_definition.h"
#include "catalog/table_schema.h"
#include "catalog/validation.h"

namespace assay::catalog {
namespace {

using Names = std::set<std::string>;  // of derived views on the way

std::optional<std::vector<data::Field>> fields_of(Validation& v,
                                                  const std::string& view,
                                                  const Names& open);

/// The features that an entry names, under its prefix.
std::optional<std::vector<data::Field>> fields_of(Validation& v,
                                                  const ServiceItem& item,
                                                  const Names& open) {
  const std::optional<std::vector<data::Field>> all = fields_of(v, item.view, open);
  if (!all.has_value()) {
    return std::nullopt;
  }
  std::vector<data::Field> fields;
  for (const data::Field& field : *all) {
    const bool taken = item.features.empty() ||
                       std::count(item.features.begin(), item.features.end(), field.name) > 0;
    if (taken) {
      fields.push_back({item.prefix + field.name, field.type, true});
    }
  }
  return fields;
}

/// What expressions of a derived view see: its inputs.
std::optional<std::vector<data::Field>> inputs_of(Validation& v,
                                                  const DerivedDef& view,
                                                  const Names& open) {
  std::vector<data::Field> fields = {{data::kNowColumn, data::Type::kTimestamp, true}};
  for (const ServiceItem& item : view.inputs) {
    const std::optional<std::vector<data::Field>> some = fields_of(v, item, open);
    if (!some.has_value()) {
      return std::nullopt;
    }
    fields.insert(fields.end(), some->begin(), some->end());
  }
  return fields;
}

std::optional<std::vector<data::Field>> fields_of(Validation& v,
                                                  const std::string& view,
                                                  const Names& open) {
  const auto feature_view = v.project().views.find(view);
  if (feature_view != v.project().views.end()) {
    return view_fields(v, feature_view->second);
  }
  const auto derived = v.project().derived.find(view);
  if (derived == v.project().derived.end() || open.count(view) > 0 ||
      v.is_broken("derived/" + view)) {
    return std::nullopt;
  }
  Names inside = open;
  inside.insert(view);
  std::optional<std::vector<data::Field>> visible = inputs_of(v, derived->second, inside);
  if (!visible.has_value()) {
    return std::nullopt;
  }
  std::vector<data::Field> fields;
  for (const OnDemandDef::Feature& feature : derived->second.features) {
    const Result<data::Expression> expression =
        data::Expression::compile(feature.expression, data::Schema(*visible));
    if (!expression.ok()) {
      return std::nullopt;
    }
    fields.push_back({feature.name, expression->type(), true});
    visible->push_back(fields.back());
  }
  return fields;
}

/// Keys that rows are asked with for an entry; of a derived view those of all that it is made from.
void collect_keys(const Project& project,
                  const ServiceItem& item,
                  const Names& open,
                  std::vector<data::Field>* keys) {
  std::vector<data::Field> found;
  const auto view = project.views.find(item.view);
  if (view != project.views.end()) {
    const EntityDef* entity = find_entity(project, view->second.entity);
    found = entity == nullptr ? found : entity->keys;
  }
  const auto derived = project.derived.find(item.view);
  if (derived != project.derived.end() && open.count(item.view) == 0) {
    Names inside = open;
    inside.insert(item.view);
    for (const ServiceItem& input : derived->second.inputs) {
      collect_keys(project, input, inside, &found);
    }
  }
  for (const data::Field& key : found) {
    const bool computed = std::any_of(item.by.begin(), item.by.end(), [&](const ComputedKey& one) {
      return one.key == key.name;
    });
    const bool known = std::any_of(keys->begin(), keys->end(), [&](const data::Field& one) {
      return one.name == key.name && one.type == key.type;
    });
    if (!computed && !known) {
      keys->push_back(key);
    }
  }
}

/// The way from a derived view back to itself, "a, b, a"; "" when there is none.
std::string circle_from(const Project& project, const std::string& view) {
  std::vector<std::vector<std::string>> open = {{view}};
  Names seen;
  while (!open.empty()) {
    const std::vector<std::string> way = open.back();
    open.pop_back();
    const auto derived = project.derived.find(way.back());
    if (derived == project.derived.end()) {
      continue;
    }
    for (const ServiceItem& item : derived->second.inputs) {
      if (item.view == view) {
        std::string text;
        for (const std::string& name : way) {
          text += "`" + name + "` needs ";
        }
        return text + "`" + view + "`";
      }
      if (seen.insert(item.view).second) {
        open.push_back(way);
        open.back().push_back(item.view);
      }
    }
  }
  return "";
}

void check_input(Validation& v, const DerivedDef& view, std::size_t index) {
  const ServiceItem& item = view.inputs[index];
  const std::string path = "derived/" + view.name + "/inputs/" + std::to_string(index);
  const Project& project = v.project();
  if (project.on_demand.count(item.view) > 0) {
    v.error("E0306",
            path,
            "`" + item.view +
                "` is computed on demand: a derived view takes features of feature "
                "views and derived views",
            "write its expression here");
    return;
  }
  if (project.views.count(item.view) == 0 && project.derived.count(item.view) == 0) {
    std::vector<std::string> known = names_of(project.views);
    for (std::string& name : names_of(project.derived)) {
      known.push_back(std::move(name));
    }
    v.unknown(path, "feature view", item.view, known);
    return;
  }
  const std::vector<std::string> outputs = *outputs_of(project, item.view);
  for (const std::string& feature : item.features) {
    if (std::count(outputs.begin(), outputs.end(), feature) == 0) {
      unknown_feature(v, path, item, feature, outputs);
    }
  }
}

/// Where a feature is written.
std::string place_of(const DerivedDef& view, const OnDemandDef::Feature& feature) {
  const std::string& name = feature.ratio_name.empty() ? feature.name : feature.ratio_name;
  return "derived/" + view.name + "/features/" + name;
}

/// Type of a feature over what stands before it; reported and nothing when there is none.
std::optional<data::Type> type_of(Validation& v,
                                  const DerivedDef& view,
                                  const OnDemandDef::Feature& feature,
                                  const std::vector<data::Field>& visible) {
  const std::string place = place_of(view, feature);
  if (!feature.ratio_name.empty() && !check_ratio(v, place, feature.expression, visible)) {
    return std::nullopt;
  }
  return v.compile(place + (feature.ratio_name.empty() ? "/expr" : "/ratio"),
                   feature.expression,
                   data::Schema(visible));
}

/// Names of inputs and features: no two alike, none reserved.
void check_names(Validation& v, const DerivedDef& view) {
  const std::string path = "derived/" + view.name;
  Names taken;
  for (std::size_t i = 0; i < view.inputs.size(); ++i) {
    const ServiceItem& item = view.inputs[i];
    for (const std::string& name : taken_names(v.project(), item)) {
      if (!taken.insert(name).second) {
        v.error("E0305",
                path + "/inputs/" + std::to_string(i),
                "derived view `" + view.name + "` has two inputs called `" + name + "`",
                "name the features that are needed, as in `\"view:feature,feature\"`, or give one "
                "of the views a `prefix`");
      }
    }
  }
  Names features;
  for (const OnDemandDef::Feature& feature : view.features) {
    if (!features.insert(feature.name).second) {
      v.error_at_key(
          "E0305",
          place_of(view, feature),
          "derived view `" + view.name + "` has two features called `" + feature.name + "`",
          "the windows of a ratio add their length to the name; rename one of them");
    } else if (taken.count(feature.name) > 0) {
      v.error_at_key(
          "E0305",
          place_of(view, feature),
          "feature `" + feature.name + "` is called like an input of `" + view.name + "`",
          "rename the feature, or give the input's view a `prefix`");
    }
    if (is_reserved_column(feature.name)) {
      v.error_at_key("E0302",
                     place_of(view, feature),
                     "feature name `" + feature.name + "` is reserved",
                     "rename the feature");
    }
  }
}

void check_derived(Validation& v, const DerivedDef& view) {
  const std::string path = "derived/" + view.name;
  if (v.project().views.count(view.name) > 0 || v.project().on_demand.count(view.name) > 0) {
    v.error_at_key("E0105",
                   path,
                   "`" + view.name + "` is both a derived view and another view",
                   "rename one of them: services name both");
  }
  if (const std::string circle = circle_from(v.project(), view.name); !circle.empty()) {
    v.error_at_key("E0304",
                   path,
                   "derived view `" + view.name + "` is made from itself: " + circle,
                   "take the features of the views that they are made from");
    return;
  }
  std::vector<data::Field> visible;
  bool known = !v.is_broken(path);
  for (std::size_t i = 0; i < view.inputs.size(); ++i) {
    check_input(v, view, i);
    check_computed_keys(
        v, path + "/inputs/" + std::to_string(i), view.inputs[i], known ? &visible : nullptr);
    const auto fields = item_fields(v, view.inputs[i]);
    known = known && fields.has_value();
    if (known) {
      visible.insert(visible.end(), fields->begin(), fields->end());
    }
  }
  check_names(v, view);
  visible.push_back({data::kNowColumn, data::Type::kTimestamp, true});
  for (const OnDemandDef::Feature& feature : view.features) {
    if (known) {
      const std::optional<data::Type> type = type_of(v, view, feature, visible);
      known = type.has_value();
      visible.push_back({feature.name, type.value_or(data::Type::kFloat64), true});
    }
  }
}

}  // namespace

std::optional<std::vector<std::string>> outputs_of(const Project& project,
                                                   const std::string& view) {
  const auto feature_view = project.views.find(view);
  if (feature_view != project.views.end()) {
    return output_names(feature_view->second);
  }
  const auto derived = project.derived.find(view);
  const auto on_demand = project.on_demand.find(view);
  if (derived == project.derived.end() && on_demand == project.on_demand.end()) {
    return std::nullopt;
  }
  std::vector<std::string> names;
  for (const OnDemandDef::Feature& feature :
       derived != project.derived.end() ? derived->second.features : on_demand->second.features) {
    names.push_back(feature.name);
  }
  return names;
}

std::vector<std::string> taken_names(const Project& project, const ServiceItem& item) {
  std::vector<std::string> names = item.features;
  if (names.empty()) {
    names = outputs_of(project, item.view).value_or(std::vector<std::string>());
    std::sort(names.begin(), names.end());  // a view's own repetitions are reported at the view
    names.erase(std::unique(names.begin(), names.end()), names.end());
  }
  for (std::string& name : names) {
    name = item.prefix + name;
  }
  return names;
}

void unknown_feature(Validation& v,
                     const std::string& path,
                     const ServiceItem& item,
                     const std::string& feature,
                     const std::vector<std::string>& outputs) {
  const std::optional<std::string> near = suggest(feature, outputs);
  std::string help = near.has_value() ? "did you mean `" + *near + "`?" : "";
  for (const std::string& output : outputs) {
    if (output.compare(0, feature.size() + 1, feature + "_") == 0) {
      help = "windows add their length: `" + output + "`";
      break;
    }
  }
  v.error("E0301", path, "view `" + item.view + "` has no feature `" + feature + "`", help);
}

std::optional<std::vector<data::Field>> item_fields(Validation& validation,
                                                    const ServiceItem& item) {
  return fields_of(validation, item, {});
}

std::vector<data::Field> asked_keys(const Project& project, const ServiceItem& item) {
  std::vector<data::Field> keys;
  collect_keys(project, item, {}, &keys);
  return keys;
}

void check_computed_keys(Validation& v,
                         const std::string& path,
                         const ServiceItem& item,
                         const std::vector<data::Field>* visible) {
  ServiceItem without = item;
  without.by.clear();
  const std::vector<data::Field> keys = asked_keys(v.project(), without);
  const std::optional<SharePlace> store = share_in_place(v.project().online);
  for (const ComputedKey& key : item.by) {
    const std::string at = path + "/by/" + key.key;
    const auto found = std::find_if(
        keys.begin(), keys.end(), [&](const data::Field& one) { return one.name == key.key; });
    if (found == keys.end()) {
      std::vector<std::string> names;
      for (const data::Field& one : keys) {
        names.push_back(one.name);
      }
      const std::optional<std::string> near = suggest(key.key, names);
      v.error_at_key("E0301",
                     at,
                     "view `" + item.view + "` has no key `" + key.key + "`",
                     near.has_value() ? "did you mean `" + *near + "`?" : "");
      continue;
    }
    if (store.has_value() && store->share.key == key.key) {
      // The row goes to the server of the key that it names; what is computed may be another's.
      v.error_at_key(
          "E0203",
          at,
          "`" + key.key + "` is computed here, and decides whose an entity is (`share:`)",
          "share out by another key, or take a `sharded:` store that all servers read");
    }
    if (visible == nullptr) {
      continue;
    }
    std::vector<data::Field> fields = *visible;
    fields.push_back({data::kNowColumn, data::Type::kTimestamp, true});
    const std::optional<data::Type> type =
        v.compile(at + "/expr", key.expression, data::Schema(std::move(fields)));
    if (type.has_value() && *type != found->type &&
        !(*type == data::Type::kInt32 && found->type == data::Type::kInt64)) {
      v.error("E0306",
              at,
              "key `" + key.key + "` of `" + item.view + "` is " +
                  std::string(data::type_name(found->type)) + ", and the expression is " +
                  std::string(data::type_name(*type)),
              "CAST it");
    }
  }
}

void validate_derived(Validation& validation) {
  for (const auto& [name, view] : validation.project().derived) {
    check_derived(validation, view);
  }
}

}  // namespace assay::catalog
