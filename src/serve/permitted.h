#pragma once

#include <optional>
#include <string>

#include "gold/service.h"
#include "serve/access.h"
#include "serve/http_server.h"
#include "serve/json_request.h"
#include "serve/serving_state.h"

namespace assay::serve {

// Whether a caller may have what he asks for: the answer that refuses it, or nothing. Whoever may
// not read the registry is told the same of what he may not have and of what there is not, and
// nothing that he did not name himself.

/// Whether a caller may be told what there is: names that resemble his, tables, views.
inline bool sees_names(const Caller& caller) {
  return caller.may("registry");
}

/// Before it is looked for: the names in a question for features of one who may be told none.
std::optional<Response> check_names(const Caller& caller,
                                    const RequestBody& body,
                                    const ServingState& state);
/// Once it is found: a service is permitted by its name, or by the names of all that it shows.
std::optional<Response> check_selection(const Caller& caller,
                                        const std::optional<std::string>& name,
                                        const gold::Service& service);
/// A model by the name that he gave; none: the only one there is. `known`: its name, when there is
/// one.
std::optional<Response> check_model(const Caller& caller,
                                    const std::optional<std::string>& name,
                                    const std::string* known);
/// The features that a model's answer was made of.
std::optional<Response> check_model_features(const Caller& caller, const ServingModel& model);

}  // namespace assay::serve
