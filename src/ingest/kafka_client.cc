// The consumer of the adapter of librdkafka. It reads from our own offsets: the library's offset
// store takes no part. An offset that is not there is an error (`auto.offset.reset = error`), never
// a silent jump.
//
// A group only says who reads which partition. The library tells it from within a poll and goes on
// when it is answered, so what it tells is kept until the records before it are done with.

#include "ingest/kafka_client.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <librdkafka/rdkafka.h>

#include "base/check.h"
#include "ingest/kafka_library.h"

namespace assay::ingest {
namespace {

using ListPtr = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                decltype(&rd_kafka_topic_partition_list_destroy)>;

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

  void add(rd_kafka_message_t* message, std::size_t partition, bool reads_headers) {
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
    // The library looks for them when it is asked, with memory of its own for each message.
    if (reads_headers &&
        rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
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

/// Records that are fetched ahead at most. The library counts bytes of values alone; each record
/// takes some hundred more.
int64_t records_ahead(int64_t bytes_max) {
  constexpr int64_t kRecordBytes = 512;
  return std::clamp<int64_t>(bytes_max / kRecordBytes, 100'000, 10'000'000);
}

class LibraryConsumer : public KafkaConsumer {
 public:
  LibraryConsumer(Log& log, KafkaHandle handle, const KafkaClientOptions& options)
      : log_(log),
        options_(options),
        handle_(std::move(handle)),
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
    drop_what_was_said();
    close_group();
    queue_.reset();
    rd_kafka_consumer_close(handle_.get());
    if (is_member_ || has_lost_topic_) {
      // The library (2.0, mended in 2.3) aborts when it destroys a member that a group has taken in
      // and given nothing yet. And it never ends when a topic went away that it was assigned. It
      // has left the group and reads nothing: what it holds of memory is left to the process.
      rd_kafka_set_log_level(handle_.get(), 0);
      (void)handle_.client.release();
      (void)handle_.callbacks.release();
    }
  }
  LibraryConsumer(const LibraryConsumer&) = delete;
  LibraryConsumer& operator=(const LibraryConsumer&) = delete;

  [[nodiscard]] rd_kafka_t* handle() const { return handle_.get(); }

  Result<int32_t> partitions(const std::string& topic, Duration patience) override {
    ASSAY_ASSIGN_OR_RETURN(const KafkaHandle* asks, who_asks());
    Result<int32_t> count = kafka_partitions(*asks, topic, timeout_ms_, patience);
    note_lost_topic(count.code());
    return count;
  }

  Result<std::vector<uint64_t>> topic_ids(const std::vector<std::string>& topics) override {
    ASSAY_ASSIGN_OR_RETURN(const KafkaHandle* asks, who_asks());
    constexpr int kControllerMs = 2'000;
    return kafka_topic_ids(*asks, topics, std::min(timeout_ms_, kControllerMs));
  }

  Result<OffsetRange> offsets(const TopicPartition& partition) override {
    ASSAY_ASSIGN_OR_RETURN(const KafkaHandle* asks, who_asks());
    Result<OffsetRange> range = kafka_offsets(*asks, partition, timeout_ms_);
    note_lost_topic(range.code());
    return range;
  }

  Result<std::vector<int64_t>> ends(const std::vector<TopicPartition>& partitions,
                                    Duration wait) override {
    ASSAY_ASSIGN_OR_RETURN(const KafkaHandle* asks, who_asks());
    return kafka_ends(*asks, partitions, static_cast<int>(wait.micros / 1'000));
  }

  int64_t last_seen_end(const TopicPartition& partition) override {
    int64_t begin = -1;
    int64_t end = -1;
    const rd_kafka_resp_err_t error = rd_kafka_get_watermark_offsets(
        handle_.get(), partition.topic.c_str(), partition.partition, &begin, &end);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR && end >= 0 ? end : -1;
  }

  Status assign(const std::vector<std::pair<TopicPartition, int64_t>>& from) override {
    run_ = {};
    lost_.clear();
    const ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(from.size())),
                       rd_kafka_topic_partition_list_destroy);
    let_stops_end();
    if (!assigned_.empty()) {
      // That an offset is gone is never outdated to the library, unlike records: what it said of the
      // assignment before would be taken for this one's.
      (void)rd_kafka_assign(handle_.get(), nullptr);  // should it fail, so does the one below
      let_stops_end();
      drop_what_was_said();
    }
    assigned_.clear();
    for (const auto& [partition, offset] : from) {
      rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition)
          ->offset = offset;
      assigned_.emplace(partition, assigned_.size());
    }
    const rd_kafka_resp_err_t error = rd_kafka_assign(handle_.get(), list.get());
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? Status()
                                               : kafka_failure(error, "assign partitions");
  }

  Status seek(const TopicPartition& partition, int64_t offset) override {
    const ListPtr list = list_of({partition});
    const std::string what = "go to an offset of " + partition.name();
    if (lost_.erase(partition) > 0) {  // the library has stopped to fetch it, and refuses to seek
      let_stops_end();
      ASSAY_RETURN_IF_ERROR(
          kafka_result(rd_kafka_incremental_unassign(handle_.get(), list.get()), what));
      list->elems[0].offset = offset;
      return kafka_result(rd_kafka_incremental_assign(handle_.get(), list.get()), what);
    }
    list->elems[0].offset = offset;
    ASSAY_RETURN_IF_ERROR(
        kafka_result(rd_kafka_seek_partitions(handle_.get(), list.get(), timeout_ms_), what));
    const rd_kafka_resp_err_t error = list->elems[0].err;
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? Status() : kafka_failure(error, what);
  }

  Status join(const std::vector<std::string>& topics) override {
    const ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(topics.size())),
                       rd_kafka_topic_partition_list_destroy);
    for (const std::string& topic : topics) {
      rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
    }
    is_member_ = true;
    const rd_kafka_resp_err_t error = rd_kafka_subscribe(handle_.get(), list.get());
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? Status() : kafka_failure(error, "join the group");
  }

