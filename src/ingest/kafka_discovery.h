#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/world.h"
#include "catalog/definitions.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_parts.h"

namespace assay::ingest {

/// Ask how many partitions topics have, of which ids they are, and where all partitions end. That
/// there is no such topic is believed when it is still said after `patience`.
///
/// Errors  those of KafkaConsumer. kUnavailable: also where a partition's leader alone has not
///         answered within `wait`. kCancelled: `stop`, which is looked at between questions.
Result<KafkaLook> look_at_topics(KafkaConsumer& consumer,
                                 const std::vector<std::string>& topics,
                                 Duration patience,
                                 Duration wait,
                                 const std::stop_token& stop = {});

/// When the first record of a partition from an offset on was sent; nothing where none comes within
/// `wait`, or its topic does not say. The consumer reads nothing else, and nothing afterwards.
Result<std::optional<EventTime>> first_sent_from(KafkaConsumer& consumer,
                                                 const TopicPartition& partition,
                                                 int64_t offset,
                                                 Duration wait);

/// Finds the partitions of a source's topics, numbers new ones, and tells a topic that was deleted
/// and made again under its name: brokers give it another id.
///
/// Threads one thread at a time. What the constructor is given must outlive it.
/// Source  docs/decisions/0205-ids-of-topics.md
class KafkaDiscovery {
 public:
  struct Options {
    Duration timeout;
    bool is_member = false;  // of a group: who is given a partition numbers it anew
  };
  KafkaDiscovery(World& world,
                 const catalog::SourceDef& definition,
                 const Options& options,
                 KafkaConsumer& consumer,
                 KafkaParts& parts);

  /// See KafkaSource::discover(). Partitions of a topic that was made again are numbered anew where
  /// the source has `on_lost: skip`.
  ///
  /// Errors  kFailedPrecondition: a topic was made again.
  Result<int64_t> look();
  /// Another client has looked: what it saw counts as seen by look(). Nothing is numbered.
  void note(const KafkaLook& look);
  /// Whether a part is of a topic that was there before the one of its name that look() saw.
  [[nodiscard]] bool is_of_another(const KafkaPart& part) const;
  /// Number a partition behind all that are known, of the topic that look() saw.
  Result<KafkaPart> begin_anew(const TopicPartition& partition, int64_t base);

 private:
  Result<std::vector<KafkaParts::Begin>> unnumbered();
  void ask_for_ids();
  Status compare_ids();
  [[nodiscard]] uint64_t id_of(const std::string& topic) const;

  World& world_;
  const catalog::SourceDef& definition_;
  const catalog::KafkaDef& kafka_;
  Options options_;
  KafkaConsumer& consumer_;
  KafkaParts& parts_;
  // As the last look saw the topics:
  std::map<std::string, uint64_t> ids_;  // none, or 0: brokers do not tell
  std::map<std::string, int32_t> partitions_;
};

}  // namespace assay::ingest
