// Point-in-time join in memory: 5 M labels against two views of 10 M rows with 10 features each,
// exact in event time and known time, features gathered into columns in label order. Data is made
// once, as Parquet files in a folder, so that other programs (bench/pit_peers.py) join the same
// rows; the answer can be written as Parquet to be compared with theirs, label by label.
//
//   pit_bench make DIR [labels rows keys features] [uniform|zipf|hot] [int|string]
//   pit_bench join DIR THREADS REPEATS [ANSWER.parquet]
//
// Reading the files is outside the timing. A line of figures a repeat: seconds of the whole, of the
// join, of the gather; the processor time; and `limit`, what only reading all rows once and filling
// memory of the answer's size takes.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "data/asof_index.h"
#include "data/gather.h"
#include "data/parquet.h"
#include "machine_limit.h"

namespace {

using namespace assay::data;

constexpr int64_t kDay = assay::kMicrosPerDay;
constexpr int64_t kStart = 980'000'000'000'000;
constexpr int64_t kTtl = 20 * kDay;
constexpr int kViews = 2;

struct Shape {
  int64_t labels = 5'000'000;
  int64_t rows = 10'000'000;  // of each view
  int64_t keys = 1'000'000;
  int features = 10;  // of each view
  std::string skew = "zipf";
  std::string type = "int";
};

/// Keys by rank: all alike, by Zipf's law (the exponent 1, by inversion), or half of them one.
class KeySource {
 public:
  KeySource(const Shape& shape, uint64_t seed) : shape_(shape), random_(seed) {}
  int64_t next() {
    if (shape_.skew == "hot" && (random_() & 1) != 0) {
      return 0;
    }
    const double u = static_cast<double>(random_() >> 11) * 0x1p-53;
    const auto keys = static_cast<double>(shape_.keys);
    const double rank = shape_.skew == "zipf" ? std::pow(keys, u) - 1 : u * keys;
    return std::min(static_cast<int64_t>(rank), shape_.keys - 1);
  }
  uint64_t random() { return random_(); }

