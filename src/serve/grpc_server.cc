// The one file that speaks grpc++. Messages pass through as bytes: no generated code.

#include "serve/grpc_server.h"

#include <exception>
#include <vector>

#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/support/byte_buffer.h>

namespace assay::serve {
namespace {

constexpr int64_t kDrainMicrosMax = 5'000'000;

std::string bytes_of(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (buffer.Dump(&slices).ok()) {
    for (const grpc::Slice& slice : slices) {
      bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }
  return bytes;
}

/// One call: every message that comes in is answered by one, until the client has no more.
class Call : public grpc::ServerGenericBidiReactor {
 public:
  Call(const GrpcHandler& handler, const grpc::GenericCallbackServerContext& context)
      : handler_(handler), method_(context.method()) {
    const auto found = context.client_metadata().find("authorization");
    if (found != context.client_metadata().end()) {
      authorization_.assign(found->second.data(), found->second.size());
    }
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Finish(grpc::Status::OK);
      return;
    }
    const Result<std::string> answer = answer_safely();
    if (!answer.ok()) {
      Finish(grpc::Status(static_cast<grpc::StatusCode>(grpc_status(answer.code())),
                          answer.status().message()));
      return;
    }
    const grpc::Slice slice(answer->data(), answer->size());
    response_ = grpc::ByteBuffer(&slice, 1);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (ok) {
      StartRead(&request_);
    } else {
      Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the client is gone"));
    }
  }
  void OnDone() override { delete this; }  // as grpc++ asks: a reactor belongs to its call

 private:
  /// The handler's answer, whatever a library throws in it: through here it would end the process.
  Result<std::string> answer_safely() {
    try {
      return handler_(method_, bytes_of(request_), authorization_);
    } catch (const std::exception&) {  // only libraries throw, and memory may run out
      return Status(Code::kInternal, "Internal Server Error");
    }
  }

  const GrpcHandler& handler_;
  const std::string method_;
  std::string authorization_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

class Service : public grpc::CallbackGenericService {
 public:
  explicit Service(GrpcHandler handler) : handler_(std::move(handler)) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return std::make_unique<Call>(handler_, *context).release();
  }

 private:
  const GrpcHandler handler_;
};

class Server : public GrpcServer {
 public:
  explicit Server(GrpcHandler handler) : service_(std::move(handler)) {}
  ~Server() override { stop(); }

  Status start(const GrpcOptions& options) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(options.host + ":" + std::to_string(options.port),
                             grpc::InsecureServerCredentials(),
                             &port);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.connection_calls_max);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                               static_cast<int>(options.idle_timeout.micros / 1000));
    builder.SetMaxReceiveMessageSize(options.message_bytes_max);
    grpc::ResourceQuota quota("assay");
    builder.SetResourceQuota(quota.Resize(options.buffer_bytes_max));
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port == 0) {
      return {Code::kUnavailable,
              "cannot listen for gRPC; another server may be there already: " + options.host + ":" +
                  std::to_string(options.port)};
    }
    port_ = static_cast<uint16_t>(port);
    return {};
  }
  [[nodiscard]] uint16_t port() const override { return port_; }
  void stop() override {
    if (server_ != nullptr) {
      gpr_timespec wait = gpr_time_from_micros(kDrainMicrosMax, GPR_TIMESPAN);
      server_->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), wait));
      server_->Wait();
      server_.reset();
    }
  }

 private:
  Service service_;
  std::unique_ptr<grpc::Server> server_;
  uint16_t port_ = 0;
};

}  // namespace

Result<std::unique_ptr<GrpcServer>> start_grpc_server(GrpcHandler handler,
                                                      const GrpcOptions& options) {
  gpr_set_log_function([](gpr_log_func_args*) {});  // what matters comes back as a status
  auto server = std::make_unique<Server>(std::move(handler));
  ASSAY_RETURN_IF_ERROR(server->start(options));
  return std::unique_ptr<GrpcServer>(std::move(server));
}

}  // namespace assay::serve
