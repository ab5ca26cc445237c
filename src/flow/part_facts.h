#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "ingest/kafka_source.h"
#include "lake/delta_table.h"
#include "silver/part_times.h"

namespace assay::flow {

// What bronze tables keep of how their parts are read, and silver tables of how far the parts have
// come: docs/decisions/0173-lateness-by-partition.md, docs/formats/positions.md

/// What a version of a bronze table says.
silver::PartFacts read_part_facts(const lake::Snapshot& snapshot, const std::string& app_id);
/// What a version behind one that says `before` says, where a commit adds `facts`. Of parts that
/// these do not name nothing more was read, and the clock does not go back: another process may
/// have moved it.
silver::PartFacts merge_part_facts(const silver::PartFacts& before, const silver::PartFacts& facts);
/// What the commit must say for that, behind `snapshot`.
std::vector<lake::TxnUpdate> say_part_facts(const silver::PartFacts& facts,
                                            const lake::Snapshot& snapshot,
                                            const std::string& app_id);

/// What a version of a silver table says; without a lake a version of its bronze table.
silver::PartTimes read_part_times(const lake::Snapshot& snapshot, const std::string& app_id);
/// What a commit must say so that its version says this.
std::vector<lake::TxnUpdate> say_part_times(const silver::PartTimes& times,
                                            const lake::Snapshot& snapshot,
                                            const std::string& app_id);

/// Watches how parts are read, by a clock that counts only while brokers answer. So a part is not
/// taken for a still one because brokers, or this process, were away.
class PartWatch {
 public:
  /// No more than this is counted between two answers.
  static constexpr Duration kAnswerMax{10 * kMicrosPerSecond};

  /// At `now` the clock is not behind that one, which another process may have moved.
  void catch_up(Duration line_clock, Duration now);
  /// Brokers answer at `now` of a clock that does not jump. Parts end there, as far as is known,
  /// and were read so far.
  void note_answer(Duration now,
                   const ingest::PartPositions& ends,
                   const ingest::PartPositions& positions);
  void note_no_answer() { answered_.reset(); }
  /// So long nobody was at work.
  void note_pause(Duration pause);
  /// What a commit at `now` says that has the parts so far; `at_end`: those that have nothing more.
  silver::PartFacts facts(Duration now,
                          const ingest::PartPositions& positions,
                          const std::set<int64_t>& at_end);

 private:
  /// Where a part ended when it was looked at.
  struct Mark {
    Duration line_clock;
    int64_t end = 0;
  };
  [[nodiscard]] Duration since_answer(Duration now) const;
  void pass_marks(const ingest::PartPositions& positions);

  Duration line_clock_;
  std::optional<Duration> answered_;
  ingest::PartPositions ends_;           // as the last answer told
  std::map<int64_t, Mark> marks_;        // not read to yet
  std::map<int64_t, Duration> read_to_;  // the clock at the last mark that was
};

}  // namespace assay::flow
