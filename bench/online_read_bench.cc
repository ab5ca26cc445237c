// The embedded online stores, the hash log and LMDB, with 1M entities of 50 latest features, as a
// compiled view of `latest` features keeps them:
//
//   read      one entity, hot (one of a thousand) and cold (any of them); a hundred entities
//   update    changed entities, a thousand a transaction
//   beside    the same reads while a thread writes up to a million changed entities a second
//   open      to the first answer: after a clean end, after kill -9 of a writer, and as it is when
//             the machine was restarted (head and index do not count), also with cold files
//
// Reads are read_flat, as servers read. Against each other, against the hash log's answers of
// Scalars and, up to 1M entities, a prepared primary-key lookup of the same bytes in SQLite. Every
// answer is checked, all values of it. Repeats alternate between the stores.
//
//   online_read_bench [ENTITIES [alone]]      alone: the hash log without its peers

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/random.h"
#include "base/temp_folder.h"
#include "online/online_store.h"
#include "online/store_fixture.h"
#include "read_contender.h"

namespace {

using namespace assay::bench;  // NOLINT(google-build-using-namespace): of this program alone
using assay::EventTime;
using assay::data::EntityKey;
using assay::gold::FeatureView;

constexpr int kRepeats = 3;
constexpr int kSingleReads = 200'000;
constexpr int kBatchReads = 4'000;
constexpr int kBatchKeys = 100;
constexpr int64_t kHotEntities = 1'000;
constexpr int kRowsPerApply = 50'000;
constexpr int kUpdatesPerApply = 1'000;
constexpr int kUpdates = 100;
constexpr int kRowsPerWrite = 10'000;
constexpr int kWrites = 100;                 // different ones
constexpr double kWritesPerMicrosecond = 1;  // entities at most
constexpr int64_t kEntitiesMaxOfSqlite = 1'000'000;

double nanos() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

assay::data::SchemaPtr source_schema() {
  std::vector<assay::data::Field> fields = {{"user_id", assay::data::Type::kInt64, false},
                                            {"event_time", assay::data::Type::kTimestamp, false},
                                            {"known_time", assay::data::Type::kTimestamp, false},
                                            {"sequence", assay::data::Type::kInt64, false}};
  for (int f = 0; f < kFeatures; ++f) {
    fields.push_back({"f" + std::to_string(f), assay::data::Type::kFloat64, false});
  }
  return assay::data::make_schema(fields);
}

assay::gold::FeatureViewPtr make_view(const assay::data::SchemaPtr& schema) {
  assay::catalog::EntityDef entity;
  entity.name = "user";
  entity.keys = {{"user_id", assay::data::Type::kInt64, false}};
  assay::catalog::FeatureViewDef view;
  view.name = "user_stats";
  view.entity = "user";
  view.from = "events";
  for (int f = 0; f < kFeatures; ++f) {
    assay::catalog::FeatureDef feature;
    feature.kind = assay::catalog::FeatureDef::Kind::kLatest;
    feature.name = "f" + std::to_string(f);
    feature.column = feature.name;
    view.features.push_back(feature);
  }
  return FeatureView::compile(view, entity, *schema).value();
}

assay::data::Batch rows_of(const assay::data::SchemaPtr& schema,
                           const std::vector<int64_t>& users) {
  assay::data::BatchBuilder builder(schema);
  for (const int64_t user : users) {
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

/// The same rows, newer.
assay::data::Batch with_sequence(const assay::data::Batch& rows, int64_t sequence) {
  std::vector<assay::data::ColumnPtr> columns;
  for (int i = 0; i < rows.column_count(); ++i) {
    columns.push_back(
        i == 3 ? assay::data::constant_column(assay::data::Scalar::int64(sequence), rows.rows())
               : rows.column_ptr(i));
  }
  return {rows.schema_ptr(), std::move(columns), rows.rows()};
}

EntityKey key_of(int64_t user) {
  const std::array<assay::data::Scalar, 1> values = {assay::data::Scalar::int64(user)};
  return *assay::data::encode_key(values);
}

struct Latency {
  double p50_us = 0;
  double p99_us = 0;
};

Latency measure(
    Contender& contender, int reads, int keys_per_read, int64_t entities, uint64_t seed) {
  const auto random = assay::seeded_random(seed);
  std::vector<int64_t> asked(static_cast<std::size_t>(reads) *
                             static_cast<std::size_t>(keys_per_read));
  std::vector<EntityKey> keys;
  keys.reserve(asked.size());
  for (int64_t& user : asked) {
    user = static_cast<int64_t>(random->below(static_cast<uint64_t>(entities)));
    keys.push_back(key_of(user));
  }
  std::vector<double> took;
  took.reserve(static_cast<std::size_t>(reads));
  const std::span<const EntityKey> all = keys;
  for (std::size_t at = 0; at < asked.size(); at += static_cast<std::size_t>(keys_per_read)) {
    const auto count = static_cast<std::size_t>(keys_per_read);
    const double begin = nanos();
    contender.read(all.subspan(at, count));
    took.push_back(nanos() - begin);
    contender.check(std::span<const int64_t>(asked).subspan(at, count));
  }
  std::sort(took.begin(), took.end());
  return {took[took.size() / 2] / 1e3, took[took.size() * 99 / 100] / 1e3};
}

/// The first against each of the others.
void compare(const char* name,
             const std::vector<Contender*>& contenders,
             int reads,
             int keys,
             int64_t entities) {
  std::vector<std::vector<double>> ratios(contenders.size());
  std::vector<double> ours;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::printf("%s, repeat %d:", name, repeat + 1);
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const Latency latency =
          measure(*contenders[i], reads, keys, entities, static_cast<uint64_t>(repeat + 1));
      if (i == 0) {
        ours.push_back(latency.p50_us);
      }
      ratios[i].push_back(latency.p50_us / ours.back());
      std::printf(" %s p50 %.2f us p99 %.2f us |",
                  contenders[i]->name().c_str(),
                  latency.p50_us,
                  latency.p99_us);
    }
    std::printf("\n");
  }
  std::sort(ours.begin(), ours.end());
  std::printf("%s: %.2f M rows/s a core", name, keys / ours[ours.size() / 2]);
  for (std::size_t i = 1; i < contenders.size(); ++i) {
    std::sort(ratios[i].begin(), ratios[i].end());
    std::printf(", %s / %s p50 ratio %.2f (spread %.2f to %.2f)",
                contenders[i]->name().c_str(),
                contenders[0]->name().c_str(),
                ratios[i][ratios[i].size() / 2],
                ratios[i].front(),
                ratios[i].back());
  }
  std::printf("\n");
}

void compare_reads(const std::vector<Contender*>& contenders, int64_t entities) {
  const int64_t hot = std::min(kHotEntities, entities);
  compare("1 key, hot", contenders, kSingleReads, 1, hot);
  compare("1 key, cold", contenders, kSingleReads, 1, entities);
  compare("100 keys, hot", contenders, kBatchReads, kBatchKeys, hot);
  compare("100 keys, cold", contenders, kBatchReads, kBatchKeys, entities);
}

/// A store of entities that can be changed.
class Filled {
 public:
  Filled(std::string name,
         std::unique_ptr<assay::online::OnlineStore> store,
         const FeatureView& view,
         const assay::data::SchemaPtr& schema,
         int64_t entities)
      : name_(std::move(name)),
        store_(std::move(store)),
        view_(view),
        schema_(schema),
        entities_(entities) {}

