#include "serve/http2_stream.h"

#include <algorithm>
#include <charconv>

#include "base/ascii.h"
#include "serve/error_response.h"

namespace assay::serve {
namespace {

/// RFC 9110, section 8.4: what is packed is not read.
bool is_packed(const Request& request) {
  const std::string_view encoding = request.header("content-encoding");
  return !encoding.empty() && lower_ascii(encoding) != "identity";
}

/// Bytes of a body as they are announced; whether it keeps that is nghttp2's.
std::size_t announced_bytes(const Request& request) {
  const std::string_view length = request.header("content-length");
  std::size_t bytes = 0;
  std::from_chars(length.data(), length.data() + length.size(), bytes);
  return bytes;
}

}  // namespace

void Http2Stream::take_header(std::string_view name,
                              std::string_view value,
                              const HttpOptions& limits) {
  constexpr std::size_t kOverhead = 32;
  header_bytes += name.size() + value.size() + kOverhead;
  if (name == ":method") {
    request.method = value;
    head_only = value == "HEAD";
  } else if (header_bytes > limits.header_bytes_max) {
    return;
  } else if (name == ":path") {
    request.target = value;
  } else if (name == ":authority") {
    request.headers.emplace_back("host", value);
  } else if (name == "cookie" && !request.header(name).empty()) {  // RFC 9113, section 8.2.3
    const auto cookie = std::find_if(request.headers.begin(),
                                     request.headers.end(),
                                     [](const auto& header) { return header.first == "cookie"; });
    cookie->second.append("; ").append(value);
  } else if (!name.starts_with(':') && !(name == "host" && !request.header(name).empty())) {
    request.headers.emplace_back(name, value);
  }
}

std::optional<Response> Http2Stream::refusal(const HttpOptions& limits) const {
  if (header_bytes > limits.header_bytes_max) {
    return detail_error(431, "Request headers too large");
  }
  if (!request.target.starts_with('/') && request.target != "*" && request.method != "CONNECT") {
    return detail_error(400, "Bad Request");
  }
  if (is_packed(request)) {
    return detail_error(415, "a body is sent as it is, without content-encoding");
  }
  if (announced_bytes(request) > limits.body_bytes_max) {
    return detail_error(413, "Request body too large");
  }
  return std::nullopt;
}

}  // namespace assay::serve
