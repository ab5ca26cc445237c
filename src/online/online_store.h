#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/world.h"
#include "data/entity_key.h"
#include "data/flat_values.h"
#include "gold/contract.h"

namespace assay::online {

struct RedisAddress;

/// Up to where a store has applied a view.
struct AppliedTo {
  int64_t position = -1;                     // source table version
  EventTime known_until = EventTime::min();  // largest visible time of all rows applied
};

/// What is asked of one view.
struct ViewKeys {
  const gold::FeatureView* view = nullptr;
  std::span<const data::EntityKey> keys;
};

/// A read that was begun: while others are, too, its answer is on its way.
class PendingRead {
 public:
  virtual ~PendingRead() = default;
  /// What OnlineStore::read answers; once.
  virtual Result<std::vector<gold::FeatureValues>> finish() = 0;
};

/// The embedded online store: one row of bytes per (view, entity), and each view's position in the
/// same transaction as the rows it changed.
///
/// Errors  kCorrupt: a row or file fails its checksum, never served; kFailedPrecondition: the
/// position
///         is not the expected one, or the view's definition changed since it was written;
///         kResourceExhausted: map full or disk full.
/// Threads reads from any number of threads and processes, never blocked by writers. Views are
///         written from any number of threads, one view by one thread at a time.
class OnlineStore {
 public:
  virtual ~OnlineStore() = default;
  /// Apply source rows of a view and move its position from `expected` to `position`, atomically.
  /// `anew`: entities of which what is held is forgotten first, ascending.
  virtual Status apply(const gold::FeatureView& view,
                       const data::Batch& rows,
                       std::optional<int64_t> expected,
                       int64_t position,
                       EventTime applied_until,
                       std::span<const data::EntityKey> anew = {}) = 0;
  /// Where a view stands; nothing when it was never applied.
  virtual Result<std::optional<AppliedTo>> applied_to(const gold::FeatureView& view) = 0;
  /// The same or, where that is dear to find out, what it was a moment ago: for answers.
  virtual Result<std::optional<AppliedTo>> known_applied_to(const gold::FeatureView& view) {
    return applied_to(view);
  }
  /// Of a store of several parts that an apply was cut off in: the position that some of them stand
  /// at already. The same apply again passes those over; any other one is kFailedPrecondition.
  virtual Result<std::optional<int64_t>> ahead_of(const gold::FeatureView& /*view*/) {
    return std::optional<int64_t>();
  }
  /// Values of one view for each key at `now`, in the order of `keys`. One consistent state for
  /// all.
  virtual Result<std::vector<gold::FeatureValues>> read(const gold::FeatureView& view,
                                                        std::span<const data::EntityKey> keys,
                                                        EventTime now) = 0;
  /// The same, each answer as one row more of `values`, without an object for each of them; none
  /// when it fails. And what known_applied_to said before.
  virtual Result<std::optional<AppliedTo>> read_flat(const gold::FeatureView& view,
                                                     std::span<const data::EntityKey> keys,
                                                     EventTime now,
                                                     data::FlatValues* values) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<AppliedTo> applied, known_applied_to(view));
    ASSAY_ASSIGN_OR_RETURN(const std::vector<gold::FeatureValues> answers, read(view, keys, now));
    for (const gold::FeatureValues& answer : answers) {
      values->add_row(answer.values, answer.statuses, answer.event_time.value_or(EventTime{}));
    }
    return applied;
  }
  /// read_flat of several views, the rows of one behind those of the other; none when one fails.
  /// Where each of them stood is put behind what is in `applied`.
  virtual Status read_flat_views(std::span<const ViewKeys> asked,
                                 EventTime now,
                                 data::FlatValues* values,
                                 std::vector<std::optional<AppliedTo>>* applied) {
    const data::FlatValues::Size before = values->size();
    for (const ViewKeys& one : asked) {
      const Result<std::optional<AppliedTo>> stood = read_flat(*one.view, one.keys, now, values);
      if (!stood.ok()) {
        values->shrink(before);
        return stood.status();
      }
      applied->push_back(*stood);
    }
    return {};
  }
  /// read() in two steps, of a store that is asked over a network: its answer is waited for in the
  /// second. Nothing from the others, which read() answers at once. What is given must outlive it.
  virtual std::unique_ptr<PendingRead> begin_read(const gold::FeatureView& /*view*/,
                                                  std::span<const data::EntityKey> /*keys*/,
                                                  EventTime /*now*/) {
    return nullptr;
  }
  /// Largest known_until over all views: the instant of a store that follows the data's own clock.
  virtual Result<EventTime> data_now() = 0;
  /// The same or, where that is dear to find out, what it was a moment ago: for answers.
  virtual Result<EventTime> known_data_now() { return data_now(); }
  /// Storage names of all views that were ever applied and not dropped, sorted.
  virtual Result<std::vector<std::string>> views() = 0;
  /// Forget a view by its storage name: its rows and its position.
  virtual Status drop(const std::string& storage_name) = 0;
  /// Take out rows that no view has any more: where a drop, or a replacement (ViewReplacer), is in
  /// several steps and was cut off between them. Nobody reads such rows. Costs little where there
  /// are none.
  virtual Status remove_leftovers() { return {}; }
  /// Order-independent hash of all rows as reads see them at data_now(), for tests of recovery.
  Result<uint64_t> content_hash(const gold::FeatureView& view) {
    return content_hash_at(view, std::nullopt);
  }
  /// The same at another instant.
  virtual Result<uint64_t> content_hash_at(const gold::FeatureView& view,
                                           std::optional<EventTime> now) = 0;
};

