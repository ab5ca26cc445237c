#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"

// Redis's protocol over one connection at a time, and a pool of such connections. The adapter to
// hiredis is redis_client.cc.

namespace assay::online {

/// Where a Redis server is and how to ask it, from its URL.
struct RedisAddress {
  std::string host = "127.0.0.1";
  int port = 6379;
  std::string unix_socket;  // instead of host and port
  std::string user;         // "" for the default user
  std::string password;
  int database = 0;
  std::string prefix = "assay";  // every key of ours begins with it and `:`
  Duration timeout{10 * kMicrosPerSecond};
  std::string feast_project;  // values are also written as Feast keeps them; "" for not

  /// As messages name it: without user and password.
  [[nodiscard]] std::string text() const;
};

/// `redis://[user:password@]host[:port][/database][?prefix=...&timeout=2s&feast=PROJECT]` or
/// `redis+unix:///path/to.sock[?database=1&prefix=...]`.
///
/// Errors  kInvalidArgument: what is wrong and how to write it; `rediss://` (TLS) is not supported.
Result<RedisAddress> parse_redis_url(std::string_view url);

/// One answer of the server.
struct RedisReply {
  enum class Kind { kNothing, kInteger, kText, kList } kind = Kind::kNothing;
  int64_t integer = 0;
  std::string text;
  std::vector<RedisReply> list;
};

using RedisCommand = std::vector<std::string>;

/// A connection: a run of commands at a time. The process must ignore SIGPIPE.
///
/// Errors  kUnavailable: the server cannot be reached, or the connection broke (the object is of no
///         use then); kPermissionDenied: its user or password; kResourceExhausted: the server is
///         out of memory; kFailedPrecondition: it is a replica, or a node of a cluster that sends
///         us elsewhere; kInternal: any other refusal.
/// Threads one thread at a time.
class RedisConnection {
 public:
  struct Impl;
  static Result<std::unique_ptr<RedisConnection>> connect(const RedisAddress& address);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  /// Send all commands, then take one answer for each. The first refusal is the result, after all
  /// answers were taken, so that the connection can be used again.
  Result<std::vector<RedisReply>> run(const std::vector<RedisCommand>& commands);
  /// False once the connection broke.
  [[nodiscard]] bool usable() const;

 private:
  explicit RedisConnection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Connections to one server, kept for the next call.
///
/// Threads thread-safe.
class RedisPool {
 public:
  explicit RedisPool(RedisAddress address) : address_(std::move(address)) {}

  using Work = std::function<Status(RedisConnection&)>;
  /// Do `work` on a connection. What only reads is done once more, on a new connection, when a kept
  /// one turns out to be broken: the server may have closed it long ago.
  Status read(const Work& work);
  Status write(const Work& work);
  [[nodiscard]] const RedisAddress& address() const { return address_; }

 private:
  Result<std::unique_ptr<RedisConnection>> take(bool* kept);
  void give_back(std::unique_ptr<RedisConnection> connection);

  const RedisAddress address_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<RedisConnection>> idle_;
};

}  // namespace assay::online
