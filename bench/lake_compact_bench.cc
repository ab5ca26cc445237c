// Compaction of many small files, against delta-rs' optimize on a copy of the same table.
//
//   lake_compact_bench [FILES]     5,000 when left out

#include "lake/compaction.h"
#include "lake/table_hash.h"
#include "lake_bench.h"

namespace {

using assay::bench::Spread;
using assay::data::Type;

constexpr int kRepeats = 3;
constexpr int kFilesPerCommit = 50;
constexpr int kPartitions = 10;
constexpr int64_t kRowsPerFile = 200;

}  // namespace

int main(int argc, char** argv) {
  const int64_t files = argc > 1 ? std::atoll(argv[1]) : 5'000;
  assay::bench::BenchLake lake;
  {
    const auto table = lake.create("t",
                                   {{"id", Type::kInt64},
                                    {"name", Type::kString},
                                    {"price", Type::kFloat64},
                                    {"p", Type::kInt32}},
                                   {"p"});
    assay::lake::CommitRequest request;
    for (int64_t file = 0; file < files; ++file) {
      const auto written =
          table
              ->write_query(
                  {"SELECT i AS id, 'name ' || hash(i) % 1000 AS name, CAST(hash(i) % 10000 "
                   "AS DOUBLE) / 8 AS price, CAST(" +
                       std::to_string(file % kPartitions) + " AS INTEGER) AS p FROM range(" +
                       std::to_string(file * kRowsPerFile) + ", " +
                       std::to_string((file + 1) * kRowsPerFile) + ") AS t(i)",
                   "",
                   {},
                   {{{"p", std::to_string(file % kPartitions)}}}})
              .value();
      request.adds.insert(request.adds.end(), written.begin(), written.end());
      if (request.adds.size() >= kFilesPerCommit || file + 1 == files) {
        ASSAY_CHECK(table->commit(request).ok());
        request.adds.clear();
      }
    }
  }
  const std::string root = lake.folder + "/lake/";
  const double peak_before = assay::bench::peak_mebibytes();
  double peak = 0;
  Spread ours;
  Spread theirs;
  bool peer = true;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const std::string name = std::to_string(repeat);
    for (const std::string& copy : {"ours" + name, "theirs" + name}) {
      std::filesystem::copy(root + "t", root + copy, std::filesystem::copy_options::recursive);
    }
    const auto open = [&](const std::string& key) {
      return assay::lake::DeltaTable::open(lake.system.world(), *lake.store, *lake.sql, key)
          .value();
    };
    const auto table = open("ours" + name);
    const assay::lake::LakeAccess access{lake.system.world(), *lake.store, *lake.sql};
    ours.add(lake.seconds([&] {
      const auto report = assay::lake::compact(access, *table).value();
      ASSAY_CHECK(report.files_removed == files && report.files_added == kPartitions);
    }));
    peak = repeat == 0 ? assay::bench::peak_mebibytes() : peak;
    const uint64_t hash = assay::lake::table_content_hash(*open("t"), *lake.sql).value();
    ASSAY_CHECK(assay::lake::table_content_hash(*table, *lake.sql).value() == hash);
    const auto seconds = lake.delta_rs("compact " + root + "theirs" + name + " 256");
    peer = peer && seconds.has_value();
    if (peer) {
      theirs.add(*seconds);
      ASSAY_CHECK(assay::lake::table_content_hash(*open("theirs" + name), *lake.sql).value() ==
                  hash);
    }
  }
  std::printf("compact %lld files of %lld rows in %d partitions\n",
              static_cast<long long>(files),
              static_cast<long long>(kRowsPerFile),
              kPartitions);
  print_line("ours", ours);
  std::printf(
      "memory of this process, before and after the first: %.0f, %.0f MiB\n", peak_before, peak);
  if (peer) {
    print_line("delta-rs optimize", theirs);
    print_ratio("ours against delta-rs", ours, theirs);
  } else {
    std::printf("delta-rs: tools/python_env.sh build/venv tests/delta_rs/requirements.txt\n");
  }
  return 0;
}