struct LmdbOptions {
  bool read_only = false;                  // never creates the store, never writes rows
  bool sync = true;                        // false: a power cut may lose commits (scratch stores)
  uint64_t map_bytes = uint64_t{4} << 30;  // address space to begin with; doubles when full
  uint64_t map_bytes_max = uint64_t{1} << 42;  // beyond: kResourceExhausted
};

/// Open (or make) the LMDB store in `folder`. A process opens a folder once; other processes may
/// have it open too, each of them reading or writing.
Result<std::unique_ptr<OnlineStore>> open_lmdb_store(World& world,
                                                     const std::string& folder,
                                                     const LmdbOptions& options);
/// The same with default options. `read_only` never creates or writes.
Result<std::unique_ptr<OnlineStore>> open_lmdb_store(World& world,
                                                     const std::string& folder,
                                                     bool read_only);
struct HashLogOptions {
  bool read_only = false;  // never creates the store, never writes rows
  bool sync = true;        // false: a power cut may lose commits (scratch stores)
  int file_bits = 26;      // a new log's files have 2^file_bits bytes at most
  int index_bits = 12;     // slots of a new index: 2^index_bits; a full one is made anew to fit
  uint64_t checkpoint_bytes = uint64_t{64} << 20;  // about what is replayed after a restart
};

/// Open (or make) the store of our own in `folder` (docs/formats/hash_log.md). Any number of
/// processes may have it open, each of them reading or writing, one writing at a time.
Result<std::unique_ptr<OnlineStore>> open_hash_log_store(World& world,
                                                         const std::string& folder,
                                                         const HashLogOptions& options);

/// Whether a folder holds such a store, or one of LMDB's.
bool holds_hash_log(World& world, const std::string& folder);
bool holds_lmdb(World& world, const std::string& folder);

/// The store in the Redis server, or Redis Cluster, of `url` (redis_client.h), shared by any number
/// of processes. `project`: whose it is; "" for nobody's in particular.
///
/// What an apply acknowledged is as durable as that server: `appendonly yes` with `appendfsync
/// always` keeps it through a power cut, the default loses about a second, and a replica that takes
/// over may lack what it was not sent yet. Rows and position are lost together or not at all, so
/// that a later run fills them again from the lake; in a cluster those of one part.
/// Errors  kInvalidArgument: the URL; kFailedPrecondition: the keys are another project's;
///         kUnavailable, kPermissionDenied as RedisConnection has them.
Result<std::unique_ptr<OnlineStore>> open_redis_store(World& world, const std::string& url);
Result<std::unique_ptr<OnlineStore>> open_redis_store(World& world,
                                                      const RedisAddress& address,
                                                      bool read_only,
                                                      const std::string& project);
/// The store of a project in the PostgreSQL database of `url`, as libpq takes it, in the first
/// schema of its search path; shared by any number of processes. As durable as that server.
///
/// Errors  kNotFound: `read_only`, and there is none; those of PostgresConnection.
Result<std::unique_ptr<OnlineStore>> open_postgres_store(World& world,
                                                         const std::string& url,
                                                         bool read_only,
                                                         const std::string& project = "");
/// The store of a project at `place`: a `redis` or `postgresql` URL; `lmdb:` or `hashlog:` and a
/// folder; a folder alone, for the store that is in it, and the hash log where there is none; or
/// `sharded:` and places with commas between them, each of which then has its share of the entities
/// (sharded_store.h). A server keeps apart what projects of different names have there.
/// Errors  kFailedPrecondition: the folder holds a store of the other kind.
Result<std::unique_ptr<OnlineStore>> open_online_store(World& world,
                                                       const std::string& place,
                                                       bool read_only,
                                                       const std::string& project = "");
/// A store in this process's memory: nothing survives it. For `verify` and tests.
std::unique_ptr<OnlineStore> make_memory_store(Metrics& metrics);

}  // namespace assay::online
