// The adapter of librdkafka. The consumer reads from our own offsets: the library's offset store
// takes no part. An offset that is not there is an error (`auto.offset.reset = error`), never a
// silent jump.
//
// A group only says who reads which partition. The library tells it from within a poll and goes on
// when it is answered, so what it tells is kept until the records before it are done with.

#include "ingest/kafka_client.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <set>
#include <utility>

#include <librdkafka/rdkafka.h>

#include "base/check.h"
#include "base/pause.h"

namespace assay::ingest {
namespace {

constexpr std::size_t kErrorBytes = 512;

using ConfigPtr = std::unique_ptr<rd_kafka_conf_t, decltype(&rd_kafka_conf_destroy)>;
using ErrorPtr = std::unique_ptr<rd_kafka_error_t, decltype(&rd_kafka_error_destroy)>;
using DeliveryCallback = void (*)(rd_kafka_t*, const rd_kafka_message_t*, void*);
using ListPtr = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                decltype(&rd_kafka_topic_partition_list_destroy)>;

/// What the library's callbacks are given.
struct Callbacks {
  Log& log;
  std::deque<KafkaRebalance> rebalances{};  // told, and not handed out yet
  bool is_closing = false;
};

/// A client of the library, and what its callbacks use, which outlives it.
struct Handle {
  std::unique_ptr<Callbacks> callbacks;
  std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)> client{nullptr, rd_kafka_destroy};
  [[nodiscard]] rd_kafka_t* get() const { return client.get(); }
};

Code code_of(rd_kafka_resp_err_t error) {
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
      return Code::kInvalidArgument;
    default:
      return Code::kUnavailable;
  }
}

bool has_no_leader(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
         error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
}

Status failure(rd_kafka_resp_err_t error, const std::string& what) {
  return {code_of(error), what + ": " + rd_kafka_err2str(error)};
}

/// Lines of the library's own log.
void on_log(const rd_kafka_t* handle, int level, const char* facility, const char* text) {
  Log& log = static_cast<Callbacks*>(rd_kafka_opaque(handle))->log;
  constexpr int kSyslogError = 3;
  if (level <= kSyslogError) {
    log.warn("kafka_client", {{"facility", std::string(facility)}, {"text", std::string(text)}});
  } else {
    log.debug("kafka_client", {{"facility", std::string(facility)}, {"text", std::string(text)}});
  }
}

Status result_of(rd_kafka_error_t* error, const std::string& what) {
  const ErrorPtr held(error, rd_kafka_error_destroy);
  return held == nullptr ? Status() : failure(rd_kafka_error_code(held.get()), what);
}

/// A group has decided. What is told while the consumer closes has nobody to do it.
void on_rebalance(rd_kafka_t* handle,
                  rd_kafka_resp_err_t what,
                  rd_kafka_topic_partition_list_t* list,
                  void* opaque) {
  auto* callbacks = static_cast<Callbacks*>(opaque);
  const bool gives = what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
  if (!gives && what != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    rd_kafka_assign(handle, nullptr);
    return;
  }
  if (callbacks->is_closing) {
    (void)result_of(gives ? rd_kafka_incremental_assign(handle, list)
                          : rd_kafka_incremental_unassign(handle, list),
                    "");
    return;
  }
  KafkaRebalance told{gives, !gives && rd_kafka_assignment_lost(handle) != 0, {}};
  for (int i = 0; i < list->cnt; ++i) {
    told.partitions.push_back({list->elems[i].topic, list->elems[i].partition});
  }
  callbacks->rebalances.push_back(std::move(told));
}

Status set_option(rd_kafka_conf_t* config, const std::string& name, const std::string& value) {
  std::array<char, kErrorBytes> text{};
  if (rd_kafka_conf_set(config, name.c_str(), value.c_str(), text.data(), text.size()) !=
      RD_KAFKA_CONF_OK) {
    return {Code::kInvalidArgument, "kafka option `" + name + "`: " + text.data()};
  }
  return {};
}

Result<Handle> open_client(rd_kafka_type_t type,
                           Log& log,
                           const KafkaClientOptions& options,
                           const std::map<std::string, std::string>& own,
                           DeliveryCallback on_delivery) {
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
  Handle handle{std::make_unique<Callbacks>(Callbacks{log})};
  rd_kafka_conf_set_opaque(config.get(), handle.callbacks.get());
  if (!options.group.empty()) {
    rd_kafka_conf_set_rebalance_cb(config.get(), on_rebalance);
  }
  rd_kafka_conf_set_log_cb(config.get(), on_log);
  rd_kafka_conf_set_dr_msg_cb(config.get(), on_delivery);
  std::array<char, kErrorBytes> text{};
  handle.client.reset(rd_kafka_new(type, config.get(), text.data(), text.size()));
  if (handle.client == nullptr) {
    return Status(Code::kInvalidArgument, std::string("kafka client: ") + text.data());
  }
  (void)config.release();  // the handle's now
  return handle;
}

