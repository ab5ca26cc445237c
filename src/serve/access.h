#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "serve/signature.h"

namespace assay::serve {

/// Who asks, and what he may: words like "service:shop", "view:*", "model:buy", "source:clicks",
/// "registry", "metrics"; "*" is all.
struct Caller {
  std::string name;
  std::vector<std::string> permissions;

  /// `what` alone, or with the name of one.
  [[nodiscard]] bool may(std::string_view what, std::string_view which = "") const;
};

/// Who may ask a server: callers with a secret of their own (a bearer token or an API key, which
/// are known by their SHA-256), and callers with a JSON Web Token of a trusted issuer. The file is
/// drawn in docs/serving.md.
///
/// Threads immutable.
class Access {
 public:
  using ReadFile = std::function<Result<std::string>(const std::string& path)>;

  /// `read` gives the files that the text names.
  ///
  /// Errors  kInvalidArgument: not such a text, and where; and those of `read`.
  static Result<std::shared_ptr<const Access>> parse(std::string_view text, const ReadFile& read);

  /// The caller with these credentials: values of the headers `authorization` and `x-api-key`, ""
  /// when they are not there.
  ///
  /// Errors  kUnauthenticated, and why; nothing of the secret is in it.
  [[nodiscard]] Result<Caller> caller(std::string_view authorization,
                                      std::string_view api_key,
                                      EventTime now) const;

 private:
  [[nodiscard]] Result<Caller> by_secret(std::string_view secret) const;
  [[nodiscard]] Result<Caller> by_token(std::string_view token, EventTime now) const;

  std::map<std::string, Caller, std::less<>> by_hash_;  // by SHA-256 of the secret
  std::map<std::string, std::shared_ptr<const PublicKey>, std::less<>> keys_;  // by `kid`
  std::string issuer_;
  std::string audience_;
};

}  // namespace assay::serve
