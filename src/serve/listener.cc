// The one file of this room that speaks to the system's sockets by itself.

#include "serve/listener.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace assay::serve {
namespace {

constexpr int kPauseMilliseconds = 50;
constexpr std::string_view kTry = "; try 127.0.0.1, 0.0.0.0 or [::]: ";

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;

  [[nodiscard]] bool is_of(sa_family_t family) const { return bytes.ss_family == family; }
};

/// An address as it is written, an IPv6 in brackets as URLs have it.
std::optional<Address> written_address(const std::string& host) {
  Address address;
  const bool is_bracketed = host.starts_with('[') && host.ends_with(']');
  const std::string in_brackets = is_bracketed ? host.substr(1, host.size() - 2) : host;
  auto* four = reinterpret_cast<sockaddr_in*>(&address.bytes);
  auto* six = reinterpret_cast<sockaddr_in6*>(&address.bytes);
  if (::inet_pton(AF_INET, host.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    address.size = sizeof(*four);
  } else if (::inet_pton(AF_INET6, in_brackets.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    address.size = sizeof(*six);
  } else {
    return std::nullopt;
  }
  return address;
}

/// Whether the system may be asked for a name: what is no name it might ask a network for.
bool can_be_name(const std::string& host) {
  constexpr std::size_t kNameBytesMax = 253;
  constexpr std::size_t kLabelBytesMax = 63;
  std::size_t label = 0;
  for (const char c : host) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_letter && !is_digit && c != '-' && c != '_' && c != '.') {
      return false;
    }
    label = c == '.' ? 0 : label + 1;
    if (label > kLabelBytesMax) {
      return false;
    }
  }
  return !host.empty() && host.size() <= kNameBytesMax;
}

/// The addresses to listen on, of which one is enough. Those of IPv4 come first: clients that were
/// told an address were mostly told 127.0.0.1.
Result<std::vector<Address>> addresses_of(const std::string& host) {
  if (const std::optional<Address> written = written_address(host)) {
    return std::vector{*written};
  }
  if (!can_be_name(host)) {
    return Status(Code::kInvalidArgument, "not an address to listen on" + std::string(kTry) + host);
  }
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &wanted, &found); error != 0) {
    return Status(error == EAI_AGAIN ? Code::kUnavailable : Code::kInvalidArgument,
                  "no address is known of the host to listen on (" +
                      std::string(::gai_strerror(error)) + ")" + std::string(kTry) + host);
  }
  std::vector<Address> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Address& address = addresses.emplace_back();
    std::memcpy(&address.bytes, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
  }
  ::freeaddrinfo(found);
  std::stable_partition(addresses.begin(), addresses.end(), [](const Address& address) {
    return address.is_of(AF_INET);
  });
  return addresses;
}

/// Why a socket cannot listen, for whoever chose where.
Status why(int error, const std::string& where) {
  if (error == EADDRINUSE) {
    return {Code::kUnavailable,
            "the address is in use; stop what listens there or choose another port: " + where};
  }
  if (error == EACCES) {
    return {Code::kPermissionDenied,
            "this port needs more rights; choose one above 1023: " + where};
  }
  if (error == EADDRNOTAVAIL || error == EAFNOSUPPORT) {
    return {Code::kUnavailable, "this host has no such address" + std::string(kTry) + where};
  }
  return {Code::kUnavailable, "cannot listen on " + where + ": " + std::strerror(error)};
}

class SocketListener : public Listener {
 public:
  SocketListener(World& world, Take take)
      : world_(world),
        take_(std::move(take)),
        failures_(world.metrics.counter(
            "assay_serve_accept_failures_total",
            "Times that no connection could be taken, for want of file handles or memory.")) {}
  ~SocketListener() override {
    stop();
    close(socket_);
    close(wakeup_);
  }
  SocketListener(const SocketListener&) = delete;
  SocketListener& operator=(const SocketListener&) = delete;

