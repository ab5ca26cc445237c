// The embedded online stores, the hash log and LMDB, with 1M entities (or the count given as
// argument) of 50 features: reads of one entity and of 100, against each other and a prepared
// primary-key lookup of the same bytes in SQLite; the same while a writer works; updates; opening.
// All decode the row with the same view; every answer is checked. Repeats alternate between stores.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <sqlite3.h>

#include "base/check.h"
#include "base/clock.h"
#include "online/fake_view.h"
#include "online/online_store.h"
#include "online/store_fixture.h"

namespace {

using assay::EventTime;
using assay::data::EntityKey;
using assay::online::FakeView;

constexpr int kFeatures = 50;
constexpr int kRepeats = 3;
constexpr int kSingleReads = 200'000;
constexpr int kBatchReads = 4'000;
constexpr int kBatchKeys = 100;
constexpr int kRowsPerApply = 50'000;
constexpr int kUpdatesPerApply = 1'000;
constexpr int kUpdates = 100;

double expected(int64_t user, int feature) {
  return static_cast<double>(user) + feature * 0.001;
}

assay::data::Batch rows_of(const FakeView& view,
                           const std::vector<int64_t>& users,
                           int64_t sequence) {
  assay::data::BatchBuilder builder(view.source_schema());
  for (const int64_t user : users) {
    builder.column(0).append<int64_t>(user);
    builder.column(1).append<int64_t>(1);
    builder.column(2).append<int64_t>(1);
    builder.column(3).append<int64_t>(sequence);
    for (int f = 0; f < kFeatures; ++f) {
      builder.column(4 + f).append<double>(expected(user, f));
    }
  }
  return builder.finish();
}

assay::data::Batch users(const FakeView& view, int64_t begin, int64_t end) {
  std::vector<int64_t> numbers;
  for (int64_t user = begin; user < end; ++user) {
    numbers.push_back(user);
  }
  return rows_of(view, numbers, 1);
}

EntityKey key_of(int64_t user) {
  const std::array<assay::data::Scalar, 1> values = {assay::data::Scalar::int64(user)};
  return *assay::data::encode_key(values);
}

void check_answer(const assay::gold::FeatureValues& answer, int64_t user) {
  for (int f = 0; f < kFeatures; ++f) {
    const auto at = static_cast<std::size_t>(f);
    ASSAY_CHECK(std::get<double>(answer.values[at].value) == expected(user, f));
  }
}

/// The peer: key and row bytes in a table WITHOUT ROWID, memory-mapped, one prepared statement.
class SqlitePeer {
 public:
  SqlitePeer(const std::string& path, const FakeView& view, int64_t count) : view_(view) {
    ASSAY_CHECK(sqlite3_open(path.c_str(), &db_) == SQLITE_OK);
    run("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA mmap_size=8000000000;");
    run("CREATE TABLE rows (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID; BEGIN;");
    sqlite3_stmt* insert = prepare("INSERT INTO rows VALUES (?, ?)");
    const std::array<int64_t, 1> selected = {0};
    for (int64_t user = 0; user < count; ++user) {
      std::string row;
      ASSAY_CHECK(
          view.update_online_row(users(view, user, user + 1), selected, EventTime{1}, &row).ok());
      const EntityKey key = key_of(user);
      sqlite3_bind_blob(
          insert, 1, key.bytes().data(), static_cast<int>(key.bytes().size()), SQLITE_STATIC);
      sqlite3_bind_blob(insert, 2, row.data(), static_cast<int>(row.size()), SQLITE_STATIC);
      ASSAY_CHECK(sqlite3_step(insert) == SQLITE_DONE);
      sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    run("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);");
    select_ = prepare("SELECT value FROM rows WHERE key = ?");
  }
  ~SqlitePeer() {
    sqlite3_finalize(select_);
    sqlite3_close(db_);
  }
  SqlitePeer(const SqlitePeer&) = delete;
  SqlitePeer& operator=(const SqlitePeer&) = delete;

  std::vector<assay::gold::FeatureValues> read(std::span<const EntityKey> keys) {
    std::vector<assay::gold::FeatureValues> answers;
    answers.reserve(keys.size());
    for (const EntityKey& key : keys) {
      sqlite3_bind_blob(
          select_, 1, key.bytes().data(), static_cast<int>(key.bytes().size()), SQLITE_STATIC);
      ASSAY_CHECK(sqlite3_step(select_) == SQLITE_ROW);
      const std::string_view row(static_cast<const char*>(sqlite3_column_blob(select_, 0)),
                                 static_cast<std::size_t>(sqlite3_column_bytes(select_, 0)));
      answers.push_back(view_.read_online_row(row, EventTime{2}).value());
      sqlite3_reset(select_);
    }
    return answers;
  }

 private:
  void run(const char* sql) {
    ASSAY_CHECK(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    ASSAY_CHECK(sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr) == SQLITE_OK);
    return statement;
  }

  const FakeView& view_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* select_ = nullptr;
};

using Read = std::function<std::vector<assay::gold::FeatureValues>(std::span<const EntityKey>)>;

struct Latency {
  double p50_us = 0;
  double p99_us = 0;
};

Latency measure(const Read& read, int reads, int keys_per_read, int64_t entities, uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::unique_ptr<assay::Clock> clock = assay::system_clock();
  std::vector<int64_t> users_asked(static_cast<std::size_t>(keys_per_read));
  std::vector<EntityKey> keys(users_asked.size());
  std::vector<double> micros;
  micros.reserve(static_cast<std::size_t>(reads));
  // The clock counts microseconds: eight single reads are timed together.
  const int together = keys_per_read == 1 ? 8 : 1;
  for (int done = 0; done < reads; done += together) {
    std::vector<std::vector<assay::gold::FeatureValues>> answers;
    std::vector<std::vector<int64_t>> asked;
    std::vector<std::vector<EntityKey>> questions;
    for (int i = 0; i < together; ++i) {
      for (std::size_t k = 0; k < keys.size(); ++k) {
        users_asked[k] = static_cast<int64_t>(random() % static_cast<uint64_t>(entities));
        keys[k] = key_of(users_asked[k]);
      }
      asked.push_back(users_asked);
      questions.push_back(keys);
    }
    answers.reserve(questions.size());
    const auto begin = clock->monotonic();
    for (const std::vector<EntityKey>& question : questions) {
      answers.push_back(read(question));
    }
    const auto end = clock->monotonic();
    micros.push_back(static_cast<double>(end.micros - begin.micros) / together);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      for (std::size_t k = 0; k < keys.size(); ++k) {
        check_answer(answers[i][k], asked[i][k]);
      }
    }
  }
  std::sort(micros.begin(), micros.end());
  return {micros[micros.size() / 2], micros[micros.size() * 99 / 100]};
}

struct Contender {
  std::string name;
  Read read;
};

/// The first against each of the others.
void compare(const char* name,
             const std::vector<Contender>& contenders,
             int reads,
             int keys,
             int64_t entities) {
  std::vector<std::vector<double>> ratios(contenders.size());
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::printf("%s repeat %d:", name, repeat + 1);
    double ours = 0;
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const Latency latency =
          measure(contenders[i].read, reads, keys, entities, static_cast<uint64_t>(repeat + 1));
      ours = i == 0 ? latency.p50_us : ours;
      ratios[i].push_back(latency.p50_us / ours);
      std::printf(" %s p50 %.2f us p99 %.2f us |",
                  contenders[i].name.c_str(),
                  latency.p50_us,
                  latency.p99_us);
    }
    std::printf("\n");
  }
  for (std::size_t i = 1; i < contenders.size(); ++i) {
    std::sort(ratios[i].begin(), ratios[i].end());
    std::printf("%s: %s / %s p50 ratio %.2f (spread %.2f to %.2f)\n",
                name,
                contenders[i].name.c_str(),
                contenders[0].name.c_str(),
                ratios[i][ratios[i].size() / 2],
                ratios[i].front(),
                ratios[i].back());
  }
}

