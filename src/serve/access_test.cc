// Who may ask, by secrets and by tokens. Keys and tokens were made with `openssl genrsa`, `ecparam`
// and `dgst -sha256 -sign`; the private keys are gone.

#include "serve/access.h"

#include <gtest/gtest.h>

#include "serve/error_response.h"
#include "serve/feature_server.h"
#include "serve/serving_fixture.h"
#include "serve/signature.h"

namespace assay::serve {
namespace {

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
constexpr char kEc[] =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjo"
    "iYXNzYXkiLCJzdWIiOiJib2IiLCJleHAiOjQxMDI0NDQ4MDAsInBlcm1pc3Npb25zIjpbInNlcnZpY2U6c2hvcCJdf"
    "Q.pbKoY_LeGTqkpHXWyPhSgJPlK0tooeHh_BDHDZwuo55l7LGznfc_AkdRA8lyiJGTuNISNnR-e6cnsPGh85pDzQ";
constexpr char kExpired[] =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjp"
    "bImFzc2F5Iiwib3RoZXIiXSwic3ViIjoiYW5uIiwiZXhwIjo5NDY2ODQ4MDAsInBlcm1pc3Npb25zIjpbInNlcnZpY"
    "2U6c2hvcCJdfQ.giF65XsrQpHIbzJFmmHbcm-NFveeRSKbX6pT7E45CCucx21FarWCuVmrQvlraX12gpHs2-3WKP1h"
    "K_LPsOTz9Q";
constexpr char kEarly[] =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjp"
    "bImFzc2F5Iiwib3RoZXIiXSwic3ViIjoiYW5uIiwiZXhwIjo0MTAyNDQ0ODAwLCJwZXJtaXNzaW9ucyI6WyJzZXJ2a"
    "WNlOnNob3AiXSwibmJmIjo0MTAyNDQ0MDAwfQ.fkk_kwqsYj_DnzizqlCWC8zXZgtMeEMP_-mDyKP-2_Kyk4aBPec3"
    "y9Q_CDcPFXM-eU0hB4gNnpDmTwF5keOLsA";
constexpr char kEndless[] =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjp"
    "bImFzc2F5Iiwib3RoZXIiXSwic3ViIjoiYW5uIiwicGVybWlzc2lvbnMiOlsic2VydmljZTpzaG9wIl19.rDUIxaja"
    "Cefm_WuUYCEPrZo0NeU9buDva8IB8b9o0FIyXXYTUr7vrub3io7eKyDNIjJXR6SJ285LFlGA2BECZg";
constexpr char kOtherIssuer[] =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJ4IiwiYXVkIjpbImFzc2F5Iiwib3RoZXIiXSwic3ViIjo"
    "iYW5uIiwiZXhwIjo0MTAyNDQ0ODAwLCJwZXJtaXNzaW9ucyI6WyJzZXJ2aWNlOnNob3AiXX0.Ws7DqAb2AAENslJRb"
    "c_w9JcoSKnohRgxR4IzaG2nVj7aW_yBrMYvJuGZwJTYPfh5-Tqc6Bxaj_DqS7qw528oEA";
constexpr char kOtherAudience[] =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjo"
    "ieCIsInN1YiI6ImFubiIsImV4cCI6NDEwMjQ0NDgwMCwicGVybWlzc2lvbnMiOlsic2VydmljZTpzaG9wIl19.BFQc"
    "MLpDqG0bg9sRUHePJ2iSS9yZeJGeu7ntpFE4CXffR0wbTDADFovVkzZsbGz8ZbEI8Qgrvl9-bJiPYEKUPg";
constexpr char kOtherKey[] =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6InIifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjp"
    "bImFzc2F5Iiwib3RoZXIiXSwic3ViIjoiYW5uIiwiZXhwIjo0MTAyNDQ0ODAwLCJwZXJtaXNzaW9ucyI6WyJzZXJ2a"
    "WNlOnNob3AiXX0.WJsG-rSM6xumIbfpPTYVPS3Uh6oDqrAXbm7eBGaQjAvfjQBEe8GozWo2vNI4fXqobgvrbMv-v8h"
    "NvfoXCnyCFA";
constexpr char kUnknownKey[] =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6InoifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjp"
    "bImFzc2F5Iiwib3RoZXIiXSwic3ViIjoiYW5uIiwiZXhwIjo0MTAyNDQ0ODAwLCJwZXJtaXNzaW9ucyI6WyJzZXJ2a"
    "WNlOnNob3AiXX0.0Kmx-rx7P4XS38ZcKBC_j3GekURwsqiRQMZFiydNS-gBADucc94CQRIDAihTOTc7NoFf6iBr6LB"
    "XY-hGvhKwjQ";
// By a key of their own: a list of texts, a text, and a list with a number in it.
constexpr char kListOfPermissions[] =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6InQifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoiYXN"
    "zYXkiLCJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDAsInBlcm1pc3Npb25zIjpbInZpZXc6Y2xpY2tzIl19.tmLwc1l8"
    "SuqOekFpuiwUp1QeMujS8eUvA0SKreVIH_AdJBLeaK7DXOj_3g84PonYtJKVik9-8zfKIFuAdYNNdw";
constexpr char kTextOfPermissions[] =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6InQifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoiYXN"
    "zYXkiLCJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDAsInBlcm1pc3Npb25zIjoidmlldzpjbGlja3MifQ.hIr3UOUJAx"
    "J1_ke_PMwS9QhL6V_QK5ZRZu9JZl56JQzMQ6xOzhKHxRnMchJCfwLK3FF5y91--WiKxsahAobGoA";
constexpr char kMixedPermissions[] =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6InQifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoiYXN"
    "zYXkiLCJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDAsInBlcm1pc3Npb25zIjpbInZpZXc6Y2xpY2tzIiwxXX0.ZMVj2"
    "0x1Ya9eWbmQXBxI2SuOaPvHWf3ofsaYN4tJEOHDv56VEXgAr0t_7CFyEX94ArMH2QO4rHKpmFkZpmVmYw";

// Secrets: "s3cret" and "all".
constexpr char kFile[] = R"({"callers":[
  {"name":"web","secret_sha256":"1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0",
   "may":["service:shop","source:clicks"]},
  {"name":"ops","secret_sha256":"5ef5ef0364b6939c4ca61f34b393f7b368d1be8619647aaf83d5b395919ab629",
   "may":["*"]}],
 "jwt":{"jwks":"keys.json","issuer":"https://login.example.com","audience":"assay"}})";
