// The parts of the adapter of librdkafka that its clients share.

#include "ingest/kafka_library.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <librdkafka/rdkafka.h>

#include "base/hash.h"
#include "base/pause.h"

namespace assay::ingest {
namespace {

constexpr std::size_t kErrorBytes = 512;
constexpr int kLeaderWaitMs = 100;
constexpr int kConnectMs = 1'500;  // after which it is asked why there is no connection

using ConfigPtr = std::unique_ptr<rd_kafka_conf_t, decltype(&rd_kafka_conf_destroy)>;
using ErrorPtr = std::unique_ptr<rd_kafka_error_t, decltype(&rd_kafka_error_destroy)>;

bool has_no_leader(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
         error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
}

/// Lines of the library's own log.
void on_log(const rd_kafka_t* handle, int level, const char* facility, const char* text) {
  KafkaLines& lines = *static_cast<KafkaCallbacks*>(rd_kafka_opaque(handle))->lines;
  constexpr int kSyslogError = 3;
  if (level <= kSyslogError) {
    lines.warn(facility, text);
  } else {
    lines.debug(facility, text);
  }
}

/// What befalls connections. Called from within polls.
void on_error(rd_kafka_t* handle, int error, const char* text, void* /*opaque*/) {
  KafkaCallbacks& callbacks = *static_cast<KafkaCallbacks*>(rd_kafka_opaque(handle));
  if (error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR__SSL) {
    const std::string_view options =
        error == RD_KAFKA_RESP_ERR__SSL
            ? "; see `ssl.ca.location` and the other `ssl.` options of the source"
            : "; see `sasl.mechanism`, `sasl.username` and `sasl.password` of the source";
    callbacks.refused = text;
    callbacks.refused += options;
  }
  callbacks.lines->warn("ERROR", text);
}

void tell_rebalance(rd_kafka_t* client,
                    rd_kafka_resp_err_t what,
                    rd_kafka_topic_partition_list_t* list,
                    void* callbacks) {
  const bool gives = what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
  if (gives || what == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    on_kafka_rebalance(client, gives, list, static_cast<KafkaCallbacks*>(callbacks));
  } else {
    rd_kafka_assign(client, nullptr);
  }
}

/// The addresses that a client begins with.
std::string brokers_of(const KafkaHandle& handle) {
  std::array<char, kErrorBytes> text{};
  std::size_t size = text.size();
  const bool is_known =
      rd_kafka_conf_get(rd_kafka_conf(handle.get()), "bootstrap.servers", text.data(), &size) ==
      RD_KAFKA_CONF_OK;
  return is_known ? text.data() : "the brokers";
}

Status no_topic(const KafkaHandle& handle, const std::string& topic) {
  return {Code::kNotFound,
          "there is no topic " + topic + " at " + brokers_of(handle) +
              "; make it, or correct its name"};
}

/// Whether a question got no answer; then it is heard what the library has to say of that.
bool is_without_connection(const KafkaHandle& handle, rd_kafka_resp_err_t error) {
  if (error != RD_KAFKA_RESP_ERR__TRANSPORT && error != RD_KAFKA_RESP_ERR__TIMED_OUT) {
    return false;
  }
  rd_kafka_poll(handle.get(), 0);
  return true;
}

Status set_option(rd_kafka_conf_t* config, const std::string& name, const std::string& value) {
  std::array<char, kErrorBytes> text{};
  if (rd_kafka_conf_set(config, name.c_str(), value.c_str(), text.data(), text.size()) !=
      RD_KAFKA_CONF_OK) {
    return {Code::kInvalidArgument, "kafka option `" + name + "`: " + text.data()};
  }
  return {};
}

Result<KafkaHandle> open_client(rd_kafka_type_t type,
                                Log& log,
                                const KafkaClientOptions& options,
                                const std::map<std::string, std::string>& own,
                                KafkaDelivery on_delivery) {
  ConfigPtr config(rd_kafka_conf_new(), rd_kafka_conf_destroy);
  std::map<std::string, std::string> all = options.settings;
  for (const auto& [name, value] : own) {
    all[name] = value;
  }
  all["bootstrap.servers"] = options.brokers;
  // The end of a request must not wait 40 ms until the broker has acknowledged its beginning.
  all.emplace("socket.nagle.disable", "true");
  for (const auto& [name, value] : all) {
    ASSAY_RETURN_IF_ERROR(set_option(config.get(), name, value));
  }
  KafkaHandle handle{std::make_unique<KafkaCallbacks>(), nullptr};
  handle.callbacks->lines = std::make_unique<KafkaLines>(log, system_clock());
  rd_kafka_conf_set_opaque(config.get(), handle.callbacks.get());
  if (!options.group.empty()) {
    rd_kafka_conf_set_rebalance_cb(config.get(), tell_rebalance);
  }
  rd_kafka_conf_set_log_cb(config.get(), on_log);
  rd_kafka_conf_set_error_cb(config.get(), on_error);
  rd_kafka_conf_set_dr_msg_cb(config.get(), on_delivery);
  std::array<char, kErrorBytes> text{};
  handle.client.reset(rd_kafka_new(type, config.get(), text.data(), text.size()));
  if (handle.client == nullptr) {
    return Status(Code::kInvalidArgument, std::string("kafka client: ") + text.data());
  }
  (void)config.release();  // the handle's now
  return handle;
}

rd_kafka_resp_err_t ask_for_offsets(const KafkaHandle& handle,
                                    const TopicPartition& partition,
                                    OffsetRange* range,
                                    int timeout_ms) {
  return rd_kafka_query_watermark_offsets(handle.get(),
                                          partition.topic.c_str(),
                                          partition.partition,
                                          &range->begin,
                                          &range->end,
                                          timeout_ms);
}

}  // namespace

void KafkaDestroy::operator()(rd_kafka_s* client) const {
  rd_kafka_destroy(client);
}

Result<KafkaHandle> open_kafka_consumer(Log& log,
                                        const KafkaClientOptions& options,
                                        const std::map<std::string, std::string>& own) {
  return open_client(RD_KAFKA_CONSUMER, log, options, own, nullptr);
}

Result<KafkaHandle> open_kafka_producer(Log& log,
                                        const KafkaClientOptions& options,
                                        const std::map<std::string, std::string>& own,
                                        KafkaDelivery on_delivery) {
  return open_client(RD_KAFKA_PRODUCER, log, options, own, on_delivery);
}

Code kafka_code(int error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      return Code::kNotFound;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return Code::kPermissionDenied;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return Code::kUnauthenticated;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      return Code::kOutOfRange;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
      return Code::kInvalidArgument;
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
      return Code::kUnimplemented;
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
      return Code::kFailedPrecondition;  // another producer has its transactions by now
    default:
      return Code::kUnavailable;
  }
}

