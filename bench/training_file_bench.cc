// Training sets from Parquet to Parquet: labels and two views of 10 features, 2 x ROWS rows, in
// files; the features of each label, exact in event and known time, in a file. What
// flow::write_training_file does, all of it: reading, joining, writing. The rows are made by SQL
// from their numbers: a log in the order of known time, three of ten rows up to an hour late, keys
// by Zipf's law. Peers (bench/pit_peers.py files) read the rows themselves from view0.parquet and
// view1.parquet; ours reads the views' steps tables, which are made here from those rows by SQL.
//
//   training_file_bench make DIR [LABELS [ROWS [KEYS]]]
//   training_file_bench join DIR THREADS MEMORY_MIB ANSWER.parquet
//   training_file_bench limit DIR THREADS MEMORY_MIB ANSWER.parquet     only reads what was given
//   and
//                                                                      writes the answer again
//
// bench/training_file.sh runs both beside the peers.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <sys/resource.h>

#include "base/check.h"
#include "base/world.h"
#include "data/sql_engine.h"
#include "flow/gold_task.h"
#include "flow/run.h"
#include "flow/training_file.h"
#include "flow/workspace.h"

namespace {

using assay::EventTime;
using assay::flow::GoldTask;
using assay::flow::Workspace;

constexpr int kViews = 2;
constexpr int kFeatures = 10;
constexpr char kStart[] = "TIMESTAMPTZ '2001-01-20 00:00:00+00'";
constexpr int64_t kSpanMicros = 30 * assay::kMicrosPerDay;

template <typename T>
T must(assay::Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().to_string().c_str());
    std::abort();
  }
  return *std::move(result);
}

void must(const assay::Status& status) {
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.to_string().c_str());
    std::abort();
  }
}

std::string feature(int view, int number) {
  return "v" + std::to_string(view) + "_" + std::to_string(number);
}

/// ", " and all features of a view, each put between two texts.
std::string features(int view, const std::string& before, const std::string& after) {
  std::string text;
  for (int i = 0; i < kFeatures; ++i) {
    text += ", " + before + feature(view, i) + after;
  }
  return text;
}

std::string definitions() {
  std::string text =
      "entities:\n  customer: {key: k, type: int64}\nservices:\n  both: [view0, view1]\nsources:\n";
  std::string bronze = "bronze:\n";
  std::string views = "feature_views:\n";
  for (int v = 0; v < kViews; ++v) {
    const std::string number = std::to_string(v);
    text += "  rows" + number + ": {files: {path: data" + number + ", format: json}}\n";
    bronze += "  rows" + number + ":\n    source: rows" + number +
              "\n    event_time: {column: et, unit: us}\n    known_time: {column: kt, unit: us}\n"
              "    columns: {k: int64!, et: timestamp!, kt: timestamp!" +
              features(v, "", ": float64!") + "}\n";
    views += "  view" + number + ":\n    entity: customer\n    from: rows" + number +
             "\n    ttl: 20d\n    features: {" + features(v, "", ": latest").substr(2) + "}\n";
  }
  return text + bronze + views;
}

/// The project; its tables come from one row a view, which goes when the real steps come.
std::string make_project(assay::World& world, const std::string& folder) {
  const std::string project = folder + "/project";
  const auto write = [&](const std::string& name, const std::string& text) {
    const std::string path = assay::join_path(project, name);
    must(world.files.make_directories(assay::parent_path(path)));
    must(world.files.write(path, text));
  };
  write("assay.yaml", "project: training\nlake: ./lake\ncatalog: ./catalog.db\n");
  write("features.yaml", definitions());
  for (int v = 0; v < kViews; ++v) {
    std::string row = R"({"k":-1,"et":980000000000000,"kt":980000000000000)";
    for (int i = 0; i < kFeatures; ++i) {
      row += ",\"" + feature(v, i) + "\":0";
    }
    write("data" + std::to_string(v) + "/row.jsonl", row + "}\n");
  }
  const auto workspace = must(Workspace::open(world, project, {}));
  must(workspace->apply());
  must(assay::flow::run_all(*workspace, {}));
  return project;
}

/// A key of Zipf's law (the exponent 1, by inversion) from a row's number.
std::string key_sql(int64_t keys, int seed) {
  const std::string n = std::to_string(keys);
  return "least(CAST(floor(pow(" + n + ", CAST(hash(i, " + std::to_string(seed) +
         ") >> 11 AS DOUBLE) / 9007199254740992) - 1) AS BIGINT), " + n + " - 1) * 7919";
}

std::string rows_sql(int view, int64_t rows, int64_t keys) {
  const std::string seed = std::to_string(100 * (view + 1));
  std::string sql = "SELECT " + key_sql(keys, view + 2) + " AS k, CASE WHEN hash(i, " + seed +
                    ") % 10 < 3 THEN known - to_microseconds("
                    "CAST(hash(i, " +
                    seed +
                    " + 1) % 3600000000 AS BIGINT)) ELSE known END AS "
                    "event_time, known AS known_time, i AS seq";
  for (int f = 0; f < kFeatures; ++f) {
    sql += ", CAST(hash(i, " + seed + " + " + std::to_string(f + 2) +
           ") % 1000000 AS DOUBLE) / 8 AS " + feature(view, f);
  }
  return sql + " FROM (SELECT i, " + kStart + " + to_microseconds(i * " +
         std::to_string(kSpanMicros / rows) + ") AS known FROM range(" + std::to_string(rows) +
         ") AS t(i))";
}