  void fill() {
    double took = 0;
    for (int64_t first = 0; first < entities_; first += kRowsPerApply) {
      std::vector<int64_t> users;
      for (int64_t user = first; user < std::min(entities_, first + kRowsPerApply); ++user) {
        users.push_back(user);
      }
      const assay::data::Batch batch = rows_of(schema_, users);
      const double begin = nanos();
      apply(batch);
      took += nanos() - begin;
    }
    std::printf("load: %.2f M entities/s of %d features into %s, no sync\n",
                static_cast<double>(entities_) / took * 1e3,
                kFeatures,
                name_.c_str());
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] FlatContender contender() {
    return {name_, [this](std::span<const EntityKey> keys, assay::data::FlatValues* values) {
              ASSAY_CHECK(store_->read_flat(view_, keys, EventTime{2}, values).ok());
            }};
  }
  [[nodiscard]] ScalarContender scalars() {
    return {name_ + ", Scalars", [this](std::span<const EntityKey> keys) {
              return store_->read(view_, keys, EventTime{2}).value();
            }};
  }
  /// Rows of some entities, picked at random. `count` each time.
  [[nodiscard]] std::vector<assay::data::Batch> some_rows(int times, int count, uint64_t seed) {
    const auto random = assay::seeded_random(seed);
    std::vector<assay::data::Batch> rows;
    for (int i = 0; i < times; ++i) {
      std::vector<int64_t> users;
      for (int k = 0; k < count; ++k) {
        users.push_back(static_cast<int64_t>(random->below(static_cast<uint64_t>(entities_))));
      }
      rows.push_back(rows_of(schema_, users));
    }
    return rows;
  }
  /// Nanoseconds that it takes to change the entities of `rows`; the values stay.
  double update(const assay::data::Batch& rows) {
    const assay::data::Batch newer = with_sequence(rows, ++sequence_);
    const double begin = nanos();
    apply(newer);
    return nanos() - begin;
  }

