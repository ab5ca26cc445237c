#pragma once

#include <array>
#include <cstddef>
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

#include "base/clock.h"
#include "base/status.h"
#include "base/time.h"

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

/// Where a server is, and how long it may say nothing.
struct PostgresAddress {
  std::string url;                              // as libpq takes it
  Duration timeout{10 * kMicrosPerSecond};      // at each wait
  Duration read_timeout{kMicrosPerSecond / 2};  // the same of who is being served; no longer

  /// `postgresql://user@host/database?...&read_timeout=100ms`: what libpq takes, and the time.
  ///
  /// Errors  kInvalidArgument: the time is none.
  static Result<PostgresAddress> parse(const std::string& url);
};

/// A connection: one statement after the other. The process must ignore SIGPIPE.
///
/// Errors  kUnavailable: the server cannot be reached, or the connection broke (the object is of no
///         use then); kPermissionDenied: its user, password or rights; kResourceExhausted: the
///         server is out of disk or memory; kFailedPrecondition: it is a standby; kNotFound: there
///         is no such table; kAborted: the transaction lost a race or deadlock and was rolled back;
///         kDeadlineExceeded: it says nothing while it is connected to; kInternal: any other
///         refusal.
/// Threads one thread at a time.
class PostgresConnection {
 public:
  struct Impl;
  /// `url`: as libpq takes it, "postgresql://user@host/database?...". `timeout`: of each wait for
  /// the server, now and later; with several hosts, of each of them two seconds at least.
  static Result<std::unique_ptr<PostgresConnection>> connect(
      const std::string& url, Duration timeout = PostgresAddress{}.timeout);
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  /// A statement with `$1`, `$2`, ...; prepared the first time. `statement` must be a literal.
  Result<PostgresRows> run(const char* statement, const std::vector<PostgresValue>& values = {});
  /// False once the connection broke.
  [[nodiscard]] bool usable() const;
  /// Whether it is of no use because the server said nothing for too long.
  [[nodiscard]] bool timed_out() const;
  /// `work` in one transaction: committed when it succeeds, else rolled back. kCommitUnknown when
  /// the connection broke while it was being committed.
  Status in_transaction(const std::function<Status()>& work);

 private:
  explicit PostgresConnection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// What a server is asked for: by who writes and repairs, or by who is being served, and waits no
/// longer than the address's read_timeout.
enum class PostgresUse { kWork, kServing };

/// Connections to one server, kept for the next call.
///
/// A server that says nothing for too long is not tried again for a second: who asks meanwhile is
/// told so at once. What a writer found holds for who is served, too; not the other way round: a
/// writer would have waited longer. One that refuses connections costs no time, and is tried each
/// time.
/// Threads thread-safe.
class PostgresPool {
 public:
  PostgresPool(PostgresAddress address, Clock& clock)
      : address_(std::move(address)), clock_(clock) {}

  static constexpr int kTriesMax = 5;
  using Work = std::function<Status(PostgresConnection&)>;
  /// Do `work` on a connection. What only reads is done once more, on a new connection, when a kept
  /// one turns out to be broken; all that is kAborted is done again, up to kTriesMax times.
  Status read(PostgresUse use, const Work& work);
  Status write(const Work& work);

 private:
  /// What is kept for one use.
  struct Kept {
    std::vector<std::unique_ptr<PostgresConnection>> idle;
    int64_t again = 0;  // when to try again, monotonic microseconds
  };
  Result<std::unique_ptr<PostgresConnection>> take(PostgresUse use, bool* kept);
  void give_back(PostgresUse use, std::unique_ptr<PostgresConnection> connection);
  Kept& kept(PostgresUse use) { return kept_[static_cast<std::size_t>(use)]; }
  /// The server did not answer `use` in time.
  void note_silent(PostgresUse use);
  /// `work` on a taken connection, however often it loses.
  static Status try_work(PostgresConnection& connection, const Work& work);

  const PostgresAddress address_;
  Clock& clock_;
  std::mutex mutex_;
  std::array<Kept, 2> kept_;  // by use: they wait for different times
};

}  // namespace assay::online
