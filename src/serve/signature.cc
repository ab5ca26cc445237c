// The one file of this room that speaks OpenSSL's libcrypto.

#include "serve/signature.h"

#include <array>
#include <vector>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "serve/freed.h"

namespace assay::serve {
namespace {

constexpr std::size_t kFieldBytes = 32;  // of a number of P-256
constexpr int kRsaBitsMin = 2048;

using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number number_of(std::string_view bytes) {
  return Number(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

/// A public key of `type` from parameters; nullptr when they make none.
Key key_of(const char* type, OSSL_PARAM_BLD* parameters) {
  const std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>> built(
      OSSL_PARAM_BLD_to_param(parameters));
  const std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (built == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, built.get()) != 1) {
    return nullptr;
  }
  return Key(key);
}

class KeyOfOpenssl : public PublicKey {
 public:
  KeyOfOpenssl(Key key, std::string_view algorithm) : key_(std::move(key)), algorithm_(algorithm) {}

  [[nodiscard]] std::string_view algorithm() const override { return algorithm_; }
  [[nodiscard]] bool verifies(std::string_view bytes, std::string_view signature) const override {
    const std::string der = algorithm_ == "ES256" ? der_of(signature) : std::string(signature);
    const std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
    return !der.empty() && context != nullptr &&
           EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
           EVP_DigestVerify(
               context.get(), bytes_of(der), der.size(), bytes_of(bytes), bytes.size()) == 1;
  }

 private:
  /// r and s as OpenSSL wants them; "" when they are not two numbers.
  static std::string der_of(std::string_view signature) {
    if (signature.size() != 2 * kFieldBytes) {
      return "";
    }
    const std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>> pair(ECDSA_SIG_new());
    ECDSA_SIG_set0(pair.get(),
                   number_of(signature.substr(0, kFieldBytes)).release(),
                   number_of(signature.substr(kFieldBytes)).release());
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(pair.get(), &der);
    std::string bytes(reinterpret_cast<const char*>(der),
                      size > 0 ? static_cast<std::size_t>(size) : 0);
    OPENSSL_free(der);
    return bytes;
  }

  Key key_;
  std::string_view algorithm_;
};

Result<std::shared_ptr<const PublicKey>> made(Key key, std::string_view algorithm) {
  if (key == nullptr || (algorithm == "RS256" && EVP_PKEY_get_bits(key.get()) < kRsaBitsMin)) {
    return Status(Code::kInvalidArgument, "not a public key for " + std::string(algorithm));
  }
  return std::shared_ptr<const PublicKey>(
      std::make_shared<const KeyOfOpenssl>(std::move(key), algorithm));
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Result<std::shared_ptr<const PublicKey>> PublicKey::rsa(std::string_view modulus,
                                                        std::string_view exponent) {
  const Number n = number_of(modulus);
  const Number e = number_of(exponent);
  const std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>> parameters(
      OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(parameters.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(parameters.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return made(key_of("RSA", parameters.get()), "RS256");
}

Result<std::shared_ptr<const PublicKey>> PublicKey::p256(std::string_view x, std::string_view y) {
  if (x.size() != kFieldBytes || y.size() != kFieldBytes) {
    return made(nullptr, "ES256");
  }
  const std::string point = "\x04" + std::string(x) + std::string(y);  // uncompressed
  const std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>> parameters(
      OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(parameters.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(
      parameters.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return made(key_of("EC", parameters.get()), "ES256");
}

}  // namespace assay::serve