  Status take(const std::vector<std::pair<TopicPartition, int64_t>>& from) override {
    run_ = {};
    unanswered_.reset();
    const ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(from.size())),
                       rd_kafka_topic_partition_list_destroy);
    for (const auto& [partition, offset] : from) {
      rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition)
          ->offset = offset;
      lost_.erase(partition);
      given_up_.erase(assigned_.try_emplace(partition, assigned_.size()).first->second);
    }
    return kafka_result(rd_kafka_incremental_assign(handle_.get(), list.get()), "take partitions");
  }

  Status give_up(const std::vector<TopicPartition>& partitions) override {
    run_ = {};
    unanswered_.reset();
    for (const TopicPartition& partition : partitions) {
      const auto at = assigned_.find(partition);
      if (at != assigned_.end()) {
        given_up_.insert(at->second);
      }
    }
    const ListPtr list = list_of(partitions);
    let_stops_end();
    return kafka_result(rd_kafka_incremental_unassign(handle_.get(), list.get()),
                        "give up partitions");
  }

  Result<std::unique_ptr<KafkaBlock>> poll(int64_t records_max, Duration wait) override {
    ASSAY_CHECK(!unanswered_.has_value());
    found_.resize(std::max(found_.size(), static_cast<std::size_t>(records_max)));
    // The call waits until `found_` is full or the time is over: first wait for one record, then
    // take what is there.
    int64_t count = rd_kafka_consume_batch_queue(
        queue_.get(), static_cast<int>(wait.micros / 1'000), found_.data(), 1);
    if (count > 0 && records_max > 1) {
      const int64_t more = rd_kafka_consume_batch_queue(
          queue_.get(), 0, found_.data() + 1, static_cast<std::size_t>(records_max - 1));
      count += std::max<int64_t>(0, more);
    }
    auto block = std::make_unique<MessageBlock>();
    block->messages.reserve(static_cast<std::size_t>(std::max<int64_t>(0, count)));
    Status failed;
    for (int64_t i = 0; i < count; ++i) {
      const Status taken = take(found_[static_cast<std::size_t>(i)], *block);
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
  /// A broker answers one question of a connection at a time, and a fetch when there is something
  /// to fetch, or after a while. So once something is fetched another client asks.
  Result<const KafkaHandle*> who_asks() {
    if (assigned_.empty() && !is_member_) {
      return &handle_;
    }
    if (asks_.client == nullptr) {
      KafkaClientOptions apart = options_;
      apart.group.clear();
      ASSAY_ASSIGN_OR_RETURN(asks_, open_kafka_consumer(log_, apart, {}));
    }
    return &asks_;
  }

  void note_lost_topic(Code code) {
    has_lost_topic_ = has_lost_topic_ || (code == Code::kNotFound && !assigned_.empty());
  }

  /// What the library said and nobody has asked for; topics that are gone are noted.
  void drop_what_was_said() {
    constexpr std::size_t kMessagesMax = 1'000;
    found_.resize(std::max(found_.size(), kMessagesMax));
    int64_t count = 0;
    do {
      count = rd_kafka_consume_batch_queue(queue_.get(), 0, found_.data(), kMessagesMax);
      for (int64_t i = 0; i < count; ++i) {
        rd_kafka_message_t* const message = found_[static_cast<std::size_t>(i)];
        note_lost_topic(kafka_code(message->err));
        rd_kafka_message_destroy(message);
      }
    } while (count > 0);
  }

  static TopicPartition origin_of(const rd_kafka_message_t& message) {
    return message.rkt == nullptr
               ? TopicPartition()
               : TopicPartition{rd_kafka_topic_name(message.rkt), message.partition};
  }

  /// The index of the partition that a message is of; nothing where it is not read here any more.
  /// Messages come in runs of one partition.
  std::optional<std::size_t> index_of(const rd_kafka_message_t& message) {
    if (message.rkt == nullptr || message.rkt != run_.topic ||
        message.partition != run_.partition) {
      const auto at = assigned_.find(origin_of(message));
      const bool is_mine = at != assigned_.end() && !given_up_.contains(at->second);
      run_ = {message.rkt, message.partition, is_mine ? std::optional(at->second) : std::nullopt};
    }
    return run_.index;
  }

  /// The message belongs to the block at return.
  Status take(rd_kafka_message_t* message, MessageBlock& block) {
    const std::optional<std::size_t> index = index_of(*message);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (index.has_value()) {
        block.add(message, *index, options_.reads_headers);
      } else {
        block.hold(message);
      }
      return {};
    }
    block.hold(message);
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && index.has_value()) {
      block.ends.emplace_back(*index, message->offset);
      return {};
    }
    const TopicPartition from = origin_of(*message);
    if (message->err == RD_KAFKA_RESP_ERR__FATAL) {
      return {Code::kAborted, std::string("kafka: ") + rd_kafka_message_errstr(message)};
    }
    // What the library says while it connects again, or waits for a leader, is no failure of ours.
    const Code code = kafka_code(message->err);
    note_lost_topic(code);
    if (code == Code::kUnavailable) {
      if (is_member_ && from.topic.empty()) {
        block.group_trouble = rd_kafka_message_errstr(message);
      }
      return {};
    }
    if (code == Code::kOutOfRange && !from.topic.empty()) {
      if (index.has_value()) {  // else others read it now
        block.lost.push_back(*index);
        lost_.insert(from);
      }
      return {};
    }
    return {code,
            (from.topic.empty() ? std::string("kafka") : from.name()) + ": " +
                rd_kafka_message_errstr(message)};
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
    KafkaCallbacks& callbacks = *handle_.callbacks;
    callbacks.is_closing = true;
    if (unanswered_.has_value()) {
      callbacks.rebalances.push_front(*std::move(unanswered_));
    }
    for (const KafkaRebalance& told : callbacks.rebalances) {
      const ListPtr list = list_of(told.partitions);
      on_kafka_rebalance(handle_.get(), told.gives, list.get(), &callbacks);
      let_stops_end();
    }
  }

  Log& log_;
  KafkaClientOptions options_;
  KafkaHandle handle_;
  KafkaHandle asks_;  // while the first one fetches
  int timeout_ms_;
  std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)> queue_;
  /// The library (still 2.15) aborts when partitions are taken away that it stops because of the
  /// assignment before, and does not say when it is done. But its main thread does what it is told
  /// in turn: when it has answered one question it has stopped them, and it has heard that it did
  /// when it has answered a second one.
  void let_stops_end() {
    for (int question = 0; question < 2; ++question) {
      rd_kafka_topic_partition_list_t* list = nullptr;
      if (rd_kafka_assignment(handle_.get(), &list) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_topic_partition_list_destroy(list);
      }
    }
  }

  std::map<TopicPartition, std::size_t> assigned_;  // and the index of their messages
  std::set<std::size_t> given_up_;                  // of them, by index
  std::optional<KafkaRebalance> unanswered_;
  struct Run {
    const rd_kafka_topic_t* topic = nullptr;
    int32_t partition = 0;
    std::optional<std::size_t> index;
  };
  Run run_;                                 // of the last message
  std::set<TopicPartition> lost_;           // stopped: their offsets were not there
  bool is_member_ = false;                  // of a group
  bool has_lost_topic_ = false;             // one of those assigned is not there any more
  std::vector<rd_kafka_message_t*> found_;  // room for what a poll finds
};

}  // namespace