 private:
  const Shape& shape_;
  std::mt19937_64 random_;
};

void append_key(ColumnBuilder& column, int64_t key) {
  if (column.type() == Type::kString) {
    char text[32];
    std::snprintf(text, sizeof(text), "customer-%08lld", static_cast<long long>(key));
    column.append_text(text);
  } else {
    column.append(key * 7'919);
  }
}

void write(SqlEngine& engine, const Batch& batch, const std::string& path) {
  const assay::Status done = write_parquet(engine, batch, path);
  if (!done.ok()) {
    std::fprintf(stderr, "%s\n", done.to_string().c_str());
  }
  ASSAY_CHECK(done.ok());
}

void make(SqlEngine& engine, const std::string& folder, const Shape& shape) {
  const Type key_type = shape.type == "string" ? Type::kString : Type::kInt64;
  {
    KeySource keys(shape, 1);
    BatchBuilder labels(make_schema(
        {{"i", Type::kInt64, false}, {"k", key_type, false}, {"t", Type::kTimestamp, false}}));
    for (int64_t i = 0; i < shape.labels; ++i) {
      labels.column(0).append(i);
      append_key(labels.column(1), keys.next());
      labels.column(2).append(kStart + static_cast<int64_t>(keys.random() % (30 * kDay)));
    }
    write(engine, labels.finish(), folder + "/labels.parquet");
  }
  for (int view = 0; view < kViews; ++view) {
    KeySource keys(shape, static_cast<uint64_t>(view) + 2);
    std::vector<Field> fields = {{"k", key_type, false},
                                 {"event_time", Type::kTimestamp, false},
                                 {"known_time", Type::kTimestamp, false},
                                 {"seq", Type::kInt64, false}};
    for (int f = 0; f < shape.features; ++f) {
      fields.push_back(
          {"v" + std::to_string(view) + "_" + std::to_string(f), Type::kFloat64, false});
    }
    BatchBuilder rows(make_schema(fields));
    for (int64_t i = 0; i < shape.rows; ++i) {
      // A log: rows come as they become known, three of ten later than they happened.
      const int64_t known = kStart + i * (30 * kDay / shape.rows);
      append_key(rows.column(0), keys.next());
      rows.column(1).append(keys.random() % 10 < 3
                                ? known - static_cast<int64_t>(keys.random() % (kDay / 24))
                                : known);
      rows.column(2).append(known);
      rows.column(3).append(i);
      for (int f = 0; f < shape.features; ++f) {
        rows.column(4 + f).append(static_cast<double>(keys.random() % 1'000'000) / 8.0);
      }
    }
    write(engine, rows.finish(), folder + "/view" + std::to_string(view) + ".parquet");
  }
}

Batch read(SqlEngine& engine, const std::string& path) {
  auto rows = read_file(engine, path);
  ASSAY_CHECK(rows.ok());
  return *std::move(rows);
}

double seconds_since(assay::Clock& clock, assay::Duration begin) {
  return static_cast<double>(clock.monotonic().micros - begin.micros) / 1e6;
}

struct Joined {
  std::vector<ColumnPtr> features;
  double join = 0;
  double gather = 0;
};

Joined join(assay::Clock& clock,
            const Batch& labels,
            const std::vector<Batch>& views,
            int threads) {
  Joined joined;
  const assay::Duration begin = clock.monotonic();
  AsofIndex index({labels.find("k")->type()}, threads);
  ASSAY_CHECK(index.add({{labels.find("k")}, labels.find("t")}).ok());
  index.seal();
  joined.join += seconds_since(clock, begin);
  for (const Batch& view : views) {
    const assay::Duration view_begin = clock.monotonic();
    AsofMatch match;
    {
      AsofSweep sweep(index, threads);
      ASSAY_CHECK(sweep
                      .add({{view.find("k")},
                            view.find("event_time"),
                            view.find("known_time"),
                            view.find("seq")},
                           0)
                      .ok());
      match = sweep.finish(assay::Duration{kTtl});
    }
    joined.join += seconds_since(clock, view_begin);
    const assay::Duration gather_begin = clock.monotonic();
    std::vector<const Column*> columns;
    for (int i = 4; i < view.column_count(); ++i) {
      columns.push_back(&view.column(i));
    }
    for (ColumnPtr& column : take_columns(columns, match.rows, threads)) {
      joined.features.push_back(std::move(column));
    }
    joined.gather += seconds_since(clock, gather_begin);
  }
  return joined;
}

void run(
    SqlEngine& engine, const std::string& folder, int threads, int repeats, const char* answer) {
  const Batch labels = read(engine, folder + "/labels.parquet");
  std::vector<Batch> views;
  for (int view = 0; view < kViews; ++view) {
    views.push_back(read(engine, folder + "/view" + std::to_string(view) + ".parquet"));
  }
  const auto clock = assay::system_clock();
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const std::clock_t processor = std::clock();
    const assay::Duration begin = clock->monotonic();
    const Joined joined = join(*clock, labels, views, threads);
    const double seconds = seconds_since(*clock, begin);
    const double used = static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC;
    std::size_t answer_bytes = 0;
    for (const ColumnPtr& column : joined.features) {
      answer_bytes += column->value_buffer().size();
    }
    const double limit =
        assay::bench::limit_seconds(*clock, {&labels, &views[0], &views[1]}, answer_bytes, threads);
    std::printf("seconds %.3f join %.3f gather %.3f processor %.3f peak_gib %.2f limit %.3f\n",
                seconds,
                joined.join,
                joined.gather,
                used,
                static_cast<double>(*assay::peak_memory_bytes()) / 0x1p30,
                limit);
    std::fflush(stdout);
    if (repeat + 1 == repeats && answer != nullptr) {
      std::vector<Field> fields = {{"i", Type::kInt64, false}};
      std::vector<ColumnPtr> columns = {labels.column_ptr(0)};
      const std::size_t per_view = joined.features.size() / kViews;
      for (std::size_t i = 0; i < joined.features.size(); ++i) {
        fields.push_back({"v" + std::to_string(i / per_view) + "_" + std::to_string(i % per_view),
                          Type::kFloat64,
                          true});
        columns.push_back(joined.features[i]);
      }
      write(engine, Batch(make_schema(fields), columns, labels.rows()), answer);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string word = argc > 2 ? argv[1] : "";
  auto engine = SqlEngine::open(
      {.threads = 2, .memory_bytes_max = std::size_t{6} << 30, .temp_directory = ""});
  ASSAY_CHECK(engine.ok());
  if (word == "make") {
    Shape shape;
    int64_t features = shape.features;
    for (int i = 3; i < argc; ++i) {
      const std::string value = argv[i];
      if (value == "uniform" || value == "zipf" || value == "hot") {
        shape.skew = value;
      } else if (value == "int" || value == "string") {
        shape.type = value;
      } else {
        const int64_t number = std::atoll(argv[i]);
        (i == 3 ? shape.labels : i == 4 ? shape.rows : i == 5 ? shape.keys : features) = number;
      }
    }
    shape.features = static_cast<int>(features);
    make(**engine, argv[2], shape);
    return 0;
  }
  if (word == "join" && argc > 4) {
    run(**engine, argv[2], std::atoi(argv[3]), std::atoi(argv[4]), argc > 5 ? argv[5] : nullptr);
    return 0;
  }
  std::fprintf(stderr, "pit_bench make DIR ... | pit_bench join DIR THREADS REPEATS [ANSWER]\n");
  return 2;
}
