#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace assay::store {

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // sent as it is: percent-encoded already
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view body;
  /// An upload may take this and one second more for each 256 KiB; a download fails when for so
  /// long (at least a second) less than 1 KiB/s arrives.
  Duration timeout{30 * kMicrosPerSecond};
  int64_t answer_bytes_max = int64_t{5} << 30;
  bool use_proxy = true;  // as the environment's http_proxy, https_proxy and no_proxy say
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool sent_twice = false;  // a kept connection was found dead: the request may have arrived twice
  [[nodiscard]] std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

/// Requests over HTTP and HTTPS. Connections are kept and used again. No redirect is followed.
///
/// Errors  kUnavailable: nothing was sent (no such host, no connection). kCommitUnknown: sent, but
///         the answer is missing or cut short. kFailedPrecondition: the server's certificate is
///         not trusted. kResourceExhausted: an answer longer than answer_bytes_max.
/// Threads thread-safe.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  virtual Result<HttpResponse> send(const HttpRequest& request) = 0;
};

struct HttpClientOptions {
  std::string ca_file;  // PEM; "" for the machine's own
};

std::unique_ptr<HttpClient> make_http_client(const HttpClientOptions& options);

}  // namespace assay::store
