#include "online/redis_cluster.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace assay::online {
namespace {

/// How often one piece of work is sent elsewhere before it is given up.
constexpr int kRedirectsMax = 5;
constexpr int kPortMax = 65'535;
constexpr int64_t kLookEvery = kMicrosPerSecond / 10;

uint16_t crc16(std::string_view bytes) {
  constexpr uint16_t kPolynomial = 0x1021;
  uint16_t crc = 0;
  for (const char byte : bytes) {
    crc = static_cast<uint16_t>(crc ^ (static_cast<uint8_t>(byte) << 8));
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc & 0x8000) != 0 ? (crc << 1) ^ kPolynomial : crc << 1);
    }
  }
  return crc;
}

/// A whole number from 0 to `max`.
std::optional<int> number(std::string_view text, int max) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 && value <= max
             ? std::optional(value)
             : std::nullopt;
}

/// Of `host, port, ...`. Nodes that do not know their name say nothing, "" or "?".
std::optional<RedisNode> read_node(const RedisReply& reply, const RedisNode& asked) {
  if (reply.list.size() < 2 || reply.list[1].integer < 1 || reply.list[1].integer > kPortMax) {
    return std::nullopt;
  }
  const std::string& host = reply.list[0].text;
  return RedisNode{host.empty() || host == "?" ? asked.host : host,
                   static_cast<int>(reply.list[1].integer)};
}

class SlotRoute : public RedisRoute {
 public:
  SlotRoute(std::shared_ptr<RedisCluster> cluster, int slot)
      : cluster_(std::move(cluster)), slot_(slot) {}

  Status read(RedisUse use, const Work& work) override { return cluster_->read(use, slot_, work); }
  Status write(const Work& work) override { return cluster_->write(slot_, work); }
  Result<std::vector<RedisReply>> get(RedisUse use, const std::vector<std::string>& keys) override {
    return cluster_->get(use, slot_, keys);
  }
  std::unique_ptr<PendingGet> begin_get(const std::vector<std::string>& keys) override {
    return cluster_->begin_get(slot_, keys);
  }
  Status run_each(const std::vector<RedisCommand>& commands) override {
    return cluster_->run_each(commands);
  }
  [[nodiscard]] bool has_all_keys() const override { return false; }

 private:
  const std::shared_ptr<RedisCluster> cluster_;  // all slots of a store have one
  const int slot_;
};

}  // namespace

int redis_slot(std::string_view key) {
  const std::size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const std::size_t close = key.find('}', open);
    if (close != std::string_view::npos && close > open + 1) {
      key = key.substr(open + 1, close - open - 1);
    }
  }
  return crc16(key) % kRedisSlots;
}

void RedisSlots::give(int first, int last, const RedisNode& node) {
  const auto found = std::find(nodes.begin(), nodes.end(), node);
  std::fill(owners.begin() + first,
            owners.begin() + last + 1,
            static_cast<int16_t>(found - nodes.begin()));
  if (found == nodes.end()) {
    nodes.push_back(node);
  }
}

Result<RedisSlots> read_slots(const RedisReply& reply, const RedisNode& asked) {
  RedisSlots slots;
  for (const RedisReply& range : reply.list) {
    const std::optional<RedisNode> node =
        range.list.size() < 3 ? std::nullopt : read_node(range.list[2], asked);
    const int64_t first = node.has_value() ? range.list[0].integer : -1;
    const int64_t last = node.has_value() ? range.list[1].integer : -1;
    if (first < 0 || last < first || last >= kRedisSlots) {
      return Status(Code::kUnavailable, "not an answer to CLUSTER SLOTS: Redis at " + asked.text());
    }
    slots.give(static_cast<int>(first), static_cast<int>(last), *node);
  }
  if (slots.nodes.empty()) {
    return Status(Code::kUnavailable,
                  "no slot of the cluster has a node: Redis at " + asked.text());
  }
  return slots;
}

