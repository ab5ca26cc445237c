#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace assay::ingest {

/// A Kafka cluster inside this process, for tests: librdkafka's own mock.
class KafkaMock {
 public:
  /// Its brokers are numbered from 1.
  static std::unique_ptr<KafkaMock> start(int brokers = 1);
  /// One broker that gives topics no ids, as those before Kafka 2.8.
  static std::unique_ptr<KafkaMock> start_without_ids();
  virtual ~KafkaMock() = default;
  [[nodiscard]] virtual const std::string& brokers() const = 0;
  virtual void create_topic(const std::string& topic, int32_t partitions) = 0;
  /// Delete a topic, and make another one of its name.
  virtual void make_again(const std::string& topic, int32_t partitions) = 0;
  /// From now on it answers that there is no such topic.
  virtual void lose_topic(const std::string& topic) = 0;
  /// And no longer.
  virtual void find_topic(const std::string& topic) = 0;
  /// The next `count` fetches fail as a broker that is not the leader answers them.
  virtual void fail_fetches(int count) = 0;
  /// So do the next `count` fetches from one broker, as it answers whose records are gone.
  virtual void fail_fetches_as_gone(int32_t broker, int count) = 0;
  /// Failures of fetches that were asked for and have not come yet.
  [[nodiscard]] virtual int fetches_to_fail(int32_t broker) const = 0;
  virtual void set_leader(const std::string& topic, int32_t partition, int32_t broker) = 0;
  /// The first members of a group are given partitions at once, whoever else may come.
  virtual void give_soon() = 0;
  /// The broker that divides a group's partitions.
  virtual void set_coordinator(const std::string& group, int32_t broker) = 0;
  /// So do the next `count` questions about offsets.
  virtual void fail_offsets(int count) = 0;
  /// And requests with records to be taken, as those that are too large.
  virtual void fail_produces_as_too_large(int count) = 0;
  /// The next `count` members that ask to join a group are told that it has too many.
  virtual void fail_joins(int count) = 0;
  /// Take a broker away: connections end and none is taken. And bring it back.
  virtual void set_away(bool is_away, int32_t broker = 1) = 0;
  /// All brokers take connections and questions, and do not answer. And answer again.
  virtual void set_hanging(bool hangs) = 0;
};

}  // namespace assay::ingest
