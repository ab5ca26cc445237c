#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/world.h"
#include "flow/workspace.h"
#include "silver/part_times.h"

namespace assay::flow {

/// Tell how long a commit of what was read took, and how long its epoch: since the first of its
/// records was read, which may be none.
void note_commit(World& world, Duration began, std::optional<EventTime> first_received);

/// Tell how far the partitions of a silver table's topics have come, and what lateness goes by
/// beside them. `names`: of the partitions, by number.
void note_part_times(World& world,
                     const std::string& table,
                     const silver::PartTimes& times,
                     const std::map<int64_t, std::string>& names);

/// The same, by the names that the catalog has.
void tell_part_times(Workspace& workspace,
                       const std::string& table,
                       const silver::PartTimes& times);

/// Tell how long the first record of a commit waited until all of it was in the lake.
void note_readable(World& world, const std::string& table, EventTime received);

/// Count that a line, or the stages behind the tables of processes that share topics, failed and is
/// tried again.
void count_failure(World& world, const char* of);

}  // namespace assay::flow