constexpr EventTime kNow{1'790'000'000 * kMicrosPerSecond};

Result<std::string> read_keys(const std::string& path) {
  return path == "keys.json" ? Result<std::string>(std::string(kKeySet))
                             : Result<std::string>(Status(Code::kNotFound, path));
}

std::shared_ptr<const Access> access() {
  return *Access::parse(kFile, read_keys);
}

Result<Caller> by_token(const std::string& token) {
  const auto found = access()->caller({"Bearer " + token, "", {}}, kNow);
  return found.ok() ? Result<Caller>(**found) : Result<Caller>(found.status());
}

TEST(Access, SecretsAreKnownByTheirHash) {
  EXPECT_EQ((*access()->caller({"Bearer s3cret", "", {}}, kNow))->name, "web");
  EXPECT_EQ((*access()->caller({"bearer s3cret", "", {}}, kNow))->name, "web");
  EXPECT_EQ((*access()->caller({"", "all", {}}, kNow))->name, "ops");
  for (const char* const wrong :
       {"", "Bearer", "Bearer ", "Bearer s3cre", "Basic s3cret", "s3cret"}) {
    EXPECT_EQ(access()->caller({wrong, "", {}}, kNow).code(), Code::kUnauthenticated) << wrong;
  }
  EXPECT_EQ(access()->caller({"Bearer s3cret", "nope", {}}, kNow).code(), Code::kUnauthenticated);
}

TEST(Access, AKeyMayLookLikeAToken) {
  std::string text = kFile;  // the hash of "ab.cd.ef"
  const std::string hash = "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0";
  text.replace(text.find(hash), hash.size(), sha256_hex("ab.cd.ef"));
  const auto dotted = *Access::parse(text, read_keys);
  EXPECT_EQ((*dotted->caller({"Bearer ab.cd.ef", "", {}}, kNow))->name, "web");
  EXPECT_EQ((*dotted->caller({"", "ab.cd.ef", {}}, kNow))->name, "web");
  EXPECT_EQ((*dotted->caller({std::string("Bearer ") + kEc, "", {}}, kNow))->name, "bob");
  EXPECT_EQ(dotted->caller({"Bearer ab.cd.eg", "", {}}, kNow).code(), Code::kUnauthenticated);
}

TEST(Access, ACertificateIsACallerByOneOfItsNames) {
  const std::string hash = sha256_hex("s");
  const auto access = *Access::parse(
      R"({"callers":[{"name":"shop","certificate":"uri:spiffe://prod/shop","may":["view:*"]},
          {"name":"web","certificate":"dns:web.internal"},
          {"name":"ops","certificate":"subject:CN=ops","may":["*"]},
          {"name":"key","secret_sha256":")" +
          hash + R"("}]})",
      read_keys);
  EXPECT_TRUE(access->knows_certificates());
  const auto caller = [&](const std::vector<std::string>& names,
                          std::string_view authorization = "",
                          std::string_view api_key = "") {
    const auto found = access->caller({authorization, api_key, names}, kNow);
    EXPECT_EQ(found.ok() ? Code::kUnauthenticated : found.code(), Code::kUnauthenticated);
    return found.ok() ? (*found)->name : "";
  };
  EXPECT_EQ(caller({"uri:spiffe://prod/shop", "subject:CN=x"}), "shop");
  EXPECT_EQ(caller({"uri:spiffe://prod/other", "dns:web.internal", "subject:CN=ops"}), "web")
      << "the first that is known";
  EXPECT_EQ(caller({"subject:CN=ops"}), "ops");
  for (const char* const stranger : {"dns:spiffe://prod/shop",
                                     "uri:spiffe://prod/sho",
                                     "uri:spiffe://prod/shop/",
                                     "dns:WEB.internal",
                                     "subject:CN=ops,O=x"}) {
    EXPECT_EQ(caller({stranger}), "") << stranger;
  }
  EXPECT_EQ(caller({std::string("dns:web.internal\0.evil", 21)}), "");
  EXPECT_EQ(caller({"subject:CN=ops"}, "Bearer s"), "key") << "what he sends counts first";
  EXPECT_EQ(caller({"subject:CN=ops"}, "Bearer wrong"), "");
  EXPECT_EQ(caller({"subject:CN=ops"}, "", "wrong"), "");
}

