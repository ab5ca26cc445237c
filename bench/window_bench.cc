// Hopping windows over events of many users: steps of four windows (1 h, 3 h, 24 h, 7 d; slide 10
// min) of three aggregates (count, sum, max), against the same steps by SQL window functions in
// DuckDB, one thread each, repeats alternating. Both start from columns in memory and end with
// steps in memory; every answer is compared. Amounts are multiples of 1/64, so that DuckDB's sums
// are exact too.
//
//   window_bench [EVENTS [USERS]]

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "data/sql_engine.h"
#include "gold/contract.h"
#include "machine_limit.h"

namespace {

using assay::Duration;
using assay::EventTime;
using assay::kMicrosPerSecond;
using assay::data::Batch;

constexpr int kRepeats = 3;
constexpr int64_t kMinute = 60 * kMicrosPerSecond;
constexpr int64_t kSlide = 10 * kMinute;
constexpr std::pair<const char*, int64_t> kWindows[] = {{"1h", 60 * kMinute},
                                                        {"3h", 180 * kMinute},
                                                        {"24h", 1440 * kMinute},
                                                        {"7d", 7 * 1440 * kMinute}};

/// Events of four weeks, in event order; each `late_one_in`-th becomes known up to two hours late.
Batch make_events(int64_t count, int64_t users, uint64_t late_one_in) {
  const auto random = assay::seeded_random(1);
  assay::data::BatchBuilder builder(
      assay::data::make_schema({{"user", assay::data::Type::kInt64, false},
                                {"event_time", assay::data::Type::kTimestamp, false},
                                {"known_time", assay::data::Type::kTimestamp, false},
                                {"sequence", assay::data::Type::kInt64, false},
                                {"amount", assay::data::Type::kFloat64, false}}));
  const int64_t start = 978'307'200 * kMicrosPerSecond;
  const int64_t span = 28 * assay::kMicrosPerDay;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t time = start + span / count * i;
    const bool late = late_one_in != 0 && random->below(late_one_in) == 0;
    builder.column(0).append(static_cast<int64_t>(random->below(static_cast<uint64_t>(users))));
    builder.column(1).append(time);
    builder.column(2).append(
        time + (late ? static_cast<int64_t>(random->below(120)) * kMinute : int64_t{0}));
    builder.column(3).append(i);
    builder.column(4).append(static_cast<double>(random->below(100'000)) / 64.0);
  }
  return builder.finish();
}

assay::gold::FeatureViewPtr make_view(const assay::data::Schema& source) {
  assay::catalog::EntityDef entity;
  entity.name = "user";
  entity.keys = {{"user", assay::data::Type::kInt64, false}};
  assay::catalog::FeatureViewDef view;
  view.name = "activity";
  view.entity = "user";
  view.from = "events";
  view.slide = {kSlide};
  const std::pair<const char*, assay::catalog::Aggregate> aggregates[] = {
      {"n", assay::catalog::Aggregate::kCount},
      {"total", assay::catalog::Aggregate::kSum},
      {"top", assay::catalog::Aggregate::kMax}};
  for (const auto& [name, aggregate] : aggregates) {
    assay::catalog::FeatureDef feature;
    feature.kind = assay::catalog::FeatureDef::Kind::kWindow;
    feature.name = name;
    feature.aggregate = aggregate;
    feature.of = aggregate == assay::catalog::Aggregate::kCount ? "" : "amount";
    for (const auto& window : kWindows) {
      feature.over.push_back(Duration{window.second});
    }
    view.features.push_back(feature);
  }
  return assay::gold::FeatureView::compile(view, entity, source).value();
}

/// The same steps in SQL: tiles, then a row wherever a tile enters or leaves a window, then window
/// functions over them, then only the rows that say something new.
std::string peer_sql() {
  const std::string slide = std::to_string(kSlide);
  std::string instants = "SELECT \"user\", tile + " + slide + " AS t, c, s, m, e FROM tiles";
  std::string columns;
  std::string changed;
  for (const auto& [name, length] : kWindows) {
    instants += " UNION ALL SELECT \"user\", tile + " + slide + " + " + std::to_string(length) +
                ", 0, NULL, NULL, NULL FROM tiles";
    const std::string over = " OVER (PARTITION BY \"user\" ORDER BY t RANGE BETWEEN " +
                             std::to_string(length - 1) + " PRECEDING AND CURRENT ROW)";
    for (const auto& [feature, value] :
         {std::pair{"n", "sum(c)"}, {"total", "sum(s)"}, {"top", "max(m)"}}) {
      const std::string column = std::string(feature) + "_" + name;
      columns += ", " + std::string(value) + over + " AS " + column;
      changed += " OR " + column + " IS DISTINCT FROM lag(" + column + ") OVER w";
    }
  }
  return "CREATE OR REPLACE TABLE steps AS WITH tiles AS (SELECT \"user\", (epoch_us(event_time) "
         "// " +
         slide + ") * " + slide + " AS tile, count(*) AS c, sum(amount) AS s, max(amount) AS m, " +
         "max(epoch_us(event_time)) AS e FROM events GROUP BY ALL), instants AS (SELECT \"user\", "
         "t, " +
         "sum(c) AS c, sum(s) AS s, max(m) AS m, max(e) AS e FROM (" + instants +
         ") GROUP BY ALL), answers AS (SELECT \"user\", t, max(e) OVER (PARTITION BY \"user\" "
         "ORDER BY t) " +
         "AS e" + columns +
         " FROM instants) SELECT * FROM answers WINDOW w AS (PARTITION BY \"user\" ORDER " +
         "BY t) QUALIFY e IS DISTINCT FROM lag(e) OVER w" + changed;
}

/// Steps of both sides under one schema: user, times as integers, features in window order.
Batch comparable(assay::data::SqlEngine& engine, const std::string& table, bool ours) {
  std::string columns = ours ? "\"user\", epoch_us(event_time) AS e, epoch_us(known_time) AS t"
                             : "\"user\", e::BIGINT AS e, t::BIGINT AS t";
  for (const char* feature : {"n", "total", "top"}) {
    for (const auto& window : kWindows) {
      const std::string name = std::string(feature) + "_" + window.first;
      columns += ", " + name + (*feature == 'n' ? "::BIGINT AS " : "::DOUBLE AS ") + name;
    }
  }
  assay::Result<Batch> steps = engine.query("SELECT " + columns + " FROM " + table);
  if (!steps.ok()) {
    std::fprintf(stderr, "%s\n", steps.status().to_string().c_str());
    std::exit(1);
  }
  return std::move(steps).value();
}

double seconds_of(assay::Clock& clock, const std::function<void()>& work) {
  const Duration begin = clock.monotonic();
  work();
  return static_cast<double>(clock.monotonic().micros - begin.micros) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t count = argc > 1 ? std::atoll(argv[1]) : 300'000;
  const int64_t users = argc > 2 ? std::atoll(argv[2]) : 10'000;
  const auto clock = assay::system_clock();
  const Batch events = make_events(count, users, 0);
  const Batch late_events = make_events(count, users, 5);
  const assay::gold::FeatureViewPtr view = make_view(events.schema());
  assay::data::SqlOptions options;
  options.threads = 1;
  options.memory_bytes_max = std::size_t{8} << 30;
  const auto engine = assay::data::SqlEngine::open(options).value();
  ASSAY_CHECK(engine->create_table("events", events).ok());

  const auto steps_of = [&](const Batch& rows) {
    return view->steps(rows, Batch(), EventTime::min(), EventTime::max(), 1).value();
  };
  std::vector<double> ours;
  std::vector<double> late;
  std::vector<double> peer;
  Batch steps;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    ours.push_back(seconds_of(*clock, [&] { steps = steps_of(events); }));
    late.push_back(seconds_of(*clock, [&] { ASSAY_CHECK(steps_of(late_events).rows() > 0); }));
    peer.push_back(seconds_of(*clock, [&] {
      const assay::Status done = engine->execute(peer_sql());
      if (!done.ok()) {
        std::fprintf(stderr, "%s\n", done.to_string().c_str());
        std::exit(1);
      }
    }));
  }
  ASSAY_CHECK(engine->create_table("ours", steps).ok());
  const Batch mine = comparable(*engine, "ours", true);
  const Batch theirs = comparable(*engine, "steps", false);
  std::printf("events %lld, users %lld, steps %lld, answers %s\n",
              static_cast<long long>(count),
              static_cast<long long>(users),
              static_cast<long long>(mine.rows()),
              mine.rows() == theirs.rows() && content_hash(mine) == content_hash(theirs)
                  ? "equal"
                  : "DIFFER");
  ASSAY_CHECK(mine.rows() == theirs.rows() && content_hash(mine) == content_hash(theirs));

  std::vector<double> ratios;
  for (int i = 0; i < kRepeats; ++i) {
    ratios.push_back(peer[static_cast<std::size_t>(i)] / ours[static_cast<std::size_t>(i)]);
  }
  const auto report = [&](const char* name, std::vector<double> seconds) {
    std::sort(seconds.begin(), seconds.end());
    std::printf("%-31s %10.0f events/s per core (%.0f to %.0f)\n",
                name,
                static_cast<double>(count) / seconds[seconds.size() / 2],
                static_cast<double>(count) / seconds.back(),
                static_cast<double>(count) / seconds.front());
  };
  report("assay", ours);
  report("assay, one in 5 late", late);
  report("duckdb window functions", peer);
  report("limit: rows read, steps written",
         {assay::bench::limit_seconds(
             *clock, {&events}, assay::bench::value_bytes(steps), /*threads=*/1)});
  std::sort(ratios.begin(), ratios.end());
  std::printf("ratio duckdb/assay %.1f (%.1f to %.1f)\n",
              ratios[kRepeats / 2],
              ratios.front(),
              ratios.back());
  return 0;
}
