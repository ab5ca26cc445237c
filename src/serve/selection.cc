#include "serve/selection.h"

#include <algorithm>
#include <bit>
#include <unordered_set>

#include "base/suggest.h"
#include "data/protobuf.h"
#include "serve/error_response.h"

namespace assay::serve {
namespace {

constexpr int kUnprocessable = 422;
constexpr int kNotFound = 404;

Selected refuse(int status, std::string_view class_name, const std::string& message) {
  return {nullptr, feast_error(status, class_name, message)};
}

template <typename Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& entry : map) {
    names.push_back(entry.first);
  }
  return names;
}

/// Another one for each selection: names may have any bytes, so each has its length before it.
std::string selection_key(const RequestBody& body) {
  std::string key(body.full_feature_names ? "F" : "f");
  if (body.feature_service.has_value()) {
    return key + 's' + *body.feature_service;
  }
  key += 'l';
  for (const std::string& reference : *body.features) {
    const auto size = static_cast<uint32_t>(reference.size());
    key.append(reinterpret_cast<const char*>(&size), sizeof(size));
    key += reference;
  }
  return key;
}

/// The number of things that a client chose freely, as a label: of a service its own, else up to
/// the next power of two, so that nobody makes a series for each.
std::string count_label(std::size_t count, bool is_of_service) {
  return std::to_string(is_of_service ? count : std::bit_ceil(count));
}

/// `view@latest:feature` is Feast's way to say `view:feature`.
std::vector<std::string> without_latest(std::vector<std::string> references) {
  constexpr std::string_view kLatest = "@latest:";
  for (std::string& reference : references) {
    const std::size_t at = reference.find(kLatest);
    if (at != std::string::npos) {
      reference.replace(at, kLatest.size(), ":");
    }
  }
  return references;
}

bool asks_for_derived(const ServingState& state, const std::vector<std::string>& references) {
  return std::any_of(references.begin(), references.end(), [&](const std::string& reference) {
    return state.derived.count(reference.substr(0, reference.find(':'))) > 0;
  });
}

/// A service of references `view:feature`, derived views among them.
Result<std::shared_ptr<const gold::Service>> compile_references(
    const ServingState& state, const std::vector<std::string>& references) {
  catalog::ServiceDef definition;
  definition.name = "of the request";
  for (const std::string& reference : references) {
    const std::size_t colon = reference.find(':');
    if (colon == std::string::npos) {
      return Status(Code::kInvalidArgument,
                    "a feature is asked for as view:feature, not as " + reference);
    }
    definition.items.push_back({reference.substr(0, colon), {reference.substr(colon + 1)}, {}});
  }
  return gold::compile_service(definition, state.views, state.on_demand, state.derived);
}

/// Puts a service together from references `view:feature`, in request order.
class Composer {
 public:
  Composer(const ServingState& state, bool suggests) : state_(state), suggests_(suggests) {}

  /// Nothing on success.
  std::optional<Response> add(const std::string& reference) {
    const std::size_t colon = reference.find(':');
    if (colon == std::string::npos) {
      return feast_error(kUnprocessable,
                         "FeastError",
                         "a feature is asked for as view:feature, not as " + reference);
    }
    const std::string view_name = reference.substr(0, colon);
    const std::string feature = reference.substr(colon + 1);
    const auto view = state_.views.find(view_name);
    if (view != state_.views.end()) {
      return add_of_view(view->second, feature);
    }
    const auto on_demand = state_.on_demand.find(view_name);
    if (on_demand != state_.on_demand.end()) {
      return add_of_on_demand(on_demand->second, feature);
    }
    std::vector<std::string> names = names_of(state_.views);
    const std::vector<std::string> more = names_of(state_.on_demand);
    names.insert(names.end(), more.begin(), more.end());
    return feast_error(kNotFound,
                       "FeatureViewNotFoundException",
                       "Feature view " + view_name + " does not exist in project " +
                           state_.project + (suggests_ ? did_you_mean(view_name, names) : ""));
  }

  std::shared_ptr<const gold::Service> finish() {
    return std::make_shared<const gold::Service>(std::move(service_));
  }

