#pragma once

#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json_writer.h"

// For tests: a schema registry on a port of loopback.

namespace assay::flow {

/// Answers one question per connection. Threads thread-safe.
class RegistryServer {
 public:
  RegistryServer() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    ASSAY_CHECK(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    ASSAY_CHECK(::listen(socket_, 64) == 0);
    ASSAY_CHECK(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::jthread([this] { answer_all(); });
  }
  ~RegistryServer() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  RegistryServer(const RegistryServer&) = delete;
  RegistryServer& operator=(const RegistryServer&) = delete;

  [[nodiscard]] const std::string& url() const { return url_; }

  /// `type`: AVRO, PROTOBUF or JSON, as the registry calls them.
  void add(int32_t number, const std::string& type, const std::string& schema) {
    std::string body;
    JsonWriter json(body);
    json.begin_object();
    json.key("schemaType");
    json.string(type);
    json.key("schema");
    json.string(schema);
    json.end_object();
    const std::lock_guard lock(mutex_);
    bodies_["/schemas/ids/" + std::to_string(number)] = body;
  }
  /// While it is away it says 503, which no registry's answer is.
  void set_away(bool is_away) {
    const std::lock_guard lock(mutex_);
    is_away_ = is_away;
  }
  /// How often each path was asked for.
  [[nodiscard]] std::map<std::string, int> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  void answer_all() {
    for (;;) {
      const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) {
        return;
      }
      std::string request;
      char bytes[1024];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = ::recv(connection, bytes, sizeof(bytes), 0);
        if (got <= 0) {
          break;
        }
        request.append(bytes, static_cast<std::size_t>(got));
      }
      const std::string answer = answer_to(request);
      (void)::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
      ::close(connection);
    }
  }
  std::string answer_to(const std::string& request) {
    const std::lock_guard lock(mutex_);
    std::string path = request.substr(0, request.find(" HTTP/"));
    path = path.substr(path.find(' ') + 1);
    path = path.substr(0, path.find('?'));
    ++asked_[path];
    const auto found = bodies_.find(path);
    const bool is_there = found != bodies_.end();
    const std::string body =
        is_there ? found->second : R"({"error_code":40403,"message":"not found"})";
    const std::string status = is_away_ ? "503 Away" : is_there ? "200 OK" : "404 Not Found";
    return "HTTP/1.1 " + status + "\r\ncontent-length: " + std::to_string(body.size()) +
           "\r\nconnection: close\r\n\r\n" + body;
  }

  int socket_;
  std::string url_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> bodies_;
  std::map<std::string, int> asked_;
  bool is_away_ = false;
  std::jthread thread_;
};

}  // namespace assay::flow