TEST(Access, TokensAreOfATrustedIssuer) {
  const Result<Caller> ann = by_token(kRsa);
  ASSERT_TRUE(ann.ok()) << ann.status().to_string();
  EXPECT_EQ(ann->name, "ann");
  EXPECT_EQ(ann->permissions, (std::vector<std::string>{"service:shop"}));
  EXPECT_EQ(by_token(kEc)->name, "bob");
  for (const char* const wrong :
       {kExpired, kEarly, kEndless, kOtherIssuer, kOtherAudience, kOtherKey, kUnknownKey}) {
    EXPECT_EQ(by_token(wrong).code(), Code::kUnauthenticated) << wrong;
  }
}

TEST(Access, PermissionsOfATokenAreAListOfTexts) {
  const auto made = *Access::parse(kFile, [](const std::string&) {
    return Result<std::string>(R"({"keys":[{"kty":"EC","kid":"t","crv":"P-256",)"
                               R"("x":"RApwzLjMnXtsDSXAUymd3Py69j5OP5WVri01K9Lgso0",)"
                               R"("y":"__HCT_zWJISKdxkjgaYXGyoTn6UwjBEMuREJIHryd_k"}]})");
  });
  const auto caller = [&](const char* token) {
    return made->caller({std::string("Bearer ") + token, "", {}}, kNow);
  };
  ASSERT_TRUE(caller(kListOfPermissions).ok());
  EXPECT_TRUE((*caller(kListOfPermissions))->may("view", "clicks"));
  for (const char* const wrong : {kTextOfPermissions, kMixedPermissions}) {
    EXPECT_EQ(caller(wrong).code(), Code::kUnauthenticated);
    EXPECT_NE(caller(wrong).status().message().find("`permissions`"), std::string::npos);
  }
}

