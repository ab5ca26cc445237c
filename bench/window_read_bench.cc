// Online reads and updates of windows, in the hash log (which an `online: embedded:` store is) and
// LMDB's, both without sync, three windows x three aggregates (count, sum, max; 1 h, 24 h, 7 d):
//
//   continuous  all events in one key: reads at random instants, updates of one event and of many,
//               bytes per event; against a scan of the same columns by DuckDB, one thread
//   hopping     slide 10 min: an entity whose 1,008 tiles are all full, and many entities of few
//               events, hot (one of them again and again) and cold (any of them)
//   update      events of many entities in batches, from decoded columns, in a store in memory and
//               in those two: Zipf, uniform, and half of all events in one entity
//
// Counts and sums of every read are checked against prefix sums, maxima of some against a scan.
// Amounts are multiples of 1/64, so that sums are exact in any order. Beside each figure stands
// what the machine allows: a fetch of an entity's bytes, or reading the columns and filling the
// store's bytes.
//
//   window_read_bench [all | continuous | hopping | update [EVENTS [ENTITIES]]]

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <malloc.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/temp_folder.h"
#include "catalog/slide.h"
#include "data/sql_engine.h"
#include "machine_limit.h"
#include "online/online_store.h"
#include "online/store_fixture.h"

namespace {

using assay::Duration;
using assay::EventTime;
using assay::kMicrosPerSecond;
using assay::data::Batch;
using assay::data::EntityKey;
using assay::gold::FeatureValues;

constexpr int64_t kHour = 3600 * kMicrosPerSecond;
constexpr int64_t kWindows[] = {kHour, 24 * kHour, 7 * 24 * kHour};
constexpr int64_t kSlide = kHour / 6;
constexpr int64_t kStart = 978'307'200 * kMicrosPerSecond;
constexpr int kRepeats = 3;
constexpr int64_t kRowsPerApply = 50'000;
constexpr int64_t kRowsPerUpdate = 1'000'000;  // as the online stage takes at once

/// Events in order: parallel arrays.
struct Events {
  std::vector<int64_t> user;
  std::vector<int64_t> time;
  std::vector<int64_t> units;  // amount * 64

  void add(int64_t whose, int64_t when, int64_t what) {
    user.push_back(whose);
    time.push_back(when);
    units.push_back(what);
  }
  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(time.size()); }
  [[nodiscard]] Batch batch(int64_t begin, int64_t end) const {
    assay::data::BatchBuilder builder(
        assay::data::make_schema({{"user", assay::data::Type::kInt64, false},
                                  {"event_time", assay::data::Type::kTimestamp, false},
                                  {"known_time", assay::data::Type::kTimestamp, false},
                                  {"sequence", assay::data::Type::kInt64, false},
                                  {"amount", assay::data::Type::kFloat64, false}}));
    for (int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      builder.column(0).append(user[at]);
      builder.column(1).append(time[at]);
      builder.column(2).append(time[at]);
      builder.column(3).append(i);
      builder.column(4).append(static_cast<double>(units[at]) / 64.0);
    }
    return builder.finish();
  }
};

assay::gold::FeatureViewPtr make_view(const char* name, Duration slide, const Events& events) {
  assay::catalog::EntityDef entity;
  entity.name = "user";
  entity.keys = {{"user", assay::data::Type::kInt64, false}};
  assay::catalog::FeatureViewDef view;
  view.name = name;
  view.entity = "user";
  view.from = "events";
  view.slide = slide;
  using assay::catalog::Aggregate;
  for (const auto& [feature_name, aggregate] :
       {std::pair{"n", Aggregate::kCount}, {"total", Aggregate::kSum}, {"top", Aggregate::kMax}}) {
    assay::catalog::FeatureDef feature;
    feature.kind = assay::catalog::FeatureDef::Kind::kWindow;
    feature.name = feature_name;
    feature.aggregate = aggregate;
    feature.of = aggregate == Aggregate::kCount ? "" : "amount";
    for (const int64_t window : kWindows) {
      feature.over.push_back(Duration{window});
    }
    view.features.push_back(feature);
  }
  return assay::gold::FeatureView::compile(view, entity, events.batch(0, 0).schema()).value();
}

