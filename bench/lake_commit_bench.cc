// Small commits, each durable when it is acknowledged: a log entry that names a file that is there.
// By one writer, one after the other, and by eight writers of one table; against what the disk
// takes of the same: a file written and synced, then linked and its folder synced. Turns alternate;
// at the end every commit is in the table once.
//
//   lake_commit_bench [COMMITS]     of a turn; 200 when left out

#include <functional>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include "lake_bench.h"

namespace {

using assay::bench::BenchLake;
using assay::bench::Spread;
using assay::lake::DeltaTable;

constexpr int kTurns = 5;
constexpr int kWriters = 8;
constexpr std::size_t kEntryBytes = 700;

void commit_some(DeltaTable& table, const std::string& writer, int begin, int end) {
  for (int i = begin; i < end; ++i) {
    assay::lake::CommitRequest request;
    assay::lake::DataFile file;
    file.path = "part-" + writer + "-" + std::to_string(i) + ".parquet";
    file.size_bytes = 1'000;
    file.rows = 1;
    file.stats_json = R"({"numRecords":1,"minValues":{"id":1},"maxValues":{"id":1}})";
    request.adds = {file};
    const auto held = table.snapshot().value()->txn(writer);
    request.txns = {{writer, i, held}};
    ASSAY_CHECK(table.commit(request).ok());
  }
}

/// What a disk must do for a file that appears whole and stays.
void put_durably(int folder, const std::string& path) {
  const std::string bytes(kEntryBytes, 'x');
  const std::string beside = path + ".tmp";
  const int file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666);
  ASSAY_CHECK(file >= 0);
  ASSAY_CHECK(::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  ASSAY_CHECK(::fsync(file) == 0);
  ::close(file);
  ASSAY_CHECK(::link(beside.c_str(), path.c_str()) == 0 && ::unlink(beside.c_str()) == 0);
  ASSAY_CHECK(::fsync(folder) == 0);
}

void in_threads(const std::function<void(int)>& work) {
  std::vector<std::jthread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back(work, writer);
  }
}

/// A writer has an engine of its own for its checkpoints.
struct Writer {
  explicit Writer(BenchLake& lake, const std::string& key)
      : sql(assay::data::SqlEngine::open(
                {.threads = 1, .memory_bytes_max = std::size_t{512} << 20, .temp_directory = ""})
                .value()),
        table(DeltaTable::open(lake.system.world(), *lake.store, *sql, key).value()) {}
  std::unique_ptr<assay::data::SqlEngine> sql;
  std::unique_ptr<DeltaTable> table;
};

void print_rate(const char* what, const Spread& spread, int commits) {
  std::vector<double> rates;
  std::vector<double> processor;
  for (const assay::bench::Took& took : spread.runs) {
    rates.push_back(commits / took.wall);
    processor.push_back(took.processor / commits * 1e3);
  }
  std::printf("%-52s %7.0f a second (%.0f to %.0f), processor %.2f ms each\n",
              what,
              assay::bench::median_of(rates),
              *std::min_element(rates.begin(), rates.end()),
              *std::max_element(rates.begin(), rates.end()),
              assay::bench::median_of(processor));
}

}  // namespace

int main(int argc, char** argv) {
  const int commits = (argc > 1 ? std::atoi(argv[1]) : 200) / kWriters * kWriters;
  const int share = commits / kWriters;
  BenchLake lake;
  const std::string raw = lake.folder + "/raw/";
  std::filesystem::create_directories(raw);
  const int folder = ::open(raw.c_str(), O_RDONLY);
  const std::vector<assay::data::Field> fields = {{"id", assay::data::Type::kInt64}};
  const auto alone = lake.create("alone", fields, {});
  const auto shared = lake.create("shared", fields, {});
  std::vector<std::unique_ptr<Writer>> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.push_back(std::make_unique<Writer>(lake, "shared"));
  }
  Spread by_one, by_eight, disk_by_one, disk_by_eight;
  for (int turn = 0; turn < kTurns; ++turn) {
    const int begin = turn * share;
    const std::string name = raw + std::to_string(turn) + ".";
    by_one.add(
        lake.seconds([&] { commit_some(*alone, "w", turn * commits, (turn + 1) * commits); }));
    disk_by_one.add(lake.seconds([&] {
      for (int i = 0; i < commits; ++i) {
        put_durably(folder, name + std::to_string(i));
      }
    }));
    by_eight.add(lake.seconds([&] {
      in_threads([&](int writer) {
        commit_some(*writers[static_cast<std::size_t>(writer)]->table,
                    "w" + std::to_string(writer),
                    begin,
                    begin + share);
      });
    }));
    disk_by_eight.add(lake.seconds([&] {
      in_threads([&](int writer) {
        for (int i = 0; i < share; ++i) {
          put_durably(folder, name + std::to_string(writer) + "." + std::to_string(i));
        }
      });
    }));
  }
  ::close(folder);
  ASSAY_CHECK(alone->snapshot().value()->rows() == kTurns * commits);
  ASSAY_CHECK(alone->snapshot().value()->version == kTurns * commits);
  ASSAY_CHECK(shared->snapshot().value()->rows() == kTurns * commits);
  ASSAY_CHECK(shared->snapshot().value()->version == kTurns * commits);
  std::printf("%d turns of %d commits, checkpoints included\n", kTurns, commits);
  print_rate("one writer", by_one, commits);
  print_rate("the disk alone: file, link, folder", disk_by_one, commits);
  print_ratio("one writer against the disk", by_one, disk_by_one);
  print_rate("eight writers of one table", by_eight, commits);
  print_rate("the disk alone, eight at a time", disk_by_eight, commits);
  print_ratio("eight writers against the disk", by_eight, disk_by_eight);
  return 0;
}
