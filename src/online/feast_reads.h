#pragma once

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "online/online_store.h"
#include "online/redis_pool.h"

namespace assay::online {

/// Whose rows are read in place of a store's own.
struct FromFeast {
  std::string project;             // of Feast
  std::vector<std::string> views;  // these views; none: all
};

/// Where a view stands that is read from Feast's rows: it is there, and how far is not known.
inline constexpr AppliedTo kPlaceOfFeast{std::numeric_limits<int64_t>::min(), EventTime::min()};

/// A store that answers reads of views from what Feast's own jobs wrote to a Redis server, in its
/// layout (feast_layout.h); all else, what is applied too, is the affair of `own`.
///
/// Time    that of Feast's row, whole microseconds. Where such views stand is not known:
/// kPlaceOfFeast. Nulls   no row: NOT_FOUND; older than the view's ttl: OUTSIDE_MAX_AGE; an empty
/// value, or none:
///         NULL_VALUE.
/// Errors  kFailedPrecondition: a value of another type than the feature has; kCorrupt: no time.
/// Threads as OnlineStore. Each row is of one state, rows of several entities need not be.
/// Cost    one command an entity and view, all of a question in one round trip.
/// Source  docs/decisions/0191-reading-what-feast-wrote.md
std::unique_ptr<OnlineStore> make_feast_reads(std::unique_ptr<OnlineStore> own,
                                              std::unique_ptr<RedisRoute> route,
                                              FromFeast from);

/// The views that the place of a store names to be read so; none when it names none.
std::vector<std::string> views_from_feast(const std::string& place);

}  // namespace assay::online
