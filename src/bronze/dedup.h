#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "bronze/key_run.h"
#include "bronze/key_runs.h"
#include "data/batch.h"

namespace assay::bronze {

/// The ranges of event time that can hold a duplicate of one of these rows, disjoint and ascending:
/// each time widened by `dedup_for` on both sides. At most 16; the nearest ones are joined, so a
/// single row of another century does not ask for all between.
std::vector<TimeRange> needed_ranges(const data::Column& event_times, Duration dedup_for);

/// How much memory accepted keys may take; the others lie in files without a name in `folder`.
/// Without a folder all are in memory.
struct DedupMemory {
  std::string folder;
  std::size_t bytes_max = 0;
};

/// Accepted records of a bronze table by key, to tell which new ones are duplicates.
///
/// A record is a duplicate when an accepted record of smaller sequence has the same key and an
/// event time at most `dedup_for` away, and the last of these has the same content (0 for all where
/// it does not matter). What was accepted is read from the table itself, so a
/// replay decides alike. Keys are compared byte by byte; a null in the key is equal to nothing.
/// Threads one thread at a time.
/// Cost    three look-ups a record; about 60 bytes and the key's bytes per record held in memory,
///         so much in files of the others.
/// Source  docs/decisions/0149-old-keys-lie-in-files.md
class DedupIndex {
 public:
  /// `in_order`: records come in order of sequence, so those of a larger one are not yet to be seen
  /// by a replay. Partitions are read side by side: there every other record counts, and flow
  /// repeats the order in which they were read.
  explicit DedupIndex(Duration dedup_for = {}, bool in_order = true, DedupMemory memory = {});

  /// Parts of `ranges` that have not been loaded yet.
  [[nodiscard]] std::vector<TimeRange> missing(std::span<const TimeRange> ranges) const;

  /// Take over the table's rows with event times in `range`, all of them. `rows` holds the key
  /// columns, event_time and sequence.
  ///
  /// Errors  kInvalidArgument: a column is missing.
  /// `contents`: of the rows; empty: all 0.
  Status load(const data::Batch& rows,
              const std::vector<std::string>& key,
              const TimeRange& range,
              std::span<const uint64_t> contents = {});
  /// The same for some of a range's rows; note_loaded() once all of them are there. What does not
  /// fit in memory goes to a file.
  ///
  /// Errors  those of KeyRuns::add, too.
  Status load_some(const data::Batch& rows,
                   const std::vector<std::string>& key,
                   std::span<const uint64_t> contents = {});
  void note_loaded(const TimeRange& range);

  /// A record that is to be judged.
  struct AskedKey {
    std::string_view key;
    EventTime event_time;
  };
  /// Bring to memory what files have of these keys: to be called before they are judged.
  ///
  /// Errors  those of KeyRuns::find.
  Status recall(std::span<const AskedKey> asked);
  /// Judge one record, and remember it when it is accepted. Its event time lies in a loaded range,
  /// widened by dedup_for (else a bug of ours).
  bool accept(std::string_view key, EventTime event_time, int64_t sequence, uint64_t content = 0);

  /// Whether memory is full: make_room() before more records come.
  [[nodiscard]] bool is_full() const;
  /// Forget what lies outside `ranges`, and put what is left of it into a file where it is more
  /// than half of what memory may have. Files without a key in `ranges` go as a whole. `ranges`
  /// hold the times of all records that the table does not have yet, since only the others can be
  /// loaded again.
  ///
  /// Errors  those of KeyRuns::add.
  Status make_room(std::span<const TimeRange> ranges);
  /// Forget what lies outside `ranges`. Only what is committed can be loaded again: call it after a
  /// commit, never between a batch and its commit.
  void keep_only(std::span<const TimeRange> ranges);

  /// Forget what came last, so that `size` are left in memory: records that were accepted and are
  /// not committed after all. No room was made since they came.
  void forget_newest(int64_t size);

  /// What was loaded, ascending.
  [[nodiscard]] std::span<const TimeRange> loaded() const { return loaded_; }
  [[nodiscard]] Duration dedup_for() const { return dedup_for_; }
  /// Keys in memory.
  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(entries_.size()); }
  [[nodiscard]] std::size_t bytes() const { return table_bytes() + runs_.bytes(); }
  [[nodiscard]] const KeyRuns& files() const { return runs_; }

 private:
  struct Entry {
    uint64_t hash = 0;  // of key and bucket
    uint64_t key_offset = 0;
    uint32_t key_size = 0;
    bool is_in_file = false;  // it was brought from there
    EventTime event_time;
    int64_t sequence = 0;
    uint64_t content = 0;
  };

  [[nodiscard]] int64_t bucket_of(EventTime time) const;
  [[nodiscard]] uint64_t hash_of(std::string_view key, EventTime time) const;
  /// The last entry of the bucket that a record may repeat, or nullptr.
  [[nodiscard]] const Entry* last_near(std::string_view key,
                                       uint64_t key_hash,
                                       int64_t bucket,
                                       EventTime event_time,
                                       int64_t sequence) const;
  [[nodiscard]] bool has(const AcceptedKey& key) const;
  void insert(const AcceptedKey& key, bool is_in_file);
  void grow(std::size_t slots);
  void narrow(std::span<const TimeRange> ranges);
  void rebuild();
  Status spill();
  [[nodiscard]] std::vector<TimeRange> spilled_pieces() const;
  [[nodiscard]] AcceptedKey key_of(const Entry& entry) const;
  [[nodiscard]] std::string_view bytes_of(const Entry& entry) const {
    return std::string_view(keys_).substr(entry.key_offset, entry.key_size);
  }
  [[nodiscard]] std::size_t table_bytes() const;

  Duration dedup_for_;
  bool in_order_ = true;
  DedupMemory memory_;
  std::vector<TimeRange> loaded_;  // disjoint, ascending
  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;  // entry number + 1, 0 for free; size is a power of two
  std::string keys_;
  KeyRuns runs_;
};

}  // namespace assay::bronze
