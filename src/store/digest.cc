#include "store/digest.h"

#include <array>
#include <cstdint>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"

// The only file of this room that includes OpenSSL.

namespace assay::store {
namespace {

using Buffer = std::array<unsigned char, EVP_MAX_MD_SIZE>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string digest(std::string_view bytes, const EVP_MD* algorithm) {
  Buffer buffer{};
  unsigned int size = 0;
  ASSAY_CHECK(EVP_Digest(bytes.data(), bytes.size(), buffer.data(), &size, algorithm, nullptr) ==
              1);
  return {reinterpret_cast<const char*>(buffer.data()), size};
}

}  // namespace

std::string sha256(std::string_view bytes) {
  return digest(bytes, EVP_sha256());
}

std::string md5(std::string_view bytes) {
  return digest(bytes, EVP_md5());
}

std::string hmac_sha256(std::string_view key, std::string_view message) {
  Buffer buffer{};
  unsigned int size = 0;
  ASSAY_CHECK(HMAC(EVP_sha256(),
                   key.data(),
                   static_cast<int>(key.size()),
                   bytes_of(message),
                   message.size(),
                   buffer.data(),
                   &size) != nullptr);
  return {reinterpret_cast<const char*>(buffer.data()), size};
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

std::string to_base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3), '\0');
  // EVP_EncodeBlock writes a NUL after the text: a std::string has room for it.
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   bytes_of(bytes),
                                   static_cast<int>(bytes.size()));
  ASSAY_CHECK(size == static_cast<int>(text.size()));
  return text;
}

}  // namespace assay::store
