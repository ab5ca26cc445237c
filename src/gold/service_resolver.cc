// A derived view that is looked up with a computed key has it in all of its inputs: of them, those
// whose own entry computes a key keep theirs. So `Keys` go down with the recursion.

#include "gold/service_resolver.h"

#include <algorithm>
#include <utility>

#include "base/suggest.h"
#include "data/expression.h"

namespace assay::gold {
namespace {

Status invalid(const std::string& message) {
  return {Code::kInvalidArgument, message};
}

/// An int32 serves a key of int64: they encode alike.
bool fits_key(const data::Type& type, const data::Type& key) {
  return type == key || (type == data::Type::kInt32 && key == data::Type::kInt64);
}

/// The features of a view that an entry names, all of them when it names none.
Result<std::vector<ResolvedValue>> selected(const catalog::ServiceItem& item,
                                            std::vector<ResolvedValue> values) {
  if (item.features.empty()) {
    return values;
  }
  std::vector<std::string> names;
  for (const ResolvedValue& value : values) {
    names.push_back(value.field.name);
  }
  std::vector<ResolvedValue> chosen;
  for (const std::string& name : item.features) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      return Status(
          Code::kNotFound,
          "view `" + item.view + "` has no feature `" + name + "`" + did_you_mean(name, names));
    }
    chosen.push_back(values[static_cast<std::size_t>(found - names.begin())]);
  }
  return chosen;
}

}  // namespace

Status merge_fields(const std::vector<data::Field>& fields, std::vector<data::Field>* into) {
  for (const data::Field& field : fields) {
    const auto known = std::find_if(
        into->begin(), into->end(), [&](const data::Field& one) { return one.name == field.name; });
    if (known == into->end()) {
      into->push_back(field);
    } else if (known->type != field.type) {
      return invalid("`" + field.name + "` is " + std::string(data::type_name(known->type)) +
                     " in one place and " + std::string(data::type_name(field.type)) +
                     " in another");
    }
  }
  return {};
}

std::vector<std::string> ServiceResolver::names() const {
  std::vector<std::string> names;
  for (const auto& entry : views_) {
    names.push_back(entry.first);
  }
  for (const auto& entry : derived_) {
    names.push_back(entry.first);
  }
  return names;
}

Result<std::vector<ResolvedValue>> ServiceResolver::resolve(
    const catalog::ServiceItem& item,
    const std::vector<ResolvedValue>& visible,
    const Keys& outer) {
  const auto view = views_.find(item.view);
  const auto derived = derived_.find(item.view);
  if (view == views_.end() && derived == derived_.end()) {
    return Status(
        Code::kNotFound,
        "there is no feature view `" + item.view + "`" + did_you_mean(item.view, names()));
  }
  ASSAY_ASSIGN_OR_RETURN(Keys keys, computed_keys(item, visible));
  keys.insert(outer.begin(), outer.end());
  Result<std::vector<ResolvedValue>> values =
      view != views_.end() ? look_up(view->second, keys) : derive(derived->second, keys);
  if (!values.ok()) {
    return values;
  }
  ASSAY_ASSIGN_OR_RETURN(std::vector<ResolvedValue> chosen,
                         selected(item, std::move(values).value()));
  for (ResolvedValue& value : chosen) {
    value.field.name = item.prefix + value.field.name;
  }
  return chosen;
}

Result<ServiceResolver::Keys> ServiceResolver::computed_keys(
    const catalog::ServiceItem& item, const std::vector<ResolvedValue>& visible) {
  Keys keys;
  for (const catalog::ComputedKey& key : item.by) {
    const auto plain =
        std::find_if(visible.begin(), visible.end(), [&](const ResolvedValue& value) {
          return value.field.name == key.expression;
        });
    if (plain != visible.end()) {
      keys[key.key] = *plain;
      continue;
    }
    catalog::OnDemandDef definition;
    definition.name = "key " + key.expression;
    definition.features = {{"key", key.expression, key.span}};
    ASSAY_ASSIGN_OR_RETURN(const std::vector<ResolvedValue> computed, compute(definition, visible));
    keys[key.key] = computed.front();
  }
  return keys;
}

