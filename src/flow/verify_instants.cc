#include "flow/verify_instants.h"

#include <algorithm>
#include <span>

#include "silver/contract.h"

namespace assay::flow {
namespace {

/// What instants are drawn from.
struct Span {
  int64_t first = EventTime::max().micros;
  int64_t last = EventTime::min().micros;
  int64_t slide = kMicrosPerSecond;
  std::vector<int64_t> replaced;
};

Span span_of(const std::vector<History>& histories) {
  Span span;
  for (const History& history : histories) {
    for (const int64_t visible : history.visible) {
      // Tables without times stand at the epoch; their instant says nothing about the others'.
      if (visible != 0) {
        span.first = std::min(span.first, visible);
        span.last = std::max(span.last, visible);
      }
    }
    for (const auto& [instant, row] : history.replaced) {
      span.last = std::max(span.last, instant);
      span.replaced.push_back(instant);
    }
    span.slide = std::max(span.slide, history.view->slide().micros);
  }
  for (const History& history : histories) {
    span.first = std::max(span.first, history.whole_from.micros);
  }
  return span;
}

/// Where some row enters or leaves a window of its view, or just before or after that.
int64_t window_edge(const History& history, Random& random) {
  const std::span<const int64_t> times = history.rows.find(silver::kEventTime)->values<int64_t>();
  const int64_t slide = history.view->slide().micros;
  const uint64_t window = random.below(history.windows.size() + 1);  // the last: it enters
  return floor_to(times[random.below(times.size())], slide) + slide +
         (window < history.windows.size() ? history.windows[window] : 0) +
         static_cast<int64_t>(random.below(3)) - 1;
}

}  // namespace

std::vector<EventTime> sample_instants(const std::vector<History>& histories,
                                       int64_t count,
                                       Random& random) {
  const Span span = span_of(histories);
  std::vector<EventTime> instants;
  if (span.first > span.last) {
    return instants;
  }
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = span.first + static_cast<int64_t>(
                                  random.below(static_cast<uint64_t>(span.last - span.first) + 1));
    const uint64_t kind = random.below(6);
    if (kind < 3) {  // a slide's end, and the microseconds beside it
      at = floor_to(at, span.slide) + static_cast<int64_t>(kind) - 1;
    } else if (kind == 3 && !span.replaced.empty()) {  // where a row goes, or just before
      at =
          span.replaced[random.below(span.replaced.size())] - static_cast<int64_t>(random.below(2));
    } else if (kind > 3) {
      const History& history = histories[random.below(histories.size())];
      at = history.rows.rows() > 0 ? window_edge(history, random) : at;
    }
    instants.push_back({std::clamp(at, span.first, span.last)});
  }
  std::sort(instants.begin(), instants.end());
  return instants;
}

}  // namespace assay::flow
