#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flow/client_beside.h"
#include "flow/kafka_line.h"
#include "flow/lag_metrics.h"
#include "flow/run.h"
#include "flow/topic_watch.h"
#include "flow/up.h"
#include "flow/workspace.h"

namespace assay::flow {

/// The lines of `assay up`: one for each bronze table of topics. Where there are several, one whose
/// brokers are away, or that fails in a way that may pass, is left out alone and tried again; the
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
  /// Errors  those of KafkaLine::open() and recover(), where no line is open, or may not be left
  ///         out: its topics were never found, or there is no lake.
  Status open(RunReport* report);
  void close();

  [[nodiscard]] const std::vector<std::unique_ptr<KafkaLine>>& all() const { return lines_; }
  [[nodiscard]] bool are_all_open() const { return left_out_.empty(); }
  /// Views that the stages must leave alone, since their line is left out.
  [[nodiscard]] std::set<std::string> views_left_out() const;

  /// Whether a line that failed so can be left out alone.
  [[nodiscard]] bool may_leave_out(const Status& why) const;
  /// Close a line. Nothing of it may be on its way to the lake.
  void leave_out(std::size_t index, const Status& why);
  /// Open a line that was left out, if its brokers answer and it is time; true when one came back.
  ///
  /// Errors  those that do not pass.
  Result<bool> take_back(RunReport* report);

  /// Lines whose topics have other partitions than when they were looked at, or that must be
  /// placed anew.
  ///
  /// Errors  what brokers answer that does not pass: there is no such topic, or we may not read it.
  Result<std::vector<KafkaLine*>> changed();
  /// A line has looked for its partitions.
  void note_looked_at(const KafkaLine& line);

 private:
  struct LeftOut {
    std::set<std::string> views;
    bool answers = false;  // its brokers, since it was left out or tried last
    Duration since;
    Duration pause;
  };
  struct Seen {
    std::map<std::string, int32_t> last;       // partitions by topic
    std::map<std::string, int32_t> looked_at;  // by the line
  };
  Status open_line(const std::string& name, RunReport* report);
  Status ask_registry(const std::string& name);
  [[nodiscard]] const catalog::SourceDef& source_of(const std::string& name) const;
  Status open_those_that_answer(const std::vector<std::string>& names, RunReport* report);
  Result<std::map<std::string, Status>> wait_for_answers(const std::vector<std::string>& names);
  Status prepare(const std::vector<std::string>& names);
  Result<bool> was_found(const std::string& name);
  void note_left_out(const std::string& name, const Status& why, Duration pause);
  [[nodiscard]] KafkaLine* line_of(const std::string& name) const;

  Workspace& workspace_;
  const UpOptions& options_;
  const RunOptions run_;
  Clock& clock_;
  BrokersAway brokers_;
  std::map<std::string, std::unique_ptr<TopicWatch>> watches_;
  std::map<std::string, std::shared_ptr<ClientBeside>> registries_;
  std::vector<std::unique_ptr<KafkaLine>> lines_;
  std::map<std::string, LeftOut> left_out_;
  std::map<std::string, Seen> seen_;
};

}  // namespace assay::flow