Result<std::vector<ResolvedValue>> ServiceResolver::look_up(const FeatureViewPtr& view,
                                                            const Keys& keys) {
  std::vector<ValueSource> sources;
  std::vector<data::Field> asked;
  bool computed = false;
  for (const data::Field& key : view->keys()) {
    const auto found = keys.find(key.name);
    if (found == keys.end()) {
      asked.push_back(key);
      sources.push_back({ValueSource::Kind::kAsked, -1, 0, key.name});
      continue;
    }
    if (!fits_key(found->second.field.type, key.type)) {
      return invalid("key `" + key.name + "` of view `" + view->name() + "` is " +
                     std::string(data::type_name(key.type)) + ", but `by` makes it " +
                     std::string(data::type_name(found->second.field.type)));
    }
    computed = true;
    sources.push_back(found->second.source);
  }
  if (!computed) {
    sources.clear();
  }
  Service& service = *service_;
  service.view_keys.resize(service.views.size());
  std::size_t index = 0;
  while (index < service.views.size() &&
         (service.views[index] != view || service.view_keys[index] != sources)) {
    ++index;
  }
  if (index == service.views.size()) {
    service.views.push_back(view);
    service.view_keys.push_back(std::move(sources));
    ASSAY_RETURN_IF_ERROR(merge_fields(asked, &service.entity_keys).with_context("entity keys"));
  }
  std::vector<ResolvedValue> values;
  for (std::size_t i = 0; i < view->features().size(); ++i) {
    values.push_back(
        {view->features()[i],
         {ValueSource::Kind::kView, static_cast<int>(index), static_cast<int>(i), ""}});
  }
  return values;
}

Result<std::vector<ResolvedValue>> ServiceResolver::derive(const catalog::DerivedDef& view,
                                                           const Keys& keys) {
  const std::string context = "derived view `" + view.name + "`";
  if (std::find(open_.begin(), open_.end(), view.name) != open_.end()) {
    return invalid(context + " is made from itself");
  }
  open_.push_back(view.name);
  std::vector<ResolvedValue> visible;
  for (const catalog::ServiceItem& item : view.inputs) {
    Result<std::vector<ResolvedValue>> values = resolve(item, visible, keys);
    if (!values.ok()) {
      return std::move(values).status().with_context(context);
    }
    for (const ResolvedValue& value : *values) {
      if (std::any_of(visible.begin(), visible.end(), [&](const ResolvedValue& known) {
            return known.field.name == value.field.name;
          })) {
        return invalid(context + " has two inputs `" + value.field.name +
                       "`: say which with view:feature, or give one a `prefix`");
      }
      visible.push_back(value);
    }
  }
  open_.pop_back();
  catalog::OnDemandDef definition;
  definition.name = view.name;
  definition.features = view.features;
  return compute(definition, visible);
}

Result<std::vector<ResolvedValue>> ServiceResolver::compute(
    const catalog::OnDemandDef& definition, const std::vector<ResolvedValue>& visible) {
  std::vector<data::Field> available = {{data::kNowColumn, data::Type::kTimestamp, true}};
  for (const ResolvedValue& value : visible) {
    available.push_back(value.field);
  }
  DerivedNode node;
  ASSAY_ASSIGN_OR_RETURN(node.view,
                         OnDemandView::compile(definition, data::Schema(std::move(available))));
  for (const std::string& input : node.view->inputs()) {
    const auto known = std::find_if(visible.begin(), visible.end(), [&](const ResolvedValue& one) {
      return one.field.name == input;
    });
    node.inputs.push_back(known == visible.end() ? ValueSource{ValueSource::Kind::kNow, -1, 0, ""}
                                                 : known->source);
  }
  // The same view, or expression of a key, over the same values is the same node.
  std::vector<DerivedNode>& nodes = service_->derived;
  auto same = std::find_if(nodes.begin(), nodes.end(), [&](const DerivedNode& one) {
    return one.view->name() == definition.name && one.inputs == node.inputs;
  });
  if (same == nodes.end()) {
    same = nodes.insert(nodes.end(), std::move(node));
  }
  std::vector<ResolvedValue> values;
  for (std::size_t i = 0; i < same->view->features().size(); ++i) {
    values.push_back({same->view->features()[i],
                      {ValueSource::Kind::kDerived,
                       static_cast<int>(same - nodes.begin()),
                       static_cast<int>(i),
                       ""}});
  }
  return values;
}

}  // namespace assay::gold
