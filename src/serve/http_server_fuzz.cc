// Any bytes on a connection to the server, in two pieces: it answers or closes, and goes on for
// others. What is a request is answered by the whole of the feature server.
//
//   input: where the first piece ends u8, in fours of bytes; then bytes as they are

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include <sys/socket.h>

#include "base/check.h"
#include "serve/feature_server.h"
#include "serve/http_client.h"
#include "serve/http_server.h"
#include "serve/serving_fixture.h"

namespace {

struct Served {
  Served() {
    assay::serve::HttpOptions options;
    options.port = 0;
    options.threads = 1;
    options.is_slow = assay::serve::FeatureServer::is_slow;
    server = assay::serve::start_http_server(fixture.world, features.handler(), options).value();
  }

  assay::serve::ServingFixture fixture;
  assay::serve::FeatureServer features{fixture.world, *fixture.store, fixture.state};
  std::unique_ptr<assay::serve::HttpServer> server;
};

/// A connection that leaves no trace in the system, so that there may be very many.
class Client : public assay::serve::HttpClient {
 public:
  explicit Client(uint16_t port) : HttpClient(port) {
    ASSAY_CHECK(connected());
    const linger none{1, 0};
    ::setsockopt(socket(), SOL_SOCKET, SO_LINGER, &none, sizeof(none));
  }
  /// Read until the server closes, which it must.
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
  if (size < 1) {
    return 0;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t first = std::min<std::size_t>(std::size_t{data[0]} * 4, bytes.size());
  {
    Client client(served.server->port());
    (void)(client.send(bytes.substr(0, first)) && client.send(bytes.substr(first)));
    client.finish_sending();
    client.read_to_end();
  }
  if (++inputs % 64 == 0) {
    Client client(served.server->port());
    const auto answer = client.ask("GET", "/health");
    ASSAY_CHECK(answer.has_value() && answer->status == 200);
  }
  return 0;
}
