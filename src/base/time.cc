#include "base/time.h"

#include <array>
#include <charconv>
#include <cstdio>

namespace assay {
namespace {

// Days and civil dates by Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".

/// Reads exactly `digits` decimal digits at the front of `text` and drops them.
bool take_digits(std::string_view& text, std::size_t digits, int64_t* value) {
  if (text.size() < digits) {
    return false;
  }
  int64_t result = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const char c = text[i];
    if (c < '0' || c > '9') {
      return false;
    }
    result = result * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  *value = result;
  return true;
}

bool take_char(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

unsigned days_in_month(int64_t year, int64_t month) {
  constexpr std::array<unsigned, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[static_cast<std::size_t>(month - 1)];
}

bool take_date(std::string_view& text, int64_t* days) {
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
  if (!take_digits(text, 4, &year) || !take_char(text, '-') || !take_digits(text, 2, &month) ||
      !take_char(text, '-') || !take_digits(text, 2, &day)) {
    return false;
  }
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
    return false;
  }
  *days = days_from_civil(year, static_cast<unsigned>(month), static_cast<unsigned>(day));
  return true;
}

/// ".123456": one to six digits.
bool take_fraction(std::string_view& text, int64_t* micros) {
  int64_t value = 0;
  int64_t scale = kMicrosPerSecond;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (scale == 1) {
      return false;
    }
    scale /= 10;
    value += (text.front() - '0') * scale;
    text.remove_prefix(1);
  }
  *micros = value;
  return scale != kMicrosPerSecond;
}

/// "10:00", "10:00:00", "10:00:00.5".
bool take_time_of_day(std::string_view& text, int64_t* micros) {
  int64_t hour = 0;
  int64_t minute = 0;
  int64_t second = 0;
  int64_t fraction = 0;
  if (!take_digits(text, 2, &hour) || !take_char(text, ':') || !take_digits(text, 2, &minute)) {
    return false;
  }
  if (take_char(text, ':')) {
    if (!take_digits(text, 2, &second)) {
      return false;
    }
    if (take_char(text, '.') && !take_fraction(text, &fraction)) {
      return false;
    }
  }
  if (hour > 23 || minute > 59 || second > 59) {
    return false;
  }
  *micros = ((hour * 60 + minute) * 60 + second) * kMicrosPerSecond + fraction;
  return true;
}

/// "", "Z", "+hh", "+hh:mm", "+hhmm".
bool take_zone(std::string_view& text, int64_t* offset_micros) {
  *offset_micros = 0;
  if (text.empty() || take_char(text, 'Z')) {
    return true;
  }
  const bool negative = text.front() == '-';
  if (!take_char(text, '+') && !take_char(text, '-')) {
    return false;
  }
  int64_t hours = 0;
  int64_t minutes = 0;
  if (!take_digits(text, 2, &hours)) {
    return false;
  }
  if (!text.empty()) {
    static_cast<void>(take_char(text, ':'));
    if (!take_digits(text, 2, &minutes)) {
      return false;
    }
  }
  if (hours > 15 || minutes > 59) {
    return false;
  }
  const int64_t offset = (hours * 60 + minutes) * 60 * kMicrosPerSecond;
  *offset_micros = negative ? -offset : offset;
  return true;
}

struct Unit {
  std::string_view name;
  int64_t micros;
};
// Largest first, so that format_duration finds the shortest exact form.
constexpr std::array kUnits{Unit{"d", kMicrosPerDay},
                            Unit{"h", 3'600 * kMicrosPerSecond},
                            Unit{"m", 60 * kMicrosPerSecond},
                            Unit{"s", kMicrosPerSecond},
                            Unit{"ms", 1'000},
                            Unit{"us", 1}};
constexpr int64_t kLongestDuration = 36'525 * kMicrosPerDay;

}  // namespace

int64_t days_from_civil(int64_t year, unsigned month, unsigned day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto year_of_era = static_cast<unsigned>(year - era * 400);
  const unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + static_cast<int64_t>(day_of_era) - 719'468;
}

CivilDate civil_from_days(int64_t days) {
  days += 719'468;
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const auto day_of_era = static_cast<unsigned>(days - era * 146'097);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const unsigned day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned shifted_month = (5 * day_of_year + 2) / 153;
  const unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  return {static_cast<int64_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0),
          month,
          day_of_year - (153 * shifted_month + 2) / 5 + 1};
}

bool try_parse_time(std::string_view text, EventTime* time) {
  int64_t days = 0;
  int64_t time_of_day = 0;
  int64_t offset = 0;
  if (!take_date(text, &days)) {
    return false;
  }
  if (!text.empty()) {
    if (!take_char(text, ' ') && !take_char(text, 'T')) {
      return false;
    }
    if (!take_time_of_day(text, &time_of_day) || !take_zone(text, &offset) || !text.empty()) {
      return false;
    }
  }
  const EventTime result{days * kMicrosPerDay + time_of_day - offset};
  if (result < kFirstInstant || result >= kEndInstant) {
    return false;
  }
  *time = result;
  return true;
}

Result<EventTime> parse_time(std::string_view text) {
  EventTime time;
  if (!try_parse_time(text, &time)) {
    return Status(Code::kInvalidArgument,
                  "not a time (write it like 2001-01-31 or 2001-01-31T10:00:00Z): `" +
                      std::string(text.substr(0, 64)) + "`");
  }
  return time;
}

namespace {

/// The last `count` digits of a number.
char* write_digits(char* out, uint64_t value, int count) {
  for (int i = count; i-- > 0; value /= 10) {
    out[i] = static_cast<char>('0' + value % 10);
  }
  return out + count;
}

char* write_date(char* out, int64_t days) {
  constexpr int64_t kYearEnd = 10'000;
  const CivilDate date = civil_from_days(days);
  if (date.year >= 0 && date.year < kYearEnd) {
    out = write_digits(out, static_cast<uint64_t>(date.year), 4);
  } else {
    out += std::snprintf(out, kTimeBytesMax / 2, "%04lld", static_cast<long long>(date.year));
  }
  *out++ = '-';
  out = write_digits(out, date.month, 2);
  *out++ = '-';
  return write_digits(out, date.day, 2);
}

}  // namespace

std::string format_date(EventTime time) {
  std::array<char, kTimeBytesMax> text{};
  return {text.data(),
          write_date(text.data(), floor_to(time.micros, kMicrosPerDay) / kMicrosPerDay)};
}

char* write_time(char* out, EventTime time) {
  const int64_t day_start = floor_to(time.micros, kMicrosPerDay);
  const auto of_day = static_cast<uint64_t>(time.micros - day_start);
  const uint64_t seconds = of_day / kMicrosPerSecond;
  const uint64_t fraction = of_day % kMicrosPerSecond;
  out = write_date(out, day_start / kMicrosPerDay);
  *out++ = 'T';
  out = write_digits(out, seconds / 3'600, 2);
  *out++ = ':';
  out = write_digits(out, seconds / 60 % 60, 2);
  *out++ = ':';
  out = write_digits(out, seconds % 60, 2);
  if (fraction != 0) {
    *out++ = '.';
    out = fraction % 1'000 == 0 ? write_digits(out, fraction / 1'000, 3)
                                : write_digits(out, fraction, 6);
  }
  *out++ = 'Z';
  return out;
}

std::string format_time(EventTime time) {
  std::array<char, kTimeBytesMax> text{};
  return {text.data(), write_time(text.data(), time)};
}

Result<Duration> parse_duration(std::string_view text) {
  int64_t count = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit = text.substr(static_cast<std::size_t>(rest - text.data()));
  if (error == std::errc() && count >= 0) {
    for (const Unit& known : kUnits) {
      if (known.name == unit && count <= kLongestDuration / known.micros) {
        return Duration{count * known.micros};
      }
    }
  }
  return Status(Code::kInvalidArgument,
                "not a length of time (write it like 10m, 24h or 7d; at most 100 years): `" +
                    std::string(text.substr(0, 64)) + "`");
}

std::string format_duration(Duration duration) {
  for (const Unit& unit : kUnits) {
    if (duration.micros != 0 && duration.micros % unit.micros == 0) {
      // 24h reads better than 1d; whole weeks and several days are days.
      if (unit.name == "d" && duration.micros == kMicrosPerDay) {
        continue;
      }
      return std::to_string(duration.micros / unit.micros) + std::string(unit.name);
    }
  }
  return "0s";
}

}  // namespace assay
