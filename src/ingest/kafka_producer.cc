// The producer of the adapter of librdkafka, its transactions, and how topics are made.

#include <array>
#include <cstdlib>
#include <cstring>
#include <set>
#include <utility>

#include <librdkafka/rdkafka.h>

#include "base/check.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_library.h"

namespace assay::ingest {
namespace {

constexpr std::size_t kErrorBytes = 512;

using ListPtr = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                decltype(&rd_kafka_topic_partition_list_destroy)>;

/// What became of records.
struct Deliveries {
  Status failed;  // the first one of those that are not asked for one by one
  std::vector<KafkaProducer::Refused> refused;
};

/// The library hands it back with the record that it was sent with.
struct Delivery {
  Deliveries* all = nullptr;
  std::optional<std::size_t> index;  // of one that is asked for
};

class LibraryProducer : public KafkaProducer {
 public:
  LibraryProducer(KafkaHandle handle, const KafkaClientOptions& options)
      : timeout_ms_(static_cast<int>(options.timeout.micros / 1'000)),
        stop_(options.stop),
        handle_(std::move(handle)) {}
  [[nodiscard]] rd_kafka_t* handle() const { return handle_.get(); }

  Status send(const std::string& topic,
              int32_t partition,
              std::string_view key,
              std::string_view value) override {
    return send(topic, partition, {key, value, {}});
  }

  Status send(const std::string& topic, const KafkaRecord& record) override {
    return send(topic, RD_KAFKA_PARTITION_UA, record);
  }

  Result<int32_t> partitions(const std::string& topic, Duration patience) override {
    return kafka_partitions(handle_, topic, timeout_ms_, patience);
  }

  Status send(const std::string& topic, int32_t partition, const KafkaRecord& record) {
    find_leaders(topic);
    ASSAY_RETURN_IF_ERROR(hand_over(topic, partition, record, single_.get()));
    if (++sent_ % kPollEvery == 0) {
      rd_kafka_poll(handle_.get(), 0);
    }
    return deliveries_->failed;
  }

  Result<std::vector<Refused>> deliver(const std::string& topic,
                                       std::span<const KafkaRecord> records) override {
    rd_kafka_poll(handle_.get(), 0);  // what befell connections counts as being on its way, too
    deliveries_->refused.clear();
    each_.assign(records.size(), {deliveries_.get(), std::nullopt});
    for (std::size_t i = 0; i < records.size(); ++i) {
      each_[i].index = i;
      const Status taken = hand_over(topic, RD_KAFKA_PARTITION_UA, records[i], &each_[i]);
      if (taken.code() == Code::kUnavailable) {
        return taken;
      }
      if (!taken.ok()) {
        deliveries_->refused.push_back({i, taken});
      }
    }
    ASSAY_RETURN_IF_ERROR(wait_for_brokers(0));
    return std::exchange(deliveries_->refused, {});
  }

  /// Give a record to the library; waits while its queue is full.
  Status hand_over(const std::string& topic,
                   int32_t partition,
                   const KafkaRecord& record,
                   Delivery* delivery) {
    for (;;) {
      rd_kafka_headers_t* headers = headers_of(record);
      const rd_kafka_resp_err_t error = rd_kafka_producev(
          handle_.get(),
          RD_KAFKA_V_TOPIC(topic.c_str()),
          RD_KAFKA_V_PARTITION(partition),
          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
          RD_KAFKA_V_KEY(record.key.data(), record.key.size()),
          RD_KAFKA_V_VALUE(const_cast<char*>(record.value.data()), record.value.size()),
          RD_KAFKA_V_HEADERS(headers),
          RD_KAFKA_V_OPAQUE(delivery),
          RD_KAFKA_V_END);
      if (error != RD_KAFKA_RESP_ERR_NO_ERROR && headers != nullptr) {
        rd_kafka_headers_destroy(headers);  // the library takes them over with the record only
      }
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        return error == RD_KAFKA_RESP_ERR_NO_ERROR ? Status()
                                                   : kafka_failure(error, "send to " + topic);
      }
      ASSAY_RETURN_IF_ERROR(wait_for_brokers(rd_kafka_outq_len(handle_.get()) - 1));
      ASSAY_RETURN_IF_ERROR(deliveries_->failed);
    }
  }

  Status flush() override {
    ASSAY_RETURN_IF_ERROR(wait_for_brokers(0));
    return std::exchange(deliveries_->failed, Status());
  }

  static rd_kafka_headers_t* headers_of(const KafkaRecord& record) {
    if (record.headers.empty()) {
      return nullptr;
    }
    rd_kafka_headers_t* headers = rd_kafka_headers_new(record.headers.size());
    for (const auto& [name, value] : record.headers) {
      rd_kafka_header_add(headers,
                          name.data(),
                          static_cast<ssize_t>(name.size()),
                          value.data(),
                          static_cast<ssize_t>(value.size()));
    }
    return headers;
  }

  static void on_delivery(rd_kafka_t* /*handle*/, const rd_kafka_message_t* message, void*) {
    const auto* delivery = static_cast<Delivery*>(message->_private);
    Deliveries& all = *delivery->all;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      return;
    }
    Status why = kafka_failure(message->err, "a record was not taken by the broker");
    if (delivery->index.has_value()) {
      all.refused.push_back({*delivery->index, std::move(why)});
    } else if (all.failed.ok()) {
      all.failed = std::move(why);
    }
  }