EntityKey key_of(int64_t user) {
  const std::array<assay::data::Scalar, 1> values = {assay::data::Scalar::int64(user)};
  return *assay::data::encode_key(values);
}

/// What events of one entity, in order of time, must give.
class Expected {
 public:
  Expected(const Events& events, int64_t begin, int64_t end)
      : times_(events.time.begin() + begin, events.time.begin() + end),
        units_(events.units.begin() + begin, events.units.begin() + end),
        sums_(1, 0) {
    for (const int64_t units : units_) {
      sums_.push_back(sums_.back() + units);
    }
  }
  void check(const FeatureValues& read, int64_t now, int64_t slide, bool maxima) const {
    const int64_t end_time = assay::floor_to(now, slide);
    const auto place = [&](int64_t time) {
      return std::lower_bound(times_.begin(), times_.end(), time) - times_.begin();
    };
    const auto end = place(end_time);
    for (std::size_t w = 0; w < std::size(kWindows); ++w) {
      const auto begin = place(end_time - kWindows[w]);
      const auto value = [&](std::size_t feature) {
        return read.values[feature * std::size(kWindows) + w].value;
      };
      ASSAY_CHECK(std::get<int64_t>(value(0)) == end - begin);
      if (begin == end) {
        continue;
      }
      const int64_t sum =
          sums_[static_cast<std::size_t>(end)] - sums_[static_cast<std::size_t>(begin)];
      ASSAY_CHECK(std::get<double>(value(1)) == static_cast<double>(sum) / 64.0);
      if (maxima) {
        const int64_t top = *std::max_element(units_.begin() + begin, units_.begin() + end);
        ASSAY_CHECK(std::get<double>(value(2)) == static_cast<double>(top) / 64.0);
      }
    }
  }

 private:
  std::vector<int64_t> times_;
  std::vector<int64_t> units_;
  std::vector<int64_t> sums_;
};

/// Seconds that this process has computed: what others do on the machine is left out.
double computed() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

/// Bytes that this process has allocated and not given back.
double allocated() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<double>(info.uordblks) + static_cast<double>(info.hblkhd);
}

/// A store of its own with one view, filled batch by batch.
class Filled {
 public:
  enum class Kind { kHashLog, kLmdb, kMemory };
  Filled(assay::gold::FeatureViewPtr view,
         const Events& events,
         Kind kind,
         int64_t rows_per_apply = kRowsPerApply)
      : view_(std::move(view)) {
    if (kind == Kind::kHashLog) {
      assay::online::HashLogOptions options;
      options.sync = false;
      store_ = assay::online::open_hash_log_store(
                   world_.world, assay::join_path(folder_.path(), "store"), options)
                   .value();
    } else if (kind == Kind::kLmdb) {
      assay::online::LmdbOptions options;
      options.sync = false;
      store_ = assay::online::open_lmdb_store(
                   world_.world, assay::join_path(folder_.path(), "store"), options)
                   .value();
    } else {
      store_ = assay::online::make_memory_store(world_.metrics);
    }
    const int64_t until = *std::max_element(events.time.begin(), events.time.end());
    double seconds = 0;
    for (int64_t begin = 0; begin < events.size(); begin += rows_per_apply) {
      const int64_t end = std::min(begin + rows_per_apply, events.size());
      const Batch batch = events.batch(begin, end);
      const double from = computed();
      apply(batch, until);
      seconds += computed() - from;
    }
    events_per_second_ = static_cast<double>(events.size()) / seconds;
  }
  void apply(const Batch& batch, int64_t until) {
    const assay::Status done =
        store_->apply(*view_, batch, position_, position_.value_or(0) + 1, EventTime{until});
    ASSAY_CHECK(done.ok());
    position_ = position_.value_or(0) + 1;
  }
  FeatureValues read(const EntityKey& key, int64_t now) {
    return std::move(store_->read(*view_, {&key, 1}, EventTime{now}).value().front());
  }
  [[nodiscard]] double events_per_second() const { return events_per_second_; }
  [[nodiscard]] double file_bytes() const {
    double bytes = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
      struct stat file {};
      ASSAY_CHECK(::stat(entry.path().c_str(), &file) == 0);
      bytes += S_ISREG(file.st_mode) ? static_cast<double>(file.st_blocks) * 512 : 0;
    }
    return bytes;
  }

 private:
  assay::gold::FeatureViewPtr view_;
  assay::TempFolder folder_;
  assay::online::TestWorld world_;
  std::unique_ptr<assay::online::OnlineStore> store_;
  std::optional<int64_t> position_;
  double events_per_second_ = 0;
};

