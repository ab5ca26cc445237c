#include "online/redis_client.h"

#include <hiredis/hiredis.h>

namespace assay::online {
namespace {

/// What the server says when it refuses, as one of our codes.
Status refusal(std::string_view text, const RedisAddress& address) {
  const std::string_view word = text.substr(0, text.find(' '));
  const auto with = [&](Code code, const std::string& next) {
    return Status(code, std::string(text) + next + ": Redis at " + address.text());
  };
  if (word == "NOAUTH" || word == "WRONGPASS" || word == "NOPERM" ||
      text.find("AUTH") != std::string_view::npos) {
    return with(Code::kPermissionDenied, "; give user and password in the URL of `online`");
  }
  if (word == "OOM") {
    return with(Code::kResourceExhausted, "; raise its maxmemory");
  }
  if (word == "READONLY") {
    return with(Code::kFailedPrecondition, "; name the primary in the URL of `online`");
  }
  if (word == "MOVED" || word == "ASK" || word == "CROSSSLOT" || word == "CLUSTERDOWN") {
    return with(Code::kFailedPrecondition,
                "; nodes of a Redis Cluster are not supported, name a single server");
  }
  if (word == "LOADING" || word == "BUSY" || word == "TRYAGAIN" || word == "MASTERDOWN") {
    return with(Code::kUnavailable, "; try again in a moment");
  }
  return with(Code::kInternal, "");
}

RedisReply copy(const redisReply& from) {
  RedisReply reply;
  switch (from.type) {
    case REDIS_REPLY_INTEGER:
      reply.kind = RedisReply::Kind::kInteger;
      reply.integer = from.integer;
      break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      reply.kind = RedisReply::Kind::kText;
      reply.text.assign(from.str, static_cast<std::size_t>(from.len));
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = RedisReply::Kind::kList;
      for (std::size_t i = 0; i < from.elements; ++i) {
        reply.list.push_back(copy(*from.element[i]));
      }
      break;
    default:
      break;
  }
  return reply;
}

}  // namespace

struct RedisConnection::Impl {
  RedisAddress address;
  redisContext* context = nullptr;

  ~Impl() {
    if (context != nullptr) {
      redisFree(context);
    }
  }
  [[nodiscard]] Status broken() const {
    return {Code::kUnavailable,
            std::string(context == nullptr ? "no memory" : context->errstr) + ": Redis at " +
                address.text()};
  }
};

RedisConnection::RedisConnection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RedisConnection::~RedisConnection() = default;

bool RedisConnection::usable() const {
  return impl_->context != nullptr && impl_->context->err == 0;
}

Result<std::unique_ptr<RedisConnection>> RedisConnection::connect(const RedisAddress& address) {
  auto impl = std::make_unique<Impl>();
  impl->address = address;
  const timeval timeout{address.timeout.micros / kMicrosPerSecond,
                        address.timeout.micros % kMicrosPerSecond};
  impl->context = address.unix_socket.empty()
                      ? redisConnectWithTimeout(address.host.c_str(), address.port, timeout)
                      : redisConnectUnixWithTimeout(address.unix_socket.c_str(), timeout);
  if (impl->context == nullptr || impl->context->err != 0) {
    return impl->broken();
  }
  redisSetTimeout(impl->context, timeout);
  if (address.unix_socket.empty()) {
    redisEnableKeepAlive(impl->context);
  }
  std::unique_ptr<RedisConnection> connection(new RedisConnection(std::move(impl)));
  std::vector<RedisCommand> greeting;
  if (!address.password.empty()) {
    greeting.push_back(address.user.empty() ? RedisCommand{"AUTH", address.password}
                                            : RedisCommand{"AUTH", address.user, address.password});
  }
  greeting.push_back({"SELECT", std::to_string(address.database)});
  ASSAY_RETURN_IF_ERROR(connection->run(greeting).status());
  return connection;
}

Result<std::vector<RedisReply>> RedisConnection::run(const std::vector<RedisCommand>& commands) {
  std::vector<const char*> words;
  std::vector<std::size_t> sizes;
  for (const RedisCommand& command : commands) {
    words.clear();
    sizes.clear();
    for (const std::string& word : command) {
      words.push_back(word.data());
      sizes.push_back(word.size());
    }
    if (redisAppendCommandArgv(
            impl_->context, static_cast<int>(words.size()), words.data(), sizes.data()) !=
        REDIS_OK) {
      return impl_->broken();
    }
  }
  std::vector<RedisReply> replies;
  replies.reserve(commands.size());
  Status refused;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    void* taken = nullptr;
    if (redisGetReply(impl_->context, &taken) != REDIS_OK) {
      return impl_->broken();
    }
    const std::unique_ptr<redisReply, decltype(&freeReplyObject)> reply(
        static_cast<redisReply*>(taken), freeReplyObject);
    if (reply->type == REDIS_REPLY_ERROR) {
      if (refused.ok()) {
        refused = refusal({reply->str, static_cast<std::size_t>(reply->len)}, impl_->address);
      }
      replies.emplace_back();
    } else {
      replies.push_back(copy(*reply));
    }
  }
  if (!refused.ok()) {
    return refused;
  }
  return replies;
}

Result<std::unique_ptr<RedisConnection>> RedisPool::take(bool* kept) {
  {
    const std::lock_guard lock(mutex_);
    *kept = !idle_.empty();
    if (*kept) {
      std::unique_ptr<RedisConnection> connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  return RedisConnection::connect(address_);
}

void RedisPool::give_back(std::unique_ptr<RedisConnection> connection) {
  const std::lock_guard lock(mutex_);
  if (connection->usable()) {
    idle_.push_back(std::move(connection));
  } else {
    idle_.clear();  // the server went away: the others are broken too
  }
}

Status RedisPool::read(const Work& work) {
  bool kept = true;
  Status done;
  while (kept) {
    ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<RedisConnection> connection, take(&kept));
    done = work(*connection);
    kept = kept && !connection->usable();
    give_back(std::move(connection));
  }
  return done;
}

Status RedisPool::write(const Work& work) {
  bool kept = false;
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<RedisConnection> connection, take(&kept));
  Status done = work(*connection);
  give_back(std::move(connection));
  return done;
}

}  // namespace assay::online
