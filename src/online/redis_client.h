#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"

// Redis's protocol over one connection at a time. The adapter to hiredis is redis_client.cc.

namespace assay::online {

/// Where a process of Redis listens.
struct RedisNode {
  std::string host = "127.0.0.1";
  int port = 6379;

  auto operator<=>(const RedisNode&) const = default;
  [[nodiscard]] std::string text() const { return host + ":" + std::to_string(port); }
};

/// How connections are sealed: files in PEM form, by absolute paths.
struct RedisTls {
  std::string ca_file;      // whom to trust; "" for the machine's own
  std::string cert_file;    // who we are, for servers that ask; "" for none
  std::string key_file;     // its private key; "" where that is in cert_file
  std::string server_name;  // of whom certificates must be; "" for the host that is connected to
};

/// Where Redis is and how to ask it, from its URL.
struct RedisAddress {
  enum class Kind {
    kServer,
    kCluster,   // `node` and `others` are nodes of a cluster, some of many
    kSentinel,  // `node` and `others` are sentinels, who know where the primary is
  } kind = Kind::kServer;
  RedisNode node;
  std::vector<RedisNode> others;
  std::string primary;      // its name, for sentinels
  std::string unix_socket;  // instead of host and port
  std::string user;         // "" for the default user
  std::string password;
  std::string sentinel_user;  // of the sentinels themselves
  std::string sentinel_password;
  std::optional<RedisTls> tls;  // nothing for plain connections; of the sentinels, too
  int database = 0;
  std::string prefix = "assay";  // every key of ours begins with it and `:`
  Duration timeout{10 * kMicrosPerSecond};
  Duration read_timeout{kMicrosPerSecond / 2};  // of answers to who is served; no longer than that
  std::string feast_project;  // values are also written as Feast keeps them; "" for not
  std::string from_feast;     // the Feast project that wrote what is read here; "" for none
  std::vector<std::string> from_feast_views;  // of these only; none for all

  /// As messages name it: without user and password.
  [[nodiscard]] std::string text() const;
};

/// `redis://[user:password@]host[:port][/database][?prefix=...&timeout=2s&read_timeout=100ms&
/// feast=PROJECT]` or, instead of `feast=`, `from_feast=PROJECT[&from_feast_views=VIEW,VIEW]`,
/// `redis+unix:///path/to.sock[?database=1&prefix=...]`,
/// `redis+cluster://[user:password@]host[:port][?also=host:port&...]`, or
/// `redis+sentinel://[user:password@]host[:port]/NAME[?also=host:port&database=1&...]`, where user
/// and password are those of the servers; the sentinels' are `sentinel_user=` and
/// `sentinel_password=`, with percent-encoding. `rediss` for `redis`: inside of TLS, with
/// `ca_file=`, `cert_file=`, `key_file=` and `server_name=` as RedisTls has them.
///
/// Errors  kInvalidArgument: what is wrong and how to write it.
Result<RedisAddress> parse_redis_url(std::string_view url);

/// One answer of the server.
struct RedisReply {
  enum class Kind { kNothing, kInteger, kText, kList } kind = Kind::kNothing;
  int64_t integer = 0;
  std::string text;
  std::vector<RedisReply> list;
};

using RedisCommand = std::vector<std::string>;

/// Another node that a node of a cluster sends us to.
struct RedisRedirect {
  bool is_ask = false;  // for this once, while the slot is being moved
  int slot = 0;
  RedisNode node;
};

/// A connection: a run of commands at a time. The process must ignore SIGPIPE.
///
/// Errors  kUnavailable: the server cannot be reached, or the connection broke (the object is of no
///         use then), or a cluster has no node for it just now, or a primary found by sentinels is
///         none any more (of no use either); kPermissionDenied: its user or password;
///         kResourceExhausted: the server is out of memory; kFailedPrecondition: it is a replica,
///         or a node of a cluster, and the address says nothing of that, or its certificate is not
///         to be trusted; kInternal: any other refusal.
/// Threads one thread at a time.
class RedisConnection {
 public:
  struct Impl;
  /// To the node, or socket, of the address, whatever kind it is.
  static Result<std::unique_ptr<RedisConnection>> connect(const RedisAddress& address);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  /// Send all commands, then take one answer for each. The first refusal is the result, after all
  /// answers were taken, so that the connection can be used again.
  Result<std::vector<RedisReply>> run(const std::vector<RedisCommand>& commands);
  /// The two halves of that: with several connections all are asked before any is waited for. A
  /// connection whose answers were not taken is of no further use.
  Status send(const std::vector<RedisCommand>& commands);
  Result<std::vector<RedisReply>> receive(std::size_t count);
  /// Where the first refusal of what was sent last sent us, if to anywhere.
  std::optional<RedisRedirect> take_redirect();
  /// False once the connection broke.
  [[nodiscard]] bool usable() const;
  /// Whether it broke because the server said nothing for too long.
  [[nodiscard]] bool timed_out() const;

 private:
  explicit RedisConnection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The first reply in bytes of the protocol, as a connection would take it; nothing when it is not
/// whole, or none. For tests.
std::optional<RedisReply> read_redis_reply(std::string_view bytes);

}  // namespace assay::online
