#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "online/redis_client.h"

namespace assay::online {

/// Keys that are being asked for. What is not finished costs its connection.
class PendingGet {
 public:
  virtual ~PendingGet() = default;
  /// What RedisRoute::get answers; once.
  virtual Result<std::vector<RedisReply>> finish() = 0;
};

/// What a server is asked for: by who writes and repairs, or by who is being served, and waits no
/// longer than the address's read_timeout.
enum class RedisUse { kWork, kServing };

/// Where the keys of one transaction are: a server, or one slot of a cluster.
///
/// Threads thread-safe.
class RedisRoute {
 public:
  virtual ~RedisRoute() = default;

  using Work = std::function<Status(RedisConnection&)>;
  /// Do `work` on a connection. What only reads is done once more, on a new connection, when a kept
  /// one turns out to be broken: the server may have closed it long ago. In a cluster both are done
  /// again where a node that refused sends us, since nothing was done then.
  virtual Status read(RedisUse use, const Work& work) = 0;
  virtual Status write(const Work& work) = 0;
  /// Values of keys, in their order, all of one state; only while a slot of a cluster is being
  /// moved they are asked for one by one.
  virtual Result<std::vector<RedisReply>> get(RedisUse use,
                                              const std::vector<std::string>& keys) = 0;
  /// get() for who is being served in two steps, so that several may be on their way; nothing when
  /// it cannot be begun.
  virtual std::unique_ptr<PendingGet> begin_get(const std::vector<std::string>& keys) = 0;
  /// Commands whose first word after their name is a key, wherever that key is. Done in order, not
  /// all or none.
  virtual Status run_each(const std::vector<RedisCommand>& commands) = 0;
  /// Whether one transaction may have any keys, not only those of the slot.
  [[nodiscard]] virtual bool has_all_keys() const = 0;
};

/// Connections to one server, kept for the next call. With an address of sentinels: to the server
/// that they name as the primary when a connection is made.
///
/// A server that cannot be reached, or says nothing for too long, is not tried again for a second:
/// who asks meanwhile is told so at once, and does not wait for another timeout. What a writer
/// found holds for who is served, too; not the other way round: a writer would have waited longer.
/// A sentinel that did not answer is asked last for half a minute, and not when another has.
/// Threads thread-safe.
class RedisPool : public RedisRoute {
 public:
  RedisPool(RedisAddress address, Clock& clock) : address_(std::move(address)), clock_(clock) {}

  Status read(RedisUse use, const Work& work) override;
  Status write(const Work& work) override;
  Result<std::vector<RedisReply>> get(RedisUse use, const std::vector<std::string>& keys) override;
  std::unique_ptr<PendingGet> begin_get(const std::vector<std::string>& keys) override {
    return begin_get(keys, [this, keys] { return get(RedisUse::kServing, keys); });
  }
  Status run_each(const std::vector<RedisCommand>& commands) override;
  [[nodiscard]] bool has_all_keys() const override { return true; }

  using Again = std::function<Result<std::vector<RedisReply>>()>;
  /// The same; what the connection does not give is answered by `again`.
  std::unique_ptr<PendingGet> begin_get(const std::vector<std::string>& keys, Again again);

 private:
  class Pending;
  Result<std::unique_ptr<RedisConnection>> take(RedisUse use, bool* kept);
  Result<std::unique_ptr<RedisConnection>> connect(RedisUse use);
  Result<std::unique_ptr<RedisConnection>> connect_to_primary(const RedisAddress& address);
  /// All sentinels as they are to be asked, and which of them did not answer lately: they are last.
  std::vector<std::pair<std::size_t, bool>> sentinels_in_turn(std::size_t count);
  void note_silent(std::size_t sentinel);
  void give_back(RedisUse use, std::unique_ptr<RedisConnection> connection);
  /// What is kept for one use.
  struct Kept {
    std::vector<std::unique_ptr<RedisConnection>> idle;
    Status unreachable;  // as it was found
    int64_t again = 0;   // when to try again, monotonic microseconds
  };
  Kept& kept(RedisUse use) { return kept_[static_cast<std::size_t>(use)]; }
  /// Those for which it holds that the server did not answer `use` in time.
  std::span<Kept> concerned(RedisUse use);
  void note_unreachable(RedisUse use, const Status& why);
  [[nodiscard]] Status known_unreachable(RedisUse use);

  const RedisAddress address_;
  Clock& clock_;
  std::mutex mutex_;
  std::array<Kept, 2> kept_;           // by use: they wait for different times
  std::size_t sentinel_ = 0;           // that answered last
  std::vector<int64_t> silent_until_;  // sentinels that did not answer, monotonic microseconds
};

/// Where a sentinel says that the primary is, from its answer to `SENTINEL
/// get-master-addr-by-name`.
///
/// Errors  kNotFound: it knows none of that name; kUnavailable: not such an answer.
Result<RedisNode> read_primary(const RedisReply& reply, const std::string& name);

}  // namespace assay::online
