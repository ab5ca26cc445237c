#include "online/redis_client.h"

#include <cerrno>
#include <utility>

#include <hiredis/hiredis.h>

#include "online/redis_cluster.h"
#include "online/redis_tls.h"

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
  if (word == "READONLY" && address.kind == RedisAddress::Kind::kServer) {
    return with(Code::kFailedPrecondition, "; name the primary in the URL of `online`");
  }
  const bool of_cluster = word == "MOVED" || word == "ASK" || word == "CLUSTERDOWN";
  if (of_cluster && address.kind != RedisAddress::Kind::kCluster) {
    return with(Code::kFailedPrecondition,
                "; it is a node of a Redis Cluster, write redis+cluster:// for redis://");
  }
  if (of_cluster || word == "LOADING" || word == "BUSY" || word == "TRYAGAIN" ||
      word == "MASTERDOWN" || word == "READONLY") {
    return with(Code::kUnavailable, "; try again in a moment");
  }
  return with(Code::kInternal, "");
}

/// Refusals inside of lists count as nothing.
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
  std::unique_ptr<RedisTlsSession> tls;  // then the context is the socket and the reader only
  bool tls_broke = false;
  bool answered = false;  // once at least
  std::optional<RedisRedirect> redirect;
  bool demoted = false;    // a primary that has become a replica
  bool timed_out = false;  // the server said nothing for too long

  ~Impl() {
    if (context != nullptr) {
      redisFree(context);
    }
  }
  /// Take note of what a refusal says of others.
  void note(std::string_view text) {
    if (!redirect.has_value()) {
      redirect = read_redirect(text, address.node.host);
    }
    demoted = demoted || text.substr(0, text.find(' ')) == "READONLY";
  }
  Status broken() {
    note_time_out();
    return {Code::kUnavailable,
            std::string(context == nullptr ? "no memory" : context->errstr) + ": Redis at " +
                address.text()};
  }
  Status broken(const Status& inside_tls) {
    note_time_out();
    tls_broke = true;
    return {inside_tls.code(), inside_tls.message() + ": Redis at " + address.text()};
  }
  void note_time_out() {
    timed_out = errno == EAGAIN || errno == EWOULDBLOCK || errno == ETIMEDOUT;
  }
  Status send_plain(const RedisCommand& command);
  Status send_inside_tls(const std::vector<RedisCommand>& commands);
  /// The next answer, waited for.
  Status take(void** reply);
};

namespace {

/// A command's words as hiredis takes them.
struct Words {
  explicit Words(const RedisCommand& command) {
    for (const std::string& word : command) {
      texts.push_back(word.data());
      sizes.push_back(word.size());
    }
  }
  [[nodiscard]] int count() const { return static_cast<int>(texts.size()); }
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
};

}  // namespace

Status RedisConnection::Impl::send_plain(const RedisCommand& command) {
  Words words(command);
  return redisAppendCommandArgv(context, words.count(), words.texts.data(), words.sizes.data()) ==
                 REDIS_OK
             ? Status()
             : broken();
}

Status RedisConnection::Impl::send_inside_tls(const std::vector<RedisCommand>& commands) {
  std::string bytes;
  for (const RedisCommand& command : commands) {
    Words words(command);
    char* text = nullptr;
    const int size =
        redisFormatCommandArgv(&text, words.count(), words.texts.data(), words.sizes.data());
    if (size < 0) {
      return broken(Status(Code::kUnavailable, "no memory"));
    }
    bytes.append(text, static_cast<std::size_t>(size));
    redisFreeCommand(text);
  }
  const Status sent = tls->write(bytes);
  return sent.ok() ? Status() : broken(sent);
}

Status RedisConnection::Impl::take(void** reply) {
  if (tls == nullptr) {
    if (redisGetReply(context, reply) == REDIS_OK) {
      answered = true;
      return {};
    }
    const Status status = broken();
    // A port of TLS answers plain words with an alert, or not at all.
    const bool may_be_tls = !answered && !timed_out && address.unix_socket.empty();
    return may_be_tls ? Status(status.code(),
                               status.message() +
                                   "; where that port speaks TLS, write rediss:// for redis://")
                      : status;
  }
  for (;;) {
    if (redisReaderGetReply(context->reader, reply) != REDIS_OK) {
      errno = 0;
      return broken(Status(Code::kUnavailable, context->reader->errstr));
    }
    if (*reply != nullptr) {
      return {};
    }
    char bytes[16 * 1024];
    const Result<std::size_t> some = tls->read(bytes, sizeof bytes);
    if (!some.ok()) {
      return broken(some.status());
    }
    redisReaderFeed(context->reader, bytes, *some);
  }
}

