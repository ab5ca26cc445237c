// Our side of bench/stream_peers.sh: the events that all sides read, what we make of them, and
// whether the answers of the others are ours.
//
//   stream_peers_bench make FOLDER EVENTS USERS     click events of a day as JSON lines, in two
//   files, each user in one of them, as a topic of two partitions has them
//   stream_peers_bench project FOLDER SOURCE LAKE   a project over such events
//   stream_peers_bench tiles FOLDER REPEATS [ANSWERS...]    the files to tiles of 10 minutes per
//   user in memory, a thread for each file
//   stream_peers_bench send FOLDER TOPIC            the files into a topic of the broker in
//   ASSAY_TEST_KAFKA
//   stream_peers_bench check PROJECT EVENTS ANSWERS...      answers against a project's store
//
// ANSWERS: tiles=GLOB or hop=GLOB, CSV files of user_id, end of the window, count of events, sum of
// item_id, largest price; of windows of 10 minutes, or of an hour every 10 minutes. Each is
// compared with what our store says at that end, and together they must be all events, once for
// each window that an event is in.
//
// `tiles` is the operators alone: users are parted over the files before, nothing is kept on disk.
// What the whole program does of the same events is `assay run`, which the script times.
//
// Prints `seconds S processor P` for each repeat.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/check.h"
#include "base/process.h"
#include "base/temp_folder.h"
#include "bronze/bronze_operator.h"
#include "flow/workspace.h"
#include "gold/contract.h"
#include "ingest/file_ledger.h"
#include "ingest/file_source.h"
#include "ingest/generate.h"
#include "ingest/kafka_client.h"
#include "lake/delta_table.h"
#include "peer_run.h"

namespace {

using assay::EventTime;
using assay::Status;
using assay::SystemWorld;
using assay::World;
using assay::bench::LineFile;
using assay::bench::must;
using assay::bench::timed;
namespace bronze = assay::bronze;
namespace catalog = assay::catalog;
namespace data = assay::data;
namespace flow = assay::flow;
namespace gold = assay::gold;
namespace ingest = assay::ingest;
namespace online = assay::online;

constexpr int kThreads = 2;
constexpr std::size_t kParts = kThreads;
constexpr int64_t kBatchRecords = 20'000;
constexpr std::size_t kBatchBytes = 8 << 20;

/// FNV-1a: which part, as a topic's partition, a user's events are in.
std::size_t part_of(std::string_view user) {
  uint64_t hash = 14'695'981'039'346'656'037U;
  for (const char c : user) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 1'099'511'628'211U;
  }
  return hash % kParts;
}

std::string part_name(const std::string& folder, std::size_t part) {
  return folder + "/part-" + std::to_string(part) + ".jsonl";
}

void make(const std::string& folder, int64_t count, int64_t users) {
  std::vector<std::unique_ptr<LineFile>> files;
  for (std::size_t part = 0; part < kParts; ++part) {
    files.push_back(std::make_unique<LineFile>(part_name(folder, part)));
  }
  ingest::EventsOptions options;
  options.count = count;
  options.users = users;
  options.start = *assay::parse_time("2026-01-01");
  options.rate = static_cast<double>(count) / 86'400;
  options.duplicate_share = options.late_share = options.malformed_share = 0;
  std::unordered_set<std::string> seen;
  must(ingest::generate_events(options, [&](const ingest::GeneratedEvent& event) {
    files[part_of(event.key)]->add(event.line);
    seen.emplace(event.key);
    return Status();
  }));
  std::printf("%lld events of %zu users\n", static_cast<long long>(count), seen.size());
}

constexpr char kProject[] = R"(
bronze:
  clicks:
    source: clicks
    event_time: {column: ts, unit: ms}
    columns: {user_id: string!, item_id: int64!, price: float64, ts: timestamp!}
silver:
  events:
    from: clicks
    sql: SELECT user_id, item_id, price, ts AS event_time FROM clicks
    allowed_lateness: 2d