  Status start(const std::string& host, uint16_t port) {
    const std::string where = host + ":" + std::to_string(port);
    ASSAY_ASSIGN_OR_RETURN(std::vector<Address> addresses, addresses_of(host));
    wakeup_ = ::eventfd(0, EFD_CLOEXEC);
    if (wakeup_ < 0) {
      return why(errno, where);
    }
    int error = EADDRNOTAVAIL;
    for (Address& address : addresses) {
      error = listen_on(&address, port);
      if (error != EADDRNOTAVAIL && error != EAFNOSUPPORT) {
        break;  // the first that this host has
      }
    }
    if (error != 0) {
      return why(error, where);
    }
    thread_ = std::jthread([this] { run(); });
    return {};
  }
  [[nodiscard]] uint16_t port() const override { return port_; }
  void stop() override {
    const std::lock_guard lock(mutex_);
    if (thread_.joinable()) {
      const uint64_t one = 1;
      [[maybe_unused]] const ssize_t written = ::write(wakeup_, &one, sizeof(one));
      thread_.join();
      close(socket_);
      socket_ = -1;
    }
  }

 private:
  /// 0, or what the system says against it.
  int listen_on(Address* address, uint16_t port) {
    auto* bytes = reinterpret_cast<sockaddr*>(&address->bytes);
    uint16_t& of_address = address->is_of(AF_INET)
                               ? reinterpret_cast<sockaddr_in*>(bytes)->sin_port
                               : reinterpret_cast<sockaddr_in6*>(bytes)->sin6_port;
    of_address = htons(port);
    close(std::exchange(socket_, -1));
    socket_ = ::socket(bytes->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    if (socket_ < 0 || ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        ::bind(socket_, bytes, address->size) != 0 || ::listen(socket_, SOMAXCONN) != 0 ||
        ::getsockname(socket_, bytes, &address->size) != 0) {
      return errno;
    }
    port_ = ntohs(of_address);
    return 0;
  }
  static void close(int file) {
    if (file >= 0) {
      ::close(file);
    }
  }

  void run() {
    while (true) {
      // While it pauses it waits for stop() alone.
      std::array<pollfd, 2> events{{{wakeup_, POLLIN, 0}, {socket_, POLLIN, 0}}};
      ::poll(events.data(), paused_ ? 1 : 2, paused_ ? kPauseMilliseconds : -1);
      if (events[0].revents != 0) {
        return;
      }
      accept_all();
    }
  }
  void accept_all() {
    while (true) {
      const int accepted = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      const int error = errno;
      if (accepted < 0 && (error == EAGAIN || error == EWOULDBLOCK)) {
        paused_ = false;
        return;
      }
      if (accepted < 0 && (error == ECONNABORTED || error == EINTR)) {
        continue;  // that client gave up
      }
      if (accepted < 0) {
        pause(std::strerror(error));
        return;
      }
      try {
        take_(accepted);
        short_ = false;
      } catch (const std::exception& failure) {  // what libraries throw where memory runs out
        pause(failure.what());
        return;
      }
    }
  }
  void pause(const char* why) {
    failures_.add();
    paused_ = true;
    if (!std::exchange(short_, true)) {
      try {
        world_.log.warn("http_accept_failed", {{"error", std::string(why)}});
      } catch (const std::bad_alloc&) {  // then it is counted
        short_ = false;
      }
    }
  }

  World& world_;
  const Take take_;
  Counter& failures_;
  int wakeup_ = -1;
  int socket_ = -1;
  uint16_t port_ = 0;
  bool paused_ = false;
  bool short_ = false;  // said, and not over yet
  std::mutex mutex_;
  std::jthread thread_;
};

}  // namespace

void send_and_close(int socket, std::string_view answer) {
  if (!answer.empty()) {
    ::send(socket, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    ::shutdown(socket, SHUT_WR);
  }
  ::close(socket);
}

Result<std::unique_ptr<Listener>> Listener::open(World& world,
                                                 const std::string& host,
                                                 uint16_t port,
                                                 Take take) {
  auto listener = std::make_unique<SocketListener>(world, std::move(take));
  ASSAY_RETURN_IF_ERROR(listener->start(host, port));
  return std::unique_ptr<Listener>(std::move(listener));
}

}  // namespace assay::serve
