// Point-in-time join in memory: 2M labels against 4M rows of 200k entities (or counts given as
// arguments: labels rows entities), where three of ten rows become known late. Both sides are exact
// in event time and known time; every answer is compared. Peer: DuckDB in the same process.
//
// The peer's SQL. Rows, at the instant they become visible, and labels are put in one order per
// entity and time; a running maximum of the rows is the answer at each label. The order
// (event_time, known_time, row) is packed into one HUGEINT, so that DuckDB compares numbers and no
// structs. Of five exact forms tried this took the least processor time: an ASOF JOIN onto the
// running maximum took 1.3 times as much. Building DuckDB's tables and our arrays is outside the
// timing. Wall time counts; the ratio of processor time stands beside it, since it is steadier on a
// busy machine.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "data/asof_join.h"
#include "data/sql_engine.h"

namespace {

using namespace assay::data;

constexpr int kRepeats = 3;
constexpr int64_t kDay = assay::kMicrosPerDay;
constexpr int64_t kStart = 980'000'000'000'000;

struct Sizes {
  int64_t labels = 2'000'000;
  int64_t rows = 4'000'000;
  int64_t entities = 200'000;
};

struct Tables {
  Batch labels;  // i, k, t
  Batch rows;    // i, k, event_time, known_time
};

enum class Keys { kUniform, kSkewed };

Tables make_tables(const Sizes& sizes, Keys keys) {
  std::mt19937_64 random(7);
  const auto below = [&](int64_t end) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(end));
  };
  const auto key = [&] {
    const double u = static_cast<double>(random() >> 11) * 0x1p-53;
    return static_cast<int64_t>(std::pow(u, keys == Keys::kSkewed ? 4.0 : 1.0) *
                                static_cast<double>(sizes.entities));
  };
  BatchBuilder labels(make_schema(
      {{"i", Type::kInt64, false}, {"k", Type::kInt64, false}, {"t", Type::kTimestamp, false}}));
  for (int64_t i = 0; i < sizes.labels; ++i) {
    labels.column(0).append(i);
    labels.column(1).append(key());
    labels.column(2).append(kStart + below(30 * kDay));
  }
  BatchBuilder rows(make_schema({{"i", Type::kInt64, false},
                                 {"k", Type::kInt64, false},
                                 {"event_time", Type::kTimestamp, false},
                                 {"known_time", Type::kTimestamp, false}}));
  for (int64_t i = 0; i < sizes.rows; ++i) {
    const int64_t known =
        kStart + i * (30 * kDay / sizes.rows);  // a log: rows come as they become known
    rows.column(0).append(i);
    rows.column(1).append(key());
    rows.column(2).append(below(10) < 3 ? known - below(kDay / 24) : known);
    rows.column(3).append(known);
  }
  return {labels.finish(), rows.finish()};
}

AsofMatch assay_join(const Tables& tables, int threads) {
  const AsofLabels labels{.keys = {tables.labels.find("k")}, .time = tables.labels.find("t")};
  const AsofRows rows{.keys = {tables.rows.find("k")},
                      .event_time = tables.rows.find("event_time"),
                      .known_time = tables.rows.find("known_time")};
  auto match = asof_join(labels, rows, {.ttl = assay::Duration{7 * kDay}, .threads = threads});
  ASSAY_CHECK(match.ok());
  return *std::move(match);
}

const char kPeerSql[] = R"(CREATE OR REPLACE TEMP TABLE answer AS
WITH both_sides AS (
  SELECT k, greatest(event_time, known_time) AS instant, 0 AS side, NULL AS i,
         (epoch_us(event_time)::HUGEINT << 64) + ((epoch_us(known_time) - epoch_us(event_time))::HUGEINT << 32) + i
           AS version
  FROM rows
  UNION ALL
  SELECT k, t, 1, i, NULL FROM labels),
swept AS (
  SELECT i, side, instant, max(version) OVER (PARTITION BY k ORDER BY instant, side ROWS UNBOUNDED PRECEDING) AS newest
  FROM both_sides)
SELECT i, CASE WHEN epoch_us(instant) - (newest >> 64)::BIGINT <= 604800000000
               THEN (newest & 4294967295::HUGEINT)::BIGINT ELSE -1 END AS row
FROM swept WHERE side = 1)";

void run_peer(SqlEngine& engine) {
  const assay::Status done = engine.execute(kPeerSql);
  if (!done.ok()) {
    std::fprintf(stderr, "%s\n", done.to_string().c_str());
  }
  ASSAY_CHECK(done.ok());
}

/// Stops the process when the two differ in any label.
void compare(SqlEngine& engine, const AsofMatch& match) {
  auto answer = engine.query("SELECT row FROM answer ORDER BY i");
  ASSAY_CHECK(answer.ok() && answer->rows() == static_cast<int64_t>(match.rows.size()));
  const auto rows = answer->column(0).values<int64_t>();
  ASSAY_CHECK(std::equal(rows.begin(), rows.end(), match.rows.begin()));
}

struct Spent {
  double wall = 0;       // seconds
  double processor = 0;  // seconds, of all threads
};

Spent spent(assay::Clock& clock, const std::function<void()>& work) {
  const assay::Duration begin = clock.monotonic();
  const std::clock_t processor_begin = std::clock();
  work();
  return {static_cast<double>(clock.monotonic().micros - begin.micros) / 1e6,
          static_cast<double>(std::clock() - processor_begin) / CLOCKS_PER_SEC};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void run(const Sizes& sizes, Keys keys, int threads) {
  const Tables tables = make_tables(sizes, keys);
  auto engine = SqlEngine::open(
      {.threads = threads, .memory_bytes_max = std::size_t{8} << 30, .temp_directory = ""});
  ASSAY_CHECK(engine.ok());
  ASSAY_CHECK((*engine)->create_table("labels", tables.labels).ok());
  ASSAY_CHECK((*engine)->create_table("rows", tables.rows).ok());
  const auto clock = assay::system_clock();
  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> ratios;
  std::vector<double> processor_ratios;
  AsofMatch match = assay_join(tables, threads);  // once to warm up
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const Spent own = spent(*clock, [&] { match = assay_join(tables, threads); });
    const Spent peer = spent(*clock, [&] { run_peer(**engine); });
    ours.push_back(own.wall);
    theirs.push_back(peer.wall);
    ratios.push_back(peer.wall / own.wall);
    processor_ratios.push_back(peer.processor / own.processor);
  }
  compare(**engine, match);
  const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end());
  std::printf(
      "%-7s keys, %d thread(s): assay %.3f s, duckdb %.3f s, ratio %.1f (%.1f to %.1f), of "
      "processor time %.1f; answers equal\n",
      keys == Keys::kUniform ? "uniform" : "skewed",
      threads,
      median(ours),
      median(theirs),
      median(ratios),
      *least,
      *most,
      median(processor_ratios));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Sizes sizes;
  if (argc == 4) {
    sizes = {std::atoll(argv[1]), std::atoll(argv[2]), std::atoll(argv[3])};
  }
  std::printf(
      "as-of join, exact in event and known time: %lld labels, %lld rows, %lld entities; median of "
      "%d\n",
      static_cast<long long>(sizes.labels),
      static_cast<long long>(sizes.rows),
      static_cast<long long>(sizes.entities),
      kRepeats);
  for (const Keys keys : {Keys::kUniform, Keys::kSkewed}) {
    for (const int threads : {1, 2}) {
      run(sizes, keys, threads);
    }
  }
  return 0;
}