TEST(Access, ACallerWithoutANameIsCalledOne) {
  EXPECT_EQ(not_permitted({"", {}}, "view", "clicks").body.find("\"message\": \" may"),
            std::string::npos);
  EXPECT_NE(not_permitted({"", {}}, "view", "clicks").body.find("the caller may not use view"),
            std::string::npos);
}

TEST(Access, ATokenIsVerifiedOnceAndHoldsAsLongAsItSays) {
  const auto known = access();
  const std::string header = std::string("Bearer ") + kEc;
  const auto at = [&](int64_t seconds) {
    return known->caller({header, "", {}}, EventTime{seconds * kMicrosPerSecond});
  };
  constexpr int64_t kExpires = 4'102'444'800;
  const auto first = at(kNow.micros / kMicrosPerSecond);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(at(kExpires - 1)->get(), first->get()) << "the one that is known";
  EXPECT_EQ(at(kExpires + 60).code(), Code::kUnauthenticated) << "it has expired since";
  EXPECT_TRUE(at(kExpires + 59).ok()) << "clocks may differ by a minute";
  for (const char* const never : {kExpired, kEarly, kOtherKey, kOtherIssuer}) {
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(known->caller({std::string("Bearer ") + never, "", {}}, kNow).code(),
                Code::kUnauthenticated);
    }
  }
  const std::string early = std::string("Bearer ") + kEarly;  // from 4102444000 on
  EXPECT_TRUE(known->caller({early, "", {}}, EventTime{4'102'444'100 * kMicrosPerSecond}).ok());
  EXPECT_EQ(known->caller({early, "", {}}, kNow).code(), Code::kUnauthenticated);
}

TEST(Access, AnotherFileKnowsNoTokenOfTheOneBefore) {
  FakeClock clock(kNow);
  Gate gate(clock);
  gate.protect(access());
  const std::string header = std::string("Bearer ") + kEc;
  ASSERT_TRUE(gate.who({header, "", {}}).ok());
  std::string keys = kKeySet;
  keys.replace(keys.find("\"kid\":\"e\""), 9, "\"kid\":\"f\"");  // its key is withdrawn
  gate.protect(
      *Access::parse(kFile, [&](const std::string&) -> Result<std::string> { return keys; }));
  EXPECT_EQ(gate.who({header, "", {}}).code(), Code::kUnauthenticated);
}

TEST(Access, OfManyTokensThoseThatAreShownStayKnown) {
  TokenCache cache(10);
  const auto name = [](int i) { return "token " + std::to_string(i); };
  const auto shown = std::make_shared<const Caller>(Caller{"shown", {}});
  for (int i = 0; i < 1000; ++i) {
    cache.add(name(i), {i == 0 ? shown : nullptr, 0, 1});
    const std::optional<KnownToken> found = cache.find(name(0));
    ASSERT_TRUE(found.has_value()) << i;
    EXPECT_EQ(found->caller, shown);
    EXPECT_LE(cache.size(), 10U);
  }
  EXPECT_TRUE(cache.find(name(999)).has_value());
  EXPECT_FALSE(cache.find(name(900)).has_value());
}

TEST(Access, NoLetterOfATokenMayChange) {
  const std::string token = kEc;
  for (std::size_t at = 0; at < token.size(); at += 7) {
    std::string changed = token;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_EQ(by_token(changed).code(), Code::kUnauthenticated) << at;
    EXPECT_EQ(by_token(token.substr(0, at)).code(), Code::kUnauthenticated) << at;
  }
  // {"alg":"none","kid":"e"} with the same claims and no signature.
  const std::string none = "eyJhbGciOiJub25lIiwia2lkIjoiZSJ9";
  EXPECT_EQ(
      by_token(none + token.substr(token.find('.'), token.rfind('.') - token.find('.') + 1)).code(),
      Code::kUnauthenticated);
}

TEST(Access, PermissionsNameOneOrAll) {
  const Caller caller{"c", {"service:a", "view:*", "metrics"}};
  EXPECT_TRUE(caller.may("service", "a"));
  EXPECT_FALSE(caller.may("service", "b"));
  EXPECT_FALSE(caller.may("service"));
  EXPECT_TRUE(caller.may("view", "b"));
  EXPECT_TRUE(caller.may("metrics"));
  EXPECT_FALSE(caller.may("registry"));
  EXPECT_FALSE(caller.may("model", "*"));
  EXPECT_TRUE((Caller{"c", {"*"}}).may("model", "m"));
}

TEST(Access, AWrongFileIsRefused) {
  for (const char* const wrong : {"",
                                  "[]",
                                  "{}",
                                  R"({"callers":[]})",
                                  R"({"callers":[{"name":"a"}]})",
                                  R"({"callers":[{"name":"a","secret_sha256":"12"}]})",
                                  R"({"callers":[1]})",
                                  R"({"callers":[{"name":"a","certificate":""}]})",
                                  R"({"callers":[{"name":"a","certificate":"shop"}]})",
                                  R"({"callers":[{"name":"a","certificate":"dns:"}]})",
                                  R"({"callers":[{"name":"a","certificate":"ip:127.0.0.1"}]})",
                                  R"({"callers":[{"name":"a","certificate":"dns:a"},
                                                 {"name":"b","certificate":"dns:a"}]})",
                                  R"({"jwt":{"jwks":"keys.json"}})",
                                  R"({"jwt":{"jwks":"keys.json","issuer":"i","audience":"a",
                                             "keys_for":"0s"}})",
                                  R"({"jwt":{"jwks":"keys.json","issuer":"i","audience":"a",
                                             "keys_for":"299s"}})",
                                  R"({"jwt":{"jwks":"none.json","issuer":"i","audience":"a"}})"}) {
    EXPECT_FALSE(Access::parse(wrong, read_keys).ok()) << wrong;
  }
  const std::string caller =
      R"({"callers":[{"name":"a","secret_sha256":")" + sha256_hex("s") + "\"";
  EXPECT_TRUE(Access::parse(caller + R"(,"may":["view:*","metrics"]}]})", read_keys).ok());
  for (const char* const more : {R"(,"may":["views:*"]}]})",
                                 R"(,"may":["view"]}]})",
                                 R"(,"may":["view:"]}]})",
                                 R"(,"may":[1]}]})",
                                 R"(,"certificate":"dns:a"}]})",
                                 R"(,"certificate":["dns:a"]}]})",
                                 R"(,"mai":[]}]})",
                                 R"(}],"jwts":{}})",
                                 R"(}],"jwt":1})"}) {
    EXPECT_EQ(Access::parse(caller + more, read_keys).code(), Code::kInvalidArgument) << more;
  }
  const std::string empty = R"({"callers":[{"name":"a","secret_sha256":")" + sha256_hex("");
  EXPECT_EQ(Access::parse(empty + "\"}]}", read_keys).code(), Code::kInvalidArgument)
      << "an empty secret lets everybody in";
}

