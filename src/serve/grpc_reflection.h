#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace assay::serve {

/// Answer one ServerReflectionRequest (v1 and v1alpha are alike): the services, and the files that
/// declare them as FileDescriptorProto. `services`: those that the server has, by their full names;
/// without any: all that are declared.
///
/// Errors  kInvalidArgument: not the message. What is not known is an error inside the answer.
Result<std::string> answer_reflection(std::string_view request,
                                      std::span<const std::string_view> services = {});
/// Whether a method is one of reflection.
bool is_reflection(std::string_view method);

}  // namespace assay::serve
