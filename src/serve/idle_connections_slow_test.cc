// As many connections as the machine gives, up to 100,000, nearly all of them idle: others are
// answered, and what each of them costs is small.

#include <algorithm>
#include <fstream>
#include <memory>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/process.h"
#include "online/store_fixture.h"
#include "serve/file_limit.h"
#include "serve/http_client.h"
#include "serve/http_server.h"

namespace assay::serve {
namespace {

constexpr int kWanted = 100'000;
constexpr int kEnough = 400;
constexpr std::size_t kAnswerBytes = 50'000;

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0;
  file >> pages >> pages;
  return pages * ::sysconf(_SC_PAGESIZE);
}

/// Connections of no buffers, so that what memory grows by is the server's.
class BareConnections {
 public:
  ~BareConnections() {
    for (const int socket : sockets_) {
      ::close(socket);
    }
  }
  /// One more; false when the machine has no more to give.
  bool add(uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    if (socket < 0) {
      return false;
    }
    sockets_.push_back(socket);
    // An address has 28,000 ports to ask from: several of loopback's are used.
    constexpr uint32_t kPerAddress = 10'000;
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr =
        htonl(INADDR_LOOPBACK + 1 + static_cast<uint32_t>(sockets_.size()) / kPerAddress);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::bind(socket, reinterpret_cast<const sockaddr*>(&from), sizeof(from)) == 0 &&
           ::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
  }
  /// Ask on a connection; whether all of the answer came.
  [[nodiscard]] bool ask(std::size_t index) const {
    const std::string request = HttpClient::request("GET", "/");
    const int socket = sockets_[index];
    if (::send(socket, request.data(), request.size(), MSG_NOSIGNAL) < 0) {
      return false;
    }
    std::vector<char> bytes(kAnswerBytes);
    std::size_t got = 0;
    while (got < kAnswerBytes) {  // and a head
      const ssize_t some = ::recv(socket, bytes.data(), bytes.size(), 0);
      if (some <= 0) {
        return false;
      }
      got += static_cast<std::size_t>(some);
    }
    return true;
  }
  [[nodiscard]] std::size_t size() const { return sockets_.size(); }

 private:
  std::vector<int> sockets_;
};

TEST(IdleConnections, AHundredThousandCostLittleAndKeepNobodyWaiting) {
  const FileLimit before;
  constexpr rlim_t kHandles = 2 * kWanted + kEnough;
  rlimit limit{kHandles, kHandles};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {  // who may not has what he has
    raise_file_limit();
  }
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const auto wanted = static_cast<int>(std::min<rlim_t>(kWanted, (limit.rlim_cur - kEnough) / 2));
  online::TestWorld world;
  HttpOptions options;
  options.port = 0;
  options.threads = 2;
  options.connections_max = kWanted + 100;
  options.idle_timeout = Duration{3600 * kMicrosPerSecond};
  const auto server = start_http_server(
                          world.world,
                          [](const Request&) {
                            return Response{200, "text/plain", std::string(kAnswerBytes, 'x'), {}};
                          },
                          options)
                          .value();
  BareConnections idle;
  const int64_t empty = resident_bytes();
  while (static_cast<int>(idle.size()) < wanted && idle.add(server->port())) {
  }
  EXPECT_GT(idle.size(), std::min<std::size_t>(5'000, static_cast<std::size_t>(wanted) / 2));
  for (std::size_t i = 0; i + 1 < idle.size(); i += 20) {  // idle after an answer
    ASSERT_TRUE(idle.ask(i)) << i;
  }
  HttpClient client(server->port());
  for (int i = 0; i < 100; ++i) {
    const auto answer = client.ask("GET", "/");
    ASSERT_TRUE(answer.has_value() && answer->status == 200);
  }
  const auto each = (resident_bytes() - empty) / static_cast<int64_t>(idle.size());
  RecordProperty("connections", static_cast<int>(idle.size()));
  RecordProperty("bytes_each", static_cast<int>(each));
  EXPECT_LT(each, 8'000) << idle.size() << " connections";
  server->stop();
}

}  // namespace
}  // namespace assay::serve