entities:
  user: {key: user_id, type: string}
feature_views:
  activity:
    entity: user
    from: events
    slide: 10m
    features:
      n: {agg: count, over: [10m, 1h, 7d]}
      items: {agg: sum, of: item_id, over: [10m, 1h, 7d]}
      dearest: {agg: max, of: price, over: [10m, 1h, 7d]}
)";

/// The project of all runs: 3 windows x 3 aggregates. What a file brings late is not late.
void make_project(const std::string& folder, const std::string& source, const std::string& lake) {
  const auto files = assay::system_files();
  must(files->make_directories(folder));
  must(files->write(
      folder + "/assay.yaml",
      "project: peers\ncatalog: ./catalog.db\nonline: embedded:./online\nlake: " + lake + "\n"));
  must(files->write(folder + "/project.yaml", "sources:\n  clicks: " + source + "\n" + kProject));
}

constexpr int kFeatures = 3;
constexpr int kWindows = 3;
enum Window { kTile = 0, kHour = 1, kWeek = 2 };  // as they stand in `over`

/// What the store of a user says at an instant.
using Ask = std::function<std::vector<gold::FeatureValues>(std::span<const std::string> users,
                                                           EventTime at)>;

data::EntityKey key_of(const std::string& user) {
  const data::Scalar value = data::Scalar::string(user);
  return *data::encode_key(std::span<const data::Scalar>(&value, 1));
}

bool are_equal(const data::Batch& theirs,
               int64_t row,
               const gold::FeatureValues& ours,
               int window) {
  for (int feature = 0; feature < kFeatures; ++feature) {
    const auto at = static_cast<std::size_t>(feature * kWindows + window);
    if (!(theirs.column(feature + 2).scalar(row) == ours.values[at])) {
      return false;
    }
  }
  return true;
}

std::string csv_of_windows(const std::string& glob) {
  return "read_csv(" + data::SqlEngine::literal(glob) +
         ", header = false, columns = {user_id: 'VARCHAR', ends: 'TIMESTAMP', n: 'BIGINT', items: "
         "'BIGINT', dearest: 'DOUBLE'})";
}

/// The answers of another side, `tiles=GLOB` or `hop=GLOB`, against ours.
void check(data::SqlEngine& sql, const std::string& answers, int64_t events, const Ask& ask) {
  const bool are_tiles = answers.starts_with("tiles=");
  ASSAY_CHECK(are_tiles || answers.starts_with("hop="));
  const std::string glob = answers.substr(answers.find('=') + 1);
  const data::Batch rows =
      must(sql.query("SELECT user_id, epoch_us(ends) AS ends, n, items, dearest FROM " +
                     csv_of_windows(glob) + " ORDER BY ends, user_id"));
  int64_t differ = 0;
  int64_t sum = 0;
  for (int64_t row = 1; row < rows.rows(); ++row) {  // each window once
    ASSAY_CHECK(rows.column(0).text(row) != rows.column(0).text(row - 1) ||
                rows.column(1).scalar(row) != rows.column(1).scalar(row - 1));
  }
  for (int64_t row = 0; row < rows.rows();) {
    const int64_t at = std::get<int64_t>(rows.column(1).scalar(row).value);
    std::vector<std::string> users;
    for (int64_t i = row; i < rows.rows() && users.size() < 10'000 &&
                          std::get<int64_t>(rows.column(1).scalar(i).value) == at;
         ++i) {
      users.emplace_back(rows.column(0).text(i));
    }
    const std::vector<gold::FeatureValues> ours = ask(users, {at});
    for (const gold::FeatureValues& values : ours) {
      differ += are_equal(rows, row, values, are_tiles ? kTile : kHour) ? 0 : 1;
      sum += std::get<int64_t>(rows.column(2).scalar(row).value);
      ++row;
    }
  }
  const int64_t expected = events * (are_tiles ? 1 : 6);
  std::printf("answers: %lld %s, %lld differ from ours; they are of %lld of %lld events\n",
              static_cast<long long>(rows.rows()),
              are_tiles ? "tiles" : "windows of an hour",
              static_cast<long long>(differ),
              static_cast<long long>(sum / (are_tiles ? 1 : 6)),
              static_cast<long long>(events));
  if (differ != 0 || sum != expected) {
    std::exit(1);
  }
}