 private:
  std::optional<Response> add_of_view(const gold::FeatureViewPtr& view,
                                      const std::string& feature) {
    const auto known = std::find(service_.views.begin(), service_.views.end(), view);
    const auto index = static_cast<int>(known - service_.views.begin());
    if (known == service_.views.end()) {
      service_.views.push_back(view);
      if (std::optional<Response> clash = merge(view->keys(), &service_.entity_keys)) {
        return clash;
      }
    }
    gold::ServiceFeature added;
    added.view_index = index;
    return add_feature(view->name(), view->features(), feature, std::move(added));
  }

  std::optional<Response> add_of_on_demand(const catalog::OnDemandDef& definition,
                                           const std::string& feature) {
    auto known = std::find_if(
        service_.on_demand.begin(),
        service_.on_demand.end(),
        [&](const gold::OnDemandViewPtr& view) { return view->name() == definition.name; });
    if (known == service_.on_demand.end()) {
      std::vector<data::Field> available = definition.request;
      for (const gold::ServiceFeature& before : service_.features) {
        available.push_back({before.name, before.type});
      }
      Result<gold::OnDemandViewPtr> view =
          gold::OnDemandView::compile(definition, data::Schema(std::move(available)));
      if (!view.ok()) {
        return feast_error(kUnprocessable,
                           "FeastError",
                           "features that an on-demand view reads must be asked for before it: " +
                               view.status().message());
      }
      if (std::optional<Response> clash = merge(definition.request, &service_.request)) {
        return clash;
      }
      service_.on_demand.push_back(*view);
      known = service_.on_demand.end() - 1;
    }
    gold::ServiceFeature added;
    added.on_demand_index = static_cast<int>(known - service_.on_demand.begin());
    return add_feature(definition.name, (*known)->features(), feature, std::move(added));
  }

  static std::optional<Response> merge(const std::vector<data::Field>& fields,
                                       std::vector<data::Field>* into) {
    for (const data::Field& field : fields) {
      const auto same = std::find_if(into->begin(), into->end(), [&](const data::Field& known) {
        return known.name == field.name;
      });
      if (same == into->end()) {
        into->push_back(field);
      } else if (same->type != field.type) {
        return feast_error(kUnprocessable,
                           "FeastError",
                           "two views use one name for values of different types: " + field.name);
      }
    }
    return std::nullopt;
  }

  std::optional<Response> add_feature(const std::string& view,
                                      const std::vector<data::Field>& fields,
                                      const std::string& name,
                                      gold::ServiceFeature added) {
    const auto field = std::find_if(
        fields.begin(), fields.end(), [&](const data::Field& known) { return known.name == name; });
    if (field == fields.end()) {
      std::vector<std::string> names;
      for (const data::Field& known : fields) {
        names.push_back(known.name);
      }
      return feast_error(kUnprocessable,
                         "FeastError",
                         "Feature " + name + " not found in projection " + view +
                             (suggests_ ? did_you_mean(name, names) : ""));
    }
    added.view = view;
    added.name = name;
    added.type = field->type;
    added.feature_index = static_cast<int>(field - fields.begin());
    service_.features.push_back(std::move(added));
    return std::nullopt;
  }

  const ServingState& state_;
  const bool suggests_;
  gold::Service service_;
};

/// About what a selection takes: of each name there are a few copies, in lists and templates.
std::size_t bytes_of(const std::string& key, const Selection& selection) {
  constexpr std::size_t kCopies = 4;
  constexpr std::size_t kPerFeature = 512;
  return key.size() + kCopies * selection.names_message.size() +
         kPerFeature * (selection.names.size() + 1);
}

}  // namespace

Selections::Selections(std::shared_ptr<const ServingState> state,
                       Metrics& metrics,
                       std::size_t bytes_max)
    : state_(std::move(state)),
      metrics_(metrics),
      entity_keys_(feast_entity_keys(*state_)),
      bytes_max_(bytes_max),
      bytes_gauge_(metrics.gauge("assay_serve_selections_bytes",
                                 "What is kept of which features requests ask for, about.")) {}

Selected Selections::select(const RequestBody& body, bool suggests) {
  if (!body.feature_service.has_value() && (!body.features.has_value() || body.features->empty())) {
    return refuse(kUnprocessable, "FeastError", "No features specified for retrieval");
  }
  std::string key = selection_key(body);
  {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(key);
    if (found != known_.end()) {
      return {found->second, {}};
    }
  }
  Selected selected = resolve(body, suggests);
  if (selected.selection != nullptr) {
    remember(std::move(key), selected.selection);
  }
  return selected;
}

