#include "kafka_admin.h"

#include <array>
#include <functional>
#include <memory>

#include <librdkafka/rdkafka.h>

namespace assay::ingest {
namespace {

constexpr int kAnswerMs = 60'000;

/// Ask the broker; `errors_of` finds what the answer says.
Status ask(const std::string& brokers,
           const std::function<void(rd_kafka_t*, rd_kafka_queue_t*)>& send,
           const std::function<const rd_kafka_topic_result_t**(const rd_kafka_event_t*,
                                                               std::size_t*)>& errors_of) {
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
  std::size_t count = 0;
  const rd_kafka_topic_result_t** results =
      event == nullptr ? nullptr : errors_of(event.get(), &count);
  if (count != 1) {
    return {Code::kUnavailable, "no broker answered"};
  }
  const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[0]);
  return error == RD_KAFKA_RESP_ERR_NO_ERROR
             ? Status()
             : Status(Code::kFailedPrecondition, rd_kafka_err2str(error));
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
      [](const rd_kafka_event_t* event, std::size_t* count) {
        return rd_kafka_CreatePartitions_result_topics(
            rd_kafka_event_CreatePartitions_result(const_cast<rd_kafka_event_t*>(event)), count);
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
      [](const rd_kafka_event_t* event, std::size_t* count) {
        return rd_kafka_DeleteTopics_result_topics(
            rd_kafka_event_DeleteTopics_result(const_cast<rd_kafka_event_t*>(event)), count);
      });
  rd_kafka_DeleteTopic_destroy(unwanted);
  return status;
}

}  // namespace assay::ingest
