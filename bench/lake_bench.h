#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/resource.h>

#include "base/check.h"
#include "base/world.h"
#include "data/batch.h"
#include "data/sql_engine.h"
#include "lake/delta_table.h"
#include "store/object_store.h"

// What the benchmarks of the lake share: a lake in a folder that is removed at the end, a
// stopwatch, and delta-rs in a process of its own.

namespace assay::bench {

/// Seconds of the clock and of processors.
struct Took {
  double wall = 0;
  double processor = 0;
};

/// Of this process and all its threads, so far.
inline double processor_seconds() {
  rusage usage{};
  ASSAY_CHECK(::getrusage(RUSAGE_SELF, &usage) == 0);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/// Megabytes of the data files below a folder.
inline double data_megabytes(const std::string& folder) {
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().extension() == ".parquet" &&
        entry.path().parent_path().filename() != "_delta_log") {
      bytes += static_cast<double>(entry.file_size());
    }
  }
  return bytes / 1e6;
}

/// The most that this process held, in MiB.
inline double peak_mebibytes() {
  rusage usage{};
  ASSAY_CHECK(::getrusage(RUSAGE_SELF, &usage) == 0);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

class BenchLake {
 public:
  explicit BenchLake(std::size_t memory_bytes = std::size_t{4} << 30) {
    const char* root = std::getenv("ASSAY_BENCH_FOLDER");
    std::string pattern = std::string(root == nullptr ? "build" : root) + "/assay_bench_XXXXXX";
    ASSAY_CHECK(::mkdtemp(pattern.data()) != nullptr);
    folder = std::filesystem::absolute(pattern).string();
    store = store::open_local_store(system.world(), folder + "/lake").value();
    sql = data::SqlEngine::open(
              {.threads = 2, .memory_bytes_max = memory_bytes, .temp_directory = folder + "/spill"})
              .value();
  }
  ~BenchLake() { std::filesystem::remove_all(folder); }
  BenchLake(const BenchLake&) = delete;
  BenchLake& operator=(const BenchLake&) = delete;

  std::unique_ptr<lake::DeltaTable> create(const std::string& key,
                                           std::vector<data::Field> fields,
                                           std::vector<std::string> partitions) {
    return lake::DeltaTable::open_or_create(
               system.world(),
               *store,
               *sql,
               key,
               {key, data::make_schema(std::move(fields)), std::move(partitions)})
        .value();
  }

  template <typename Work>
  Took seconds(const Work& work) {
    const int64_t begin = system.world().clock.monotonic().micros;
    const double processor = processor_seconds();
    work();
    return {static_cast<double>(system.world().clock.monotonic().micros - begin) / 1e6,
            processor_seconds() - processor};
  }

  int64_t number(const std::string& query) {
    const data::Batch answer = sql->query(query).value();
    return answer.column(0).values<int64_t>()[0];
  }

  /// Seconds that delta-rs says it took; nothing when its Python is not there (ASSAY_VENV).
  [[nodiscard]] std::optional<Took> delta_rs(const std::string& arguments) const {
    const char* venv = std::getenv("ASSAY_VENV");
    const std::string python = std::string(venv == nullptr ? "build/venv" : venv) + "/bin/python";
    if (!std::filesystem::exists(python)) {
      return std::nullopt;
    }
    const std::string command = python + " bench/delta_rs_peer.py " + arguments;
    std::FILE* pipe = ::popen(command.c_str(), "r");
    Took took;
    const bool read =
        pipe != nullptr && std::fscanf(pipe, "%lf %lf", &took.wall, &took.processor) == 2;
    ASSAY_CHECK(::pclose(pipe) == 0 && read);
    return took;
  }

  SystemWorld system;
  std::string folder;
  std::unique_ptr<store::ObjectStore> store;
  std::unique_ptr<data::SqlEngine> sql;
};

/// A few runs, in their order: each of ours is compared with the peer's of the same turn.
struct Spread {
  std::vector<Took> runs;
  void add(Took took) { runs.push_back(took); }
};

inline double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

inline void print_line(const char* what, const Spread& spread) {
  std::vector<double> wall;
  std::vector<double> processor;
  for (const Took& took : spread.runs) {
    wall.push_back(took.wall);
    processor.push_back(took.processor);
  }
  std::printf("%-40s %8.2f s (%.2f to %.2f), processor %.2f s\n",
              what,
              median_of(wall),
              *std::min_element(wall.begin(), wall.end()),
              *std::max_element(wall.begin(), wall.end()),
              median_of(processor));
}

/// How many times as fast as the peer we are.
inline void print_ratio(const char* what, const Spread& ours, const Spread& theirs) {
  std::vector<double> wall;
  std::vector<double> processor;
  for (std::size_t i = 0; i < std::min(ours.runs.size(), theirs.runs.size()); ++i) {
    wall.push_back(theirs.runs[i].wall / ours.runs[i].wall);
    processor.push_back(theirs.runs[i].processor / ours.runs[i].processor);
  }
  std::printf("%-40s %8.2fx (%.2f to %.2f), by processor %.2fx (%.2f to %.2f)\n",
              what,
              median_of(wall),
              *std::min_element(wall.begin(), wall.end()),
              *std::max_element(wall.begin(), wall.end()),
              median_of(processor),
              *std::min_element(processor.begin(), processor.end()),
              *std::max_element(processor.begin(), processor.end()));
}

}  // namespace assay::bench
