#include <algorithm>
#include <charconv>
#include <memory>

#include "base/pause.h"
#include "base/whole_file.h"
#include "cli/commands.h"
#include "ingest/generate.h"
#include "ingest/kafka_client.h"

namespace assay::cli {
namespace {

constexpr std::size_t kBlockBytes = 1 << 20;
constexpr int64_t kPartitionsMax = 100'000;

/// Where generated lines go.
class LineTarget {
 public:
  virtual ~LineTarget() = default;
  virtual Status take(std::string_view line, std::string_view key) = 0;
  /// Let everything that was taken be seen, where it can be seen before the end.
  virtual Status flush() = 0;
  virtual Status finish() = 0;
};

/// Lines to stdout, or to a file that appears whole; a pipe or a device gets them as they come.
class TextTarget : public LineTarget {
 public:
  TextTarget(Invocation& invocation, std::string path)
      : invocation_(invocation), path_(std::move(path)) {}

  Status take(std::string_view line, std::string_view /*key*/) override {
    if (stop_requested()) {
      return {Code::kCancelled,
              path_.empty() ? "stopped after " + std::to_string(lines_) + " lines"
                            : "stopped before all of " + path_ + " was written"};
    }
    text_ += line;
    lines_ += 1;
    return text_.size() > kBlockBytes ? write_block() : Status();
  }

  Status flush() override { return text_.empty() ? Status() : write_block(); }

  Status finish() override {
    ASSAY_RETURN_IF_ERROR(write_block());
    if (path_.empty()) {
      return {};
    }
    ASSAY_RETURN_IF_ERROR(file_->publish());
    invocation_.output.say(std::to_string(lines_) + " lines written to " + path_);
    return {};
  }

 private:
  Status write_block() {
    if (path_.empty()) {
      invocation_.output.raw(text_);
    } else {
      if (file_ == nullptr) {
        ASSAY_ASSIGN_OR_RETURN(file_, WholeFile::create(path_));
      }
      ASSAY_RETURN_IF_ERROR(file_->append(text_));
    }
    text_.clear();
    return {};
  }

  Invocation& invocation_;
  std::string path_;
  std::string text_;  // not written yet
  std::unique_ptr<WholeFile> file_;
  int64_t lines_ = 0;
};

/// Lines to a Kafka topic, without their line ends; those of one key to one partition.
class TopicTarget : public LineTarget {
 public:
  static Result<std::unique_ptr<LineTarget>> open(Invocation& invocation) {
    const Arguments& arguments = invocation.arguments;
    if (!arguments.has("topic")) {
      return Status(Code::kInvalidArgument, "--kafka needs --topic");
    }
    const bool says_partitions = arguments.has("partitions");
    ASSAY_ASSIGN_OR_RETURN(const int64_t partitions,
                           says_partitions ? arguments.integer("partitions", 1) : 1);
    if (partitions > kPartitionsMax) {
      return Status(Code::kInvalidArgument,
                    "--partitions is " + std::to_string(partitions) + "; at most " +
                        std::to_string(kPartitionsMax));
    }
    ingest::KafkaClientOptions options;
    options.brokers = arguments.get("kafka");
    options.stop = &stop_requested();
    for (const std::string& option : arguments.all("option")) {
      const std::size_t equals = option.find('=');
      if (equals == 0 || equals == std::string::npos) {
        return Status(Code::kInvalidArgument, "--option is `" + option + "`; it is NAME=VALUE");
      }
      options.settings[option.substr(0, equals)] = option.substr(equals + 1);
    }
    auto target = std::make_unique<TopicTarget>(invocation, arguments.get("topic"));
    ASSAY_RETURN_IF_ERROR(
        target->make_topic(options, static_cast<int32_t>(partitions), says_partitions));
    ASSAY_ASSIGN_OR_RETURN(target->producer_,
                           ingest::KafkaProducer::open(invocation.world.log, options));
    return std::unique_ptr<LineTarget>(std::move(target));
  }
  TopicTarget(Invocation& invocation, std::string topic)
      : invocation_(invocation), topic_(std::move(topic)) {}

