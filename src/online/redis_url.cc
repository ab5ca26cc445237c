#include <charconv>
#include <memory>

#include <curl/curl.h>

#include "online/redis_client.h"

namespace assay::online {
namespace {

constexpr char kForm[] =
    "write it like "
    "redis://[user:password@]host[:port][/database]"
    "[?prefix=...&timeout=2s&read_timeout=100ms&feast=PROJECT], "
    "rediss://... (TLS) [?ca_file=/path&cert_file=/path&key_file=/path&server_name=NAME], "
    "redis+unix:///path/to.sock, redis+cluster://host:port[?also=host:port] or "
    "redis+sentinel://host:port/NAME[?also=host:port]";
constexpr int kPortMax = 65'535;
constexpr int kSentinelPort = 26'379;

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

/// `host:port`; an IPv6 address in brackets.
Result<RedisNode> node_of(const std::string& text, int port) {
  RedisNode node{text, port};
  const std::size_t colon = text.rfind(':');
  if (colon != std::string::npos && text.find(']', colon) == std::string::npos) {
    ASSAY_ASSIGN_OR_RETURN(node.port, number(text.substr(colon + 1), kPortMax, "port"));
    node.host = text.substr(0, colon);
  }
  if (node.host.size() > 2 && node.host.front() == '[' && node.host.back() == ']') {
    node.host = node.host.substr(1, node.host.size() - 2);
  }
  if (node.host.empty()) {
    return wrong("has an `also=` without a host");
  }
  return node;
}

/// A value with its percent-encoding undone; "" where it holds a null byte.
std::string decoded(const std::string& value) {
  int size = 0;
  const std::unique_ptr<char, decltype(&curl_free)> text(
      curl_easy_unescape(nullptr, value.c_str(), static_cast<int>(value.size()), &size), curl_free);
  std::string made(text == nullptr ? "" : std::string(text.get(), static_cast<std::size_t>(size)));
  return made.find('\0') == std::string::npos ? made : "";
}

/// What an option of TLS is of; nullptr: it is none of them.
std::string RedisTls::*tls_option(const std::string& name) {
  return name == "ca_file"       ? &RedisTls::ca_file
         : name == "cert_file"   ? &RedisTls::cert_file
         : name == "key_file"    ? &RedisTls::key_file
         : name == "server_name" ? &RedisTls::server_name
                                 : nullptr;
}

Status set_tls_option(std::string RedisTls::*part,
                      const std::string& name,
                      const std::string& value,
                      RedisAddress* address) {
  if (!address->tls.has_value()) {
    return wrong("has `" + name + "=` without TLS, which rediss:// asks for");
  }
  (*address->tls).*part = decoded(value);
  const std::string& text = (*address->tls).*part;
  const bool is_file = part != &RedisTls::server_name;
  if (text.empty() || (is_file && text.front() != '/')) {
    return wrong("has a `" + name + "=` that is " + (is_file ? "no absolute path" : "empty"));
  }
  return {};
}

Status set_option(std::string_view option, RedisAddress* address) {
  constexpr int kDatabaseMax = 1'000'000;
  const std::size_t equals = option.find('=');
  const std::string name(option.substr(0, equals));
  const std::string value(equals == std::string_view::npos ? "" : option.substr(equals + 1));
  const bool is_plain = !value.empty() && value.find('%') == std::string::npos;
  if (name == "prefix" && is_plain) {
    address->prefix = value;
    return {};
  }
  if (name == "feast" && is_plain) {
    address->feast_project = value;
    return {};
  }
  if (name == "from_feast" && is_plain) {
    address->from_feast = value;
    return {};
  }
  if (name == "from_feast_views" && is_plain) {
    for (std::size_t begin = 0; begin <= value.size();) {
      const std::size_t comma = std::min(value.find(',', begin), value.size());
      address->from_feast_views.push_back(value.substr(begin, comma - begin));
      begin = comma + 1;
    }
    return {};
  }
  if (name == "also" && is_plain && address->kind != RedisAddress::Kind::kServer) {
    ASSAY_ASSIGN_OR_RETURN(RedisNode node, node_of(value, address->node.port));
    address->others.push_back(std::move(node));
    return {};
  }
  if (name == "sentinel_user" || name == "sentinel_password") {
    if (address->kind != RedisAddress::Kind::kSentinel || decoded(value).empty()) {
      return wrong("has a `" + name + "=` " +
                   (address->kind == RedisAddress::Kind::kSentinel ? "that says nothing"
                                                                   : "without sentinels"));
    }
    (name == "sentinel_user" ? address->sentinel_user : address->sentinel_password) =
        decoded(value);
    return {};
  }
  if (const auto part = tls_option(name)) {
    return set_tls_option(part, name, value, address);
  }
  if (name == "timeout" || name == "read_timeout") {
    const Result<Duration> timeout = parse_duration(value);
    if (timeout.ok() && timeout->micros > 0) {
      (name == "timeout" ? address->timeout : address->read_timeout) = *timeout;
      return {};
    }
  }
  if (name == "database") {
    ASSAY_ASSIGN_OR_RETURN(address->database, number(value, kDatabaseMax, "database"));
    return {};
  }
  return wrong(
      "has an option that is not prefix=..., timeout=2s, read_timeout=100ms, database=1, "
      "feast=PROJECT, from_feast=PROJECT, from_feast_views=VIEW,VIEW, of rediss:// ca_file=, "
      "cert_file=, key_file= or server_name=, of a cluster or sentinels also=host:port, of "
      "sentinels sentinel_user= or sentinel_password=");
}

Status set_options(std::string_view query, RedisAddress* address) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    ASSAY_RETURN_IF_ERROR(set_option(query.substr(0, end), address));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return {};
}

/// Host, port and path, where there is no socket.
Status set_place(CURLU* url, RedisAddress* address) {
  using Kind = RedisAddress::Kind;
  address->node.host = part(url, CURLUPART_HOST);
  if (address->node.host.empty()) {
    return wrong("names no host");
  }
  if (address->node.host.front() == '[') {
    ASSAY_ASSIGN_OR_RETURN(address->node, node_of(address->node.host, address->node.port));
  }
  if (address->kind == Kind::kSentinel) {
    address->node.port = kSentinelPort;
  }
  if (const std::string port = part(url, CURLUPART_PORT); !port.empty()) {
    ASSAY_ASSIGN_OR_RETURN(address->node.port, number(port, kPortMax, "port"));
  }
  const std::string path = part(url, CURLUPART_PATH);
  if (address->kind == Kind::kSentinel) {
    address->primary = path.substr(std::min<std::size_t>(1, path.size()));
    return address->primary.empty() ? wrong("names no primary behind the sentinel") : Status();
  }
  return path.size() > 1 ? set_option("database=" + path.substr(1), address) : Status();
}

/// What only a whole address can be wrong about.
Status check(const RedisAddress& address) {
  if (!address.user.empty() && address.password.empty()) {
    return wrong("has a user without a password");
  }
  if (!address.sentinel_user.empty() && address.sentinel_password.empty()) {
    return wrong("has a `sentinel_user=` without `sentinel_password=`");
  }
  if (address.tls.has_value() && address.tls->cert_file.empty() && !address.tls->key_file.empty()) {
    return wrong("has a `key_file=` without `cert_file=`, the certificate that it is of");
  }
  if (!address.from_feast.empty() && !address.feast_project.empty()) {
    return wrong("has both `feast=` and `from_feast=`: what is read would be written over");
  }
  if (address.from_feast.empty() && !address.from_feast_views.empty()) {
    return wrong("has `from_feast_views=` without `from_feast=PROJECT`, whose they are");
  }
  if (!address.from_feast.empty() && address.kind == RedisAddress::Kind::kCluster) {
    return wrong("has `from_feast=` of a cluster, which is not supported");
  }
  if (address.kind == RedisAddress::Kind::kCluster && address.database != 0) {
    return wrong("has a database, of which a cluster has only one");
  }
  if (address.kind == RedisAddress::Kind::kCluster &&
      address.prefix.find('{') != std::string::npos) {
    return wrong("has a prefix with `{`, which would put all keys into one slot of the cluster");
  }
  return {};
}

}  // namespace

