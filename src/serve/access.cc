#include "serve/access.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "lake/json_value.h"

namespace assay::serve {
namespace {

using lake::JsonReader;
using Json = lake::JsonValue;

/// Keys are fetched each minute: they hold over a few times in vain.
constexpr Duration kKeysForMin{5 * 60 * kMicrosPerSecond};

Status wrong(const std::string& what) {
  return {Code::kInvalidArgument, "access: " + what};
}
Status refused(const char* why) {
  return {Code::kUnauthenticated, why};
}

std::string text_of(const Json& object, std::string_view name) {
  const Json* found = object.find(name);
  return found != nullptr && found->text() != nullptr ? *found->text() : "";
}

std::vector<std::string> texts_of(const Json* list) {
  std::vector<std::string> texts;
  if (list != nullptr && list->array() != nullptr) {
    for (const Json& one : *list->array()) {
      texts.push_back(one.text() == nullptr ? "" : *one.text());
    }
  }
  return texts;
}

bool is_list_of_texts(const Json& list) {
  return list.array() != nullptr &&
         std::all_of(list.array()->begin(), list.array()->end(), [](const Json& one) {
           return one.text() != nullptr;
         });
}

/// A misspelled key would silently allow more, or less, than its author meant.
Status only_keys(const Json& object, std::initializer_list<std::string_view> known) {
  if (object.object() == nullptr) {
    return wrong("an object is needed, with " + std::string(*known.begin()));
  }
  for (const auto& [name, value] : *object.object()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return wrong("what is `" + name + "`?");
    }
  }
  return {};
}

/// True for the words that Caller::may knows.
bool is_permission(std::string_view word) {
  constexpr std::array<std::string_view, 5> kOfNames = {
      "service:", "view:", "rows:", "model:", "source:"};
  return word == "*" || word == "registry" || word == "metrics" ||
         std::any_of(kOfNames.begin(), kOfNames.end(), [&](std::string_view what) {
           return word.starts_with(what) && word.size() > what.size();
         });
}

/// True for what TLS may find in a certificate.
bool is_peer_name(std::string_view name) {
  constexpr std::array<std::string_view, 4> kKinds = {"uri:", "dns:", "email:", "subject:"};
  return std::any_of(kKinds.begin(), kKinds.end(), [&](std::string_view kind) {
    return name.starts_with(kind) && name.size() > kind.size();
  });
}

/// Base64 with the letters of URLs and without padding, as tokens have it.
std::optional<std::string> from_base64url(std::string_view text) {
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '-'             ? 62
                      : c == '_'             ? 63
                                             : -1;
    if (digit < 0) {
      return std::nullopt;
    }
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 255);
    }
  }
  return count < 6 && (bits & ((1U << count) - 1)) == 0 ? std::optional(bytes) : std::nullopt;
}

/// A key of a JSON Web Key Set; nothing for those that sign no tokens that are taken here.
Result<std::shared_ptr<const PublicKey>> key_of(const Json& key) {
  const auto number = [&](const char* name) {
    return from_base64url(text_of(key, name)).value_or("");
  };
  const std::string use = text_of(key, "use");
  if (!use.empty() && use != "sig") {
    return std::shared_ptr<const PublicKey>();
  }
  const std::string kind = text_of(key, "kty");
  if (kind == "RSA") {
    return PublicKey::rsa(number("n"), number("e"));
  }
  if (kind == "EC" && text_of(key, "crv") == "P-256") {
    return PublicKey::p256(number("x"), number("y"));
  }
  return std::shared_ptr<const PublicKey>();
}

/// A claim in seconds since the epoch; nothing when it is none.
std::optional<double> seconds_of(const Json& claims, std::string_view name) {
  const Json* found = claims.find(name);
  if (found == nullptr) {
    return std::nullopt;
  }
  return found->integer() != nullptr  ? std::optional(static_cast<double>(*found->integer()))
         : found->number() != nullptr ? std::optional(*found->number())
                                      : std::nullopt;
}

/// The parts of a token between dots; nothing when they are not three.
std::optional<std::array<std::string_view, 3>> parts_of(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return std::nullopt;
  }
  return std::array{token.substr(0, first),
                    token.substr(first + 1, second - first - 1),
                    token.substr(second + 1)};
}

Result<Json> json_part(std::string_view part) {
  const std::optional<std::string> text = from_base64url(part);
  if (!text.has_value()) {
    return refused("the token is no JSON Web Token");
  }
  JsonReader reader;
  Result<Json> json = reader.read(*text);
  return json.ok() && json->object() != nullptr ? std::move(json)
                                                : refused("the token is no JSON Web Token");
}

}  // namespace

