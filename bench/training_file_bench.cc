// Training sets from Parquet to Parquet: labels and two views of 10 features, 2 x ROWS rows, in
// files; the features of each label, exact in event and known time, in a file. What
// flow::write_training_file does, all of it: reading, joining, writing. The rows are made from
// their numbers: a log in the order of known time, three of ten rows up to an hour late, keys by
// Zipf's law. Peers (bench/pit_peers.py files) read the rows themselves from view0.parquet and
// view1.parquet, written by DuckDB; ours reads the views' steps tables, day by day as `assay
// backfill` leaves them, which are made here from the same rows: a row that is older than one
// known before it is no step.
//
//   training_file_bench make DIR [LABELS [ROWS [KEYS]]]
//   training_file_bench join DIR THREADS MEMORY_MIB ANSWER.parquet
//   training_file_bench limit DIR THREADS MEMORY_MIB ANSWER.parquet     only reads what was given
//   and
//                                                                      writes the answer again
//
// bench/training_file.sh runs both beside the peers.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>

#include "base/check.h"
#include "base/world.h"
#include "data/sql_engine.h"
#include "data/sql_over_rows.h"
#include "flow/gold_task.h"
#include "flow/run.h"
#include "flow/training_file.h"
#include "flow/workspace.h"

namespace {

using assay::EventTime;
using assay::data::Batch;
using assay::data::Type;
using assay::flow::GoldTask;
using assay::flow::Workspace;

constexpr int kViews = 2;
constexpr int kFeatures = 10;
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

/// Numbers made of a row's number, so that rows can be made again and in any order.
uint64_t mix(int64_t row, uint64_t seed) {
  uint64_t word = (static_cast<uint64_t>(row) + 1) * 0x9E3779B97F4A7C15 + seed * 0xD1B54A32D192ED03;
  word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9;
  word = (word ^ (word >> 27)) * 0x94D049BB133111EB;
  return word ^ (word >> 31);
}

/// A key of Zipf's law (the exponent 1, by inversion): its number, from 0.
int64_t key_number(int64_t row, uint64_t seed, int64_t keys) {
  const double drawn = static_cast<double>(mix(row, seed) >> 11) * 0x1p-53;
  const double count = static_cast<double>(keys);
  return std::min(static_cast<int64_t>(std::pow(count, drawn) - 1), keys - 1);
}
constexpr int64_t kKeyFactor = 7919;

constexpr int64_t kStartMicros = 979'948'800 * assay::kMicrosPerSecond;  // 2001-01-20

/// Rows of a view in the order in which they became known, made from their numbers.
struct ViewRows {
  int view;
  int64_t rows;
  int64_t keys;

