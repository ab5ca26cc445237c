#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_lines.h"

// What consumer, producer and transactions of the adapter of librdkafka share. Nobody else includes
// it.

struct rd_kafka_s;
struct rd_kafka_error_s;
struct rd_kafka_message_s;
struct rd_kafka_topic_partition_list_s;

namespace assay::ingest {

/// What the library's callbacks are given.
struct KafkaCallbacks {
  std::unique_ptr<KafkaLines> lines{};
  std::deque<KafkaRebalance> rebalances{};  // told, and not handed out yet
  bool is_closing = false;
  std::string refused{};  // why no connection is to be had, where a broker or TLS refuses it
};

struct KafkaDestroy {
  void operator()(rd_kafka_s* client) const;
};

/// A client of the library, and what its callbacks use, which outlives it.
struct KafkaHandle {
  std::unique_ptr<KafkaCallbacks> callbacks;
  std::unique_ptr<rd_kafka_s, KafkaDestroy> client;
  [[nodiscard]] rd_kafka_s* get() const { return client.get(); }
};

/// Called for each record that was sent, from within a poll or flush.
using KafkaDelivery = void (*)(rd_kafka_s*, const rd_kafka_message_s*, void*);

/// A client by the user's options, over which go those of `own`.
///
/// Errors  kInvalidArgument: an option that the library does not know or refuses.
Result<KafkaHandle> open_kafka_consumer(Log& log,
                                        const KafkaClientOptions& options,
                                        const std::map<std::string, std::string>& own);
Result<KafkaHandle> open_kafka_producer(Log& log,
                                        const KafkaClientOptions& options,
                                        const std::map<std::string, std::string>& own,
                                        KafkaDelivery on_delivery);

/// Our code for one of the library's, a `rd_kafka_resp_err_t`; and what failed, with its text.
Code kafka_code(int error);
Status kafka_failure(int error, const std::string& what);
/// What the library says of a call; the error is destroyed.
Status kafka_result(rd_kafka_error_s* error, const std::string& what);

/// A group gives partitions to a consumer, or takes them.
void on_kafka_rebalance(rd_kafka_s* client,
                        bool gives,
                        rd_kafka_topic_partition_list_s* list,
                        KafkaCallbacks* callbacks);

/// See KafkaConsumer::partitions and KafkaConsumer::offsets.
Result<int32_t> kafka_partitions(const KafkaHandle& handle,
                                 const std::string& topic,
                                 int timeout_ms,
                                 Duration patience);
Result<OffsetRange> kafka_offsets(const KafkaHandle& handle,
                                  const TopicPartition& partition,
                                  int timeout_ms);

/// See KafkaConsumer::ends.
Result<std::vector<int64_t>> kafka_ends(const KafkaHandle& handle,
                                        const std::vector<TopicPartition>& partitions,
                                        int timeout_ms);

/// See KafkaConsumer::topic_ids.
Result<std::vector<uint64_t>> kafka_topic_ids(const KafkaHandle& handle,
                                              const std::vector<std::string>& topics,
                                              int timeout_ms);

/// Bytes as the library's options take them.
std::string kafka_kilobytes(int64_t bytes);

}  // namespace assay::ingest
