#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/status.h"

namespace assay {

/// A length of time in microseconds.
struct Duration {
  int64_t micros = 0;
  auto operator<=>(const Duration&) const = default;
};

/// A point in time: microseconds since 1970-01-01T00:00:00Z, no zone.
struct EventTime {
  int64_t micros = 0;
  auto operator<=>(const EventTime&) const = default;

  static constexpr EventTime min() { return {std::numeric_limits<int64_t>::min()}; }
  static constexpr EventTime max() { return {std::numeric_limits<int64_t>::max()}; }
};

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

/// Largest and smallest instant that a table may hold: years 0001 to 9999.
constexpr EventTime kFirstInstant{-62'135'596'800 * kMicrosPerSecond};
constexpr EventTime kEndInstant{253'402'300'800 * kMicrosPerSecond};

/// Largest multiple of `step` that is not after `micros`; right for negative times too. `step` > 0.
constexpr int64_t floor_to(int64_t micros, int64_t step) {
  const int64_t rest = micros % step;
  return rest < 0 ? micros - rest - step : micros - rest;
}

/// Parse "2001-01-31", "2001-01-31 10:00[:00[.123456]]" or with T, and an optional zone Z or
/// +hh:mm.
///
/// Time    text without a zone is UTC. Digits beyond microseconds are refused.
/// Errors  kInvalidArgument: not a time, or outside years 0001 to 9999.
Result<EventTime> parse_time(std::string_view text);
/// parse_time for a row loop: false instead of a message.
bool try_parse_time(std::string_view text, EventTime* time);

/// "2001-01-31T10:00:00Z", with 3 or 6 digits of fraction only when there is one.
std::string format_time(EventTime time);
/// The same to where there is room for that many bytes; where it ends.
inline constexpr std::size_t kTimeBytesMax = 48;
char* write_time(char* out, EventTime time);
/// "2001-01-31".
std::string format_date(EventTime time);
/// Days since 1970-01-01 of a proleptic Gregorian date.
int64_t days_from_civil(int64_t year, unsigned month, unsigned day);
/// Year, month 1-12, day 1-31 of a day number.
struct CivilDate {
  int64_t year = 1970;
  unsigned month = 1;
  unsigned day = 1;
};
CivilDate civil_from_days(int64_t days);

/// Parse "90s", "10m", "1h", "7d", "250ms", "5us". A whole number and one unit.
///
/// Errors  kInvalidArgument: no unit, an unknown unit, negative or beyond 100 years.
Result<Duration> parse_duration(std::string_view text);
/// Shortest exact form: 3600000000 us is "1h".
std::string format_duration(Duration duration);

}  // namespace assay
