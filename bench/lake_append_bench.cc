// Rows into a Delta table of 24 partitions, against DuckDB's COPY of the same rows alone and
// against delta-rs. The rows lie in memory before the clock starts, in DuckDB's table (ours, COPY)
// or in Arrow (delta-rs).
//
//   lake_append_bench [ROWS]     20,000,000 when left out

#include "lake_bench.h"

namespace {

using assay::bench::Spread;
using assay::data::Type;

constexpr int kRepeats = 3;

const std::vector<assay::data::Field> kFields = {{"event_id", Type::kInt64},
                                                 {"user_id", Type::kInt64},
                                                 {"item_id", Type::kInt32},
                                                 {"kind", Type::kString},
                                                 {"city", Type::kString},
                                                 {"price", Type::kFloat64},
                                                 {"discount", Type::kFloat64},
                                                 {"score", Type::kFloat32},
                                                 {"clicked", Type::kBool},
                                                 {"day", Type::kDate},
                                                 {"ts", Type::kTimestamp},
                                                 {"hr", Type::kInt32}};

std::string rows_sql(int64_t rows) {
  return "SELECT i AS event_id, CAST(hash(i) % 1000000 AS BIGINT) AS user_id, "
         "CAST(hash(i + 1) % 50000 AS INTEGER) AS item_id, "
         "CASE hash(i) % 3 WHEN 0 THEN 'view' WHEN 1 THEN 'cart' ELSE 'purchase' END AS kind, "
         "'city ' || (hash(i + 2) % 900) AS city, "
         "CAST(hash(i + 3) % 100000 AS DOUBLE) / 100 AS price, "
         "CASE WHEN hash(i + 4) % 5 = 0 THEN NULL ELSE CAST(hash(i + 4) % 100 AS DOUBLE) / 8 END "
         "AS "
         "discount, CAST(hash(i + 5) % 1000 AS FLOAT) / 7 AS score, hash(i) % 2 = 0 AS clicked, "
         "DATE '2026-01-01' + CAST(i % 30 AS INTEGER) AS day, "
         "make_timestamptz(1767225600000000 + i * 1000) AS ts, "
         "CAST(i * 24 // " +
         std::to_string(rows) +
         " AS INTEGER) AS hr "
         "FROM range(" +
         std::to_string(rows) + ") AS t(i)";
}

/// A number that changes with any value of any row.
int64_t content_of(assay::bench::BenchLake& lake, const std::string& relation) {
  std::string columns;
  for (const assay::data::Field& field : kFields) {
    columns += (columns.empty() ? "" : ", ") + field.name;
  }
  return lake.number("SELECT CAST(sum(hash(" + columns + ")) % 1000000007 AS BIGINT) FROM " +
                     relation);
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t rows = argc > 1 ? std::atoll(argv[1]) : 20'000'000;
  assay::bench::BenchLake lake(std::size_t{6} << 30);
  ASSAY_CHECK(lake.sql->execute("CREATE TEMP TABLE source AS " + rows_sql(rows)).ok());
  const int64_t content = content_of(lake, "temp.source");
  Spread ours;
  Spread copy;
  double ours_megabytes = 0;
  double copy_megabytes = 0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const std::string name = std::to_string(repeat);
    const auto table = lake.create("ours" + name, kFields, {"hr"});
    ours.add(lake.seconds([&] {
      assay::lake::CommitRequest request;
      request.adds = table->write_query({"SELECT * FROM temp.source", "", {}, {}}).value();
      ASSAY_CHECK(table->commit(request).ok());
    }));
    ASSAY_CHECK(content_of(lake, table->relation(*table->snapshot().value()).value()) == content);
    ours_megabytes = assay::bench::data_megabytes(lake.folder + "/lake/ours" + name);
    std::filesystem::remove_all(lake.folder + "/lake/ours" + name);
    copy.add(lake.seconds([&] {
      ASSAY_CHECK(lake.sql
                      ->execute("COPY temp.source TO '" + lake.folder + "/copy" + name +
                                "' (FORMAT parquet, PARTITION_BY (hr), COMPRESSION zstd)")
                      .ok());
    }));
    copy_megabytes = assay::bench::data_megabytes(lake.folder + "/copy" + name);
    std::filesystem::remove_all(lake.folder + "/copy" + name);
  }
  std::printf("append %lld rows x 12 columns x 24 partitions\n", static_cast<long long>(rows));
  print_line("ours, durable and committed", ours);
  print_line("DuckDB COPY alone", copy);
  print_ratio("ours against COPY", ours, copy);
  std::printf("files: ours %.1f MB, COPY's %.1f MB\n", ours_megabytes, copy_megabytes);
  std::fflush(stdout);

  // The rows for delta-rs to read; then this process holds nothing.
  const auto source = lake.create("source", kFields, {});
  assay::lake::CommitRequest request;
  request.adds = source->write_query({"SELECT * FROM temp.source", "", {}, {}}).value();
  ASSAY_CHECK(source->commit(request).ok());
  ASSAY_CHECK(lake.sql->execute("DROP TABLE temp.source").ok());
  for (const std::string codec : {"ZSTD", "SNAPPY"}) {
    Spread delta_rs;
    double megabytes = 0;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      const std::string name = codec + std::to_string(repeat);
      const auto took = lake.delta_rs("append " + lake.folder + "/lake/source " + lake.folder +
                                      "/lake/" + name + " hr " + codec);
      if (!took) {
        std::printf("delta-rs: tools/python_env.sh build/venv tests/delta_rs/requirements.txt\n");
        return 0;
      }
      delta_rs.add(*took);
      const auto theirs =
          assay::lake::DeltaTable::open(lake.system.world(), *lake.store, *lake.sql, name).value();
      ASSAY_CHECK(theirs->snapshot().value()->rows() == rows);
      megabytes = assay::bench::data_megabytes(lake.folder + "/lake/" + name);
      std::filesystem::remove_all(lake.folder + "/lake/" + name);
    }
    print_line(("delta-rs, " + codec).c_str(), delta_rs);
    print_ratio("ours (zstd) against it", ours, delta_rs);
    std::printf("files: %.1f MB\n", megabytes);
    std::fflush(stdout);
  }
  return 0;
}
