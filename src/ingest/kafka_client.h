#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/wakeup.h"
#include "base/world.h"

// Kafka as this program needs it, over librdkafka, whose headers only kafka_client.cc sees.

namespace assay::ingest {

struct KafkaClientOptions {
  std::string brokers;
  std::map<std::string, std::string> settings;  // librdkafka's own names; a wrong one is refused
  int64_t queue_bytes_max = 64 << 20;           // fetched or to be sent, held in memory
  bool reads_headers = true;                    // false: messages have none, and come sooner
  /// Of questions about topics and offsets. A producer waits as long for brokers that acknowledge
  /// nothing.
  Duration timeout{10 * kMicrosPerSecond};
  Wakeup* wakeup =
      nullptr;        // notified when records come, so that several may be waited for at once
  std::string group;  // of a consumer that is to join() one
  const std::atomic<bool>* stop = nullptr;  // set: a producer waits for a second of these at most
};

struct TopicPartition {
  std::string topic;
  int32_t partition = 0;
  auto operator<=>(const TopicPartition&) const = default;
  /// "topic/3"
  [[nodiscard]] std::string name() const { return topic + "/" + std::to_string(partition); }
};

/// Offsets of a partition's records: [begin, end).
struct OffsetRange {
  int64_t begin = 0;
  int64_t end = 0;
  bool operator==(const OffsetRange&) const = default;
};

/// What brokers say of topics at one moment.
struct KafkaLook {
  std::map<std::string, int32_t> partitions;  // how many each topic has
  std::map<std::string, uint64_t> ids;        // as KafkaConsumer::topic_ids(); none, or 0: not told
  std::map<TopicPartition, int64_t> ends;     // where all partitions end
};

/// One record; views into the block that brought it.
struct KafkaMessage {
  std::size_t partition = 0;  // index into the assigned ones
  int64_t offset = 0;
  int64_t timestamp_ms = -1;  // of the producer or the broker, as the topic says; -1: none
  std::string_view key;
  std::string_view value;
  bool has_key = false;
  bool has_value = false;  // false: a tombstone
  std::vector<std::pair<std::string_view, std::string_view>> headers;
};

/// What a group has decided about partitions.
struct KafkaRebalance {
  bool gives = false;    // they are this member's; else it is to give them up
  bool is_lost = false;  // of those to give up: others may have them by now
  std::vector<TopicPartition> partitions;
};

/// What one look at the queue brought.
class KafkaBlock {
 public:
  virtual ~KafkaBlock() = default;
  std::vector<KafkaMessage> messages;  // of each partition by offset
  /// Partitions (index into the assigned ones) whose present end was seen, and the offset there.
  std::vector<std::pair<std::size_t, int64_t>> ends;
  /// Partitions (by index) that have no record at the offset that they were asked for. They are
  /// read again from where seek() puts them.
  std::vector<std::size_t> lost;
  /// What the library said of the group, where it cannot do its part for now; it goes on trying.
  std::string group_trouble;
  /// What the group decided behind these records; holds once it is answered by take() or give_up(),
  /// which must come before the next poll().
  std::optional<KafkaRebalance> rebalance;
};

/// Reads partitions from given offsets: those that it is assigned, or those that a group gives it.
/// Keeps no positions.
///
/// Threads one thread at a time; the library fetches in threads of its own.
class KafkaConsumer {
 public:
  /// Touches no broker.
  ///
  /// Errors  kInvalidArgument: a setting that librdkafka does not know or refuses.
  static Result<std::unique_ptr<KafkaConsumer>> open(Log& log, const KafkaClientOptions& options);
  virtual ~KafkaConsumer() = default;

