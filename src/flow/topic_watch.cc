#include "flow/topic_watch.h"

#include <algorithm>

#include "base/pause.h"

namespace assay::flow {
namespace {

/// A question takes so long at most, so that an end is heard.
constexpr Duration kQuestionMax{500'000};
/// A leader that has not answered for so long is silent.
constexpr Duration kLeaderMax{2 * kMicrosPerSecond};
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
  next_.notify();
}

std::optional<TopicWatch::Answer> TopicWatch::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(answer_, std::nullopt);
}

void TopicWatch::run(const std::stop_token& stop) {
  Duration away_pause = options_.away_first;
  while (!stop.stop_requested()) {
    Answer answer = look(stop);
    Duration pause = options_.every;
    if (answer.look.ok()) {
      away_pause = options_.away_first;
    } else {
      pause = std::exchange(away_pause,
                            Duration{std::min(away_pause.micros * 2, options_.away_max.micros)});
    }
    {
      const std::lock_guard lock(mutex_);
      answer_ = std::move(answer);
    }
    if (options_.wakeup != nullptr) {
      options_.wakeup->notify();
    }
    next_.wait(std::max(pause, kEveryMin));
  }
}

/// Asks again until brokers have answered, or are away.
TopicWatch::Answer TopicWatch::look(const std::stop_token& stop) {
  const Duration began = world_.clock.monotonic();
  for (;;) {
    const Duration asked_at = world_.clock.monotonic();
    Result<ingest::KafkaLook> look =
        asks_->look(source_.kafka->topics, std::min(options_.timeout, kLeaderMax));
    const bool is_gone = look.code() == Code::kNotFound;
    const Duration patience = is_gone ? std::min(kGoneAfter, options_.timeout) : options_.timeout;
    const bool is_over = world_.clock.monotonic().micros - began.micros >= patience.micros;
    const bool may_pass = is_gone || (!look.ok() && retryable(look.code()));
    if (!may_pass || is_over || stop.stop_requested()) {
      if (!look.ok()) {
        look = std::move(look).status().with_context("source `" + source_.name + "`");
      }
      return {std::move(look), asked_at};
    }
    pause_for(std::min(kPause, options_.timeout));
  }
}

}  // namespace assay::flow
