#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "flow/client_beside.h"
#include "flow/topic_watch.h"
#include "flow/up.h"
#include "flow/workspace.h"
#include "ingest/kafka_source.h"

namespace assay::flow {

/// Watches the topics of bronze tables, each in a thread beside, and keeps which tables are left
/// out, since their brokers are away or their lines failed, and when each is to be tried again.
/// Tells all of it once, in metric and log.
///
/// Threads one thread at a time.
/// Source  docs/decisions/0195-a-source-is-away-alone.md
class SourcesAway {
 public:
  /// All must outlive it. Brokers that answer are looked at again after `every`.
  SourcesAway(Workspace& workspace, const UpOptions& options, Wakeup* wakeup, Duration every);

  /// Watch these bronze tables from now on.
  ///
  /// Errors  kInvalidArgument: a setting that the client library refuses.
  Status watch(const std::vector<std::string>& tables);
  /// What their brokers answer now. Those that are silent are waited for while none has answered,
  /// and then for half a second; those of topics that were never found until they are away.
  ///
  /// Errors  kCancelled: asked to stop.
  Result<std::map<std::string, Status>> ask(const std::vector<std::string>& tables);

  struct Answer {
    std::string table;
    TopicWatch::Answer said;
  };
  /// What came since this was called last.
  std::vector<Answer> take();
  /// What the brokers of a table answered last.
  [[nodiscard]] Status last_answer(const std::string& table) const;
  /// Tell whether a table's source can be read, as far as its brokers are concerned.
  void note(const std::string& table, const Status& answer);
  /// Whether the topics of a table were ever found: its brokers' address is no misspelt one.
  Result<bool> was_found(const std::string& table);

  /// Who asks the schema registry of a table's source beside its line; nullptr where it has none.
  std::shared_ptr<ClientBeside> registry(const std::string& table);

  /// A line is left out, or is so still after another try.
  void leave_out(const std::string& table, const Status& why);
  /// Close what read topics, in a thread beside: it says goodbye to brokers that may be silent.
  void close(std::unique_ptr<ingest::KafkaSource> source);
  /// It is back.
  void take_back(const std::string& table);
  [[nodiscard]] std::vector<std::string> left_out() const;
  /// Those whose brokers answer and whose time has come.
  [[nodiscard]] std::vector<std::string> due() const;
  /// None is left out: all lines are opened anew.
  void clear();

 private:
  struct LeftOut {
    Duration since;
    Duration tried_at;
    Duration pause;  // until the next try
  };
  struct Table {
    std::unique_ptr<TopicWatch> watch;
    Status last{Code::kUnavailable, "no broker has answered yet"};
    std::optional<Duration> silent_since;
    std::optional<LeftOut> left_out;
    std::shared_ptr<ClientBeside> registry;
  };
  /// What reads no more says goodbye.
  struct Closing {
    std::shared_ptr<std::atomic<bool>> is_done;
    std::jthread thread;
  };
  [[nodiscard]] const catalog::SourceDef& source_of(const std::string& table) const;
  void tell(const std::string& name, const Table& table);

  Workspace& workspace_;
  const UpOptions& options_;
  Clock& clock_;
  Wakeup* wakeup_;
  Duration every_;
  std::map<std::string, Table> tables_;
  std::vector<Closing> closing_;
};

}  // namespace assay::flow
