// A scan with a key and a time filter over a table of 10,000 files (or the count given), through
// the SQL that `assay sql` runs: open the table, plan, prune, read. Against DuckDB on the same
// Parquet files by glob, and, where --python names a Python that has them (tools/servers/engines.sh
// install), against delta-rs + Polars on the same table. And a scan that nothing can prune. Answers
// are compared; repeats alternate between the programs.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/world.h"
#include "data/sql_engine.h"
#include "lake/sql_query.h"
#include "store/object_store.h"

namespace {

using assay::data::SqlEngine;

constexpr int kRepeats = 3;
constexpr int kFilesPerCommit = 100;
constexpr int64_t kRowsPerFile = 200;

/// The value, or an end that says why there is none.
template <typename T>
T must(assay::Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().to_string().c_str());
  }
  return std::move(result).value();
}

struct Answer {
  int64_t rows = 0;
  int64_t sum = 0;
  double seconds = 0;
};

class Bench {
 public:
  Bench(std::string folder, int files, std::string python)
      : folder_(std::move(folder)), files_(files), python_(std::move(python)) {}

  /// One folder a day; a day's files hold a range of users each, as a table sorted by key has them.
  void write() {
    auto store = assay::store::open_local_store(world_.world(), folder_).value();
    auto sql = SqlEngine::open({}).value();
    const assay::data::SchemaPtr schema =
        assay::data::make_schema({{"user_id", assay::data::Type::kString},
                                  {"ts", assay::data::Type::kTimestamp},
                                  {"n", assay::data::Type::kInt64},
                                  {"price", assay::data::Type::kFloat64},
                                  {"dt", assay::data::Type::kDate}});
    auto table = assay::lake::DeltaTable::open_or_create(
                     world_.world(), *store, *sql, "bronze/events", {"events", schema, {"dt"}})
                     .value();
    // A commit: one file of each of 100 days, of one range of users.
    for (int part = 0; part < files_ / kFilesPerCommit; ++part) {
      const std::string first = std::to_string(part * kRowsPerFile);
      const std::string rows = "SELECT printf('u%08d', " + first +
                               " + u) AS user_id, TIMESTAMPTZ '2026-01-01' + INTERVAL (d) "
                               "DAY + INTERVAL (u) SECOND AS ts, (d * 1000003 + " +
                               first +
                               " + u)::BIGINT AS n, u / 3.0 AS price, "
                               "DATE '2026-01-01' + d::INT AS dt FROM range(" +
                               std::to_string(kFilesPerCommit) + ") a(d), range(" +
                               std::to_string(kRowsPerFile) + ") b(u)";
      assay::lake::CommitRequest request;
      request.adds = table->write_files(sql->query(rows).value()).value();
      ASSAY_CHECK(table->commit(request).ok());
    }
  }

  /// As `assay sql` does it, in a program that has opened nothing yet.
  Answer ours(const std::string& where) {
    auto store = assay::store::open_local_store(world_.world(), folder_).value();
    auto sql = SqlEngine::open({}).value();
    const int64_t begin = world_.world().clock.monotonic().micros;
    const assay::lake::PlannedSql planned = must(assay::lake::plan_sql(
        world_.world(),
        *store,
        *sql,
        assay::lake::sql_tables(*store).value(),
        "SELECT count(*), sum(n)::BIGINT FROM lake.bronze.events WHERE " + where));
    Answer answer = run(*sql, planned.text);
    answer.seconds = since(begin);
    opened_ = planned.tables.at(0).files_opened;
    return answer;
  }

  Answer by_glob(const std::string& where) {
    auto sql = SqlEngine::open({}).value();
    const int64_t begin = world_.world().clock.monotonic().micros;
    Answer answer =
        run(*sql,
            "SELECT count(*), sum(n)::BIGINT FROM read_parquet('" + folder_ +
                "/bronze/events/dt=*/*.parquet', hive_partitioning=true) WHERE " + where);
    answer.seconds = since(begin);
    return answer;
  }

  /// delta-rs finds the files, Polars reads them; the time is its own, without Python's start.
  Answer by_polars(const std::string& filter) {
    const std::string out = folder_ + "/polars.txt";
    const std::string command = python_ + " bench/lake_scan_polars.py " + folder_ +
                                "/bronze/events '" + filter + "' > " + out;
    ASSAY_CHECK(std::system(command.c_str()) == 0);
    const std::string text = world_.world().files.read(out).value();
    Answer answer;
    ASSAY_CHECK(
        std::sscanf(text.c_str(), "%ld %ld %lf", &answer.rows, &answer.sum, &answer.seconds) == 3);
    return answer;
  }

  void compare(const char* name, const std::string& where, const std::string& filter) {
    std::vector<double> ours_s, glob_s, polars_s;
    for (int i = 0; i < kRepeats; ++i) {
      const Answer mine = ours(where);
      const Answer glob = by_glob(where);
      ASSAY_CHECK(mine.rows == glob.rows && mine.sum == glob.sum && mine.rows > 0);
      ours_s.push_back(mine.seconds);
      glob_s.push_back(glob.seconds);
      if (!python_.empty()) {
        const Answer polars = by_polars(filter);
        ASSAY_CHECK(mine.rows == polars.rows && mine.sum == polars.sum);
        polars_s.push_back(polars.seconds);
      }
    }
    std::printf("%s: %ld of %d files opened, %.3f s", name, opened_, files_, median(ours_s));
    print_peer("DuckDB by glob", ours_s, glob_s);
    if (!python_.empty()) {
      print_peer("delta-rs + Polars", ours_s, polars_s);
    }
    std::printf("\n");
  }

 private:
  static double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }

  static void print_peer(const char* name,
                         const std::vector<double>& ours,
                         const std::vector<double>& theirs) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      ratios.push_back(theirs[i] / ours[i]);
    }
    std::printf("; %s %.3f s, ratio %.1f (%.1f to %.1f)",
                name,
                median(theirs),
                median(ratios),
                *std::min_element(ratios.begin(), ratios.end()),
                *std::max_element(ratios.begin(), ratios.end()));
  }

  double since(int64_t begin) {
    return static_cast<double>(world_.world().clock.monotonic().micros - begin) / 1e6;
  }

  static Answer run(SqlEngine& sql, const std::string& text) {
    const assay::data::Batch batch = must(sql.query(text));
    return {batch.column(0).values<int64_t>()[0], batch.column(1).values<int64_t>()[0], 0};
  }

  std::string folder_;
  int files_;
  std::string python_;
  int64_t opened_ = 0;
  assay::SystemWorld world_{assay::LogLevel::kWarn};
};

}  // namespace

int main(int count, char** words) {
  int files = 10'000;
  std::string python;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--python" && i + 1 < count) {
      python = words[++i];
    } else {
      files = std::atoi(words[i]);
    }
  }
  std::string folder = (std::filesystem::temp_directory_path() / "assay_scan_XXXXXX").string();
  ASSAY_CHECK(::mkdtemp(folder.data()) != nullptr);
  {
    Bench bench(folder, files, python);
    bench.write();
    bench.compare("key and time",
                  "user_id = 'u00000007' AND ts >= '2026-01-10' AND ts < '2026-01-12'",
                  "key");
    bench.compare("time", "ts >= '2026-01-10' AND ts < '2026-01-12'", "time");
    bench.compare("nothing to prune by", "n % 2 = 0", "none");
  }
  std::filesystem::remove_all(folder);
  return 0;
}
