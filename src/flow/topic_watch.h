#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "base/status.h"
#include "base/time.h"
#include "base/wakeup.h"
#include "base/world.h"
#include "catalog/definitions.h"
#include "flow/part_lags.h"
#include "ingest/kafka_client.h"
#include "store/http_client.h"

namespace assay::flow {

/// Looks at the topics of a source again and again, in a thread and by a client of its own: who
/// reads other sources does not wait for brokers that are away.
///
/// Threads its owner's.
/// Source  docs/decisions/0210-a-source-is-away-alone.md
class TopicWatch {
 public:
  struct Options {
    Duration timeout;  // of a question
    Duration every;
    Wakeup* wakeup = nullptr;  // notified of an answer; must outlive the watch
    PartLags* lags = nullptr;  // told of what is seen; must outlive the watch
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
  /// Have the thread end soon, so that several end at once.
  void end();

  struct Answer {
    Result<ingest::KafkaLook> look;  // as look_at_topics()
    Status others;           // of the topic for refused records, and of the schema registry if asked
    bool is_of_all = false;  // it was asked, or there is none
    Duration asked_at;       // by the monotonic clock
    Duration came_at;
    bool was_silent = false;  // an answer before, which nobody took, was none
    /// Whether all that a table needs is there.
    [[nodiscard]] Status status() const { return look.ok() ? others : look.status(); }
  };
  /// What was answered last; nothing where that was taken before.
  std::optional<Answer> take();
  /// Do not wait with the next question, and ask the schema registry too, until told otherwise.
  void ask_all();
  void ask_brokers_alone() { asks_registry_ = false; }
  /// Do not wait with the next question.
  void ask_now() { next_.notify(); }

 private:
  TopicWatch(World& world, catalog::SourceDef source, const Options& options)
      : world_(world),
        source_(std::move(source)),
        options_(options) {}
  void run(const std::stop_token& stop);
  Result<ingest::KafkaLook> look(const std::stop_token& stop);
  void tell_lags(const std::optional<ingest::KafkaLook>& look, const std::stop_token& stop);
  Status ask_letters(const std::stop_token& stop);
  Status ask_registry();

  World& world_;
  const catalog::SourceDef source_;
  const Options options_;
  std::unique_ptr<ingest::KafkaConsumer> asks_;
  std::unique_ptr<store::HttpClient> http_;  // where there is a registry
  std::atomic<bool> asks_registry_ = false;
  Wakeup next_;
  std::mutex mutex_;
  std::optional<Answer> answer_;
  std::jthread thread_;  // the last member: it uses the others
};

}  // namespace assay::flow
