#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/scratch_file.h"
#include "base/status.h"
#include "base/time.h"

namespace assay::bronze {

/// Instants from `first` to `last`, both included.
struct TimeRange {
  EventTime first;
  EventTime last;
  bool operator==(const TimeRange&) const = default;
};

/// An accepted record, by which duplicates of it are told.
struct AcceptedKey {
  uint64_t hash = 0;     // equal for equal keys that can be duplicates
  std::string_view key;  // its bytes
  EventTime event_time;
  int64_t sequence = 0;
  uint64_t content = 0;
};

/// Accepted keys in a file: in order of their hashes, never changed, gone with this object or with
/// the process. The table has all of them, so there is nothing to keep.
///
/// Threads one thread at a time.
/// Cost    memory: an eighth of a byte a key, and 1.5 bytes where its filter is held.
class KeyRun {
 public:
  /// Hand over the keys of these hashes, which ascend; views into them end with the call.
  ///
  /// Errors  kUnavailable: the file does not give its bytes back; kCorrupt: they are others.
  /// Cost    a read of some kilobytes for each hash that is there, and for one in some hundred of
  ///         the others; where the filter is not held, what of it the hashes lie in.
  Status find(std::span<const uint64_t> hashes,
              const std::function<void(const AcceptedKey&)>& found) const;

  /// Event times of the oldest and the newest key.
  [[nodiscard]] const TimeRange& range() const { return range_; }
  [[nodiscard]] int64_t size() const { return size_; }
  [[nodiscard]] int64_t file_bytes() const { return file_.size(); }
  /// Of memory.
  [[nodiscard]] std::size_t filter_bytes() const { return filter_.capacity() * sizeof(Block); }
  [[nodiscard]] std::size_t bytes() const {
    return filter_bytes() + segments_.capacity() * sizeof(Segment);
  }
  /// What a filter of so many keys takes.
  static std::size_t filter_bytes_of(int64_t keys);

 private:
  friend class KeyRunWriter;
  friend class KeyRunReader;

  static constexpr std::size_t kWords = 8;
  struct Block {
    uint32_t words[kWords] = {};
  };
  /// So many keys after each other in the file.
  struct Segment {
    uint64_t first_hash = 0;
    int64_t offset = 0;
  };
  class Filter;

  explicit KeyRun(ScratchFile file) : file_(std::move(file)) {}
  static uint64_t blocks_of(int64_t keys);
  [[nodiscard]] Result<std::string> read_segment(std::size_t segment) const;
  [[nodiscard]] Status find_in_segments(uint64_t hash,
                                        const std::function<void(const AcceptedKey&)>& found) const;

  ScratchFile file_;
  std::vector<Segment> segments_;
  std::vector<Block> filter_;  // empty: it is read from the file
  int64_t filter_offset_ = 0;  // where the segments end
  uint64_t blocks_ = 0;
  int64_t size_ = 0;
  TimeRange range_;
};

/// Writes a run.
class KeyRunWriter {
 public:
  /// For so many keys, at least one.
  ///
  /// Errors  those of ScratchFile.
  static Result<KeyRunWriter> open(const std::string& folder, int64_t keys);
  /// The next key; hashes ascend. kResourceExhausted: the disk is full.
  Status add(const AcceptedKey& key);
  /// The run, once it has as many keys as were said. `holds_filter`: in memory.
  Result<KeyRun> finish(bool holds_filter) &&;

 private:
  KeyRunWriter(KeyRun run, int64_t keys) : run_(std::move(run)), keys_(keys) {}
  Status write_out();

  KeyRun run_;
  int64_t keys_ = 0;
  uint64_t last_hash_ = 0;
  std::string bytes_;  // on their way to the file
};

/// Reads a run from its beginning to its end; the run must outlive it.
class KeyRunReader {
 public:
  explicit KeyRunReader(const KeyRun& run) : run_(&run) {}
  /// The next key, good until the next call; nothing at the end. Errors as KeyRun::find.
  Result<std::optional<AcceptedKey>> next();

 private:
  const KeyRun* run_;
  std::size_t segment_ = 0;
  std::string bytes_;
  std::size_t at_ = 0;
};

}  // namespace assay::bronze
