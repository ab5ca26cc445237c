#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "serve/signature.h"
#include "serve/token_cache.h"

namespace assay::lake {
class JsonValue;
}

namespace assay::serve {

/// Who asks, and what he may: words like "service:shop", "view:*", "rows:clicks", "model:buy",
/// "source:clicks", "registry", "metrics"; "*" is all.
struct Caller {
  std::string name;
  std::vector<std::string> permissions;

  /// `what` alone, or with the name of one.
  [[nodiscard]] bool may(std::string_view what, std::string_view which = "") const;
};

/// What somebody shows of himself; what he does not show is empty.
struct Credentials {
  std::string_view authorization;            // value of the header
  std::string_view api_key;                  // value of the header x-api-key
  std::span<const std::string> certificate;  // PeerNames of the connection
};

/// Who may ask a server: callers with a secret of their own (a bearer token or an API key, which
/// are known by their SHA-256), callers with a certificate, and callers with a JSON Web Token of a
/// trusted issuer. The file is drawn in docs/serving.md.
///
/// A token is verified when it is shown first, and known as long as it holds; another file is
/// another object, which knows none.
///
/// Threads thread-safe; save for the tokens that it knows, and that it lacks a key, it does not
///         change.
class Access {
 public:
  using ReadFile = std::function<Result<std::string>(const std::string& path)>;

  /// `read` gives the files that the text names.
  ///
  /// Errors  kInvalidArgument: not such a text, and where; and those of `read`.
  static Result<std::shared_ptr<const Access>> parse(std::string_view text, const ReadFile& read);

  /// The caller with these credentials. A key or token that he sends counts before the certificate
  /// of his connection, which may be that of a proxy.
  ///
  /// Errors  kUnauthenticated, and why; nothing of the secret is in it.
  [[nodiscard]] Result<std::shared_ptr<const Caller>> caller(const Credentials& credentials,
                                                             EventTime now) const;

  /// How long keys may be used that were fetched from an address, and not again since.
  [[nodiscard]] Duration keys_for() const { return keys_for_; }
  /// Whether a token named a key that is not in the key set, since this was last asked: its issuer
  /// may have a new one by now.
  [[nodiscard]] bool take_unknown_key() const { return unknown_key_.exchange(false); }
  /// The same callers, and no token.
  [[nodiscard]] std::shared_ptr<const Access> without_tokens() const;

  /// What was left out: keys of the key set that cannot be taken, and why.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
  /// Whether some callers are known by certificates, which only a server with TLS sees.
  [[nodiscard]] bool knows_certificates() const { return !by_certificate_.empty(); }

 private:
  Status read_caller(const lake::JsonValue& one);
  Status read_tokens(const lake::JsonValue& tokens, const ReadFile& read);
  using CallerPtr = std::shared_ptr<const Caller>;
  using Callers = std::map<std::string, CallerPtr, std::less<>>;
  [[nodiscard]] Result<CallerPtr> by_certificate(std::span<const std::string> names) const;
  [[nodiscard]] Result<CallerPtr> by_hash(const std::string& hash) const;
  [[nodiscard]] Result<KnownToken> verify(std::string_view token) const;

  Callers by_hash_;         // by SHA-256 of the secret
  Callers by_certificate_;  // by one of PeerNames
  std::map<std::string, std::shared_ptr<const PublicKey>, std::less<>> keys_;  // by `kid`
  std::string issuer_;
  std::string audience_;
  Duration keys_for_{24 * 3600 * kMicrosPerSecond};
  std::vector<std::string> notes_;
  mutable std::atomic<bool> unknown_key_{false};
  const std::unique_ptr<TokenCache> tokens_ = std::make_unique<TokenCache>();
};

}  // namespace assay::serve
