#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flow/test_project.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_mock.h"

// The small project of test_project.h, its events coming from a topic of a broker in this process.

namespace assay::flow {

/// A broker with one topic.
class TestTopic {
 public:
  explicit TestTopic(int32_t partitions)
      : partitions_(partitions), broker_(ingest::KafkaMock::start()) {
    broker_->create_topic("events", partitions);
    ingest::KafkaClientOptions options;
    options.brokers = broker_->brokers();
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
  void send(int32_t partition, const std::string& value) {
    EXPECT_TRUE(producer_->send("events", partition, "", value).ok());
    ++sent_;
  }
  void flush() { EXPECT_TRUE(producer_->flush().ok()); }
  void set_away(bool is_away) { broker_->set_away(is_away); }
  [[nodiscard]] int64_t sent() const { return sent_; }
  [[nodiscard]] const std::string& brokers() const { return broker_->brokers(); }

 private:
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
           "events: {kafka: {brokers: \"" + topic.brokers() + "\", topics: events}}");
  }
};

}  // namespace assay::flow
