#include "store/sigv4.h"

#include <gtest/gtest.h>

#include "store/digest.h"

namespace assay::store {
namespace {

// AWS's published vectors: the examples of "Authenticating Requests: Using the Authorization Header
// (AWS Signature Version 4)" of the S3 API reference, and of the aws-sig-v4-test-suite.

constexpr char kEmpty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const S3Credentials kS3{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
const S3Credentials kSuite{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};

EventTime at(const char* text) {
  return parse_time(text).value();
}

std::string signature(const std::string& header) {
  return header.substr(header.rfind('=') + 1);
}

SigningInput s3_request(const char* method, const char* path, const std::string& payload) {
  return {method,
          path,
          {},
          {{"Host", "examplebucket.s3.amazonaws.com"},
           {"x-amz-content-sha256", payload},
           {"x-amz-date", "20130524T000000Z"}},
          payload};
}

const SigningScope kS3Scope{at("2013-05-24T00:00:00Z"), "us-east-1", "s3"};

TEST(Sigv4, GetsAnObject) {
  SigningInput input = s3_request("GET", "/test.txt", kEmpty);
  input.headers.emplace_back("Range", "bytes=0-9");
  EXPECT_EQ(canonical_request(input),
            "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n"
            "x-amz-content-sha256:" +
                std::string(kEmpty) +
                "\nx-amz-date:20130524T000000Z\n\n"
                "host;range;x-amz-content-sha256;x-amz-date\n" +
                kEmpty);
  EXPECT_EQ(authorization(input, kS3Scope, kS3),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(Sigv4, PutsAnObject) {
  const std::string payload = to_hex(sha256("Welcome to Amazon S3."));
  EXPECT_EQ(payload, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
  SigningInput input = s3_request("PUT", "/test$file.text", payload);
  input.headers.emplace_back("Date", "Fri, 24 May 2013 00:00:00 GMT");
  input.headers.emplace_back("x-amz-storage-class", "REDUCED_REDUNDANCY");
  EXPECT_EQ(signature(authorization(input, kS3Scope, kS3)),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(Sigv4, AsksForASubresource) {
  SigningInput input = s3_request("GET", "/", kEmpty);
  input.query = {{"lifecycle", ""}};
  EXPECT_EQ(signature(authorization(input, kS3Scope, kS3)),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(Sigv4, ListsObjects) {
  SigningInput input = s3_request("GET", "/", kEmpty);
  input.query = {{"prefix", "J"}, {"max-keys", "2"}};
  EXPECT_EQ(canonical_query(input.query), "max-keys=2&prefix=J");
  EXPECT_EQ(signature(authorization(input, kS3Scope, kS3)),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

SigningInput suite_request(const char* path) {
  return {"GET",
          path,
          {},
          {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}},
          kEmpty};
}

std::string suite_signature(const SigningInput& input) {
  return signature(
      authorization(input, {at("2015-08-30T12:36:00Z"), "us-east-1", "service"}, kSuite));
}

TEST(Sigv4, SuiteGetVanilla) {
  EXPECT_EQ(suite_signature(suite_request("/")),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

TEST(Sigv4, SuiteGetVanillaQueryOrderKey) {
  SigningInput input = suite_request("/");
  input.query = {{"Param2", "value2"}, {"Param1", "value1"}};
  EXPECT_EQ(suite_signature(input),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

TEST(Sigv4, SuiteGetUtf8) {
  EXPECT_EQ(suite_signature(suite_request("/\xE1\x88\xB4")),
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
}

TEST(Sigv4, SuiteHeadersAreTrimmedAndJoined) {
  SigningInput input = suite_request("/");
  input.headers.emplace_back("My-Header1", " value1");
  input.headers.emplace_back("My-Header2", " \"a   b   c\"");
  EXPECT_EQ(suite_signature(input),
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
  SigningInput twice = suite_request("/");
  twice.headers.emplace_back("My-Header1", "value2");
  twice.headers.emplace_back("My-Header1", "value2");
  twice.headers.emplace_back("My-Header1", "value1");
  EXPECT_EQ(suite_signature(twice),
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea");
}

TEST(Sigv4, DigestsAreTheKnownOnes) {
  EXPECT_EQ(to_hex(sha256("")), kEmpty);
  EXPECT_EQ(to_hex(md5("abc")), "900150983cd24fb0d6963f7d28e17f72");
  // RFC 4231, test case 2.
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("a"), "YQ==");
  EXPECT_EQ(to_base64("ab"), "YWI=");
  EXPECT_EQ(to_base64("abc"), "YWJj");
}

TEST(Sigv4, DatesAreInUtc) {
  EXPECT_EQ(amz_date(at("2026-01-02T03:04:05.999999Z")), "20260102T030405Z");
  EXPECT_EQ(amz_date(at("1969-12-31T23:59:59Z")), "19691231T235959Z");
}

}  // namespace
}  // namespace assay::store
