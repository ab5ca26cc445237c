#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "online/hash_log.h"

namespace assay::online {

/// What a transaction of a hash log is made of. A key is put or erased once at most.
///
/// Threads one thread at a time.
class HashLogWriter {
 public:
  /// As it was before the transaction.
  [[nodiscard]] const HashLog::Snapshot& snapshot() const { return snapshot_; }
  /// `before`: what the snapshot found under the key.
  /// Errors  kResourceExhausted: longer than a file of the log.
  Status put(RecordKind kind,
             uint32_t epoch,
             std::string_view key,
             std::string_view value,
             const Found& before);
  Status erase(RecordKind kind, uint32_t epoch, std::string_view key, const Found& before);
  /// Give up a record that cannot be believed: its slot leads from now on to one that says so.
  Status lose(uint64_t hash, uint64_t place);
  /// Keep what is known of a view, with the bytes that its live records have.
  Status put_meta(uint32_t epoch, std::string_view note, const Found& before);
  /// The note of put_meta(); nothing when `meta` was not found.
  static Result<std::optional<std::string_view>> note_of(const Found& meta);
  /// What put_meta() knew of the view's live records; 0 when `meta` was not found.
  static Result<int64_t> live_bytes_of(const Found& meta);

  /// The epoch of a view that is not in the directory.
  uint32_t add_view(const std::string& name, uint64_t fingerprint);
  Status drop_view(const std::string& name);
  /// Another name for a view of the directory; who had it is dropped.
  Status rename_view(const std::string& name, const std::string& to);

 private:
  friend class HashLog;
  /// What is written to one file at once.
  struct Part {
    uint64_t file = 0;
    uint64_t offset = 0;
    LogBytes bytes;
  };
  struct Change {
    uint64_t hash = 0;
    uint64_t previous = 0;
    uint64_t place = 0;
  };

  HashLogWriter(HashLog& log, uint64_t committed, uint64_t tail);
  Status append(const LogRecord& record);
  Status write_part();
  Status finish();
  Status put_directory();
  [[nodiscard]] uint64_t end() const;
  [[nodiscard]] uint64_t bytes() const;
  [[nodiscard]] const LogDirectory& directory() const;
  LogDirectory& changed_directory();

  HashLog& log_;
  HashLog::Snapshot snapshot_;
  Part part_;              // the one that is being filled
  uint64_t written_ = 0;   // bytes of those before it, which stand behind the log already
  bool is_begun_ = false;  // something was put there, or the attempt was made
  Status failure_;         // of writing one of them
  std::vector<std::unique_ptr<LogFile>> left_;  // files that are full, not synced yet
  std::vector<Change, BlockAllocator<Change>> changes_;
  std::vector<Change> vacated_;  // keys that have no record any more
  std::optional<LogDirectory> directory_;
  int64_t live_bytes_ = 0;  // more than before
  int64_t dropped_bytes_ = 0;
  uint64_t tail_;
  uint64_t tail_before_;
  uint64_t cleaned_;  // place up to which the first file will have been looked through
  uint32_t checksum_ = 0;
  uint32_t records_ = 0;
};

/// What a process that writes remembers between transactions.
struct HashLog::WriterState {
  std::unique_ptr<LogFile> file;  // the last one of the log
  bool failed = false;            // the disk did
  uint64_t cleaned = 0;           // place up to which the first file has been looked through
  uint64_t stuck_at = 0;          // there; cleaning cannot go on
  bool checkpoint_due = false;    // a restarted machine would meet damage behind the last one
  struct Checkpoint {
    std::unique_ptr<LogFile> file;
    uint64_t start = 0;
    uint64_t generation = 0;
    uint64_t next = 0;  // byte of the index
  };
  std::optional<Checkpoint> checkpoint;
  std::string unfinished;  // its file until it is whole: nobody else writes there
};

}  // namespace assay::online
