#include "serve/known_until_metrics.h"

#include <array>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <vector>

namespace assay::serve {

namespace {

/// Where the views of a state stand, in its order; nothing of those that the store says nothing of.
/// At once: over a network that is one wait, which the store bounds.
std::vector<std::optional<online::AppliedTo>> places_of(online::OnlineStore& store,
                                                        const ServingState& state) {
  std::vector<online::ViewKeys> asked;
  for (const auto& [name, view] : state.views) {
    asked.push_back({view.get(), {}});
  }
  data::FlatValues none;
  std::vector<std::optional<online::AppliedTo>> places;
  const Status known = store.read_flat_views(asked, EventTime{}, &none, &places);
  if (known.ok()) {
    return places;
  }
  places.assign(asked.size(), std::nullopt);
  bool is_away = known.code() == Code::kUnavailable;  // one by one others would wait as long
  for (std::size_t i = 0; i < asked.size() && !is_away; ++i) {
    const Result<std::optional<online::AppliedTo>> place = store.known_applied_to(*asked[i].view);
    is_away = place.code() == Code::kUnavailable;
    places[i] = place.ok() ? *place : std::nullopt;
  }
  return places;
}

}  // namespace

std::string known_until_metrics(online::OnlineStore& store, const ServingState& state) {
  std::string text;
  const std::vector<std::optional<online::AppliedTo>> places = places_of(store, state);
  std::size_t at = 0;
  for (const auto& [name, view] : state.views) {
    const std::optional<online::AppliedTo>& place = places[at++];
    if (!place.has_value() || place->known_until == EventTime::min()) {
      continue;
    }
    std::array<char, 32> seconds{};
    (void)std::snprintf(seconds.data(),
                        seconds.size(),
                        "%.6f",
                        static_cast<double>(place->known_until.micros) / kMicrosPerSecond);
    text += "assay_serve_view_known_until_seconds{view=\"" + name + "\"} " + seconds.data() + "\n";
  }
  return text.empty() ? text
                      : "# HELP assay_serve_view_known_until_seconds Up to when the online store "
                        "has applied the view's rows, in seconds since 1970.\n"
                        "# TYPE assay_serve_view_known_until_seconds gauge\n" +
                            text;
}

}  // namespace assay::serve
