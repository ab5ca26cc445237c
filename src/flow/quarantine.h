#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/status.h"
#include "data/account.h"
#include "data/batch.h"
#include "flow/workspace.h"

namespace assay::flow {

/// What is in the quarantine tables of the present definitions.
///
/// Shape   one row per table, reason and column with the number of records and the oldest and
/// newest
///         time at which one was received; by table, the most first.
Result<data::Batch> list_quarantine(Workspace& workspace);

struct QuarantineFilter {
  std::string table;   // "bronze/orders", or "orders" for the bronze table
  std::string reason;  // "" for all
  int64_t rows_max = 20;
  int64_t payload_max = 200;  // bytes of a record that are shown; 0 for all
};

/// Refused records, the newest first: where each stood, why it was refused, and its bytes, as text
/// where they are UTF-8 and else in hexadecimal after "hex:".
///
/// Errors  kNotFound: no such table in the definitions.
Result<data::Batch> show_quarantine(Workspace& workspace, const QuarantineFilter& filter);

struct ReplayOptions {
  std::string table;  // of bronze
  std::string reason;
  int64_t batch_rows = 10'000;
  int64_t batch_bytes = 64 << 20;  // of payloads; a record that is longer goes alone
  /// Also what earlier definitions of the table refused and the present one has not: records that
  /// it accepted and has lost since, by retention or a delete, come back.
  bool earlier = false;
  const std::atomic<bool>* stop = nullptr;
  std::function<void(const std::string&)> say = [](const std::string&) {};
};

/// What a replay did with the records that it took from quarantine.
struct ReplayReport {
  data::Account rows;         // quarantined: refused again, and left where they were
  int64_t already_there = 0;  // a replay that was ended before had put them into the table
  int64_t without_bytes = 0;  // cut at the size limit: nothing to replay; left
  int64_t without_file = 0;   // of a CSV file that is gone, and its header with it; left
  int64_t not_read_yet = 0;   // of a table before this one, which this one still has to read; left
  bool stopped = false;
  std::map<std::string, int64_t> refused_again;  // by reason
};

/// Let refused records of a bronze table go through it once more, as it is defined now, and take
/// those out of quarantine that are not refused again. Quarantine tables of earlier definitions of
/// the table count too, for records that the present one has not been given by its source.
///
/// Each batch is two commits: the rows, then the removal. After a crash between them the next
/// replay finds the rows by their position. Rows become known now, not when they were refused.
/// Errors  kNotFound: no such bronze table. kFailedPrecondition: it holds personal data, so that
///         quarantine has no bytes. kUnavailable: the schema registry.
Result<ReplayReport> replay_quarantine(Workspace& workspace, const ReplayOptions& options);

}  // namespace assay::flow
