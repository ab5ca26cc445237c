#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/status.h"
#include "base/time.h"
#include "base/wakeup.h"
#include "base/world.h"
#include "catalog/definitions.h"
#include "ingest/kafka_client.h"

namespace assay::flow {

/// Looks at the topics of a source again and again, in a thread and by a client of its own: who
/// reads other sources does not wait for brokers that are away.
///
/// Threads its owner's.
/// Source  docs/decisions/0195-a-source-is-away-alone.md
class TopicWatch {
 public:
  struct Options {
    Duration timeout;  // brokers that have not answered for so long are away
    Duration every;
    /// Those that are away are asked again after this long, then twice as long each time.
    Duration away_first;
    Duration away_max;
    Wakeup* wakeup = nullptr;  // notified of an answer; must outlive the watch
  };
  /// The world must outlive the watch.
  ///
  /// Errors  kInvalidArgument: a setting that the client library refuses.
  static Result<std::unique_ptr<TopicWatch>> start(World& world,
                                                   const catalog::SourceDef& source,
                                                   const Options& options);
  /// Waits for the question that is on its way.
  ~TopicWatch();
  TopicWatch(const TopicWatch&) = delete;
  TopicWatch& operator=(const TopicWatch&) = delete;

  struct Answer {
    Result<ingest::KafkaLook> look;  // as KafkaConsumer::look()
    Duration asked_at;               // by the monotonic clock
  };
  /// What was answered last; nothing where that was taken before.
  std::optional<Answer> take();
  /// Do not wait with the next question.
  void ask_now() { next_.notify(); }

 private:
  TopicWatch(World& world, catalog::SourceDef source, const Options& options)
      : world_(world), source_(std::move(source)), options_(options) {}
  void run(const std::stop_token& stop);
  Answer look(const std::stop_token& stop);

  World& world_;
  const catalog::SourceDef source_;
  const Options options_;
  std::unique_ptr<ingest::KafkaConsumer> asks_;
  Wakeup next_;
  std::mutex mutex_;
  std::optional<Answer> answer_;
  std::jthread thread_;  // the last member: it uses the others
};

}  // namespace assay::flow
