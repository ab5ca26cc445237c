// The one file that speaks grpc++. Messages pass through as bytes: no generated code.

#include "serve/grpc_server.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <fcntl.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/support/byte_buffer.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/process.h"
#include "data/protobuf.h"
#include "serve/body_text.h"
#include "serve/connection_watch.h"
#include "serve/grpc_health.h"
#include "serve/http_head.h"
#include "serve/listener.h"
#include "serve/owned_socket.h"
#include "serve/repeated_call.h"
#include "serve/slow_requests.h"

namespace assay::serve {
namespace {

constexpr int64_t kDrainMicrosMax = 5'000'000;

std::string bytes_of(const grpc::ByteBuffer& buffer) {
  grpc::Slice all;
  const bool is_there = buffer.DumpToSingleSlice(&all).ok();
  return is_there ? std::string(reinterpret_cast<const char*>(all.begin()), all.size()) : "";
}

/// The same bytes, which live as long as the slice.
grpc::Slice slice_of(std::string bytes) {
  constexpr std::size_t kCopiedMax = 1024;  // more costs more than another allocation
  if (bytes.size() <= kCopiedMax) {
    const grpc::Slice copy(bytes.data(), bytes.size());
    SpareBodies::of_thread().give(&bytes);
    return copy;
  }
  auto kept = std::make_unique<std::string>(std::move(bytes));
  char* const begin = kept->data();
  const std::size_t size = kept->size();
  const auto free = [](void* text) {
    const std::unique_ptr<std::string> done(static_cast<std::string*>(text));
    SpareBodies::of_thread().give(done.get());  // threads that answer are those that send
  };
  return {begin, size, free, kept.release()};
}

/// Value of a call's metadata, "" when it is not there.
std::string metadata_of(const grpc::GenericCallbackServerContext& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  return found == context.client_metadata().end()
             ? ""
             : std::string(found->second.data(), found->second.size());
}

/// Of the client's certificate, in the order of TlsChannel::peer_names.
PeerNames peer_names_of(const grpc::GenericCallbackServerContext& context) {
  PeerNames names;
  const auto authenticated = context.auth_context();  // of a certificate that was verified
  if (authenticated == nullptr) {
    return names;
  }
  for (const auto& [property, kind] : {std::pair{GRPC_PEER_URI_PROPERTY_NAME, "uri:"},
                                       std::pair{GRPC_PEER_DNS_PROPERTY_NAME, "dns:"},
                                       std::pair{GRPC_PEER_EMAIL_PROPERTY_NAME, "email:"},
                                       std::pair{GRPC_X509_SUBJECT_PROPERTY_NAME, "subject:"}}) {
    for (const grpc::string_ref& value : authenticated->FindPropertyValues(property)) {
      names.push_back(kind + std::string(value.data(), value.size()));
    }
  }
  return names;
}

/// Credentials of a server whose certificate may be another one for each connection.
class RotatingCredentials : public grpc::ServerCredentials {
 public:
  explicit RotatingCredentials(TlsSource source) : source_(std::move(source)) {
    const bool knows_clients = !source_()->texts().client_ca.path.empty();
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            knows_clients ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                          : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
            &RotatingCredentials::fetch,
            this));
  }
  ~RotatingCredentials() override { grpc_server_credentials_release(credentials_); }
  RotatingCredentials(const RotatingCredentials&) = delete;
  RotatingCredentials& operator=(const RotatingCredentials&) = delete;

  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }
  /// Called for each connection, before its handshake.
  static grpc_ssl_certificate_config_reload_status fetch(
      void* user, grpc_ssl_server_certificate_config** config) {
    auto* self = static_cast<RotatingCredentials*>(user);
    const std::lock_guard lock(self->mutex_);
    std::shared_ptr<const TlsIdentity> now = self->source_();
    if (now == self->known_) {
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    const TlsTexts& texts = now->texts();
    const grpc_ssl_pem_key_cert_pair pair{texts.key.pem.c_str(), texts.certificate.pem.c_str()};
    // gRPC ends the process when there are no authorities, also where it asks no client for a
    // certificate: then its own stand there, and are asked for nothing.
    const TlsTexts::Text& authorities =
        texts.client_ca.path.empty() ? texts.certificate : texts.client_ca;
    *config = grpc_ssl_server_certificate_config_create(authorities.pem.c_str(), &pair, 1);
    if (*config == nullptr) {
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
    }
    self->known_ = std::move(now);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const TlsSource source_;
  std::mutex mutex_;
  std::shared_ptr<const TlsIdentity> known_;
  grpc_server_credentials* credentials_ = nullptr;
};

constexpr char kCiphersName[] = "GRPC_SSL_CIPHER_SUITES";
constexpr char kNoCipher[] = "PSK-AES256-GCM-SHA384";

Result<std::shared_ptr<grpc::ServerCredentials>> credentials_of(const TlsSource& source) {
  if (!source) {
    return grpc::InsecureServerCredentials();
  }
  if (environment_variable(kCiphersName) != kNoCipher) {
    return Status(Code::kFailedPrecondition,
                  "gRPC would speak TLS 1.2: refuse_old_tls() was not called");
  }
  return std::shared_ptr<grpc::ServerCredentials>(std::make_shared<RotatingCredentials>(source));
}

int64_t monotonic_micros() {
  const gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1000;
}

constexpr int kUrgentMax = 128;
constexpr char kLeftAlone[] = "the client waits no more";

/// Methods that are declared to take one message: its answer ends the call, in one step.
bool is_unary(std::string_view method) {
  return method.starts_with("/feast.") || method.starts_with("/assay.") || method == kHealthCheck;
}

/// A supervisor must not end a process because it is busy.
bool is_urgent(std::string_view method) {
  return method == kHealthCheck;
}

/// google.rpc.Status with a RetryInfo: the error details that clients of gRPC look for.
std::string retry_details(grpc::StatusCode code, const std::string& message, int64_t micros) {
  std::string info;
  data::ProtoWriter(info).bytes(1, data::proto_seconds(micros));
  std::string any;
  data::ProtoWriter any_writer(any);
  any_writer.bytes(1, "type.googleapis.com/google.rpc.RetryInfo");
  any_writer.bytes(2, info);
  std::string status;
  data::ProtoWriter writer(status);
  writer.integer(1, code);
  writer.bytes(2, message);
  writer.bytes(3, any);
  return status;
}

/// A refusal of what may be asked again soon: after as long as HTTP's Retry-After says.
grpc::Status not_now(grpc::GenericCallbackServerContext& context,
                     grpc::StatusCode code,
                     const std::string& message) {
  constexpr int64_t kRetryAfter = kMicrosPerSecond;
  context.AddTrailingMetadata("grpc-retry-pushback-ms", std::to_string(kRetryAfter / 1000));
  return {code, message, retry_details(code, message, kRetryAfter)};
}

grpc::StatusCode code_of(const Status& status) {
  return static_cast<grpc::StatusCode>(grpc_status(status.code()));
}

/// An answer, whatever a library throws in it: through here it would end the process.
template <typename Answer>
std::optional<Result<GrpcReply>> answer_safely(const Answer& answer) {
  try {
    return answer();
  } catch (const std::exception&) {  // only libraries throw, and memory may run out
    return Status(Code::kInternal, "Internal Server Error");
  }
}

/// What all calls of a server have in common.
struct Calls {
  Calls(Metrics& metrics, GrpcHandler the_handler, const GrpcOptions& the_options)
      : handler(std::move(the_handler)),
        options(the_options),
        shed(
            metrics.counter("assay_serve_grpc_shed_total",
                            "Calls refused because there were too many, or they waited too long.")),
        late(metrics.counter("assay_serve_grpc_late_total",
                             "Messages not answered because their client waits no more.")) {}

  const GrpcHandler handler;
  const GrpcOptions options;
  Counter& shed;
  Counter& late;
  std::atomic<int> under_way{0};
  std::atomic<int> urgent{0};   // apart from those
  std::atomic<int> waiting{0};  // that no message of has been taken yet
  std::mutex mutex;
  std::unordered_map<const grpc::GenericCallbackServerContext*, int64_t> silent;  // since when
  HealthWatches watches{[this](const std::string& request) {
    Result<GrpcReply> answer =
        answer_safely([&] { return handler(kHealthWatch, request, {}); }).value();
    return answer.ok() ? Result<std::string>(std::move(answer->message))
                       : Result<std::string>(answer.status());
  }};

  void begin_silence(const grpc::GenericCallbackServerContext& context) {
    const std::lock_guard lock(mutex);
    silent.emplace(&context, monotonic_micros());
  }
  void end_silence(const grpc::GenericCallbackServerContext& context) {
    const std::lock_guard lock(mutex);
    silent.erase(&context);
  }
  /// Cut off who opened a call and says nothing.
  void end_silent() {
    const std::lock_guard lock(mutex);
    for (const auto& [context, since] : silent) {
      if (monotonic_micros() - since >= options.read_timeout.micros) {
        context->TryCancel();
      }
    }
  }
};

/// A call that is not taken.
class Refusal : public grpc::ServerGenericBidiReactor {
 public:
  explicit Refusal(grpc::GenericCallbackServerContext& context) {
    Finish(
        not_now(context, grpc::StatusCode::RESOURCE_EXHAUSTED, "Too many calls; ask again later"));
  }
  void OnDone() override { delete this; }  // as grpc++ asks: a reactor belongs to its call
};

/// One call: every message that comes in is answered by one, until there is no more.
class Call : public grpc::ServerGenericBidiReactor {
 public:
  Call(Calls& calls, grpc::GenericCallbackServerContext& context)
      : calls_(calls),
        context_(context),
        method_(context.method()),
        authorization_(metadata_of(context, "authorization")),
        api_key_(metadata_of(context, "x-api-key")),
        as_of_(metadata_of(context, "x-assay-as-of")),
        peer_names_(calls.options.tls ? peer_names_of(context) : PeerNames()),
        is_urgent_(is_urgent(method_)),
        since_(monotonic_micros()) {
    ++(is_urgent_ ? calls_.urgent : calls_.under_way);
    ++calls_.waiting;
    calls_.begin_silence(context_);
    StartRead(&request_);
  }
  ~Call() override { --(is_urgent_ ? calls_.urgent : calls_.under_way); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void OnReadDone(bool ok) override {
    const bool has_waited_too_long = take_turn();
    if (!ok) {
      Finish(grpc::Status::OK);
    } else if (is_left_alone()) {
      calls_.late.add();
      Finish(grpc::Status(grpc::StatusCode::CANCELLED, kLeftAlone));
    } else if (has_waited_too_long) {
      calls_.shed.add();
      Finish(not_now(context_, grpc::StatusCode::UNAVAILABLE, "Server is busy; ask again later"));
    } else {
      answer();
    }
  }
  void OnWriteDone(bool ok) override {
    if (ok) {
      StartRead(&request_);
    } else {
      Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the client is gone"));
    }
  }
  void OnDone() override { delete this; }

 private:
  /// With the first message: whether it is too late for it, since there are many.
  bool take_turn() {
    if (!is_first_) {
      return false;
    }
    is_first_ = false;
    calls_.end_silence(context_);
    const int waiting = calls_.waiting--;
    const GrpcOptions& options = calls_.options;
    return waiting >= options.turn_calls && !is_urgent_ &&
           monotonic_micros() - since_ >= options.turn_max.micros;
  }
  [[nodiscard]] bool is_left_alone() const {
    const gpr_timespec deadline = context_.raw_deadline();
    return context_.IsCancelled() || gpr_time_cmp(deadline, gpr_now(deadline.clock_type)) < 0;
  }
  void answer() {
    const GrpcPast& past = calls_.options.past;
    const bool is_write = past.is_slow && past.is_slow(method_);
    const bool is_long = past.large != nullptr && request_.Length() > kLargeBodyBytes;
    if (is_urgent_ || (as_of_.empty() && !is_write && !is_long)) {
      std::optional<Result<GrpcReply>> answer =
          answer_safely([this] { return calls_.handler(method_, bytes_of(request_), who()); });
      answer.has_value() ? give(*std::move(answer)) : answer_later(past.large);
    } else if (is_write) {
      answer_later(past.writes != nullptr ? past.writes : past.slow);
    } else {
      answer_later(as_of_.empty() ? past.large : past.slow);
    }
  }
  /// By another thread, which then goes on with this call; it may end before this returns.
  void answer_later(SlowWork* work) {
    const GrpcPast& past = calls_.options.past;
    if (work == nullptr) {
      give(Status(Code::kUnimplemented, "this server has no tables to answer for the past from"));
      return;
    }
    const Status known = past.may_wait(who());
    if (!known.ok()) {
      give(known);
      return;
    }
    const Status taken = work->take({request_.Length(),
                                     [this, work] { answer_in_turn(*work); },
                                     [this](const Status& why) { refuse_for_now(why); }});
    if (!taken.ok()) {
      refuse_for_now(taken);
    }
  }
  void refuse_for_now(const Status& why) { Finish(not_now(context_, code_of(why), why.message())); }
  void answer_in_turn(const SlowWork& work) {
    const Pace pace{false, [this, watch = work.begin_watch()] {
                      return is_left_alone() ? Status(Code::kUnavailable, kLeftAlone) : watch();
                    }};
    std::optional<Result<GrpcReply>> answer;
    if (!is_left_alone()) {
      answer = answer_safely([&] {
        return calls_.options.past.answer(method_, bytes_of(request_), who(), as_of_, pace);
      });
    }
    if (!answer.has_value() || (!answer->ok() && is_left_alone())) {
      calls_.late.add();
      Finish(grpc::Status(grpc::StatusCode::CANCELLED, kLeftAlone));
    } else {
      give(*std::move(answer));
    }
  }
  void give(Result<GrpcReply> answer) {
    if (!answer.ok()) {
      Finish(grpc::Status(code_of(answer.status()), answer.status().message()));
      return;
    }
    if (!has_begun_) {  // metadata goes out with the first message
      for (const auto& [name, value] : answer->metadata) {
        context_.AddInitialMetadata(name, value);
      }
      has_begun_ = true;
    }
    const grpc::Slice slice = slice_of(std::move(answer->message));
    response_ = grpc::ByteBuffer(&slice, 1);
    if (is_unary(method_)) {
      StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
    } else {
      StartWrite(&response_);
    }
  }
  [[nodiscard]] Credentials who() const { return {authorization_, api_key_, peer_names_}; }

  Calls& calls_;
  grpc::GenericCallbackServerContext& context_;  // lives as long as the call
  const std::string method_;
  const std::string authorization_;
  const std::string api_key_;
  const std::string as_of_;
  const PeerNames peer_names_;
  const bool is_urgent_;
  const int64_t since_;
  bool is_first_ = true;
  bool has_begun_ = false;  // to answer
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

/// Somebody who watches health: a message comes in, and as many go out as there are changes.
class Watch : public grpc::ServerGenericBidiReactor, public HealthWatch {
 public:
  Watch(Calls& calls, grpc::GenericCallbackServerContext& context)
      : calls_(calls), context_(context) {
    calls_.begin_silence(context_);
    calls_.watches.add(*this);
    StartRead(&message_);
  }
  void OnReadDone(bool ok) override {
    calls_.end_silence(context_);
    if (ok) {
      calls_.watches.begin(*this, bytes_of(message_));
    } else {
      calls_.watches.end(*this, Status(Code::kCancelled, "no message"));
    }
  }
  void OnWriteDone(bool ok) override { calls_.watches.written(*this, ok); }
  void OnCancel() override { calls_.watches.end(*this, Status(Code::kCancelled, "cancelled")); }
  void OnDone() override {
    calls_.watches.remove(*this);
    delete this;
  }

  void write(const std::string& answer) override {
    const grpc::Slice slice(answer);
    message_ = grpc::ByteBuffer(&slice, 1);
    StartWrite(&message_);
  }
  void finish(const Status& why) override { Finish(grpc::Status(code_of(why), why.message())); }

 private:
  Calls& calls_;
  grpc::GenericCallbackServerContext& context_;
  grpc::ByteBuffer message_;
};

class Service : public grpc::CallbackGenericService {
 public:
  Service(Metrics& metrics, GrpcHandler handler, const GrpcOptions& options)
      : calls_(metrics, std::move(handler), options) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    if (context->method() == kHealthWatch) {
      return calls_.watches.count() < calls_.options.watches_max
                 ? static_cast<grpc::ServerGenericBidiReactor*>(
                       std::make_unique<Watch>(calls_, *context).release())
                 : std::make_unique<Refusal>(*context).release();
    }
    if (is_urgent(context->method()) ? calls_.urgent.load() >= kUrgentMax
                                     : calls_.under_way.load() >= calls_.options.calls_max) {
      calls_.shed.add();
      return std::make_unique<Refusal>(*context).release();
    }
    return std::make_unique<Call>(calls_, *context).release();
  }

  void end_silent() { calls_.end_silent(); }
  HealthWatches& watches() { return calls_.watches; }

 private:
  Calls calls_;
};

class Server : public GrpcServer {
 public:
  Server(World& world, GrpcHandler handler, const GrpcOptions& options)
      : world_(world),
        options_(options),
        refused_(world.metrics.counter("assay_serve_grpc_connections_refused_total",
                                       "gRPC connections beyond what the server may have.")),
        service_(world.metrics, std::move(handler), options) {}
  ~Server() override { stop(); }

  Status start() {
    const GrpcOptions& options = options_;
    ASSAY_ASSIGN_OR_RETURN(credentials_, credentials_of(options.tls));
    grpc::ServerBuilder builder;
    // gRPC has no bound for its connections: they are accepted here and handed over.
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials_);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.connection_calls_max);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                               static_cast<int>(options.idle_timeout.micros / 1000));
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                               static_cast<int>(options.handshake_timeout.micros / 1000));
    // Then its client is let in anew, by the authorities of then.
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                               static_cast<int>(options.age_max.micros / 1000));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                               static_cast<int>(options.age_grace.micros / 1000));
    builder.SetMaxReceiveMessageSize(options.message_bytes_max);
    grpc::ResourceQuota quota("assay");
    builder.SetResourceQuota(quota.Resize(options.buffer_bytes_max));
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      return {Code::kInternal, "gRPC does not start a server"};
    }
    ASSAY_ASSIGN_OR_RETURN(
        listener_,
        Listener::open(world_, options.host, options.port, [this](int socket) { take(socket); }));
    port_ = listener_->port();
    const Duration look{std::min(options.read_timeout.micros, kMicrosPerSecond)};
    sweep_ = std::make_unique<RepeatedCall>(look, [this] {
      service_.end_silent();
      service_.watches().tell_all();
      connections_.count();
    });
    return {};
  }
  [[nodiscard]] uint16_t port() const override { return port_; }
  void tell_health() override { service_.watches().tell_all(); }
  void stop() override {
    if (listener_ != nullptr) {
      listener_->stop();
    }
    sweep_.reset();
    service_.watches().end_all();
    if (server_ != nullptr) {
      gpr_timespec wait = gpr_time_from_micros(kDrainMicrosMax, GPR_TIMESPAN);
      server_->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), wait));
      server_->Wait();
      server_.reset();
    }
  }

 private:
  /// On the listener's thread.
  void take(int socket) {
    OwnedSocket owned(socket);
    if (connections_.count() >= static_cast<std::size_t>(options_.connections_max) ||
        !connections_.add(socket)) {
      refused_.add();
      const Response busy = busy_answer("Too many connections; ask again later");
      send_and_close(owned.release(), options_.tls ? "" : last_answer(busy, world_.clock.now()));
      return;
    }
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
    parameters.fd = owned.release();
    acceptor_->HandleNewConnection(&parameters);
  }

  World& world_;
  const GrpcOptions options_;
  Counter& refused_;
  ConnectionWatch connections_;
  Service service_;
  std::shared_ptr<grpc::ServerCredentials> credentials_;  // asked as long as the server runs
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<RepeatedCall> sweep_;
  uint16_t port_ = 0;
  std::unique_ptr<Listener> listener_;  // last: it hands to all else
};

}  // namespace

void refuse_old_tls() {
  // gRPC has no word for the oldest TLS that it speaks. It reads once which ciphers it may use up
  // to TLS 1.2: one that needs a key shared beforehand, which nobody has. Those of 1.3 are apart.
  if (environment_variable(kCiphersName) != kNoCipher) {
    ::setenv(kCiphersName, kNoCipher, 1);  // NOLINT(concurrency-mt-unsafe): before any thread
  }
}

Result<std::unique_ptr<GrpcServer>> start_grpc_server(World& world,
                                                      GrpcHandler handler,
                                                      const GrpcOptions& options) {
  gpr_set_log_function([](gpr_log_func_args*) {});  // what matters comes back as a status
  auto server = std::make_unique<Server>(world, std::move(handler), options);
  ASSAY_RETURN_IF_ERROR(server->start());
  return std::unique_ptr<GrpcServer>(std::move(server));
}

}  // namespace assay::serve
