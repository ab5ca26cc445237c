#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

// Statements to a PostgreSQL server over one connection at a time, and a pool of such connections.
// The adapter to libpq is postgres_client.cc.

namespace assay::online {

/// One parameter of a statement, in PostgreSQL's binary form.
struct PostgresValue {
  static PostgresValue integer(int64_t value);                        // bigint
  static PostgresValue text(std::string_view value);                  // text
  static PostgresValue bytes(std::string_view value);                 // bytea
  static PostgresValue list(const std::vector<std::string>& values);  // bytea[]

  uint32_t type = 0;
  std::string binary;
};

/// What a statement answers: rows of cells in binary form, nothing for null.
struct PostgresRows {
  std::vector<std::vector<std::optional<std::string>>> rows;

  /// A bigint.
  [[nodiscard]] int64_t integer(std::size_t row, std::size_t column) const;
};

/// A connection: one statement after the other. The process must ignore SIGPIPE.
///
/// Errors  kUnavailable: the server cannot be reached, or the connection broke (the object is of no
///         use then); kPermissionDenied: its user, password or rights; kResourceExhausted: the
///         server is out of disk or memory; kFailedPrecondition: it is a standby; kNotFound: there
///         is no such table; kAborted: the transaction lost a race or deadlock and was rolled back;
///         kInternal: any other refusal.
/// Threads one thread at a time.
class PostgresConnection {
 public:
  struct Impl;
  /// `url`: as libpq takes it, "postgresql://user@host/database?...".
  static Result<std::unique_ptr<PostgresConnection>> connect(const std::string& url);
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  /// A statement with `$1`, `$2`, ...; prepared the first time. `statement` must be a literal.
  Result<PostgresRows> run(const char* statement, const std::vector<PostgresValue>& values = {});
  /// False once the connection broke.
  [[nodiscard]] bool usable() const;
  /// `work` in one transaction: committed when it succeeds, else rolled back. kCommitUnknown when
  /// the connection broke while it was being committed.
  Status in_transaction(const std::function<Status()>& work);

 private:
  explicit PostgresConnection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Connections to one server, kept for the next call.
///
/// Threads thread-safe.
class PostgresPool {
 public:
  explicit PostgresPool(std::string url) : url_(std::move(url)) {}

  static constexpr int kTriesMax = 5;
  using Work = std::function<Status(PostgresConnection&)>;
  /// Do `work` on a connection. What only reads is done once more, on a new connection, when a kept
  /// one turns out to be broken; all that is kAborted is done again, up to kTriesMax times.
  Status read(const Work& work);
  Status write(const Work& work);

 private:
  Result<std::unique_ptr<PostgresConnection>> take(bool* kept);
  void give_back(std::unique_ptr<PostgresConnection> connection);
  /// `work` on a taken connection, however often it loses.
  static Status try_work(PostgresConnection& connection, const Work& work);

  const std::string url_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<PostgresConnection>> idle_;
};

}  // namespace assay::online
