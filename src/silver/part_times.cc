#include "silver/part_times.h"

#include <algorithm>
#include <utility>

namespace assay::silver {

LatenessSplit split_late_by_part(const data::Column& event_times,
                                 const data::Column& sequences,
                                 Duration allowed,
                                 PartTimes* times) {
  LatenessSplit split;
  const auto event_time = event_times.values<int64_t>();
  const auto sequence = sequences.values<int64_t>();
  std::optional<int64_t> number;  // rows of a part come in runs
  PartTimes::Part* part = nullptr;
  for (std::size_t row = 0; row < event_time.size(); ++row) {
    if (number != part_of_sequence(sequence[row])) {
      number = part_of_sequence(sequence[row]);
      part = &times->parts[*number];
      times->gave.insert(*number);
    }
    const EventTime time{event_time[row]};
    const std::optional<EventTime> newest = std::max(part->newest, times->low);  // none is smallest
    (is_late(time, allowed, newest) ? split.late : split.on_time)
        .push_back(static_cast<int64_t>(row));
    part->newest = std::max(part->newest, std::optional(time));
  }
  return split;
}

void end_commit(const PartFacts& facts, Duration idle_timeout, PartTimes* times) {
  for (const auto& [number, read_to] : facts.read_to) {
    times->parts.try_emplace(number, PartTimes::Part{std::nullopt, facts.line_clock});
  }
  for (const int64_t number : std::exchange(times->gave, {})) {
    times->parts[number].heard = facts.line_clock;
  }
  std::optional<EventTime> low;
  for (const auto& [number, read_to] : facts.read_to) {
    const PartTimes::Part& part = times->parts.at(number);
    if (read_to.micros - part.heard.micros >= idle_timeout.micros) {
      continue;
    }
    if (!part.newest.has_value()) {
      return;
    }
    low = std::min(low.value_or(EventTime::max()), *part.newest);
  }
  times->low = std::max(times->low, low);
}

}  // namespace assay::silver
