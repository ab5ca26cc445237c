#include "silver/lateness.h"

namespace assay::silver {

LatenessSplit split_late(const data::Column& event_times,
                         Duration allowed,
                         std::optional<EventTime> newest) {
  LatenessSplit split;
  split.newest = newest;
  const auto times = event_times.values<int64_t>();
  for (int64_t row = 0; row < event_times.size(); ++row) {
    const EventTime time{times[static_cast<std::size_t>(row)]};
    if (is_late(time, allowed, split.newest)) {
      split.late.push_back(row);
      continue;  // older than the newest, so it cannot move the watermark
    }
    split.on_time.push_back(row);
    if (!split.newest || time > *split.newest) {
      split.newest = time;
    }
  }
  return split;
}

}  // namespace assay::silver