/// Steps of a view of latest values: a row that is older than one before it changes nothing.
void write_steps(Workspace& workspace, int view, const std::string& file) {
  const GoldTask task = must(assay::flow::make_gold_task(workspace, "view" + std::to_string(view)));
  const auto before = must(task.steps->snapshot());
  assay::lake::CommitRequest request;
  for (const auto& [path, unused] : before->files) {
    request.removes.push_back(path);
  }
  request.adds = must(task.steps->write_query(
      {"SELECT k, event_time, known_time" + features(view, "", "") +
           ", CAST(known_time AS DATE) AS feature_date FROM (SELECT *, max(event_time) OVER ("
           "PARTITION BY k ORDER BY known_time, seq ROWS UNBOUNDED PRECEDING) AS newest FROM '" +
           file + "') WHERE event_time = newest",
       "k, event_time, known_time",
       {},
       {}}));
  request.txns = {
      {task.frontier_app_id(), EventTime::max().micros, before->txn(task.frontier_app_id())},
      must(workspace.fingerprint_update(*task.steps))};
  must(task.steps->commit(request));
}

void make(
    assay::World& world, const std::string& folder, int64_t labels, int64_t rows, int64_t keys) {
  const std::string project = make_project(world, folder);
  const auto workspace = must(
      Workspace::open(world, project, {.memory_bytes_max = std::size_t{8} << 30, .profile = ""}));
  assay::data::SqlEngine& sql = workspace->sql();
  must(sql.execute("COPY (SELECT i, " + key_sql(keys, 1) + " AS k, " + kStart +
                   " + to_microseconds(CAST(hash(i, 99) % " + std::to_string(kSpanMicros) +
                   " AS BIGINT)) AS t FROM range(" + std::to_string(labels) + ") AS t(i)) TO '" +
                   folder + "/labels.parquet'"));
  for (int v = 0; v < kViews; ++v) {
    const std::string file = folder + "/view" + std::to_string(v) + ".parquet";
    must(sql.execute("COPY (" + rows_sql(v, rows, keys) + ") TO '" + file + "'"));
    write_steps(*workspace, v, file);
  }
}

void join(
    assay::World& world, const std::string& folder, int threads, int64_t mib, const char* to) {
  const int64_t begin = world.clock.monotonic().micros;
  const auto workspace =
      must(Workspace::open(world,
                           folder + "/project",
                           {.threads = threads,
                            .memory_bytes_max = static_cast<std::size_t>(mib) << 20,
                            .profile = ""}));
  assay::flow::TrainingFileOptions options;
  options.labels.paths = {folder + "/labels.parquet"};
  options.to = to;
  options.set.time_column = "t";
  options.set.threads = threads;
  options.memory_bytes_max = static_cast<std::size_t>(mib) << 20;
  const auto report = must(
      assay::flow::write_training_file(*workspace, *must(workspace->service("both")), options));
  rusage usage{};
  ASSAY_CHECK(::getrusage(RUSAGE_SELF, &usage) == 0);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  std::printf("seconds %.3f processor %.3f peak %ld MiB rounds %lld spilled %lld MiB\n",
              static_cast<double>(world.clock.monotonic().micros - begin) / 1e6,
              seconds(usage.ru_utime) + seconds(usage.ru_stime),
              usage.ru_maxrss / 1024,
              static_cast<long long>(report.rounds),
              static_cast<long long>(report.spilled_bytes >> 20));
}

/// Every value of a file is decoded once.
void read_all(assay::data::SqlEngine& sql, const std::string& file) {
  must(sql.query("SELECT max(COLUMNS(*)) FROM '" + file + "'").status());
}

void limit(
    assay::World& world, const std::string& folder, int threads, int64_t mib, const char* answer) {
  const auto sql =
      must(assay::data::SqlEngine::open({.threads = threads,
                                         .memory_bytes_max = static_cast<std::size_t>(mib) << 20,
                                         .temp_directory = folder + "/limit_spill"}));
  const int64_t begin = world.clock.monotonic().micros;
  read_all(*sql, folder + "/labels.parquet");
  for (int v = 0; v < kViews; ++v) {
    read_all(*sql, folder + "/view" + std::to_string(v) + ".parquet");
  }
  const int64_t read = world.clock.monotonic().micros;
  read_all(*sql, answer);
  const int64_t again = world.clock.monotonic().micros;
  must(sql->execute("COPY (FROM '" + std::string(answer) + "') TO '" + folder +
                    "/limit.parquet' (COMPRESSION snappy)"));
  // The copy reads the answer first, which no training set does.
  const int64_t micros = (read - begin) + (world.clock.monotonic().micros - again) - (again - read);
  std::printf("limit %.3f\n", static_cast<double>(micros) / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  assay::SystemWorld world(assay::LogLevel::kError);
  const std::string what = argc > 2 ? argv[1] : "";
  const auto number = [&](int at, int64_t otherwise) {
    return argc > at ? std::atoll(argv[at]) : otherwise;
  };
  if (what == "make") {
    make(world.world(), argv[2], number(3, 5'000'000), number(4, 10'000'000), number(5, 1'000'000));
  } else if (what == "join" && argc == 6) {
    join(world.world(), argv[2], std::atoi(argv[3]), number(4, 0), argv[5]);
  } else if (what == "limit" && argc == 6) {
    limit(world.world(), argv[2], std::atoi(argv[3]), number(4, 0), argv[5]);
  } else {
    std::fprintf(stderr, "training_file_bench make|join|limit DIR ... (see the file's head)\n");
    return 2;
  }
  return 0;
}
