#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gold/sequence_plan.h"

// The events of one entity in their order, as far back as the longest window reaches, with what
// features say of them. Steps and the online row both go through it, so they cannot differ.
//
//   order    by (event time, known time, sequence, values), as latest values
//   window   at t the events with event time in [floor(t / slide) * slide - W, t]
//   session  a maximal run of events less than `gap` apart, cut where it would reach `session_max`;
//            open while t < min(last event + gap, first event + session_max)
//
// Events that come in order cost O(features); one that comes late, is taken back, or leaves a view
// whose sessions have a longest length, O(events held).

namespace assay::gold {

struct SequenceEvent {
  int64_t event_time = 0;
  int64_t known_time = 0;
  int64_t sequence = 0;
  std::string_view values;  // of every expression; whoever adds the event keeps the bytes
  int64_t replaced_time = std::numeric_limits<int64_t>::max();  // it is visible before that
  auto operator<=>(const SequenceEvent&) const = default;
  [[nodiscard]] int64_t visible_time() const {
    return event_time > known_time ? event_time : known_time;
  }
};

/// Threads one thread at a time.
class EventSequence {
 public:
  explicit EventSequence(const SequencePlan& plan);
  /// Forget everything.
  void clear();
  /// Move to an instant, never back: events leave windows.
  void advance(int64_t now);
  /// Take an event that is visible now, in any order.
  void add(const SequenceEvent& event);
  /// Take back an event that was added.
  void remove(const SequenceEvent& event);
  /// What every output says now, one after the other, in the form of append_row_values.
  void append_values(std::string* out) const;
  /// The next instant at which time alone changes something, or the end of time.
  [[nodiscard]] int64_t next_change() const;

 private:
  struct Session {
    int64_t first = 0;  // event times
    int64_t last = 0;
    int64_t events = 0;
  };

  [[nodiscard]] int64_t window_begin(std::size_t window) const;
  [[nodiscard]] std::string_view value(std::size_t event, int expression) const;
  [[nodiscard]] bool differ(std::size_t event, int expression) const;
  [[nodiscard]] int64_t session_end() const;
  void leave(std::size_t window);
  void forget();
  void take_in_order(std::size_t event);
  void extend_sessions(int64_t event_time);
  void rebuild();
  void rebuild_sessions();
  void append_session(const SequenceOutput& output, std::string* out) const;
  void append_change(const SequenceOutput& output, std::size_t index, std::string* out) const;

  const SequencePlan& plan_;
  int64_t now_ = 0;
  std::deque<SequenceEvent> events_;
  std::vector<std::size_t> first_;      // per window: its first event
  std::vector<int64_t> changes_;        // per output kChanges: within its window
  std::vector<std::size_t> run_first_;  // per expression: first event of the present value's run
  std::deque<Session> sessions_;        // of the session window
};

}  // namespace assay::gold
