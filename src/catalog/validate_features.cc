// Entities, feature views and on-demand views: references, names, windows, types.

#include <algorithm>
#include <set>

#include "base/suggest.h"
#include "catalog/feature_schema.h"
#include "catalog/table_schema.h"
#include "catalog/validation.h"
#include "data/expression.h"

namespace assay::catalog {
namespace {

/// A column of int32 serves a key of int64; it is widened.
bool fits_key(const data::Type& column, const data::Type& key) {
  return column == key || (column == data::Type::kInt32 && key == data::Type::kInt64);
}

void check_entity(Validation& v, const EntityDef& entity) {
  const std::string path = "entities/" + entity.name;
  if (entity.name == kNoEntity) {
    v.error_at_key("E0302",
                   path,
                   "entity name `none` is reserved: it stands for no entity, one row for all",
                   "rename the entity");
  }
  for (const data::Field& key : entity.keys) {
    const bool single = entity.keys.size() == 1;
    const std::string at = path + "/keys/" + key.name;
    if (!data::is_key_type(key.type)) {
      v.error("E0306",
              single ? path + "/type" : at,
              "key `" + key.name + "` of entity `" + entity.name + "` is " + type_name(key.type),
              "keys are whole numbers, text, bool, dates or timestamps");
    }
    if (is_reserved_column(key.name)) {
      v.error_at_key("E0302",
                     single ? path + "/key" : at,
                     "column name `" + key.name + "` is reserved",
                     "take another key column");
    }
  }
}

/// Names that a view's table will have: no two alike, none reserved, none of the entity's keys.
void check_output_names(Validation& v, const FeatureViewDef& view) {
  std::set<std::string> taken;
  std::set<std::string> keys;
  if (const EntityDef* entity = find_entity(v.project(), view.entity)) {
    for (const data::Field& key : entity->keys) {
      keys.insert(key.name);
    }
  }
  for (const FeatureDef& feature : view.features) {
    const std::string path = "feature_views/" + view.name + "/features/" + feature.name;
    for (const std::string& name : output_names(feature)) {
      if (!taken.insert(name).second) {
        v.error_at_key("E0305",
                       path,
                       "view `" + view.name + "` has two features called `" + name + "`",
                       "windows add their length to the name; rename one of the features");
      }
      if (keys.count(name) > 0) {
        v.error_at_key(
            "E0305",
            path,
            "feature `" + name + "` is called like a key of entity `" + view.entity + "`",
            "rename the feature; `{latest: " + name + "}` reads the column under another name");
      }
      if (is_reserved_column(name)) {
        v.error_at_key(
            "E0302", path, "feature name `" + name + "` is reserved", "rename the feature");
      }
    }
  }
}

void check_windows(Validation& v, const FeatureViewDef& view) {
  const std::string path = "feature_views/" + view.name;
  for (const FeatureDef& feature : view.features) {
    for (std::size_t i = 0; i < feature.over.size() && view.slide.micros > 0; ++i) {
      if (feature.over[i].micros <= 0) {
        v.error(
            "E0303",
            path + "/features/" + feature.name + "/over/" + std::to_string(i),
            "a window of " + format_duration(feature.over[i]) + " holds nothing",
            "make it the view's `slide`, " + format_duration(view.slide) + ", or a multiple of it");
      } else if (feature.over[i].micros % view.slide.micros != 0) {
        v.error("E0303",
                path + "/features/" + feature.name + "/over/" + std::to_string(i),
                "window " + format_duration(feature.over[i]) + " is not a multiple of the slide, " +
                    format_duration(view.slide),
                "change the window or the view's `slide`");
      }
    }
  }
  if (view.slide.micros <= 0) {
    v.error("E0201", path + "/slide", "the slide must be longer than nothing");
  }
}

bool needs_session(const FeatureDef& feature) {
  return (feature.kind == FeatureDef::Kind::kSequence && is_of_session(feature.sequence)) ||
         (feature.kind == FeatureDef::Kind::kSince && feature.column == kSessionStartTime);
}

void check_sessions(Validation& v, const FeatureViewDef& view) {
  const std::string path = "feature_views/" + view.name;
  for (const FeatureDef& feature : view.features) {
    if (needs_session(feature) && !view.session && !v.is_broken(path)) {
      v.error_at_key("E0309",
                     path + "/features/" + feature.name,
                     "feature `" + feature.name + "` is of sessions, but view `" + view.name +
                         "` does not say what a session is",
                     "add `session: {gap: 30m}` to the view");
    }
  }
  if (view.session && view.slide.micros > 0 &&
      (view.session->over.micros <= 0 || view.session->over.micros % view.slide.micros != 0)) {
    v.error("E0303",
            path + "/session/over",
            "window " + format_duration(view.session->over) + " is not a multiple of the slide, " +
                format_duration(view.slide),
            "change the window or the view's `slide`");
  }
}

/// The first event is a minimum that is kept without the events behind it: docs/decisions/0057.
void check_first_events(Validation& v, const FeatureViewDef& view) {
  for (const FeatureDef& feature : view.features) {
    if (feature.kind == FeatureDef::Kind::kSince && feature.column == kFirstEvent &&
        is_of_changes(v.project(), view.from)) {
      v.error_at_key("E0312",
                     "feature_views/" + view.name + "/features/" + feature.name,
                     "feature `" + feature.name + "` counts from the first event, but rows of `" +
                         view.from + "` may be replaced",
                     "take a window: `{agg: min, of: event_time, over: 365d}`");
    }
  }
}

void check_entity_columns(Validation& v, const FeatureViewDef& view, const data::Schema& source) {
  const EntityDef* entity = find_entity(v.project(), view.entity);
  if (entity == nullptr) {
    return;
  }
  for (const data::Field& key : entity->keys) {
    const std::optional<int> column = source.find(key.name);
    const std::string path = "feature_views/" + view.name;
    if (!column.has_value()) {
      const std::optional<std::string> near = suggest(key.name, source.names());
      v.error("E0308",
              path + "/from",
              "table `" + view.from + "` has no column `" + key.name + "`, the key of entity `" +
                  view.entity + "`",
              near.has_value() ? "it has `" + *near + "`" : "");
    } else if (!fits_key(source.field(*column).type, key.type)) {
      v.error("E0306",
              path + "/from",
              "key column `" + key.name + "` is " +
                  std::string(data::type_name(source.field(*column).type)) + " in table `" +
                  view.from + "` and " + std::string(data::type_name(key.type)) + " in entity `" +
                  view.entity + "`");
    }
  }
}

/// Report what is wrong with a ratio's parts; false when it is something else.
bool reported_as_ratio(Validation& v,
                       const std::string& path,
                       const FeatureDef& feature,
                       const std::vector<data::Field>& known) {
  bool reported = false;
  if (feature.kind == FeatureDef::Kind::kRatio) {
    for (std::size_t i = 0; i < feature.over.size() && !reported; ++i) {
      reported = !check_ratio(v, path, computed_expression(feature, i), known);
    }
  }
  return reported;
}

/// An expression that names a feature which is not computed before it: so there is no circle.
Status of_order(const Status& status, const FeatureDef& feature, const FeatureViewDef& view) {
  bool is_behind = false;
  for (const FeatureDef& other : view.features) {
    is_behind = is_behind || other.name == feature.name;
    if (!is_behind || !is_computed(other)) {
      continue;
    }
    for (const std::string& name : output_names(other)) {
      const std::string start = "no column `" + name + "`";
      if (status.message().compare(0, start.size(), start) == 0) {
        const std::size_t at = status.message().rfind(" at column ");
        return {status.code(),
                "feature `" + feature.name + "` needs `" + name + "`, which " +
                    (name == feature.name ? "is itself" : "stands behind it") +
                    "; a feature sees those before it" +
                    (at == std::string::npos ? "" : status.message().substr(at))};
      }
    }
  }
  return status;
}

/// Types of a view's features, each problem reported; nothing when there was one.
std::optional<std::vector<data::Field>> type_features(Validation& v,
                                                      const FeatureViewDef& view,
                                                      const data::Schema& source,
                                                      bool report) {
  std::vector<data::Field> known;
  bool good = true;
  for (const bool expressions : {false, true}) {
    for (const FeatureDef& feature : view.features) {
      if (is_computed(feature) != expressions || (expressions && !good)) {
        continue;
      }
      const FeatureType found = feature_type(feature, source, data::Schema(known));
      const std::string path = "feature_views/" + view.name + "/features/" + feature.name;
      good = good && found.status.ok();
      if (!found.status.ok() && report && !reported_as_ratio(v, path, feature, known)) {
        v.expression_error(path + "/" + found.part, of_order(found.status, feature, view));
      }
      for (const std::string& name : output_names(feature)) {
        known.push_back({name, found.type, true});
      }
    }
  }
  return good ? std::optional(known) : std::nullopt;
}

/// Rows of a table without an event time all stand at the epoch: no window would ever hold one.
void check_has_time(Validation& v, const FeatureViewDef& view) {
  const Project& project = v.project();
  const auto silver = project.silver.find(view.from);
  const auto bronze =
      project.bronze.find(silver == project.silver.end() ? view.from : silver->second.from);
  const bool windows =
      std::any_of(view.features.begin(), view.features.end(), [](const FeatureDef& feature) {
        return feature.kind == FeatureDef::Kind::kWindow ||
               feature.kind == FeatureDef::Kind::kSequence;
      });
  const bool own_time =
      silver != project.silver.end() && silver->second.sql.find("event_time") != std::string::npos;
  if (windows && !own_time && bronze != project.bronze.end() && bronze->second.event_time.empty() &&
      !v.is_broken("bronze/" + bronze->first)) {
    v.error_at_key(
        "E0310",
        "feature_views/" + view.name,
        "`" + view.name + "` has windows over `" + view.from + "`, whose rows have no event time",
        "declare `event_time` in bronze table `" + bronze->first + "`");
  }
}

void check_view(Validation& v, const FeatureViewDef& view) {
  const std::string path = "feature_views/" + view.name;
  if (find_entity(v.project(), view.entity) == nullptr) {
    std::vector<std::string> known = names_of(v.project().entities);
    known.emplace_back(kNoEntity);
    v.unknown(path + "/entity", "entity", view.entity, known);
  }
  if (!layer_of(v.project(), view.from).has_value()) {
    v.unknown(path + "/from", "table", view.from, v.table_names());
  }
  if (v.project().on_demand.count(view.name) > 0) {
    v.error_at_key("E0105",
                   path,
                   "`" + view.name + "` is both a feature view and an on-demand view",
                   "rename one of them: services name both");
  }
  check_output_names(v, view);
  check_windows(v, view);
  check_sessions(v, view);
  check_first_events(v, view);
  check_has_time(v, view);
  const data::SchemaPtr source = v.table_schema(view.from);
  if (source != nullptr && !v.is_broken(path)) {
    check_entity_columns(v, view, *source);
    type_features(v, view, *source, true);
  }
}

/// What an on-demand view can read besides the request, in the services that hold it: the features
/// before it. Nothing when their types cannot be known here.
std::optional<std::vector<data::Field>> features_before(Validation& v,
                                                        const ServiceDef& service,
                                                        const std::string& on_demand) {
  std::vector<data::Field> fields;
  for (const ServiceItem& item : service.items) {
    if (item.view == on_demand) {
      return fields;
    }
    const auto known = item_fields(v, item);
    if (!known.has_value()) {
      return std::nullopt;  // unknown, or on demand too
    }
    fields.insert(fields.end(), known->begin(), known->end());
  }
  return std::nullopt;
}

bool holds(const ServiceDef& service, const std::string& view) {
  for (const ServiceItem& item : service.items) {
    if (item.view == view) {
      return true;
    }
  }
  return false;
}

/// The type of an on-demand feature over `visible`: request values and the view's features before
/// it. One that needs more is tried with the features of each service that holds the view; nothing
/// when they cannot be known here, or when it is wrong, which is reported.
std::optional<data::Type> type_on_demand(Validation& v,
                                         const OnDemandDef& view,
                                         const OnDemandDef::Feature& feature,
                                         const std::vector<data::Field>& visible) {
  const std::string path = "on_demand/" + view.name + "/features/" + feature.name + "/expr";
  const Result<data::Expression> alone =
      data::Expression::compile(feature.expression, data::Schema(visible));
  if (alone.ok()) {
    return alone->type();
  }
  std::optional<data::Type> type;
  bool used = false;
  for (const auto& [name, service] : v.project().services) {
    if (!holds(service, view.name)) {
      continue;
    }
    used = true;
    std::optional<std::vector<data::Field>> before = features_before(v, service, view.name);
    if (before.has_value()) {
      before->insert(before->begin(), visible.begin(), visible.end());
      type = v.compile(path, feature.expression, data::Schema(*before));
    }
  }
  if (!used) {
    v.expression_error(path, alone.status());
  }
  return type;
}

void check_on_demand(Validation& v, const OnDemandDef& view) {
  std::set<std::string> names;
  std::vector<data::Field> visible = view.request;
  visible.push_back({data::kNowColumn, data::Type::kTimestamp, true});
  bool all_known = !v.is_broken("on_demand/" + view.name);
  const std::string path = "on_demand/" + view.name;
  for (const data::Field& field : view.request) {
    names.insert(field.name);
  }
  for (const OnDemandDef::Feature& feature : view.features) {
    if (!names.insert(feature.name).second) {
      v.error_at_key("E0305",
                     path + "/features/" + feature.name,
                     "feature `" + feature.name + "` is called like a request value",
                     "rename the feature");
    }
    if (is_reserved_column(feature.name)) {
      v.error_at_key("E0302",
                     path + "/features/" + feature.name,
                     "feature name `" + feature.name + "` is reserved",
                     "rename the feature");
    }
    if (all_known) {
      const std::optional<data::Type> type = type_on_demand(v, view, feature, visible);
      all_known = type.has_value();
      visible.push_back({feature.name, type.value_or(data::Type::kFloat64), true});
    }
  }
}

}  // namespace

bool check_ratio(Validation& v,
                 const std::string& path,
                 const std::string& expression,
                 const std::vector<data::Field>& visible) {
  const std::size_t cut = expression.find(" / ");
  const std::string parts[] = {expression.substr(0, cut), expression.substr(cut + 3)};
  bool good = true;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string at = path + "/ratio/" + std::to_string(i);
    std::vector<std::string> names;
    const data::Field* found = nullptr;
    for (const data::Field& field : visible) {
      names.push_back(field.name);
      found = field.name == parts[i] ? &field : found;
    }
    if (found == nullptr) {
      v.unknown(at, "feature", parts[i], names);
      good = false;
    } else if (!data::is_numeric(found->type) && found->type != data::Type::kDecimal) {
      v.error("E0307",
              at,
              "feature `" + parts[i] + "` is " + data::type_name(found->type) +
                  " where a ratio needs a number");
      good = false;
    }
  }
  return good;
}

std::optional<std::vector<data::Field>> view_fields(Validation& validation,
                                                    const FeatureViewDef& view) {
  const data::SchemaPtr source = validation.table_schema(view.from);
  if (source == nullptr || validation.is_broken("feature_views/" + view.name)) {
    return std::nullopt;
  }
  return type_features(validation, view, *source, false);
}

void validate_features(Validation& validation) {
  const Project& project = validation.project();
  for (const auto& [name, entity] : project.entities) {
    check_entity(validation, entity);
  }
  for (const auto& [name, view] : project.views) {
    check_view(validation, view);
  }
  for (const auto& [name, view] : project.on_demand) {
    check_on_demand(validation, view);
  }
}

}  // namespace assay::catalog
