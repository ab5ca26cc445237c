// Entities, feature views and on-demand views.

#include <utility>

#include "base/suggest.h"
#include "catalog/aggregates.h"
#include "catalog/parse_sections.h"
#include "catalog/parse_sequences.h"
#include "catalog/parse_temporal.h"
#include "catalog/slide.h"
#include "data/time_zone.h"

namespace assay::catalog {
namespace {

/// `k` is there, and from 1 to the limit of lists, when the aggregate gives a list, and only then.
void read_length(ParseContext& context, const SectionReader& reader, FeatureDef* feature) {
  const AggregateInfo& info = aggregate_info(feature->aggregate);
  const bool wants_k = info.parameter == AggregateParameter::kK;
  const YamlNode* k = reader.node().find("k");
  if (reader.has("agg") && wants_k && k == nullptr) {
    context.error("E0103",
                  reader.node(),
                  reader.title() + " needs `k`",
                  "add how many values the list has at most, such as `k: 5`");
  }
  if (reader.has("k") && !wants_k) {
    context.error("E0203",
                  *k,
                  "`" + std::string(info.name) + "` takes no `k`",
                  "`k` belongs to `agg: last_n`, `top_k` and `top_k_counts`, and to `lag`");
  }
  if (!wants_k || !reader.has("k")) {
    return;
  }
  feature->k = reader.integer("k");
  if (feature->k < 1 || feature->k > kListMax) {
    context.error("E0201",
                  *k,
                  "`k` of `" + std::string(info.name) + "` is " + std::to_string(feature->k) +
                      " but must be from 1 to " + std::to_string(kListMax),
                  "write such as `k: 5`");
  }
}

/// `q` is there when the aggregate takes it, and only then.
void read_parameter(ParseContext& context, const SectionReader& reader, FeatureDef* feature) {
  const AggregateInfo& info = aggregate_info(feature->aggregate);
  const bool wants_q = info.parameter == AggregateParameter::kQ;
  if (reader.has("agg") && wants_q && reader.node().find("q") == nullptr) {
    context.error("E0103",
                  reader.node(),
                  reader.title() + " needs `q`",
                  "add the share of values below it, such as `q: 0.95`");
  }
  if (reader.has("q") && !wants_q) {
    context.error("E0203",
                  *reader.find("q"),
                  "`" + std::string(info.name) + "` takes no `q`",
                  "`q` belongs to `agg: quantile`");
  }
  feature->q = wants_q && reader.has("q") ? reader.number("q") : 0;
}

void read_window(ParseContext& context, const SectionReader& reader, FeatureDef* feature) {
  feature->kind = FeatureDef::Kind::kWindow;
  feature->aggregate = aggregate_from_name(reader.text("agg")).value_or(Aggregate::kCount);
  feature->of = reader.text("of");
  feature->where = reader.text("where");
  feature->over = reader.durations("over");
  read_parameter(context, reader, feature);
  read_length(context, reader, feature);
  const YamlNode& node = reader.node();
  if (node.find("over") == nullptr) {
    context.error(
        "E0103", node, reader.title() + " needs `over`", "add windows, such as `over: [1h, 24h]`");
  }
  if (reader.has("agg") && feature->aggregate != Aggregate::kCount && node.find("of") == nullptr) {
    context.error("E0103",
                  node,
                  reader.title() + " needs `of`: what to " + reader.text("agg"),
                  "add a column or expression, such as `of: price`");
  }
  if (reader.has("agg") && feature->aggregate == Aggregate::kCount && reader.has("of")) {
    context.error(
        "E0203",
        *reader.find("of"),
        "`count` counts rows and takes no `of`",
        "count the rows that have a value with `where: \"" + feature->of + " IS NOT NULL\"`");
  }
}

void read_ratio(ParseContext& context, const SectionReader& reader, FeatureDef* feature) {
  feature->kind = FeatureDef::Kind::kRatio;
  feature->over = reader.durations("over");
  read_ratio_parts(context, reader, feature);
  if (reader.node().find("over") == nullptr) {
    context.error("E0103",
                  reader.node(),
                  reader.title() + " needs `over`",
                  "add the windows of its features, such as `over: [1h, 24h]`");
  }
}

/// Keys of which a feature has exactly one: what kind of feature it is.
constexpr std::string_view kKindKeys[] = {"latest",
                                          "agg",
                                          "expr",
                                          "ratio",
                                          "since",
                                          "clock",
                                          "rate",
                                          "trend",
                                          "session",
                                          "changes",
                                          "previous",
                                          "changed_at",
                                          "lag"};

/// The kind keys that the section has.
std::vector<std::string_view> kinds_in(const YamlNode& node) {
  std::vector<std::string_view> found;
  for (const std::string_view key : kKindKeys) {
    if (node.find(key) != nullptr) {
      found.push_back(key);
    }
  }
  return found;
}

FeatureDef parse_feature(ParseContext& context,
                         const YamlEntry& entry,
                         const FeatureViewDef& view) {
  FeatureDef feature;
  feature.name = entry.key;
  feature.span = context.span(entry.key_mark);
  const std::string title = "feature `" + entry.key + "` of view `" + view.name + "`";
  const YamlNode& node = entry.value;
  if (node.kind == YamlNode::Kind::kScalar) {
    feature.column = entry.key;
    if (node.text != "latest") {
      const std::optional<std::string> near = suggest(node.text, {"latest"});
      context.error("E0201",
                    node,
                    title + ": `" + node.text + "` is not `latest` or a map",
                    near.has_value() ? "did you mean `latest`?"
                                     : "write `{latest: " + node.text + "}` or `{expr: ...}`");
    }
    return feature;
  }
  const SectionReader reader(context, node, {"feature", title, false});
  feature.description = reader.text("description");
  feature.unit = reader.text("unit");
  const std::vector<std::string_view> kinds = kinds_in(node);
  if (kinds.size() != 1) {
    if (node.kind == YamlNode::Kind::kMap || node.kind == YamlNode::Kind::kNull) {
      context.error(
          "E0203",
          node,
          title + (kinds.empty() ? " does not say what it is" : " says more than one thing"),
          "write one of `latest: column`, `agg: count`, `expr: ...` and the other kinds "
          "that docs/reference/yaml.md lists");
    }
    return feature;
  }
  const std::string_view kind = kinds.front();
  if (kind == "agg") {
    read_window(context, reader, &feature);
    return feature;
  }
  if (kind == "ratio") {
    read_ratio(context, reader, &feature);
    return feature;
  }
  if (read_sequence(context, reader, kind, &feature)) {
    return feature;
  }
  for (const char* key : {"of", "where", "over", "k", "q"}) {
    const bool taken = key == std::string_view("over") && (kind == "rate" || kind == "trend");
    if (reader.has(key) && !taken) {
      context.error("E0203",
                    *reader.find(key),
                    "`" + std::string(key) + "` without `agg`",
                    "add an aggregate such as `agg: count`");
    }
  }
  if (read_temporal(context, reader, view.tz, &feature)) {
    return feature;
  }
  if (kind == "latest") {
    feature.kind = FeatureDef::Kind::kLatest;
    feature.column = reader.text("latest");
  } else if (kind == "since") {
    feature.kind = FeatureDef::Kind::kSince;
    feature.column = reader.text("since");
  } else {
    feature.kind = FeatureDef::Kind::kExpr;
    feature.expression = reader.text("expr");
  }
  return feature;
}

}  // namespace

void read_ratio_parts(ParseContext& context, const SectionReader& reader, FeatureDef* feature) {
  const std::vector<std::string> features = reader.texts("ratio");
  if (reader.has("ratio") && features.size() != 2) {
    context.error("E0203",
                  *reader.find("ratio"),
                  "a ratio is of two features",
                  "write `ratio: [carts, views]`");
  } else if (features.size() == 2) {
    feature->above = features[0];
    feature->below = features[1];
  }
}

EntityDef parse_entity(ParseContext& context, const YamlEntry& entry) {
  EntityDef entity;
  entity.name = entry.key;
  entity.span = context.span(entry.key_mark);
  const SectionReader reader(context, entry.value, {"entity", "entity `" + entry.key + "`", false});
  entity.description = reader.text("description");
  entity.keys = reader.type_map("keys");
  const bool single = entry.value.find("key") != nullptr;
  const bool several = entry.value.find("keys") != nullptr;
  if (single == several) {
    context.error_at_key(
        "E0203",
        entry,
        "entity `" + entry.key + (single ? "` has both `key` and `keys`" : "` has no key"),
        "write `key: user_id`, or `keys: {origin: string, destination: string}`");
  } else if (single) {
    entity.keys = {{reader.text("key"), reader.column_type("type").type, true}};
  }
  if (several && reader.has("type")) {
    context.error("E0203",
                  *reader.find("type"),
                  "`type` beside `keys`",
                  "give each key its type under `keys`");
  }
  if (several && reader.has("keys") && entity.keys.empty()) {
    context.error("E0203", *reader.find("keys"), "entity `" + entry.key + "` has no key");
  }
  return entity;
}

FeatureViewDef parse_feature_view(ParseContext& context, const YamlEntry& entry) {
  FeatureViewDef view;
  view.name = entry.key;
  view.span = context.span(entry.key_mark);
  const SectionReader reader(
      context, entry.value, {"feature_view", "feature view `" + entry.key + "`", false});
  view.entity = reader.text("entity");
  view.from = reader.text("from");
  view.owner = reader.text("owner");
  view.description = reader.text("description");
  view.tags = reader.texts("tags");
  view.ttl = reader.duration("ttl");
  view.storage = read_storage(reader);
  view.publish = read_publish(context, reader, "feature view `" + entry.key + "`");
  view.slide = reader.text("slide") == kContinuous ? kContinuousSlide
                                                   : reader.duration("slide").value_or(view.slide);
  view.tz = reader.text("tz");
  if (const Status zone = data::TimeZone::find(view.tz).status(); !zone.ok()) {
    if (reader.has("tz")) {
      context.error("E0201", *reader.find("tz"), zone.message());
    }
    view.tz = "UTC";
  }
  if (const YamlNode* session = reader.find("session")) {
    view.session = read_session(context, *session, entry.key);
  }
  if (const YamlNode* features = reader.find("features")) {
    for (const YamlEntry& feature : features->entries) {
      view.features.push_back(parse_feature(context, feature, view));
    }
    if (features->entries.empty()) {
      context.error("E0103", *features, "feature view `" + entry.key + "` has no features");
    }
  }
  return view;
}

OnDemandDef parse_on_demand(ParseContext& context, const YamlEntry& entry) {
  OnDemandDef on_demand;
  on_demand.name = entry.key;
  on_demand.span = context.span(entry.key_mark);
  const SectionReader reader(
      context, entry.value, {"on_demand", "on-demand view `" + entry.key + "`", false});
  on_demand.request = reader.type_map("request");
  if (const YamlNode* features = reader.find("features")) {
    for (const YamlEntry& feature : features->entries) {
      const SectionReader feature_reader(
          context,
          feature.value,
          {"on_demand_feature", "feature `" + feature.key + "` of `" + entry.key + "`", false});
      on_demand.features.push_back(
          {feature.key, feature_reader.text("expr"), context.span(feature.key_mark)});
    }
    if (features->entries.empty()) {
      context.error("E0103", *features, "on-demand view `" + entry.key + "` has no features");
    }
  }
  return on_demand;
}

}  // namespace assay::catalog
