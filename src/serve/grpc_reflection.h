#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace assay::serve {

/// Answer one ServerReflectionRequest (v1 and v1alpha are alike): the services, and the files that
/// declare them as FileDescriptorProto.
///
/// Errors  kInvalidArgument: not the message. What is not known is an error inside the answer.
Result<std::string> answer_reflection(std::string_view request);

}  // namespace assay::serve
