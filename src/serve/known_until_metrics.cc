#include "serve/known_until_metrics.h"

#include <array>
#include <cstdio>

namespace assay::serve {

std::string known_until_metrics(online::OnlineStore& store, const ServingState& state) {
  std::string text;
  for (const auto& [name, view] : state.views) {
    const Result<std::optional<online::AppliedTo>> applied = store.known_applied_to(*view);
    if (applied.code() == Code::kUnavailable) {
      break;  // others would wait as long
    }
    if (!applied.ok() || !applied->has_value() || (*applied)->known_until == EventTime::min()) {
      continue;
    }
    std::array<char, 32> seconds{};
    (void)std::snprintf(seconds.data(),
                        seconds.size(),
                        "%.6f",
                        static_cast<double>((*applied)->known_until.micros) / kMicrosPerSecond);
    text += "assay_serve_view_known_until_seconds{view=\"" + name + "\"} " + seconds.data() + "\n";
  }
  return text.empty() ? text
                      : "# HELP assay_serve_view_known_until_seconds Up to when the online store "
                        "has applied the view's rows, in seconds since 1970.\n"
                        "# TYPE assay_serve_view_known_until_seconds gauge\n" +
                            text;
}

}  // namespace assay::serve