TEST(Access, AKeyThatIsNoneLeavesTheOthersOfItsSet) {
  constexpr char kPoint[] =
      R"("kty":"EC","crv":"P-256","x":"QqQg8LX4WUoyhdMC8H7Ig3Yg7T_NTUW1IX1YwOymcoI",)"
      R"("y":"f_aDSYSLnc2f1wHZ18TNJHHhEa0cLhj40pCv5-h2L1c")";
  constexpr char kNone[] = R"({"kty":"EC","crv":"P-256","kid":"none","x":"AA","y":"AA"})";
  constexpr char kShort[] = R"({"kty":"RSA","kid":"short","n":"9hfx","e":"AQAB"})";
  const auto parse = [](const std::string& keys) {
    return Access::parse(
        R"({"jwt":{"jwks":"k","issuer":"https://login.example.com",
                             "audience":"assay"}})",
        [&](const std::string&) -> Result<std::string> { return R"({"keys":[)" + keys + "]}"; });
  };
  const std::string good = std::string("{\"kid\":\"e\",") + kPoint + "}";
  const auto access = *parse(std::string(kNone) + "," + good + "," + kShort + "," + good);
  EXPECT_EQ((*access->caller({std::string("Bearer ") + kEc, "", {}}, kNow))->name, "bob");
  EXPECT_EQ(access->notes().size(), 3U);
  EXPECT_EQ(parse(kNone).code(), Code::kInvalidArgument) << "nothing is left";
  EXPECT_EQ(parse("").code(), Code::kInvalidArgument);
}

