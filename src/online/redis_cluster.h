#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "online/redis_client.h"
#include "online/redis_pool.h"

// A Redis Cluster: every key is in one of 16,384 slots, and every slot on one primary. Which one is
// asked of the nodes, and asked again when one of them sends us elsewhere.
//
// Source  https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/

namespace assay::online {

inline constexpr int kRedisSlots = 16'384;

/// CRC16 (XMODEM) of a key, or of what is between its first `{` and the next `}` when that is not
/// empty, modulo the number of slots.
int redis_slot(std::string_view key);

/// Which node has which slots.
struct RedisSlots {
  static constexpr int16_t kNobody = -1;

  RedisSlots() { owners.fill(kNobody); }
  /// Whether a slot is somebody's.
  [[nodiscard]] bool has_owner(int slot) const {
    return owners[static_cast<std::size_t>(slot)] != kNobody;
  }
  [[nodiscard]] const RedisNode& owner(int slot) const {
    return nodes[static_cast<std::size_t>(owners[static_cast<std::size_t>(slot)])];
  }
  void give(int first, int last, const RedisNode& node);

  std::vector<RedisNode> nodes;  // each once, primaries only
  std::array<int16_t, kRedisSlots> owners{};
};

/// The answer to `CLUSTER SLOTS`. A node that does not know its own address is `asked`.
///
/// Errors  kUnavailable: not such an answer.
Result<RedisSlots> read_slots(const RedisReply& reply, const RedisNode& asked);

/// `MOVED 3999 host:port` or `ASK 3999 host:port`. An empty host is the one that was asked.
std::optional<RedisRedirect> read_redirect(std::string_view refusal, const std::string& asked_host);

/// Nodes of a cluster, with connections to each.
///
/// Threads thread-safe.
class RedisCluster : public std::enable_shared_from_this<RedisCluster> {
 public:
  /// `address`: some of the nodes.
  /// Errors  those of RedisConnection; kUnavailable: none of the nodes knows the slots.
  static Result<std::shared_ptr<RedisCluster>> connect(const RedisAddress& address, Clock& clock);

  /// Where the keys of a slot are. Keeps the cluster.
  std::unique_ptr<RedisRoute> route(int slot);

  /// As RedisRoute has them.
  Status read(RedisUse use, int slot, const RedisRoute::Work& work);
  Status write(int slot, const RedisRoute::Work& work);
  Result<std::vector<RedisReply>> get(RedisUse use, int slot, const std::vector<std::string>& keys);
  std::unique_ptr<PendingGet> begin_get(int slot, const std::vector<std::string>& keys);
  Status run_each(const std::vector<RedisCommand>& commands);

 private:
  RedisCluster(RedisAddress address, Clock& clock) : address_(std::move(address)), clock_(clock) {}

  enum class Use { kRead, kServe, kWrite };
  /// Do `work` where the slot is. `sent`: where the last refusal sent us, if to anywhere.
  Status follow(Use use,
                int slot,
                const RedisRoute::Work& work,
                std::optional<RedisRedirect>* sent);
  Result<RedisReply> get_one(Use use, int slot, const std::string& key);
  Result<RedisNode> owner(int slot);
  RedisPool& pool(const RedisNode& node);
  /// Ask again who has which slots, `first` before all others. `moved`: what a node just said.
  Status refresh(RedisUse use, const RedisNode& first, const std::optional<RedisRedirect>& moved);
  /// The same because a node is away, by one thread at a time and not all the time.
  void look_for_another(RedisUse use, const RedisNode& away);

  const RedisAddress address_;
  Clock& clock_;
  std::mutex mutex_;
  std::map<RedisNode, std::unique_ptr<RedisPool>> pools_;  // of all nodes ever met
  RedisSlots slots_;
  bool is_looking_ = false;  // for who has the slots of a node that is away
  int64_t look_again_ = 0;   // when, monotonic microseconds
};

}  // namespace assay::online
