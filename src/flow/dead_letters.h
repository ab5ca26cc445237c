#pragma once

#include <memory>
#include <string>

#include "base/log.h"
#include "base/status.h"
#include "catalog/definitions.h"
#include "data/batch.h"
#include "ingest/kafka_client.h"

namespace assay::flow {

/// Sends refused records to the dead-letter topic of their source.
///
/// A record has its key and bytes (of a table with personal data what quarantine may hold of it)
/// and the headers of Kafka Connect, `__connect.errors.topic`, `.partition`, `.offset`, `.stage`,
/// `.exception.class.name` and so on. At least once: a commit that is made again sends again.
/// Threads one thread at a time.
/// Source  https://cwiki.apache.org/confluence/display/KAFKA/KIP-298
class DeadLetters {
 public:
  /// Touches no broker.
  ///
  /// Errors  kInvalidArgument: a setting that the client library refuses.
  static Result<std::unique_ptr<DeadLetters>> open(Log& log,
                                                   const catalog::SourceDef& source,
                                                   const std::string& table);

  /// Send rows of quality::quarantine_schema(), and wait until the broker has them.
  ///
  /// Errors  of the producer: nothing may be committed then.
  Status send(const data::Batch& refused);

 private:
  DeadLetters(std::string topic, std::string source, std::string table)
      : topic_(std::move(topic)), source_(std::move(source)), table_(std::move(table)) {}
  std::string topic_;
  std::string source_;
  std::string table_;
  std::unique_ptr<ingest::KafkaProducer> producer_;
};

}  // namespace assay::flow