TEST(Access, AServerAnswersWithinWhatItsCallersMay) {
  ServingFixture fixture;
  FeatureServer server(fixture.world, *fixture.store, fixture.state);
  server.gate().protect(access());
  const auto ask = [&](const std::string& verb,
                       const std::string& path,
                       const std::string& secret,
                       const std::string& body) {
    return server.handle({verb, path, {{"authorization", "Bearer " + secret}}, body});
  };
  const std::string shop =
      R"({"entities":{"user_id":["u1"],"amount":[1]},"feature_service":"shop"})";
  const std::string views = R"({"entities":{"user_id":["u1"]},"features":["clicks:f0"]})";
  const std::string path = "/get-online-features";
  const Response nobody = server.handle({"POST", path, {}, shop});
  EXPECT_EQ(nobody.status, 401);
  EXPECT_EQ(nobody.headers.at(0),
            (std::pair<std::string, std::string>("www-authenticate", "Bearer")));
  EXPECT_EQ(server.handle({"GET", "/health", {}, ""}).status, 200);
  EXPECT_EQ(server.handle({"GET", "/ready", {}, ""}).status, 200);
  EXPECT_EQ(ask("POST", path, "s3cret", shop).status, 200);
  EXPECT_EQ(ask("POST", path, "s3cret", views).status, 403);
  EXPECT_EQ(ask("POST", path, "all", views).status, 200);
  EXPECT_EQ(ask("POST", "/predict", "s3cret", shop).status, 403);
  EXPECT_EQ(
      ask("POST", "/predict", "all", R"({"entities":{"user_id":["u1"],"amount":[1]}})").status,
      200);
  EXPECT_EQ(ask("POST", "/push", "s3cret", R"({"push_source_name":"orders","df":{}})").status, 403);
  EXPECT_EQ(ask("POST", "/push", "s3cret", R"({"push_source_name":"clicks","df":{}})").status, 501)
      << "permitted; this server has no line";
  EXPECT_EQ(ask("POST", "/materialize", "s3cret", R"({"disable_event_timestamp":true})").status,
            403);
  for (const char* const open : {"/metrics", "/openapi.json", "/api/v1/projects"}) {
    EXPECT_EQ(ask("GET", open, "s3cret", "").status, 403) << open;
    EXPECT_EQ(ask("GET", open, "all", "").status, 200) << open;
  }
  server.gate().protect(nullptr);
  EXPECT_EQ(server.handle({"POST", path, {}, views}).status, 200);
}