/// A store of entities that can be changed.
class Filled {
 public:
  Filled(std::string name,
         std::unique_ptr<assay::online::OnlineStore> store,
         const FakeView& view,
         int64_t entities)
      : name_(std::move(name)), store_(std::move(store)), view_(view), entities_(entities) {
    const std::unique_ptr<assay::Clock> clock = assay::system_clock();
    int64_t micros = 0;
    for (int64_t first = 0; first < entities; first += kRowsPerApply) {
      const auto batch = users(view, first, std::min<int64_t>(entities, first + kRowsPerApply));
      const auto begin = clock->monotonic();
      apply(batch);
      micros += clock->monotonic().micros - begin.micros;
    }
    std::printf("load: %.0f rows/s of %d features into %s, no sync\n",
                static_cast<double>(entities) / static_cast<double>(micros) * 1e6,
                kFeatures,
                name_.c_str());
  }
  [[nodiscard]] Contender contender() {
    return {name_, [this](std::span<const EntityKey> keys) {
              return store_->read(view_, keys, EventTime{2}).value();
            }};
  }
  /// Change some entities, picked at random; the values stay. Microseconds of the apply.
  int64_t update(assay::Random& random) {
    std::vector<int64_t> numbers;
    for (int i = 0; i < kUpdatesPerApply; ++i) {
      numbers.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(entities_))));
    }
    const auto batch = rows_of(view_, numbers, ++sequence_);
    const std::unique_ptr<assay::Clock> clock = assay::system_clock();
    const auto begin = clock->monotonic();
    apply(batch);
    return clock->monotonic().micros - begin.micros;
  }

 private:
  void apply(const assay::data::Batch& batch) {
    ASSAY_CHECK(
        store_->apply(view_, batch, position_, position_.value_or(0) + 1, EventTime{1}).ok());
    position_ = position_.value_or(0) + 1;
  }

  std::string name_;
  std::unique_ptr<assay::online::OnlineStore> store_;
  const FakeView& view_;
  int64_t entities_;
  int64_t sequence_ = 1;
  std::optional<int64_t> position_;
};

