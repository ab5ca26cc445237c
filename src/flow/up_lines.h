#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flow/kafka_line.h"
#include "flow/line_opening.h"
#include "flow/run.h"
#include "flow/sources_away.h"
#include "flow/up.h"
#include "flow/workspace.h"

namespace assay::flow {

/// The lines of `assay up`: one for each bronze table of topics. Where there are several, one whose
/// brokers are away, or that fails in a way that may pass, is left out alone and opened again; the
/// others go on. Meanwhile its views stay as they are: they may be ahead of the lake.
///
/// Threads one thread at a time.
/// Source  docs/decisions/0195-a-source-is-away-alone.md
class UpLines {
 public:
  /// All of these must outlive it. `run`: how lines are opened.
  UpLines(Workspace& workspace, const UpOptions& options, RunOptions run);

  /// Open lines, those of brokers that answer, and bring what a crash left in their journals to the
  /// tables.
  ///
  /// Errors  those of KafkaLine::open() and recover(), where no line is open or it may not be left
  ///         out: not everything was made that is to be served, or there is no lake.
  Status open(RunReport* report);
  void close();

  /// Those that are read.
  [[nodiscard]] const std::vector<std::unique_ptr<KafkaLine>>& all() const { return lines_; }
  /// The index of a table's line; nothing where none is read.
  [[nodiscard]] std::optional<std::size_t> index_of(const std::string& table) const;
  /// Whether all of them are.
  [[nodiscard]] bool are_all_open() const;
  /// Views that the stages must leave alone, since their line is left out.
  [[nodiscard]] std::set<std::string> views_left_out() const;

  /// What brokers have answered since this was called last.
  ///
  /// Errors  answers that do not pass: there is no such topic, or we may not read it.
  Result<std::vector<SourcesAway::Answer>> answers();

  /// Whether a line that failed so can be left out alone.
  [[nodiscard]] bool may_leave_out(const Status& why) const;
  /// Close a line. Nothing of it may be on its way to the lake.
  void leave_out(std::size_t index, const Status& why);
  /// Open those that were left out and whose brokers answer, in threads beside, and take those that
  /// are open.
  ///
  /// Errors  those that do not pass.
  Status open_again(RunReport* report);
  /// Whether lines that are back wait for stages that no longer leave their views alone; who begins
  /// some says so.
  [[nodiscard]] bool are_back() const { return !back_.empty(); }
  void note_stages_begun();
  /// These have ended: lines that waited for them are read, with rows that reach views before the
  /// lake where `is_fast`.
  Status join(bool is_fast);

 private:
  /// What a line that was opened beside lives by.
  struct Beside {
    std::unique_ptr<Workspace> workspace;
    std::shared_ptr<std::atomic<bool>> stop;
  };
  struct Back {
    std::unique_ptr<KafkaLine> line;
    bool has_stages = false;  // begun since it is back
  };
  Status open_line(const std::string& name, RunReport* report);

  Workspace& workspace_;
  const UpOptions& options_;
  const RunOptions run_;
  SourcesAway away_;
  bool may_leave_out_ = false;
  std::map<std::string, Beside> beside_;
  std::vector<std::unique_ptr<KafkaLine>> lines_;
  std::map<std::string, std::unique_ptr<LineOpening>> openings_;
  std::map<std::string, Back> back_;
};

}  // namespace assay::flow
