#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flow/published_changes.h"
#include "flow/published_position.h"
#include "flow/run.h"
#include "flow/run_options.h"
#include "flow/workspace.h"
#include "ingest/kafka_client.h"

namespace assay::flow {

/// Whether a project has anything to publish.
bool publishes(const catalog::Project& project);

/// How a topic's transactions are opened: KafkaTransactions::open, or a test's.
using OpenTransactions = std::function<Result<std::unique_ptr<ingest::KafkaTransactions>>(
    Log& log,
    const ingest::KafkaClientOptions& options,
    const std::string& name,
    const std::string& topic)>;

/// Sends values to topics as they change: of each entity whose answer is another one than what was
/// sent last, the present one.
///
/// A round's records and the position behind them are one transaction, or several for many
/// entities, so that a consumer of committed records has every change once, whatever was killed
/// when. What changed is found in the steps tables, between the versions that two positions name.
/// Threads one thread at a time.
/// Source  docs/decisions/0111-published-positions.md
class Publisher {
 public:
  explicit Publisher(Workspace& workspace,
                     OpenTransactions opener = ingest::KafkaTransactions::open);

  /// Bring every topic to where the tables are, for the present instant; definitions must be
  /// complete. When options.is_live, a topic that cannot be written fails nothing: it is tried
  /// again by a later call, which comes not before a while has gone by.
  ///
  /// Errors  kNotFound: no such topic; kFailedPrecondition: another process publishes to it; those
  ///         of KafkaTransactions and of the lake.
  Status publish(const RunOptions& options, RunReport* report);
  /// Whether a topic is open: its brokers were there when it was written last.
  [[nodiscard]] bool has_open_topics() const;

 private:
  struct Topic {
    std::unique_ptr<PublishedValues> values;
    catalog::PublishDef definition;
    std::unique_ptr<ingest::KafkaTransactions> transactions;  // none: not open
    int64_t count = 0;                                        // of positions
    PublishedPosition at;
    std::string told;    // the position that this process committed or found last; "" for none
    std::string trying;  // the one that it was about to commit: what became of it may not be known
    bool is_anothers = false;  // another process has committed positions since
    std::optional<Duration> away_since;
    Duration retry_at;
    Duration pause;
  };
  Status open_topics();
  /// Records that bring a topic to a state, and the next ones of them.
  struct Round {
    PublishedState target;
    std::unique_ptr<ChangeReader> reader;
    std::vector<PublishedRecord> records;
  };
  Status publish_topic(Topic* topic, const RunOptions& options, StageAccount* account);
  Result<bool> send_round(Topic* topic,
                          Round round,
                          const RunOptions& options,
                          StageAccount* account);
  Result<Round> begin_round(Topic* topic, const PublishedState& present, int64_t records_max);
  static Result<Round> read_round(const Topic& topic, const PublishedState& present);
  static void leave_round(Topic* topic);
  void shorten(Topic* topic, const PublishedState& present);
  Status leave_what_is_gone(Topic* topic);
  void note_anew(const Topic& topic, const Status& why);
  Status send(Topic* topic, const Round& round, const PublishedPosition& reached);
  void keep_copy(const Topic& topic, const std::string& text);
  Status open(Topic* topic, const RunOptions& options);
  Result<std::string> copy_of(const Topic& topic);
  Status note(Topic* topic, Status status, bool is_live);

  Workspace& workspace_;
  OpenTransactions open_;
  std::vector<Topic> topics_;
};

/// The states that topics stand at, by the copies of their positions in the project's folder:
/// upkeep must leave what they were made from.
Result<std::vector<PublishedState>> published_states(Workspace& workspace);

}  // namespace assay::flow