constexpr std::pair<Filled::Kind, const char*> kStores[] = {{Filled::Kind::kMemory, "memory"},
                                                            {Filled::Kind::kHashLog, "hash log"},
                                                            {Filled::Kind::kLmdb, "LMDB"}};

/// What the machine allows a read: so many fetches, one after the other, of so many bytes in a
/// store of so many.
void print_read_limit(const char* what, double store_bytes, int fetches, double bytes) {
  const auto clock = assay::system_clock();
  const auto size = static_cast<std::size_t>(bytes);
  const auto micros = [&](std::size_t memory_bytes) {
    return assay::bench::fetch_seconds(*clock, memory_bytes, size) * 1e6 * fetches;
  };
  std::printf("limit, %s: %d x %.0f bytes fetched in %.3f us, from the cache in %.3f us\n",
              what,
              fetches,
              bytes,
              micros(static_cast<std::size_t>(store_bytes)),
              micros(size + 4096));
}

struct Question {
  int64_t user = 0;
  int64_t now = 0;
};

/// p50 and p99 of reads; the clock counts microseconds, so eight are timed together.
double measure(const std::string& name,
               Filled& store,
               int reads,
               const std::function<Question()>& ask,
               const std::function<void(const Question&, const FeatureValues&)>& check) {
  constexpr int kTogether = 8;
  const auto clock = assay::system_clock();
  double best = 0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::vector<double> micros;
    for (int done = 0; done < reads; done += kTogether) {
      std::vector<Question> questions;
      std::vector<EntityKey> keys;
      std::vector<FeatureValues> answers;
      for (int i = 0; i < kTogether; ++i) {
        questions.push_back(ask());
        keys.push_back(key_of(questions.back().user));
      }
      answers.reserve(kTogether);
      const Duration begin = clock->monotonic();
      for (std::size_t i = 0; i < kTogether; ++i) {
        answers.push_back(store.read(keys[i], questions[i].now));
      }
      micros.push_back(static_cast<double>(clock->monotonic().micros - begin.micros) / kTogether);
      for (std::size_t i = 0; i < kTogether; ++i) {
        check(questions[i], answers[i]);
      }
    }
    std::sort(micros.begin(), micros.end());
    const double p50 = micros[micros.size() / 2];
    best = repeat == 0 ? p50 : std::min(best, p50);
    std::printf("%s, repeat %d: p50 %.2f us, p99 %.2f us\n",
                name.c_str(),
                repeat + 1,
                p50,
                micros[micros.size() * 99 / 100]);
  }
  return best;
}

