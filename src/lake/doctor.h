#pragma once

#include <string>
#include <vector>

#include "lake/lake_access.h"

namespace assay::lake {

/// Something that the doctor found.
struct Finding {
  enum class Severity { kNote, kWarning, kError } severity = Severity::kNote;
  std::string kind;    // "missing_file", "orphan", "corrupt_log", "wrong_statistics", ...
  std::string object;  // key of the file it is about
  std::string text;
  bool mended = false;
};

struct DoctorOptions {
  bool mend = false;       // mend what can be mended without losing a row
  bool statistics = true;  // read the data files and compare
};

/// Examine a table: is its log whole and readable, are its checkpoints, do they say what the log
/// says, are its files there and of the right size, do their statistics hold, what lies
/// about that no version names.
///
/// Mended  statistics that lie, damaged and contradicting checkpoints (check_checkpoints) and a
///         _last_checkpoint that leads nowhere or lies. Leftovers are vacuum's business; lost files
///         are nobody's. No one else may write meanwhile; to examine, they may.
/// Shape   findings in the order of examination; none for a table in good health. Of a table that
/// no
///         reader can read, data files are compared with their statistics when it is mended.
/// Errors  only those of the store; what is wrong with the table is a finding.
Result<std::vector<Finding>> examine_table(const LakeAccess& lake,
                                           const std::string& key,
                                           const DoctorOptions& options = {});

/// The same failure; where it says that a data file of the lake is missing or damaged, kCorrupt and
/// also what to do next. Success stays success. `lake_path` is the store's read_path("").
Status send_to_doctor(Status status, const std::string& lake_path);

/// "note", "warning", "error"
std::string_view severity_name(Finding::Severity severity);

}  // namespace assay::lake