std::optional<RedisRedirect> read_redirect(std::string_view refusal,
                                           const std::string& asked_host) {
  RedisRedirect redirect;
  const std::size_t end = std::min(refusal.find(' '), refusal.size());
  const std::string_view word = refusal.substr(0, end);
  redirect.is_ask = word == "ASK";
  if (word != "MOVED" && word != "ASK") {
    return std::nullopt;
  }
  refusal.remove_prefix(std::min(end + 1, refusal.size()));
  const std::size_t space = std::min(refusal.find(' '), refusal.size());
  const std::size_t colon = refusal.rfind(':');  // IPv6 has others before
  const std::optional<int> slot = number(refusal.substr(0, space), kRedisSlots - 1);
  if (!slot.has_value() || colon == std::string_view::npos || colon <= space) {
    return std::nullopt;
  }
  const std::optional<int> port = number(refusal.substr(colon + 1), kPortMax);
  const std::string_view host = refusal.substr(space + 1, colon - space - 1);
  if (!port.has_value() || *port == 0) {
    return std::nullopt;
  }
  redirect.slot = *slot;
  redirect.node = {host.empty() || host == "?" ? asked_host : std::string(host), *port};
  return redirect;
}

Result<std::shared_ptr<RedisCluster>> RedisCluster::connect(const RedisAddress& address,
                                                            Clock& clock) {
  std::shared_ptr<RedisCluster> cluster(new RedisCluster(address, clock));
  ASSAY_RETURN_IF_ERROR(cluster->refresh(RedisUse::kWork, address.node, std::nullopt));
  return cluster;
}

std::unique_ptr<RedisRoute> RedisCluster::route(int slot) {
  return std::make_unique<SlotRoute>(shared_from_this(), slot);
}

RedisPool& RedisCluster::pool(const RedisNode& node) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<RedisPool>& known = pools_[node];
  if (known == nullptr) {
    RedisAddress address = address_;
    address.node = node;
    known = std::make_unique<RedisPool>(std::move(address), clock_);
  }
  return *known;
}

Result<RedisNode> RedisCluster::owner(int slot) {
  const std::lock_guard lock(mutex_);
  if (!slots_.has_owner(slot)) {
    return Status(Code::kUnavailable,
                  "no node of the cluster has the slot just now: Redis at " + address_.text());
  }
  return slots_.owner(slot);
}

Status RedisCluster::refresh(RedisUse use,
                             const RedisNode& first,
                             const std::optional<RedisRedirect>& moved) {
  std::vector<RedisNode> nodes{first};
  {
    const std::lock_guard lock(mutex_);
    nodes.insert(nodes.end(), slots_.nodes.begin(), slots_.nodes.end());
  }
  nodes.push_back(address_.node);
  nodes.insert(nodes.end(), address_.others.begin(), address_.others.end());
  Status failure;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (std::find(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(i), nodes[i]) !=
        nodes.begin() + static_cast<std::ptrdiff_t>(i)) {
      continue;  // asked before
    }
    RedisSlots slots;
    const Status asked = pool(nodes[i]).read(use, [&](RedisConnection& redis) -> Status {
      ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies,
                             redis.run({{"CLUSTER", "SLOTS"}}));
      ASSAY_ASSIGN_OR_RETURN(slots, read_slots(replies[0], nodes[i]));
      return {};
    });
    if (!asked.ok()) {
      failure = asked;
      continue;
    }
    if (moved.has_value()) {
      slots.give(moved->slot, moved->slot, moved->node);  // who sent us knows it better
    }
    const std::lock_guard lock(mutex_);
    slots_ = std::move(slots);
    return {};
  }
  return failure;
}

Status RedisCluster::follow(Use use,
                            int slot,
                            const RedisRoute::Work& work,
                            std::optional<RedisRedirect>* sent) {
  const RedisUse for_whom = use == Use::kServe ? RedisUse::kServing : RedisUse::kWork;
  Status done;
  for (int attempt = 0; attempt < kRedirectsMax; ++attempt) {
    ASSAY_ASSIGN_OR_RETURN(const RedisNode node, owner(slot));
    const RedisRoute::Work noting = [&](RedisConnection& redis) {
      Status worked = work(redis);
      *sent = redis.take_redirect();
      return worked;
    };
    sent->reset();
    done = use == Use::kWrite ? pool(node).write(noting) : pool(node).read(for_whom, noting);
    if (done.ok()) {
      return done;
    }
    if (sent->has_value() && !(*sent)->is_ask) {
      ASSAY_RETURN_IF_ERROR(refresh(for_whom, (*sent)->node, *sent));
      continue;
    }
    if (done.code() != Code::kUnavailable || sent->has_value()) {
      return done;
    }
    // It went away, and another may have its slots by now. What was to be written may have been.
    look_for_another(for_whom, node);
    const Result<RedisNode> now = owner(slot);
    if (use == Use::kWrite || !now.ok() || *now == node) {
      return done;
    }
  }
  return done;
}

