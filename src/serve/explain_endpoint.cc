// POST /explain. What a number is made of is asked of the line; who may know it is decided here.

#include <algorithm>

#include "base/suggest.h"
#include "serve/error_response.h"
#include "serve/explain_word.h"
#include "serve/feature_server.h"
#include "serve/json_value.h"
#include "serve/permitted.h"

namespace assay::serve {
namespace {

constexpr int kUnprocessable = 422;
constexpr std::size_t kBytesMax = std::size_t{16} << 20;  // of an answer
constexpr std::string_view kAsOfHeader = "x-assay-as-of";

/// What `feature` of a request names.
struct Named {
  std::shared_ptr<const gold::Service> service;  // by which it is read
  std::optional<std::string> service_name;       // when it was one that was named
  std::string view;                              // whose rows are shown; "": none
  std::optional<Response> refusal{};
};

Named wrong(const std::string& message) {
  Named named;
  named.refusal = feast_error(kUnprocessable, "FeastError", message);
  return named;
}

/// A derived view with all that it is derived from.
Named of_derived(const ServingState& state, const std::string& view) {
  auto service = gold::compile_service(service_of_derived(view, state.derived.at(view)),
                                       state.views,
                                       state.on_demand,
                                       state.derived);
  return service.ok() ? Named{*std::move(service), {}, ""} : wrong(service.status().message());
}

Named find_named(Selections& selections, const Caller& caller, const std::string& word) {
  const Result<ExplainWord> parsed = parse_explain_word(word);
  if (!parsed.ok()) {
    return wrong(parsed.status().message());
  }
  const auto& [owner, feature] = *parsed;
  const ServingState& state = selections.state();
  const bool is_derived = state.derived.count(owner) > 0;
  RequestBody body;
  Named named;
  if (is_derived || state.views.count(owner) > 0) {
    body.features = {word};
  } else {
    body.feature_service = owner;
    named.service_name = owner;
  }
  named.refusal = check_names(caller, body, state);
  if (named.refusal.has_value()) {
    return named;
  }
  if (is_derived) {
    named = of_derived(state, owner);
    if (named.refusal.has_value()) {
      return named;
    }
  } else {
    Selected selected = selections.select(body, sees_names(caller));
    if (selected.selection == nullptr) {
      named.refusal = std::move(selected.refusal);
      return named;
    }
    named.service = selected.selection->service;
  }
  std::vector<std::string> names;
  for (const gold::ServiceFeature& known : named.service->features) {
    names.push_back(known.name);
    if (known.name == feature && known.view_index >= 0 &&
        !named.service->has_computed_keys(known.view_index)) {
      named.view = known.view;
    }
  }
  return std::count(names.begin(), names.end(), feature) > 0
             ? named
             : wrong(owner + " has no feature `" + feature + "`" +
                     (sees_names(caller) ? did_you_mean(feature, names) : ""));
}

Response too_many_rows(const std::string& feature) {
  return feast_error(413,
                     "FeastError",
                     "the entity has more rows than one answer holds (16 MiB); ask `assay "
                     "explain " +
                         feature + "` where the project is");
}

/// What the line did not explain.
Response refusal_of(const Status& failure, const Caller& caller) {
  switch (failure.code()) {
    case Code::kNotFound:
      return feast_error(404,
                         "FeastObjectNotFoundException",
                         sees_names(caller) ? failure.message() : "there is nothing to explain");
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return feast_error(kUnprocessable, "FeastError", failure.message());
    case Code::kUnimplemented:
      return feast_error(501, "FeastError", failure.message());
    default:
      return failure_response(failure);
  }
}

}  // namespace

Response FeatureServer::explain(const Request& request, const Caller& caller) {
  Parsed<ExplainBody> parsed = parse_explain_body(request.body);
  if (!parsed.errors.empty()) {
    return validation_error(parsed.errors);
  }
  ExplainBody& body = parsed.body;
  if (!body.at.has_value() && !request.header(kAsOfHeader).empty()) {
    body.at = JsonValue(std::string(request.header(kAsOfHeader)));
  }
  const std::shared_ptr<Selections> selections = this->selections();
  Named named = find_named(*selections, caller, body.feature);
  if (named.refusal.has_value()) {
    return *std::move(named.refusal);
  }
  if (auto refusal = check_selection(caller, named.service_name, *named.service)) {
    return *std::move(refusal);
  }
  if (!named.view.empty() && !caller.may("rows", named.view)) {
    return not_permitted(caller, "rows", named.view);
  }
  selections->name_keys(*named.service, &body.entities);
  const TypedRows typed = type_rows(*named.service, body.entities);
  if (typed.refusal.has_value()) {
    return *typed.refusal;
  }
  if (typed.rows.rows != 1) {
    return feast_error(kUnprocessable, "FeastError", "one entity is explained at once");
  }
  const Asking asking = reads_for(selections->state(), body.at, {});
  if (asking.refusal.has_value()) {
    return *asking.refusal;
  }
  if (line_ == nullptr) {
    return feast_error(501, "FeastError", "this server has no tables to explain from");
  }
  Result<std::string> explanation = line_->explain({body.feature,
                                                    std::move(body.entities),
                                                    asking.at,
                                                    named.service,
                                                    named.view,
                                                    selections->state().definitions,
                                                    kBytesMax});
  if (explanation.code() == Code::kResourceExhausted) {
    return too_many_rows(body.feature);
  }
  if (!explanation.ok()) {
    return noted("explain_failed", refusal_of(explanation.status(), caller));
  }
  if (explanation->size() > kBytesMax) {
    return too_many_rows(body.feature);
  }
  Response response;
  response.body = *std::move(explanation);
  response.headers.emplace_back(kAsOfHeader, format_time(asking.at));
  return response;
}

}  // namespace assay::serve