  /// How many partitions a topic has. That there is none is believed when it is still said after
  /// `patience`: a broker that has just come back may not know its topics yet.
  ///
  /// Errors  kNotFound: no such topic; kPermissionDenied; kUnavailable: no broker answers.
  virtual Result<int32_t> partitions(const std::string& topic, Duration patience) = 0;
  /// Numbers made of the ids that the brokers give topics: a topic that is made again under its
  /// name has another. 0 where they do not say, or there is no such topic. The cluster's controller
  /// is asked, and waited for two seconds at most.
  ///
  /// Errors  kUnavailable: it does not answer.
  virtual Result<std::vector<uint64_t>> topic_ids(const std::vector<std::string>& topics) = 0;
  /// What a partition holds now.
  virtual Result<OffsetRange> offsets(const TopicPartition& partition) = 0;
  /// Where partitions end now, all in one question.
  ///
  /// Errors  kUnavailable: no answer within `wait`.
  virtual Result<std::vector<int64_t>> ends(const std::vector<TopicPartition>& partitions,
                                            Duration wait) = 0;
  /// The end of an assigned partition as the last fetch saw it; asks no broker. -1: not known yet.
  virtual int64_t last_seen_end(const TopicPartition& partition) = 0;
  /// Read these partitions, each from the offset given; replaces what was assigned before.
  virtual Status assign(const std::vector<std::pair<TopicPartition, int64_t>>& from) = 0;
  /// Read an assigned partition from another offset on; what was fetched of it is forgotten.
  ///
  /// Errors  kUnavailable: the library did not do it in time.
  virtual Status seek(const TopicPartition& partition, int64_t offset) = 0;
  /// Instead of that: divide the partitions of these topics with the other members of the group.
  /// The destructor leaves it.
  virtual Status join(const std::vector<std::string>& topics) = 0;
  /// Read partitions that the group gives, from these offsets. Their messages have the index of the
  /// order in which they were first taken.
  virtual Status take(const std::vector<std::pair<TopicPartition, int64_t>>& from) = 0;
  /// Read these no longer: whatever is to be done with their records must be done.
  virtual Status give_up(const std::vector<TopicPartition>& partitions) = 0;
  /// Wait for records until there are some, but not longer than `wait`. Gives at most
  /// `records_max`.
  ///
  /// Errors  kNotFound, kPermissionDenied: of a topic. kAborted: the library does not go on; open
  ///         another consumer. After any of them records may be lost: begin anew. Broker failures
  ///         are waited out by the library and come back as no records.
  virtual Result<std::unique_ptr<KafkaBlock>> poll(int64_t records_max, Duration wait) = 0;
};

/// A record to be sent. A key or value without memory is null.
struct KafkaRecord {
  std::string_view key;
  std::string_view value;
  std::vector<std::pair<std::string, std::string>> headers;
};

/// Sends records, each at least once, in the order given per partition.
///
/// Errors  kUnavailable: brokers acknowledged nothing for `timeout`; records may come or not. Close
///         it then, and open another one.
/// Threads one thread at a time.
class KafkaProducer {
 public:
  /// Errors  kInvalidArgument as of the consumer.
  static Result<std::unique_ptr<KafkaProducer>> open(Log& log, const KafkaClientOptions& options);
  virtual ~KafkaProducer() = default;
  /// As KafkaConsumer::partitions; brokers that make topics make this one.
  virtual Result<int32_t> partitions(const std::string& topic, Duration patience) = 0;
  /// Take a record over; waits while the queue is full. Partition -1: by the key's hash.
  virtual Status send(const std::string& topic,
                      int32_t partition,
                      std::string_view key,
                      std::string_view value) = 0;
  /// The same with headers, by the key's hash.
  virtual Status send(const std::string& topic, const KafkaRecord& record) = 0;
  /// Wait until everything was acknowledged.
  ///
  /// Errors  the first failure of any record since the last flush.
  virtual Status flush() = 0;
  /// A record (by index) that the brokers do not take, and why.
  struct Refused {
    std::size_t index = 0;
    Status why;
  };
  /// Send records, by their keys' hash, and wait until each was acknowledged or refused; nothing
  /// else may be on its way.
  virtual Result<std::vector<Refused>> deliver(const std::string& topic,
                                               std::span<const KafkaRecord> records) = 0;
};

/// Where a sender stands, as the last transaction says that was committed.
struct CommittedPosition {
  int64_t count = 0;  // of positions so far
  std::string text;   // the sender's own; at most 3000 bytes
};

/// Sends records to a topic in transactions, each with the position that is reached by it: records
/// and position are committed together or not at all, whatever is killed when.
///
/// The position is an offset of the consumer group that is called as the transactions are; of that
/// group there are no consumers.
/// Threads one thread at a time. After any error close it and open another one, which finds out
///         what became of the last transaction.
/// Source  docs/decisions/0111-published-positions.md
class KafkaTransactions {
 public:
  /// Ends what another one of this name has left behind, and takes its place: that one can commit
  /// nothing any more.
  ///
  /// Errors  kNotFound: no such topic; kInvalidArgument as of the consumer; kPermissionDenied;
  ///         kUnavailable: no broker answers.
  static Result<std::unique_ptr<KafkaTransactions>> open(Log& log,
                                                         const KafkaClientOptions& options,
                                                         const std::string& name,
                                                         const std::string& topic);
  virtual ~KafkaTransactions() = default;
  /// The position that was committed last; nothing when the brokers have none (any more).
  virtual Result<std::optional<CommittedPosition>> position() = 0;
  /// Whether the topic ever had a record.
  virtual Result<bool> has_had_records() = 0;
  virtual Status begin() = 0;
  /// As KafkaProducer::send.
  virtual Status send(const KafkaRecord& record) = 0;
  /// Errors  kCommitUnknown: it may be committed or not.
  virtual Status commit(const CommittedPosition& position) = 0;
};

/// Make a topic; kAlreadyExists when there is one of that name.
Status create_topic(Log& log,
                    const KafkaClientOptions& options,
                    const std::string& topic,
                    int32_t partitions);

}  // namespace assay::ingest