Status kafka_failure(int error, const std::string& what) {
  return {kafka_code(error),
          what + ": " + rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error))};
}

Status kafka_result(rd_kafka_error_s* error, const std::string& what) {
  const ErrorPtr held(error, rd_kafka_error_destroy);
  return held == nullptr ? Status() : kafka_failure(rd_kafka_error_code(held.get()), what);
}

/// A group has decided. What is told while the consumer closes has nobody to do it.
void on_kafka_rebalance(rd_kafka_t* client,
                        bool gives,
                        rd_kafka_topic_partition_list_t* list,
                        KafkaCallbacks* callbacks) {
  if (callbacks->is_closing) {
    (void)kafka_result(gives ? rd_kafka_incremental_assign(client, list)
                             : rd_kafka_incremental_unassign(client, list),
                       "");
    return;
  }
  KafkaRebalance told{gives, !gives && rd_kafka_assignment_lost(client) != 0, {}};
  for (int i = 0; i < list->cnt; ++i) {
    told.partitions.push_back({list->elems[i].topic, list->elems[i].partition});
  }
  callbacks->rebalances.push_back(std::move(told));
}

namespace {

Result<int32_t> ask_for_partitions(const KafkaHandle& handle,
                                   const std::string& topic,
                                   int timeout_ms) {
  const std::unique_ptr<rd_kafka_topic_t, decltype(&rd_kafka_topic_destroy)> named(
      rd_kafka_topic_new(handle.get(), topic.c_str(), nullptr), rd_kafka_topic_destroy);
  const rd_kafka_metadata_t* found = nullptr;
  handle.callbacks->refused.clear();
  const int first_ms = std::min(timeout_ms, kConnectMs);
  rd_kafka_resp_err_t error = rd_kafka_metadata(handle.get(), 0, named.get(), &found, first_ms);
  if (is_without_connection(handle, error) && handle.callbacks->refused.empty() &&
      timeout_ms > first_ms) {
    error = rd_kafka_metadata(handle.get(), 0, named.get(), &found, timeout_ms - first_ms);
    (void)is_without_connection(handle, error);
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const Status failure =
        kafka_failure(error, "ask " + brokers_of(handle) + " for topic " + topic);
    const std::string& refused = handle.callbacks->refused;
    return Status(failure.code(),
                  failure.message() + (refused.empty() ? "; see whether they run, or correct "
                                                         "`brokers`"
                                                       : ": " + refused));
  }
  const std::unique_ptr<const rd_kafka_metadata_t, decltype(&rd_kafka_metadata_destroy)> metadata(
      found, rd_kafka_metadata_destroy);
  if (metadata->topic_cnt != 1) {
    return no_topic(handle, topic);
  }
  const rd_kafka_metadata_topic& one = metadata->topics[0];
  if (kafka_code(one.err) == Code::kNotFound) {
    return no_topic(handle, topic);
  }
  if (one.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_failure(one.err, "topic " + topic);
  }
  return static_cast<int32_t>(one.partition_cnt);
}

}  // namespace