RedisConnection::RedisConnection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RedisConnection::~RedisConnection() = default;

bool RedisConnection::usable() const {
  return impl_->context != nullptr && impl_->context->err == 0 && !impl_->tls_broke &&
         !impl_->demoted;
}

bool RedisConnection::timed_out() const {
  return impl_->timed_out;
}

std::optional<RedisRedirect> RedisConnection::take_redirect() {
  return std::exchange(impl_->redirect, std::nullopt);
}

Result<std::unique_ptr<RedisConnection>> RedisConnection::connect(const RedisAddress& address) {
  auto impl = std::make_unique<Impl>();
  impl->address = address;
  const timeval timeout{address.timeout.micros / kMicrosPerSecond,
                        address.timeout.micros % kMicrosPerSecond};
  impl->context =
      address.unix_socket.empty()
          ? redisConnectWithTimeout(address.node.host.c_str(), address.node.port, timeout)
          : redisConnectUnixWithTimeout(address.unix_socket.c_str(), timeout);
  if (impl->context == nullptr || impl->context->err != 0) {
    return impl->broken();
  }
  redisSetTimeout(impl->context, timeout);
  if (address.unix_socket.empty()) {
    redisEnableKeepAlive(impl->context);
  }
  if (address.tls.has_value()) {
    auto agreed = RedisTlsSession::agree(impl->context->fd, *address.tls, address.node.host);
    if (!agreed.ok()) {
      return impl->broken(agreed.status());
    }
    impl->tls = std::move(agreed).value();
  }
  std::unique_ptr<RedisConnection> connection(new RedisConnection(std::move(impl)));
  std::vector<RedisCommand> greeting;
  if (!address.password.empty()) {
    greeting.push_back(address.user.empty() ? RedisCommand{"AUTH", address.password}
                                            : RedisCommand{"AUTH", address.user, address.password});
  }
  if (address.database != 0) {  // sentinels do not know the word
    greeting.push_back({"SELECT", std::to_string(address.database)});
  }
  if (address.tls.has_value() && greeting.empty()) {
    greeting.push_back({"PING"});  // whether it takes our certificate it says behind the agreement
  }
  ASSAY_RETURN_IF_ERROR(connection->run(greeting).status());
  return connection;
}

Result<std::vector<RedisReply>> RedisConnection::run(const std::vector<RedisCommand>& commands) {
  ASSAY_RETURN_IF_ERROR(send(commands));
  return receive(commands.size());
}

Status RedisConnection::send(const std::vector<RedisCommand>& commands) {
  impl_->redirect.reset();
  errno = 0;
  if (impl_->tls != nullptr) {
    return impl_->send_inside_tls(commands);
  }
  for (const RedisCommand& command : commands) {
    ASSAY_RETURN_IF_ERROR(impl_->send_plain(command));
  }
  for (int all = 0; all == 0;) {
    if (redisBufferWrite(impl_->context, &all) != REDIS_OK) {
      return impl_->broken();
    }
  }
  return {};
}

Result<std::vector<RedisReply>> RedisConnection::receive(std::size_t count) {
  errno = 0;
  std::vector<RedisReply> replies;
  replies.reserve(count);
  Status refused;
  for (std::size_t i = 0; i < count; ++i) {
    void* taken = nullptr;
    ASSAY_RETURN_IF_ERROR(impl_->take(&taken));
    const std::unique_ptr<redisReply, decltype(&freeReplyObject)> reply(
        static_cast<redisReply*>(taken), freeReplyObject);
    if (reply->type == REDIS_REPLY_ERROR) {
      const std::string_view text(reply->str, static_cast<std::size_t>(reply->len));
      impl_->note(text);
      if (refused.ok()) {
        refused = refusal(text, impl_->address);
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

std::optional<RedisReply> read_redis_reply(std::string_view bytes) {
  const std::unique_ptr<redisReader, decltype(&redisReaderFree)> reader(redisReaderCreate(),
                                                                        redisReaderFree);
  void* taken = nullptr;
  if (redisReaderFeed(reader.get(), bytes.data(), bytes.size()) != REDIS_OK ||
      redisReaderGetReply(reader.get(), &taken) != REDIS_OK || taken == nullptr) {
    return std::nullopt;
  }
  const std::unique_ptr<redisReply, decltype(&freeReplyObject)> reply(
      static_cast<redisReply*>(taken), freeReplyObject);
  return copy(*reply);
}

}  // namespace assay::online
