#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/wait_until.h"
#include "flow/test_project.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_mock.h"

// The small project of test_project.h, its events coming from a topic of a broker in this process.

namespace assay::flow {

/// For "source: events\n": the same event once more is a duplicate.
inline constexpr char kWithKey[] = "source: events\n    key: [user_id, ts]\n";

/// Of a source: the broker of these tests does not look again before it says that there is nothing
/// new.
inline constexpr char kAskedOften[] = "options: {fetch.wait.max.ms: \"10\"}";

/// A broker with one topic.
class TestTopic {
 public:
  explicit TestTopic(int32_t partitions, int brokers = 1)
      : partitions_(partitions), broker_(ingest::KafkaMock::start(brokers)) {
    broker_->create_topic("events", partitions);
    ingest::KafkaClientOptions options;
    options.brokers = broker_->brokers();
    options.settings = {{"reconnect.backoff.max.ms", "200"}};
    producer_ = *ingest::KafkaProducer::open(*log_, options);
  }

  /// Send lines of CSV (after the header) as JSON, those of one user to one partition.
  void send_csv(const std::string& text) {
    std::size_t begin = text.find('\n') + 1;
    while (begin < text.size()) {
      const std::size_t end = text.find('\n', begin);
      send_line(text.substr(begin, end - begin), 0);
      begin = end + 1;
    }
    EXPECT_TRUE(producer_->flush().ok());
  }
  /// Send such a line to another partition than its user's.
  void send_elsewhere(const std::string& line) {
    send_line(line, 1);
    EXPECT_TRUE(producer_->flush().ok());
  }
  /// A value without memory is null: a tombstone.
  void send(int32_t partition, std::string_view value, std::string_view key = "") {
    EXPECT_TRUE(producer_->send("events", partition, key, value).ok());
    ++sent_;
  }
  void send_to(const std::string& topic, std::string_view value, std::string_view key) {
    EXPECT_TRUE(producer_->send(topic, 0, key, value).ok());
    EXPECT_TRUE(producer_->flush().ok());
  }
  void create(const std::string& topic) { broker_->create_topic(topic, 1); }

  struct Received {
    std::string key;
    std::string value;
    std::map<std::string, std::string> headers;
  };
  /// The first `count` records of partition 0 of another topic.
  std::vector<Received> read(const std::string& topic, std::size_t count) {
    ingest::KafkaClientOptions options;
    options.brokers = broker_->brokers();
    const auto consumer = *ingest::KafkaConsumer::open(*log_, options);
    EXPECT_TRUE(consumer->assign({{{topic, 0}, 0}}).ok());
    std::vector<Received> received;
    for (int tries = 0; tries < 100 && received.size() < count; ++tries) {
      const auto block = *consumer->poll(100, {100'000});
      add(*block, &received);
    }
    return received;
  }
  /// All records of partition 0 of another topic.
  std::vector<Received> read_all(const std::string& topic) {
    ingest::KafkaClientOptions options;
    options.brokers = broker_->brokers();
    const auto consumer = *ingest::KafkaConsumer::open(*log_, options);
    EXPECT_TRUE(consumer->assign({{{topic, 0}, 0}}).ok());
    std::vector<Received> received;
    const auto is_end = [&] {
      const auto block = *consumer->poll(1'000, {100'000});
      add(*block, &received);
      return !block->ends.empty();
    };
    wait_until("the end of " + topic, is_end, std::identity(), {.look_every = {0}});
    return received;
  }
  void flush() { EXPECT_TRUE(producer_->flush().ok()); }
  void set_away(bool is_away) { broker_->set_away(is_away); }
  void fail_joins(int count) { broker_->fail_joins(count); }
  ingest::KafkaMock& broker() { return *broker_; }
  [[nodiscard]] int64_t sent() const { return sent_; }
  [[nodiscard]] const std::string& brokers() const { return broker_->brokers(); }

 private:
  static void add(const ingest::KafkaBlock& block, std::vector<Received>* received) {
    for (const ingest::KafkaMessage& message : block.messages) {
      received->push_back({std::string(message.key), std::string(message.value), {}});
      for (const auto& [name, value] : message.headers) {
        received->back().headers[std::string(name)] = std::string(value);
      }
    }
  }
  void send_line(const std::string& line, int32_t beside) {
    const std::size_t first = line.find(',');
    const std::size_t second = line.find(',', first + 1);
    const std::string user = line.substr(0, first);
    send((user.back() + beside) % partitions_,
         R"({"user_id":")" + user + R"(","amount":)" + line.substr(first + 1, second - first - 1) +
             R"(,"ts":")" + line.substr(second + 1) + "\"}");
  }

  int32_t partitions_;
  std::unique_ptr<Log> log_ = null_log();
  std::unique_ptr<ingest::KafkaMock> broker_;
  std::unique_ptr<ingest::KafkaProducer> producer_;
  int64_t sent_ = 0;
};

/// A project that reads the topic.
class KafkaProject : public TestProject {
 public:
  explicit KafkaProject(const TestTopic& topic) {
    change("events: {files: {path: data, format: csv}}",
           "events: {kafka: {brokers: \"" + topic.brokers() + "\", " + kAskedOften +
               ", topics: events}}");
  }
};

}  // namespace assay::flow
