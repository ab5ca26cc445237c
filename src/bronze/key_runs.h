#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bronze/key_run.h"

namespace assay::bronze {

/// Runs of accepted keys. Many small ones become a larger one, a little with each question, so that
/// a look-up asks few of them and none waits for it.
///
/// Threads one thread at a time.
/// Cost    memory: filters up to `filter_bytes_max` (those beyond it are read from their files),
///         an eighth of a byte a key, and one more filter while runs are merged.
class KeyRuns {
 public:
  KeyRuns(std::string folder, std::size_t filter_bytes_max);
  ~KeyRuns();
  KeyRuns(KeyRuns&&) noexcept;
  KeyRuns& operator=(KeyRuns&&) noexcept;

  /// Keep keys, which `at` gives in order of their hashes, in a run for each piece.
  ///
  /// Errors  those of KeyRunWriter: nothing is kept then.
  struct Keys {
    int64_t count = 0;                       // at least one
    std::function<AcceptedKey(int64_t)> at;  // by number
  };
  Status add(std::span<const Keys> pieces);

  /// A key that may be there.
  struct Question {
    uint64_t hash = 0;
    EventTime event_time;  // of a record that asks
  };
  /// Hand over keys with these hashes, at least those at most `reach` from the time of who asks;
  /// others of the same hash may come too. Views into them end with the call.
  ///
  /// Errors  those of KeyRun::find; kResourceExhausted: the disk is full.
  Status find(std::vector<Question> questions,
              Duration reach,
              const std::function<void(const AcceptedKey&)>& found);

  /// Give up runs that have no key in `ranges`; theirs are given.
  std::vector<TimeRange> drop_outside(std::span<const TimeRange> ranges);

  [[nodiscard]] bool empty() const { return runs_.empty(); }
  /// Of each run.
  [[nodiscard]] std::vector<TimeRange> ranges() const;
  [[nodiscard]] std::size_t count() const { return runs_.size(); }
  [[nodiscard]] int64_t size() const;
  [[nodiscard]] int64_t file_bytes() const;
  /// Of memory.
  [[nodiscard]] std::size_t bytes() const;

 private:
  class Merge;

  [[nodiscard]] bool may_hold(std::size_t filter_bytes) const;
  Status begin_merge();
  Status merge_on(int64_t keys);

  std::string folder_;
  std::size_t filter_bytes_max_ = 0;
  std::vector<std::unique_ptr<const KeyRun>> runs_;
  std::unique_ptr<Merge> merge_;  // of some of them
};

}  // namespace assay::bronze
