// Sentinels that hang, beside others: no server of Redis is needed.

#include <atomic>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "online/redis_client.h"
#include "online/redis_pool.h"
#include "online/store_fixture.h"

namespace assay::online {
namespace {

/// A port of loopback that takes connections.
class Port {
 public:
  Port() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    ASSAY_CHECK(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    ASSAY_CHECK(::listen(socket_, 64) == 0);
    ASSAY_CHECK(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~Port() { ::close(socket_); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  [[nodiscard]] std::string text() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] int number() const { return port_; }
  /// The next connection, waited for so long; -1: there is none.
  [[nodiscard]] int take(int milliseconds) const {
    pollfd one{socket_, POLLIN, 0};
    return ::poll(&one, 1, milliseconds) > 0 ? ::accept(socket_, nullptr, nullptr) : -1;
  }

 private:
  int socket_;
  int port_ = 0;
};

/// A sentinel that is connected to and says nothing.
class SilentSentinel {
 public:
  [[nodiscard]] std::string text() const { return port_.text(); }
  /// How often it was asked by now.
  int asked() {
    for (int socket = port_.take(0); socket >= 0; socket = port_.take(0)) {
      ::close(socket);
      ++asked_;
    }
    return asked_;
  }

 private:
  Port port_;
  int asked_ = 0;
};

/// One that names a primary, whatever it is asked.
class TalkingSentinel {
 public:
  explicit TalkingSentinel(int primary)
      : answer_("*2\r\n$9\r\n127.0.0.1\r\n$" + std::to_string(std::to_string(primary).size()) +
                "\r\n" + std::to_string(primary) + "\r\n") {}
  [[nodiscard]] std::string text() const { return port_.text(); }
  [[nodiscard]] int asked() const { return asked_; }
  std::atomic<bool> is_silent{false};

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const int socket = port_.take(10);
      char bytes[4096];
      if (socket >= 0 && !is_silent && ::recv(socket, bytes, sizeof(bytes), 0) > 0) {
        ++asked_;
        (void)!::send(socket, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      }
      if (socket >= 0) {
        ::close(socket);
      }
    }
  }

  const std::string answer_;
  Port port_;
  std::atomic<int> asked_{0};
  std::jthread thread_{[this](const std::stop_token& stop) { run(stop); }};
};

TEST(RedisSentinel, OneThatHangsIsNotAskedForAWhileWhenAnotherAnswers) {
  TestWorld world;
  int gone = 0;
  {
    const Port closed;
    gone = closed.number();
  }
  SilentSentinel silent;
  TalkingSentinel talking(gone);
  const RedisAddress address =
      parse_redis_url("redis+sentinel://" + silent.text() + "/main?also=" + talking.text() +
                      "&timeout=700ms&read_timeout=700ms")
          .value();
  RedisPool pool(address, world.clock);
  const auto read = [&] {
    world.clock.advance(Duration{kMicrosPerSecond});
    return pool.read(RedisUse::kServing, [](RedisConnection&) { return Status(); }).code();
  };
  EXPECT_EQ(read(), Code::kUnavailable) << "the primary is away";
  EXPECT_EQ(silent.asked(), 1);
  EXPECT_EQ(talking.asked(), 1);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(read(), Code::kUnavailable);
  }
  EXPECT_EQ(silent.asked(), 1);
  EXPECT_EQ(talking.asked(), 6);
  world.clock.advance(Duration{30 * kMicrosPerSecond});
  EXPECT_EQ(read(), Code::kUnavailable);
  EXPECT_EQ(silent.asked(), 2) << "half a minute later it may be well";
  talking.is_silent = true;
  EXPECT_EQ(read(), Code::kUnavailable);
  EXPECT_EQ(silent.asked(), 3) << "nobody else knows";
}

}  // namespace
}  // namespace assay::online
