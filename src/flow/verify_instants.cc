#include "flow/verify_instants.h"

#include <algorithm>
#include <span>

#include "silver/contract.h"

namespace assay::flow {
namespace {

/// What instants are drawn from.
struct Span {
  int64_t first = EventTime::max().micros;
  int64_t last = EventTime::min().micros;  // when the last row became visible
  int64_t end = EventTime::min().micros;   // when the last one has left all windows
  int64_t slide = kMicrosPerSecond;
  std::vector<int64_t> replaced;
};

/// How long rows may matter to answers: windows and age, microseconds.
std::vector<int64_t> lives_of(const History& history) {
  std::vector<int64_t> lives = history.windows;
  if (history.view->ttl()) {
    lives.push_back(history.view->ttl()->micros);
  }
  return lives;
}

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
    const std::vector<int64_t> lives = lives_of(history);
    const int64_t longest = lives.empty() ? 0 : *std::max_element(lives.begin(), lives.end());
    span.end = std::max(
        span.end,
        std::min(span.last + longest + 2 * history.view->slide().micros, kEndInstant.micros - 1));
  }
  return span;
}

/// Where some row enters or leaves a window of its view or grows too old, or just before or after.
int64_t row_edge(const History& history, Random& random) {
  const std::span<const int64_t> times = history.rows.find(silver::kEventTime)->values<int64_t>();
  const int64_t slide = history.view->slide().micros;
  const std::vector<int64_t> lives = lives_of(history);
  const uint64_t life = random.below(lives.size() + 1);  // the last: it enters
  return floor_to(times[random.below(times.size())], slide) + slide +
         (life < lives.size() ? lives[life] : 0) + static_cast<int64_t>(random.below(3)) - 1;
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
    const uint64_t kind = random.below(7);
    if (kind < 3) {  // a slide's end, and the microseconds beside it
      at = floor_to(at, span.slide) + static_cast<int64_t>(kind) - 1;
    } else if (kind == 3 && !span.replaced.empty()) {  // where a row goes, or just before
      at =
          span.replaced[random.below(span.replaced.size())] - static_cast<int64_t>(random.below(2));
    } else if (kind == 4 || kind == 5) {
      const History& history = histories[random.below(histories.size())];
      at = history.rows.rows() > 0 ? row_edge(history, random) : at;
    } else if (kind == 6) {  // when no more rows come
      at = span.last +
           static_cast<int64_t>(random.below(static_cast<uint64_t>(span.end - span.last) + 1));
    }
    instants.push_back({std::clamp(at, span.first, span.end)});
  }
  std::sort(instants.begin(), instants.end());
  return instants;
}

}  // namespace assay::flow
