#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "base/world.h"
#include "catalog/definitions.h"
#include "data/batch.h"
#include "ingest/kafka_client.h"

namespace assay::flow {

/// Sends refused records to the dead-letter topic of their source.
///
/// A record has its key and bytes (of a table with personal data what quarantine may hold of it)
/// and the headers of Kafka Connect, `__connect.errors.topic`, `.partition`, `.offset`, `.stage`,
/// `.exception.class.name` and so on. One that the topic does not take for its size goes without
/// its value, else without its key too. What the topic refuses for good is counted and left to
/// quarantine, so that no record ends the line. At least once: a commit that is made again sends
/// again.
/// Threads one thread at a time.
/// Source  https://cwiki.apache.org/confluence/display/KAFKA/KIP-298,
///         docs/decisions/0194-letters-never-stop-the-line.md
class DeadLetters {
 public:
  /// Touches no broker. The world must outlive it. `timeout`: for brokers that do not answer.
  ///
  /// Errors  kInvalidArgument: a setting that the client library refuses.
  static Result<std::unique_ptr<DeadLetters>> open(World& world,
                                                   const catalog::SourceDef& source,
                                                   const std::string& table,
                                                   Duration timeout);

  /// Whether the topic is there, to be asked before anything is read.
  ///
  /// Errors  kNotFound, kPermissionDenied, with what to do. kUnavailable: no broker answers.
  Status look_for_topic();

  /// Send rows of quality::quarantine_schema(), and wait until the broker has them.
  ///
  /// Errors  kUnavailable: brokers do not answer; nothing may be committed then.
  Status send(const data::Batch& refused);

 private:
  DeadLetters(World& world, std::string topic, std::string source, std::string table)
      : world_(world),
        topic_(std::move(topic)),
        source_(std::move(source)),
        table_(std::move(table)) {}
  Status open_producer();
  Status send_rows(const data::Batch& refused);
  Status deliver(std::span<ingest::KafkaRecord> letters);
  Status deliver_smaller(ingest::KafkaRecord letter, const Status& why);
  void leave(int64_t count, const Status& why);

  World& world_;
  std::string topic_;
  std::string source_;
  std::string table_;
  ingest::KafkaClientOptions options_;
  std::unique_ptr<ingest::KafkaProducer> producer_;  // none: a failed one was closed
  int64_t done_ = 0;                                 // rows of this send()
  int64_t left_ = 0;                                 // of them refused for good
  Status why_left_;                                  // the first of those
};

}  // namespace assay::flow