/// Messages of the library, given back to it at the end.
class MessageBlock : public KafkaBlock {
 public:
  MessageBlock() = default;
  ~MessageBlock() override {
    for (rd_kafka_message_t* message : held_) {
      rd_kafka_message_destroy(message);
    }
  }
  MessageBlock(const MessageBlock&) = delete;
  MessageBlock& operator=(const MessageBlock&) = delete;

  void add(rd_kafka_message_t* message, std::size_t partition) {
    held_.push_back(message);
    KafkaMessage taken;
    taken.partition = partition;
    taken.offset = message->offset;
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    const int64_t timestamp = rd_kafka_message_timestamp(message, &type);
    taken.timestamp_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp;
    taken.has_key = message->key != nullptr;
    taken.has_value = message->payload != nullptr;
    if (taken.has_key) {
      taken.key = {static_cast<const char*>(message->key), message->key_len};
    }
    if (taken.has_value) {
      taken.value = {static_cast<const char*>(message->payload), message->len};
    }
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const char* name = nullptr;
      const void* value = nullptr;
      std::size_t size = 0;
      for (std::size_t i = 0;
           rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
           ++i) {
        taken.headers.emplace_back(name,
                                   value == nullptr
                                       ? std::string_view()
                                       : std::string_view(static_cast<const char*>(value), size));
      }
    }
    messages.push_back(std::move(taken));
  }
  void hold(rd_kafka_message_t* message) { held_.push_back(message); }

 private:
  std::vector<rd_kafka_message_t*> held_;
};

class LibraryConsumer : public KafkaConsumer {
 public:
  LibraryConsumer(Handle handle, const KafkaClientOptions& options)
      : handle_(std::move(handle)),
        timeout_ms_(static_cast<int>(options.timeout.micros / 1'000)),
        queue_(rd_kafka_queue_get_consumer(handle_.get()), rd_kafka_queue_destroy) {
    if (options.wakeup != nullptr) {
      rd_kafka_queue_cb_event_enable(
          queue_.get(),
          [](rd_kafka_t*, void* wakeup) { static_cast<Wakeup*>(wakeup)->notify(); },
          options.wakeup);
    }
  }
  ~LibraryConsumer() override {
    let_stops_end();
    rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
    close_group();
    queue_.reset();
    rd_kafka_consumer_close(handle_.get());
  }
  LibraryConsumer(const LibraryConsumer&) = delete;
  LibraryConsumer& operator=(const LibraryConsumer&) = delete;

  [[nodiscard]] rd_kafka_t* handle() const { return handle_.get(); }

  Result<int32_t> partitions(const std::string& topic) override {
    const std::unique_ptr<rd_kafka_topic_t, decltype(&rd_kafka_topic_destroy)> named(
        rd_kafka_topic_new(handle_.get(), topic.c_str(), nullptr), rd_kafka_topic_destroy);
    const rd_kafka_metadata_t* found = nullptr;
    const rd_kafka_resp_err_t error =
        rd_kafka_metadata(handle_.get(), 0, named.get(), &found, timeout_ms_);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return failure(error, "ask for topic " + topic);
    }
    const std::unique_ptr<const rd_kafka_metadata_t, decltype(&rd_kafka_metadata_destroy)> metadata(
        found, rd_kafka_metadata_destroy);
    if (metadata->topic_cnt != 1) {
      return Status(Code::kNotFound, "there is no topic " + topic);
    }
    const rd_kafka_metadata_topic& one = metadata->topics[0];
    if (one.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return failure(one.err, "topic " + topic);
    }
    return static_cast<int32_t>(one.partition_cnt);
  }

  Result<OffsetRange> offsets(const TopicPartition& partition) override {
    OffsetRange range;
    rd_kafka_resp_err_t error = ask_for_offsets(partition, &range);
    // A topic that was just made, or a broker that has just gone, has no leader for a moment.
    for (int waited_ms = 0; has_no_leader(error) && waited_ms < timeout_ms_;
         waited_ms += kLeaderWaitMs) {
      pause_for({kLeaderWaitMs * 1'000});
      error = ask_for_offsets(partition, &range);
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return failure(error, "ask for offsets of " + partition.name());
    }
    return range;
  }

  int64_t last_seen_end(const TopicPartition& partition) override {
    int64_t begin = -1;
    int64_t end = -1;
    const rd_kafka_resp_err_t error = rd_kafka_get_watermark_offsets(
        handle_.get(), partition.topic.c_str(), partition.partition, &begin, &end);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR && end >= 0 ? end : -1;
  }

  Status assign(const std::vector<std::pair<TopicPartition, int64_t>>& from) override {
    const ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(from.size())),
                       rd_kafka_topic_partition_list_destroy);
    let_stops_end();
    is_stopping_ = !assigned_.empty();
    assigned_.clear();
    for (const auto& [partition, offset] : from) {
      rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition)
          ->offset = offset;
      assigned_.push_back(partition);
    }
    const rd_kafka_resp_err_t error = rd_kafka_assign(handle_.get(), list.get());
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? Status() : failure(error, "assign partitions");
  }