Result<int32_t> kafka_partitions(const KafkaHandle& handle,
                                 const std::string& topic,
                                 int timeout_ms,
                                 Duration patience) {
  Result<int32_t> count = ask_for_partitions(handle, topic, timeout_ms);
  for (int64_t waited_ms = 0;
       count.code() == Code::kNotFound && waited_ms < patience.micros / 1'000;
       waited_ms += kLeaderWaitMs) {
    pause_for({kLeaderWaitMs * 1'000});
    count = ask_for_partitions(handle, topic, timeout_ms);
  }
  return count;
}

Result<OffsetRange> kafka_offsets(const KafkaHandle& handle,
                                  const TopicPartition& partition,
                                  int timeout_ms) {
  OffsetRange range;
  rd_kafka_resp_err_t error = ask_for_offsets(handle, partition, &range, timeout_ms);
  // A topic that was just made, or a broker that has just gone, has no leader for a moment; and one
  // that has just come back may not know its topics yet.
  const auto knows_it = [&] { return kafka_code(error) != Code::kNotFound; };
  for (int waited_ms = 0; (has_no_leader(error) || !knows_it()) && waited_ms < timeout_ms;
       waited_ms += kLeaderWaitMs) {
    pause_for({kLeaderWaitMs * 1'000});
    error = ask_for_offsets(handle, partition, &range, timeout_ms);
  }
  if (!knows_it()) {  // that there is no such topic is said by who is asked for its partitions
    return Status(Code::kUnavailable, "no broker knows of " + partition.name());
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_failure(error, "ask for offsets of " + partition.name());
  }
  return range;
}

Result<std::vector<uint64_t>> kafka_topic_ids(const KafkaHandle& handle,
                                              const std::vector<std::string>& topics,
                                              int timeout_ms) {
  std::vector<const char*> names;
  for (const std::string& topic : topics) {
    names.push_back(topic.c_str());
  }
  const std::unique_ptr<rd_kafka_TopicCollection_t, decltype(&rd_kafka_TopicCollection_destroy)>
      asked(rd_kafka_TopicCollection_of_topic_names(names.data(), names.size()),
            rd_kafka_TopicCollection_destroy);
  const std::unique_ptr<rd_kafka_AdminOptions_t, decltype(&rd_kafka_AdminOptions_destroy)> options(
      rd_kafka_AdminOptions_new(handle.get(), RD_KAFKA_ADMIN_OP_DESCRIBETOPICS),
      rd_kafka_AdminOptions_destroy);
  std::array<char, kErrorBytes> text{};
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, text.data(), text.size());
  const std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)> queue(
      rd_kafka_queue_new(handle.get()), rd_kafka_queue_destroy);
  rd_kafka_DescribeTopics(handle.get(), asked.get(), options.get(), queue.get());
  constexpr int kMarginMs = 1'000;  // the library answers at its timeout, of itself
  const std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)> event(
      rd_kafka_queue_poll(queue.get(), timeout_ms + kMarginMs), rd_kafka_event_destroy);
  if (event == nullptr) {
    return Status(Code::kUnavailable, "ask for the ids of topics: no answer");
  }
  const rd_kafka_resp_err_t error = rd_kafka_event_error(event.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_failure(error, "ask for the ids of topics");
  }
  std::size_t count = 0;
  const rd_kafka_TopicDescription_t** const found = rd_kafka_DescribeTopics_result_topics(
      rd_kafka_event_DescribeTopics_result(event.get()), &count);
  std::map<std::string_view, uint64_t> ids;
  for (std::size_t i = 0; i < count; ++i) {
    const rd_kafka_Uuid_t* const id = rd_kafka_TopicDescription_topic_id(found[i]);
    const auto high = static_cast<uint64_t>(rd_kafka_Uuid_most_significant_bits(id));
    const auto low = static_cast<uint64_t>(rd_kafka_Uuid_least_significant_bits(id));
    const bool is_told = (high | low) != 0 && rd_kafka_TopicDescription_error(found[i]) == nullptr;
    ids[rd_kafka_TopicDescription_name(found[i])] = is_told ? hash_mix(high, low) | 1U : 0;
  }
  std::vector<uint64_t> numbers;
  for (const std::string& topic : topics) {
    numbers.push_back(ids[topic]);
  }
  return numbers;
}

Result<std::vector<int64_t>> kafka_ends(const KafkaHandle& handle,
                                        const std::vector<TopicPartition>& partitions,
                                        int timeout_ms) {
  const std::unique_ptr<rd_kafka_topic_partition_list_t,
                        decltype(&rd_kafka_topic_partition_list_destroy)>
      list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())),
           rd_kafka_topic_partition_list_destroy);
  for (const TopicPartition& partition : partitions) {  // "the offset at this time": at the end
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition)
        ->offset = RD_KAFKA_OFFSET_END;
  }
  const rd_kafka_resp_err_t error =
      rd_kafka_offsets_for_times(handle.get(), list.get(), timeout_ms);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_failure(error, "ask where partitions end");
  }
  std::vector<int64_t> ends;
  for (const TopicPartition& partition : partitions) {
    const rd_kafka_topic_partition_t* found = rd_kafka_topic_partition_list_find(
        list.get(), partition.topic.c_str(), partition.partition);
    if (found->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return kafka_failure(found->err, "ask where " + partition.name() + " ends");
    }
    ends.push_back(found->offset);
  }
  return ends;
}

std::string kafka_kilobytes(int64_t bytes) {
  return std::to_string(std::max<int64_t>(1, bytes / 1024));
}

}  // namespace assay::ingest
