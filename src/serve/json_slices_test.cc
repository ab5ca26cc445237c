#include "serve/json_slices.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace assay::serve {
namespace {

std::string elements(std::string_view array) {
  const auto found = json_elements(array);
  std::string text = found.has_value() ? "" : "none";
  for (const std::string_view one : found.value_or(std::vector<std::string_view>{})) {
    text.append("<").append(one).append(">");
  }
  return text;
}

std::string members(std::string_view object) {
  const auto found = json_members(object);
  std::string text = found.has_value() ? "" : "none";
  for (const JsonMember& one : found.value_or(std::vector<JsonMember>{})) {
    text.append("<").append(one.name).append("=").append(one.value).append(">");
  }
  return text;
}

TEST(JsonSlices, ValuesAreTheBytesThatStandThere) {
  EXPECT_EQ(elements("[]"), "");
  EXPECT_EQ(elements(R"([1.50,-0.0,null,"a,]\"}\\",[1,[2,"]"]],{"b":[3]},true])"),
            R"(<1.50><-0.0><null><"a,]\"}\\"><[1,[2,"]"]]><{"b":[3]}><true>)");
  EXPECT_EQ(elements(" [ 1 , \"x\" ] "), R"(<1><"x">)");
  EXPECT_EQ(members("{}"), "");
  EXPECT_EQ(members(R"({"a":1,"\"b:":{"c":"}"},"d":[]})"), R"(<"a"=1><"\"b:"={"c":"}"}><"d"=[]>)");
}

TEST(JsonSlices, WhatIsNoArrayOrObjectIsNone) {
  for (const char* const text : {"",
                                 "1",
                                 "{}",
                                 "[",
                                 "[1",
                                 "[1,",
                                 "[1,]",
                                 "[,1]",
                                 "[1 2]",
                                 "[\"a]",
                                 "[[1]",
                                 "[1]x",
                                 "[1]]"}) {
    EXPECT_EQ(elements(text), "none") << text;
  }
  for (const char* const text : {"",
                                 "[]",
                                 "{",
                                 "{\"a\"",
                                 "{\"a\":",
                                 "{\"a\":1",
                                 "{\"a\":1,}",
                                 "{a:1}",
                                 "{\"a\":1}}",
                                 "{1:1}"}) {
    EXPECT_EQ(members(text), "none") << text;
  }
}

}  // namespace
}  // namespace assay::serve
