// The one file of this room that speaks to the system's sockets by itself.

#include "serve/listener.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace assay::serve {
namespace {

constexpr int kPauseMilliseconds = 50;

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

Result<Address> address_of(const std::string& host, uint16_t port) {
  Address address;
  const bool is_bracketed = host.starts_with('[') && host.ends_with(']');  // as URLs have IPv6
  const std::string in_brackets = is_bracketed ? host.substr(1, host.size() - 2) : host;
  auto* four = reinterpret_cast<sockaddr_in*>(&address.bytes);
  auto* six = reinterpret_cast<sockaddr_in6*>(&address.bytes);
  if (::inet_pton(AF_INET, host.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    address.size = sizeof(*four);
  } else if (::inet_pton(AF_INET6, in_brackets.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    address.size = sizeof(*six);
  } else {
    return Status(Code::kInvalidArgument,
                  "not an address to listen on; try 127.0.0.1, 0.0.0.0 or [::]: " + host);
  }
  return address;
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
    ASSAY_ASSIGN_OR_RETURN(Address address, address_of(host, port));
    auto* bytes = reinterpret_cast<sockaddr*>(&address.bytes);
    wakeup_ = ::eventfd(0, EFD_CLOEXEC);
    socket_ = ::socket(bytes->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    if (wakeup_ < 0 || socket_ < 0 ||
        ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        ::bind(socket_, bytes, address.size) != 0 || ::listen(socket_, SOMAXCONN) != 0 ||
        ::getsockname(socket_, bytes, &address.size) != 0) {
      return why(errno, where);
    }
    port_ = ntohs(bytes->sa_family == AF_INET ? reinterpret_cast<sockaddr_in*>(bytes)->sin_port
                                              : reinterpret_cast<sockaddr_in6*>(bytes)->sin6_port);
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
