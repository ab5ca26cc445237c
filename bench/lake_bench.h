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

#include "base/check.h"
#include "base/world.h"
#include "data/sql_engine.h"
#include "lake/delta_table.h"
#include "store/object_store.h"

// What the benchmarks of the lake share: a lake in a folder that is removed at the end, a
// stopwatch, and delta-rs in a process of its own.

namespace assay::bench {

class BenchLake {
 public:
  explicit BenchLake(std::size_t memory_bytes = std::size_t{4} << 30) {
    const char* root = std::getenv("ASSAY_BENCH_FOLDER");
    std::string pattern = std::string(root == nullptr ? "." : root) + "/assay_bench_XXXXXX";
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
  double seconds(const Work& work) {
    const int64_t begin = system.world().clock.monotonic().micros;
    work();
    return static_cast<double>(system.world().clock.monotonic().micros - begin) / 1e6;
  }

  int64_t number(const std::string& query) {
    return sql->query(query).value().column(0).values<int64_t>()[0];
  }

  /// Seconds that delta-rs says it took; nothing when its Python is not there (ASSAY_VENV).
  [[nodiscard]] std::optional<double> delta_rs(const std::string& arguments) const {
    const char* venv = std::getenv("ASSAY_VENV");
    const std::string python = std::string(venv == nullptr ? "build/venv" : venv) + "/bin/python";
    if (!std::filesystem::exists(python)) {
      return std::nullopt;
    }
    const std::string command = python + " bench/delta_rs_peer.py " + arguments;
    std::FILE* pipe = ::popen(command.c_str(), "r");
    double seconds = -1;
    const bool read = pipe != nullptr && std::fscanf(pipe, "%lf", &seconds) == 1;
    ASSAY_CHECK(::pclose(pipe) == 0 && read);
    return seconds;
  }

  SystemWorld system;
  std::string folder;
  std::unique_ptr<store::ObjectStore> store;
  std::unique_ptr<data::SqlEngine> sql;
};

/// Best and worst of a few runs.
struct Spread {
  double best = 1e300;
  double worst = 0;
  void add(double value) {
    best = std::min(best, value);
    worst = std::max(worst, value);
  }
};

inline void print_line(const char* what, const Spread& seconds, const char* note) {
  std::printf("%-40s %8.2f s (worst %.2f)  %s\n", what, seconds.best, seconds.worst, note);
}

inline void print_ratio(const char* what, const Spread& ours, const Spread& theirs) {
  std::printf("%-40s %8.2fx (%.2f to %.2f)\n",
              what,
              theirs.best / ours.best,
              theirs.best / ours.worst,
              theirs.worst / ours.best);
}

}  // namespace assay::bench
