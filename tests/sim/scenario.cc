#include "scenario.h"

#include <algorithm>
#include <array>

#include "base/random.h"

namespace assay::sim {
namespace {

constexpr int64_t kMinute = 60 * kMicrosPerSecond;

template <typename T, std::size_t N>
const T& one_of(Random& random, const std::array<T, N>& choices) {
  return choices[random.below(N)];
}

int64_t between(Random& random, int64_t least, int64_t most) {
  return least + static_cast<int64_t>(random.below(static_cast<uint64_t>(most - least + 1)));
}

/// What the definitions of a seed have in common.
struct Shape {
  std::string source;  // in YAML
  bool has_lake = true;
};

std::string bronze(Random& random, const Shape& shape) {
  static constexpr std::array kKnownTimes{
      "{delay: 20m}", "{column: seen}", "{expr: \"seen + to_minutes(3)\"}"};
  // Records are sent again with times that are up to 26 hours apart.
  static constexpr std::array kDuplicates{
      "", "    dedup_for: 5m\n", "    dedup_for: 90m\n", "    dedup_for: 3d\n"};
  static constexpr std::array kFolders{"", "    partition_by: [dt]\n", "    partition_by: []\n"};
  const std::string known_time = one_of(random, kKnownTimes);
  std::string text =
      "sources:\n  events: " + shape.source +
      "\nbronze:\n  events:\n    source: events\n"
      "    event_time: {column: ts}\n    known_time: " +
      known_time +
      "\n    columns: {id: int64!, user_id: string!, amount: float64, place: string, ts: "
      "timestamp!, seen: timestamp!}\n"
      "    key: [id]\n";
  text += one_of(random, kDuplicates);
  text += one_of(random, kFolders);
  if (random.below(2) == 0) {
    text += "    checks: [{column: amount, range: [0, 900], on_fail: " +
            std::string(random.below(2) == 0 ? "quarantine" : "drop") + "}]\n";
  }
  const bool may_correct = shape.has_lake && known_time != kKnownTimes[0];
  if (may_correct && random.below(3) == 0) {
    text += "    on_same_key: replace\n";
    text += random.below(2) == 0 ? "    delete_when: \"amount < 20\"\n" : "";
  }
  return text;
}

std::string silver(Random& random) {
  static constexpr std::array kFilters{"", " WHERE amount <> 7.25", " WHERE place <> 'Ulm'"};
  static constexpr std::array kAllowed{"30d", "2h", "30m"};  // rows are up to five hours late
  static constexpr std::array kFolders{"", "    partition_by: [place]\n", "    partition_by: []\n"};
  return "silver:\n  clean:\n    from: events\n"
         "    sql: SELECT id, user_id, amount, place, ts AS event_time FROM events" +
         std::string(one_of(random, kFilters)) +
         "\n    allowed_lateness: " + one_of(random, kAllowed) + "\n" + one_of(random, kFolders);
}

std::string views(Random& random) {
  static constexpr std::array kSlides{"10m", "1h", "continuous"};
  static constexpr std::array kFeatures{
      "      total: {agg: sum, of: amount, over: [1h, 24h]}\n",
      "      most: {agg: max, of: amount, over: [24h]}\n",
      "      least: {agg: min, of: amount, over: [3h]}\n",
      "      mean: {agg: mean, of: amount, over: [24h]}\n",
      "      spread: {agg: stddev, of: amount, over: [24h]}\n",
      "      places: {agg: distinct, of: place, over: [6h, 24h]}\n",
      "      first: {agg: first, of: place, over: [24h]}\n",
      "      last: {agg: last, of: place, over: [1h]}\n",
      "      mode: {agg: mode, of: place, over: [24h]}\n"};
  std::string text =
      "entities:\n  user: {key: user_id, type: string}\n  where: {key: place, type: string}\n"
      "feature_views:\n  spend:\n    entity: user\n    from: clean\n    slide: " +
      std::string(one_of(random, kSlides)) +
      "\n    ttl: 2d\n    features:\n      n: {agg: count, over: [1h, 24h]}\n";
  for (const char* feature : kFeatures) {
    text += random.below(3) == 0 ? feature : "";
  }
  std::string names = "spend";
  if (random.below(2) == 0) {
    text +=
        "  newest:\n    entity: user\n    from: clean\n    features: {amount: latest, place: "
        "latest}\n";
    names += ", newest";
  }
  if (random.below(3) == 0) {
    text +=
        "  visits:\n    entity: user\n    from: clean\n    slide: 10m\n"
        "    session: {gap: 30m, over: 1d}\n"
        "    features: {visits: {session: count}, pages: {session: events}}\n";
    names += ", visits";
  }
  if (random.below(3) == 0) {
    text +=
        "  crowd:\n    entity: where\n    from: events\n    slide: 1h\n"
        "    features: {n: {agg: count, over: [24h]}, sum: {agg: sum, of: amount, over: [6h]}}\n";
  }
  return text + "services:\n  v1: [" + names + "]\n";
}

std::string project_of(Random& random, const Shape& shape) {
  std::string text = bronze(random, shape);
  text += silver(random);
  return text + views(random);
}

/// An event, which says the place and the amount of an id.
struct Event {
  int64_t id = 0;
  std::string user;
  uint64_t amount = 0;
  std::string place;
  EventTime time;
  EventTime seen;