 private:
  void apply(const assay::data::Batch& batch) {
    const auto applied = store_->applied_to(view_).value();
    const std::optional<int64_t> at =
        applied.has_value() ? std::optional<int64_t>(applied->position) : std::nullopt;
    ASSAY_CHECK(store_->apply(view_, batch, at, at.value_or(0) + 1, EventTime{1}).ok());
    sequence_ = std::max(sequence_, at.value_or(0) + 1);
  }

  std::string name_;
  std::unique_ptr<assay::online::OnlineStore> store_;
  const FeatureView& view_;
  const assay::data::SchemaPtr& schema_;
  int64_t entities_;
  int64_t sequence_ = 1;
};

/// Cost of one changed entity in transactions of a thousand.
void compare_updates(const std::vector<Filled*>& stores) {
  std::vector<std::vector<double>> micros(stores.size());
  const auto rows = stores[0]->some_rows(kUpdates, kUpdatesPerApply, 3);
  for (const assay::data::Batch& batch : rows) {
    for (std::size_t s = 0; s < stores.size(); ++s) {
      micros[s].push_back(stores[s]->update(batch) / 1e3 / kUpdatesPerApply);
    }
  }
  for (std::size_t s = 0; s < stores.size(); ++s) {
    std::sort(micros[s].begin(), micros[s].end());
    std::printf(
        "update, %d entities a transaction, no sync: %s p50 %.2f us p99 %.2f us an entity, "
        "%.2f times %s\n",
        kUpdatesPerApply,
        stores[s]->name().c_str(),
        micros[s][kUpdates / 2],
        micros[s][kUpdates * 99 / 100],
        micros[s][kUpdates / 2] / micros[0][kUpdates / 2],
        stores[0]->name().c_str());
  }
}

/// Reads while another thread changes entities, a million a second if it can.
void read_beside_writer(Filled& store, int64_t entities) {
  std::atomic<bool> done{false};
  std::atomic<int64_t> written{0};
  const auto rows = store.some_rows(kWrites, kRowsPerWrite, 4);
  const double begin = nanos();
  std::jthread writer([&] {
    for (std::size_t i = 0; !done; i = (i + 1) % rows.size()) {
      store.update(rows[i]);
      written += kRowsPerWrite;
      const double due = begin + static_cast<double>(written) / kWritesPerMicrosecond * 1e3;
      while (!done && nanos() < due) {
        std::this_thread::yield();
      }
    }
  });
  FlatContender reader = store.contender();
  const int64_t hot = std::min(kHotEntities, entities);
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::printf("%s beside a writer, repeat %d:", reader.name().c_str(), repeat + 1);
    for (const auto& [what, keys, of] : {std::tuple{"1 key, hot", 1, hot},
                                         {"1 key, cold", 1, entities},
                                         {"100 keys, hot", kBatchKeys, hot},
                                         {"100 keys, cold", kBatchKeys, entities}}) {
      const Latency latency = measure(reader, keys == 1 ? kSingleReads : kBatchReads, keys, of, 5);
      std::printf(" %s p50 %.2f us p99 %.2f us |", what, latency.p50_us, latency.p99_us);
    }
    std::printf("\n");
  }
  const double seconds = (nanos() - begin) / 1e9;
  done = true;
  writer.join();
  std::printf("the writer of %s meanwhile: %.2f M entities/s\n",
              reader.name().c_str(),
              static_cast<double>(written) / seconds / 1e6);
}

