#pragma once

// The contract between bronze and silver: what every bronze table holds besides its declared
// columns.
//
// Order    rows of one commit are in source order (sequence ascending).
// Units    times are microseconds since the epoch, UTC.
// Nulls    the three system columns are never null.
// Unique   within dedup_for, no two rows have equal keys (when the table declares a key), unless it
//          is a table of changes: there rows of one row_key are versions, and those are tombstones
//          in which is_deleted is true. All but the key may be null in them.

namespace assay::bronze {

inline constexpr char kEventTime[] = "event_time";  // timestamp: when it happened
inline constexpr char kKnownTime[] = "known_time";  // timestamp: when it could have been known
inline constexpr char kSequence[] = "sequence";     // int64: ingest::Position::value, breaks ties
inline constexpr char kRowKey[] = "row_key";        // bytes of the key; in tables of changes
inline constexpr char kIsDeleted[] = "is_deleted";  // bool; in tables of changes
inline constexpr char kDate[] = "dt";               // date of event_time: partition column
inline constexpr char kHour[] = "hr";               // int32 hour of event_time: partition column

}  // namespace assay::bronze
