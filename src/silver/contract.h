#pragma once

// The contract between silver and gold: what every silver table holds besides its SQL's columns.
//
// Order    rows of one commit are in source order (sequence ascending).
// Units    times are microseconds since the epoch, UTC.
// Nulls    the three system columns are never null.
// Late     no row is older than the table's watermark was when the row arrived: watermark = largest
//          event_time of earlier rows (of a topic, of its slowest partition: part_times.h) less
//          allowed_lateness; <table>_late has others. So what comes later is visible from there on.
// Changes  a table made from a bronze table of changes has its row_key and is_deleted. What the SQL
//          leaves out is in it as a tombstone. Its watermark is one of known times: a version that
//          comes later replaces the one before at or after it.

namespace assay::silver {

inline constexpr char kEventTime[] = "event_time";
inline constexpr char kKnownTime[] = "known_time";
inline constexpr char kSequence[] = "sequence";
inline constexpr char kRowKey[] = "row_key";        // in tables of changes
inline constexpr char kIsDeleted[] = "is_deleted";  // in tables of changes
/// Of the rows of a table of changes, as views and lookups read them: null for the newest version.
inline constexpr char kReplacedTime[] = "replaced_time";
inline constexpr char kEventDate[] = "event_date";  // date of event_time: default partition column

}  // namespace assay::silver
