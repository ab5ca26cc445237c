#include "online/redis_pool.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace assay::online {
namespace {

constexpr int64_t kPause = kMicrosPerSecond;
constexpr int64_t kSentinelPause = 30 * kMicrosPerSecond;

/// Of a sentinel: it has no databases, and users of its own.
RedisAddress sentinel_address(const RedisAddress& address, const RedisNode& node) {
  RedisAddress sentinel;
  sentinel.node = node;
  sentinel.timeout = address.timeout;
  sentinel.user = address.sentinel_user;
  sentinel.password = address.sentinel_password;
  sentinel.tls = address.tls;
  return sentinel;
}

/// Why a sentinel did not say, and whose password it wants.
Status not_said(const Status& why) {
  return Status(why.code(),
                why.message() +
                    (why.code() == Code::kPermissionDenied
                         ? "; that of the sentinels is `sentinel_password=`, with `sentinel_user=` "
                           "where they have users"
                         : ""))
      .with_context("ask a sentinel");
}

}  // namespace

Result<RedisNode> read_primary(const RedisReply& reply, const std::string& name) {
  if (reply.kind == RedisReply::Kind::kNothing) {
    return Status(Code::kNotFound,
                  "the sentinels know no primary of this name; write "
                  "redis+sentinel://host:26379/NAME: " +
                      name);
  }
  int port = 0;
  if (reply.list.size() == 2) {
    const std::string& text = reply.list[1].text;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    port = error == std::errc() && end == text.data() + text.size() ? port : 0;
  }
  if (port < 1 || port > 65535 || reply.list[0].text.empty()) {
    return Status(Code::kUnavailable, "a sentinel says no place of the primary " + name);
  }
  return RedisNode{reply.list[0].text, port};
}

Result<std::unique_ptr<RedisConnection>> RedisPool::connect_to_primary(
    const RedisAddress& address) {
  std::vector<RedisNode> sentinels{address.node};
  sentinels.insert(sentinels.end(), address.others.begin(), address.others.end());
  Status failure;
  bool is_told = false;
  for (const auto& [number, is_silent] : sentinels_in_turn(sentinels.size())) {
    if (is_silent && is_told) {
      break;  // it is not waited for when others say where the primary is
    }
    const auto asked = RedisConnection::connect(sentinel_address(address, sentinels[number]));
    if (!asked.ok()) {
      note_silent(number);
      failure = not_said(asked.status());
      continue;
    }
    const auto replies = (*asked)->run({{"SENTINEL", "get-master-addr-by-name", address.primary}});
    if (!replies.ok()) {
      note_silent(number);
      failure = not_said(replies.status());
      continue;
    }
    const Result<RedisNode> node = read_primary(replies->front(), address.primary);
    if (!node.ok()) {
      failure = node.status();
      continue;
    }
    is_told = true;
    RedisAddress primary = address;
    primary.node = *node;
    // One that is cut off from the others may name who was it before.
    auto connection = RedisConnection::connect(primary);
    if (!connection.ok()) {
      failure = connection.status();
      continue;
    }
    const auto role = (*connection)->run({{"ROLE"}});
    if (!role.ok() || role->front().list.empty() || role->front().list[0].text != "master") {
      failure =
          role.ok()
              ? Status(Code::kUnavailable,
                       "the server that a sentinel names is no primary: Redis at " + node->text())
              : role.status();
      continue;
    }
    const std::lock_guard lock(mutex_);
    sentinel_ = number;
    return std::move(connection).value();
  }
  return failure;
}

std::vector<std::pair<std::size_t, bool>> RedisPool::sentinels_in_turn(std::size_t count) {
  const std::lock_guard lock(mutex_);
  silent_until_.resize(count, 0);
  std::vector<std::pair<std::size_t, bool>> turns;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t number = (sentinel_ + i) % count;
    turns.emplace_back(number, clock_.monotonic().micros < silent_until_[number]);
  }
  std::stable_partition(turns.begin(), turns.end(), [](const auto& turn) { return !turn.second; });
  return turns;
}

void RedisPool::note_silent(std::size_t sentinel) {
  const std::lock_guard lock(mutex_);
  silent_until_[sentinel] = clock_.monotonic().micros + kSentinelPause;
}

Status RedisPool::known_unreachable(RedisUse use) {
  const std::lock_guard lock(mutex_);
  return clock_.monotonic().micros < kept(use).again ? kept(use).unreachable : Status();
}

std::span<RedisPool::Kept> RedisPool::concerned(RedisUse use) {
  return use == RedisUse::kServing ? std::span(&kept(use), 1) : std::span(kept_);
}

void RedisPool::note_unreachable(RedisUse use, const Status& why) {
  for (Kept& kept : concerned(use)) {
    kept.unreachable = why;
    kept.again = clock_.monotonic().micros + kPause;
  }
}