Result<std::unique_ptr<KafkaConsumer>> KafkaConsumer::open(Log& log,
                                                           const KafkaClientOptions& options) {
  KafkaClientOptions quick = options;
  // How long a broker waits before it says that there is nothing new.
  quick.settings.emplace("fetch.wait.max.ms", "100");
  // How soon it is looked for room again where as much is held as may be; the library's own second
  // is longer than all of that takes to be used.
  quick.settings.emplace("fetch.queue.backoff.ms", "5");
  // How soon a group gives others what a member had that was killed.
  quick.settings.emplace("session.timeout.ms", "10000");
  ASSAY_ASSIGN_OR_RETURN(
      KafkaHandle handle,
      open_kafka_consumer(
          log,
          quick,
          {{"group.id", options.group.empty() ? "assay" : options.group},
           {"partition.assignment.strategy", "cooperative-sticky"},
           {"enable.auto.commit", "false"},
           {"enable.auto.offset.store", "false"},
           {"auto.offset.reset", "error"},
           {"enable.partition.eof", "true"},
           {"isolation.level", "read_committed"},
           {"queued.min.messages", std::to_string(records_ahead(options.queue_bytes_max))},
           {"queued.max.messages.kbytes", kafka_kilobytes(options.queue_bytes_max)}}));
  // Everything of all partitions comes by one queue.
  rd_kafka_poll_set_consumer(handle.get());
  return std::unique_ptr<KafkaConsumer>(
      std::make_unique<LibraryConsumer>(log, std::move(handle), quick));
}

}  // namespace assay::ingest
