// Any bytes as an access file, as the key set that it names, and as what somebody shows of himself:
// read or refused, and nobody becomes a caller but by a secret, certificate or token of the file.
//
//   input: parts with a byte 0xff between them: `authorization`, `x-api-key`, a name of a
//   certificate, the access file, the key set; those that are missing are empty

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "serve/access.h"
#include "serve/signature.h"

namespace {

using assay::serve::Access;
using assay::serve::Credentials;

constexpr std::string_view kSecret = "a secret of the file";
constexpr std::string_view kCertificate = "dns:shop.internal";
// Of the key whose private half signed kToken and is gone.
constexpr char kKeys[] =
    R"({"keys":[{"kty":"EC","kid":"e","crv":"P-256","x":"QqQg8LX4WUoyhdMC8H7Ig3Yg7T_NTUW1IX1Y)"
    R"(wOymcoI","y":"f_aDSYSLnc2f1wHZ18TNJHHhEa0cLhj40pCv5-h2L1c"}]})";
constexpr std::string_view kToken =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjo"
    "iYXNzYXkiLCJzdWIiOiJib2IiLCJleHAiOjQxMDI0NDQ4MDAsInBlcm1pc3Npb25zIjpbInNlcnZpY2U6c2hvcCJdf"
    "Q.pbKoY_LeGTqkpHXWyPhSgJPlK0tooeHh_BDHDZwuo55l7LGznfc_AkdRA8lyiJGTuNISNnR-e6cnsPGh85pDzQ";
constexpr assay::EventTime kNow{1'790'000'000 * assay::kMicrosPerSecond};

Access::ReadFile read_as(std::string_view text) {
  return [text](const std::string&) { return assay::Result<std::string>(std::string(text)); };
}

std::shared_ptr<const Access> known() {
  const std::string file =
      R"({"callers":[{"name":"a","secret_sha256":")" + assay::serve::sha256_hex(kSecret) +
      R"("},{"name":"b","certificate":"dns:shop.internal"}],)"
      R"("jwt":{"jwks":"k","issuer":"https://login.example.com","audience":"assay"}})";
  return Access::parse(file, read_as(kKeys)).value();
}

/// A token is base64 without padding, whose last letters have bits to spare; but those must be 0.
bool shows_what_is_known(const Credentials& shown) {
  if (!shown.api_key.empty()) {
    return shown.api_key == kSecret;
  }
  if (shown.authorization.empty()) {
    return shown.certificate.front() == kCertificate;
  }
  constexpr std::size_t kScheme = std::string_view("bearer ").size();
  const std::string_view token =
      shown.authorization.substr(std::min(kScheme, shown.authorization.size()));
  return token == kSecret || token == kToken;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static const std::shared_ptr<const Access> access = known();
  std::array<std::string_view, 5> parts;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  for (std::string_view& part : parts) {
    part = rest.substr(0, rest.find('\xff'));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  }
  const auto& [authorization, api_key, certificate, file, keys] = parts;
  const std::array<std::string, 1> names = {std::string(certificate)};
  const Credentials shown{authorization, api_key, names};
  const auto caller = access->caller(shown, kNow);
  ASSAY_CHECK(!caller.ok() || shows_what_is_known(shown));
  ASSAY_CHECK(caller.ok() || caller.code() == assay::Code::kUnauthenticated);
  ASSAY_CHECK(access->caller({"", kSecret, {}}, kNow).ok());  // whatever was shown before

  const auto parsed = Access::parse(file, read_as(keys));
  if (parsed.ok()) {
    const auto one = (*parsed)->caller(shown, kNow);
    ASSAY_CHECK(one.ok() || one.code() == assay::Code::kUnauthenticated);
    ASSAY_CHECK(!(*parsed)->caller({"", "", {}}, kNow).ok());  // nobody comes with nothing
    ASSAY_CHECK(!(*parsed)->caller({"Bearer ", "", {}}, kNow).ok());
  }
  return 0;
}
