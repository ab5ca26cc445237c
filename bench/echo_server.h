#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "served_process.h"

namespace assay::bench {

/// What a socket allows: one thread that answers whatever it reads with the same bytes, and looks
/// into nothing. Questions must come in one piece, one at a time; answers may be of any size.
class EchoServer : public Served {
 public:
  explicit EchoServer(std::string answer)
      : answer_(std::move(answer)),
        listener_(::socket(AF_INET, SOCK_STREAM, 0)),
        epoll_(::epoll_create1(0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    ASSAY_CHECK(::bind(listener_, any, size) == 0 && ::listen(listener_, 1024) == 0);
    ASSAY_CHECK(::getsockname(listener_, any, &size) == 0);
    port_ = ntohs(address.sin_port);
    watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
    std::thread([this] { run(); }).detach();  // ends with the process
  }
  [[nodiscard]] uint16_t port() const override { return port_; }
  void add_to(Usage* /*usage*/) const override {}

 private:
  void watch(int what, int socket, uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = socket;
    ASSAY_CHECK(::epoll_ctl(epoll_, what, socket, &event) == 0);
  }
  [[noreturn]] void run() {
    std::array<epoll_event, 64> events{};
    while (true) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.fd == listener_) {
          accept_one();
        } else if ((event.events & EPOLLOUT) != 0) {
          write(event.data.fd);
        } else {
          read(event.data.fd);
        }
      }
    }
  }
  void accept_one() {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    watch(EPOLL_CTL_ADD, socket, EPOLLIN);
  }
  void read(int socket) {
    if (::recv(socket, buffer_.data(), buffer_.size(), 0) <= 0) {
      ::close(socket);
      return;
    }
    sent_[socket] = 0;
    write(socket);
  }
  void write(int socket) {
    std::size_t& sent = sent_[socket];
    const ssize_t wrote =
        ::send(socket, answer_.data() + sent, answer_.size() - sent, MSG_NOSIGNAL);
    const bool was_waiting = sent > 0;
    sent += wrote > 0 ? static_cast<std::size_t>(wrote) : 0;
    if (sent < answer_.size()) {
      watch(EPOLL_CTL_MOD, socket, EPOLLOUT);
    } else if (was_waiting) {
      watch(EPOLL_CTL_MOD, socket, EPOLLIN);
    }
  }

  const std::string answer_;
  const int listener_;
  const int epoll_;
  uint16_t port_ = 0;
  std::map<int, std::size_t> sent_;
  std::array<char, 65536> buffer_{};
};

}  // namespace assay::bench