  [[nodiscard]] uint64_t seed(int what) const {
    return 100 * (static_cast<uint64_t>(view) + 1) + static_cast<uint64_t>(what);
  }
  [[nodiscard]] int64_t key(int64_t row) const { return key_number(row, seed(0), keys); }
  [[nodiscard]] int64_t known(int64_t row) const {
    return kStartMicros + row * (kSpanMicros / rows);
  }
  [[nodiscard]] int64_t event(int64_t row) const {
    const bool late = mix(row, seed(1)) % 10 < 3;
    return known(row) -
           (late ? static_cast<int64_t>(mix(row, seed(2)) % 3'600'000'000) : int64_t{0});
  }
  [[nodiscard]] double feature(int64_t row, int number) const {
    return static_cast<double>(mix(row, seed(3 + number)) % 1'000'000) / 8;
  }
};

/// Batches of rows [0, rows), filled column by column.
class MadeRows : public assay::data::BatchReader {
 public:
  using Fill = std::function<void(int64_t row, assay::data::BatchBuilder& out)>;
  MadeRows(std::vector<assay::data::Field> fields, int64_t rows, Fill fill)
      : schema_(assay::data::make_schema(std::move(fields))), rows_(rows), fill_(std::move(fill)) {}
  [[nodiscard]] const assay::data::SchemaPtr& schema() const override { return schema_; }
  assay::Result<std::optional<Batch>> next() override {
    if (next_ >= rows_) {
      return std::optional<Batch>();
    }
    assay::data::BatchBuilder builder(schema_);
    for (const int64_t end = std::min(rows_, next_ + kBatchRows); next_ < end; ++next_) {
      fill_(next_, builder);
    }
    return std::optional<Batch>(builder.finish());
  }

 private:
  static constexpr int64_t kBatchRows = 122'880;
  assay::data::SchemaPtr schema_;
  int64_t rows_;
  Fill fill_;
  int64_t next_ = 0;
};

/// A file as the peer writes its own: by its COPY.
void write_file(MadeRows rows, const std::string& path) {
  const auto sql = must(assay::data::SqlEngine::open(
      {.threads = 2, .memory_bytes_max = std::size_t{2} << 30, .temp_directory = ""}));
  must(assay::data::execute_over(*sql, "made", rows, "COPY (FROM made) TO '" + path + "'"));
}

void write_labels(const std::string& path, int64_t labels, int64_t keys) {
  write_file(MadeRows({{"i", Type::kInt64}, {"k", Type::kInt64}, {"t", Type::kTimestamp}},
                      labels,
                      [&](int64_t row, assay::data::BatchBuilder& out) {
                        out.column(0).append(row);
                        out.column(1).append(key_number(row, 1, keys) * kKeyFactor);
                        out.column(2).append(
                            kStartMicros +
                            static_cast<int64_t>(mix(row, 2) % static_cast<uint64_t>(kSpanMicros)));
                      }),
             path);
}

void write_rows(const std::string& path, const ViewRows& rows) {
  std::vector<assay::data::Field> fields = {{"k", Type::kInt64},
                                            {"event_time", Type::kTimestamp},
                                            {"known_time", Type::kTimestamp},
                                            {"seq", Type::kInt64}};
  for (int i = 0; i < kFeatures; ++i) {
    fields.push_back({feature(rows.view, i), Type::kFloat64});
  }
  write_file(MadeRows(std::move(fields),
                      rows.rows,
                      [&](int64_t row, assay::data::BatchBuilder& out) {
                        out.column(0).append(rows.key(row) * kKeyFactor);
                        out.column(1).append(rows.event(row));
                        out.column(2).append(rows.known(row));
                        out.column(3).append(row);
                        for (int i = 0; i < kFeatures; ++i) {
                          out.column(4 + i).append(rows.feature(row, i));
                        }
                      }),
             path);
}

/// The steps of one day: by key, then by time.
Batch steps_of_day(const ViewRows& rows,
                   std::vector<std::pair<int64_t, int64_t>>& steps,
                   const assay::data::SchemaPtr& schema,
                   int64_t day) {
  std::sort(steps.begin(), steps.end());
  assay::data::BatchBuilder builder(schema);
  for (const auto& [key, row] : steps) {
    builder.column(0).append(key * kKeyFactor);
    builder.column(1).append(rows.event(row));
    builder.column(2).append(rows.known(row));
    for (int i = 0; i < kFeatures; ++i) {
      builder.column(3 + i).append(rows.feature(row, i));
    }
    builder.column(3 + kFeatures).append(static_cast<int32_t>(day));
  }
  steps.clear();
  return builder.finish();
}

/// Steps of a view of latest values: a row that is older than one before it changes nothing.
void write_steps(Workspace& workspace, const ViewRows& rows) {
  const GoldTask task =
      must(assay::flow::make_gold_task(workspace, "view" + std::to_string(rows.view)));
  const auto before = must(task.steps->snapshot());
  assay::lake::CommitRequest request;
  for (const auto& [path, unused] : before->files) {
    request.removes.push_back(path);
  }
  std::vector<int64_t> newest(static_cast<std::size_t>(rows.keys),
                              std::numeric_limits<int64_t>::min());
  std::vector<std::pair<int64_t, int64_t>> steps;
  int64_t day = kStartMicros / assay::kMicrosPerDay;
  const auto write_day = [&] {
    const Batch made = steps_of_day(rows, steps, before->schema, day);
    for (assay::lake::DataFile& file : must(task.steps->write_files(made))) {
      request.adds.push_back(std::move(file));
    }
  };
  for (int64_t row = 0; row < rows.rows; ++row) {
    if (rows.known(row) / assay::kMicrosPerDay != day) {
      write_day();
      day = rows.known(row) / assay::kMicrosPerDay;
    }
    const int64_t key = rows.key(row);
    int64_t& last = newest[static_cast<std::size_t>(key)];
    if (rows.event(row) >= last) {
      last = rows.event(row);
      steps.emplace_back(key, row);
    }
  }
  write_day();
  request.txns = {
      {task.frontier_app_id(), EventTime::max().micros, before->txn(task.frontier_app_id())},
      must(workspace.fingerprint_update(*task.steps))};
  must(task.steps->commit(request));
}

void make(
    assay::World& world, const std::string& folder, int64_t labels, int64_t rows, int64_t keys) {
  const std::string project = make_project(world, folder);
  const auto workspace = must(Workspace::open(world, project, {}));
  write_labels(folder + "/labels.parquet", labels, keys);
  for (int v = 0; v < kViews; ++v) {
    const ViewRows made{v, rows, keys};
    write_rows(folder + "/view" + std::to_string(v) + ".parquet", made);
    write_steps(*workspace, made);
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
  int64_t steps = 0;
  for (const assay::flow::TrainingViewReport& view : report.views) {
    steps += view.steps;
  }
  std::printf("seconds %.3f processor %.3f peak %ld MiB rounds %lld spilled %lld MiB steps %lld\n",
              static_cast<double>(world.clock.monotonic().micros - begin) / 1e6,
              seconds(usage.ru_utime) + seconds(usage.ru_stime),
              usage.ru_maxrss / 1024,
              static_cast<long long>(report.rounds),
              static_cast<long long>(report.spilled_bytes >> 20),
              static_cast<long long>(steps));
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