/// One thread's half of the users: a file to bronze rows to tiles.
class Half {
 public:
  Half(World& world, flow::Workspace& workspace, const std::string& file)
      : world_(world),
        definition_(workspace.project().sources.at("clicks")),
        view_(must(workspace.view("activity"))),
        store_(online::make_memory_store(world.metrics)) {
    bronze::BronzeOptions options;
    definition_.path = file;
    options.source = definition_;
    operator_ =
        must(bronze::BronzeOperator::create(workspace.project().bronze.at("clicks"), options));
  }

  void run() {
    ingest::MemoryFileLedger ledger;
    const auto source = must(ingest::FileSource::open(world_, definition_, "/", ledger));
    must(source->discover().status());
    bronze::BronzeState state = operator_->initial_state();
    std::optional<int64_t> position;
    int64_t newest = EventTime::min().micros;
    while (const auto records = must(source->next(kBatchRecords, kBatchBytes))) {
      bronze::BronzeOutput output = must(operator_->process(*records, std::move(state)));
      state = std::move(output.state);
      ASSAY_CHECK(output.account.out == records->size());
      events_ += records->size();
      const data::Batch rows = must(output.rows.select(view_->source_columns()));
      for (const int64_t time : rows.find(gold::kEventTime)->values<int64_t>()) {
        newest = std::max(newest, time);
      }
      const int64_t next = position.value_or(-1) + 1;
      must(store_->apply(*view_, rows, position, next, {newest}));
      position = next;
    }
  }

  [[nodiscard]] int64_t events() const { return events_; }
  [[nodiscard]] online::OnlineStore& store() { return *store_; }

 private:
  World& world_;
  catalog::SourceDef definition_;
  gold::FeatureViewPtr view_;
  std::unique_ptr<online::OnlineStore> store_;
  std::unique_ptr<bronze::BronzeOperator> operator_;
  int64_t events_ = 0;
};

void tiles(const std::string& folder, int64_t repeats, std::span<char* const> answers) {
  SystemWorld system(assay::LogLevel::kError);
  World& world = system.world();
  const assay::TempFolder project;
  make_project(project.path(), "{files: {path: data, format: json}}", "./lake");
  const auto workspace = must(flow::Workspace::open(world, project.path(), {}));
  std::vector<std::unique_ptr<Half>> halves;
  for (int64_t repeat = 0; repeat < repeats; ++repeat) {
    halves.clear();
    for (std::size_t half = 0; half < kThreads; ++half) {
      halves.push_back(std::make_unique<Half>(world, *workspace, part_name(folder, half)));
    }
    timed(world, [&] {
      std::jthread other([&] { halves[1]->run(); });
      halves[0]->run();
    });
  }
  const gold::FeatureViewPtr view = must(workspace->view("activity"));
  const auto ask = [&](std::span<const std::string> users, EventTime at) {
    std::vector<gold::FeatureValues> found;
    for (const std::string& user : users) {
      const data::EntityKey key = key_of(user);
      online::OnlineStore& store = halves[part_of(user)]->store();
      found.push_back(must(store.read(*view, {&key, 1}, at))[0]);
    }
    return found;
  };
  for (const char* side : answers) {
    check(workspace->sql(), side, halves[0]->events() + halves[1]->events(), ask);
  }
}

