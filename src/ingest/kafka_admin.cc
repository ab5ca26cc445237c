#include "ingest/kafka_admin.h"

#include <array>
#include <functional>
#include <memory>
#include <optional>

#include <librdkafka/rdkafka.h>

namespace assay::ingest {
namespace {

constexpr int kAnswerMs = 60'000;

/// Ask the broker; `error_of` finds what the answer says, if it is the one that was waited for.
Status ask(const std::string& brokers,
           const std::function<void(rd_kafka_t*, rd_kafka_queue_t*)>& send,
           const std::function<std::optional<rd_kafka_resp_err_t>(rd_kafka_event_t*)>& error_of) {
  std::array<char, 512> text{};
  rd_kafka_conf_t* config = rd_kafka_conf_new();
  rd_kafka_conf_set(config, "bootstrap.servers", brokers.c_str(), text.data(), text.size());
  const std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)> client(
      rd_kafka_new(RD_KAFKA_PRODUCER, config, text.data(), text.size()), rd_kafka_destroy);
  const std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)> queue(
      rd_kafka_queue_new(client.get()), rd_kafka_queue_destroy);
  send(client.get(), queue.get());
  const std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)> event(
      rd_kafka_queue_poll(queue.get(), kAnswerMs), rd_kafka_event_destroy);
  const std::optional<rd_kafka_resp_err_t> error =
      event == nullptr ? std::nullopt : error_of(event.get());
  if (!error.has_value()) {
    return {Code::kUnavailable, "no broker answered"};
  }
  return *error == RD_KAFKA_RESP_ERR_NO_ERROR
             ? Status()
             : Status(Code::kFailedPrecondition, rd_kafka_err2str(*error));
}

std::optional<rd_kafka_resp_err_t> error_of_topic(const rd_kafka_topic_result_t** results,
                                                  std::size_t count) {
  return count == 1 ? std::optional(rd_kafka_topic_result_error(results[0])) : std::nullopt;
}

rd_kafka_ResourceType_t resource_of(const std::string& kind) {
  return kind == "topic" ? RD_KAFKA_RESOURCE_TOPIC : RD_KAFKA_RESOURCE_GROUP;
}

}  // namespace

Status grow_topic(const std::string& brokers, const std::string& topic, int32_t partitions) {
  std::array<char, 512> text{};
  rd_kafka_NewPartitions_t* wanted = rd_kafka_NewPartitions_new(
      topic.c_str(), static_cast<std::size_t>(partitions), text.data(), text.size());
  const Status status = ask(
      brokers,
      [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
        rd_kafka_CreatePartitions(client, &wanted, 1, nullptr, queue);
      },
      [](rd_kafka_event_t* event) {
        std::size_t count = 0;
        const rd_kafka_topic_result_t** results = rd_kafka_CreatePartitions_result_topics(
            rd_kafka_event_CreatePartitions_result(event), &count);
        return error_of_topic(results, count);
      });
  rd_kafka_NewPartitions_destroy(wanted);
  return status;
}

Status delete_topic(const std::string& brokers, const std::string& topic) {
  rd_kafka_DeleteTopic_t* unwanted = rd_kafka_DeleteTopic_new(topic.c_str());
  const Status status = ask(
      brokers,
      [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
        rd_kafka_DeleteTopics(client, &unwanted, 1, nullptr, queue);
      },
      [](rd_kafka_event_t* event) {
        std::size_t count = 0;
        const rd_kafka_topic_result_t** results = rd_kafka_DeleteTopics_result_topics(
            rd_kafka_event_DeleteTopics_result(event), &count);
        return error_of_topic(results, count);
      });
  rd_kafka_DeleteTopic_destroy(unwanted);
  return status;
}

Status allow(const std::string& brokers,
             const std::string& user,
             const std::string& operation,
             const std::string& kind,
             const std::string& prefix) {
  std::array<char, 512> text{};
  rd_kafka_AclBinding_t* binding = rd_kafka_AclBinding_new(
      resource_of(kind),
      prefix.c_str(),
      RD_KAFKA_RESOURCE_PATTERN_PREFIXED,
      ("User:" + user).c_str(),
      "*",
      operation == "read" ? RD_KAFKA_ACL_OPERATION_READ : RD_KAFKA_ACL_OPERATION_WRITE,
      RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
      text.data(),
      text.size());
  const Status status = ask(
      brokers,
      [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
        rd_kafka_CreateAcls(client, &binding, 1, nullptr, queue);
      },
      [](rd_kafka_event_t* event) {
        std::size_t count = 0;
        const rd_kafka_acl_result_t** results =
            rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(event), &count);
        const rd_kafka_error_t* error = count == 1 ? rd_kafka_acl_result_error(results[0]) : nullptr;
        return count == 1 ? std::optional(rd_kafka_error_code(error)) : std::nullopt;
      });
  rd_kafka_AclBinding_destroy(binding);
  return status;
}

}  // namespace assay::ingest
