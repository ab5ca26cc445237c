#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace assay::privacy {

/// An address as 16 bytes; IPv4 as ::ffff:a.b.c.d.
struct IpAddress {
  std::array<uint8_t, 16> bytes{};
  [[nodiscard]] bool is_v4() const;
  bool operator==(const IpAddress&) const = default;
};

/// Read "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "[2001:db8::1]" or with a zone
/// ("fe80::1%eth0", dropped). IPv4 octets are decimal without leading zeros. Nothing when the text
/// is no address.
std::optional<IpAddress> parse_ip(std::string_view text);

/// Text by RFC 5952: lower case, the longest run of two or more zero groups as "::"; IPv4 dotted.
std::string format_ip(const IpAddress& address);

/// The address with all bits after `bits` zero, counted in the 128-bit form.
IpAddress keep_prefix(const IpAddress& address, int bits);

/// An address without its host: IPv4 to /24, IPv6 to /48, v4-mapped IPv6 as IPv4; white space
/// around the text is dropped. False when the text is no address.
bool truncate_ip(std::string_view text, std::string* truncated);

}  // namespace assay::privacy