 private:
  /// Until so many records, or fewer, are on their way.
  Status wait_for_brokers(int count) {
    constexpr int kStopMs = 1'000;
    const int slice_ms = count == 0 ? 100 : 10;  // there is soon room for one more
    int before = rd_kafka_outq_len(handle_.get());
    for (int waited_ms = 0; rd_kafka_outq_len(handle_.get()) > count; waited_ms += slice_ms) {
      const bool is_stopped = stop_ != nullptr && stop_->load();
      if (waited_ms >= (is_stopped ? std::min(kStopMs, timeout_ms_) : timeout_ms_)) {
        return {Code::kUnavailable,
                "brokers have acknowledged nothing for " + std::to_string(waited_ms / 1'000) +
                    " s, and " + std::to_string(rd_kafka_outq_len(handle_.get())) +
                    " records are not with them"};
      }
      if (count == 0) {
        rd_kafka_flush(handle_.get(), slice_ms);
      } else {
        rd_kafka_poll(handle_.get(), slice_ms);
      }
      const int now = rd_kafka_outq_len(handle_.get());
      waited_ms = std::exchange(before, now) == now ? waited_ms : 0;
    }
    return {};
  }

  /// Of a topic that a connected producer has not heard of yet the library (2.0) asks when it looks
  /// through all topics, once a second. So ask at its first record; whatever is answered, sending
  /// tells.
  void find_leaders(const std::string& topic) {
    constexpr int kAskMs = 1'000;
    if (topic == last_topic_) {
      return;
    }
    last_topic_ = topic;
    if (topics_.insert(topic).second) {
      (void)kafka_partitions(handle_, topic, kAskMs, {0});
    }
  }

  /// What failed is told within so many records, or at a flush.
  static constexpr int64_t kPollEvery = 64;

  int64_t sent_ = 0;
  std::set<std::string> topics_;  // that were sent to
  std::string last_topic_;
  int timeout_ms_;
  const std::atomic<bool>* stop_;
  // Deliveries are told from within poll and flush; declared before the handle, which tells of
  // those it drops at its end.
  std::unique_ptr<Deliveries> deliveries_ = std::make_unique<Deliveries>();
  std::unique_ptr<Delivery> single_ =
      std::make_unique<Delivery>(Delivery{deliveries_.get(), std::nullopt});
  std::vector<Delivery> each_;
  KafkaHandle handle_;
};

/// A producer's transactions, and a consumer that asks where they stand and never reads.
class LibraryTransactions : public KafkaTransactions {
 public:
  LibraryTransactions(KafkaHandle sends,
                      KafkaHandle asks,
                      const KafkaClientOptions& options,
                      std::string name,
                      std::string topic)
      : producer_(std::move(sends), options),
        asks_(std::move(asks)),
        timeout_ms_(static_cast<int>(options.timeout.micros / 1'000)),
        name_(std::move(name)),
        topic_(std::move(topic)) {}

  ~LibraryTransactions() override {
    if (is_open_) {  // else readers of committed records wait until the brokers end it
      (void)kafka_result(rd_kafka_abort_transaction(producer_.handle(), timeout_ms_), "");
    }
  }
  LibraryTransactions(const LibraryTransactions&) = delete;
  LibraryTransactions& operator=(const LibraryTransactions&) = delete;

  Status start() {
    ASSAY_ASSIGN_OR_RETURN(partitions_, kafka_partitions(asks_, topic_, timeout_ms_, {0}));
    return take(rd_kafka_init_transactions(producer_.handle(), timeout_ms_),
                "take over the transactions");
  }

  Result<std::optional<CommittedPosition>> position() override {
    const ListPtr list = position_list();
    const rd_kafka_resp_err_t error = rd_kafka_committed(asks_.get(), list.get(), timeout_ms_);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return kafka_failure(error, "ask for the position of " + name_);
    }
    const rd_kafka_topic_partition_t& found = list->elems[0];
    if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return kafka_failure(found.err, "ask for the position of " + name_);
    }
    if (found.offset < 0) {
      return std::optional<CommittedPosition>();
    }
    return std::optional(CommittedPosition{
        found.offset, std::string(static_cast<const char*>(found.metadata), found.metadata_size)});
  }