/// Cost of one changed entity in applies of a thousand.
void compare_updates(std::vector<Filled*> stores, const std::vector<std::string>& names) {
  const auto random = assay::seeded_random(3);
  std::vector<std::vector<double>> micros(stores.size());
  for (int i = 0; i < kUpdates; ++i) {
    for (std::size_t s = 0; s < stores.size(); ++s) {
      micros[s].push_back(static_cast<double>(stores[s]->update(*random)) / kUpdatesPerApply);
    }
  }
  for (std::size_t s = 0; s < stores.size(); ++s) {
    std::sort(micros[s].begin(), micros[s].end());
    std::printf(
        "update, %d entities an apply, no sync: %s p50 %.2f us p99 %.2f us an entity, "
        "%.2f times %s\n",
        kUpdatesPerApply,
        names[s].c_str(),
        micros[s][kUpdates / 2],
        micros[s][kUpdates * 99 / 100],
        micros[s][kUpdates / 2] / micros[0][kUpdates / 2],
        names[0].c_str());
  }
}

/// Reads while another thread changes entities as fast as it can.
void compare_under_writes(std::vector<Filled*> stores, int64_t entities) {
  for (Filled* store : stores) {
    std::atomic<bool> done{false};
    std::atomic<int64_t> written{0};
    const std::unique_ptr<assay::Clock> clock = assay::system_clock();
    const auto begin = clock->monotonic();
    std::jthread writer([&] {
      const auto random = assay::seeded_random(4);
      while (!done) {
        store->update(*random);
        written += kUpdatesPerApply;
      }
    });
    const Contender reader = store->contender();
    for (const int keys : {1, kBatchKeys}) {
      const Latency latency =
          measure(reader.read, keys == 1 ? kSingleReads : kBatchReads, keys, entities, 5);
      std::printf("%d keys with a writer: %s p50 %.2f us p99 %.2f us\n",
                  keys,
                  reader.name.c_str(),
                  latency.p50_us,
                  latency.p99_us);
    }
    const double seconds = static_cast<double>(clock->monotonic().micros - begin.micros) / 1e6;
    done = true;
    writer.join();
    std::printf("the writer of %s meanwhile: %.0f entities/s\n",
                reader.name.c_str(),
                static_cast<double>(written) / seconds);
  }
}

/// Until the first answer, as the machine is and as it is after a restart.
void measure_open(const FakeView& view, const std::string& folder, int64_t entities) {
  const std::unique_ptr<assay::Clock> clock = assay::system_clock();
  for (const bool restarted : {false, true}) {
    if (restarted) {  // a copied head is not believed
      std::filesystem::copy(assay::join_path(folder, "head"), assay::join_path(folder, "copy"));
      std::filesystem::rename(assay::join_path(folder, "copy"), assay::join_path(folder, "head"));
    }
    assay::online::TestWorld world;
    const auto begin = clock->monotonic();
    const auto store = assay::online::open_hash_log_store(world.world, folder, {}).value();
    const EntityKey key = key_of(entities - 1);
    check_answer(store->read(view, {&key, 1}, EventTime{2}).value().front(), entities - 1);
    std::printf("open the hash log%s: %.3f s\n",
                restarted ? " after a restart of the machine" : "",
                static_cast<double>(clock->monotonic().micros - begin.micros) / 1e6);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t entities = argc > 1 ? std::atoll(argv[1]) : 1'000'000;
  const bool with_peers = argc <= 2;  // a second argument: the hash log alone
  ASSAY_CHECK(entities > 0);
  const FakeView view("user_stats", {{"user_id", assay::data::Type::kInt64}}, kFeatures);
  const assay::online::TestFolder folder;
  assay::online::TestWorld world;
  const std::string log_folder = assay::join_path(folder.path(), "hash_log");
  std::vector<std::string> names = {"hash log"};
  assay::online::HashLogOptions log_options;
  log_options.sync = false;
  auto hash_log = std::make_unique<Filled>(
      names[0],
      assay::online::open_hash_log_store(world.world, log_folder, log_options).value(),
      view,
      entities);
  std::vector<Filled*> stores = {hash_log.get()};
  std::vector<Contender> contenders = {hash_log->contender()};
  std::unique_ptr<Filled> lmdb;
  std::unique_ptr<SqlitePeer> peer;
  if (with_peers) {
    names.emplace_back("lmdb");
    assay::online::LmdbOptions options;
    options.sync = false;
    lmdb =
        std::make_unique<Filled>(names[1],
                                 assay::online::open_lmdb_store(
                                     world.world, assay::join_path(folder.path(), "lmdb"), options)
                                     .value(),
                                 view,
                                 entities);
    stores.push_back(lmdb.get());
    contenders.push_back(lmdb->contender());
    peer = std::make_unique<SqlitePeer>(assay::join_path(folder.path(), "peer.db"), view, entities);
    contenders.push_back(
        {"sqlite", [&](std::span<const EntityKey> keys) { return peer->read(keys); }});
  }
  compare("1 key x 50 features", contenders, kSingleReads, 1, entities);
  compare("100 keys x 50 features", contenders, kBatchReads, kBatchKeys, entities);
  compare_updates(stores, names);
  compare_under_writes(stores, entities);
  hash_log.reset();
  measure_open(view, log_folder, entities);
  return 0;
}
