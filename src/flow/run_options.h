#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "base/time.h"
#include "base/wakeup.h"
#include "flow/gold_pace.h"

namespace assay::ingest {
class LeftAskers;
}  // namespace assay::ingest

namespace assay::flow {

struct StageAccount;

/// How a run works; none of it changes a value.
struct RunOptions {
  int threads = 2;
  int64_t epoch_rows = 500'000;         // rows of a bronze commit, about
  std::size_t epoch_bytes = std::size_t{128} << 20;  // or of so many bytes, whichever is less
  int64_t batch_bytes = 8 << 20;        // bytes of records read at once, about
  int64_t gold_chunk_rows = 4'000'000;  // source rows that a gold commit looks at, about
  /// Source rows that are in memory at once while gold is made of them, about: where windows reach
  /// back to more, entities are taken in parts.
  int64_t gold_part_rows = 2'000'000;
  int64_t online_batch_rows =
      1'000'000;  // rows that the online store takes in one transaction, about
  /// The same of a view of latest features alone, whose rows cost the same however few come at once.
  int64_t online_latest_rows = 250'000;
  /// From so many such rows on, the next ones are read while these are applied.
  int64_t online_ahead_rows = 20'000;
  /// Bytes of a compacted table's files that a new view takes in one transaction, about.
  int64_t online_piece_bytes = 256 << 20;
  int64_t publish_records = 100'000;            // records of a transaction of a topic, at most
  Duration ask_timeout{10 * kMicrosPerSecond};  // of questions to brokers about topics and offsets
  /// A commit to a table that several processes write waits this long for those of others.
  Duration turn_wait{10 * kMicrosPerSecond};
  /// Sources are followed without end: it is noted how soon events were readable, and views that
  /// are ahead of the lake stay so, since this process has their journals. Else a view is only
  /// ahead when its journal was lost, and is made anew.
  bool is_live = false;
  /// Topics that values are published to are opened also while a live line ends: their brokers were
  /// there a moment ago.
  bool opens_topics = false;
  bool waits_for_registry = false;  // topics are read on when it answers, however long that takes
  ingest::LeftAskers* left_askers = nullptr;  // has their questions that nobody waits for any more
  bool tells_freshness = false;  // it is noted how soon events were readable, in any case
  /// From so many rows on, stages that do not need each other's run side by side, in two threads;
  /// none: they never do.
  std::optional<int64_t> side_by_side_rows;
  std::set<std::string> ahead;   // views that the line itself moves: the online stage leaves them
  /// Behind a stream gold that took so long waits before it is made again.
  Duration gold_unnoticed{kMicrosPerSecond};
  GoldPace* gold_pace = nullptr;  // whether it is gold's turn; null: it always is
  Wakeup* wakeup = nullptr;      // notified when topics have records
  const std::atomic<bool>* stop = nullptr;  // set: finish the current commit, then kCancelled
  /// Called now and then with one line about what goes on; may be empty.
  std::function<void(const std::string&)> progress;
  /// Called behind each commit of a bronze stage; may be empty.
  std::function<void()> committed;
  /// Called by a bronze stage with what it did to rows beyond its own table, where rows reach views
  /// as they are read; may be empty.
  std::function<void(StageAccount)> also_did;

  /// Without a lake: begin views anew for which the online store has positions that the project's
  /// folder does not know.
  bool begins_anew = false;
  /// Memory of a table's keys, by which duplicates are told; the others lie in files.
  std::size_t duplicates_bytes = std::size_t{256} << 20;

  [[nodiscard]] bool stopping() const { return stop != nullptr && stop->load(); }
  [[nodiscard]] bool is_epoch(int64_t rows, std::size_t bytes) const {
    return rows >= epoch_rows || bytes >= epoch_bytes;
  }
  void say(const std::string& line) const {
    if (progress) {
      progress(line);
    }
  }
};

}  // namespace assay::flow