  Result<bool> has_had_records() override {
    for (int32_t partition = 0; partition < partitions_; ++partition) {
      ASSAY_ASSIGN_OR_RETURN(const OffsetRange range,
                             kafka_offsets(asks_, {topic_, partition}, timeout_ms_));
      if (range.end > 0) {
        return true;
      }
    }
    return false;
  }

  Status begin() override {
    ASSAY_RETURN_IF_ERROR(
        take(rd_kafka_begin_transaction(producer_.handle()), "begin a transaction"));
    is_open_ = true;
    return {};
  }

  Status send(const KafkaRecord& record) override {
    return static_cast<KafkaProducer&>(producer_).send(topic_, record);
  }

  Status commit(const CommittedPosition& position) override {
    const ListPtr list = position_list();
    rd_kafka_topic_partition_t& reached = list->elems[0];
    reached.offset = position.count;
    reached.metadata_size = position.text.size();
    reached.metadata = std::malloc(position.text.size());  // the list's, which gives it back
    ASSAY_CHECK(reached.metadata != nullptr);
    std::memcpy(reached.metadata, position.text.data(), position.text.size());
    const std::unique_ptr<rd_kafka_consumer_group_metadata_t,
                          decltype(&rd_kafka_consumer_group_metadata_destroy)>
        group(rd_kafka_consumer_group_metadata_new(name_.c_str()),
              rd_kafka_consumer_group_metadata_destroy);
    ASSAY_RETURN_IF_ERROR(
        take(rd_kafka_send_offsets_to_transaction(producer_.handle(), list.get(), group.get(), -1),
             "say the position"));
    const Status done =
        take(rd_kafka_commit_transaction(producer_.handle(), -1), "commit a transaction");
    is_open_ = !done.ok();
    return done.code() == Code::kUnavailable ? Status(Code::kCommitUnknown, done.message()) : done;
  }

 private:
  [[nodiscard]] ListPtr position_list() const {
    ListPtr list(rd_kafka_topic_partition_list_new(1), rd_kafka_topic_partition_list_destroy);
    rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), 0);
    return list;
  }

