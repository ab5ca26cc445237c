#pragma once

#include <string>

namespace assay {

/// For tests: from now on this process behaves as if ASSAY_FAIL_POINT had said `setting`
/// ("name:n"), whatever it said and however often places were passed before.
///
/// Threads none may be passing a fail point meanwhile.
void arm_fail_point(const std::string& setting);

}  // namespace assay