  [[nodiscard]] std::string line() const {
    return std::to_string(id) + "," + user + "," + std::to_string(amount) + ".25," + place + "," +
           format_time(time) + "," + format_time(seen);
  }
};

constexpr std::array kPlaces{"Bonn", "Kiel", "Ulm", ""};

/// The same id once more, by the same user: a duplicate or not, by how far apart the times are, or
/// a correction.
Event sent_again(Random& random, Event event, EventTime seen) {
  static constexpr std::array<int64_t, 5> kMinutes{0, 4, 80, 600, 26 * 60};
  event.time = std::min(EventTime{event.time.micros + one_of(random, kMinutes) * kMinute}, seen);
  event.amount = random.below(1000);
  event.place = one_of(random, kPlaces);
  event.seen = seen;
  return event;
}

/// Rows of three days in about the order of their times, some twice, some that cannot be read.
std::vector<std::string> lines_of_days(Random& random) {
  const int64_t count = between(random, 100, 900);
  const auto users = static_cast<uint64_t>(between(random, 3, 40));
  const int64_t step = 3 * kMicrosPerDay / count;
  std::vector<std::string> lines;
  std::vector<Event> events;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t late = random.below(8) == 0 ? between(random, 0, 300) * kMinute : 0;
    Event event;
    event.id = i;
    event.user = "u" + std::to_string(random.below(users));
    event.amount = random.below(1000);
    event.place = one_of(random, kPlaces);
    event.seen = {parse_time("2026-01-02")->micros + i * step};
    event.time = {event.seen.micros - late};
    const std::string line = event.line();
    if (random.below(40) == 0) {
      lines.push_back(random.below(2) == 0 ? "x" + line : line + ",more");  // into quarantine
    }
    if (random.below(10) == 0) {
      lines.push_back(line);
    }
    lines.push_back(line);
    if (random.below(20) == 0) {
      lines.push_back(lines[random.below(lines.size())]);
    }
    events.push_back(std::move(event));
    if (random.below(12) == 0) {
      lines.push_back(
          sent_again(random, events[random.below(events.size())], events.back().seen).line());
    }
  }
  return lines;
}

/// The same as JSON; what is no event is none.
std::string json_of(const std::string& line) {
  std::vector<std::string> cells(1);
  for (const char c : line) {
    if (c == ',') {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  if (cells.size() > 6) {
    return line;
  }
  const std::string id = line[0] == 'x' ? '"' + cells[0] + '"' : cells[0];
  return R"({"id":)" + id + R"(,"user_id":")" + cells[1] + R"(","amount":)" + cells[2] +
         (cells[3].empty() ? "" : R"(,"place":")" + cells[3] + '"') + R"(,"ts":")" + cells[4] +
         R"(","seen":")" + cells[5] + "\"}";
}

std::vector<std::string> files_of_days(Random& random, bool is_json) {
  const std::vector<std::string> lines = lines_of_days(random);
  std::vector<std::string> files(static_cast<std::size_t>(between(random, 1, 9)),
                                 is_json ? "" : "id,user_id,amount,place,ts,seen\n");
  std::size_t at = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (at + 1 < files.size() && random.below(lines.size() / files.size() + 1) == 0) {
      ++at;
    }
    files[at] += (is_json ? json_of(lines[i]) : lines[i]) + "\n";
  }
  return files;
}

/// The same as records, those of one user in one partition.
std::vector<TopicRecord> records_of_days(Random& random, int32_t partitions) {
  std::vector<TopicRecord> records;
  for (const std::string& line : lines_of_days(random)) {
    const std::size_t comma = line.find(',', line.find(',') + 1);  // behind the user
    records.push_back({line[comma - 1] % partitions, json_of(line)});
  }
  return records;
}

std::string death(Random& random) {
  static constexpr std::array kPoints{"lake.write.before_sync",
                                      "lake.commit.before_put",
                                      "lake.commit.after_put",
                                      "lake.compact.before_commit",
                                      "lake.checkpoint.before_hint",
                                      "lake.vacuum.after_remove",
                                      "online.apply.before_commit",
                                      "online.apply.after_commit",
                                      "online.log.before_sync",
                                      "online.log.publishing",
                                      "online.log.shown",
                                      "flow.bronze.between_commits",
                                      "flow.bronze.after_commit",
                                      "flow.silver.between_commits",
                                      "flow.silver.after_commit",
                                      "flow.gold.before_commit",
                                      "flow.online.before_apply"};
  return random.below(2) == 0
             ? "files.step:" + std::to_string(between(random, 1, 250))
             : std::string(one_of(random, kPoints)) + ":" + std::to_string(between(random, 1, 8));
}

Life life(Random& random) {
  Life life;
  life.work = random.below(5) == 0 ? Life::Work::kUpkeep : Life::Work::kRun;
  const uint64_t fate = random.below(8);
  if (fate < 4) {
    life.dies_at = death(random);
  } else if (fate < 7) {
    static constexpr std::array<uint64_t, 4> kRates{20, 80, 200, 600};
    life.fails_one_in = one_of(random, kRates);
  }
  life.seed = random.next();
  life.clock_ahead = {between(random, -2 * 24, 400 * 24) * 60 * kMinute};
  life.threads = static_cast<int>(between(random, 1, 3));
  life.epoch_rows = between(random, 20, 600);
  life.batch_bytes = between(random, 500, 40'000);
  life.gold_chunk_rows = between(random, 50, 1'000);
  life.online_batch_rows = between(random, 50, 1'000);
  static constexpr std::array<std::size_t, 3> kKeysBytes{1, 20'000, 1 << 28};  // some go to files
  life.duplicates_bytes = one_of(random, kKeysBytes);
  return life;
}

/// Where `assay up` dies beside the places where a run does.
std::string death_of_up(Random& random) {
  static constexpr std::array kPoints{"flow.reads.after_journal",
                                      "flow.reads.after_apply",
                                      "flow.reads.before_remove",
                                      "flow.online.before_apply"};
  return random.below(2) == 0
             ? death(random)
             : std::string(one_of(random, kPoints)) + ":" + std::to_string(between(random, 1, 8));
}

Life life_of_up(Random& random, bool on_redis, bool has_lake) {
  Life made = life(random);
  made.work = Life::Work::kUp;
  made.dies_at.clear();
  made.fails_one_in = 0;
  static constexpr std::array<int64_t, 3> kFlushMs{0, 50, 400};
  made.flush_every = {one_of(random, kFlushMs) * 1'000};
  made.clock_jumps = random.below(2) == 0;
  switch (random.below(8)) {
    case 0:
      made.is_killed = true;
      break;
    case 1:
      made.dies_at = death_of_up(random);
      break;
    case 2: {
      static constexpr std::array<uint64_t, 3> kRates{10, 40, 150};
      made.fails_one_in = one_of(random, kRates);
      break;
    }
    case 3:
      made.brokers_go = true;
      break;
    case 4:
      made.disk_fills = true;
      break;
    case 5:
      made.shares = has_lake;
      made.is_killed = !has_lake;
      break;
    default:
      made.redis_goes = on_redis;
      made.disk_fills = !on_redis;
  }
  return made;
}

}  // namespace

std::string Life::to_string() const {
  std::string text = work == Work::kRun ? "run" : work == Work::kUp ? "up" : "upkeep";
  text += new_records == 0 ? "" : ", " + std::to_string(new_records) + " new records";
  for (const auto& [is_so, what] : {std::pair(clock_jumps, "clock jumps"),
                                    std::pair(is_killed, "killed"),
                                    std::pair(brokers_go, "brokers go and come"),
                                    std::pair(redis_goes, "redis goes and comes"),
                                    std::pair(disk_fills, "disk full for a while"),
                                    std::pair(shares, "beside another one")}) {
    text += is_so ? std::string(", ") + what : "";
  }
  text += ", " + std::to_string(new_files) + " new files";
  text += dies_at.empty() ? "" : ", dies at " + dies_at;
  text += fails_one_in == 0 ? "" : ", one call in " + std::to_string(fails_one_in) + " fails";
  return text + ", clock " + std::to_string(clock_ahead.micros / kMicrosPerDay) + " d ahead, " +
         std::to_string(threads) + " threads, epochs of " + std::to_string(epoch_rows) + " rows";
}

Scenario Scenario::make(uint64_t seed) {
  const std::unique_ptr<Random> random = seeded_random(seed);
  Scenario made;
  made.seed = seed;
  made.settings = "project: sim\nlake: ./lake\ncatalog: ./catalog.db\nonline: " +
                  std::string(random->below(2) == 0 ? "lmdb" : "hashlog") +
                  ":./online\nserving: {clock: data}\n";
  const bool is_json = random->below(2) == 0;
  made.definitions = project_of(
      *random, {"{files: {path: data, format: " + std::string(is_json ? "json" : "csv") + "}}"});
  made.files = files_of_days(*random, is_json);
  made.file_ending = is_json ? ".json" : ".csv";
  auto to_come = static_cast<int64_t>(made.files.size());
  const int64_t lives = between(*random, 2, 6);
  for (int64_t i = 0; i < lives; ++i) {
    Life next = life(*random);
    next.new_files = static_cast<int>(between(*random, 0, to_come));
    to_come -= next.new_files;
    made.lives.push_back(next);
  }
  // The last one takes what is left, and nothing befalls it.
  Life last = life(*random);
  last.work = Life::Work::kRun;
  last.dies_at.clear();
  last.fails_one_in = 0;
  last.new_files = static_cast<int>(to_come);
  made.lives.push_back(last);
  return made;
}

Scenario Scenario::make_up(uint64_t seed) {
  const std::unique_ptr<Random> random = seeded_random(seed);
  static constexpr std::array kKinds{"lmdb", "hashlog", "redis"};
  Scenario made;
  made.seed = seed;
  made.online_kind = one_of(*random, kKinds);
  made.has_lake = random->below(3) != 0;
  made.settings = "project: sim\nlake: " + std::string(made.has_lake ? "./lake" : "none") +
                  "\ncatalog: ./catalog.db\nonline: \"ONLINE\"\nserving: {clock: data}\n";
  // Rows are late by their own partitions alone, however slow a life is. A broker of librdkafka's
  // does not look again before it says that there is nothing new.
  made.definitions =
      project_of(*random,
                 {"{kafka: {brokers: \"BROKERS\", topics: events, idle_timeout: 1d, "
                  "options: {fetch.wait.max.ms: \"10\", session.timeout.ms: \"3200\", "
                  "heartbeat.interval.ms: \"100\"}}}",
                  made.has_lake});
  made.partitions = static_cast<int32_t>(between(*random, 1, 3));
  made.records = records_of_days(*random, made.partitions);
  auto to_come = static_cast<int64_t>(made.records.size());
  const int64_t lives = between(*random, 2, 4);
  for (int64_t i = 0; i < lives; ++i) {
    Life next = life_of_up(*random, made.online_kind == "redis", made.has_lake);
    next.new_records = i + 1 < lives ? between(*random, 0, to_come / 2) : to_come;
    to_come -= next.new_records;
    made.lives.push_back(next);
  }
  // What the last one left, in case it died.
  Life last = life(*random);
  last.work = Life::Work::kRun;
  last.dies_at.clear();
  last.fails_one_in = 0;
  made.lives.push_back(last);
  return made;
}

Life Scenario::undisturbed() const {
  Life all;
  all.new_files = static_cast<int>(files.size());
  all.epoch_rows = 20'000;
  all.batch_bytes = 8 << 20;
  all.gold_chunk_rows = 4'000'000;
  all.online_batch_rows = 1'000'000;
  return all;
}

}  // namespace assay::sim
