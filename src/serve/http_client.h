#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace assay::serve {

/// One answer as it came over the wire.
struct WireAnswer {
  int status = 0;
  std::string head;
  std::string body;

  /// Value of a header, "" when it is not there; `name` in lower case.
  [[nodiscard]] std::string header(std::string_view name) const {
    const std::string line = "\r\n" + std::string(name) + ": ";
    const std::size_t at = head.find(line);
    return at == std::string::npos
               ? ""
               : head.substr(at + line.size(), head.find("\r\n", at + 2) - at - line.size());
  }
};

/// A blocking connection to a server on loopback, for tests and benchmarks. It sends the bytes that
/// it is given, right or wrong. Waits at most `timeout_seconds` for an answer.
class HttpClient {
 public:
  explicit HttpClient(uint16_t port, int timeout_seconds = 20)
      : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval timeout{timeout_seconds, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ =
        ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  virtual ~HttpClient() { ::close(socket_); }
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = write_some(bytes);
      if (sent <= 0) {
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void finish_sending() { ::shutdown(socket_, SHUT_WR); }

  /// The next answer; nothing when the server closed or stayed silent.
  std::optional<WireAnswer> receive(bool without_body = false) {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more()) {
        return std::nullopt;
      }
    }
    WireAnswer answer;
    answer.head = buffer_.substr(0, end + 2);
    answer.status = std::atoi(answer.head.c_str() + std::strlen("HTTP/1.1 "));
    const std::size_t size =
        without_body || answer.status == 100
            ? 0
            : static_cast<std::size_t>(std::atoll(answer.header("content-length").c_str()));
    while (buffer_.size() < end + 4 + size) {
      if (!read_more()) {
        return std::nullopt;
      }
    }
    answer.body = buffer_.substr(end + 4, size);
    buffer_.erase(0, end + 4 + size);
    return answer;
  }
  /// Bytes as they come; none when the server closed or stayed silent.
  std::string receive_bytes() {
    if (buffer_.empty()) {
      read_more();
    }
    return std::exchange(buffer_, {});
  }
  /// Wait so long for bytes of the server, or for its end of the connection; whether they came.
  [[nodiscard]] bool readable(int milliseconds) const {
    pollfd one{socket_, POLLIN, 0};
    return ::poll(&one, 1, milliseconds) > 0;
  }
  /// True when the server has closed and nothing is left to read.
  bool closed_by_server() {
    return buffer_.empty() && !read_more() && errno != EAGAIN && errno != EWOULDBLOCK;
  }

  static std::string request(std::string_view method,
                             std::string_view target,
                             std::string_view body = "",
                             std::string_view more_headers = "") {
    std::string text(method);
    text.append(" ").append(target).append(" HTTP/1.1\r\nhost: test\r\n").append(more_headers);
    if (!body.empty() || method == "POST") {
      text.append("content-type: application/json\r\ncontent-length: ");
      text.append(std::to_string(body.size())).append("\r\n");
    }
    return text.append("\r\n").append(body);
  }
  std::optional<WireAnswer> ask(std::string_view method,
                                std::string_view target,
                                std::string_view body = "") {
    return send(request(method, target, body)) ? receive(method == "HEAD") : std::nullopt;
  }

 protected:
  [[nodiscard]] int socket() const { return socket_; }
  virtual ssize_t write_some(std::string_view bytes) {
    return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  virtual ssize_t read_some(char* bytes, std::size_t size) {
    return ::recv(socket_, bytes, size, 0);
  }

 private:
  bool read_more() {
    char bytes[65536];
    errno = 0;
    const ssize_t got = read_some(bytes, sizeof(bytes));
    if (got <= 0) {
      return false;
    }
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  int socket_;
  bool connected_ = false;
  std::string buffer_;
};

}  // namespace assay::serve
