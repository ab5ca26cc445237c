#pragma once

#include <cstdint>
#include <string>

namespace assay::flow {

/// The `txn` application id under which a table keeps the position of one part of its source: the
/// position after the last record of that part that it has.
inline std::string part_app_id(const std::string& app_id, int64_t ordinal) {
  return app_id + "/part/" + std::to_string(ordinal);
}

/// The same of the last record that it has of the part (ingest/kafka_marks.h).
inline std::string part_last_app_id(const std::string& app_id, int64_t ordinal) {
  return app_id + "/part_last/" + std::to_string(ordinal);
}

/// The same of the newest event time (microseconds) of the rows that it has of one part: of a
/// silver table, and of a bronze table whose parts several processes share.
inline std::string part_time_app_id(const std::string& app_id, int64_t ordinal) {
  return app_id + "/part_time/" + std::to_string(ordinal);
}

/// What these begin with, before the part's number: of a bronze table, up to which time of the
/// line's clock (microseconds) the part was read; of a silver table, when the part
/// last gave it rows (part_facts.h).
inline std::string part_read_to_app_id(const std::string& app_id) {
  return app_id + "/part_read_to/";
}
inline std::string part_heard_app_id(const std::string& app_id) {
  return app_id + "/part_heard/";
}

/// The same of when a bronze table last said up to where its parts were read (microseconds of the
/// machine's clock).
inline std::string said_at_app_id(const std::string& app_id) {
  return app_id + "/said_at";
}

/// The same of how often a process took the part over; the table of refused records has it too.
inline std::string part_taken_app_id(const std::string& app_id, int64_t ordinal) {
  return app_id + "/part_taken/" + std::to_string(ordinal);
}

/// The same of the number of the project's folder whose processes share the table.
inline std::string share_app_id(const std::string& app_id) {
  return app_id + "/share";
}

/// The same of the number of epochs whose reads were journaled, and which the table has
/// (read_journal.h). A silver table has it from its bronze table.
inline std::string epoch_app_id(const std::string& app_id) {
  return app_id + "/epoch";
}

/// The same of the number of reads that all of these epochs had together: what a view is ahead by
/// is counted from there.
inline std::string reads_app_id(const std::string& app_id) {
  return app_id + "/reads";
}

}  // namespace assay::flow
