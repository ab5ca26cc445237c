#include "privacy/hmac.h"

#include <gtest/gtest.h>

namespace assay::privacy {
namespace {

std::string counting_key() {
  std::string key;
  for (int byte = 0; byte < 32; ++byte) {
    key.push_back(static_cast<char>(byte));
  }
  return key;
}

TEST(Hmac, MatchesTheFirstVectorOfRfc4231) {
  HmacSha256 hmac(std::string(20, '\x0b'));
  EXPECT_EQ(hmac.hex("Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

// Computed with: printf '%s' MESSAGE | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1f
TEST(Hmac, MatchesTheOpensslCommandLine) {
  HmacSha256 hmac(counting_key());
  EXPECT_EQ(hmac.hex(""), "d38b42096d80f45f826b44a9d5607de72496a415d3f4a1a8c88e3bb9da8dc1cb");
  EXPECT_EQ(hmac.hex("v1|email|ann@example.com"),
            "ee5a41da9fded1944280bdbec4045e1002cc527a87d3342f83f8889bc795f063");
}

TEST(Hmac, OneObjectHashesManyMessages) {
  HmacSha256 hmac(counting_key());
  const std::string first = hmac.hex("v1||42");
  EXPECT_EQ(first, "98861ba15a521eb7f7dae685d8b6cdbb8e945c42e34d235e902477ae52dcf215");
  hmac.hex(std::string(1 << 16, 'x'));
  EXPECT_EQ(hmac.hex("v1||42"), first);
}

}  // namespace
}  // namespace assay::privacy
