#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>

#include "base/check.h"
#include "served_process.h"

namespace assay::bench {

/// What grpc++ allows: its asynchronous generic server with one completion queue and one thread,
/// which reads a message, looks into nothing, and ends the call with the same bytes.
class GrpcEcho : public Served {
 public:
  explicit GrpcEcho(const std::string& answer) {
    const grpc::Slice slice(answer);
    answer_ = grpc::ByteBuffer(&slice, 1);
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterAsyncGenericService(&service_);
    queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    ASSAY_CHECK(server_ != nullptr);
    port_ = static_cast<uint16_t>(port);
    for (int i = 0; i < kAwaited; ++i) {
      await_call();
    }
    std::thread([this] { run(); }).detach();  // ends with the process
  }
  [[nodiscard]] uint16_t port() const override { return port_; }
  void add_to(Usage* /*usage*/) const override {}

 private:
  static constexpr int kAwaited = 64;
  struct Call {
    grpc::GenericServerContext context;
    grpc::GenericServerAsyncReaderWriter stream{&context};
    grpc::ByteBuffer request;
    enum { kAwaited, kRead, kEnded } step = kAwaited;
  };

  void await_call() {
    Call* const call = std::make_unique<Call>().release();  // until it comes back in run()
    service_.RequestCall(&call->context, &call->stream, queue_.get(), queue_.get(), call);
  }
  void run() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok)) {
      std::unique_ptr<Call> call(static_cast<Call*>(tag));
      if (!ok || call->step == Call::kEnded) {
        continue;
      }
      if (call->step == Call::kAwaited) {
        await_call();
        call->step = Call::kRead;
        call->stream.Read(&call->request, call.get());
      } else {
        call->step = Call::kEnded;
        call->stream.WriteAndFinish(answer_, grpc::WriteOptions(), grpc::Status::OK, call.get());
      }
      (void)call.release();
    }
  }

  grpc::ByteBuffer answer_;
  grpc::AsyncGenericService service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  uint16_t port_ = 0;
};

}  // namespace assay::bench
