#include "privacy/hmac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/check.h"

// The only file that includes OpenSSL for keyed hashes. The algorithm is fetched and the key set
// once; each message only restarts the context, which keeps the key.

namespace assay::privacy {

struct HmacSha256::State {
  EVP_MAC* mac = nullptr;
  EVP_MAC_CTX* context = nullptr;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
  }
};

HmacSha256::HmacSha256(std::string_view key) : state_(std::make_unique<State>()) {
  state_->mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  ASSAY_CHECK(state_->mac != nullptr);
  state_->context = EVP_MAC_CTX_new(state_->mac);
  ASSAY_CHECK(state_->context != nullptr);
  char digest_name[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
      OSSL_PARAM_construct_end()};
  const auto* bytes = reinterpret_cast<const unsigned char*>(key.data());
  ASSAY_CHECK(EVP_MAC_init(state_->context, bytes, key.size(), parameters) == 1);
}

HmacSha256::~HmacSha256() = default;
HmacSha256::HmacSha256(HmacSha256&&) noexcept = default;
HmacSha256& HmacSha256::operator=(HmacSha256&&) noexcept = default;

Digest HmacSha256::digest(std::string_view message) {
  Digest digest{};
  std::size_t size = 0;
  ASSAY_CHECK(EVP_MAC_init(state_->context, nullptr, 0, nullptr) == 1);
  const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
  ASSAY_CHECK(EVP_MAC_update(state_->context, bytes, message.size()) == 1);
  ASSAY_CHECK(EVP_MAC_final(state_->context, digest.data(), &size, digest.size()) == 1);
  ASSAY_CHECK(size == digest.size());
  return digest;
}

std::string HmacSha256::hex(std::string_view message) {
  const Digest bytes = digest(message);
  return to_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string to_hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace assay::privacy
