#include "serve/plain_request.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace assay::serve {
namespace {

constexpr std::string_view kVersion = " HTTP/1.1\r\n";
constexpr std::size_t kLengthDigitsMax = 9;

/// Letters, digits and `-` as they stand in names of headers, in lower case; 0 for all else.
constexpr std::array<char, 256> kNameBytes = [] {
  std::array<char, 256> bytes{};
  for (int byte = 0; byte < 256; ++byte) {
    const auto c = static_cast<char>(byte);
    const bool is_upper = c >= 'A' && c <= 'Z';
    const bool is_known = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    bytes[static_cast<std::size_t>(byte)] =
        is_upper ? static_cast<char>(c - 'A' + 'a') : (is_known ? c : '\0');
  }
  return bytes;
}();

bool is_printed(char c) {
  return c >= ' ' && c <= '~';
}

/// Reads what stands before the body.
class HeadReader {
 public:
  HeadReader(std::string_view rest, Request* request) : rest_(rest), request_(*request) {}

  /// False: it is not plain, or not whole, or says no one host.
  bool read() {
    if (!read_first_line()) {
      return false;
    }
    std::size_t count = 0;
    while (!rest_.starts_with("\r\n")) {
      if (!read_header(count)) {
        return false;
      }
      ++count;
    }
    rest_.remove_prefix(2);
    request_.headers.resize(count);
    return hosts_ == 1;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[nodiscard]] std::size_t body_bytes() const { return length_.value_or(0); }

 private:
  bool read_first_line() {
    const std::size_t method_end = rest_.find(' ');
    const std::string_view method = rest_.substr(0, method_end);
    if (method != "POST" && method != "GET") {
      return false;
    }
    rest_.remove_prefix(method_end + 1);
    const auto end =
        std::find_if(rest_.begin(), rest_.end(), [](char c) { return c == ' ' || !is_printed(c); });
    const std::string_view target = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(target.size());
    if (!target.starts_with('/') || !rest_.starts_with(kVersion)) {
      return false;
    }
    rest_.remove_prefix(kVersion.size());
    request_.method.assign(method);
    request_.target.assign(target);
    return true;
  }

  bool read_header(std::size_t number) {
    if (request_.headers.size() <= number) {
      request_.headers.emplace_back();
    }
    auto& [name, value] = request_.headers[number];
    const auto lower = [](char c) { return kNameBytes[static_cast<unsigned char>(c)]; };
    std::size_t at = 0;
    while (at < rest_.size() && lower(rest_[at]) != '\0') {
      ++at;
    }
    if (at == 0 || at >= rest_.size() || rest_[at] != ':') {
      return false;
    }
    name.resize(at);
    std::transform(rest_.data(), rest_.data() + at, name.begin(), lower);
    const std::size_t begin = std::min(rest_.find_first_not_of(" \t", at + 1), rest_.size());
    std::size_t end = begin;
    while (end < rest_.size() && (is_printed(rest_[end]) || rest_[end] == '\t')) {
      ++end;
    }
    std::string_view text = rest_.substr(begin, end - begin);
    rest_.remove_prefix(end);
    if (!rest_.starts_with("\r\n")) {
      return false;
    }
    rest_.remove_prefix(2);
    text = text.substr(0, text.find_last_not_of(" \t") + 1);
    value.assign(text);
    return takes(name, text);
  }

  /// Whether a header lets the request be plain.
  bool takes(std::string_view name, std::string_view value) {
    if (name == "content-length") {
      std::size_t length = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
      const bool is_number = error == std::errc() && end == value.data() + value.size() &&
                             value.size() <= kLengthDigitsMax;
      if (!is_number || length_.has_value()) {
        return false;
      }
      length_ = length;
      return true;
    }
    if (name == "host") {
      ++hosts_;
      return true;
    }
    if (name == "connection") {
      return value == "keep-alive" || value == "Keep-Alive";
    }
    return name != "transfer-encoding" && name != "content-encoding" && name != "expect" &&
           name != "upgrade" && name != "proxy-connection";
  }

  std::string_view rest_;
  Request& request_;
  std::optional<std::size_t> length_;
  int hosts_ = 0;
};

}  // namespace

std::size_t read_plain_request(std::string_view bytes,
                               const HttpOptions& limits,
                               Request* request) {
  HeadReader head(bytes.substr(0, limits.header_bytes_max), request);
  if (!head.read()) {
    return 0;
  }
  const auto head_bytes = static_cast<std::size_t>(head.rest().data() - bytes.data());
  const std::size_t body_bytes = head.body_bytes();
  if (body_bytes > limits.body_bytes_max) {
    return 0;
  }
  const bool is_whole = body_bytes <= bytes.size() - head_bytes;
  request->body.assign(is_whole ? bytes.substr(head_bytes, body_bytes) : std::string_view());
  request->peer_names.reset();
  return head_bytes + body_bytes;
}

}  // namespace assay::serve
