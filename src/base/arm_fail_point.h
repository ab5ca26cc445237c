#pragma once

#include <string>

namespace assay {

/// For tests: from now on this process behaves as if ASSAY_FAIL_POINT had said `setting`
/// ("name:n"), whatever it said and however often places were passed before.
///
/// Threads none may be passing a fail point meanwhile.
void arm_fail_point(const std::string& setting);

/// For tests: from now on each pass of the place called `name` takes so long. 0 ends it, also while
/// others pass it.
///
/// Threads none may be passing a fail point when a place is named for the first time.
void slow_down_at(const std::string& name, int milliseconds);

}  // namespace assay
