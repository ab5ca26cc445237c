// Bodies of questions that are read in the quick way are read as the general one reads them.

#include "serve/plain_body.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::serve {
namespace {

/// Whether the quick way takes a body; it must then read what the general one reads.
bool is_plain(const std::string& json) {
  RequestBody plain;
  const bool is_taken = read_plain_body(json, &plain);
  const ParsedBody general = parse_any_request_body(json);
  if (is_taken) {
    EXPECT_TRUE(general.errors.empty()) << json;
    EXPECT_EQ(plain, general.body) << json;
  }
  const ParsedBody parsed = parse_request_body(json);
  EXPECT_EQ(parsed.errors.empty(), general.errors.empty()) << json;
  EXPECT_TRUE(!parsed.errors.empty() || parsed.body == general.body) << json;
  return is_taken;
}

TEST(PlainBody, QuestionsAsMostAreAreTaken) {
  for (
      const char* const json : {
          R"({"entities":{"user_id":[1,2,3]},"feature_service":"all"})",
          R"( { "entities" : { "user_id" : [ "a" , "b" ] , "n" : [ -7, 0 ] } , "features" : [ "v:f" ] } )",
          "{\"model\":\"buy\",\n\t\"entities\":{\"user_id\":[]},\r\"with_features\":true}",
          R"({"entities":{},"features":[],"full_feature_names":false,"full_feature_names":true})",
          R"({"include_feature_view_version_metadata":true,"entities":{"a":[123456789012345678]}})",
      }) {
    EXPECT_TRUE(is_plain(json)) << json;
  }
}

TEST(PlainBody, WhatIsNotPlainIsLeft) {
  for (const char* const json : {
           "",
           "{}",
           "[]",
           R"({"entities":{"a":[1]}} x)",
           R"({"entities":{"a":[1]},})",
           R"({"entities":{"a":[1,]}})",
           R"({"entities":{"a":[01]}})",
           R"({"entities":{"a":[-0]}})",
           R"({"entities":{"a":[1.5]}})",
           R"({"entities":{"a":[1e3]}})",
           R"({"entities":{"a":[1234567890123456789]}})",
           R"({"entities":{"a":[null]}})",
           R"({"entities":{"a":[true]}})",
           R"({"entities":{"a":[[1]]}})",
           R"({"entities":{"a":[1],"a":[2]}})",
           R"({"entities":{"a":[1]},"entities":{"b":[1]}})",
           R"({"entities":{"a":["\u0041"]}})",
           "{\"entities\":{\"a\":[\"\xc3\xab\"]}}",
           "{\"entities\":{\"a\":[\"\xff\"]}}",
           "{\"entities\":{\"a\":[\"\n\"]}}",
           R"({"entities":{"a":[1]},"at":1})",
           R"({"entities":{"a":[1]},"more":1})",
           R"({"entities":{"a":[1]},"features":null})",
           R"({"entities":{"a":[1]},"full_feature_names":true,"full_feature_names":false})",
           R"({"entities":{"a":[1]},"full_feature_names":truer})",
           R"({"entities":{"a":1}})",
           R"({"features":["v:f"]})",
       }) {
    EXPECT_FALSE(is_plain(json)) << json;
  }
  const std::string many = [] {
    std::string columns;
    for (int i = 0; i < 17; ++i) {
      columns += (i == 0 ? "\"c" : ",\"c") + std::to_string(i) + "\":[1]";
    }
    return "{\"entities\":{" + columns + "}}";
  }();
  EXPECT_FALSE(is_plain(many));
  EXPECT_FALSE(is_plain(std::string("{\"entities\":{\"a\":[1]}}\0", 23)));
}

TEST(PlainBody, ALargeBodyIsLeftBeforeItIsRead) {
  std::string users = "[0";
  for (int i = 1; i < 2000; ++i) {
    users += ", " + std::to_string(i);
  }
  users += "]";
  for (const char* const taken : {"[1]", " [ -17 , 2]", "[\"a[1.5]\"]", "[]", "[7 ]"}) {
    const std::string body = R"({"entities":{"u":)" + users + R"(,"n":)" + taken + "}}";
    EXPECT_TRUE(is_plain(body)) << taken;
    EXPECT_TRUE(is_plain(R"({"features": ["a:b", "c:d"], )" + body.substr(1))) << taken;
  }
  for (const char* const left :
       {"[1.5, 2]", "[ null]", "[true]", "[-0.5]", "[1e3]", "[[1]]", "[{}]", "[", "[-"}) {
    const std::string body = R"({"entities":{"u":)" + users + R"(,"n":)" + left + "}}";
    EXPECT_FALSE(is_plain(body)) << left;
    RequestBody read;
    EXPECT_FALSE(read_plain_body(body, &read));
    EXPECT_TRUE(read.entities.empty()) << left;
  }
}

/// Put together from what bodies are made of, with a byte changed here and there.
TEST(PlainBody, RandomBodiesAreReadAlike) {
  constexpr std::array<const char*, 34> kPieces = {"{",        "}",
                                                   "[",        "]",
                                                   ",",        ":",
                                                   "\"",       " ",
                                                   "\n",       "1",
                                                   "-",        "0",
                                                   "12345",    ".",
                                                   "e",        "true",
                                                   "false",    "null",
                                                   "\\",       "\"a\"",
                                                   "\"b\":",   "{\"a\":",
                                                   "[1",       "\"u\":[",
                                                   "],",       "\"v:f\"",
                                                   "\xc3\xab", "\t",
                                                   "\x01",     "-0",
                                                   "]}",       "}}",
                                                   "\"at\":",  "\"feature_service\":"};
  constexpr std::array<const char*, 6> kWholes = {
      R"({"entities":{"user_id":[1,2,3]},"feature_service":"all"})",
      R"({"entities":{"u":["a","b"],"n":[-7,0]},"features":["v:f","v:g"],"full_feature_names":true})",
      R"({"model":"buy","entities":{"user_id":[17]},"with_features":true})",
      R"({"entities":{},"include_feature_view_version_metadata":false})",
      R"({ "entities" : { "user_id" : [ 999999999999999999 ] } })",
      R"({"features":["a:b"],"entities":{"a":["x"]},"model":"m","feature_service":"s"})"};
  const std::unique_ptr<Random> random = seeded_random(20261129);
  int taken = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string json = kWholes[random->below(kWholes.size())];
    for (uint64_t changes = random->below(4); changes > 0; --changes) {
      const std::size_t at = random->below(json.size() + 1);
      const std::string piece = kPieces[random->below(kPieces.size())];
      json.replace(at, random->below(3), random->below(4) == 0 ? "" : piece);
    }
    taken += is_plain(json) ? 1 : 0;
    ASSERT_FALSE(testing::Test::HasFailure()) << json;
  }
  EXPECT_GT(taken, 15'000);
}

}  // namespace
}  // namespace assay::serve
