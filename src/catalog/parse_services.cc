// Services and derived views: lists of what they take from views.

#include <algorithm>
#include <utility>

#include "catalog/feature_schema.h"
#include "catalog/parse_sections.h"

namespace assay::catalog {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  return text;
}

/// "view" or "view:feature,feature".
ServiceItem parse_reference(ParseContext& context, const YamlNode& node, const std::string& owner) {
  ServiceItem item;
  item.span = context.span(node.mark);
  const std::size_t colon = node.text.find(':');
  item.view = trimmed(std::string_view(node.text).substr(0, colon));
  std::size_t begin = colon == std::string::npos ? std::string::npos : colon + 1;
  bool good = is_name(item.view);
  while (begin <= node.text.size() && begin != std::string::npos) {
    const std::size_t end = std::min(node.text.find(',', begin), node.text.size());
    item.features.emplace_back(trimmed(std::string_view(node.text).substr(begin, end - begin)));
    good = good && is_name(item.features.back());
    begin = end + 1;
  }
  if (!good) {
    context.error("E0202",
                  node,
                  "`" + node.text + "` in " + owner + " is no view",
                  "write `view`, or in quotes `\"view:feature,feature\"`");
  }
  return item;
}

/// A reference, or `{view: ..., by: ..., prefix: ...}`.
ServiceItem parse_item(ParseContext& context, const YamlNode& node, const std::string& owner) {
  if (node.kind == YamlNode::Kind::kScalar) {
    return parse_reference(context, node, owner);
  }
  if (node.kind != YamlNode::Kind::kMap) {
    context.error("E0104",
                  node,
                  "an entry of " + owner + " is not a view",
                  "write `view`, or in quotes `\"view:feature,feature\"`");
    return {};
  }
  const SectionReader reader(context, node, {"input", "an entry of " + owner, false});
  ServiceItem item;
  if (reader.has("view")) {
    item = parse_reference(context, *reader.find("view"), owner);
  }
  item.prefix = reader.text("prefix");
  if (!item.prefix.empty() && !is_name(item.prefix)) {
    context.error("E0202",
                  *reader.find("prefix"),
                  "`" + item.prefix + "` does not begin a name",
                  "take small letters, digits and _, such as `home_`");
  }
  if (const YamlNode* by = reader.find("by")) {
    for (const YamlEntry& key : by->entries) {
      const SectionReader key_reader(
          context, key.value, {"input_key", "key `" + key.key + "` in " + owner, false});
      item.by.push_back({key.key, key_reader.text("expr"), context.span(key.key_mark)});
    }
  }
  return item;
}

/// A derived feature: an expression, or a ratio with one feature for each window.
void parse_derived_feature(ParseContext& context,
                           const YamlEntry& entry,
                           const std::string& view,
                           std::vector<OnDemandDef::Feature>* features) {
  const std::string title = "feature `" + entry.key + "` of " + view;
  const SectionReader reader(context, entry.value, {"derived_feature", title, false});
  const Span span = context.span(entry.key_mark);
  const YamlNode& node = entry.value;
  const bool is_map = node.kind == YamlNode::Kind::kMap || node.kind == YamlNode::Kind::kNull;
  const bool ratio = node.find("ratio") != nullptr;
  if (is_map && ratio == (node.find("expr") != nullptr)) {
    context.error_at_key("E0203",
                         entry,
                         title + (ratio ? " says more than one thing" : " does not say what it is"),
                         "write one of `expr: ...` and `ratio: [spent, all_spent]`");
    return;
  }
  if (!ratio) {
    if (reader.has("over")) {
      context.error("E0203",
                    *reader.find("over"),
                    "`over` without `ratio`",
                    "write the window into the expression, as in `spent_24h`");
    }
    features->push_back({entry.key, reader.text("expr"), span});
    return;
  }
  FeatureDef feature;
  feature.kind = FeatureDef::Kind::kRatio;
  feature.name = entry.key;
  feature.over = reader.durations("over");
  read_ratio_parts(context, reader, &feature);
  if (feature.above.empty()) {
    return;
  }
  if (feature.over.empty()) {
    features->push_back({entry.key, feature.above + " / " + feature.below, span, entry.key});
    return;
  }
  const std::vector<std::string> names = output_names(feature);
  for (std::size_t i = 0; i < names.size(); ++i) {
    features->push_back({names[i], computed_expression(feature, i), span, entry.key});
  }
}

}  // namespace

ServiceDef parse_service(ParseContext& context, const YamlEntry& entry) {
  ServiceDef service;
  service.name = entry.key;
  service.span = context.span(entry.key_mark);
  const YamlNode& node = entry.value;
  if (node.kind == YamlNode::Kind::kScalar) {
    service.items.push_back(parse_item(context, node, "service `" + entry.key + "`"));
    return service;
  }
  if (node.kind != YamlNode::Kind::kList || node.items.empty()) {
    context.error("E0104",
                  node,
                  "service `" + entry.key + "` is not a list of views",
                  "write `" + entry.key + ": [view, \"view:feature,feature\"]`");
    return service;
  }
  for (const YamlNode& item : node.items) {
    service.items.push_back(parse_item(context, item, "service `" + entry.key + "`"));
  }
  return service;
}

DerivedDef parse_derived(ParseContext& context, const YamlEntry& entry) {
  DerivedDef view;
  view.name = entry.key;
  view.span = context.span(entry.key_mark);
  const std::string title = "derived view `" + entry.key + "`";
  const SectionReader reader(context, entry.value, {"derived", title, false});
  view.owner = reader.text("owner");
  view.description = reader.text("description");
  view.tags = reader.texts("tags");
  if (const YamlNode* inputs = reader.find("inputs")) {
    for (const YamlNode& item : inputs->items) {
      view.inputs.push_back(parse_item(context, item, title));
    }
    if (inputs->items.empty()) {
      context.error("E0103", *inputs, title + " has no inputs");
    }
  }
  if (const YamlNode* features = reader.find("features")) {
    for (const YamlEntry& feature : features->entries) {
      parse_derived_feature(context, feature, title, &view.features);
    }
    if (features->entries.empty()) {
      context.error("E0103", *features, title + " has no features");
    }
  }
  return view;
}

}  // namespace assay::catalog
