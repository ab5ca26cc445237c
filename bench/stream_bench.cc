// Streams, five measurements:
//
//   memory    JSON click events (about 200 bytes, 10 fields, 6 of them read) in memory to tiles of
//             10 minutes per user in a store in memory, one thread, against DuckDB doing the same
//             from a file in the page cache to a table, one thread; in turns, answers compared
//   readable  from an event until it is readable online, at a steady rate through a broker into the
//             embedded store: one probe after the other, each an event of a user of its own whose
//             online row is asked for until it is there; the lake is written meanwhile. The first,
//             whose client has still to find the broker, is told apart
//   backlog   a topic's events into bronze, silver, gold and the online store
//   direct    a topic's events into the online store alone (`lake: none`), by `assay run`: into the
//             embedded one and into a Redis on the same cores, over a unix socket
//   generate  events as `assay generate` makes them, to a file and to a topic
//
//   stream_bench [memory EVENTS | readable SECONDS RATE | backlog EVENTS | direct EVENTS |
//                 generate EVENTS]
//
// The broker's address is in ASSAY_TEST_KAFKA (tools/servers/kafka.sh with ...); without it the
// others run on the client library's own broker for tests, in this process: its answers come late
// and it keeps 5 MB a partition, so that a backlog wants a real one.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/pause.h"
#include "base/process.h"
#include "base/temp_folder.h"
#include "base/whole_file.h"
#include "bronze/bronze_operator.h"
#include "click_project.h"
#include "flow/run.h"
#include "flow/up.h"
#include "gold/contract.h"
#include "online/redis_under_test.h"

