#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace assay::flow {

/// What values were made from: versions of steps tables, and the instant that they answered for.
struct PublishedState {
  std::map<std::string, int64_t> tables;  // version by the table's key
  EventTime as_of;
  int64_t model_version = 0;  // 0: no model
  /// Hash of the names of all files that these versions consist of: other tables of the same names
  /// (another lake's, or those of one that was made anew) have others. 0: not known.
  int64_t files = 0;
  bool operator==(const PublishedState&) const = default;
};

/// Where a topic stands. A round brings it from one state to the next, in one transaction or, when
/// many entities have changed, in several of them.
struct PublishedPosition {
  std::optional<PublishedState> whole;  // all of it is there; nothing before the first round
  std::optional<PublishedState> next;   // of a round that is not done
  int64_t done = 0;                     // its entities that are there, in the order of their keys
  /// States of rounds that were never ended: some of their entities may be there.
  std::vector<PublishedState> left = {};
  bool operator==(const PublishedPosition&) const = default;
};

/// The position as text, and back.
///
/// Errors  kCorrupt: no text of ours.
/// Format  docs/formats/published.md
std::string position_text(const PublishedPosition& position);
Result<PublishedPosition> parse_position(std::string_view text);

}  // namespace assay::flow
