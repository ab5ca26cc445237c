#include "privacy/ip_address.h"

#include <random>

#include <arpa/inet.h>
#include <gtest/gtest.h>

namespace assay::privacy {
namespace {

std::string truncated(std::string_view text) {
  std::string result;
  return truncate_ip(text, &result) ? result : "none";
}

TEST(IpAddress, Ipv4KeepsThreeOctets) {
  EXPECT_EQ(truncated("192.0.2.255"), "192.0.2.0");
  EXPECT_EQ(truncated(" 10.1.2.3 "), "10.1.2.0");
}

TEST(IpAddress, Ipv6KeepsFortyEightBits) {
  EXPECT_EQ(truncated("2001:db8:85a3:8d3:1319:8a2e:370:7348"), "2001:db8:85a3::");
  EXPECT_EQ(truncated("2001:DB8::1"), "2001:db8::");
  EXPECT_EQ(truncated("fe80::1%eth0"), "fe80::");
  EXPECT_EQ(truncated("[2001:db8::1]"), "2001:db8::");
  EXPECT_EQ(truncated("::1"), "::");
}

TEST(IpAddress, MappedIpv4IsIpv4) {
  EXPECT_EQ(truncated("::ffff:192.0.2.129"), "192.0.2.0");
  EXPECT_EQ(truncated("::ffff:c000:281"), "192.0.2.0");
}

TEST(IpAddress, OtherTextIsNoAddress) {
  for (const char* text : {"",
                           " ",
                           "1.2.3",
                           "1.2.3.4.5",
                           "1.2.3.256",
                           "01.2.3.4",
                           "1..2.3",
                           "1.2.3.4x",
                           "localhost",
                           ":",
                           ":::",
                           "1::2::3",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "12345::",
                           "::g",
                           "1:2:3:4:5:6:7::8",
                           "1.2.3.4::",
                           "::1.2.3",
                           "ann@example.com"}) {
    EXPECT_EQ(truncated(text), "none") << text;
  }
}

TEST(IpAddress, AgreesWithTheSystemOnRandomTexts) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr std::string_view kAlphabet = "0001ff2:.:.:";
  for (int round = 0; round < 200'000; ++round) {
    std::string text;
    const auto length = random() % 14;
    for (unsigned at = 0; at < length; ++at) {
      text.push_back(kAlphabet[random() % kAlphabet.size()]);
    }
    in_addr v4{};
    in6_addr v6{};
    const bool is_v4 = inet_pton(AF_INET, text.c_str(), &v4) == 1;
    const bool is_v6 = inet_pton(AF_INET6, text.c_str(), &v6) == 1;
    const auto address = parse_ip(text);
    ASSERT_EQ(address.has_value(), is_v4 || is_v6) << text;
    if (is_v6) {
      EXPECT_TRUE(std::equal(address->bytes.begin(), address->bytes.end(), v6.s6_addr)) << text;
    }
    if (address) {
      EXPECT_EQ(parse_ip(format_ip(*address)), address) << text;
    }
  }
}

TEST(IpAddress, FormatsAsTheSystemDoes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20'000; ++round) {
    IpAddress address;
    address.bytes[0] =
        0x20;  // the system writes some addresses that start with zeros in dotted form
    for (std::size_t at = 1; at < 16; ++at) {
      address.bytes[at] = random() % 3 == 0 ? static_cast<uint8_t>(random()) : uint8_t{0};
    }
    char text[INET6_ADDRSTRLEN];
    ASSERT_NE(inet_ntop(AF_INET6, address.bytes.data(), text, sizeof(text)), nullptr);
    EXPECT_EQ(format_ip(address), text);
  }
}

}  // namespace
}  // namespace assay::privacy