/// A server of callers who may do what `may` says; "x-api-key: s" is the caller.
Response asked(FeatureServer* server,
               const std::string& may,
               const std::string& path,
               const std::string& body) {
  server->gate().protect(*Access::parse(R"({"callers":[{"name":"a","secret_sha256":")" +
                                            sha256_hex("s") + R"(","may":[)" + may + "]}]}",
                                        read_keys));
  return server->handle({"POST", path, {{"x-api-key", "s"}}, body});
}

/// What is asked of something that is there and of something that is not.
struct Twin {
  const char* path;
  std::string body;  // with `%` for the name
  std::string there;
  std::string not_there;
};

std::string with_name(std::string text, const std::string& name) {
  text.replace(text.find('%'), 1, name);
  return text;
}

TEST(Access, WhoMayNotSeeNamesCannotTellWhatThereIs) {
  ServingFixture fixture;
  ServingState state = fixture.make_state();
  state.services["board"] = state.services.at("shop");
  FeatureServer server(fixture.world, *fixture.store, std::make_shared<const ServingState>(state));
  const std::string entities = R"("entities":{"user_id":["u1"],"amount":[1]})";
  const std::string times =
      R"(,"start_ts":"2001-01-01T00:00:00Z","end_ts":"2001-01-02T00:00:00Z"})";
  const std::vector<Twin> twins = {
      {"/get-online-features", "{" + entities + R"(,"feature_service":"%"})", "board", "broad"},
      {"/get-online-features", "{" + entities + R"(,"features":["%:f0"]})", "clicks", "clocks"},
      {"/get-online-features",
       "{" + entities + R"(,"features":["%@latest:f0"]})",
       "clicks",
       "clocks"},
      {"/get-online-features",
       "{" + entities + R"(,"features":["spend:f0","%:f0"]})",
       "clicks",
       "clocks"},
      {"/get-online-features",
       "{" + entities + R"(,"features":["%:double_amount"]})",
       "basket",
       "baskot"},
      {"/predict", "{" + entities + R"(,"model":"%"})", "buy", "bay"},
      {"/predict", "{" + entities + R"(,"model":"%","with_features":true})", "buy", "bay"},
      {"/write-to-online-store", R"({"feature_view_name":"%","df":{}})", "clicks", "clocks"},
      {"/materialize", R"({"feature_views":["%"])" + times, "clicks", "clocks"},
      {"/push", R"({"push_source_name":"%","df":{}})", "orders", "ordres"}};
  for (const Twin& twin : twins) {
    const Response there =
        asked(&server, "\"view:spend\"", twin.path, with_name(twin.body, twin.there));
    const Response not_there =
        asked(&server, "\"view:spend\"", twin.path, with_name(twin.body, twin.not_there));
    EXPECT_EQ(there.status, 403) << twin.body;
    EXPECT_EQ(not_there.status, 403) << twin.body;
    std::string renamed = not_there.body;
    renamed.replace(renamed.find(twin.not_there), twin.not_there.size(), twin.there);
    EXPECT_EQ(there.body, renamed);
    for (const char* const kind : {"service", "view", "model", "source"}) {
      const std::string all = "\"" + std::string(kind) + ":*\"";
      const Response typo = asked(&server, all, twin.path, with_name(twin.body, twin.not_there));
      EXPECT_EQ(typo.body.find(twin.there), std::string::npos) << typo.body;
    }
  }
  // What he did not name he is not told either.
  const Response any = asked(&server, "\"view:spend\"", "/predict", "{" + entities + "}");
  EXPECT_EQ(any.status, 403);
  EXPECT_EQ(any.body.find("buy"), std::string::npos) << any.body;
  const Response features =
      asked(&server, R"("model:buy")", "/predict", "{" + entities + R"(,"with_features":true})");
  EXPECT_EQ(features.status, 403);
  EXPECT_EQ(features.body.find("clicks"), std::string::npos) << features.body;
  const Response all =
      asked(&server, "\"view:spend\"", "/materialize", R"({"disable_event_timestamp":true})");
  EXPECT_EQ(all.status, 403);
  EXPECT_EQ(all.body.find("clicks"), std::string::npos) << all.body;
}

