#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "online/online_store.h"

namespace assay::online {

/// The two tables of the store's file.
enum class LmdbTable { kRows, kMeta };

/// One LMDB environment: a folder with a data file and a lock file, shared by processes.
///
/// One process opens a folder once: LMDB's locks belong to the process, and closing one of two
/// handles would drop them for both. Errors  kResourceExhausted: disk full, map at its bound,
/// reader table full; kCorrupt: not LMDB's file;
///         kCommitUnknown: the disk failed inside a commit; kNotFound, kPermissionDenied.
/// Threads thread-safe; one update at a time, in this process and among processes.
class LmdbEnv {
 public:
  struct Impl;
  struct Transaction;

  /// What both kinds of transaction can do. Views returned live as long as the transaction, and for
  /// a Writer only until its next put or erase.
  class Reader {
   public:
    [[nodiscard]] Result<std::optional<std::string_view>> get(LmdbTable table,
                                                              std::string_view key) const;
    /// Visit every pair whose key begins with `prefix`, in key order, until `visit` fails.
    [[nodiscard]] Status scan(
        LmdbTable table,
        std::string_view prefix,
        const std::function<Status(std::string_view, std::string_view)>& visit) const;

   protected:
    explicit Reader(Transaction& transaction) : transaction_(&transaction) {}
    Transaction* transaction_;
  };

  /// A consistent state to read. Never blocks the writer. Give it back soon: it pins old pages.
  ///
  /// Threads one thread at a time; no update or second snapshot by the thread that holds one.
  class Snapshot : public Reader {
   public:
    Snapshot(Snapshot&& other) noexcept;
    Snapshot& operator=(Snapshot&&) = delete;
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;
    ~Snapshot();

   private:
    friend class LmdbEnv;
    explicit Snapshot(Transaction& transaction) : Reader(transaction) {}
  };

  class Writer : public Reader {
   public:
    Status put(LmdbTable table, std::string_view key, std::string_view value);
    /// Fine when there is no such key.
    Status erase(LmdbTable table, std::string_view key);
    Status erase_prefix(LmdbTable table, std::string_view prefix);

   private:
    friend class LmdbEnv;
    explicit Writer(Transaction& transaction) : Reader(transaction) {}
  };

  /// `folder` must exist; with options.read_only it must hold a store.
  static Result<std::unique_ptr<LmdbEnv>> open(const std::string& folder,
                                               const LmdbOptions& options);
  ~LmdbEnv();
  LmdbEnv(const LmdbEnv&) = delete;
  LmdbEnv& operator=(const LmdbEnv&) = delete;

  Result<Snapshot> snapshot();
  /// Run `body` in a write transaction and commit when it succeeds; else nothing is changed. `body`
  /// runs again from the beginning when the map had to grow.
  Status update(const std::function<Status(Writer&)>& body);
  /// Bytes of address space that the file may fill before the map grows.
  [[nodiscard]] uint64_t map_bytes() const;

 private:
  explicit LmdbEnv(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::online