namespace {

using assay::Duration;
using assay::EventTime;
using assay::kMicrosPerSecond;
using assay::parse_time;
using assay::pause_for;
using assay::Status;
using assay::World;
using assay::bench::click_of;
using assay::bench::ClickProject;
using assay::bench::ClickTopic;
using assay::bench::Events;
using assay::bench::kPartitions;
using assay::bench::kUsers;
using assay::bench::make_events;
namespace bronze = assay::bronze;
namespace catalog = assay::catalog;
namespace data = assay::data;
namespace flow = assay::flow;
namespace gold = assay::gold;
namespace ingest = assay::ingest;
namespace online = assay::online;

constexpr int kRepeats = 3;
constexpr std::size_t kLongest = 8;  // that are told
constexpr int64_t kBatchRecords = 20'000;

/// Seconds that this process has computed.
double computed() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

double seconds_since(World& world, Duration began) {
  return static_cast<double>(world.clock.monotonic().micros - began.micros) / 1e6;
}

/// What was read of each user, as the online store and as SQL say it.
std::string answer_text(const std::string& user, const gold::FeatureValues& answer) {
  std::string text = user;
  for (const data::Scalar& value : answer.values) {
    text += "|" + data::format_scalar(value);
  }
  return text;
}

data::EntityKey key_of(const std::string& user) {
  const data::Scalar value = data::Scalar::string(user);
  return *data::encode_key(std::span<const data::Scalar>(&value, 1));
}

struct MemoryRun {
  double seconds = 0;
  double decode_seconds = 0;  // of these
  std::unique_ptr<online::OnlineStore> store;
};

ingest::RecordBatch records_of(const Events& events,
                               std::size_t first,
                               std::size_t end,
                               EventTime received) {
  ingest::RecordBatch records;
  records.source = "clicks";
  records.file = "memory";
  records.format = catalog::Format::kJsonLines;
  records.first = {static_cast<int64_t>(first)};
  records.end = {static_cast<int64_t>(end)};
  records.received = received;
  records.memory = events.text;
  records.records.assign(events.lines.begin() + static_cast<int64_t>(first),
                         events.lines.begin() + static_cast<int64_t>(end));
  for (std::size_t i = first; i < end; ++i) {
    records.lines.push_back(static_cast<int64_t>(i) + 1);
  }
  return records;
}

MemoryRun run_ours(ClickProject& project, const Events& events) {
  World& world = project.world();
  const catalog::Project& definitions = project.workspace().project();
  bronze::BronzeOptions options;
  options.source = definitions.sources.at("clicks");
  const auto operation = *bronze::BronzeOperator::create(definitions.bronze.at("clicks"), options);
  // The view over bronze: SQL between them would be DuckDB's time.
  const gold::FeatureViewPtr view = *project.workspace().view("activity");
  MemoryRun run;
  run.store = online::make_memory_store(world.metrics);
  bronze::BronzeState state = operation->initial_state();
  const double began = computed();
  std::optional<int64_t> position;
  EventTime newest = EventTime::min();  // events are in order: what comes is not before it
  std::vector<data::Batch> waiting;
  int64_t waiting_rows = 0;
  for (std::size_t first = 0; first < events.lines.size(); first += kBatchRecords) {
    const std::size_t end = std::min(events.lines.size(), first + kBatchRecords);
    const ingest::RecordBatch records = records_of(events, first, end, world.clock.now());
    const double decoding = computed();
    bronze::BronzeOutput output = *operation->process(records, std::move(state));
    run.decode_seconds += computed() - decoding;
    state = std::move(output.state);
    ASSAY_CHECK(output.account.out == static_cast<int64_t>(end - first));
    waiting.push_back(*output.rows.select(view->source_columns()));
    waiting_rows += waiting.back().rows();
    newest = {waiting.back().find(gold::kEventTime)->values<int64_t>().back()};
    if (waiting_rows >= flow::RunOptions().online_batch_rows || end == events.lines.size()) {
      // As much at once as the online stage takes.
      const data::Batch rows = *data::concat(waiting.front().schema_ptr(), waiting);
      const int64_t next = position.value_or(-1) + 1;
      ASSAY_CHECK(run.store->apply(*view, rows, position, next, newest).ok());
      position = next;
      waiting.clear();
      waiting_rows = 0;
    }
  }
  run.seconds = computed() - began;
  return run;
}

std::vector<std::string> answers_of(ClickProject& project,
                                    online::OnlineStore& store,
                                    EventTime now) {
  const gold::FeatureViewPtr view = *project.workspace().view("activity");
  std::vector<std::string> texts;
  for (int64_t user = 1; user <= kUsers; ++user) {
    const std::string name = "u" + std::to_string(user);
    const data::EntityKey key = key_of(name);
    const gold::FeatureValues answer = (*store.read(*view, {&key, 1}, now))[0];
    if (answer.event_time.has_value()) {
      texts.push_back(answer_text(name, answer));
    }
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

void bench_memory(int64_t count) {
  ClickProject project("{files: {path: data, format: json}}", "10m");
  const EventTime start{parse_time("2026-01-01")->micros};
  const Events events = make_events(count, start);
  project.write("events.jsonl", *events.text);
  data::SqlEngine& sql = project.workspace().sql();
  const std::string tiles =
      "CREATE OR REPLACE TEMP TABLE tiles AS SELECT user_id, time_bucket(INTERVAL 10 MINUTE, "
      "make_timestamp(ts * 1000)) AS tile, count(*) AS n, sum(item_id) AS items, max(price) AS "
      "dearest FROM read_json('" +
      project.folder() +
      "/events.jsonl', format = 'newline_delimited', columns = {user_id: 'VARCHAR', item_id: "
      "'BIGINT', event_type: 'VARCHAR', price: 'DOUBLE', event_id: 'VARCHAR', ts: 'BIGINT'}) GROUP "
      "BY user_id, tile";
  ASSAY_CHECK(sql.query("SET threads = 1").ok());
  std::vector<double> ratios;
  double best = 1e9;
  double best_decode = 1e9;
  double best_peer = 1e9;
  std::vector<std::string> answers;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    MemoryRun run = run_ours(project, events);
    const double began = computed();
    const Status made = sql.query(tiles).status();
    ASSAY_CHECK(made.ok());
    const double peer = computed() - began;
    ratios.push_back(peer / run.seconds);
    best = std::min(best, run.seconds);
    best_decode = std::min(best_decode, run.decode_seconds);
    best_peer = std::min(best_peer, peer);
    answers = answers_of(project, *run.store, {start.micros + 12 * 3600 * kMicrosPerSecond});
  }
  const data::Batch rows = *sql.query(
      "SELECT user_id, sum(n)::BIGINT, sum(items)::BIGINT, max(dearest) FROM tiles GROUP BY "
      "user_id");
  std::vector<std::string> expected;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    gold::FeatureValues answer;
    answer.values = {
        rows.column(1).scalar(row), rows.column(2).scalar(row), rows.column(3).scalar(row)};
    expected.push_back(answer_text(std::string(rows.column(0).text(row)), answer));
  }
  std::sort(expected.begin(), expected.end());
  ASSAY_CHECK(answers == expected);
  std::sort(ratios.begin(), ratios.end());
  const auto n = static_cast<double>(count);
  std::printf("memory: %lld events of %zu users, %.0f bytes each, answers equal\n",
              static_cast<long long>(count),
              answers.size(),
              static_cast<double>(events.text->size()) / n);
  std::printf("  assay  %.2f M events/s/core (JSON to bronze rows alone %.2f)\n",
              n / best / 1e6,
              n / best_decode / 1e6);
  std::printf("  duckdb %.2f M events/s/core\n", n / best_peer / 1e6);
  std::printf(
      "  ratio  %.2f (%.2f to %.2f)\n", ratios[kRepeats / 2], ratios.front(), ratios.back());
}

/// How many events of all users a read finds.
int64_t events_online(online::OnlineStore& store, const gold::FeatureView& view, EventTime now) {
  int64_t events = 0;
  for (int64_t user = 0; user <= kUsers; ++user) {
    const data::EntityKey key = key_of("u" + std::to_string(user));
    const gold::FeatureValues found = (*store.read(view, {&key, 1}, now))[0];
    const bool is_there = found.event_time.has_value() && !found.values[0].is_null();
    events += is_there ? std::get<int64_t>(found.values[0].value) : 0;
  }
  return events;
}

/// `assay up` in a thread.
class Line {
 public:
  Line(ClickProject& project, Duration flush_every) : project_(project) {
    options_.run.stop = &stop_;
    options_.flush_every = flush_every;
    options_.ready = [this] {
      is_ready_ = true;
      return Status();
    };
    options_.flushed = [this](const flow::RunReport& report) {
      for (const flow::StageAccount& stage : report.stages) {
        if (stage.stage == "bronze") {
          records_ = stage.rows.in;
        }
      }
    };
    store_ = *project.workspace().online(false);
    view_ = *project.workspace().view("activity");
    thread_ = std::jthread([this] {
      const Status ended = flow::run_up(project_.workspace(), options_).status();
      if (!ended.ok()) {
        std::fprintf(stderr, "assay up: %s\n", ended.to_string().c_str());
      }
      ASSAY_CHECK(ended.ok());
    });
  }
  ~Line() { stop(); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void stop() {
    stop_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
  }
  [[nodiscard]] bool is_ready() const { return is_ready_; }
  [[nodiscard]] int64_t records() const { return records_; }
  /// Whether a read finds an event of the user.
  bool has(const std::string& user) {
    return answer(user, project_.world().clock.now()).event_time.has_value();
  }
  /// How many events of all users a read finds.
  int64_t events() {
    const EventTime now = project_.world().clock.now();
    return events_online(*store_, *view_, {now.micros + kMicrosPerSecond});
  }

 private:
  gold::FeatureValues answer(const std::string& user, EventTime now) {
    const data::EntityKey key = key_of(user);
    return (*store_->read(*view_, {&key, 1}, now))[0];
  }

  ClickProject& project_;
  flow::UpOptions options_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> is_ready_ = false;
  std::atomic<int64_t> records_ = 0;
  online::OnlineStore* store_ = nullptr;
  gold::FeatureViewPtr view_;
  std::jthread thread_;
};

void wait_until_ready(const Line& line) {
  while (!line.is_ready()) {
    pause_for({1'000});
  }
}

/// Events one after the other, each of a user of its own, by a client of their own.
class Probes {
 public:
  Probes(ClickTopic& topic, Line& line, World& world)
      : topic_(topic), line_(line), world_(world), producer_(topic.producer("0")) {}

  void send() {
    user_ = "probe" + std::to_string(count_);
    sent_at_ = world_.clock.now();
    const std::string event = click_of(user_, count_, sent_at_.micros);
    const auto partition = static_cast<int32_t>(count_++ % kPartitions);
    ASSAY_CHECK(producer_->send(topic_.name(), partition, user_, event).ok());
  }
  /// Milliseconds from its sending until the broker has acknowledged it.
  double acknowledge() {
    ASSAY_CHECK(producer_->flush().ok());
    return milliseconds();
  }
  /// Milliseconds from its sending until it is readable.
  double wait() {
    while (!line_.has(user_)) {
      pause_for({100});
    }
    return milliseconds();
  }
  [[nodiscard]] int64_t count() const { return count_; }

 private:
  [[nodiscard]] double milliseconds() const {
    return static_cast<double>(world_.clock.now().micros - sent_at_.micros) / 1e3;
  }

  ClickTopic& topic_;
  Line& line_;
  World& world_;
  std::unique_ptr<ingest::KafkaProducer> producer_;
  std::string user_;
  EventTime sent_at_;
  int64_t count_ = 0;
};

void bench_readable(int64_t seconds, int64_t rate) {
  ClickTopic topic;
  ClickProject project(topic.source(), "continuous");  // else an event counts from its slide's end
  World& world = project.world();
  Line line(project, {10 * kMicrosPerSecond});
  wait_until_ready(line);
  std::atomic<bool> is_over = false;
  std::atomic<int64_t> sent = 0;
  std::jthread load([&] {
    const std::unique_ptr<ingest::KafkaProducer> producer = topic.producer("5");
    const Duration began = world.clock.monotonic();
    while (!is_over) {
      const int64_t due = (world.clock.monotonic().micros - began.micros) * rate / kMicrosPerSecond;
      for (; sent < due; ++sent) {
        const std::string user = "u" + std::to_string(sent % kUsers);
        ASSAY_CHECK(producer
                        ->send(topic.name(),
                               static_cast<int32_t>(sent % kPartitions),
                               user,
                               click_of(user, sent, world.clock.now().micros))
                        .ok());
      }
      pause_for({10'000});  // in bursts: while something lingers, the client library spins
    }
    ASSAY_CHECK(producer->flush().ok());
  });
  Probes probes(topic, line, world);
  probes.send();
  const double acknowledged = probes.acknowledge();
  const double first = probes.wait();
  std::vector<double> took;
  std::vector<std::pair<double, double>> longest;  // and when, in seconds since the beginning
  const Duration began = world.clock.monotonic();
  while (seconds_since(world, began) < static_cast<double>(seconds)) {
    probes.send();
    took.push_back(probes.wait());
    longest.emplace_back(took.back(), seconds_since(world, began));
    std::sort(longest.rbegin(), longest.rend());
    longest.resize(std::min<std::size_t>(longest.size(), kLongest));
  }
  is_over = true;
  load.join();
  const int64_t all = sent + probes.count();
  int64_t online = 0;
  while (online < sent) {  // every event of every user, once
    online = line.events();
    ASSAY_CHECK(online <= sent);
  }
  line.stop();
  ASSAY_CHECK(line.records() == all);
  std::sort(took.begin(), took.end());
  const auto at = [&](double share) {
    return took[static_cast<std::size_t>(share * static_cast<double>(took.size() - 1))];
  };
  std::printf(
      "readable: %s, %lld events/s for %lld s, %zu probes, every event once in online store and "
      "lake\n",
      topic.kind(),
      static_cast<long long>(rate),
      static_cast<long long>(seconds),
      took.size());
  std::printf("  event to readable p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, longest %.1f ms\n",
              at(0.5),
              at(0.9),
              at(0.99),
              took.back());
  std::printf(
      "  the one before them, of a new client: acknowledged after %.1f ms, readable after %.1f\n",
      acknowledged,
      first);
  std::printf("  the longest:");
  for (const auto& [milliseconds, when] : longest) {
    std::printf(" %.1f ms at %.1f s;", milliseconds, when);
  }
  std::printf("\n");
}

/// Six hours of events in a topic, the last ones of an hour ago.
void send_events(ClickTopic& topic, int64_t count, EventTime now) {
  const Events events = make_events(count, {now.micros - 7 * 3600 * kMicrosPerSecond});
  const std::unique_ptr<ingest::KafkaProducer> producer = topic.producer("5");
  for (std::size_t i = 0; i < events.lines.size(); ++i) {
    ASSAY_CHECK(producer
                    ->send(topic.name(),
                           static_cast<int32_t>(i % kPartitions),
                           events.users[i],
                           events.lines[i])
                    .ok());
  }
  ASSAY_CHECK(producer->flush().ok());
}

/// `redis`: where the online store is one; its own processor time is not counted.
void bench_direct(int64_t count, online::RedisUnderTest* redis) {
  ClickTopic topic;
  ClickProject project(
      topic.source(), "10m", false, redis == nullptr ? "embedded:./online" : redis->fresh_url());
  World& world = project.world();
  send_events(topic, count, world.clock.now());
  const Duration began = world.clock.monotonic();
  const double computed_before = computed();
  const auto report = flow::run_all(project.workspace(), {});
  const double took = seconds_since(world, began);
  const double computing = computed() - computed_before;
  ASSAY_CHECK(report.ok());
  ASSAY_CHECK(events_online(**project.workspace().online(false),
                            **project.workspace().view("activity"),
                            world.clock.now()) == count);
  const auto n = static_cast<double>(count);
  std::printf("direct: %s, %lld events into %s in %.1f s: %.2f M events/s, %.2f M a core\n",
              topic.kind(),
              static_cast<long long>(count),
              redis == nullptr ? "the embedded store" : "Redis",
              took,
              n / took / 1e6,
              n / computing / 1e6);
}

void bench_backlog(int64_t count) {
  ClickTopic topic;
  ClickProject project(topic.source(), "continuous");  // else an event counts from its slide's end
  World& world = project.world();
  send_events(topic, count, world.clock.now());
  const Duration began = world.clock.monotonic();
  Line line(project, {60 * kMicrosPerSecond});
  while (line.records() < count) {
    pause_for({1'000});
  }
  const double took = seconds_since(world, began);
  line.stop();
  ASSAY_CHECK(line.records() == count && line.events() == count);
  std::printf(
      "backlog: %s, %lld events into bronze, silver, gold and online in %.1f s: %.0f k events/s\n",
      topic.kind(),
      static_cast<long long>(count),
      took,
      static_cast<double>(count) / took / 1e3);
}

/// Events as `assay generate events` makes them; gives how many lines there were.
int64_t generate(int64_t count, const ingest::EventSink& sink) {
  ingest::EventsOptions options;
  options.count = count;
  options.start = *parse_time("2026-01-01");
  options.rate = 100'000;
  int64_t lines = 0;
  ASSAY_CHECK(ingest::generate_events(options, [&](const ingest::GeneratedEvent& event) {
                ++lines;
                return sink(event);
              }).ok());
  return lines;
}

void print_generated(const char* where, int64_t lines, double took, double computing) {
  const auto n = static_cast<double>(lines);
  std::printf("generate: %lld events to a %s in %.2f s: %.0f k events/s, %.0f k a core\n",
              static_cast<long long>(lines),
              where,
              took,
              n / took / 1e3,
              n / computing / 1e3);
}

void bench_generate_file(World& world, int64_t count) {
  constexpr std::size_t kBlockBytes = 1 << 20;
  const assay::TempFolder folder;
  const Duration began = world.clock.monotonic();
  const double computed_before = computed();
  const auto file = *assay::WholeFile::create(folder.file("events.jsonl"));
  std::string text;
  const int64_t lines = generate(count, [&](const ingest::GeneratedEvent& event) {
    text += event.line;
    if (text.size() < kBlockBytes) {
      return Status();
    }
    const Status written = file->append(text);
    text.clear();
    return written;
  });
  ASSAY_CHECK(file->append(text).ok() && file->publish().ok());
  print_generated("file", lines, seconds_since(world, began), computed() - computed_before);
  const std::string all = world.files.read(folder.file("events.jsonl")).value();
  ASSAY_CHECK(std::count(all.begin(), all.end(), '\n') == lines);
}

void bench_generate_topic(World& world, int64_t count) {
  ClickTopic topic;
  const std::unique_ptr<ingest::KafkaProducer> producer = topic.producer("5");
  const Duration began = world.clock.monotonic();
  const double computed_before = computed();
  const int64_t lines = generate(count, [&](const ingest::GeneratedEvent& event) {
    return producer->send(topic.name(), -1, event.key, event.line.substr(0, event.line.size() - 1));
  });
  ASSAY_CHECK(producer->flush().ok());
  print_generated(topic.kind(), lines, seconds_since(world, began), computed() - computed_before);
  ASSAY_CHECK(topic.records() == lines);
}

void bench_generate(int64_t count) {
  assay::SystemWorld system(assay::LogLevel::kError);
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    bench_generate_file(system.world(), count);
  }
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    bench_generate_topic(system.world(), count);
  }
}

int64_t number(int argc, char** argv, int index, int64_t by_default) {
  return argc > index ? std::atoll(argv[index]) : by_default;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  const bool has_broker = assay::environment_variable("ASSAY_TEST_KAFKA").has_value();
  if (only.empty() || only == "memory") {
    bench_memory(number(argc, argv, 2, 1'000'000));
  }
  if (only.empty() || only == "readable") {
    bench_readable(number(argc, argv, 2, 30), number(argc, argv, 3, 10'000));
  }
  if (only == "direct" || (only.empty() && has_broker)) {
    bench_direct(number(argc, argv, 2, 1'000'000), nullptr);
    online::RedisUnderTest redis;
    bench_direct(number(argc, argv, 2, 1'000'000), &redis);
  }
  if (only == "backlog" || (only.empty() && has_broker)) {
    bench_backlog(number(argc, argv, 2, 1'000'000));
  }
  if (only.empty() || only == "generate") {
    bench_generate(number(argc, argv, 2, 1'000'000));
  }
  return 0;
}
