#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

// One thread that asks a server over many connections, as fast as it answers or at instants that
// were fixed before. Every answer is compared.

namespace assay::bench {

inline double now_micros() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

inline int connected(int socket, const sockaddr* address, socklen_t size) {
  ASSAY_CHECK(socket >= 0 && ::connect(socket, address, size) == 0);
  return socket;
}

inline int connect_tcp(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int socket = connected(::socket(AF_INET, SOCK_STREAM, 0),
                               reinterpret_cast<const sockaddr*>(&address),
                               sizeof(address));
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return socket;
}

inline int connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSAY_CHECK(path.size() < sizeof(address.sun_path));
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return connected(::socket(AF_UNIX, SOCK_STREAM, 0),
                   reinterpret_cast<const sockaddr*>(&address),
                   sizeof(address));
}

/// What is sent, and what must come back.
struct Question {
  std::string bytes;
  std::string answer;  // all of it; over HTTP its body
};

/// How an answer is cut out of what came: its size so far known, 0 for not yet.
using SizeOf = std::size_t (*)(std::string_view came, const Question& question);

/// Where a header stands in a head, by its name in lower case with its colon; npos when it does
/// not.
inline std::size_t find_header(std::string_view head, std::string_view name) {
  const auto equals = [](char a, char b) { return (a | ('A' <= a && a <= 'Z' ? 0x20 : 0)) == b; };
  const auto at = std::search(head.begin(), head.end(), name.begin(), name.end(), equals);
  return at == head.end() ? std::string_view::npos : static_cast<std::size_t>(at - head.begin());
}
inline bool is_chunked(std::string_view head) {
  return find_header(head, "transfer-encoding: chunked") != std::string_view::npos;
}

inline std::size_t http_size(std::string_view came, const Question& /*question*/) {
  const std::size_t end = came.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    return 0;
  }
  const std::string_view head = came.substr(0, end);
  ASSAY_CHECK(head.substr(0, 12) == "HTTP/1.1 200");
  constexpr std::string_view kLength = "content-length: ";
  const std::size_t length = find_header(head, kLength);
  if (length != std::string_view::npos) {
    return end + 4 + std::strtoull(head.data() + length + kLength.size(), nullptr, 10);
  }
  // In chunks: known when the last of them is here.
  ASSAY_CHECK(is_chunked(head));
  return came.ends_with("\r\n0\r\n\r\n") ? came.size() : 0;
}
inline std::size_t known_size(std::string_view /*came*/, const Question& question) {
  return question.answer.size();
}

struct LoadResult {
  double per_second = 0;
  double p50 = 0;  // microseconds, from when the question should have been sent
  double p99 = 0;
  double p999 = 0;
  int64_t count = 0;
};

inline LoadResult result_of(std::vector<double>* micros, double seconds) {
  ASSAY_CHECK(!micros->empty());
  std::sort(micros->begin(), micros->end());
  const auto at = [micros](double share) {
    return (*micros)[static_cast<std::size_t>(share * static_cast<double>(micros->size() - 1))];
  };
  const auto count = static_cast<int64_t>(micros->size());
  return {static_cast<double>(count) / seconds, at(0.5), at(0.99), at(0.999), count};
}

/// Connections to one server, each with one question under way at most.
class LoadClient {
 public:
  LoadClient(const std::function<int()>& connect,
             int connections,
             SizeOf size_of,
             const std::vector<Question>& questions)
      : size_of_(size_of), questions_(questions), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    lines_.resize(static_cast<std::size_t>(connections));
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      lines_[i].socket = connect();
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      ASSAY_CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, lines_[i].socket, &event) == 0);
      free_.push_back(i);
    }
  }
  ~LoadClient() {
    for (const Line& line : lines_) {
      ::close(line.socket);
    }
    ::close(epoll_);
  }
  LoadClient(const LoadClient&) = delete;
  LoadClient& operator=(const LoadClient&) = delete;

  /// As fast as answers come.
  LoadResult closed(double seconds) {
    const double end = now_micros() + seconds * 1e6;
    return ask_while([end] { return now_micros() < end; });
  }
  /// Each question once.
  LoadResult once() {
    next_ = 0;
    return ask_while([this] { return next_ < questions_.size(); });
  }
  /// At fixed instants. A question that has to wait for a connection waits since its instant, so a
  /// server that stops is not asked less for it.
  LoadResult open(double per_second, double seconds) {
    micros_.clear();
    const double begin = now_micros();
    const auto total = static_cast<int64_t>(per_second * seconds);
    int64_t sent = 0;
    while (sent < total) {
      const double due = begin + static_cast<double>(sent) * 1e6 / per_second;
      if (due <= now_micros() && !free_.empty()) {
        ask(due);
        ++sent;
      } else {
        receive(0);
      }
    }
    finish();
    return result_of(&micros_, (now_micros() - begin) * 1e-6);
  }

 private:
  struct Line {
    int socket = -1;
    const Question* question = nullptr;
    double due = 0;
    std::size_t size = 0;  // of the answer, once it is known
    std::string came;
  };

  template <typename Wanted>
  LoadResult ask_while(const Wanted& wanted) {
    micros_.clear();
    const double begin = now_micros();
    while (wanted()) {
      while (!free_.empty() && wanted()) {
        ask(now_micros());
      }
      receive(-1);
    }
    finish();
    return result_of(&micros_, (now_micros() - begin) * 1e-6);
  }
  void ask(double due) {
    Line& line = lines_[free_.front()];
    free_.pop_front();
    line.question = &questions_[next_++ % questions_.size()];
    line.due = due;
    line.size = 0;
    line.came.clear();
    const std::string& bytes = line.question->bytes;
    ASSAY_CHECK(::send(line.socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
  }
  void finish() {
    while (free_.size() < lines_.size()) {
      receive(-1);
    }
  }
  void receive(int wait) {
    std::array<epoll_event, 64> events{};
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait);
    for (int i = 0; i < count; ++i) {
      take(events[static_cast<std::size_t>(i)].data.u64);
    }
  }
  void take(std::size_t index) {
    Line& line = lines_[index];
    const ssize_t got = ::recv(line.socket, buffer_.data(), buffer_.size(), 0);
    ASSAY_CHECK(got > 0 && line.question != nullptr);
    line.came.append(buffer_.data(), static_cast<std::size_t>(got));
    if (line.size == 0) {
      line.size = size_of_(line.came, *line.question);
    }
    if (line.size == 0 || line.came.size() < line.size) {
      return;
    }
    micros_.push_back(now_micros() - line.due);
    const std::string& answer = line.question->answer;
    ASSAY_CHECK(line.came.size() == line.size && line.size >= answer.size());
    ASSAY_CHECK(std::memcmp(line.came.data() + line.size - answer.size(),
                            answer.data(),
                            answer.size()) == 0);
    line.question = nullptr;
    free_.push_back(index);
  }

  const SizeOf size_of_;
  const std::vector<Question>& questions_;
  const int epoll_;
  std::vector<Line> lines_;
  std::deque<std::size_t> free_;
  std::size_t next_ = 0;
  std::vector<double> micros_;
  std::vector<char> buffer_ = std::vector<char>(1 << 20);
};

}  // namespace assay::bench
