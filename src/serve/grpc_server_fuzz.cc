// Any bytes on a connection to the gRPC port, in two pieces: the server goes on for others. What is
// a call is answered by the whole of the feature server.
//
//   input: where the first piece ends u8, in fours of bytes; flags u8 (1: HTTP/2's preface and
//   settings stand before the bytes); then bytes as they are

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include "base/check.h"
#include "serve/feature_server.h"
#include "serve/grpc_calls.h"
#include "serve/grpc_server.h"
#include "serve/http2_frames.h"
#include "serve/http_client.h"
#include "serve/serving_fixture.h"

namespace {

constexpr std::string_view kSettings("\0\0\0\4\0\0\0\0\0", 9);

struct Served {
  Served() {
    assay::serve::GrpcOptions options;
    options.port = 0;
    server =
        assay::serve::start_grpc_server(
            fixture.world,
            [this](std::string_view method,
                   std::string_view request,
                   const assay::serve::Credentials& credentials) {
              return assay::serve::plain_reply(answer_grpc(features, method, request, credentials));
            },
            options)
            .value();
  }

  assay::serve::ServingFixture fixture;
  assay::serve::FeatureServer features{fixture.world, *fixture.store, fixture.state};
  std::unique_ptr<assay::serve::GrpcServer> server;
};

/// A connection that leaves no trace in the system, so that there may be very many.
class Client : public assay::serve::HttpClient {
 public:
  explicit Client(uint16_t port) : HttpClient(port) {
    ASSAY_CHECK(connected());
    const linger none{1, 0};
    ::setsockopt(socket(), SOL_SOCKET, SO_LINGER, &none, sizeof(none));
  }
  /// Read until the server closes, which it must: nothing more is sent.
  void read_to_end() {
    char bytes[65536];
    ssize_t got = 1;
    while (got > 0) {
      got = read_some(bytes, sizeof(bytes));
    }
    ASSAY_CHECK(got == 0 || errno == ECONNRESET);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static Served served;
  static int inputs = 0;
  if (size < 2) {
    return 0;
  }
  std::string bytes;
  if ((data[1] & 1) != 0) {
    bytes.append(assay::serve::kHttp2Preface).append(kSettings);
  }
  bytes.append(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string_view all = bytes;
  const std::size_t first = std::min<std::size_t>(std::size_t{data[0]} * 4, all.size());
  {
    Client client(served.server->port());
    (void)(client.send(all.substr(0, first)) && client.send(all.substr(first)));
    client.finish_sending();
    client.read_to_end();
  }
  if (++inputs % 64 == 0) {  // the server's settings come to who begins as a client of HTTP/2 does
    Client client(served.server->port());
    ASSAY_CHECK(client.send(assay::serve::kHttp2Preface) && client.send(kSettings));
    const std::string answer = client.receive_bytes();
    ASSAY_CHECK(answer.size() >= 9 && answer[3] == 4);
  }
  return 0;
}
