// Small commits, each durable: a log entry that names a file that is there, against what the disk
// takes (write and fdatasync of as many bytes, in a row).
//
//   lake_commit_bench [COMMITS]     1,000 when left out

#include <fcntl.h>
#include <unistd.h>

#include "lake_bench.h"

namespace {

using assay::bench::Spread;

constexpr int kRepeats = 3;
constexpr std::size_t kEntryBytes = 700;

void write_and_sync(const std::string& path) {
  const std::string bytes(kEntryBytes, 'x');
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666);
  ASSAY_CHECK(file >= 0);
  ASSAY_CHECK(::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  ASSAY_CHECK(::fdatasync(file) == 0);
  ::close(file);
}

}  // namespace

int main(int argc, char** argv) {
  const int commits = argc > 1 ? std::atoi(argv[1]) : 1'000;
  assay::bench::BenchLake lake;
  std::filesystem::create_directories(lake.folder + "/raw");
  Spread ours;
  Spread disk;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto table =
        lake.create("t" + std::to_string(repeat), {{"id", assay::data::Type::kInt64}}, {});
    ours.add(lake.seconds([&] {
      for (int i = 0; i < commits; ++i) {
        assay::lake::CommitRequest request;
        assay::lake::DataFile file;
        file.path = "part-" + std::to_string(i) + ".parquet";
        file.size_bytes = 1'000;
        file.rows = 1;
        file.stats_json = R"({"numRecords":1,"minValues":{"id":1},"maxValues":{"id":1}})";
        request.adds = {file};
        const auto held = table->snapshot().value()->txn("bench");
        request.txns = {{"bench", i, held}};
        ASSAY_CHECK(table->commit(request).ok());
      }
    }));
    ASSAY_CHECK(table->snapshot().value()->rows() == commits);
    disk.add(lake.seconds([&] {
      for (int i = 0; i < commits; ++i) {
        write_and_sync(lake.folder + "/raw/" + std::to_string(repeat) + "." + std::to_string(i));
      }
    }));
  }
  std::printf("%d commits, one after the other, checkpoints every 10 included\n", commits);
  std::printf(
      "%-40s %8.0f a second (worst %.0f)\n", "ours", commits / ours.best, commits / ours.worst);
  std::printf("%-40s %8.0f a second (worst %.0f)\n",
              "the disk: write + fdatasync",
              commits / disk.best,
              commits / disk.worst);
  print_ratio("ours against the disk", ours, disk);
  return 0;
}
