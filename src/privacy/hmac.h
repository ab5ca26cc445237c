#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace assay::privacy {

using Digest = std::array<uint8_t, 32>;

/// HMAC-SHA-256 (RFC 2104, FIPS 180-4) under one key.
///
/// Threads one thread at a time.
/// Cost    about a microsecond a short message.
class HmacSha256 {
 public:
  explicit HmacSha256(std::string_view key);
  ~HmacSha256();
  HmacSha256(HmacSha256&&) noexcept;
  HmacSha256& operator=(HmacSha256&&) noexcept;

  Digest digest(std::string_view message);
  /// digest() as 64 lower-case hexadecimal digits.
  std::string hex(std::string_view message);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Two lower-case hexadecimal digits a byte.
std::string to_hex(std::string_view bytes);

}  // namespace assay::privacy
