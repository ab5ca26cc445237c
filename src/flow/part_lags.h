#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "base/world.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_source.h"

namespace assay::flow {

/// How far a table is behind the partitions of its topics, for the metrics. Who reads tells what was
/// taken; who looks at the topics beside tells where they end, so that the metrics go on while who
/// reads waits for a store.
///
/// Time    a partition that has more is behind since its last record that was taken was sent, by the
///         topic's word; where nothing was taken, since its next one was; where nobody says, since
///         it was seen to have one. Never since before it was last seen to have no more.
/// Threads thread-safe.
class PartLags {
 public:
  /// The world must outlive it.
  PartLags(World& world, std::string table) : world_(world), table_(std::move(table)) {}

  /// What was taken, and what who reads knows of the ends.
  void note_read(const std::vector<ingest::KafkaSource::PartLag>& parts);
  /// Others tell of these: here they are behind by nothing.
  void leave(const std::vector<ingest::KafkaSource::PartLag>& parts);
  /// Where the partitions end.
  void note_look(const ingest::KafkaLook& look);
  /// Partitions that have more, of which nothing was taken, and the offset of the next record.
  [[nodiscard]] std::vector<std::pair<ingest::TopicPartition, int64_t>> unknown() const;
  /// When that record was sent.
  void note_next(const ingest::TopicPartition& partition, int64_t offset, EventTime sent);
  /// How far behind it is by now.
  void tell();

 private:
  struct Part {
    std::optional<int64_t> next;    // offset of the next record, where who reads said it
    int64_t records = 0;            // that were not taken yet
    std::optional<EventTime> sent;  // of the last record that was taken, or the next one
    bool is_sent_known = false;     // it is that of where the partition stands now
    std::optional<EventTime> behind_since;
    std::optional<EventTime> had_no_more;
  };
  void note_records(Part& part, int64_t records) const;
  void tell(const std::string& name, int64_t records, double seconds) const;
  void tell_source(int64_t records) const;
  void tell_all() const;

  World& world_;
  const std::string table_;
  mutable std::mutex mutex_;
  std::map<std::string, Part> parts_;         // by "topic/3"
  std::vector<ingest::TopicPartition> seen_;  // by the last look
};

}  // namespace assay::flow