  Status take(std::string_view line, std::string_view key) override {
    if (stop_requested()) {
      ASSAY_RETURN_IF_ERROR(
          producer_->flush().with_context("stopped after " + std::to_string(lines_) + " records"));
      return {Code::kCancelled, "stopped after " + std::to_string(lines_) + " records"};
    }
    line.remove_suffix(1);
    lines_ += 1;
    return producer_->send(topic_, -1, key, line);
  }

  Status flush() override { return {}; }  // records are on their way

  Status finish() override {
    ASSAY_RETURN_IF_ERROR(producer_->flush());
    invocation_.output.say(std::to_string(lines_) + " records sent to topic " + topic_);
    return {};
  }

 private:
  /// Who may write to a topic may often not make any, so one that is there is not made.
  Status make_topic(const ingest::KafkaClientOptions& options,
                    int32_t partitions,
                    bool must_have_so_many) {
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<ingest::KafkaConsumer> asks,
                           ingest::KafkaConsumer::open(invocation_.world.log, options));
    const Result<int32_t> found = asks->partitions(topic_, {0});
    if (found.ok() && must_have_so_many && *found != partitions) {
      return {Code::kAlreadyExists,
              "topic " + topic_ + " is there and has " + std::to_string(*found) +
                  " partitions, not " + std::to_string(partitions) +
                  "; leave --partitions out to send to it as it is"};
    }
    if (found.code() != Code::kNotFound) {
      return found.status();
    }
    const Status made = ingest::create_topic(invocation_.world.log, options, topic_, partitions);
    return made.code() == Code::kAlreadyExists ? Status() : made;
  }

  Invocation& invocation_;
  std::string topic_;
  std::unique_ptr<ingest::KafkaProducer> producer_;
  int64_t lines_ = 0;
};

Result<std::unique_ptr<LineTarget>> open_target(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  if (!arguments.has("kafka")) {
    for (const std::string flag : {"option", "topic", "partitions"}) {
      if (arguments.has(flag)) {
        return Status(Code::kInvalidArgument,
                      "--" + flag + " says something of --kafka, which is not given");
      }
    }
    return std::unique_ptr<LineTarget>(
        std::make_unique<TextTarget>(invocation, arguments.get("to")));
  }
  if (arguments.has("to")) {
    return Status(Code::kInvalidArgument, "--kafka and --to are two places; give one");
  }
  return TopicTarget::open(invocation);
}

Result<double> number(const Arguments& arguments, const std::string& name) {
  const std::string& text = arguments.get(name);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Status(Code::kInvalidArgument, "--" + name + " is `" + text + "`; it must be a number");
  }
  return value;
}

Result<EventTime> start_of(const Arguments& arguments) {
  return parse_time(arguments.has("start") ? arguments.get("start") : "2026-01-01");
}

/// Let time pass until `at`, a little at a time so that a stop is heard.
void wait_until(Clock& clock, EventTime at) {
  constexpr int64_t kStepMicros = 100'000;
  while (!stop_requested() && clock.now() < at) {
    pause_for({std::min(kStepMicros, at.micros - clock.now().micros)});
  }
}

/// Shows on a terminal how many lines were given, while that takes long.
class LiveProgress {
 public:
  LiveProgress(Invocation& invocation, int64_t count)
      : invocation_(invocation), count_(count), said_at_(invocation.world.clock.monotonic()) {}
  void note() {
    ++given_;
    const Duration now = invocation_.world.clock.monotonic();
    if (now.micros - said_at_.micros >= kEvery.micros) {
      said_at_ = now;
      invocation_.output.progress(std::to_string(given_) + " lines, of about " +
                                  std::to_string(count_));
    }
  }

 private:
  static constexpr Duration kEvery{1 * kMicrosPerSecond};
  Invocation& invocation_;
  const int64_t count_;
  int64_t given_ = 0;
  Duration said_at_;
};

Status run_users(Invocation& invocation) {
  catch_stop_signals();
  const Arguments& arguments = invocation.arguments;
  ingest::UsersOptions options;
  ASSAY_ASSIGN_OR_RETURN(options.count, arguments.integer("count", 0));
  ASSAY_ASSIGN_OR_RETURN(const int64_t seed, arguments.integer("seed", 0));
  options.seed = static_cast<uint64_t>(seed);
  ASSAY_ASSIGN_OR_RETURN(options.start, start_of(arguments));
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<LineTarget> target, open_target(invocation));
  ASSAY_RETURN_IF_ERROR(ingest::generate_users(
      options, [&](const std::string& line) { return target->take(line, ""); }));
  return target->finish();
}

