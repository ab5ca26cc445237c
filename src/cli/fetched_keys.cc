#include "cli/fetched_keys.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "serve/access.h"

namespace assay::cli {
namespace {

constexpr int64_t kEvery = 60 * kMicrosPerSecond;
constexpr int64_t kWantedEvery = 10 * kMicrosPerSecond;  // whoever may send tokens may ask for it
constexpr Duration kTimeout{5 * kMicrosPerSecond};
constexpr int64_t kBytesMax = 1 << 20;

/// Whether what comes from there is what its owner sent.
bool is_trusted(std::string_view address) {
  constexpr std::array<std::string_view, 3> kOwn = {
      "http://127.0.0.1", "http://localhost", "http://[::1]"};
  return address.starts_with("https://") ||
         (address.find('@') == std::string_view::npos &&
          std::any_of(kOwn.begin(), kOwn.end(), [&](std::string_view own) {
            return address.starts_with(own) &&
                   (address.size() == own.size() || address[own.size()] == ':' ||
                    address[own.size()] == '/');
          }));
}

/// Whether keys can be taken from it: an issuer may answer 200 with a page that says it is away.
Status check_key_set(const std::string& text) {
  constexpr std::string_view kAround = R"({"jwt":{"jwks":"set","issuer":"i","audience":"a"}})";
  return serve::Access::parse(kAround,
                              [&](const std::string&) -> Result<std::string> { return text; })
      .status();
}

}  // namespace

Result<std::string> FetchedKeys::get(const std::string& address) {
  if (!is_trusted(address)) {
    return Status(Code::kInvalidArgument,
                  "keys are fetched from https:// only, and http:// of this machine: " + address);
  }
  const int64_t now = world_.clock.monotonic().micros;
  const auto [found, is_new] = known_.try_emplace(address);
  Fetched& keys = found->second;
  if (is_new || now - keys.tried >= (keys.is_wanted ? kWantedEvery : kEvery)) {
    keys.tried = now;
    keys.is_wanted = false;
    Result<std::string> text = fetch(address);
    keys.failure = text.status();
    if (text.ok()) {
      keys.text = *std::move(text);
      keys.is_there = true;
      keys.fetched = now;
    } else if (keys.is_there) {
      world_.log.warn("key_set_not_fetched", {{"reason", keys.failure.to_string()}});
    }
  }
  return keys.is_there ? Result<std::string>(keys.text) : Result<std::string>(keys.failure);
}

void FetchedKeys::want(const std::string& address) {
  const auto found = known_.find(address);
  if (found != known_.end()) {
    found->second.is_wanted = true;
  }
}

Duration FetchedKeys::age(const std::string& address) const {
  const auto found = known_.find(address);
  return found == known_.end() ? Duration{}
                               : Duration{world_.clock.monotonic().micros - found->second.fetched};
}

Result<std::string> FetchedKeys::fetch(const std::string& address) {
  store::HttpRequest request;
  request.url = address;
  request.timeout = kTimeout;
  request.answer_bytes_max = kBytesMax;
  request.use_proxy = address.starts_with("https://");
  Result<store::HttpResponse> answer = client_->send(request);
  if (!answer.ok()) {
    return Status(Code::kUnavailable,
                  "the key set cannot be fetched: " + answer.status().message() + ": " + address);
  }
  if (answer->status != 200) {
    return Status(
        Code::kUnavailable,
        "the key set is not there, status " + std::to_string(answer->status) + ": " + address);
  }
  const Status is_set = check_key_set(answer->body);
  return is_set.ok() ? Result<std::string>(std::move(answer->body))
                     : Status(Code::kUnavailable,
                              "what is there is no key set: " + is_set.message() + ": " + address);
}

}  // namespace assay::cli
