#pragma once

#include <string_view>

namespace assay {

/// A named place where tests end the process as a power cut would.
///
/// With ASSAY_FAIL_POINT=name:n in the environment, the n-th pass (from 1) of the place called
/// `name` ends the process at once by SIGKILL. Without it this is one branch on a static. Every
/// name is listed in docs/reference/fail_points.md; a test compares.
void fail_point(std::string_view name);

}  // namespace assay
