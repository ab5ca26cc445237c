#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "ingest/file_ledger.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_source.h"

namespace assay::ingest {

/// One numbered part: a partition from a base offset on.
struct KafkaPart {
  TopicPartition partition;
  int64_t ordinal = 0;
  int64_t base = 0;
  bool begun_anew = false;  // its records before were lost
  uint64_t topic_id = 0;    // of the topic that it is of; 0: not known

  [[nodiscard]] int64_t offset_of(int64_t position) const {
    return base + (position - (ordinal << 32));
  }
  [[nodiscard]] int64_t position_of(int64_t offset) const {
    return (ordinal << 32) + (offset - base);
  }
};

/// The numbered parts of a Kafka source, as its ledger has them. Several processes may number at
/// once: a number is whose it was first.
///
/// Threads one thread at a time.
class KafkaParts {
 public:
  KafkaParts(FileLedger& ledger, std::string source)
      : ledger_(ledger), source_(std::move(source)) {}

  /// Look what is numbered by now.
  Status load();
  [[nodiscard]] const std::vector<KafkaPart>& all() const { return parts_; }  // by ordinal
  [[nodiscard]] const KafkaPart* newest(const TopicPartition& partition) const;

  /// Errors  kFailedPrecondition: the topic has `count` partitions and had more.
  [[nodiscard]] Status check_count(const std::string& topic, int32_t count) const;

  /// A partition that is to begin at an offset.
  struct Begin {
    TopicPartition partition;
    int64_t base = 0;
  };
  /// Number partitions, all of them or none.
  ///
  /// Errors  kAlreadyExists: another process has numbered some part since load().
  Status add(const std::vector<Begin>& begins);
  /// Number one behind all that are known, whoever else does.
  Result<KafkaPart> add_behind(const Begin& begin, bool begun_anew);
  /// Keep which topic a part is of, where nothing is known yet; another process may say it first.
  Status note_topic(int64_t ordinal, uint64_t topic_id);

 private:
  Status add_entries(const std::vector<Begin>& begins, bool begun_anew);
  Status load_topics();

  FileLedger& ledger_;
  std::string source_;
  std::vector<KafkaPart> parts_;
  int64_t topics_said_ = 0;  // entries of the ledger that say which topic a part is of
};

/// What a look says of the parts of these topics.
PartsSeen parts_seen(const KafkaLook& look,
                     const std::vector<std::string>& topics,
                     const std::vector<KafkaPart>& parts);

}  // namespace assay::ingest