  Status join(const std::vector<std::string>& topics) override {
    const ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(topics.size())),
                       rd_kafka_topic_partition_list_destroy);
    for (const std::string& topic : topics) {
      rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
    }
    const rd_kafka_resp_err_t error = rd_kafka_subscribe(handle_.get(), list.get());
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? Status() : failure(error, "join the group");
  }

  Status take(const std::vector<std::pair<TopicPartition, int64_t>>& from) override {
    unanswered_.reset();
    const ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(from.size())),
                       rd_kafka_topic_partition_list_destroy);
    for (const auto& [partition, offset] : from) {
      rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition)
          ->offset = offset;
      const std::size_t index = index_of(partition);
      given_up_.erase(index);
      if (index == assigned_.size()) {
        assigned_.push_back(partition);
      }
    }
    return result_of(rd_kafka_incremental_assign(handle_.get(), list.get()), "take partitions");
  }

  Status give_up(const std::vector<TopicPartition>& partitions) override {
    unanswered_.reset();
    for (const TopicPartition& partition : partitions) {
      given_up_.insert(index_of(partition));
    }
    const ListPtr list = list_of(partitions);
    return result_of(rd_kafka_incremental_unassign(handle_.get(), list.get()),
                     "give up partitions");
  }

  Result<std::unique_ptr<KafkaBlock>> poll(int64_t records_max, Duration wait) override {
    ASSAY_CHECK(!unanswered_.has_value());
    std::vector<rd_kafka_message_t*> found(static_cast<std::size_t>(records_max));
    // The call waits until `found` is full or the time is over: first wait for one record, then
    // take what is there.
    int64_t count = rd_kafka_consume_batch_queue(
        queue_.get(), static_cast<int>(wait.micros / 1'000), found.data(), 1);
    if (count > 0 && records_max > 1) {
      const int64_t more = rd_kafka_consume_batch_queue(
          queue_.get(), 0, found.data() + 1, static_cast<std::size_t>(records_max - 1));
      count += std::max<int64_t>(0, more);
    }
    is_stopping_ = is_stopping_ && count <= 0;
    auto block = std::make_unique<MessageBlock>();
    Status failed;
    for (int64_t i = 0; i < count; ++i) {
      const Status taken = take(found[static_cast<std::size_t>(i)], *block);
      failed = failed.ok() ? taken : failed;
    }
    if (!failed.ok()) {
      return failed;
    }
    if (!handle_.callbacks->rebalances.empty()) {
      block->rebalance = std::move(handle_.callbacks->rebalances.front());
      handle_.callbacks->rebalances.pop_front();
      unanswered_ = block->rebalance;
    }
    return std::unique_ptr<KafkaBlock>(std::move(block));
  }

 private:
  /// The message belongs to the block at return.
  Status take(rd_kafka_message_t* message, MessageBlock& block) {
    TopicPartition from;
    if (message->rkt != nullptr) {
      from = {rd_kafka_topic_name(message->rkt), message->partition};
    }
    const std::size_t index = index_of(from);
    const bool is_mine = index < assigned_.size() && !given_up_.contains(index);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ASSAY_CHECK(index < assigned_.size());
      if (is_mine) {
        block.add(message, index);
      } else {
        block.hold(message);
      }
      return {};
    }
    block.hold(message);
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && is_mine) {
      block.ends.emplace_back(index, message->offset);
      return {};
    }
    // What the library says while it connects again, or waits for a leader, is no failure of ours.
    const Code code = code_of(message->err);
    if (code == Code::kUnavailable) {
      return {};
    }
    return {code,
            (from.topic.empty() ? std::string("kafka") : from.name()) + ": " +
                rd_kafka_message_errstr(message)};
  }

  rd_kafka_resp_err_t ask_for_offsets(const TopicPartition& partition, OffsetRange* range) {
    return rd_kafka_query_watermark_offsets(handle_.get(),
                                            partition.topic.c_str(),
                                            partition.partition,
                                            &range->begin,
                                            &range->end,
                                            timeout_ms_);
  }
  static constexpr int kLeaderWaitMs = 100;

  [[nodiscard]] std::size_t index_of(const TopicPartition& partition) const {
    const auto at = std::find(assigned_.begin(), assigned_.end(), partition);
    return static_cast<std::size_t>(at - assigned_.begin());
  }
  static ListPtr list_of(const std::vector<TopicPartition>& partitions) {
    ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())),
                 rd_kafka_topic_partition_list_destroy);
    for (const TopicPartition& partition : partitions) {
      rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition)
          ->offset = RD_KAFKA_OFFSET_END;
    }
    return list;
  }

  /// The library waits for an answer to all that it has told before it lets go.
  void close_group() {
    Callbacks& callbacks = *handle_.callbacks;
    callbacks.is_closing = true;
    if (unanswered_.has_value()) {
      callbacks.rebalances.push_front(*std::move(unanswered_));
    }
    for (const KafkaRebalance& told : callbacks.rebalances) {
      const ListPtr list = list_of(told.partitions);
      on_rebalance(
          handle_.get(),
          told.gives ? RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS : RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS,
          list.get(),
          &callbacks);
    }
  }

  Handle handle_;
  int timeout_ms_;
  std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)> queue_;
  /// The library (2.0) aborts when partitions are taken away that it still stops because of the
  /// assignment before, and does not say when it is done.
  void let_stops_end() {
    if (std::exchange(is_stopping_, false)) {
      pause_for(kStopTime);
    }
  }

  static constexpr Duration kStopTime{200'000};
  bool is_stopping_ = false;  // an assignment replaced another, and nothing came of it yet
  std::vector<TopicPartition> assigned_;
  std::set<std::size_t> given_up_;  // of them, by index
  std::optional<KafkaRebalance> unanswered_;
};

