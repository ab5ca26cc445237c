#include "silver/newest_spans.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <tuple>

#include "data/entity_key.h"

namespace assay::silver {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

struct Version {
  int64_t event_time = 0;
  int64_t known_time = 0;
  int64_t sequence = 0;
  int64_t row = 0;
  int64_t replaced = kNever;
  auto operator<=>(const Version&) const = default;
  [[nodiscard]] int64_t visible() const { return std::max(event_time, known_time); }
};

/// One key: go through the instants at which a version comes or the newest one goes.
void add_spans(std::vector<Version> versions, NewestSpans* spans) {
  std::sort(versions.begin(), versions.end(), [](const Version& a, const Version& b) {
    return std::tuple(a.visible(), a) < std::tuple(b.visible(), b);
  });
  std::vector<Version> standing;  // heap, newest in front
  std::optional<int64_t> said;
  std::size_t next = 0;
  int64_t instant = versions.front().visible();
  while (instant != kNever) {
    for (; next < versions.size() && versions[next].visible() <= instant; ++next) {
      standing.push_back(versions[next]);
      std::push_heap(standing.begin(), standing.end());
    }
    while (!standing.empty() && standing.front().replaced <= instant) {
      std::pop_heap(standing.begin(), standing.end());
      standing.pop_back();
    }
    const int64_t newest = standing.empty() ? -1 : standing.front().row;
    if (said != newest) {
      spans->key_row.push_back(versions.front().row);
      spans->begin.push_back(instant);
      spans->row.push_back(newest);
      said = newest;
    }
    instant = next < versions.size() ? versions[next].visible() : kNever;
    instant = standing.empty() ? instant : std::min(instant, standing.front().replaced);
  }
}

}  // namespace

NewestSpans newest_spans(const data::AsofRows& rows, const data::Column& replaced) {
  const data::EntityIndex index = data::index_entities(rows.keys, replaced.size());
  std::vector<std::vector<Version>> by_key(index.keys.size());
  for (int64_t row = 0; row < replaced.size(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    if (index.ids[at] < 0 || rows.event_time->is_null(row) || rows.known_time->is_null(row)) {
      continue;
    }
    const Version version{rows.event_time->values<int64_t>()[at],
                          rows.known_time->values<int64_t>()[at],
                          rows.sequence->values<int64_t>()[at],
                          row,
                          replaced.is_valid(row) ? replaced.values<int64_t>()[at] : kNever};
    if (version.visible() < version.replaced) {
      by_key[static_cast<std::size_t>(index.ids[at])].push_back(version);
    }
  }
  NewestSpans spans;
  for (std::vector<Version>& versions : by_key) {
    if (!versions.empty()) {
      add_spans(std::move(versions), &spans);
    }
  }
  return spans;
}

}  // namespace assay::silver