class NoPages final : public assay::gold::RowPages {
 public:
  [[nodiscard]] assay::Result<std::string_view> get(uint64_t /*number*/) const override {
    return assay::Status(assay::Code::kCorrupt, "there are no pages");
  }
};

/// The peer: key and row bytes in a table WITHOUT ROWID, memory-mapped, one prepared statement.
class SqlitePeer {
 public:
  SqlitePeer(const std::string& path,
             const FeatureView& view,
             const assay::data::SchemaPtr& schema,
             int64_t count)
      : view_(view) {
    ASSAY_CHECK(sqlite3_open(path.c_str(), &db_) == SQLITE_OK);
    run("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA mmap_size=8000000000;");
    run("CREATE TABLE rows (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID; BEGIN;");
    sqlite3_stmt* insert = prepare("INSERT INTO rows VALUES (?, ?)");
    const std::array<int64_t, 1> selected = {0};
    for (int64_t user = 0; user < count; ++user) {
      std::string row;
      ASSAY_CHECK(
          view.update_online_row(rows_of(schema, {user}), selected, EventTime{1}, &row).ok());
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

  void read(std::span<const EntityKey> keys, assay::data::FlatValues* values) {
    for (const EntityKey& key : keys) {
      sqlite3_bind_blob(
          select_, 1, key.bytes().data(), static_cast<int>(key.bytes().size()), SQLITE_STATIC);
      ASSAY_CHECK(sqlite3_step(select_) == SQLITE_ROW);
      const std::string_view row(static_cast<const char*>(sqlite3_column_blob(select_, 0)),
                                 static_cast<std::size_t>(sqlite3_column_bytes(select_, 0)));
      ASSAY_CHECK(view_.read_flat_row(row, EventTime{2}, NoPages(), values).ok());
      sqlite3_reset(select_);
    }
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

  const FeatureView& view_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* select_ = nullptr;
};

std::unique_ptr<assay::online::OnlineStore> open_log(assay::online::TestWorld& world,
                                                     const std::string& folder) {
  assay::online::HashLogOptions options;
  options.sync = false;
  return assay::online::open_hash_log_store(world.world, folder, options).value();
}

/// Kill -9 a process that writes as fast as it can.
void kill_a_writer(const FeatureView& view,
                   const assay::data::SchemaPtr& schema,
                   const std::string& folder,
                   int64_t entities) {
  std::array<int, 2> ends{};
  ASSAY_CHECK(::pipe(ends.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    assay::online::TestWorld world;
    Filled store("hash log", open_log(world, folder), view, schema, entities);
    const auto rows = store.some_rows(kWrites, kRowsPerWrite, 6);
    for (std::size_t i = 0;; i = (i + 1) % rows.size()) {
      store.update(rows[i]);
      const char byte = 'x';
      ASSAY_CHECK(::write(ends[1], &byte, 1) == 1);
    }
  }
  ::close(ends[1]);
  char byte = 0;
  for (int i = 0; i < kWrites; ++i) {
    ASSAY_CHECK(::read(ends[0], &byte, 1) == 1);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
}

/// Nothing of the files stays in memory, where their file system lets go of it.
void forget_pages(const std::string& folder) {
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const int descriptor = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
    ASSAY_CHECK(descriptor >= 0 && ::fdatasync(descriptor) == 0);
    ASSAY_CHECK(::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0);
    ::close(descriptor);
  }
}

/// Until the first answer.
void measure_open(const FeatureView& view,
                  const assay::data::SchemaPtr& schema,
                  const std::string& folder,
                  int64_t entities) {
  const auto nothing = [] {};
  const std::array<std::pair<const char*, std::function<void()>>, 4> before = {
      {{"after a clean end", nothing},
       {"after kill -9 of a writer", [&] { kill_a_writer(view, schema, folder, entities); }},
       {"after a restart of the machine", [&] { assay::online::forget_memory(folder); }},
       {"after a restart of the machine, cold files", [&] {
          assay::online::forget_memory(folder);
          forget_pages(folder);
        }}}};
  for (const auto& [what, prepare] : before) {
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      prepare();
      assay::online::TestWorld world;
      const double begin = nanos();
      const auto store = open_log(world, folder);
      const EntityKey key = key_of(entities - 1);
      ASSAY_CHECK(store->read(view, {&key, 1}, EventTime{2}).value().front().values[0] ==
                  assay::data::Scalar::float64(expected(entities - 1, 0)));
      std::printf("open the hash log %s: %.3f s\n", what, (nanos() - begin) / 1e9);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t entities = argc > 1 ? std::atoll(argv[1]) : 1'000'000;
  const bool with_peers = argc <= 2;
  ASSAY_CHECK(entities > 0);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const assay::data::SchemaPtr schema = source_schema();
  const assay::gold::FeatureViewPtr view = make_view(schema);
  const assay::TempFolder folder;
  assay::online::TestWorld world;
  const std::string log_folder = assay::join_path(folder.path(), "hash_log");
  const std::string lmdb_folder = assay::join_path(folder.path(), "lmdb");
  auto log =
      std::make_unique<Filled>("hash log", open_log(world, log_folder), *view, schema, entities);
  log->fill();
  std::vector<Filled*> stores = {log.get()};
  FlatContender of_log = log->contender();
  ScalarContender of_log_scalars = log->scalars();
  std::vector<Contender*> contenders = {&of_log, &of_log_scalars};
  std::optional<FlatContender> of_lmdb;
  std::optional<FlatContender> of_sqlite;
  std::unique_ptr<Filled> lmdb;
  std::unique_ptr<SqlitePeer> sqlite;
  if (with_peers) {
    assay::online::LmdbOptions options;
    options.sync = false;
    lmdb = std::make_unique<Filled>(
        "lmdb",
        assay::online::open_lmdb_store(world.world, lmdb_folder, options).value(),
        *view,
        schema,
        entities);
    lmdb->fill();
    stores.push_back(lmdb.get());
    contenders.push_back(&of_lmdb.emplace(lmdb->contender()));
  }
  if (with_peers && entities <= kEntitiesMaxOfSqlite) {
    sqlite = std::make_unique<SqlitePeer>(
        assay::join_path(folder.path(), "peer.db"), *view, schema, entities);
    contenders.push_back(&of_sqlite.emplace(
        "sqlite", [&](std::span<const EntityKey> keys, assay::data::FlatValues* values) {
          sqlite->read(keys, values);
        }));
  }
  compare_reads(contenders, entities);
  compare_updates(stores);
  if (lmdb != nullptr) {
    read_beside_writer(*lmdb, entities);
    lmdb.reset();
    std::filesystem::remove_all(lmdb_folder);  // its memory, too
  }
  read_beside_writer(*log, entities);
  log.reset();
  measure_open(*view, schema, log_folder, entities);
  return 0;
}
