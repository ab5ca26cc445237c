#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>

#include "base/time.h"

namespace assay::serve {

/// What a connection's time runs for: until something is asked, until what is asked or answered has
/// gone over, until the client has gone.
enum TimeKind { kIdleTime, kReadTime, kLingerTime, kNoTime, kTimeKinds };

/// How much of an answer of so many bytes the client must take to win it more time: 64 KiB, of a
/// large one a thirtieth. None holds its bytes for longer than 31 times `read`.
constexpr std::size_t progress_bytes(std::size_t answer_bytes) {
  constexpr std::size_t kLeast = 64 << 10;
  constexpr std::size_t kParts = 30;
  return std::max(kLeast, (answer_bytes + kParts - 1) / kParts);
}

/// How long each of them lasts.
struct TimeLimits {
  Duration idle;
  Duration read;
  Duration linger;
};

/// The times of the connections of one thread, counted in ticks: beginning one sets no timer. Those
/// of one kind end in the order in which they began, so that a tick looks at those alone that end.
///
/// Threads one thread at a time.
/// Cost    nothing but a move in a list when a time begins.
template <typename Connection>
class ConnectionTimes {
 public:
  /// Where the time of one connection stands.
  class Place {
   private:
    friend class ConnectionTimes;
    TimeKind kind = kNoTime;
    typename std::list<Connection*>::iterator at;
    int64_t deadline = kNever;  // the tick when what is waited for comes too late
  };

  explicit ConnectionTimes(const TimeLimits& limits)
      : limits_(limits),
        tick_length_{std::clamp(std::min({limits.read, limits.idle, limits.linger}).micros / 8,
                                kTickMicrosMin,
                                kTickMicrosMax)} {}

  /// A connection whose time does not run yet. It is taken out before it ends.
  Place add(Connection* connection) {
    Place place;
    place.at = lists_[kNoTime].insert(lists_[kNoTime].end(), connection);
    return place;
  }
  void remove(const Place& place) { lists_[place.kind].erase(place.at); }
  /// From now on its time runs for `kind`.
  void begin(TimeKind kind, Place* place) {
    lists_[kind].splice(lists_[kind].end(), lists_[place->kind], place->at);
    place->kind = kind;
    place->deadline = deadline_of(kind);
  }
  /// How often pass_tick() is to be called.
  [[nodiscard]] Duration tick_length() const { return tick_length_; }
  /// Hand each connection whose time is over to `close`, which begins kNoTime of it.
  template <typename PlaceOf, typename Close>
  void pass_tick(const PlaceOf& place_of, const Close& close) {
    ++tick_;
    for (const TimeKind kind : {kIdleTime, kReadTime, kLingerTime}) {
      while (!lists_[kind].empty() && tick_ >= place_of(*lists_[kind].front()).deadline) {
        close(*lists_[kind].front());
      }
    }
  }

 private:
  static constexpr int64_t kTickMicrosMin = 1'000;
  static constexpr int64_t kTickMicrosMax = 250'000;
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  /// The tick when a time that begins now is over; up to two late.
  [[nodiscard]] int64_t deadline_of(TimeKind kind) const {
    const Duration time = kind == kIdleTime   ? limits_.idle
                          : kind == kReadTime ? limits_.read
                                              : limits_.linger;
    return kind == kNoTime ? kNever : tick_ + 2 + time.micros / tick_length_.micros;
  }

  const TimeLimits limits_;
  const Duration tick_length_;
  int64_t tick_ = 0;
  std::array<std::list<Connection*>, kTimeKinds> lists_;  // by kind, those that end first in front
};

}  // namespace assay::serve