Status run_events(Invocation& invocation) {
  catch_stop_signals();
  const Arguments& arguments = invocation.arguments;
  ingest::EventsOptions options;
  ASSAY_ASSIGN_OR_RETURN(options.count, arguments.integer("count", 0));
  ASSAY_ASSIGN_OR_RETURN(options.users, arguments.integer("users", 1));
  ASSAY_ASSIGN_OR_RETURN(options.items, arguments.integer("items", 1));
  ASSAY_ASSIGN_OR_RETURN(const int64_t seed, arguments.integer("seed", 0));
  options.seed = static_cast<uint64_t>(seed);
  ASSAY_ASSIGN_OR_RETURN(options.start, start_of(arguments));
  ASSAY_ASSIGN_OR_RETURN(options.rate, number(arguments, "rate"));
  ASSAY_ASSIGN_OR_RETURN(options.duplicate_share, number(arguments, "duplicates"));
  ASSAY_ASSIGN_OR_RETURN(options.late_share, number(arguments, "late"));
  ASSAY_ASSIGN_OR_RETURN(options.malformed_share, number(arguments, "malformed"));
  const bool is_live = arguments.has("live");
  if (is_live && arguments.has("start")) {
    return {Code::kInvalidArgument, "--live begins at present; --start is another time"};
  }
  if (is_live) {
    options.start = invocation.world.clock.now();
  }
  options.id_prefix = ingest::event_id_prefix(options.seed, options.start);
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<LineTarget> target, open_target(invocation));
  LiveProgress progress(invocation, options.count);
  const auto take = [&](const ingest::GeneratedEvent& event) -> Status {
    if (is_live && event.at > invocation.world.clock.now()) {
      ASSAY_RETURN_IF_ERROR(target->flush());
      wait_until(invocation.world.clock, event.at);
    }
    if (is_live) {
      progress.note();
    }
    return target->take(event.line, event.key);
  };
  ASSAY_RETURN_IF_ERROR(ingest::generate_events(options, take));
  invocation.output.progress_done();
  return target->finish();
}

const Flag kSeed{"seed", "N", "the same seed gives the same bytes", "1", false, false};
const Flag kStart{"start",
                  "TIME",
                  "first instant of event time; 2026-01-01 when nothing is said",
                  "",
                  false,
                  false};
const Flag kTo{"to", "FILE", "write to this file, not to stdout", "", false, false};
const Flag kKafka{
    "kafka", "BROKERS", "send to a Kafka topic, made if it is not there", "", false, false};
const Flag kTopic{"topic", "TOPIC", "the topic of --kafka", "", false, false};
const Flag kPartitions{"partitions",
                       "N",
                       "partitions of the topic where it is made; 1 when nothing is said",
                       "",
                       false,
                       false};
const Flag kOption{"option",
                   "NAME=VALUE",
                   "of --kafka, as librdkafka calls it, such as security.protocol=SASL_SSL",
                   "",
                   true,
                   false};

}  // namespace

std::vector<Command> generate_commands() {
  return {
      {{"generate", "users"},
       "make up users, as JSON lines",
       "",
       {},
       {{"count", "N", "number of users", "1000", false, false},
        kSeed,
        kStart,
        kTo,
        kKafka,
        kTopic,
        kPartitions,
        kOption},
       run_users},
      {{"generate", "events"},
       "make up click events of those users, as JSON lines in order of delivery",
       "",
       {},
       {{"count", "N", "number of events", "50000", false, false},
        {"users", "N", "users u1 to uN", "1000", false, false},
        {"items", "N", "items 1 to N, Zipf distributed", "500", false, false},
        {"rate", "R", "events a second of event time", "10", false, false},
        {"duplicates", "SHARE", "share of events delivered twice", "0.01", false, false},
        {"late", "SHARE", "share delivered up to 30 minutes late", "0.02", false, false},
        {"malformed", "SHARE", "share of lines that are no event", "0.001", false, false},
        kSeed,
        kStart,
        {"live",
         "",
         "stamp events with the present and send each when it is due",
         "",
         false,
         false},
        kTo,
        kKafka,
        kTopic,
        kPartitions,
        kOption},
       run_events},
  };
}

}  // namespace assay::cli
