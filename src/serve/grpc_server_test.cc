// What a gRPC server does when it is asked for more than it can answer, over real sockets.

#include "serve/grpc_server.h"

#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

namespace assay::serve {
namespace {

constexpr char kMethod[] = "/a.B/C";
constexpr char kHealth[] = "/grpc.health.v1.Health/Check";

grpc::ByteBuffer message() {
  const grpc::Slice slice(std::string("ask"));
  return {&slice, 1};
}

/// Calls by grpc++ on a connection of its own.
class Client {
 public:
  explicit Client(uint16_t port)
      : stub_(grpc::CreateCustomChannel(
            "127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials(), own_pool())) {}

  /// A call with one message and one answer, not yet answered.
  class Asked {
   public:
    Asked(grpc::GenericStub& stub, const std::string& method) {
      request_ = message();
      call_ = stub.PrepareUnaryCall(&context_, method, request_, &queue_);
      call_->StartCall();
      call_->Finish(&response_, &status_, this);
    }
    grpc::StatusCode code() {
      void* tag = nullptr;
      bool ok = false;
      queue_.Next(&tag, &ok);
      return status_.error_code();
    }

   private:
    grpc::ClientContext context_;
    grpc::CompletionQueue queue_;
    grpc::ByteBuffer request_;
    grpc::ByteBuffer response_;
    grpc::Status status_;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> call_;
  };
  std::unique_ptr<Asked> begin(const std::string& method) {
    return std::make_unique<Asked>(stub_, method);
  }
  grpc::StatusCode ask(const std::string& method) { return begin(method)->code(); }

  /// A call of several messages: one was answered, and it goes on.
  class Stream {
   public:
    Stream(grpc::GenericStub& stub, const std::string& method, std::chrono::milliseconds wait) {
      if (wait.count() > 0) {
        context_.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_REALTIME),
                                           gpr_time_from_millis(wait.count(), GPR_TIMESPAN)));
      }
      call_ = stub.PrepareCall(&context_, method, &queue_);
      call_->StartCall(this);
      next();
      say();
      call_->Read(&response_, this);
      next();
    }
    void say() {
      call_->Write(message(), this);
      next();
    }
    void end() {
      call_->WritesDone(this);
      next();
      EXPECT_EQ(wait_for_end(), grpc::OK);
    }
    grpc::StatusCode wait_for_end() {
      grpc::Status status;
      call_->Finish(&status, this);
      next();
      return status.error_code();
    }

   private:
    void next() {
      void* tag = nullptr;
      bool ok = false;
      queue_.Next(&tag, &ok);
      EXPECT_TRUE(ok);
    }
    grpc::ClientContext context_;
    grpc::CompletionQueue queue_;
    grpc::ByteBuffer response_;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  };
  /// `wait`: how long its client waits; 0: without end.
  std::unique_ptr<Stream> stream(const std::string& method = kMethod,
                                 std::chrono::milliseconds wait = std::chrono::milliseconds(0)) {
    return std::make_unique<Stream>(stub_, method, wait);
  }

 private:
  static grpc::ChannelArguments own_pool() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return arguments;
  }
  grpc::GenericStub stub_;
};

class GrpcServerTest : public testing::Test {
 protected:
  uint16_t start(GrpcOptions options, const GrpcHandler& handler = echo) {
    options.port = 0;
    server_ = start_grpc_server(metrics_, handler, options).value();
    return server_->port();
  }
  static Result<std::string> echo(std::string_view /*method*/,
                                  std::string_view request,
                                  const Credentials& /*credentials*/) {
    return std::string(request);
  }
  int64_t shed() { return metrics_.counter("assay_serve_grpc_shed_total", "").value(); }

  Metrics metrics_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(GrpcServerTest, CallsBeyondTheBoundAreRefusedAtOnceAndHealthIsNot) {
  GrpcOptions options;
  options.calls_max = 1;
  Client client(start(options));
  const auto stream = client.stream();
  EXPECT_EQ(client.ask(kMethod), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(client.ask(kHealth), grpc::OK);
  EXPECT_EQ(shed(), 1);
  stream->end();
  while (client.ask(kMethod) == grpc::RESOURCE_EXHAUSTED) {  // until the server has ended it too
    std::this_thread::yield();
  }
  EXPECT_EQ(client.ask(kMethod), grpc::OK);
}

TEST_F(GrpcServerTest, WhatWaitedTooLongWhileManyWaitIsShedAndHealthIsNot) {
  GrpcOptions options;
  options.turn_max = Duration{0};  // all have waited that long
  options.turn_calls = 1;
  Client client(start(options));
  EXPECT_EQ(client.ask(kMethod), grpc::UNAVAILABLE);
  EXPECT_EQ(client.ask(kHealth), grpc::OK);
  EXPECT_EQ(shed(), 1);
  options.turn_calls = 2;
  Client few(start(options));
  EXPECT_EQ(few.ask(kMethod), grpc::OK) << "nobody waits beside it";
}

}  // namespace
}  // namespace assay::serve
