// The window kernel, as a backfill calls it, over events of many users: steps of three windows (1
// h, 24 h, 7 d; slide 10 min) of three aggregates (count, sum, max), against the same steps by SQL
// window functions in DuckDB, one thread each, turn by turn. Both start from columns in memory and
// end with steps in memory; every answer that the peer gives is compared. Amounts are multiples of
// 1/64, so that DuckDB's sums are exact too.
//
// Users are independent: many events are taken in parts of a tenth of the users or fewer, both
// sides alike, so that memory is bounded for both. The peer may be given every n-th part only; its
// figure is then of the events that it was given. Those parts come last: peak memory is told
// before. Seconds are those that the process computed, so that other programs do not count.
//
// The peer is the fastest form found: tiles, a row wherever a tile enters or leaves a window, and
// window functions over these. To repeat each tile for every hop of every window, as is often done,
// makes 1,158 rows of each tile.
//
//   window_bench [EVENTS [USERS [PARTS [PEER_EVERY]]]]     parts 1: three repeats; peer_every 0: no
//   peer

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
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
constexpr std::pair<const char*, int64_t> kWindows[] = {
    {"1h", 60 * kMinute}, {"24h", 1440 * kMinute}, {"7d", 7 * 1440 * kMinute}};

/// Events of four weeks of a part's users, in event order; each `late_one_in`-th becomes known up
/// to two hours late.
Batch make_events(int64_t count, int64_t users, int64_t part, uint64_t late_one_in) {
  const auto random = assay::seeded_random(1 + static_cast<uint64_t>(part));
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
    builder.column(0).append(part * users +
                             static_cast<int64_t>(random->below(static_cast<uint64_t>(users))));
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

/// Tells the time that this process has computed.
class ProcessorClock : public assay::Clock {
 public:
  EventTime now() override { return {monotonic().micros}; }
  Duration monotonic() override {
    rusage usage{};
    ASSAY_CHECK(::getrusage(RUSAGE_SELF, &usage) == 0);
    const auto micros = [](const timeval& time) {
      return int64_t{time.tv_sec} * kMicrosPerSecond + time.tv_usec;
    };
    return {micros(usage.ru_utime) + micros(usage.ru_stime)};
  }
};

double seconds_of(assay::Clock& clock, const std::function<void()>& work) {
  const Duration begin = clock.monotonic();
  work();
  return static_cast<double>(clock.monotonic().micros - begin.micros) / 1e6;
}

/// What was measured of one part, or of one repeat.
struct Sample {
  double ours = 0;
  double late = 0;
  double peer = 0;  // 0: not asked
};

class Backfill {
 public:
  Backfill(int64_t events, int64_t users)
      : events_(events),
        users_(users),
        clock_(std::make_unique<ProcessorClock>()),
        view_(make_view(make_events(1, 1, 0, 0).schema())) {}

  void run(int64_t part, bool with_peer) {
    Sample sample;
    if (with_peer) {
      const Batch late = make_events(events_, users_, part, 5);
      sample.late = seconds_of(*clock_, [&] { ASSAY_CHECK(steps_of(late).rows() > 0); });
    }
    const Batch events = make_events(events_, users_, part, 0);
    Batch steps;
    sample.ours = seconds_of(*clock_, [&] { steps = steps_of(events); });
    steps_ += steps.rows();
    step_bytes_ += static_cast<int64_t>(assay::bench::value_bytes(steps));
    limit_ += assay::bench::limit_seconds(
        *clock_, {&events}, assay::bench::value_bytes(steps), /*threads=*/1);
    if (with_peer) {
      sample.peer = ask_peer(events, steps);
    }
    samples_.push_back(sample);
  }

  void report() {
    const auto count = static_cast<int64_t>(samples_.size());
    std::printf("events %lld in %lld parts, users %lld in each, steps %lld of %.0f bytes\n",
                static_cast<long long>(events_ * count),
                static_cast<long long>(count),
                static_cast<long long>(users_),
                static_cast<long long>(steps_),
                static_cast<double>(step_bytes_) / static_cast<double>(steps_));
    rate("assay", &Sample::ours);
    rate("assay, one in 5 late", &Sample::late);
    rate("duckdb window functions", &Sample::peer);
    std::printf("%-31s %10.0f events/s per core\n",
                "limit: rows read, steps written",
                static_cast<double>(events_ * count) / limit_);
    std::vector<double> ratios;
    for (const Sample& sample : samples_) {
      if (sample.peer > 0) {
        ratios.push_back(sample.peer / sample.ours);
      }
    }
    if (!ratios.empty()) {
      std::sort(ratios.begin(), ratios.end());
      std::printf("ratio duckdb/assay %.1f (%.1f to %.1f), answers of %zu parts equal\n",
                  ratios[ratios.size() / 2],
                  ratios.front(),
                  ratios.back(),
                  ratios.size());
    }
  }

 private:
  [[nodiscard]] Batch steps_of(const Batch& rows) const {
    return view_->steps(rows, Batch(), EventTime::min(), EventTime::max(), 1).value();
  }

  double ask_peer(const Batch& events, const Batch& steps) const {
    assay::data::SqlOptions options;
    options.threads = 1;
    options.memory_bytes_max = std::size_t{8} << 30;
    const auto engine = assay::data::SqlEngine::open(options).value();
    ASSAY_CHECK(engine->create_table("events", events).ok());
    const double seconds = seconds_of(*clock_, [&] {
      const assay::Status done = engine->execute(peer_sql());
      if (!done.ok()) {
        std::fprintf(stderr, "%s\n", done.to_string().c_str());
        std::exit(1);
      }
    });
    const Batch theirs = comparable(*engine, "steps", false);
    ASSAY_CHECK(engine->execute("DROP TABLE steps").ok());
    ASSAY_CHECK(engine->create_table("ours", steps).ok());
    const Batch mine = comparable(*engine, "ours", true);
    ASSAY_CHECK(mine.rows() == theirs.rows() && content_hash(mine) == content_hash(theirs));
    return seconds;
  }

  void rate(const char* name, double Sample::*seconds) const {
    std::vector<double> rates;
    double sum = 0;
    for (const Sample& sample : samples_) {
      if (sample.*seconds > 0) {
        rates.push_back(static_cast<double>(events_) / (sample.*seconds));
        sum += sample.*seconds;
      }
    }
    if (rates.empty()) {
      return;
    }
    std::sort(rates.begin(), rates.end());
    std::printf("%-31s %10.0f events/s per core (%.0f to %.0f), %.1f s of %lld events\n",
                name,
                static_cast<double>(events_) * static_cast<double>(rates.size()) / sum,
                rates.front(),
                rates.back(),
                sum,
                static_cast<long long>(events_ * static_cast<int64_t>(rates.size())));
  }

  int64_t events_;  // of one part
  int64_t users_;
  std::unique_ptr<assay::Clock> clock_;
  assay::gold::FeatureViewPtr view_;
  std::vector<Sample> samples_;
  int64_t steps_ = 0;
  int64_t step_bytes_ = 0;
  double limit_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int at, int64_t otherwise) {
    return argc > at ? std::atoll(argv[at]) : otherwise;
  };
  const int64_t parts = std::max<int64_t>(1, number(3, 1));
  const int64_t peer_every = number(4, 1);
  Backfill backfill(number(1, 300'000) / parts, number(2, 10'000) / parts);
  const int64_t rounds = parts == 1 ? kRepeats : parts;
  const auto is_the_peers = [&](int64_t round) {
    return peer_every > 0 && round % peer_every == 0;
  };
  bool peer_only = true;
  for (int64_t i = 0; i < rounds; ++i) {
    if (!is_the_peers(i)) {
      backfill.run(parts == 1 ? 0 : i, false);
      peer_only = false;
    }
  }
  if (!peer_only) {
    std::printf("peak memory without the peer %lld MiB\n",
                static_cast<long long>(assay::peak_memory_bytes().value() >> 20));
  }
  for (int64_t i = 0; i < rounds; ++i) {
    if (is_the_peers(i)) {
      backfill.run(parts == 1 ? 0 : i, true);
    }
  }
  backfill.report();
  return 0;
}
