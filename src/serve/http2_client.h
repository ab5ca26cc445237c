#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http_client.h"
#include "serve/http_server.h"

namespace assay::serve {

/// One answer over HTTP/2, or what came instead.
struct Http2Answer {
  int status = 0;
  Headers headers;
  std::string body;
  std::optional<uint32_t> reset{};  // the error with which the server ended it

  /// Value of a header, "" when it is not there.
  [[nodiscard]] std::string header(std::string_view name) const {
    for (const auto& [known, value] : headers) {
      if (known == name) {
        return value;
      }
    }
    return "";
  }
};

struct Http2ClientOptions {
  bool reads_answers = true;         // false: their window is never opened again
  uint32_t window_bytes = 64 << 10;  // of each answer
};

/// For tests: a client of HTTP/2 that keeps the protocol, by nghttp2, over a connection to a
/// server.
class Http2Client {
 public:
  /// `wire` must outlive this object.
  explicit Http2Client(HttpClient& wire, const Http2ClientOptions& options = {});
  ~Http2Client();
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;

  /// Send a request; its stream. Negative: the connection takes no more.
  int32_t send(std::string_view method,
               std::string_view target,
               std::string_view body = "",
               const Headers& headers = {});
  /// The same without the end of its body.
  int32_t send_half(std::string_view method, std::string_view target, std::string_view body);
  /// Send what is left of it.
  void send_rest(int32_t stream, std::string_view body);
  void reset(int32_t stream);
  /// The answer to a request; nothing when the server closed before or stayed silent.
  std::optional<Http2Answer> receive(int32_t stream);
  std::optional<Http2Answer> ask(std::string_view method,
                                 std::string_view target,
                                 std::string_view body = "",
                                 const Headers& headers = {}) {
    return receive(send(method, target, body, headers));
  }
  /// Streams in the order in which their answers were whole.
  [[nodiscard]] const std::vector<int32_t>& ended() const;
  /// Read until the server has closed or stays silent; whether it closed.
  bool read_to_end();
  /// The error of the server's GOAWAY, once it has come.
  [[nodiscard]] std::optional<uint32_t> goaway() const;

 private:
  struct State;
  bool read_more();
  void send_output();

  std::unique_ptr<State> state_;
};

/// A frame of HTTP/2 as the server sent it.
struct WireFrame {
  uint8_t type = 0;
  uint8_t flags = 0;
  uint32_t stream = 0;
  std::string payload;
};

/// For tests: frames as they are given, right or wrong.
class FrameClient {
 public:
  /// `wire` must outlive this object. It has sent nothing yet, not even the preface.
  explicit FrameClient(HttpClient& wire) : wire_(wire) {}

  /// Preface and empty settings.
  static std::string greeting();
  static std::string frame(uint8_t type,
                           uint8_t flags,
                           uint32_t stream,
                           std::string_view payload = "");
  /// A header as HPACK writes what it does not remember.
  static std::string field(std::string_view name, std::string_view value);
  /// HEADERS of a GET that is whole.
  static std::string get(uint32_t stream, std::string_view target = "/");

  bool send(std::string_view bytes) { return wire_.send(bytes); }
  /// The next frame; nothing when the server closed or stayed silent.
  std::optional<WireFrame> next();
  /// The next one of a type; others are passed over.
  std::optional<WireFrame> next(uint8_t type);
  /// The error code of a GOAWAY that comes; nothing when the server closes without.
  std::optional<uint32_t> goaway();

 private:
  HttpClient& wire_;
  std::string bytes_;
};

}  // namespace assay::serve
