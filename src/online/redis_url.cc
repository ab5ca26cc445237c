#include <charconv>
#include <memory>

#include <curl/curl.h>

#include "online/redis_client.h"

namespace assay::online {
namespace {

constexpr char kForm[] =
    "write it like "
    "redis://[user:password@]host[:port][/database][?prefix=...&timeout=2s&feast=PROJECT] or "
    "redis+unix:///path/to.sock";

Status wrong(const std::string& what) {
  return {Code::kInvalidArgument, "the URL of a Redis server " + what + "; " + kForm};
}

/// A part of the URL with its percent-encoding undone; "" when it has none.
std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, which == CURLUPART_QUERY ? 0U : CURLU_URLDECODE) !=
      CURLUE_OK) {
    return "";
  }
  const std::unique_ptr<char, decltype(&curl_free)> owned(text, curl_free);
  return text;
}

Result<int> number(const std::string& text, int max, const std::string& name) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > max) {
    return wrong("has a " + name + " that is no number from 0 to " + std::to_string(max));
  }
  return value;
}

Status set_option(std::string_view option, RedisAddress* address) {
  constexpr int kDatabaseMax = 1'000'000;
  const std::size_t equals = option.find('=');
  const std::string name(option.substr(0, equals));
  const std::string value(equals == std::string_view::npos ? "" : option.substr(equals + 1));
  if (name == "prefix" && !value.empty() && value.find('%') == std::string::npos) {
    address->prefix = value;
    return {};
  }
  if (name == "feast" && !value.empty() && value.find('%') == std::string::npos) {
    address->feast_project = value;
    return {};
  }
  if (name == "timeout") {
    const Result<Duration> timeout = parse_duration(value);
    if (timeout.ok() && timeout->micros > 0) {
      address->timeout = *timeout;
      return {};
    }
  }
  if (name == "database") {
    ASSAY_ASSIGN_OR_RETURN(address->database, number(value, kDatabaseMax, "database"));
    return {};
  }
  return wrong("has an option that is not prefix=..., timeout=2s, database=1 or feast=PROJECT");
}

Status set_options(std::string_view query, RedisAddress* address) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    ASSAY_RETURN_IF_ERROR(set_option(query.substr(0, end), address));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return {};
}

}  // namespace

std::string RedisAddress::text() const {
  const std::string where = unix_socket.empty() ? host + ":" + std::to_string(port) : unix_socket;
  return where + ", database " + std::to_string(database);
}

Result<RedisAddress> parse_redis_url(std::string_view url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  constexpr std::string_view kSocketScheme = "redis+unix://";
  const bool by_socket = url.substr(0, kSocketScheme.size()) == kSocketScheme;
  std::string text(url);
  if (by_socket) {  // libcurl wants a host
    text.insert(std::min(text.find('/', kSocketScheme.size()), text.size()), "socket");
  }
  if (text.find('\0') != std::string::npos ||
      curl_url_set(parsed.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) !=
          CURLUE_OK) {
    return wrong("is no URL");
  }
  const std::string scheme = part(parsed.get(), CURLUPART_SCHEME);
  if (scheme == "rediss") {
    return wrong("asks for TLS, which is not supported: use a tunnel on this machine");
  }
  if (scheme != "redis" && !by_socket) {
    return wrong("begins with neither redis:// nor redis+unix://");
  }
  RedisAddress address;
  address.user = part(parsed.get(), CURLUPART_USER);
  address.password = part(parsed.get(), CURLUPART_PASSWORD);
  if (!address.user.empty() && address.password.empty()) {
    return wrong("has a user without a password");
  }
  const std::string path = part(parsed.get(), CURLUPART_PATH);
  if (by_socket) {
    address.unix_socket = path;
    if (path.size() < 2) {
      return wrong("names no socket");
    }
  } else {
    address.host = part(parsed.get(), CURLUPART_HOST);
    if (address.host.empty()) {
      return wrong("names no host");
    }
    if (const std::string port = part(parsed.get(), CURLUPART_PORT); !port.empty()) {
      ASSAY_ASSIGN_OR_RETURN(address.port, number(port, 65535, "port"));
    }
    if (path.size() > 1) {
      ASSAY_RETURN_IF_ERROR(set_option("database=" + path.substr(1), &address));
    }
  }
  ASSAY_RETURN_IF_ERROR(set_options(part(parsed.get(), CURLUPART_QUERY), &address));
  return address;
}

}  // namespace assay::online