void RedisCluster::look_for_another(RedisUse use, const RedisNode& away) {
  {
    const std::lock_guard lock(mutex_);
    if (is_looking_ || clock_.monotonic().micros < look_again_) {
      return;
    }
    is_looking_ = true;
  }
  (void)refresh(use, away, std::nullopt);  // who does not know it either leaves it as it is
  const std::lock_guard lock(mutex_);
  is_looking_ = false;
  look_again_ = clock_.monotonic().micros + kLookEvery;
}

/// Those of one node at once; where one of them is refused, each follows its own slot.
Status RedisCluster::run_each(const std::vector<RedisCommand>& commands) {
  std::map<RedisNode, std::vector<RedisCommand>> by_node;
  for (const RedisCommand& command : commands) {
    ASSAY_ASSIGN_OR_RETURN(const RedisNode node, owner(redis_slot(command.at(1))));
    by_node[node].push_back(command);
  }
  for (const auto& group : by_node) {
    const std::vector<RedisCommand>& all = group.second;
    const auto run_all = [&](RedisConnection& redis) { return redis.run(all).status(); };
    if (pool(group.first).write(run_all).ok()) {
      continue;
    }
    for (const RedisCommand& command : all) {
      ASSAY_RETURN_IF_ERROR(write(redis_slot(command.at(1)), [&](RedisConnection& redis) {
        return redis.run({command}).status();
      }));
    }
  }
  return {};
}

Status RedisCluster::read(RedisUse use, int slot, const RedisRoute::Work& work) {
  std::optional<RedisRedirect> sent;
  return follow(use == RedisUse::kServing ? Use::kServe : Use::kRead, slot, work, &sent);
}

Status RedisCluster::write(int slot, const RedisRoute::Work& work) {
  std::optional<RedisRedirect> sent;
  return follow(Use::kWrite, slot, work, &sent);
}

Result<std::vector<RedisReply>> RedisCluster::get(RedisUse for_whom,
                                                  int slot,
                                                  const std::vector<std::string>& keys) {
  const Use use = for_whom == RedisUse::kServing ? Use::kServe : Use::kRead;
  RedisCommand command{"MGET"};
  command.insert(command.end(), keys.begin(), keys.end());
  std::vector<RedisReply> values;
  bool is_refused = false;
  std::optional<RedisRedirect> sent;
  const Status done = follow(
      use,
      slot,
      [&](RedisConnection& redis) -> Status {
        const Result<std::vector<RedisReply>> replies = redis.run({command});
        is_refused = !replies.ok() && redis.usable();
        ASSAY_RETURN_IF_ERROR(replies.status());
        values = replies->front().list;
        return {};
      },
      &sent);
  if (done.code() == Code::kUnavailable && is_refused) {
    // As when the slot is being moved: its keys are here and there.
    values.clear();
    for (const std::string& key : keys) {
      ASSAY_ASSIGN_OR_RETURN(RedisReply value, get_one(use, slot, key));
      values.push_back(std::move(value));
    }
    return values;
  }
  ASSAY_RETURN_IF_ERROR(done);
  if (values.size() != keys.size()) {
    return Status(Code::kInternal, "Redis answers for another number of keys");
  }
  return values;
}

std::unique_ptr<PendingGet> RedisCluster::begin_get(int slot,
                                                    const std::vector<std::string>& keys) {
  const Result<RedisNode> node = owner(slot);
  const auto again = [this, slot, keys] { return get(RedisUse::kServing, slot, keys); };
  return node.ok() ? pool(*node).begin_get(keys, again) : nullptr;
}

/// A key that is not where its slot still is has been moved already, or is nowhere.
Result<RedisReply> RedisCluster::get_one(Use use, int slot, const std::string& key) {
  RedisReply value;
  std::optional<RedisRedirect> sent;
  const Status here = follow(
      use,
      slot,
      [&](RedisConnection& redis) -> Status {
        ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies, redis.run({{"GET", key}}));
        value = replies[0];
        return {};
      },
      &sent);
  if (here.ok() || !sent.has_value() || !sent->is_ask) {
    return here.ok() ? Result<RedisReply>(std::move(value)) : here;
  }
  const RedisUse for_whom = use == Use::kServe ? RedisUse::kServing : RedisUse::kWork;
  ASSAY_RETURN_IF_ERROR(
      pool(sent->node).read(for_whom, [&](RedisConnection& redis) -> Status {
        ASSAY_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies,
                               redis.run({{"ASKING"}, {"GET", key}}));
        value = replies[1];
        return {};
      }));
  return value;
}

}  // namespace assay::online
