#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/status.h"
#include "base/time.h"
#include "base/wakeup.h"
#include "base/world.h"
#include "catalog/definitions.h"
#include "ingest/kafka_client.h"

namespace assay::flow {

/// Asks in a thread of its own, again and again, how many partitions the topics of a source have:
/// who reads other sources does not wait for brokers that are away.
///
/// Threads its owner's.
/// Source  docs/decisions/0195-a-source-is-away-alone.md
class TopicWatch {
 public:
  struct Options {
    Duration timeout;  // brokers that have not answered for so long are away
    Duration every;
    Wakeup* wakeup = nullptr;  // notified of an answer; must outlive the watch
  };
  /// The world must outlive the watch.
  ///
  /// Errors  kInvalidArgument: a setting that the client library refuses.
  static Result<std::unique_ptr<TopicWatch>> start(World& world,
                                                   const catalog::SourceDef& source,
                                                   const Options& options);
  /// Waits for a question for half a second at most.
  ~TopicWatch();
  TopicWatch(const TopicWatch&) = delete;
  TopicWatch& operator=(const TopicWatch&) = delete;

  struct Answer {
    Status status;  // as KafkaConsumer::partitions()
    std::map<std::string, int32_t> partitions;
  };
  /// What was answered last; nothing where that was taken before.
  std::optional<Answer> take();

 private:
  TopicWatch(World& world, catalog::SourceDef source, const Options& options)
      : world_(world), source_(std::move(source)), options_(options) {}
  void run(const std::stop_token& stop);
  Answer look(const std::stop_token& stop);
  Result<int32_t> ask(const std::string& topic, const std::stop_token& stop);

  World& world_;
  const catalog::SourceDef source_;
  const Options options_;
  std::unique_ptr<ingest::KafkaConsumer> asks_;
  Wakeup ends_;
  std::mutex mutex_;
  std::optional<Answer> answer_;
  std::jthread thread_;  // the last member: it uses the others
};

}  // namespace assay::flow
