// Our side of the backfill of bench/stream_peers.sh: the events that all sides read, what we make
// of them, and whether the answers of the others are ours.
//
//   backfill_peers_bench make FILE EVENTS USERS          events of four weeks as CSV
//   backfill_peers_bench run FILE REPEATS [ANSWERS]      CSV to the steps of 3 windows x 3
//   aggregates, hop 10 minutes, on two threads
//
// ANSWERS: steps=GLOB, CSV files of user, end and nine values; or hops=GLOB, of length, user, end
// and three values. Prints `seconds S processor P` for each repeat.

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "base/random.h"
#include "base/time.h"
#include "data/sql_engine.h"
#include "gold/contract.h"
#include "peer_run.h"

namespace {

using assay::EventTime;
using assay::kMicrosPerSecond;
using assay::SystemWorld;
using assay::bench::LineFile;
using assay::bench::must;
using assay::bench::timed;
namespace catalog = assay::catalog;
namespace data = assay::data;
namespace gold = assay::gold;

constexpr int kThreads = 2;
constexpr int64_t kMinute = 60 * kMicrosPerSecond;
constexpr int64_t kSlide = 10 * kMinute;

/// Amounts are multiples of 1/64, so that sums in any order have the same bits.
void make(const std::string& path, int64_t count, int64_t users) {
  const auto random = assay::seeded_random(1);
  LineFile file(path);
  const int64_t start = assay::parse_time("2026-01-01")->micros;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t time = start + 28 * assay::kMicrosPerDay / count * i;
    std::array<char, 96> line{};
    const int size =
        std::snprintf(line.data(),
                      line.size(),
                      "%lld,%lld,%.6f\n",
                      static_cast<long long>(random->below(static_cast<uint64_t>(users))),
                      static_cast<long long>(time),
                      static_cast<double>(random->below(100'000)) / 64.0);
    file.add({line.data(), static_cast<std::size_t>(size)});
  }
}

constexpr std::pair<const char*, int64_t> kBackfillWindows[] = {
    {"1h", 60 * kMinute}, {"24h", 1440 * kMinute}, {"7d", 7 * 1440 * kMinute}};
constexpr std::pair<const char*, catalog::Aggregate> kBackfillAggregates[] = {
    {"n", catalog::Aggregate::kCount},
    {"total", catalog::Aggregate::kSum},
    {"top", catalog::Aggregate::kMax}};

gold::FeatureViewPtr backfill_view(const data::Schema& source) {
  catalog::EntityDef entity;
  entity.name = "user";
  entity.keys = {{"user", data::Type::kInt64, false}};
  catalog::FeatureViewDef view;
  view.name = "activity";
  view.entity = "user";
  view.from = "events";
  view.slide = {kSlide};
  for (const auto& [name, aggregate] : kBackfillAggregates) {
    catalog::FeatureDef feature;
    feature.kind = catalog::FeatureDef::Kind::kWindow;
    feature.name = name;
    feature.aggregate = aggregate;
    feature.of = aggregate == catalog::Aggregate::kCount ? "" : "amount";
    for (const auto& window : kBackfillWindows) {
      feature.over.push_back({window.second});
    }
    view.features.push_back(feature);
  }
  return must(gold::FeatureView::compile(view, entity, source));
}

/// A step that the others tell has the same values as ours, and there are as many.
void check_steps(data::SqlEngine& sql, const data::Batch& steps, const std::string& glob) {
  must(sql.create_table("ours", steps));
  std::string types = "\"user\": 'BIGINT', t: 'BIGINT'";
  std::string same;
  std::string columns;
  for (const auto& [feature, aggregate] : kBackfillAggregates) {
    for (const auto& window : kBackfillWindows) {
      const std::string name = std::string(feature) + "_" + window.first;
      types += ", " + name + (*feature == 'n' ? ": 'BIGINT'" : ": 'DOUBLE'");
      same += (same.empty() ? "" : " AND ") + std::string("ours.") + name +
              " IS NOT DISTINCT FROM theirs." + name;
    }
  }
  const data::Batch counts = must(
      sql.query("SELECT count(*) AS joined, count(*) FILTER (WHERE " + same +
                ") AS same, (SELECT count(*) FROM ours) AS ours FROM read_csv(" +
                data::SqlEngine::literal(glob) + ", header = false, columns = {" + types +
                "}) AS theirs LEFT JOIN ours ON theirs.\"user\" = ours.\"user\" AND theirs.t = "
                "epoch_us(ours.known_time)"));
  const auto count = [&](int column) {
    return static_cast<long long>(std::get<int64_t>(counts.column(column).scalar(0).value));
  };
  std::printf("answers: %lld steps, %lld differ from ours, which are %lld\n",
              count(0),
              count(0) - count(1),
              count(2));
  if (count(0) != count(1) || count(0) != count(2)) {
    std::exit(1);
  }
}

/// Every window that another side tells, of each length and each end, is what our steps say at
/// that end; and each event is in all windows that it must be in.
void check_hops(data::SqlEngine& sql,
                const data::Batch& steps,
                int64_t events,
                const std::string& glob) {
  must(sql.create_table("ours", steps));
  for (const auto& [length, micros] : kBackfillWindows) {
    const std::string name = length;
    const data::Batch counts = must(sql.query(
        "SELECT count(*) AS windows, count(*) FILTER (WHERE theirs.n IS DISTINCT FROM ours.n_" +
        name + " OR theirs.total IS DISTINCT FROM ours.total_" + name +
        " OR theirs.top IS DISTINCT FROM ours.top_" + name +
        ") AS differ, sum(theirs.n)::BIGINT AS events FROM (SELECT *, timezone('UTC', ends) AS "
        "instant FROM read_csv(" +
        data::SqlEngine::literal(glob) +
        ", header = false, columns = {length: 'VARCHAR', \"user\": 'BIGINT', ends: 'TIMESTAMP', n: "
        "'BIGINT', total: 'DOUBLE', top: 'DOUBLE'}) WHERE length = '" +
        name +
        "') AS theirs ASOF LEFT JOIN ours ON theirs.\"user\" = ours.\"user\" AND theirs.instant >= "
        "ours.known_time"));
    const auto count = [&](int column) {
      return std::get<int64_t>(counts.column(column).scalar(0).value);
    };
    const int64_t of_one = count(2) / (micros / kSlide);
    std::printf(
        "answers: %lld windows of %s, %lld differ from ours; they are of %lld of %lld events\n",
        static_cast<long long>(count(0)),
        length,
        static_cast<long long>(count(1)),
        static_cast<long long>(of_one),
        static_cast<long long>(events));
    if (count(1) != 0 || of_one != events) {
      std::exit(1);
    }
  }
}

void backfill(const std::string& path, int64_t repeats, const std::string& answers) {
  SystemWorld system(assay::LogLevel::kError);
  data::SqlOptions options;
  options.threads = kThreads;
  options.memory_bytes_max = std::size_t{6} << 30;
  const auto sql = must(data::SqlEngine::open(options));
  const std::string rows =
      "SELECT \"user\", make_timestamp(t) AS event_time, make_timestamp(t) AS known_time, "
      "row_number() OVER () AS sequence, amount FROM read_csv(" +
      data::SqlEngine::literal(path) +
      ", header = false, columns = {\"user\": 'BIGINT', t: 'BIGINT', amount: 'DOUBLE'})";
  const data::Batch some = must(sql->query(rows + " LIMIT 1"));
  const gold::FeatureViewPtr view = backfill_view(some.schema());
  data::Batch steps;
  int64_t count = 0;
  for (int64_t repeat = 0; repeat < repeats; ++repeat) {
    steps = {};
    timed(system.world(), [&] {
      const data::Batch events = must(sql->query(rows));
      count = events.rows();
      steps =
          must(view->steps(events, data::Batch(), EventTime::min(), EventTime::max(), kThreads));
    });
  }
  std::printf("steps %lld\n", static_cast<long long>(steps.rows()));
  if (answers.starts_with("steps=")) {
    check_steps(*sql, steps, answers.substr(6));
  } else if (answers.starts_with("hops=")) {
    check_hops(*sql, steps, count, answers.substr(5));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string work = argc > 3 ? argv[1] : "";
  if (work == "make" && argc == 5) {
    make(argv[2], std::atoll(argv[3]), std::atoll(argv[4]));
  } else if (work == "run") {
    backfill(argv[2], std::atoll(argv[3]), argc > 4 ? argv[4] : "");
  } else {
    std::fprintf(stderr, "backfill_peers_bench: see bench/backfill_peers_bench.cc\n");
    return 2;
  }
  return 0;
}