/// One that is large beside all that may be kept would drive the others out again and again.
void Selections::remember(std::string key, const std::shared_ptr<const Selection>& selection) {
  const std::size_t bytes = bytes_of(key, *selection);
  if (bytes > bytes_max_ / 8) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kSelectionsMax || known_bytes_ + bytes > bytes_max_) {
    known_.clear();
    known_bytes_ = 0;
  }
  if (known_.emplace(std::move(key), selection).second) {
    known_bytes_ += bytes;
  }
  bytes_gauge_.set(static_cast<double>(known_bytes_));
}

void Selections::name_keys(const gold::Service& service, std::vector<JsonColumn>* entities) const {
  for (const data::Field& key : service.entity_keys) {
    const bool given =
        std::any_of(entities->begin(), entities->end(), [&](const JsonColumn& column) {
          return column.name == key.name;
        });
    if (given) {
      continue;
    }
    for (JsonColumn& column : *entities) {
      const auto entity = entity_keys_.find(column.name);
      if (entity != entity_keys_.end() && entity->second == key.name) {
        column.name = key.name;
        break;
      }
    }
  }
}

Selected Selections::resolve(const RequestBody& body, bool suggests) const {
  if (body.feature_service.has_value()) {
    const std::string& name = *body.feature_service;
    const auto service = state_->services.find(name);
    if (service == state_->services.end()) {
      return refuse(kNotFound,
                    "FeatureServiceNotFoundException",
                    "Feature service " + name + " does not exist in project " + state_->project +
                        (suggests ? did_you_mean(name, names_of(state_->services)) : ""));
    }
    return finish(service->second, body.full_feature_names, true);
  }
  const std::vector<std::string> references = without_latest(*body.features);
  if (asks_for_derived(*state_, references)) {
    Result<std::shared_ptr<const gold::Service>> service = compile_references(*state_, references);
    return service.ok() ? finish(*std::move(service), body.full_feature_names, false)
                        : refuse(kUnprocessable, "FeastError", service.status().message());
  }
  Composer composer(*state_, suggests);
  for (const std::string& reference : references) {
    if (std::optional<Response> refusal = composer.add(reference)) {
      return {nullptr, *std::move(refusal)};
    }
  }
  return finish(composer.finish(), body.full_feature_names, false);
}

std::array<Counter*, data::kFeatureStatuses> Selections::status_counters(
    const std::string& view) const {
  std::array<Counter*, data::kFeatureStatuses> counters{};
  for (std::size_t status = 0; status < counters.size(); ++status) {
    counters[status] = &metrics_.counter(
        "feast_online_features_status_total",
        "Feature values answered, by view and status.",
        {{"feature_view", view},
         {"status", std::string(status_name(static_cast<data::FeatureStatus>(status)))}});
  }
  return counters;
}

Selected Selections::finish(std::shared_ptr<const gold::Service> service,
                            bool full_names,
                            bool is_of_service) const {
  auto selection = std::make_shared<Selection>();
  std::unordered_set<std::string> seen;
  for (int i = 0; i < static_cast<int>(service->features.size()); ++i) {
    std::string name = service->output_name(i, full_names);
    if (!seen.insert(name).second) {
      return refuse(
          kUnprocessable,
          "FeatureNameCollisionError",
          "Duplicate features named " + name +
              " found.\nTo resolve this collision, either use the full feature name by setting "
              "'full_feature_names=True', or ensure that the features in question have different "
              "names.");
    }
    data::ProtoWriter(selection->names_message).bytes(1, name);
    selection->names.push_back(std::move(name));
    const std::string& view = service->features[static_cast<std::size_t>(i)].view;
    if (i == 0 || service->features[static_cast<std::size_t>(i - 1)].view != view) {
      selection->status_totals.push_back({0, status_counters(view)});
    }
    selection->status_totals.back().end = static_cast<std::size_t>(i) + 1;
  }
  selection->latency = &metrics_.histogram(
      "feast_feature_server_request_latency_seconds",
      "Latency of requests for features.",
      {{"endpoint", "/get-online-features"},
       {"feature_count", count_label(service->features.size(), is_of_service)},
       {"feature_view_count", count_label(service->views.size(), is_of_service)}});
  if (is_flat(*service)) {
    selection->form.emplace(*service, selection->names);
  }
  selection->service = std::move(service);
  return {std::move(selection), {}};
}

}  // namespace assay::serve
