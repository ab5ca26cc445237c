#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/append_file.h"
#include "base/status.h"
#include "base/time.h"
#include "base/world.h"
#include "silver/part_times.h"

namespace assay::flow {

/// What one look at a source's partitions brought: enough to have the same records in the same
/// order again from the brokers.
struct JournaledRead {
  EventTime received;
  int64_t records = 0;
  std::map<int64_t, int64_t>
      part_end;  // by part's ordinal: the position after what was taken of it
  /// Of an epoch's first read: what the commits before it say of the parts. Journals of versions
  /// before 0173-lateness-by-partition.md have none.
  std::optional<silver::PartFacts> before{};
  /// Schemas that its records name and the registry did not have.
  std::vector<int32_t> unknown_schemas{};
  bool operator==(const JournaledRead&) const = default;
};

/// The reads that the online store may have and the lake has not: one file an epoch (the reads
/// between two commits of a bronze table), which is removed when the lake has them. There are two
/// while one epoch is on its way to the lake and the next one is read.
///
/// A read is in the journal before the online store has anything of it. After a crash the same
/// reads are made again, so that every record meets the same verdict as before.
/// Format  docs/formats/read_journal.md
/// Threads one thread at a time.
class ReadJournal {
 public:
  /// Of the bronze table with this key, in the project's folder.
  ReadJournal(World& world, const std::string& project_folder, const std::string& table_key);

  /// Add a read of `epoch`; durable at return. Only of an epoch whose file this object began.
  Status add(int64_t epoch, const JournaledRead& read);
  /// The reads of an epoch in their order; none when it has no file. What a crash cut off at the
  /// end was not applied anywhere and is left out.
  ///
  /// Errors  kCorrupt: damage before the end; the file is named.
  Result<std::vector<JournaledRead>> read(int64_t epoch);
  /// Remove the files of this epoch and those before it.
  Status remove_up_to(int64_t epoch);
  /// Whether any epoch has a file.
  Result<bool> has_file();
  /// Whether there are any, of whatever table.
  static Result<bool> has_any(World& world, const std::string& project_folder);
  /// Remove the files of tables that are none of these.
  Status remove_others(const std::vector<std::string>& table_keys);

 private:
  /// A file of the folder: whose it is, and of which epoch.
  struct Journal {
    std::string path;
    std::string prefix;
    int64_t epoch = 0;
  };
  Result<std::vector<Journal>> journals();
  [[nodiscard]] std::string path_of(int64_t epoch) const;

  World& world_;
  std::string folder_;
  std::string prefix_;
  int64_t open_epoch_ = -1;
  int64_t next_ = 0;  // number of the open file's next entry
  std::unique_ptr<AppendFile> file_;
};

/// The bytes of a journal's file, and back: up to the first entry that is not whole.
///
/// Errors  kCorrupt: another entry lies behind that one, so that no crash cut it off.
void append_read(std::string* bytes, int64_t index, const JournaledRead& read);
Result<std::vector<JournaledRead>> parse_reads(std::string_view bytes);

}  // namespace assay::flow
