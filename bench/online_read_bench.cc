// Embedded online reads: one entity and 100 entities of 50 features, out of a store of 1M (or the
// count given as argument), against a prepared primary-key lookup of the same bytes in SQLite. Both
// decode the row with the same view; every answer is checked. Repeats alternate between the two
// stores.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
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

double expected(int64_t user, int feature) {
  return static_cast<double>(user) + feature * 0.001;
}

assay::data::Batch users(const FakeView& view, int64_t begin, int64_t end) {
  assay::data::BatchBuilder builder(view.source_schema());
  for (int64_t user = begin; user < end; ++user) {
    builder.column(0).append<int64_t>(user);
    for (int i = 1; i <= 3; ++i) {
      builder.column(i).append<int64_t>(1);
    }
    for (int f = 0; f < kFeatures; ++f) {
      builder.column(4 + f).append<double>(expected(user, f));
    }
  }
  return builder.finish();
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

void compare(
    const char* name, const Read& ours, const Read& peer, int reads, int keys, int64_t entities) {
  std::vector<double> ratios;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto seed = static_cast<uint64_t>(repeat + 1);
    const Latency a = measure(ours, reads, keys, entities, seed);
    const Latency b = measure(peer, reads, keys, entities, seed);
    ratios.push_back(b.p50_us / a.p50_us);
    std::printf(
        "%s repeat %d: lmdb p50 %.2f us p99 %.2f us | sqlite p50 %.2f us p99 %.2f us | ratio "
        "%.2f\n",
        name,
        repeat + 1,
        a.p50_us,
        a.p99_us,
        b.p50_us,
        b.p99_us,
        ratios.back());
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf("%s: sqlite / lmdb p50 ratio %.2f (spread %.2f to %.2f)\n",
              name,
              ratios[ratios.size() / 2],
              ratios.front(),
              ratios.back());
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t entities = argc > 1 ? std::atoll(argv[1]) : 1'000'000;
  ASSAY_CHECK(entities > 0);
  const FakeView view("user_stats", {{"user_id", assay::data::Type::kInt64}}, kFeatures);
  const assay::online::TestFolder folder;
  assay::online::TestWorld world;
  assay::online::LmdbOptions options;
  options.sync = false;
  const auto store =
      assay::online::open_lmdb_store(world.world, assay::join_path(folder.path(), "lmdb"), options)
          .value();
  std::optional<int64_t> position;
  const std::unique_ptr<assay::Clock> clock = assay::system_clock();
  const auto begin = clock->monotonic();
  for (int64_t first = 0; first < entities; first += kRowsPerApply) {
    const int64_t end = std::min<int64_t>(entities, first + kRowsPerApply);
    ASSAY_CHECK(store->apply(view, users(view, first, end), position, first, EventTime{1}).ok());
    position = first;
  }
  const double seconds = static_cast<double>(clock->monotonic().micros - begin.micros) / 1e6;
  std::printf("load: %.0f rows/s of %d features into lmdb, no sync\n",
              static_cast<double>(entities) / seconds,
              kFeatures);
  SqlitePeer peer(assay::join_path(folder.path(), "peer.db"), view, entities);

  const Read ours = [&](std::span<const EntityKey> keys) {
    return store->read(view, keys, EventTime{2}).value();
  };
  const Read theirs = [&](std::span<const EntityKey> keys) { return peer.read(keys); };
  compare("1 key x 50 features", ours, theirs, kSingleReads, 1, entities);
  compare("100 keys x 50 features", ours, theirs, kBatchReads, kBatchKeys, entities);
  return 0;
}