TEST(Access, WhoMaySeeNamesIsToldWhatHeMayHaveMeant) {
  ServingFixture fixture;
  FeatureServer server(fixture.world, *fixture.store, fixture.state);
  const std::string entities = R"({"entities":{"user_id":["u1"],"amount":[1]})";
  for (const auto& [path, body, meant] : std::vector<std::array<std::string, 3>>{
           {"/get-online-features", entities + R"(,"feature_service":"ship"})", "shop"},
           {"/get-online-features", entities + R"(,"features":["clocks:f0"]})", "clicks"},
           {"/predict", entities + R"(,"model":"bay"})", "buy"},
           {"/write-to-online-store", R"({"feature_view_name":"clocks","df":{}})", "clicks"},
           {"/materialize",
            R"({"feature_views":["clocks"],"disable_event_timestamp":true})",
            "clicks"}}) {
    const Response answer = asked(&server, "\"registry\"", path, body);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_NE(answer.body.find("did you mean `" + meant), std::string::npos) << answer.body;
  }
  for (const auto& [path, body] : std::vector<std::array<std::string, 2>>{
           {"/get-online-features", entities + R"(,"feature_service":"shop"})"},
           {"/get-online-features", entities + R"(,"features":["clicks:f0"]})"},
           {"/predict", entities + R"(,"model":"buy"})"},
           {"/write-to-online-store", R"({"feature_view_name":"clicks","df":{}})"},
           {"/materialize", R"({"feature_views":["clicks"],"disable_event_timestamp":true})"}}) {
    EXPECT_EQ(asked(&server, "\"registry\"", path, body).status, 403) << path;
  }
}

TEST(Access, FeaturesOfAModelNeedTheirOwnPermission) {
  ServingFixture fixture;
  FeatureServer server(fixture.world, *fixture.store, fixture.state);
  const std::string model = fixture.state->models.begin()->first;
  const auto status = [&](const std::string& may, const std::string& more) {
    server.gate().protect(*Access::parse(R"({"callers":[{"name":"a","secret_sha256":")" +
                                             sha256_hex("s") + R"(","may":[)" + may + "]}]}",
                                         read_keys));
    return server
        .handle({"POST",
                 "/predict",
                 {{"x-api-key", "s"}},
                 R"({"entities":{"user_id":["u1"],"amount":[1]})" + more + "}"})
        .status;
  };
  const std::string may_model = "\"model:" + model + "\"";
  const std::string features = R"(,"with_features":true)";
  EXPECT_EQ(status(may_model, ""), 200);
  EXPECT_EQ(status(may_model, features), 403);
  EXPECT_EQ(status(may_model + R"(,"service:shop")", features), 200);
  EXPECT_EQ(status(may_model + R"(,"view:*")", features), 200);
  EXPECT_EQ(status(may_model + R"(,"view:clicks")", features), 403);
}

TEST(Access, StrangersDoNotQueue) {
  ServingFixture fixture;
  FeatureServer server(fixture.world, *fixture.store, fixture.state);
  const auto slow = server.slow_of_callers();
  EXPECT_TRUE(slow({"POST", "/push", {}, "{}"}));
  server.gate().protect(access());
  EXPECT_FALSE(slow({"POST", "/push", {}, "{}"}));
  EXPECT_FALSE(slow({"POST", "/push", {{"x-api-key", "nope"}}, "{}"}));
  EXPECT_TRUE(slow({"POST", "/push", {{"x-api-key", "all"}}, "{}"}));
  EXPECT_FALSE(slow({"POST", "/nope", {{"x-api-key", "all"}}, "{}"}));
}

}  // namespace
}  // namespace assay::serve
