// As many connections as the machine gives, up to 100,000, nearly all of them idle: others are
// answered, and what each of them costs is small.

#include <algorithm>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
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

/// Connections of no buffers, in a process of their own: what memory and handles are used here is
/// the server's alone.
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

/// The process of the clients: told the port and how many connections, it opens them, asks on every
/// twentieth, says how many there are and were answered, and keeps them until it is let go.
class ClientProcess {
 public:
  struct Orders {
    uint16_t port = 0;
    int wanted = 0;
  };
  struct Report {
    int64_t open = 0;
    int64_t asked = 0;
    int64_t answered = 0;
  };
  /// Before this process has threads.
  ClientProcess() {
    ASSAY_CHECK(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_) == 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::close(ends_[0]);
      run(ends_[1]);
      ::_exit(0);
    }
    ::close(ends_[1]);
  }
  ~ClientProcess() {
    ::close(ends_[0]);
    ::waitpid(child_, nullptr, 0);
  }
  ClientProcess(const ClientProcess&) = delete;
  ClientProcess& operator=(const ClientProcess&) = delete;

  [[nodiscard]] Report open(const Orders& orders) const {
    Report report;
    ASSAY_CHECK(::send(ends_[0], &orders, sizeof(orders), 0) == sizeof(orders));
    EXPECT_EQ(::recv(ends_[0], &report, sizeof(report), MSG_WAITALL),
              static_cast<ssize_t>(sizeof(report)));
    return report;
  }

 private:
  static void run(int end) {
    Orders orders;
    if (::recv(end, &orders, sizeof(orders), MSG_WAITALL) != sizeof(orders)) {
      return;
    }
    BareConnections idle;
    Report report;
    while (static_cast<int>(idle.size()) < orders.wanted && idle.add(orders.port)) {
    }
    report.open = static_cast<int64_t>(idle.size());
    for (std::size_t i = 0; i + 1 < idle.size(); i += 20) {  // idle after an answer
      ++report.asked;
      report.answered += idle.ask(i) ? 1 : 0;
    }
    (void)!::send(end, &report, sizeof(report), MSG_NOSIGNAL);
    char byte = 0;
    (void)!::recv(end, &byte, 1, 0);  // until the other process closes
  }

  int ends_[2] = {-1, -1};
  pid_t child_ = -1;
};

TEST(IdleConnections, AHundredThousandCostLittleAndKeepNobodyWaiting) {
  const FileLimit before;
  constexpr rlim_t kHandles = kWanted + kEnough;
  rlimit limit{kHandles, kHandles};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {  // who may not has what he has
    raise_file_limit();
  }
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const auto wanted = static_cast<int>(std::min<rlim_t>(kWanted, limit.rlim_cur - kEnough));
  const ClientProcess clients;
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
  const int64_t empty = resident_bytes();
  const ClientProcess::Report idle = clients.open({server->port(), wanted});
  EXPECT_GT(idle.open, std::min(5'000, wanted / 2));
  EXPECT_EQ(idle.answered, idle.asked);
  HttpClient client(server->port());
  for (int i = 0; i < 1'000; ++i) {
    const auto answer = client.ask("GET", "/");
    ASSERT_TRUE(answer.has_value() && answer->status == 200);
  }
  const int64_t each = (resident_bytes() - empty) / idle.open;
  RecordProperty("connections", static_cast<int>(idle.open));
  RecordProperty("bytes_each", static_cast<int>(each));
  std::cout << idle.open << " idle connections of " << kWanted << " (a process may have "
            << limit.rlim_cur << " handles), " << each << " bytes each in the server; "
            << idle.answered << " of them and another client 1,000 times were answered\n";
  EXPECT_LT(each, 8'000) << idle.open << " connections";
  server->stop();
}

}  // namespace
}  // namespace assay::serve
