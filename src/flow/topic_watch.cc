#include "flow/topic_watch.h"

#include <algorithm>
#include <utility>

#include "base/pause.h"

namespace assay::flow {
namespace {

/// A question takes so long at most, so that an end is heard.
constexpr Duration kQuestionMax{500'000};
/// That there is no such topic is believed when it is still said after this: a broker that has just
/// come back may not know its topics yet.
constexpr Duration kGoneAfter{5 * kMicrosPerSecond};
constexpr Duration kPause{100'000};
constexpr Duration kEveryMin{10'000};

}  // namespace

Result<std::unique_ptr<TopicWatch>> TopicWatch::start(World& world,
                                                      const catalog::SourceDef& source,
                                                      const Options& options) {
  std::unique_ptr<TopicWatch> watch(new TopicWatch(world, source, options));
  ingest::KafkaClientOptions client;
  client.brokers = source.kafka->brokers;
  client.settings = source.kafka->options;
  client.timeout = std::min(options.timeout, kQuestionMax);
  ASSAY_ASSIGN_OR_RETURN(watch->asks_, ingest::KafkaConsumer::open(world.log, client));
  watch->thread_ =
      std::jthread([watch = watch.get()](const std::stop_token& stop) { watch->run(stop); });
  return watch;
}

TopicWatch::~TopicWatch() {
  thread_.request_stop();
  ends_.notify();
}

std::optional<TopicWatch::Answer> TopicWatch::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(answer_, std::nullopt);
}

void TopicWatch::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Answer answer = look(stop);
    {
      const std::lock_guard lock(mutex_);
      answer_ = std::move(answer);
    }
    if (options_.wakeup != nullptr) {
      options_.wakeup->notify();
    }
    ends_.wait(std::max(options_.every, kEveryMin));
  }
}

TopicWatch::Answer TopicWatch::look(const std::stop_token& stop) {
  Answer answer;
  for (const std::string& topic : source_.kafka->topics) {
    const Result<int32_t> count = ask(topic, stop);
    if (!count.ok()) {
      answer.status = count.status().with_context("source `" + source_.name + "`");
      return answer;
    }
    answer.partitions[topic] = *count;
  }
  return answer;
}

Result<int32_t> TopicWatch::ask(const std::string& topic, const std::stop_token& stop) {
  const Duration began = world_.clock.monotonic();
  for (;;) {
    Result<int32_t> count = asks_->partitions(topic, {0});
    const bool is_gone = count.code() == Code::kNotFound;
    if (count.ok() || (!is_gone && !retryable(count.code())) || stop.stop_requested()) {
      return count;
    }
    const Duration patience = is_gone ? std::min(kGoneAfter, options_.timeout) : options_.timeout;
    if (world_.clock.monotonic().micros - began.micros >= patience.micros) {
      return count;
    }
    pause_for(std::min(kPause, options_.timeout));
  }
}

}  // namespace assay::flow
