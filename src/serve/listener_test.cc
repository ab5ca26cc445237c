// Where a server listens: addresses, and names of hosts.

#include "serve/listener.h"

#include <gtest/gtest.h>

#include "serve/grpc_server.h"
#include "serve/http_server_fixture.h"

namespace assay::serve {
namespace {

class ListenerTest : public HttpServerTest {
 protected:
  Result<std::unique_ptr<Listener>> open(const std::string& host, uint16_t port = 0) {
    return Listener::open(world_, host, port, [](int socket) {
      send_and_close(socket, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    });
  }
};

TEST_F(ListenerTest, ANameOfAHostIsListenedOnAsItsAddressIs) {
  HttpOptions options;
  options.host = "localhost";
  EXPECT_EQ(start(echo, options).ask("GET", "/here")->body, "GET /here ");
  GrpcOptions grpc_options;
  grpc_options.host = "localhost";
  grpc_options.port = 0;
  const auto grpc = start_grpc_server(
      world_,
      [](std::string_view, std::string_view, const Credentials&) {
        return Result<GrpcReply>(GrpcReply{});
      },
      grpc_options);
  ASSERT_TRUE(grpc.ok()) << grpc.status().to_string();
  EXPECT_TRUE(HttpClient((*grpc)->port()).connected());
}

TEST_F(ListenerTest, APortOfANameThatIsInUseIsNamed) {
  const auto first = open("localhost");
  ASSERT_TRUE(first.ok()) << first.status().to_string();
  const std::string port = std::to_string((*first)->port());
  const Status taken = open("localhost", (*first)->port()).status();
  EXPECT_EQ(taken.code(), Code::kUnavailable);
  EXPECT_NE(taken.message().find("localhost:" + port), std::string::npos) << taken.message();
}

TEST_F(ListenerTest, AHostThatIsNotThisOneIsRefused) {
  for (const char* const elsewhere : {"198.51.100.1", "198.51.25601"}) {  // one is written as names
    const Status away = open(elsewhere).status();
    EXPECT_EQ(away.code(), Code::kUnavailable) << elsewhere;
    EXPECT_NE(away.message().find(elsewhere), std::string::npos) << away.message();
    EXPECT_NE(away.message().find("0.0.0.0"), std::string::npos) << "what to try";
  }
}

TEST_F(ListenerTest, WhatCanBeNoNameIsNotLookedUp) {
  for (const std::string& wrong :
       {std::string(), std::string(64, 'a'), std::string("a b"), std::string("http://localhost")}) {
    const Status refused = open(wrong).status();
    EXPECT_EQ(refused.code(), Code::kInvalidArgument) << wrong;
    EXPECT_NE(refused.message().find("127.0.0.1"), std::string::npos) << refused.message();
  }
}

}  // namespace
}  // namespace assay::serve
