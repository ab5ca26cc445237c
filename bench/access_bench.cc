// Who asks, as each request is looked at first: by a secret, by a token (RS256, 2048 bits) that is
// known, and by one that is shown for the first time, which is the peer: that was every request
// before tokens were known.

#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "serve/access.h"
#include "serve/gate.h"

namespace {

using assay::serve::Access;
using assay::serve::Credentials;
using assay::serve::Gate;

// As in access_test.cc; the private key is gone. The token holds until 2100.
constexpr char kKeySet[] =
    R"({"keys":[{"kty":"RSA","kid":"r","alg":"RS256","n":"9hfxsfDzuTG4ScdGx2rW7bGBm2nM_vAemrH)"
    R"(Ferc1C54H4FyAJz8yb2P8Ei5bAZjDlLK60GP-8ifAyz8u74xjzfTyXTlZFJlmav5tYKCNBSwK8MW6lrJ25xWYA)"
    R"(jBlwuxP8dZPdx3l0RliyqSgFuX7JREX-KPBwr_89wjMYt95JC6iZC1nIcQl53yGCap5rKjezBLs1ZYQWKoxTor)"
    R"(vc5CsJRHkR9A-yjp-VZBImKSDlJw41rCJbTO-a-mirytNI3i4A_zmqZ58F3MB5gtd-f8tT2R_UQ1lCLxZ9uenl)"
    R"(DA_knfro1_o2UV_R67hd_QB1FxUuoLeteox7EALWnEIl5VJgw","e":"AQAB"},{"kty":"EC","kid":"e",")"
    R"(crv":"P-256","x":"QqQg8LX4WUoyhdMC8H7Ig3Yg7T_NTUW1IX1YwOymcoI","y":"f_aDSYSLnc2f1wHZ18)"
    R"(TNJHHhEa0cLhj40pCv5-h2L1c"},{"kty":"oct","kid":"s"}]})";
constexpr char kRsa[] =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjp"
    "bImFzc2F5Iiwib3RoZXIiXSwic3ViIjoiYW5uIiwiZXhwIjo0MTAyNDQ0ODAwLCJwZXJtaXNzaW9ucyI6WyJzZXJ2a"
    "WNlOnNob3AiXX0.C6XiQRJUcK__ViLnRD3mpcrmIGN3TfJ2jsgaZJ-JnrhNdobnvjzNWW-SImrli6Ft40RUZ8OAjuM"
    "mddHY9z7P3Ni0c_f8MtnoMc46KJVvTiZZYPwY32uyIBWTENAcySCM8gWtv2I1VDWk936L3O0mbooJ8Mg71sAslC28Y"
    "qh8wWxVcFJ_V9Wlohk2GBF1RaaHecrBz68CMD_QhrMWNbnXt_A1xOFps2KpoQ3vT1FEQdogp4Zt2sL7_0b6ueA0HhF"
    "5EBrNi8pSTC7deWDLmjdg6nmIab1EDj0TRuADXvxKKjC7Gjfpchwbsm2KJVJKZ-Fo0DtDg6SRCD68DAXQRVApaA";

constexpr int kRepeats = 5;
constexpr int kKnown = 200'000;
constexpr int kAnew = 500;

std::shared_ptr<const Access> access() {
  constexpr char kFile[] = R"({"callers":[{"name":"web","may":["service:shop"],"secret_sha256":
      "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0"}],
      "jwt":{"jwks":"keys.json","issuer":"https://login.example.com","audience":"assay"}})";
  return *Access::parse(
      kFile, [](const std::string&) -> assay::Result<std::string> { return std::string(kKeySet); });
}

/// Best nanoseconds of one question of `count`, each of which must find `name`.
template <typename Who>
double best_ns(assay::Clock& clock, int count, const std::string& name, const Who& who) {
  int64_t best = std::numeric_limits<int64_t>::max();
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const int64_t begin = clock.monotonic().micros;
    for (int i = 0; i < count; ++i) {
      const auto caller = who(repeat * count + i);
      ASSAY_CHECK(caller.ok() && (*caller)->name == name);
    }
    best = std::min(best, clock.monotonic().micros - begin);
  }
  return 1'000.0 * static_cast<double>(best) / count;
}

}  // namespace

int main() {
  const std::unique_ptr<assay::Clock> clock = assay::system_clock();
  Gate gate(*clock);
  gate.protect(access());
  const std::string header = std::string("Bearer ") + kRsa;
  const Credentials token{header, "", {}};
  const Credentials secret{"Bearer s3cret", "", {}};
  std::vector<std::shared_ptr<const Access>> fresh;
  for (int i = 0; i < kRepeats * kAnew; ++i) {
    fresh.push_back(access());
  }
  const double by_secret = best_ns(*clock, kKnown, "web", [&](int) { return gate.who(secret); });
  const double known = best_ns(*clock, kKnown, "ann", [&](int) { return gate.who(token); });
  const double anew = best_ns(*clock, kAnew, "ann", [&](int i) {
    return fresh[static_cast<std::size_t>(i)]->caller(token, clock->now());
  });
  std::printf(
      "a caller by a secret %.0f ns, by a token that is known %.0f ns; by one shown for the first "
      "time %.0f ns: ratio %.1f\n",
      by_secret,
      known,
      anew,
      anew / known);
  return 0;
}