/// All events in one key, evenly over the longest window.
void run_continuous(int64_t count, Filled::Kind kind, const std::string& store_name) {
  const auto random = assay::seeded_random(1);
  Events events;
  for (int64_t i = 0; i < count; ++i) {
    events.add(7, kStart + kWindows[2] / count * i, static_cast<int64_t>(random->below(1'000'000)));
  }
  const Expected expected(events, 0, count);
  Filled store(make_view("continuous", assay::catalog::kContinuousSlide, events), events, kind);
  std::printf("continuous, %s, %lld events in one key: loaded at %.0f events/s, %.1f bytes/event\n",
              store_name.c_str(),
              static_cast<long long>(count),
              store.events_per_second(),
              store.file_bytes() / static_cast<double>(count));
  const int64_t last = events.time.back();
  int reads = 0;
  const double ours = measure(
      "continuous read, " + store_name,
      store,
      8000,
      [&] {
        return Question{7, last + 1 + static_cast<int64_t>(random->below(24 * kHour))};
      },
      [&](const Question& q, const FeatureValues& read) {
        expected.check(read, q.now, 1, ++reads % 1000 == 0);
      });

  print_read_limit("two edges of three pages", store.file_bytes(), 6, 4096);
  assay::data::SqlOptions options;
  options.threads = 1;
  const auto engine = assay::data::SqlEngine::open(options).value();
  ASSAY_CHECK(engine->create_table("events", events.batch(0, count)).ok());
  const auto clock = assay::system_clock();
  std::vector<double> ratios;
  for (int i = 0; i < 5; ++i) {
    const std::string begin = std::to_string(last + 1 - kWindows[2] + kHour * i);
    const Duration from = clock->monotonic();
    const Batch answer =
        engine
            ->query(
                "SELECT count(*), sum(amount), max(amount) FROM events WHERE \"user\" = 7 AND "
                "epoch_us(event_time) >= " +
                begin)
            .value();
    const double micros = static_cast<double>(clock->monotonic().micros - from.micros);
    ASSAY_CHECK(answer.rows() == 1);
    ratios.push_back(micros / ours);
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf("continuous: duckdb, one window by a scan / assay, three: %.0f (%.0f to %.0f)\n",
              ratios[2],
              ratios.front(),
              ratios.back());

  std::vector<double> updates;
  for (int i = 0; i < 2000; ++i) {
    Events one;
    const bool late = i % 2 == 1;
    const int64_t behind = late ? static_cast<int64_t>(random->below(6 * 24 * kHour)) : 0;
    one.add(7, last + 1 + i - behind, 64);
    const Batch batch = one.batch(0, 1);
    const Duration from = clock->monotonic();
    store.apply(batch, last + 1 + i);
    updates.push_back(static_cast<double>(clock->monotonic().micros - from.micros));
  }
  std::sort(updates.begin(), updates.end());
  std::printf(
      "continuous update of one event, every other one late, with its commit: p50 %.0f us, "
      "p99 %.0f us\n",
      updates[1000],
      updates[1980]);
}

/// User 0 has an event in each tile of the longest window, the others a few.
void run_hopping(int64_t entities, Filled::Kind kind, const std::string& store_name) {
  constexpr int64_t kEventsEach = 20;
  const auto random = assay::seeded_random(2);
  Events events;
  constexpr int64_t kTiles = kWindows[2] / kSlide;
  for (int64_t i = 0; i < kTiles; ++i) {
    events.add(0, kStart + i * kSlide, static_cast<int64_t>(random->below(1'000'000)));
  }
  for (int64_t user = 1; user < entities; ++user) {
    for (int64_t i = 0; i < kEventsEach; ++i) {
      events.add(
          user,
          kStart + kWindows[2] * i / kEventsEach + static_cast<int64_t>(random->below(kHour)),
          static_cast<int64_t>(random->below(1'000'000)));
    }
  }
  std::vector<Expected> expected;
  expected.emplace_back(events, 0, kTiles);
  for (int64_t user = 1; user < entities; ++user) {
    const int64_t begin = kTiles + (user - 1) * kEventsEach;
    expected.emplace_back(events, begin, begin + kEventsEach);
  }
  Filled store(make_view("hopping", Duration{kSlide}, events), events, kind);
  std::printf(
      "hopping, %s, %lld entities of %lld events: loaded at %.0f events/s, %.0f bytes/entity\n",
      store_name.c_str(),
      static_cast<long long>(entities),
      static_cast<long long>(kEventsEach),
      store.events_per_second(),
      store.file_bytes() / static_cast<double>(entities));
  const int64_t end = kStart + kWindows[2];
  const auto check = [&](const Question& q, const FeatureValues& read) {
    expected[static_cast<std::size_t>(q.user)].check(read, q.now, kSlide, true);
  };
  (void)measure(
      "full: 1,008 tiles, " + store_name,
      store,
      40'000,
      [&] {
        return Question{0, end + static_cast<int64_t>(random->below(kHour))};
      },
      check);
  (void)measure(
      "hot: one entity of 20 events, " + store_name,
      store,
      80'000,
      [&] {
        return Question{5, end};
      },
      check);
  (void)measure(
      "cold: any entity of 20 events, " + store_name,
      store,
      80'000,
      [&] {
        const auto others = static_cast<uint64_t>(entities - 1);
        return Question{1 + static_cast<int64_t>(random->below(others)), end};
      },
      check);
  print_read_limit("an entity of 20 events",
                   store.file_bytes(),
                   2,  // its place and its row
                   store.file_bytes() / static_cast<double>(entities));
}

/// Whose the events are: ranks by inversion of Zipf's law with exponent 1, any of them alike, or
/// every other event of entity 1.
enum class Spread { kZipf, kUniform, kHalfInOne };

Events spread_events(Spread spread, int64_t entities, int64_t count) {
  const auto random = assay::seeded_random(3);
  Events events;
  for (int64_t i = 0; i < count; ++i) {
    const double uniform = static_cast<double>(random->below(1 << 30)) / (1 << 30);
    int64_t user = 1 + static_cast<int64_t>(uniform * static_cast<double>(entities));
    if (spread == Spread::kZipf) {
      user = static_cast<int64_t>(std::exp(uniform * std::log(static_cast<double>(entities))));
    } else if (spread == Spread::kHalfInOne && i % 2 == 0) {
      user = 1;
    }
    events.add(
        user, kStart + 24 * kHour / count * i, static_cast<int64_t>(random->below(1'000'000)));
  }
  return events;
}

/// Counts and sums of some entities, against the events themselves.
void check_update(Filled& store, const Events& events) {
  const int64_t now = kStart + 24 * kHour + kSlide;
  const int64_t end = assay::floor_to(now, kSlide);
  const auto random = assay::seeded_random(4);
  for (int i = 0; i < 30; ++i) {
    const int64_t user = i == 0 ? 1 : events.user[random->below(events.user.size())];
    Events mine;
    for (std::size_t at = 0; at < events.user.size(); ++at) {
      if (events.user[at] == user && events.time[at] < end) {
        mine.add(user, events.time[at], events.units[at]);
      }
    }
    if (mine.size() == 0) {
      continue;  // user 1 may have no events: then there is no row, and no count
    }
    Expected(mine, 0, mine.size()).check(store.read(key_of(user), now), now, kSlide, true);
  }
}

/// Events in batches of decoded columns, into a store in memory and into the LMDB store; seconds
/// are those that the process computed.
void run_update(int64_t entities, int64_t count) {
  for (const auto& [spread, name] : {std::pair{Spread::kZipf, "Zipf"},
                                     {Spread::kUniform, "uniform"},
                                     {Spread::kHalfInOne, "half of all in one"}}) {
    const Events events = spread_events(spread, entities, count);
    std::vector<int64_t> users = events.user;
    std::sort(users.begin(), users.end());
    const auto keys = static_cast<double>(std::unique(users.begin(), users.end()) - users.begin());
    for (const auto& [kind, store_name] : kStores) {
      const double before = allocated();
      Filled store(make_view("update", Duration{kSlide}, events), events, kind, kRowsPerUpdate);
      const double bytes =
          kind == Filled::Kind::kMemory ? allocated() - before : store.file_bytes();
      check_update(store, events);
      const Batch columns = events.batch(0, count);
      const double limit = assay::bench::limit_seconds(
          *assay::system_clock(), {&columns}, static_cast<std::size_t>(bytes), 1);
      std::printf(
          "update, %s, %lld events of %.0f entities, %s: %.2f M events/s per core, "
          "%.0f bytes/entity, %.0f bytes/event; limit %.0f M events/s\n",
          store_name,
          static_cast<long long>(count),
          keys,
          name,
          store.events_per_second() / 1e6,
          bytes / keys,
          bytes / static_cast<double>(count),
          static_cast<double>(count) / limit / 1e6);
      (void)std::fflush(stdout);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "all";
  const int64_t events = argc > 2 ? std::atoll(argv[2]) : 5'000'000;
  const int64_t entities = argc > 3 ? std::atoll(argv[3]) : 100'000;
  ASSAY_CHECK(events >= 1000 && entities >= 10);
  for (const auto& [kind, store_name] : kStores) {
    if (kind == Filled::Kind::kMemory) {
      continue;  // reads are of stores that stay
    }
    if (only == "all" || only == "continuous") {
      run_continuous(events, kind, store_name);
    }
    if (only == "all" || only == "hopping") {
      run_hopping(entities, kind, store_name);
    }
  }
  if (only == "all" || only == "update") {
    run_update(entities * 10, events);
  }
  return 0;
}
