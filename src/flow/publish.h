#pragma once

#include <memory>
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
  explicit Publisher(Workspace& workspace);

  /// Bring every topic to where the tables are, for the present instant; definitions must be
  /// complete. Brokers that are away are tried again by a later call when options.is_live, which
  /// comes not before a while has gone by.
  ///
  /// Errors  kNotFound: no such topic; those of KafkaTransactions and of the lake.
  Status publish(const RunOptions& options, RunReport* report);

 private:
  struct Topic {
    std::unique_ptr<PublishedValues> values;
    catalog::PublishDef definition;
    std::unique_ptr<ingest::KafkaTransactions> transactions;  // none: not open
    int64_t count = 0;                                        // of positions
    PublishedPosition at;
    std::optional<Duration> away_since;
    Duration retry_at;
    Duration pause;
  };
  Status open_topics();
  Status publish_topic(Topic* topic, const RunOptions& options, StageAccount* account);
  Status open(Topic* topic, const RunOptions& options);
  Result<std::unique_ptr<ChangeReader>> begin_round(Topic* topic, PublishedState* target);
  Status send(Topic* topic,
              const PublishedState& target,
              const std::vector<PublishedRecord>& records,
              const PublishedPosition& reached);
  Status note(Topic* topic, Status status, bool is_live);
  [[nodiscard]] std::string copy_path(const Topic& topic) const;

  Workspace& workspace_;
  std::vector<Topic> topics_;
};

}  // namespace assay::flow
