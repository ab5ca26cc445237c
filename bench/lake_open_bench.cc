// Opening a Delta table of 100,000 files and 1,000 commits, with a checkpoint at the newest but
// ten: cold (nothing of it in this process) against delta-rs doing the same, and again, when
// nothing or one commit came since. Files and version are compared.
//
//   lake_open_bench [PYTHON]      a Python with tests/delta_rs/requirements.txt; without one no
//   peer

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "lake/delta_table.h"
#include "lake/log_entry.h"

namespace {

using assay::lake::DeltaTable;
using assay::lake::Version;

constexpr Version kCommits = 1'000;
constexpr int kFilesPerCommit = 100;
constexpr Version kAfterCheckpoint = 10;
constexpr int kRepeats = 7;

/// One commit's file: a hundred adds with statistics of six columns.
std::string commit_text(assay::Random& random, Version version) {
  std::string out;
  for (int i = 0; i < kFilesPerCommit; ++i) {
    assay::lake::AddAction add;
    const std::string day = "2026-01-" + std::to_string(10 + version % 20);
    add.file.path = "dt=" + day + "/part-" + random.uuid() + ".parquet";
    add.file.partition_values = {{"dt", day}};
    add.file.size_bytes = 1'000'000 + i;
    add.file.modification_ms = 1'767'225'600'000 + version;
    const std::string id = std::to_string(version * 1'000 + i);
    add.file.stats_json =
        R"({"numRecords":1000,"minValues":{"id":)" + id + R"(,"user":"user-)" + id +
        R"(","ts":"2026-01-01T00:00:00.000Z","price":1.25,"qty":1,"ok":false},"maxValues":{"id":)" +
        id + R"(999,"user":"user-)" + id +
        R"(zzz","ts":"2026-01-01T23:59:59.999Z","price":99.5,"qty":9,"ok":true},)"
        R"("nullCount":{"id":0,"user":0,"ts":0,"price":3,"qty":0,"ok":0}})";
    append_action(out, add);
  }
  return out;
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

double milliseconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

std::string median_of(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  char text[96];
  std::snprintf(text,
                sizeof text,
                "%.2f ms (%.2f to %.2f)",
                times[times.size() / 2],
                times.front(),
                times.back());
  return text;
}

double median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

std::vector<double> peer_times(const std::string& python, const std::string& table) {
  const std::string command =
      python + " bench/lake_open_peer.py " + table + " " + std::to_string(kRepeats);
  std::FILE* pipe = ::popen(command.c_str(), "r");
  ASSAY_CHECK(pipe != nullptr);
  std::array<char, 4096> line{};
  ASSAY_CHECK(std::fgets(line.data(), line.size(), pipe) != nullptr);
  ASSAY_CHECK(::pclose(pipe) == 0);
  std::istringstream words(line.data());
  int64_t files = 0;
  Version version = 0;
  words >> files >> version;
  ASSAY_CHECK(files == kCommits * kFilesPerCommit && version == kCommits);
  std::vector<double> times;
  for (double each = 0; words >> each;) {
    times.push_back(each);
  }
  return times;
}

}  // namespace

int main(int argc, char** argv) {
  std::string folder = (std::filesystem::temp_directory_path() / "lake_open_XXXXXX").string();
  ASSAY_CHECK(::mkdtemp(folder.data()) != nullptr);
  const auto clock = assay::system_clock();
  const auto files = assay::system_files();
  const auto random = assay::seeded_random(1);
  const auto log = assay::null_log();
  assay::Metrics metrics;
  assay::World world{*clock, *files, *random, *log, metrics};
  const auto store = assay::store::open_local_store(world, folder).value();
  const auto sql =
      assay::data::SqlEngine::open(
          {.threads = 2, .memory_bytes_max = std::size_t{2} << 30, .temp_directory = ""})
          .value();
  using assay::data::Type;
  const auto schema = assay::data::make_schema({{"id", Type::kInt64},
                                                {"user", Type::kString},
                                                {"ts", Type::kTimestamp},
                                                {"price", Type::kFloat64},
                                                {"qty", Type::kInt32},
                                                {"ok", Type::kBool},
                                                {"dt", Type::kString}});
  DeltaTable::open_or_create(world, *store, *sql, "t", {"t", schema, {"dt"}}).value();
  const auto commit = [&](Version version) {
    write_file(store->read_path("t/_delta_log/" + assay::lake::log_file_name(version)),
               commit_text(*random, version));
  };
  for (Version version = 1; version <= kCommits - kAfterCheckpoint; ++version) {
    commit(version);
  }
  ASSAY_CHECK(DeltaTable::open(world, *store, *sql, "t").value()->checkpoint().ok());
  for (Version version = kCommits - kAfterCheckpoint + 1; version <= kCommits; ++version) {
    commit(version);
  }

  std::vector<double> cold;
  std::vector<double> again;
  std::vector<double> one_more;
  std::unique_ptr<DeltaTable> table;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    table = nullptr;
    cold.push_back(milliseconds([&] {
      table = DeltaTable::open(world, *store, *sql, "t").value();
      const auto snapshot = table->snapshot().value();
      ASSAY_CHECK(snapshot->version == kCommits);
      ASSAY_CHECK(snapshot->files.size() == std::size_t{kCommits} * kFilesPerCommit);
    }));
    again.push_back(milliseconds([&] { table->snapshot().value(); }));
  }
  std::printf("open %d files, %d commits, cold: %s\n",
              static_cast<int>(kCommits) * kFilesPerCommit,
              static_cast<int>(kCommits),
              median_of(cold).c_str());
  std::printf("again, nothing new: %s\n", median_of(again).c_str());
  const std::string python = argc > 1 ? argv[1] : "build/venv/bin/python";
  if (argc > 1 || std::filesystem::exists(python)) {
    const std::vector<double> peer = peer_times(python, store->read_path("t"));
    std::printf(
        "delta-rs, cold: %s; ratio %.1f\n", median_of(peer).c_str(), median(peer) / median(cold));
  }
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto held = table->snapshot().value();  // so that the table must copy its state
    commit(kCommits + 1 + repeat);
    one_more.push_back(milliseconds(
        [&] { ASSAY_CHECK(table->snapshot().value()->version == kCommits + 1 + repeat); }));
    ASSAY_CHECK(held->version == kCommits + repeat);
  }
  std::printf(
      "again, one commit of %d files more: %s\n", kFilesPerCommit, median_of(one_more).c_str());
  std::filesystem::remove_all(folder);
  return 0;
}
