#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/world.h"
#include "store/http_client.h"

namespace assay::cli {

/// Key sets of issuers of tokens, which are behind addresses. Each is fetched anew each minute, or
/// ten seconds after the last time when it is wanted; one that cannot be, or is none, is as it was
/// before, which is logged.
///
/// Threads one thread at a time.
class FetchedKeys {
 public:
  explicit FetchedKeys(World& world) : world_(world), client_(store::make_http_client({})) {}

  /// Whether a name is an address, and no file.
  static bool is_address(std::string_view name) {
    return name.find("://") != std::string_view::npos;
  }
  /// The key set behind it, as of a minute ago at most when it can be reached.
  ///
  /// Errors  kInvalidArgument: no address that keys are taken from: only `https://`, and `http://`
  ///         of this machine, where nobody is in between. kUnavailable: it was never there.
  Result<std::string> get(const std::string& address);
  /// A key is missed: get() may not wait for the minute to be over, once.
  void want(const std::string& address);
  /// How long ago what get() gives was fetched.
  [[nodiscard]] Duration age(const std::string& address) const;

 private:
  struct Fetched {
    std::string text;
    bool is_there = false;
    bool is_wanted = false;  // since it was last tried
    Status failure;
    int64_t tried = 0;    // monotonic microseconds
    int64_t fetched = 0;  // likewise, of `text`
  };
  Result<std::string> fetch(const std::string& address);

  World& world_;
  std::unique_ptr<store::HttpClient> client_;
  std::map<std::string, Fetched> known_;
};

}  // namespace assay::cli