std::string RedisAddress::text() const {
  if (kind == Kind::kCluster) {
    return "cluster of " + node.text();
  }
  const std::string where = kind == Kind::kSentinel ? primary + " by sentinel " + node.text()
                            : unix_socket.empty()   ? node.text()
                                                    : unix_socket;
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
  std::string scheme = part(parsed.get(), CURLUPART_SCHEME);
  RedisAddress address;
  constexpr std::string_view kSealed = "rediss";
  if (scheme.starts_with(kSealed)) {
    address.tls.emplace();
    scheme.erase(kSealed.size() - 1, 1);
  }
  if (scheme == "redis+cluster") {
    address.kind = RedisAddress::Kind::kCluster;
  } else if (scheme == "redis+sentinel") {
    address.kind = RedisAddress::Kind::kSentinel;
  } else if (scheme != "redis" && !by_socket) {
    return wrong(
        "begins with none of redis://, redis+unix://, redis+cluster://, redis+sentinel://, "
        "rediss://, rediss+cluster://, rediss+sentinel://");
  }
  address.user = part(parsed.get(), CURLUPART_USER);
  address.password = part(parsed.get(), CURLUPART_PASSWORD);
  if (by_socket) {
    address.unix_socket = part(parsed.get(), CURLUPART_PATH);
    if (address.unix_socket.size() < 2) {
      return wrong("names no socket");
    }
  } else {
    ASSAY_RETURN_IF_ERROR(set_place(parsed.get(), &address));
  }
  ASSAY_RETURN_IF_ERROR(set_options(part(parsed.get(), CURLUPART_QUERY), &address));
  ASSAY_RETURN_IF_ERROR(check(address));
  return address;
}

}  // namespace assay::online
