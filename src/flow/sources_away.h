#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/wakeup.h"
#include "flow/part_lags.h"
#include "flow/topic_watch.h"
#include "flow/up.h"
#include "flow/workspace.h"

namespace assay::flow {

/// Whose brokers answer and whose do not, of the bronze tables that read topics, asked beside; and
/// the tables that are left out because they do not, while the others go on.
///
/// Threads one thread at a time.
/// Source  docs/decisions/0210-a-source-is-away-alone.md
class SourcesAway {
 public:
  /// All of them must outlive this; `wakeup` is notified of answers.
  SourcesAway(Workspace& workspace, const UpOptions& options, Wakeup* wakeup, Duration every)
      : workspace_(workspace), options_(options), wakeup_(wakeup), every_(every) {}
  /// Waits for the questions that are on their way.
  ~SourcesAway();
  SourcesAway(const SourcesAway&) = delete;
  SourcesAway& operator=(const SourcesAway&) = delete;

  /// Begin to look at the topics of all tables; the second time it does nothing.
  Status begin();
  /// Ask nothing more: what is on its way ends while other things do.
  void end();

  /// Wait for each table's next answer, some seconds at most, or as long as its brokers are known
  /// to take, before lines are opened. Of a table that did not answer just now that is what counts;
  /// one that is left out, and is not due, is not waited for.
  ///
  /// Errors  kCancelled: stopped meanwhile.
  Result<std::map<std::string, Status>> ask();

  /// Do not wait with the next question about a table's topics.
  void ask_brokers(const std::string& table) { tables_.at(table).watch->ask_now(); }

  struct Answer {
    std::string table;
    TopicWatch::Answer said;
  };
  /// Answers that came since the last call.
  std::vector<Answer> take();
  /// The last one of a table, taken or not; nothing before the first.
  [[nodiscard]] const TopicWatch::Answer* last(const std::string& table) const;

  /// How far a table is behind its topics: told by who reads it, and by the looks.
  [[nodiscard]] PartLags& lags(const std::string& table) { return *tables_.at(table).lags; }

  /// Tell, in metric and log, how it is with a table's source.
  void note(const std::string& table, const Status& status);

  /// Go on without a table for a while: longer each time, unless it was there for long, and at
  /// least as long as the opening `took` that failed.
  void leave_out(const std::string& table, const Status& why, Duration took = {});
  [[nodiscard]] bool is_left_out(const std::string& table) const;
  [[nodiscard]] bool has_left_out() const;
  /// Whether a table is left out, has answered since, and may be tried again; and whether any is.
  [[nodiscard]] bool is_due(const std::string& table) const;
  [[nodiscard]] bool is_any_due() const;
  /// It is read from now on.
  void take_back(const std::string& table);
  /// Whether its topics were found once: brokers that are no misspelt ones.
  Result<bool> was_found(const std::string& table);

 private:
  struct Table {
    std::unique_ptr<PartLags> lags;  // before who uses it
    std::unique_ptr<TopicWatch> watch;
    std::optional<TopicWatch::Answer> last;
    bool is_new = false;                  // the last one was not taken yet
    std::optional<Duration> away_since;   // as the metric tells it
    std::optional<Duration> left_out_at;  // set: it is
    std::optional<Duration> back_at;
    Duration pause;
  };
  void look();
  [[nodiscard]] bool is_known(const Table& table, Duration began) const;
  [[nodiscard]] Duration patience_with(const Table& table) const;
  [[nodiscard]] Duration now() const { return workspace_.world().clock.monotonic(); }

  Workspace& workspace_;
  const UpOptions& options_;
  Wakeup* wakeup_;
  Duration every_;
  std::map<std::string, Table> tables_;  // of topics
};

}  // namespace assay::flow
