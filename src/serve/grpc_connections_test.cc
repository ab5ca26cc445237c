// How many connections a gRPC server has, and what those beyond are told; over real sockets.

#include <string>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include "base/wait_until.h"
#include "base/world.h"
#include "serve/connection_watch.h"
#include "serve/grpc_server.h"
#include "serve/http2_frames.h"
#include "serve/http_client.h"

namespace assay::serve {
namespace {

/// grpc++ with a connection of its own.
class Caller {
 public:
  explicit Caller(uint16_t port)
      : stub_(grpc::CreateCustomChannel(
            "127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials(), own_pool())) {}
  grpc::Status ask() {
    grpc::ClientContext context;
    context.set_deadline(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(120, GPR_TIMESPAN)));
    grpc::CompletionQueue queue;
    const grpc::Slice slice(std::string("ask"));
    grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::Status status;
    const auto call = stub_.PrepareUnaryCall(&context, "/a.B/C", request, &queue);
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return status;
  }

 private:
  static grpc::ChannelArguments own_pool() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return arguments;
  }
  grpc::GenericStub stub_;
};

class GrpcConnectionsTest : public testing::Test {
 protected:
  uint16_t start(int connections_max) {
    GrpcOptions options;
    options.port = 0;
    options.connections_max = connections_max;
    server_ = start_grpc_server(
                  system_.world(),
                  [](std::string_view, std::string_view request, const Credentials&) {
                    return Result<GrpcReply>(GrpcReply{std::string(request)});
                  },
                  options)
                  .value();
    return server_->port();
  }
  int64_t refused() {
    return system_.world()
        .metrics.counter("assay_serve_grpc_connections_refused_total", "")
        .value();
  }
  SystemWorld system_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(GrpcConnectionsTest, ThoseBeyondTheBoundAreRefused) {
  const uint16_t port = start(2);
  auto first = std::make_unique<Caller>(port);
  Caller second(port);
  ASSERT_TRUE(first->ask().ok());
  ASSERT_TRUE(second.ask().ok());
  HttpClient third(port);  // it says nothing, so that nothing of the answer is lost
  ASSERT_TRUE(third.connected());
  const auto answer = third.receive();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->header("retry-after"), "1");
  EXPECT_EQ(answer->body, R"({"detail":"Too many connections; ask again later"})");
  EXPECT_TRUE(third.closed_by_server());
  EXPECT_EQ(refused(), 1);
  EXPECT_EQ(Caller(port).ask().error_code(), grpc::UNAVAILABLE);
  EXPECT_TRUE(first->ask().ok()) << "others do not feel it";
  EXPECT_TRUE(second.ask().ok());

  first.reset();
  wait_until(
      "room for another connection",
      [port] { return Caller(port).ask().error_code(); },
      [](grpc::StatusCode code) { return code == grpc::OK; });
}

TEST_F(GrpcConnectionsTest, WhoConnectsAgainAndAgainIsNotCountedTwice) {
  const uint16_t port = start(3);
  for (int i = 0; i < 40; ++i) {
    // The one before has ended as soon as the server knows of it.
    wait_until(
        "room for the next connection",
        [port] { return Caller(port).ask().error_code(); },
        [](grpc::StatusCode code) { return code == grpc::OK; });
  }
  for (int i = 0; i < 40; ++i) {  // and those who only look in
    HttpClient client(port);
    client.send(kHttp2Preface.substr(0, static_cast<std::size_t>(i % 25)));
  }
  wait_until(
      "room when they are gone",
      [port] { return Caller(port).ask().error_code(); },
      [](grpc::StatusCode code) { return code == grpc::OK; });
}

TEST_F(GrpcConnectionsTest, NothingIsTakenOnceItStops) {
  const uint16_t port = start(10);
  Caller caller(port);
  ASSERT_TRUE(caller.ask().ok());
  server_->stop();
  EXPECT_FALSE(HttpClient(port).connected());
  EXPECT_EQ(caller.ask().error_code(), grpc::UNAVAILABLE);
}

TEST(ConnectionWatch, AConnectionEndsWhenBothDirectionsDo) {
  ConnectionWatch watch;
  int both[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, both), 0);
  ASSERT_TRUE(watch.add(both[0]));
  EXPECT_EQ(watch.count(), 1U);
  ::shutdown(both[0], SHUT_WR);
  EXPECT_EQ(watch.count(), 1U) << "an answer may still come";
  ::shutdown(both[0], SHUT_RDWR);
  EXPECT_EQ(watch.count(), 0U) << "before the library closes it, too";
  ::close(both[0]);
  ASSERT_TRUE(watch.add(both[1]));
  EXPECT_EQ(watch.count(), 0U) << "its peer is gone";
  ::close(both[1]);
  EXPECT_FALSE(watch.add(-1));
}

TEST(ConnectionWatch, LooksAtManyThatEndAtOnce) {
  ConnectionWatch watch;
  std::vector<int> peers;
  for (int i = 0; i < 300; ++i) {
    int both[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, both), 0);
    ASSERT_TRUE(watch.add(both[0]));
    ::close(both[0]);
    peers.push_back(both[1]);
  }
  EXPECT_EQ(watch.count(), 300U);
  for (const int peer : peers) {
    ::close(peer);
  }
  EXPECT_EQ(watch.count(), 0U);
}

}  // namespace
}  // namespace assay::serve
