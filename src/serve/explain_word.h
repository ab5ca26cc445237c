#pragma once

#include <string>
#include <utility>

#include "base/status.h"
#include "catalog/definitions.h"

// What `SERVICE:feature` and `VIEW:feature` mean, for `assay explain` and for POST /explain.

namespace assay::serve {

struct ExplainWord {
  std::string owner;  // a service, a view or a derived view
  std::string feature;
};

/// Errors  kInvalidArgument: there is no colon.
inline Result<ExplainWord> parse_explain_word(const std::string& word) {
  const std::size_t colon = word.find(':');
  return colon == std::string::npos
             ? Result<ExplainWord>(
                   Status(Code::kInvalidArgument,
                          "`" + word + "` names no feature; write SERVICE:feature or VIEW:feature"))
             : Result<ExplainWord>(ExplainWord{word.substr(0, colon), word.substr(colon + 1)});
}

/// A derived view with all that it is derived from, as a service of its name.
inline catalog::ServiceDef service_of_derived(const std::string& name,
                                              const catalog::DerivedDef& derived) {
  catalog::ServiceDef definition;
  definition.name = name;
  definition.items = derived.inputs;
  definition.items.push_back({name, {}, {}});
  return definition;
}

}  // namespace assay::serve
