#pragma once

#include <string>
#include <string_view>

#include "base/time.h"

namespace assay::catalog {

/// `slide: continuous`: windows end at the instant of the question. Instants are whole
/// microseconds, so these are hopping windows whose slide is one of them.
inline constexpr Duration kContinuousSlide{1};
inline constexpr std::string_view kContinuous = "continuous";

/// A view's slide as its definition spells it.
inline std::string slide_text(Duration slide) {
  return slide == kContinuousSlide ? std::string(kContinuous) : format_duration(slide);
}

}  // namespace assay::catalog