void send(const std::string& folder, const std::string& topic) {
  SystemWorld system(assay::LogLevel::kError);
  World& world = system.world();
  ingest::KafkaClientOptions options;
  const std::optional<std::string> brokers = assay::environment_variable("ASSAY_TEST_KAFKA");
  ASSAY_CHECK(brokers.has_value());
  options.brokers = *brokers;
  options.settings["linger.ms"] = "5";
  must(ingest::create_topic(world.log, options, topic, static_cast<int32_t>(kParts)));
  const auto producer = must(ingest::KafkaProducer::open(world.log, options));
  for (std::size_t part = 0; part < kParts; ++part) {
    const std::string text = must(world.files.read(part_name(folder, part)));
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      must(producer->send(topic,
                          static_cast<int32_t>(part),
                          {},
                          std::string_view(text).substr(begin, end - begin)));
      begin = end + 1;
    }
  }
  must(producer->flush());
}

/// Bronze and silver have every event, and gold's steps say of every window what the other side
/// does.
void check_tables(flow::Workspace& workspace,
                  const gold::FeatureView& view,
                  int64_t events,
                  const std::string& hops) {
  const auto relation_of = [&](const std::string& key, std::optional<int64_t> rows) {
    assay::lake::DeltaTable* table = must(workspace.table(key));
    const auto snapshot = must(table->snapshot());
    ASSAY_CHECK(!rows || snapshot->rows() == *rows);
    return must(table->relation(*snapshot));
  };
  relation_of(must(workspace.bronze_table_key("clicks")), events);
  relation_of(must(workspace.silver_table_key("events")), events);
  const data::Batch counts = must(workspace.sql().query(
      "SELECT count(*) AS windows, count(*) FILTER (WHERE theirs.n IS DISTINCT FROM ours.n_1h OR "
      "theirs.items IS DISTINCT FROM ours.items_1h OR theirs.dearest IS DISTINCT FROM "
      "ours.dearest_1h) AS differ FROM (SELECT *, timezone('UTC', ends) AS instant FROM " +
      csv_of_windows(hops) + ") AS theirs ASOF LEFT JOIN (SELECT * FROM " +
      relation_of(must(workspace.steps_table_key(view)), std::nullopt) +
      ") AS ours ON theirs.user_id = ours.user_id AND theirs.instant >= ours.known_time"));
  const auto count = [&](int column) {
    return static_cast<long long>(std::get<int64_t>(counts.column(column).scalar(0).value));
  };
  std::printf(
      "answers: %lld windows of an hour, %lld differ from our steps in gold; bronze and "
      "silver have all events\n",
      count(0),
      count(1));
  if (count(1) != 0) {
    std::exit(1);
  }
}

void check_project(const std::string& folder, int64_t events, std::span<char* const> answers) {
  SystemWorld system(assay::LogLevel::kError);
  const auto workspace = must(flow::Workspace::open(system.world(), folder, {}));
  const gold::FeatureViewPtr view = must(workspace->view("activity"));
  online::OnlineStore* store = must(workspace->online(true));
  const auto ask = [&](std::span<const std::string> users, EventTime at) {
    std::vector<data::EntityKey> keys;
    for (const std::string& user : users) {
      keys.push_back(key_of(user));
    }
    return must(store->read(*view, keys, at));
  };
  for (const std::string side : answers) {
    check(workspace->sql(), side, events, ask);
    if (workspace->project().has_lake && side.starts_with("hop=")) {
      check_tables(*workspace, *view, events, side.substr(4));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string work = argc > 3 ? argv[1] : "";
  const std::span<char* const> words(argv, static_cast<std::size_t>(argc));
  const auto number = [&](int at) { return argc > at ? std::atoll(argv[at]) : 0; };
  if (work == "make") {
    make(argv[2], number(3), number(4));
  } else if (work == "project" && argc == 5) {
    make_project(argv[2], argv[3], argv[4]);
  } else if (work == "tiles") {
    tiles(argv[2], number(3), words.subspan(4));
  } else if (work == "send") {
    send(argv[2], argv[3]);
  } else if (work == "check") {
    check_project(argv[2], number(3), words.subspan(4));
  } else {
    std::fprintf(stderr, "stream_peers_bench: see bench/stream_peers_bench.cc\n");
    return 2;
  }
  return 0;
}
