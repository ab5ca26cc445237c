#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace assay::serve {

/// SHA-256 as 64 lower case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

/// A public key that tokens are signed for. Threads immutable.
class PublicKey {
 public:
  /// Numbers as their big-endian bytes. kInvalidArgument: no such key, or RSA below 2048 bits.
  static Result<std::shared_ptr<const PublicKey>> rsa(std::string_view modulus,
                                                      std::string_view exponent);
  /// A point of the curve P-256, 32 bytes each.
  static Result<std::shared_ptr<const PublicKey>> p256(std::string_view x, std::string_view y);
  virtual ~PublicKey() = default;
  /// Whether `signature` is of `bytes`: RS256 of an RSA key, ES256 (r and s, 32 bytes each) of a
  /// point.
  [[nodiscard]] virtual bool verifies(std::string_view bytes, std::string_view signature) const = 0;
  /// "RS256" or "ES256": the one algorithm that tokens of this key may name.
  [[nodiscard]] virtual std::string_view algorithm() const = 0;
};

}  // namespace assay::serve
