#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "flow/test_project.h"

// What lines that are killed are given: events, with what is late of them, and a store.

namespace assay::flow {

inline constexpr char kOneStore[] = "embedded:./online";
// Minutes that rows may be late, whose events are up to 50 minutes behind others.
inline constexpr int kNoneLate = 60;
inline constexpr int kSomeLate = 20;

/// What is late, line by line: in files by all lines before it, of a topic by those of its
/// partition.
class Lateness {
 public:
  Lateness(int32_t partitions, int allowed) : partitions_(partitions), allowed_(allowed) {}

  /// Whether a line that comes now is late; nothing where files and topic say otherwise. `beside`:
  /// 1 for a duplicate, which comes to another partition than its user's.
  [[nodiscard]] std::optional<bool> verdict(const std::string& line, int32_t beside = 0) const {
    const bool is_late = is_behind(kAll, line);
    return is_behind(partition_of(line, beside), line) == is_late ? std::optional(is_late)
                                                                  : std::nullopt;
  }
  void add(const std::string& line) {
    for (const int32_t of : {kAll, partition_of(line, 0)}) {
      int64_t& newest = newest_.try_emplace(of, time_of(line)).first->second;
      newest = std::max(newest, time_of(line));
    }
  }
  /// Whether lines behind it are judged as if it had not come.
  [[nodiscard]] bool makes_none_late(const std::string& line, int32_t beside) const {
    const auto newest = newest_.find(partition_of(line, beside));
    return newest != newest_.end() && time_of(line) < newest->second;
  }

 private:
  static constexpr int32_t kAll = -1;
  static int64_t time_of(const std::string& line) {
    return parse_time(line.substr(line.rfind(',') + 1))->micros;
  }
  [[nodiscard]] int32_t partition_of(const std::string& line, int32_t beside) const {
    return (line[line.find(',') - 1] + beside) % partitions_;
  }
  [[nodiscard]] bool is_behind(int32_t of, const std::string& line) const {
    const auto newest = newest_.find(of);
    return newest != newest_.end() &&
           time_of(line) < newest->second - int64_t{allowed_} * 60 * kMicrosPerSecond;
  }

  int32_t partitions_;
  int allowed_;                          // minutes
  std::map<int32_t, int64_t> newest_{};  // by partition
};

/// The events of six days, lines of CSV by user, in the order in which they are sent to a topic,
/// some of them once more. Those are left out that files and topic take for late one without the
/// other.
class CrashEvents {
 public:
  CrashEvents(int32_t partitions, int allowed)
      : partitions_(partitions), allowed_(allowed), sent_(partitions, allowed) {
    Lateness lateness(partitions, allowed);
    std::set<std::string> keys;  // of two events with one key, files have the first
    for (int day = 1; day <= 6; ++day) {
      const std::string text = TestProject::events_of_day(day);
      for (std::size_t begin = text.find('\n') + 1; begin < text.size();) {
        const std::size_t end = text.find('\n', begin);
        const std::string line = text.substr(begin, end - begin);
        if (lateness.verdict(line).has_value() &&
            keys.insert(line.substr(0, line.find(',')) + line.substr(line.rfind(','))).second) {
          lateness.add(line);
          lines_.push_back(line);
        }
        begin = end + 1;
      }
    }
  }

  /// Some that are sent now.
  struct Some {
    std::string csv = "header\n";
    int count = 0;
    int bad = 0;        // records that are no events, to be sent before them
    std::string again;  // to be sent behind them, to another partition
  };
  Some take(int count) {
    Some some;
    std::optional<bool> is_late;
    for (; some.count < count && has_more(); ++some.count, ++next_) {
      const std::string& line = lines_[next_];
      some.csv += line + "\n";
      some.bad += next_ % kEventsOfABadOne == 0 ? 1 : 0;
      const std::optional<bool> verdict = sent_.verdict(line);
      sent_.add(line);
      if (next_ % 4 == 0 && sent_.makes_none_late(line, 0)) {
        some.again = line;
        is_late = verdict;
      }
    }
    // Whichever of the two is read first is the row: they must be late alike, and make none late.
    if (!some.again.empty() &&
        (sent_.verdict(some.again, 1) != is_late || !sent_.makes_none_late(some.again, 1))) {
      some.again.clear();
    }
    return some;
  }
  [[nodiscard]] std::size_t taken() const { return next_; }
  [[nodiscard]] bool has_more() const { return next_ < lines_.size(); }
  [[nodiscard]] bool has_late() const { return allowed_ < kNoneLate; }
  /// What decides which they are.
  [[nodiscard]] std::pair<int32_t, int> settings() const { return {partitions_, allowed_}; }
  void allow_some_late(TestProject& project) const {
    project.change("allowed_lateness: 1h", "allowed_lateness: " + std::to_string(allowed_) + "m");
  }
  /// All of them, as a file.
  [[nodiscard]] std::string to_csv() const {
    std::string text = "user_id,amount,ts\n";
    for (const std::string& line : lines_) {
      text += line + "\n";
    }
    return text;
  }

 private:
  static constexpr std::size_t kEventsOfABadOne = 40;

  int32_t partitions_;
  int allowed_;  // minutes
  Lateness sent_;
  std::vector<std::string> lines_;
  std::size_t next_ = 0;
};

}  // namespace assay::flow