bool Caller::may(std::string_view what, std::string_view which) const {
  const std::string one = std::string(what) + ":";
  return std::any_of(permissions.begin(), permissions.end(), [&](const std::string& permission) {
    return permission == "*" || (which.empty() && permission == what) ||
           (!which.empty() && (permission == one + "*" || permission == one + std::string(which)));
  });
}

Status Access::read_caller(const Json& one) {
  ASSAY_RETURN_IF_ERROR(only_keys(one, {"name", "secret_sha256", "certificate", "may"}));
  Caller caller{text_of(one, "name"), texts_of(one.find("may"))};
  const std::string hash = text_of(one, "secret_sha256");
  const std::string certificate = text_of(one, "certificate");
  const bool is_hash =
      hash.size() == 64 && hash.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (caller.name.empty() ||
      (one.find("secret_sha256") == nullptr) == (one.find("certificate") == nullptr)) {
    return wrong("each of `callers` needs a `name`, and either `secret_sha256` or `certificate`");
  }
  if (!is_hash && one.find("secret_sha256") != nullptr) {
    return wrong("`secret_sha256` of " + caller.name + " is not 64 hexadecimal digits");
  }
  if (one.find("certificate") != nullptr && !is_peer_name(certificate)) {
    return wrong("`certificate` of " + caller.name +
                 " is a name with its kind: uri:..., dns:..., email:... or subject:...");
  }
  for (const std::string& word : caller.permissions) {
    if (!is_permission(word)) {
      return wrong(caller.name + " may `" + word + "`, which is no permission");
    }
  }
  if (hash == sha256_hex("")) {
    return wrong("the secret of " + caller.name + " is empty");
  }
  auto& known = certificate.empty() ? by_hash_ : by_certificate_;
  auto made = std::make_shared<const Caller>(std::move(caller));
  if (!known.emplace(certificate.empty() ? hash : certificate, std::move(made)).second) {
    return wrong("two callers have one secret or certificate; the second is " +
                 text_of(one, "name"));
  }
  return {};
}

Status Access::read_tokens(const Json& tokens, const ReadFile& read) {
  ASSAY_RETURN_IF_ERROR(only_keys(tokens, {"jwks", "issuer", "audience", "keys_for"}));
  issuer_ = text_of(tokens, "issuer");
  audience_ = text_of(tokens, "audience");
  if (issuer_.empty() || audience_.empty()) {
    return wrong("`jwt` needs `issuer` and `audience`");
  }
  if (tokens.find("keys_for") != nullptr) {
    const Result<Duration> keys_for = parse_duration(text_of(tokens, "keys_for"));
    if (!keys_for.ok() || *keys_for < kKeysForMin) {
      return wrong("`keys_for` of `jwt` is a time such as \"24h\", of 5m at least");
    }
    keys_for_ = *keys_for;
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string set, read(text_of(tokens, "jwks")));
  JsonReader reader;
  ASSAY_ASSIGN_OR_RETURN(const Json keys, reader.read(set));
  const Json* list = keys.find("keys");
  if (list == nullptr || list->array() == nullptr) {
    return wrong("the key set has no list `keys`");
  }
  for (const Json& key : *list->array()) {
    Result<std::shared_ptr<const PublicKey>> made = key_of(key);
    const std::string id = text_of(key, "kid");
    if (!made.ok()) {
      notes_.push_back("key `" + id + "` of the key set is left out: " + made.status().message());
    } else if (*made != nullptr && !keys_.emplace(id, *std::move(made)).second) {
      notes_.push_back("a second key `" + id + "` of the key set is left out");
    }
  }
  return keys_.empty() ? wrong("the key set has no key for RS256 or ES256" +
                               (notes_.empty() ? "" : "; " + notes_.front()))
                       : Status();
}

Result<std::shared_ptr<const Access>> Access::parse(std::string_view text, const ReadFile& read) {
  JsonReader reader;
  ASSAY_ASSIGN_OR_RETURN(const Json root, reader.read(text));
  if (root.object() == nullptr) {
    return wrong("the file must hold one JSON object");
  }
  ASSAY_RETURN_IF_ERROR(only_keys(root, {"callers", "jwt"}));
  auto access = std::make_shared<Access>();
  const Json* callers = root.find("callers");
  if (callers != nullptr && callers->array() != nullptr) {
    for (const Json& one : *callers->array()) {
      ASSAY_RETURN_IF_ERROR(access->read_caller(one));
    }
  }
  const Json* tokens = root.find("jwt");
  if (tokens != nullptr) {
    ASSAY_RETURN_IF_ERROR(access->read_tokens(*tokens, read));
  }
  if (access->by_hash_.empty() && access->by_certificate_.empty() && access->keys_.empty()) {
    return wrong("nobody may ask: there are no `callers`, and no key of `jwt`");
  }
  return std::shared_ptr<const Access>(std::move(access));
}