Result<std::unique_ptr<RedisConnection>> RedisPool::connect(RedisUse use) {
  ASSAY_RETURN_IF_ERROR(known_unreachable(use));
  RedisAddress address = address_;
  if (use == RedisUse::kServing) {
    address.timeout.micros = std::min(address.timeout.micros, address.read_timeout.micros);
  }
  Result<std::unique_ptr<RedisConnection>> made = address.kind == RedisAddress::Kind::kSentinel
                                                      ? connect_to_primary(address)
                                                      : RedisConnection::connect(address);
  const std::lock_guard lock(mutex_);
  if (made.code() == Code::kUnavailable) {
    note_unreachable(use, made.status());
  }
  return made;
}

Result<std::unique_ptr<RedisConnection>> RedisPool::take(RedisUse use, bool* kept) {
  {
    const std::lock_guard lock(mutex_);
    std::vector<std::unique_ptr<RedisConnection>>& idle = this->kept(use).idle;
    *kept = !idle.empty();
    if (*kept) {
      std::unique_ptr<RedisConnection> connection = std::move(idle.back());
      idle.pop_back();
      return connection;
    }
  }
  return connect(use);
}

void RedisPool::give_back(RedisUse use, std::unique_ptr<RedisConnection> connection) {
  const std::lock_guard lock(mutex_);
  if (connection->usable()) {
    kept(use).idle.push_back(std::move(connection));
    return;
  }
  if (connection->timed_out()) {
    note_unreachable(
        use, {Code::kUnavailable, "it did not answer in time: Redis at " + address_.text()});
  }
  // One that went away broke the others, too.
  for (Kept& kept : connection->timed_out() ? concerned(use) : std::span(kept_)) {
    kept.idle.clear();
  }
}

Status RedisPool::read(RedisUse use, const Work& work) {
  bool kept = true;
  Status done;
  while (kept) {
    ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<RedisConnection> connection, take(use, &kept));
    done = work(*connection);
    kept = kept && !connection->usable();
    give_back(use, std::move(connection));
  }
  return done;
}

Status RedisPool::write(const Work& work) {
  bool kept = false;
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<RedisConnection> connection, take(RedisUse::kWork, &kept));
  Status done = work(*connection);
  give_back(RedisUse::kWork, std::move(connection));
  return done;
}

class RedisPool::Pending : public PendingGet {
 public:
  Pending(RedisPool& pool,
          std::unique_ptr<RedisConnection> connection,
          std::size_t keys,
          Again again)
      : pool_(pool), connection_(std::move(connection)), keys_(keys), again_(std::move(again)) {}

  Result<std::vector<RedisReply>> finish() override {
    // While one was waited for in vain the others were not answered either.
    ASSAY_RETURN_IF_ERROR(pool_.known_unreachable(RedisUse::kServing));
    Result<std::vector<RedisReply>> replies = connection_->receive(1);
    (void)connection_->take_redirect();  // asked again it says so again
    pool_.give_back(RedisUse::kServing, std::move(connection_));
    ASSAY_RETURN_IF_ERROR(pool_.known_unreachable(RedisUse::kServing));
    if (!replies.ok() || replies->front().list.size() != keys_) {
      return again_();
    }
    return std::move(replies->front().list);
  }

 private:
  RedisPool& pool_;
  std::unique_ptr<RedisConnection> connection_;
  const std::size_t keys_;
  const Again again_;
};

std::unique_ptr<PendingGet> RedisPool::begin_get(const std::vector<std::string>& keys,
                                                 Again again) {
  bool kept = false;
  Result<std::unique_ptr<RedisConnection>> connection = take(RedisUse::kServing, &kept);
  RedisCommand command{"MGET"};
  command.insert(command.end(), keys.begin(), keys.end());
  if (!connection.ok() || !(*connection)->send({command}).ok()) {
    return nullptr;
  }
  return std::make_unique<Pending>(
      *this, std::move(connection).value(), keys.size(), std::move(again));
}

Result<std::vector<RedisReply>> RedisPool::get(RedisUse use, const std::vector<std::string>& keys) {
  RedisCommand command{"MGET"};
  command.insert(command.end(), keys.begin(), keys.end());
  std::vector<RedisReply> values;
  const Status done = read(use, [&](RedisConnection& redis) -> Status {
    ASSAY_ASSIGN_OR_RETURN(std::vector<RedisReply> replies, redis.run({command}));
    values = std::move(replies[0].list);
    return {};
  });
  ASSAY_RETURN_IF_ERROR(done);
  if (values.size() != keys.size()) {
    return Status(Code::kInternal, "Redis answers for another number of keys");
  }
  return values;
}

Status RedisPool::run_each(const std::vector<RedisCommand>& commands) {
  return commands.empty()
             ? Status()
             : write([&](RedisConnection& redis) { return redis.run(commands).status(); });
}

}  // namespace assay::online
