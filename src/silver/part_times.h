#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "base/time.h"
#include "data/column.h"
#include "silver/lateness.h"

namespace assay::silver {

/// What a commit of a bronze table says of the partitions that its topics are read by ("parts").
struct PartFacts {
  /// For how long the line has been at work and brokers have answered it: no clock of the machine.
  Duration line_clock;
  /// The parts there are, by number: all that it had at this time of the line's clock was read.
  std::map<int64_t, Duration> read_to;
  bool operator==(const PartFacts&) const = default;
};

/// How far the parts of a topic have come, by the rows of one silver table.
///
/// A row is late by the rows before it in its own part, whatever other parts are read beside it,
/// and by `low`. That one is the time of the slowest part that holds it up: a row that comes later
/// is not older than `low` less the allowed lateness, so it is what gold may rely on. A part holds
/// it up unless all was read that it had for a while (the idle timeout) after it last gave a row of
/// the table, or was found. So `low` makes rows late of parts alone that were still for so long.
/// Source  docs/decisions/0173-lateness-by-partition.md
struct PartTimes {
  struct Part {
    std::optional<EventTime> newest;  // largest time of its rows so far, late ones too
    Duration heard;                   // the line's clock when it last gave rows, or was found
    bool operator==(const Part&) const = default;
  };
  std::map<int64_t, Part> parts;
  std::optional<EventTime> low;
  std::set<int64_t> gave;  // parts of which rows came since the last commit
  bool operator==(const PartTimes&) const = default;
};

/// The part that a row came from, by its sequence.
constexpr int64_t part_of_sequence(int64_t sequence) {
  return sequence >> 32;
}

/// Judge rows, of each part in order of sequence.
LatenessSplit split_late_by_part(const data::Column& event_times,
                                 const data::Column& sequences,
                                 Duration allowed,
                                 PartTimes* times);

/// All rows of a commit were judged: move `low` by what it says. It never goes back.
void end_commit(const PartFacts& facts, Duration idle_timeout, PartTimes* times);

}  // namespace assay::silver