std::shared_ptr<const Access> Access::without_tokens() const {
  auto access = std::make_shared<Access>();
  access->by_hash_ = by_hash_;
  access->by_certificate_ = by_certificate_;
  access->keys_for_ = keys_for_;
  access->notes_ = notes_;
  return access;
}

Result<std::shared_ptr<const Caller>> Access::caller(const Credentials& credentials,
                                                     EventTime now) const {
  if (!credentials.api_key.empty()) {
    return by_hash(sha256_hex(credentials.api_key));
  }
  if (credentials.authorization.empty() && !credentials.certificate.empty()) {
    return by_certificate(credentials.certificate);
  }
  constexpr std::string_view kBearer = "bearer ";
  std::string scheme(credentials.authorization.substr(0, kBearer.size()));
  std::transform(scheme.begin(), scheme.end(), scheme.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  if (scheme != kBearer) {
    return refused("a token is needed: authorization: Bearer ..., or x-api-key");
  }
  const std::string_view token = credentials.authorization.substr(kBearer.size());
  const std::string hash = sha256_hex(token);
  Result<CallerPtr> secret = by_hash(hash);  // whatever it looks like
  if (secret.ok() || keys_.empty() || !parts_of(token).has_value()) {
    return secret;
  }
  std::optional<KnownToken> known = tokens_->find(hash);
  if (!known.has_value()) {
    ASSAY_ASSIGN_OR_RETURN(known, verify(token));
    if (known->holds_at(now)) {
      tokens_->add(hash, *known);
    }
  }
  return known->holds_at(now) ? Result<CallerPtr>(known->caller)
                              : refused("the token has expired, or is not valid yet");
}

/// The caller of the first of these names that is known.
Result<Access::CallerPtr> Access::by_certificate(std::span<const std::string> names) const {
  for (const std::string& name : names) {
    const auto found = by_certificate_.find(name);
    if (found != by_certificate_.end()) {
      return found->second;
    }
  }
  return refused("the client's certificate is of no caller, and no token was sent");
}

/// What is compared is the hash of what the caller sent, so how long it takes says nothing of a
/// secret.
Result<Access::CallerPtr> Access::by_hash(const std::string& hash) const {
  const auto found = by_hash_.find(hash);
  return found == by_hash_.end() ? Result<CallerPtr>(refused("the token or key is not known"))
                                 : Result<CallerPtr>(found->second);
}

/// What a token says, when it is of one of the keys, of the issuer and for the audience.
Result<KnownToken> Access::verify(std::string_view token) const {
  const auto [header_part, claims_part, signature_part] = *parts_of(token);
  ASSAY_ASSIGN_OR_RETURN(const Json header, json_part(header_part));
  const auto key = keys_.find(text_of(header, "kid"));
  if (key == keys_.end()) {
    unknown_key_ = true;
    return refused("the token's key is not in the key set");
  }
  if (header.find("crit") != nullptr) {  // what must be understood is not
    return refused("the token has critical headers that are not known");
  }
  const std::optional<std::string> signature = from_base64url(signature_part);
  const std::string_view bytes =
      token.substr(0, header_part.size() + 1 + claims_part.size());  // as they were sent
  if (text_of(header, "alg") != key->second->algorithm() || !signature.has_value() ||
      !key->second->verifies(bytes, *signature)) {
    return refused("the token's signature is not of its key");
  }
  ASSAY_ASSIGN_OR_RETURN(const Json claims, json_part(claims_part));
  const Json* audience = claims.find("aud");
  const std::vector<std::string> audiences = texts_of(audience);
  const bool for_us = text_of(claims, "aud") == audience_ ||
                      std::count(audiences.begin(), audiences.end(), audience_) > 0;
  if (text_of(claims, "iss") != issuer_ || !for_us) {
    return refused("the token is of another issuer, or for another audience");
  }
  const std::optional<double> expires = seconds_of(claims, "exp");
  const std::optional<double> begins =
      claims.find("nbf") == nullptr ? std::optional(0.0) : seconds_of(claims, "nbf");
  if (!expires.has_value() || !begins.has_value()) {
    return refused("the token does not say when it expires, or from when on it holds");
  }
  const Json* permissions = claims.find("permissions");
  if (permissions != nullptr && !is_list_of_texts(*permissions)) {
    return refused("the token's claim `permissions` is not a list of texts");
  }
  return KnownToken{
      std::make_shared<const Caller>(Caller{text_of(claims, "sub"), texts_of(permissions)}),
      *begins,
      *expires};
}

}  // namespace assay::serve
