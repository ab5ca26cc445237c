// The one file that speaks LMDB.
//
// Readers: a read transaction takes a slot of the shared lock file; making one costs a lock,
// renewing one costs nothing, so finished readers are reset and kept in a pool (MDB_NOTLS: a slot
// belongs to the transaction, not to the thread). Map: LMDB maps the file into a fixed range of
// addresses. When it is full the range is doubled, which no transaction of this process may watch:
// transactions hold `map_mutex` shared, growth holds it alone.

#include "online/lmdb_env.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include <lmdb.h>

#include "base/check.h"
#include "base/system_error.h"

namespace assay::online {
namespace {

constexpr unsigned kReadersMax = 1024;
constexpr mdb_mode_t kFileMode = 0644;

Code code_of(int result) {
  switch (result) {
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case MDB_READERS_FULL:
      return Code::kResourceExhausted;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
      return Code::kCorrupt;
    case MDB_NOTFOUND:
      return Code::kNotFound;
    case MDB_BAD_VALSIZE:
      return Code::kInvalidArgument;
    default:
      return result > 0 ? code_of_errno(result) : Code::kUnknown;
  }
}

Status failure(int result, const char* what) {
  return {code_of(result), std::string(what) + ": " + mdb_strerror(result)};
}

MDB_val to_val(std::string_view bytes) {
  // LMDB does not write through the keys and values that it is given.
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

std::string_view to_view(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

}  // namespace

struct LmdbEnv::Impl {
  MDB_env* env = nullptr;
  MDB_dbi tables[2] = {0, 0};
  LmdbOptions options;
  std::string folder;

  std::shared_mutex map_mutex;
  std::atomic<bool> map_changes{false};
  std::mutex map_gate;
  std::mutex write_mutex;
  std::mutex pool_mutex;
  std::vector<std::unique_ptr<Transaction>> pool;

  ~Impl();
  [[nodiscard]] MDB_dbi table(LmdbTable which) const { return tables[static_cast<int>(which)]; }
  Status set_map_size(std::size_t bytes);
  Status grow();
  Status open_tables();
  std::unique_ptr<Transaction> take_pooled();
  Status after_failed_commit(int result, std::size_t transaction_id);
  void enter_map();
};

struct LmdbEnv::Transaction {
  Impl* impl = nullptr;
  MDB_txn* txn = nullptr;
  MDB_cursor* rows = nullptr;  // of a writer: keys in order are mostly in the page of the last one
  int first_failure = 0;

  ~Transaction() {
    if (txn != nullptr) {
      mdb_txn_abort(txn);
    }
  }
  Status fail(int result, const char* what) {
    if (first_failure == 0) {
      first_failure = result;
    }
    return failure(result, what);
  }
};

LmdbEnv::Impl::~Impl() {
  pool.clear();
  if (env != nullptr) {
    mdb_env_close(env);
  }
}

/// Hold the map in place, after whoever wants to move it: an endless stream of readers must not
/// keep the writer from growing it.
void LmdbEnv::Impl::enter_map() {
  if (map_changes.load(std::memory_order_acquire)) {
    const std::lock_guard wait(map_gate);
  }
  map_mutex.lock_shared();
}

/// Move the map; 0 bytes takes the size that another process gave it.
Status LmdbEnv::Impl::set_map_size(std::size_t bytes) {
  const std::lock_guard gate(map_gate);
  map_changes.store(true, std::memory_order_release);
  map_mutex.lock();
  const int result = mdb_env_set_mapsize(env, bytes);
  map_mutex.unlock();
  map_changes.store(false, std::memory_order_release);
  return result == 0 ? Status() : failure(result, "resize the map of the online store");
}

Status LmdbEnv::Impl::grow() {
  MDB_envinfo info{};
  mdb_env_info(env, &info);
  if (info.me_mapsize >= options.map_bytes_max) {
    return {Code::kResourceExhausted,
            "the online store is at its bound; free space or raise it: " +
                std::to_string(info.me_mapsize) + " bytes"};
  }
  return set_map_size(std::min<std::size_t>(info.me_mapsize * 2, options.map_bytes_max));
}

Status LmdbEnv::Impl::open_tables() {
  MDB_txn* txn = nullptr;
  int result = mdb_txn_begin(env, nullptr, options.read_only ? MDB_RDONLY : 0U, &txn);
  if (result == MDB_MAP_RESIZED) {
    ASSAY_RETURN_IF_ERROR(set_map_size(0));
    result = mdb_txn_begin(env, nullptr, options.read_only ? MDB_RDONLY : 0U, &txn);
  }
  if (result != 0) {
    return failure(result, "begin to read the online store");
  }
  const char* const names[2] = {"rows", "meta"};
  for (int i = 0; i < 2 && result == 0; ++i) {
    result = mdb_dbi_open(txn, names[i], options.read_only ? 0U : MDB_CREATE, &tables[i]);
  }
  if (result != 0) {
    mdb_txn_abort(txn);
    return result == MDB_NOTFOUND
               ? Status(Code::kNotFound, "there is no online store; run `assay run` first")
               : failure(result, "open the tables of the online store");
  }
  result = mdb_txn_commit(txn);
  return result == 0 ? Status() : failure(result, "commit the tables of the online store");
}

std::unique_ptr<LmdbEnv::Transaction> LmdbEnv::Impl::take_pooled() {
  const std::lock_guard lock(pool_mutex);
  if (pool.empty()) {
    return nullptr;
  }
  std::unique_ptr<Transaction> transaction = std::move(pool.back());
  pool.pop_back();
  return transaction;
}

Result<std::unique_ptr<LmdbEnv>> LmdbEnv::open(const std::string& folder,
                                               const LmdbOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->folder = folder;
  int result = mdb_env_create(&impl->env);
  if (result != 0) {
    return failure(result, "make an LMDB environment");
  }
  mdb_env_set_maxdbs(impl->env, 2);
  mdb_env_set_maxreaders(impl->env, kReadersMax);
  if (!options.read_only) {
    mdb_env_set_mapsize(impl->env, std::min(options.map_bytes, options.map_bytes_max));
  }
  unsigned flags = MDB_NOTLS | MDB_NORDAHEAD;
  flags |= options.read_only ? MDB_RDONLY : 0U;
  flags |= options.sync ? 0U : MDB_NOSYNC;
  result = mdb_env_open(impl->env, folder.c_str(), flags, kFileMode);
  if (result != 0) {
    return failure(result, "open the online store").with_context(folder);
  }
  int stale = 0;
  mdb_reader_check(impl->env, &stale);  // readers that died would pin their pages for ever
  if (Status opened = impl->open_tables(); !opened.ok()) {
    return opened.with_context(folder);
  }
  return std::unique_ptr<LmdbEnv>(new LmdbEnv(std::move(impl)));
}

LmdbEnv::LmdbEnv(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LmdbEnv::~LmdbEnv() = default;

uint64_t LmdbEnv::map_bytes() const {
  MDB_envinfo info{};
  mdb_env_info(impl_->env, &info);
  return info.me_mapsize;
}

Result<LmdbEnv::Snapshot> LmdbEnv::snapshot() {
  bool checked_readers = false;
  for (;;) {
    std::unique_ptr<Transaction> transaction = impl_->take_pooled();
    impl_->enter_map();
    int result = 0;
    if (transaction != nullptr) {
      result = mdb_txn_renew(transaction->txn);
    } else {
      transaction = std::make_unique<Transaction>();
      transaction->impl = impl_.get();
      result = mdb_txn_begin(impl_->env, nullptr, MDB_RDONLY, &transaction->txn);
    }
    if (result == 0) {
      return Snapshot(*transaction.release());
    }
    transaction.reset();
    impl_->map_mutex.unlock_shared();
    if (result == MDB_MAP_RESIZED) {
      ASSAY_RETURN_IF_ERROR(impl_->set_map_size(0));
    } else if (result == MDB_READERS_FULL && !checked_readers) {
      int stale = 0;
      mdb_reader_check(impl_->env, &stale);
      checked_readers = true;
    } else {
      return failure(result, "begin to read the online store").with_context(impl_->folder);
    }
  }
}

LmdbEnv::Snapshot::Snapshot(Snapshot&& other) noexcept : Reader(*other.transaction_) {
  other.transaction_ = nullptr;
}

LmdbEnv::Snapshot::~Snapshot() {
  if (transaction_ == nullptr) {
    return;
  }
  Impl* impl = transaction_->impl;
  mdb_txn_reset(transaction_->txn);
  impl->map_mutex.unlock_shared();
  const std::lock_guard lock(impl->pool_mutex);
  impl->pool.emplace_back(transaction_);
}

Result<std::optional<std::string_view>> LmdbEnv::Reader::get(LmdbTable table,
                                                             std::string_view key) const {
  MDB_val key_val = to_val(key);
  MDB_val value{};
  const bool by_cursor = transaction_->rows != nullptr && table == LmdbTable::kRows;
  const int result =
      by_cursor ? mdb_cursor_get(transaction_->rows, &key_val, &value, MDB_SET)
                : mdb_get(transaction_->txn, transaction_->impl->table(table), &key_val, &value);
  if (result == MDB_NOTFOUND) {
    return std::optional<std::string_view>();
  }
  if (result != 0) {
    return transaction_->fail(result, "read the online store");
  }
  return std::optional<std::string_view>(to_view(value));
}

Status LmdbEnv::Reader::scan(
    LmdbTable table,
    std::string_view prefix,
    const std::function<Status(std::string_view, std::string_view)>& visit) const {
  MDB_cursor* cursor = nullptr;
  int result = mdb_cursor_open(transaction_->txn, transaction_->impl->table(table), &cursor);
  if (result != 0) {
    return transaction_->fail(result, "scan the online store");
  }
  const std::unique_ptr<MDB_cursor, void (*)(MDB_cursor*)> closer(cursor, mdb_cursor_close);
  MDB_val key = to_val(prefix);
  MDB_val value{};
  result = mdb_cursor_get(cursor, &key, &value, prefix.empty() ? MDB_FIRST : MDB_SET_RANGE);
  while (result == 0 && to_view(key).substr(0, prefix.size()) == prefix) {
    ASSAY_RETURN_IF_ERROR(visit(to_view(key), to_view(value)));
    result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  return result == 0 || result == MDB_NOTFOUND
             ? Status()
             : transaction_->fail(result, "scan the online store");
}

Status LmdbEnv::Writer::put(LmdbTable table, std::string_view key, std::string_view value) {
  MDB_val key_val = to_val(key);
  MDB_val value_val = to_val(value);
  const int result =
      table == LmdbTable::kRows
          ? mdb_cursor_put(transaction_->rows, &key_val, &value_val, 0)
          : mdb_put(transaction_->txn, transaction_->impl->table(table), &key_val, &value_val, 0);
  return result == 0 ? Status() : transaction_->fail(result, "write to the online store");
}

Status LmdbEnv::Writer::erase(LmdbTable table, std::string_view key) {
  MDB_val key_val = to_val(key);
  const int result =
      mdb_del(transaction_->txn, transaction_->impl->table(table), &key_val, nullptr);
  return result == 0 || result == MDB_NOTFOUND
             ? Status()
             : transaction_->fail(result, "erase from the online store");
}

Status LmdbEnv::Writer::erase_prefix(LmdbTable table, std::string_view prefix) {
  MDB_cursor* cursor = nullptr;
  int result = mdb_cursor_open(transaction_->txn, transaction_->impl->table(table), &cursor);
  if (result != 0) {
    return transaction_->fail(result, "erase from the online store");
  }
  for (;;) {
    MDB_val key = to_val(prefix);
    MDB_val value{};
    result = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (result != 0 || to_view(key).substr(0, prefix.size()) != prefix) {
      break;
    }
    result = mdb_cursor_del(cursor, 0);
    if (result != 0) {
      break;
    }
  }
  mdb_cursor_close(cursor);
  return result == 0 || result == MDB_NOTFOUND
             ? Status()
             : transaction_->fail(result, "erase from the online store");
}

/// Say what became of a transaction whose commit failed. LMDB reports a short write, which is how a
/// disk fills up, as EIO; nothing has landed then. A failure of the last write, the one that
/// publishes the transaction, leaves the environment unusable or the transaction visible: nobody
/// can promise which.
Status LmdbEnv::Impl::after_failed_commit(int result, std::size_t transaction_id) {
  if (result != EIO) {
    return failure(result, "commit to the online store");
  }
  MDB_txn* probe = nullptr;
  if (mdb_txn_begin(env, nullptr, MDB_RDONLY, &probe) != 0) {
    return {Code::kCommitUnknown,
            "the disk failed while the online store committed; restart and look"};
  }
  const bool landed = mdb_txn_id(probe) >= transaction_id;
  mdb_txn_abort(probe);
  if (landed) {
    return {Code::kCommitUnknown,
            "the disk failed while the online store committed; look before retrying"};
  }
  return {Code::kResourceExhausted,
          "commit to the online store: short write, the disk is full or failing"};
}

Status LmdbEnv::update(const std::function<Status(Writer&)>& body) {
  if (impl_->options.read_only) {
    return {Code::kFailedPrecondition, "the online store was opened to read only"};
  }
  const std::lock_guard one_writer(impl_->write_mutex);
  for (;;) {
    Status status;
    int result = 0;
    {
      impl_->enter_map();
      const std::shared_lock map(impl_->map_mutex, std::adopt_lock);
      Transaction transaction;
      transaction.impl = impl_.get();
      result = mdb_txn_begin(impl_->env, nullptr, 0, &transaction.txn);
      if (result == 0) {  // its end closes the cursor
        result =
            mdb_cursor_open(transaction.txn, impl_->table(LmdbTable::kRows), &transaction.rows);
      }
      if (result == 0) {
        Writer writer(transaction);
        status = body(writer);
        result = transaction.first_failure;
      } else {
        status = failure(result, "begin to write the online store");
      }
      if (result == 0 && status.ok()) {
        const std::size_t transaction_id = mdb_txn_id(transaction.txn);
        MDB_txn* committing = std::exchange(transaction.txn, nullptr);
        result = mdb_txn_commit(committing);
        if (result != 0) {
          status = impl_->after_failed_commit(result, transaction_id);
        }
      }
    }
    if (result == MDB_MAP_FULL) {
      ASSAY_RETURN_IF_ERROR(impl_->grow());
    } else if (result == MDB_MAP_RESIZED) {
      ASSAY_RETURN_IF_ERROR(impl_->set_map_size(0));
    } else {
      return status;
    }
  }
}

}  // namespace assay::online