class LibraryProducer : public KafkaProducer {
 public:
  explicit LibraryProducer(Handle handle) : handle_(std::move(handle)) {}
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

  Status send(const std::string& topic, int32_t partition, const KafkaRecord& record) {
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
          RD_KAFKA_V_OPAQUE(failed_.get()),
          RD_KAFKA_V_END);
      if (error != RD_KAFKA_RESP_ERR_NO_ERROR && headers != nullptr) {
        rd_kafka_headers_destroy(headers);  // the library takes them over with the record only
      }
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        rd_kafka_poll(handle_.get(), 0);
        ASSAY_RETURN_IF_ERROR(*failed_);
        return error == RD_KAFKA_RESP_ERR_NO_ERROR ? Status() : failure(error, "send to " + topic);
      }
      rd_kafka_poll(handle_.get(), 100);
      ASSAY_RETURN_IF_ERROR(*failed_);
    }
  }

  Status flush() override {
    rd_kafka_flush(handle_.get(), -1);
    return std::exchange(*failed_, Status());
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
    auto* failed = static_cast<Status*>(message->_private);
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && failed->ok()) {
      *failed = failure(message->err, "a record was not taken by the broker");
    }
  }

 private:
  // First failure of a record. Deliveries are told from within poll and flush; declared before the
  // handle, which tells of those it drops at its end.
  std::unique_ptr<Status> failed_ = std::make_unique<Status>();
  Handle handle_;
};

/// A producer's transactions, and a consumer that asks where they stand and never reads.
class LibraryTransactions : public KafkaTransactions {
 public:
  LibraryTransactions(Handle sends,
                      Handle asks,
                      const KafkaClientOptions& options,
                      std::string name,
                      std::string topic)
      : producer_(std::move(sends)),
        consumer_(std::move(asks), options),
        timeout_ms_(static_cast<int>(options.timeout.micros / 1'000)),
        name_(std::move(name)),
        topic_(std::move(topic)) {}

  Status start() {
    ASSAY_ASSIGN_OR_RETURN(partitions_, consumer_.partitions(topic_));
    return take(rd_kafka_init_transactions(producer_.handle(), timeout_ms_),
                "take over the transactions");
  }

  Result<std::optional<CommittedPosition>> position() override {
    const ListPtr list = position_list();
    const rd_kafka_resp_err_t error =
        rd_kafka_committed(consumer_.handle(), list.get(), timeout_ms_);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return failure(error, "ask for the position of " + name_);
    }
    const rd_kafka_topic_partition_t& found = list->elems[0];
    if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return failure(found.err, "ask for the position of " + name_);
    }
    if (found.offset < 0) {
      return std::optional<CommittedPosition>();
    }
    return std::optional(CommittedPosition{
        found.offset, std::string(static_cast<const char*>(found.metadata), found.metadata_size)});
  }