  /// What the library says of a call; the error is destroyed.
  Status take(rd_kafka_error_t* error, const std::string& what) {
    if (error == nullptr) {
      return {};
    }
    Code code = kafka_code(rd_kafka_error_code(error));
    if (code == Code::kUnavailable && rd_kafka_error_is_fatal(error) != 0) {
      code = Code::kFailedPrecondition;  // waiting does not help this producer
    }
    Status status(code, what + " of " + name_ + ": " + rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return status;
  }

  LibraryProducer producer_;
  KafkaHandle asks_;
  int timeout_ms_;
  std::string name_;
  std::string topic_;
  int32_t partitions_ = 0;
  bool is_open_ = false;  // a transaction, so far as is known
};

}  // namespace

Result<std::unique_ptr<KafkaProducer>> KafkaProducer::open(Log& log,
                                                           const KafkaClientOptions& options) {
  KafkaClientOptions quick = options;
  quick.settings.emplace("linger.ms", "5");
  ASSAY_ASSIGN_OR_RETURN(KafkaHandle handle,
                         open_kafka_producer(log,
                                             quick,
                                             {{"enable.idempotence", "true"},
                                              {"delivery.report.only.error", "true"},
                                              {"queue.buffering.max.kbytes",
                                               kafka_kilobytes(options.queue_bytes_max)}},
                                             LibraryProducer::on_delivery));
  return std::unique_ptr<KafkaProducer>(
      std::make_unique<LibraryProducer>(std::move(handle), options));
}

Result<std::unique_ptr<KafkaTransactions>> KafkaTransactions::open(
    Log& log,
    const KafkaClientOptions& options,
    const std::string& name,
    const std::string& topic) {
  KafkaClientOptions quick = options;
  quick.settings.emplace("linger.ms", "5");
  // As Java's clients place keys, so that topics can be joined partition by partition.
  quick.settings.emplace("partitioner", "murmur2_random");
  ASSAY_ASSIGN_OR_RETURN(KafkaHandle sends,
                         open_kafka_producer(log,
                                             quick,
                                             {{"transactional.id", name},
                                              {"queue.buffering.max.kbytes",
                                               kafka_kilobytes(options.queue_bytes_max)}},
                                             LibraryProducer::on_delivery));
  // It is told only what is committed: a position within an open transaction is waited for.
  ASSAY_ASSIGN_OR_RETURN(KafkaHandle asks,
                         open_kafka_consumer(log,
                                             options,
                                             {{"group.id", name},
                                              {"enable.auto.commit", "false"},
                                              {"isolation.level", "read_committed"}}));
  auto transactions = std::make_unique<LibraryTransactions>(
      std::move(sends), std::move(asks), options, name, topic);
  ASSAY_RETURN_IF_ERROR(transactions->start());
  return std::unique_ptr<KafkaTransactions>(std::move(transactions));
}

Status create_topic(Log& log,
                    const KafkaClientOptions& options,
                    const std::string& topic,
                    int32_t partitions) {
  ASSAY_ASSIGN_OR_RETURN(const KafkaHandle handle, open_kafka_producer(log, options, {}, nullptr));
  std::array<char, kErrorBytes> text{};
  rd_kafka_NewTopic_t* wanted =
      rd_kafka_NewTopic_new(topic.c_str(), partitions, -1, text.data(), text.size());
  if (wanted == nullptr) {
    return {Code::kInvalidArgument, std::string("topic ") + topic + ": " + text.data()};
  }
  const std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)> queue(
      rd_kafka_queue_new(handle.get()), rd_kafka_queue_destroy);
  rd_kafka_CreateTopics(handle.get(), &wanted, 1, nullptr, queue.get());
  rd_kafka_NewTopic_destroy(wanted);
  const std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)> event(
      rd_kafka_queue_poll(queue.get(), static_cast<int>(options.timeout.micros / 1'000)),
      rd_kafka_event_destroy);
  const rd_kafka_CreateTopics_result_t* result =
      event == nullptr ? nullptr : rd_kafka_event_CreateTopics_result(event.get());
  std::size_t count = 0;
  const rd_kafka_topic_result_t** topics =
      result == nullptr ? nullptr : rd_kafka_CreateTopics_result_topics(result, &count);
  if (count != 1) {
    return {Code::kUnavailable, "make topic " + topic + ": no broker answered"};
  }
  const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(topics[0]);
  if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    return {Code::kAlreadyExists, "topic " + topic + " is there already"};
  }
  return error == RD_KAFKA_RESP_ERR_NO_ERROR ? Status()
                                             : kafka_failure(error, "make topic " + topic);
}

}  // namespace assay::ingest
