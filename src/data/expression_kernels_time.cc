#include <array>

#include "base/suggest.h"
#include "base/time.h"
#include "data/expression_functions.h"
#include "data/expression_kernels.h"
#include "data/expression_lexer.h"
#include "data/time_zone.h"

// Times are microseconds since 1970 UTC in the proleptic Gregorian calendar, intervals
// microseconds. An instant or date outside years 0001 to 9999 is null.

namespace assay::data {
namespace {

/// Quotient towards minus infinity; right for every int64, unlike floor_to.
int64_t floor_divide(int64_t value, int64_t step) {
  return value / step - static_cast<int64_t>(value % step < 0);
}
int64_t day_of(int64_t micros) {
  return floor_divide(micros, kMicrosPerDay);
}
CivilDate civil(int64_t micros) {
  return civil_from_days(day_of(micros));
}
/// 0 is Monday; day 0 of the epoch was a Thursday.
int64_t weekday_from_monday(int64_t days) {
  return days + 3 - floor_divide(days + 3, 7) * 7;
}

struct Year {
  static int64_t apply(int64_t micros) { return civil(micros).year; }
};
struct Month {
  static int64_t apply(int64_t micros) { return civil(micros).month; }
};
struct Day {
  static int64_t apply(int64_t micros) { return civil(micros).day; }
};
template <int64_t kUnit, int64_t kCount>
struct PartOfDay {
  static int64_t apply(int64_t micros) {
    const int64_t rest = micros % (kUnit * kCount);
    return (rest < 0 ? rest + kUnit * kCount : rest) / kUnit;
  }
};
struct DayOfWeek {
  static int64_t apply(int64_t micros) { return (weekday_from_monday(day_of(micros)) + 1) % 7; }
};
struct IsoDayOfWeek {
  static int64_t apply(int64_t micros) { return weekday_from_monday(day_of(micros)) + 1; }
};
struct DayOfYear {
  static int64_t apply(int64_t micros) {
    const int64_t days = day_of(micros);
    return days - days_from_civil(civil_from_days(days).year, 1, 1) + 1;
  }
};

enum class TimeUnitName : uint8_t {
  kMicrosecond,
  kMillisecond,
  kSecond,
  kMinute,
  kHour,
  kDay,
  kWeek,
  kMonth,
  kQuarter,
  kYear,
};

struct NamedUnit {
  std::string_view name;
  TimeUnitName unit;
  int64_t micros;  // 0 when the unit has no fixed length
};
constexpr int64_t kMinuteMicros = 60 * kMicrosPerSecond;
constexpr int64_t kHourMicros = 60 * kMinuteMicros;
constexpr std::array<NamedUnit, 10> kTimeUnits = {{
    {"microsecond", TimeUnitName::kMicrosecond, 1},
    {"millisecond", TimeUnitName::kMillisecond, 1'000},
    {"second", TimeUnitName::kSecond, kMicrosPerSecond},
    {"minute", TimeUnitName::kMinute, kMinuteMicros},
    {"hour", TimeUnitName::kHour, kHourMicros},
    {"day", TimeUnitName::kDay, kMicrosPerDay},
    {"week", TimeUnitName::kWeek, 7 * kMicrosPerDay},
    {"month", TimeUnitName::kMonth, 0},
    {"quarter", TimeUnitName::kQuarter, 0},
    {"year", TimeUnitName::kYear, 0},
}};

class UnitState : public StepState {
 public:
  explicit UnitState(NamedUnit unit) : unit_(unit) {}
  [[nodiscard]] const NamedUnit& unit() const { return unit_; }

 private:
  NamedUnit unit_;
};

Result<StepStatePtr> unit_of(const std::string& name) {
  const std::string lower = lower_ascii(name);
  std::vector<std::string> names;
  for (const NamedUnit& unit : kTimeUnits) {
    if (unit.name == lower) {
      return StepStatePtr(std::make_shared<const UnitState>(unit));
    }
    names.emplace_back(unit.name);
  }
  return Status(Code::kInvalidArgument,
                "unknown unit '" + name.substr(0, 40) + "'" + did_you_mean(lower, names));
}

Result<StepStatePtr> difference_unit_of(const std::string& name) {
  if (lower_ascii(name) == "week") {
    return Status(Code::kInvalidArgument,
                  "date_diff has no 'week': use date_diff('day', date_trunc('week', a), "
                  "date_trunc('week', b)) // 7");
  }
  return unit_of(name);
}

class ZoneState : public StepState {
 public:
  explicit ZoneState(std::shared_ptr<const TimeZone> zone) : zone_(std::move(zone)) {}
  [[nodiscard]] const TimeZone& zone() const { return *zone_; }

 private:
  std::shared_ptr<const TimeZone> zone_;
};

Result<StepStatePtr> zone_of(const std::string& name) {
  ASSAY_ASSIGN_OR_RETURN(std::shared_ptr<const TimeZone> zone, TimeZone::find(name));
  return StepStatePtr(std::make_shared<const ZoneState>(std::move(zone)));
}

const NamedUnit& unit_in(const KernelCall& call) {
  return static_cast<const UnitState&>(*call.state).unit();
}

int64_t months_in(TimeUnitName unit) {
  return unit == TimeUnitName::kMonth ? 1 : unit == TimeUnitName::kQuarter ? 3 : 12;
}

/// Months since January of year 0.
int64_t month_number(int64_t micros) {
  const CivilDate date = civil(micros);
  return date.year * 12 + date.month - 1;
}

int64_t month_begin(int64_t month) {
  const int64_t year = floor_divide(month, 12);
  return days_from_civil(year, static_cast<unsigned>(month - year * 12 + 1), 1) * kMicrosPerDay;
}

void truncate(const KernelCall& call) {
  const NamedUnit unit = unit_in(call);
  const auto* in = call.input<int64_t>(0);
  auto* out = call.output<int64_t>();
  // Weeks begin on Monday: day -3 of the epoch.
  const int64_t origin = unit.unit == TimeUnitName::kWeek ? -3 * kMicrosPerDay : 0;
  const int64_t months = months_in(unit.unit);
  for (int64_t row = 0; row < call.rows; ++row) {
    const int64_t time = is_instant(in[row]) ? in[row] : 0;
    const int64_t begin = unit.micros != 0 ? floor_to(time - origin, unit.micros) + origin
                                           : month_begin(floor_to(month_number(time), months));
    const bool valid = call.valid[row] != 0 && is_instant(in[row]) && is_instant(begin);
    out[row] = valid ? begin : 0;
    call.valid[row] = static_cast<uint8_t>(valid);
  }
}

/// What the wall clock of a zone shows, as if it were UTC.
void wall_clock(const KernelCall& call) {
  const TimeZone& zone = static_cast<const ZoneState&>(*call.state).zone();
  const auto* in = call.input<int64_t>(0);
  auto* out = call.output<int64_t>();
  for (int64_t row = 0; row < call.rows; ++row) {
    const int64_t time = is_instant(in[row]) ? in[row] : 0;
    const int64_t shown = time + zone.offset_micros(time);
    const bool valid = call.valid[row] != 0 && is_instant(in[row]) && is_instant(shown);
    out[row] = valid ? shown : 0;
    call.valid[row] = static_cast<uint8_t>(valid);
  }
}

void difference(const KernelCall& call) {
  const NamedUnit unit = unit_in(call);
  const auto* from = call.input<int64_t>(0);
  const auto* to = call.input<int64_t>(1);
  auto* out = call.output<int64_t>();
  const int64_t months = months_in(unit.unit);
  for (int64_t row = 0; row < call.rows; ++row) {
    out[row] = unit.micros != 0
                   ? floor_divide(to[row], unit.micros) - floor_divide(from[row], unit.micros)
                   : floor_divide(month_number(to[row]), months) -
                         floor_divide(month_number(from[row]), months);
  }
}

struct EpochMicros {
  static int64_t apply(int64_t micros) { return micros; }
};
struct EpochSeconds {
  static double apply(int64_t micros) {
    return static_cast<double>(micros) / static_cast<double>(kMicrosPerSecond);
  }
};
struct MakeTimestamp {
  static bool apply(int64_t micros, int64_t& out) {
    out = micros;
    return is_instant(micros);
  }
};
template <int64_t kUnit>
struct ToInterval {
  static bool apply(int64_t count, int64_t& out) {
    return !__builtin_mul_overflow(count, kUnit, &out);
  }
};
struct AddInstant {
  static bool apply(int64_t a, int64_t b, int64_t& out) {
    return !__builtin_add_overflow(a, b, &out) && is_instant(out);
  }
};
struct SubtractInstant {
  static bool apply(int64_t a, int64_t b, int64_t& out) {
    return !__builtin_sub_overflow(a, b, &out) && is_instant(out);
  }
};
struct AddInterval {
  static bool apply(int64_t a, int64_t b, int64_t& out) {
    return !__builtin_add_overflow(a, b, &out);
  }
};
struct SubtractInterval {
  static bool apply(int64_t a, int64_t b, int64_t& out) {
    return !__builtin_sub_overflow(a, b, &out);
  }
};
struct MultiplyInterval {
  static bool apply(int64_t a, int64_t b, int64_t& out) {
    return !__builtin_mul_overflow(a, b, &out);
  }
};
struct NegateInterval {
  static bool apply(int64_t a, int64_t& out) {
    return !__builtin_sub_overflow(int64_t{0}, a, &out);
  }
};

bool as_date(int64_t days, int32_t& out) {
  const bool valid =
      days >= kFirstInstant.micros / kMicrosPerDay && days < kEndInstant.micros / kMicrosPerDay;
  out = static_cast<int32_t>(valid ? days : 0);
  return valid;
}
struct AddDays {
  static bool apply(int32_t date, int64_t days, int32_t& out) {
    int64_t sum = 0;
    return !__builtin_add_overflow(int64_t{date}, days, &sum) && as_date(sum, out);
  }
  static bool apply(int64_t days, int32_t date, int32_t& out) { return apply(date, days, out); }
};
struct SubtractDays {
  static bool apply(int32_t date, int64_t days, int32_t& out) {
    int64_t difference = 0;
    return !__builtin_sub_overflow(int64_t{date}, days, &difference) && as_date(difference, out);
  }
};
struct DateDifference {
  static int64_t apply(int32_t a, int32_t b) { return int64_t{a} - b; }
};

constexpr auto kI = ValueKind::kInt64;
constexpr auto kF = ValueKind::kFloat64;
constexpr auto kS = ValueKind::kString;
constexpr auto kD = ValueKind::kDate;
constexpr auto kT = ValueKind::kTimestamp;
constexpr auto kV = ValueKind::kInterval;
constexpr auto kMaybe = NullRule::kPartial;
constexpr auto kAlways = NullRule::kStrict;

template <typename Op>
constexpr Kernel kPart = map_kernel<Op, int64_t, int64_t>;
template <typename Op>
constexpr Kernel kPair = partial_kernel<Op, int64_t, int64_t, int64_t>;
template <typename Op>
constexpr Kernel kOne = partial_kernel<Op, int64_t, int64_t>;

}  // namespace

std::vector<FunctionEntry> time_functions() {
  return {
      {"+", {kT, kV}, kT, kPair<AddInstant>, kMaybe, ""},
      {"+", {kV, kT}, kT, kPair<AddInstant>, kMaybe, ""},
      {"+", {kD, kI}, kD, partial_kernel<AddDays, int32_t, int32_t, int64_t>, kMaybe, ""},
      {"+", {kI, kD}, kD, partial_kernel<AddDays, int32_t, int64_t, int32_t>, kMaybe, ""},
      {"+", {kV, kV}, kV, kPair<AddInterval>, kMaybe, ""},
      {"-", {kT, kT}, kV, kPair<SubtractInterval>, kMaybe, ""},
      {"-", {kT, kV}, kT, kPair<SubtractInstant>, kMaybe, ""},
      {"-", {kD, kD}, kI, map_kernel<DateDifference, int64_t, int32_t, int32_t>, kAlways, ""},
      {"-", {kD, kI}, kD, partial_kernel<SubtractDays, int32_t, int32_t, int64_t>, kMaybe, ""},
      {"-", {kV, kV}, kV, kPair<SubtractInterval>, kMaybe, ""},
      {"-", {kV}, kV, kOne<NegateInterval>, kMaybe, ""},
      {"*", {kV, kI}, kV, kPair<MultiplyInterval>, kMaybe, ""},
      {"*", {kI, kV}, kV, kPair<MultiplyInterval>, kMaybe, ""},
      {"year", {kT}, kI, kPart<Year>, kAlways, "Year of a time, UTC."},
      {"month", {kT}, kI, kPart<Month>, kAlways, "Month, 1 to 12."},
      {"day", {kT}, kI, kPart<Day>, kAlways, "Day of the month, 1 to 31."},
      {"hour", {kT}, kI, kPart<PartOfDay<kHourMicros, 24>>, kAlways, "Hour, 0 to 23."},
      {"minute", {kT}, kI, kPart<PartOfDay<kMinuteMicros, 60>>, kAlways, "Minute, 0 to 59."},
      {"second",
       {kT},
       kI,
       kPart<PartOfDay<kMicrosPerSecond, 60>>,
       kAlways,
       "Whole second, 0 to 59."},
      {"dayofweek",
       {kT},
       kI,
       kPart<DayOfWeek>,
       kAlways,
       "Day of the week, Sunday is 0, Saturday 6."},
      {"isodow", {kT}, kI, kPart<IsoDayOfWeek>, kAlways, "Day of the week, Monday is 1, Sunday 7."},
      {"dayofyear", {kT}, kI, kPart<DayOfYear>, kAlways, "Day of the year, 1 to 366."},
      {"date_trunc",
       {kS, kT},
       kT,
       truncate,
       kMaybe,
       "Begin of the 'second', 'minute', 'hour', 'day', 'week' (Monday), 'month', 'quarter' or "
       "'year' that the time lies in.",
       0,
       unit_of},
      {"timezone",
       {kS, kT},
       kT,
       wall_clock,
       kMaybe,
       "What a clock on the wall shows in a zone such as 'Europe/Berlin', as a time: hour(...) of "
       "it is the hour there.",
       0,
       zone_of},
      {"date_diff",
       {kS, kT, kT},
       kI,
       difference,
       kAlways,
       "Number of borders of the unit between two times: 'second', 'minute', 'hour', 'day', "
       "'month', 'quarter', 'year'.",
       0,
       difference_unit_of},
      {"epoch_us",
       {kT},
       kI,
       kPart<EpochMicros>,
       kAlways,
       "Microseconds since 1970-01-01 UTC, or of an interval."},
      {"epoch_us", {kV}, kI, kPart<EpochMicros>, kAlways, ""},
      {"epoch",
       {kT},
       kF,
       map_kernel<EpochSeconds, double, int64_t>,
       kAlways,
       "Seconds since 1970-01-01 UTC, or of an interval, with their fraction."},
      {"epoch", {kV}, kF, map_kernel<EpochSeconds, double, int64_t>, kAlways, ""},
      {"make_timestamp",
       {kI},
       kT,
       kOne<MakeTimestamp>,
       kMaybe,
       "Time of microseconds since 1970-01-01 UTC."},
      {"to_seconds",
       {kI},
       kV,
       kOne<ToInterval<kMicrosPerSecond>>,
       kMaybe,
       "Interval of so many seconds."},
      {"to_minutes",
       {kI},
       kV,
       kOne<ToInterval<kMinuteMicros>>,
       kMaybe,
       "Interval of so many minutes."},
      {"to_hours", {kI}, kV, kOne<ToInterval<kHourMicros>>, kMaybe, "Interval of so many hours."},
      {"to_days",
       {kI},
       kV,
       kOne<ToInterval<kMicrosPerDay>>,
       kMaybe,
       "Interval of so many days of 24 hours."},
  };
}

}  // namespace assay::data