  Result<bool> has_had_records() override {
    for (int32_t partition = 0; partition < partitions_; ++partition) {
      ASSAY_ASSIGN_OR_RETURN(const OffsetRange range, consumer_.offsets({topic_, partition}));
      if (range.end > 0) {
        return true;
      }
    }
    return false;
  }

  Status begin() override {
    return take(rd_kafka_begin_transaction(producer_.handle()), "begin a transaction");
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
    Status status(code_of(rd_kafka_error_code(error)),
                  what + " of " + name_ + ": " + rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return status;
  }

  LibraryProducer producer_;
  LibraryConsumer consumer_;
  int timeout_ms_;
  std::string name_;
  std::string topic_;
  int32_t partitions_ = 0;
};

std::string kilobytes(int64_t bytes) {
  return std::to_string(std::max<int64_t>(1, bytes / 1024));
}

}  // namespace

Result<std::unique_ptr<KafkaConsumer>> KafkaConsumer::open(Log& log,
                                                           const KafkaClientOptions& options) {
  KafkaClientOptions quick = options;
  // How long a broker waits before it says that there is nothing new.
  quick.settings.emplace("fetch.wait.max.ms", "100");
  // How soon a group gives others what a member had that was killed.
  quick.settings.emplace("session.timeout.ms", "10000");
  ASSAY_ASSIGN_OR_RETURN(
      Handle handle,
      open_client(RD_KAFKA_CONSUMER,
                  log,
                  quick,
                  {{"group.id", options.group.empty() ? "assay" : options.group},
                   {"partition.assignment.strategy", "cooperative-sticky"},
                   {"enable.auto.commit", "false"},
                   {"enable.auto.offset.store", "false"},
                   {"auto.offset.reset", "error"},
                   {"enable.partition.eof", "true"},
                   {"isolation.level", "read_committed"},
                   {"queued.max.messages.kbytes", kilobytes(options.queue_bytes_max)}},
                  nullptr));
  // Everything of all partitions comes by one queue.
  rd_kafka_poll_set_consumer(handle.get());
  return std::unique_ptr<KafkaConsumer>(
      std::make_unique<LibraryConsumer>(std::move(handle), options));
}

Result<std::unique_ptr<KafkaProducer>> KafkaProducer::open(Log& log,
                                                           const KafkaClientOptions& options) {
  KafkaClientOptions quick = options;
  quick.settings.emplace("linger.ms", "5");
  ASSAY_ASSIGN_OR_RETURN(
      Handle handle,
      open_client(RD_KAFKA_PRODUCER,
                  log,
                  quick,
                  {{"enable.idempotence", "true"},
                   {"queue.buffering.max.kbytes", kilobytes(options.queue_bytes_max)}},
                  LibraryProducer::on_delivery));
  return std::unique_ptr<KafkaProducer>(std::make_unique<LibraryProducer>(std::move(handle)));
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
  ASSAY_ASSIGN_OR_RETURN(
      Handle sends,
      open_client(RD_KAFKA_PRODUCER,
                  log,
                  quick,
                  {{"transactional.id", name},
                   {"queue.buffering.max.kbytes", kilobytes(options.queue_bytes_max)}},
                  LibraryProducer::on_delivery));
  // It is told only what is committed: a position within an open transaction is waited for.
  ASSAY_ASSIGN_OR_RETURN(
      Handle asks,
      open_client(RD_KAFKA_CONSUMER,
                  log,
                  options,
                  {{"group.id", name},
                   {"enable.auto.commit", "false"},
                   {"isolation.level", "read_committed"}},
                  nullptr));
  auto transactions = std::make_unique<LibraryTransactions>(
      std::move(sends), std::move(asks), options, name, topic);
  ASSAY_RETURN_IF_ERROR(transactions->start());
  return std::unique_ptr<KafkaTransactions>(std::move(transactions));
}

Status create_topic(Log& log,
                    const KafkaClientOptions& options,
                    const std::string& topic,
                    int32_t partitions) {
  ASSAY_ASSIGN_OR_RETURN(const Handle handle,
                         open_client(RD_KAFKA_PRODUCER, log, options, {}, nullptr));
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
  return error == RD_KAFKA_RESP_ERR_NO_ERROR ? Status() : failure(error, "make topic " + topic);
}

}  // namespace assay::ingest
