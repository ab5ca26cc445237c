#include "serve/permitted.h"

#include <algorithm>
#include <string_view>

#include "serve/error_response.h"

namespace assay::serve {
namespace {

/// What stands before the feature, as it is permitted: `view@latest` is `view`.
std::string_view view_of(std::string_view reference) {
  constexpr std::string_view kLatest = "@latest";
  std::string_view view = reference.substr(0, reference.find(':'));
  if (view.size() < reference.size() && view.ends_with(kLatest)) {
    view.remove_suffix(kLatest.size());
  }
  return view;
}

/// The first view of a service that he may not have; nullptr when he may have all.
const std::string* first_hidden(const Caller& caller, const gold::Service& service) {
  const auto hidden = std::find_if(
      service.features.begin(), service.features.end(), [&](const gold::ServiceFeature& feature) {
        return !caller.may("view", feature.view);
      });
  return hidden == service.features.end() ? nullptr : &hidden->view;
}

}  // namespace

std::optional<Response> check_names(const Caller& caller,
                                    const RequestBody& body,
                                    const ServingState& state) {
  if (body.feature_service.has_value()) {
    const std::string& name = *body.feature_service;
    const auto service = state.services.find(name);
    const bool may_all =
        service != state.services.end() && first_hidden(caller, *service->second) == nullptr;
    return may_all || caller.may("service", name) ? std::optional<Response>()
                                                  : not_permitted(caller, "service", name);
  }
  for (const std::string& reference : body.features.value_or(std::vector<std::string>())) {
    const std::string_view view = view_of(reference);
    if (view.size() < reference.size() && !caller.may("view", view)) {
      return not_permitted(caller, "view", view);
    }
  }
  return std::nullopt;
}

std::optional<Response> check_selection(const Caller& caller,
                                        const std::optional<std::string>& name,
                                        const gold::Service& service) {
  const std::string* const hidden =
      name.has_value() && caller.may("service", *name) ? nullptr : first_hidden(caller, service);
  return hidden == nullptr ? std::optional<Response>() : not_permitted(caller, "view", *hidden);
}

std::optional<Response> check_model(const Caller& caller,
                                    const std::optional<std::string>& name,
                                    const std::string* known) {
  const std::string* const asked = name.has_value() ? &*name : known;
  if (asked == nullptr || caller.may("model", *asked)) {
    return std::nullopt;
  }
  if (known == nullptr && sees_names(caller)) {
    return std::nullopt;  // and is told that there is none
  }
  return not_permitted(
      caller, "model", name.has_value() || sees_names(caller) ? std::string_view(*asked) : "");
}

std::optional<Response> check_model_features(const Caller& caller, const ServingModel& model) {
  std::optional<Response> refusal = check_selection(caller, model.service->name, *model.service);
  if (refusal.has_value() && !sees_names(caller)) {
    refusal = not_permitted(caller, "features of model", model.name);
  }
  return refusal;
}

}  // namespace assay::serve
