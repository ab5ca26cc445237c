#include "flow/topic_watch.h"

#include <algorithm>

#include "ingest/kafka_discovery.h"

namespace assay::flow {
namespace {

/// That a topic is not there is believed when it is still said after this: who reads it has found
/// it, and another broker may not know of it yet.
constexpr Duration kGoneAfter{5 * kMicrosPerSecond};
constexpr Duration kRegistryMax{10 * kMicrosPerSecond};
constexpr Duration kEveryMin{10'000};
/// Those that did not answer are asked again after this.
constexpr Duration kAwayEvery{2 * kMicrosPerSecond};
/// A record that is behind a line is waited for so long, to hear when it was sent.
constexpr Duration kRecordWait{500'000};
constexpr Duration kRecordsWait{1'000'000};  // for those of all partitions
/// Such a record is all that is ever fetched.
constexpr int64_t kFetchBytes = 64 << 10;
/// What a proxy says when there is no registry behind it.
constexpr int kNothingBehind = 502;
constexpr int kNothingInTime = 504;

}  // namespace

Result<std::unique_ptr<TopicWatch>> TopicWatch::start(World& world,
                                                      const catalog::SourceDef& source,
                                                      const Options& options) {
  std::unique_ptr<TopicWatch> watch(new TopicWatch(world, source, options));
  ingest::KafkaClientOptions client;
  client.brokers = source.kafka->brokers;
  client.settings = source.kafka->options;
  client.timeout = options.timeout;
  client.queue_bytes_max = kFetchBytes;
  ASSAY_ASSIGN_OR_RETURN(watch->asks_, ingest::KafkaConsumer::open(world.log, client));
  if (source.registry.has_value()) {
    watch->http_ = store::make_http_client({.ca_file = source.registry->ca_file});
  }
  watch->thread_ =
      std::jthread([watch = watch.get()](const std::stop_token& stop) { watch->run(stop); });
  return watch;
}

TopicWatch::~TopicWatch() {
  end();
}

void TopicWatch::end() {
  thread_.request_stop();
  next_.notify();
}

std::optional<TopicWatch::Answer> TopicWatch::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(answer_, std::nullopt);
}

void TopicWatch::ask_all() {
  asks_registry_ = true;
  next_.notify();
}

void TopicWatch::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const Duration asked_at = world_.clock.monotonic();
    Result<ingest::KafkaLook> found = look(stop);
    const std::optional<ingest::KafkaLook> looked =
        found.ok() && options_.lags != nullptr ? std::optional(*found) : std::nullopt;
    Status others = found.ok() ? ask_letters(stop) : Status();
    const bool asks_registry =
        asks_registry_ && http_ != nullptr && found.ok() && others.ok() && !stop.stop_requested();
    if (asks_registry) {
      others = ask_registry();
    }
    const bool is_away = !found.ok() || !others.ok();
    {
      const std::lock_guard lock(mutex_);
      const bool was_silent =
          answer_.has_value() && (answer_->was_silent || !answer_->look.ok());
      answer_ = Answer{std::move(found),
                       std::move(others),
                       asks_registry || http_ == nullptr,
                       asked_at,
                       world_.clock.monotonic(),
                       was_silent};
    }
    if (options_.wakeup != nullptr && !stop.stop_requested()) {
      options_.wakeup->notify();
    }
    tell_lags(looked, stop);  // last: nobody waits for it
    const Duration pause = is_away ? std::min(options_.every, kAwayEvery) : options_.every;
    next_.wait(std::max(pause, kEveryMin));
  }
}

Result<ingest::KafkaLook> TopicWatch::look(const std::stop_token& stop) {
  const std::string context = "source `" + source_.name + "`";
  const Duration patience = std::min(kGoneAfter, options_.timeout);
  Result<ingest::KafkaLook> found = ingest::look_at_topics(
      *asks_, source_.kafka->topics, patience, options_.timeout, stop);
  return found.ok() ? std::move(found) : std::move(found).status().with_context(context);
}

/// How far behind the line is, also while it is held up itself.
void TopicWatch::tell_lags(const std::optional<ingest::KafkaLook>& look,
                           const std::stop_token& stop) {
  if (options_.lags == nullptr) {
    return;
  }
  if (look.has_value()) {
    options_.lags->note_look(*look);
    const Duration begin = world_.clock.monotonic();
    for (const auto& [partition, offset] : options_.lags->unknown()) {
      if (stop.stop_requested()) {
        return;
      }
      if (world_.clock.monotonic().micros - begin.micros > kRecordsWait.micros) {
        break;  // the others in the next look
      }
      const Result<std::optional<EventTime>> sent =
          ingest::first_sent_from(*asks_, partition, offset, kRecordWait);
      if (sent.ok() && sent->has_value()) {
        options_.lags->note_next(partition, offset, **sent);
      }
    }
  }
  options_.lags->tell();
}

/// That the topic for refused records is not there is said by who sends: brokers may make it then.
Status TopicWatch::ask_letters(const std::stop_token& stop) {
  const std::string& letters = source_.kafka->dead_letter;
  if (letters.empty()) {
    return {};
  }
  const Status answer =
      ingest::look_at_topics(*asks_, {letters}, {0}, options_.timeout, stop).status();
  return retryable(answer.code())
             ? answer.with_context("dead letters of source `" + source_.name + "`")
             : Status();
}

/// Whether it says anything; what it says of a schema is heard by who asks for one.
Status TopicWatch::ask_registry() {
  store::HttpRequest request;
  request.url = source_.registry->url;
  while (request.url.ends_with('/')) {
    request.url.pop_back();
  }
  request.url += "/schemas/types";
  request.timeout = std::min(source_.registry->timeout, kRegistryMax);
  const Result<store::HttpResponse> response = http_->send(request);
  const bool is_there =
      response.ok() ? response->status < kNothingBehind || response->status > kNothingInTime
                    : response.code() == Code::kFailedPrecondition;
  return is_there ? Status()
                  : Status(Code::kUnavailable,
                           "source `" + source_.name + "`: schema registry " +
                               source_.registry->url + " does not answer");
}

}  // namespace assay::flow
