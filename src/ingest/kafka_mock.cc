#include "ingest/kafka_mock.h"

#include <array>
#include <thread>
#include <vector>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "base/check.h"

namespace assay::ingest {
namespace {

constexpr int16_t kProduce = 0;
constexpr int16_t kFetch = 1;
constexpr int16_t kListOffsets = 2;
constexpr int16_t kJoinGroup = 11;

/// End a cluster while others go on: the library sleeps for a second before it has seen that a
/// broker of its own is to end.
void end_beside(rd_kafka_t* handle, rd_kafka_mock_cluster_t* cluster) {
  constexpr std::size_t kAtOnceMax = 8;
  static std::vector<std::jthread> ending;  // the last ones are joined when the program ends
  if (ending.size() == kAtOnceMax) {
    ending.erase(ending.begin());
  }
  ending.emplace_back([handle, cluster] {
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(handle);
  });
}

class LibraryMock : public KafkaMock {
 public:
  explicit LibraryMock(int brokers) : count_(brokers) {
    std::array<char, 512> text{};
    rd_kafka_conf_t* config = rd_kafka_conf_new();
    rd_kafka_conf_set(config, "log_level", "0", text.data(), text.size());
    // As brokers do: else every second answer in a row waits 40 ms until the first is acknowledged.
    rd_kafka_conf_set(config, "socket.nagle.disable", "true", text.data(), text.size());
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, config, text.data(), text.size());
    ASSAY_CHECK(handle_ != nullptr);
    cluster_ = rd_kafka_mock_cluster_new(handle_, brokers);
    ASSAY_CHECK(cluster_ != nullptr);
    constexpr int32_t kFirstBroker = 1;
    rd_kafka_mock_set_controller_id(cluster_, kFirstBroker);
    brokers_ = rd_kafka_mock_cluster_bootstraps(cluster_);
  }
  ~LibraryMock() override { end_beside(handle_, cluster_); }
  LibraryMock(const LibraryMock&) = delete;
  LibraryMock& operator=(const LibraryMock&) = delete;

  [[nodiscard]] const std::string& brokers() const override { return brokers_; }
  void create_topic(const std::string& topic, int32_t partitions) override {
    ASSAY_CHECK(rd_kafka_mock_topic_create(cluster_, topic.c_str(), partitions, 1) ==
                RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void make_again(const std::string& topic, int32_t partitions) override {
    ASSAY_CHECK(rd_kafka_mock_topic_delete(cluster_, topic.c_str()) == RD_KAFKA_RESP_ERR_NO_ERROR);
    create_topic(topic, partitions);
  }
  void give_no_ids() {
    constexpr int16_t kMetadata = 3;
    constexpr int16_t kBeforeIds = 9;
    ASSAY_CHECK(rd_kafka_mock_set_apiversion(cluster_, kMetadata, 0, kBeforeIds) ==
                RD_KAFKA_RESP_ERR_NO_ERROR);
    constexpr int16_t kFetchBeforeIds = 12;
    ASSAY_CHECK(rd_kafka_mock_set_apiversion(cluster_, kFetch, 0, kFetchBeforeIds) ==
                RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void lose_topic(const std::string& topic) override {
    rd_kafka_mock_topic_set_error(cluster_, topic.c_str(), RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  }
  void find_topic(const std::string& topic) override {
    rd_kafka_mock_topic_set_error(cluster_, topic.c_str(), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void fail_produces_as_too_large(int count) override {
    fail(kProduce, count, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  }
  void fail_fetches(int count) override {
    fail(kFetch, count, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
  }
  void fail_fetches_as_gone(int32_t broker, int count) override {
    for (int i = 0; i < count; ++i) {
      ASSAY_CHECK(rd_kafka_mock_broker_push_request_error_rtts(
                      cluster_, broker, kFetch, 1, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, 0) ==
                  RD_KAFKA_RESP_ERR_NO_ERROR);
    }
  }
  [[nodiscard]] int fetches_to_fail(int32_t broker) const override {
    std::size_t count = 0;
    ASSAY_CHECK(rd_kafka_mock_broker_error_stack_cnt(cluster_, broker, kFetch, &count) ==
                RD_KAFKA_RESP_ERR_NO_ERROR);
    return static_cast<int>(count);
  }
  void set_leader(const std::string& topic, int32_t partition, int32_t broker) override {
    ASSAY_CHECK(rd_kafka_mock_partition_set_leader(cluster_, topic.c_str(), partition, broker) ==
                RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void give_soon() override { rd_kafka_mock_group_initial_rebalance_delay_ms(cluster_, 50); }
  void set_coordinator(const std::string& group, int32_t broker) override {
    ASSAY_CHECK(rd_kafka_mock_coordinator_set(cluster_, "group", group.c_str(), broker) ==
                RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void fail_offsets(int count) override {
    fail(kListOffsets, count, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
  }
  void fail_joins(int count) override {
    fail(kJoinGroup, count, RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED);
  }
  void set_away(bool is_away, int32_t broker) override {
    const auto set = is_away ? rd_kafka_mock_broker_set_down : rd_kafka_mock_broker_set_up;
    ASSAY_CHECK(set(cluster_, broker) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void set_hanging(bool hangs) override {
    constexpr int kHourMs = 3'600'000;
    constexpr int32_t kAll = -1;
    ASSAY_CHECK(rd_kafka_mock_broker_set_rtt(cluster_, kAll, hangs ? kHourMs : 0) ==
                RD_KAFKA_RESP_ERR_NO_ERROR);
    for (int32_t broker = 1; !hangs && broker <= count_; ++broker) {
      set_away(true, broker);  // who waits for an answer asks anew
      set_away(false, broker);
    }
  }

 private:
  void fail(int16_t request, int count, rd_kafka_resp_err_t error) {
    const std::vector<rd_kafka_resp_err_t> errors(static_cast<std::size_t>(count), error);
    rd_kafka_mock_push_request_errors_array(cluster_, request, errors.size(), errors.data());
  }

  int32_t count_;
  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  std::string brokers_;
};

}  // namespace

std::unique_ptr<KafkaMock> KafkaMock::start(int brokers) {
  return std::make_unique<LibraryMock>(brokers);
}

std::unique_ptr<KafkaMock> KafkaMock::start_without_ids() {
  auto mock = std::make_unique<LibraryMock>(1);
  mock->give_no_ids();
  return mock;
}

}  // namespace assay::ingest
