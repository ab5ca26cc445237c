#include "learn/json_view.h"

#include <cmath>

#include <gtest/gtest.h>

namespace assay::learn {
namespace {

TEST(JsonView, ReadsEveryKindOfValue) {
  const std::string text =
      R"( {"a": [1, -2.5e1, "x"], "b": {"c": null}, "d": true, "e": "q\"\\\/\b\f\n\r\tA\u00e9\ud83d\ude00", "f": []} )";
  const auto view = JsonView::parse(text);
  ASSERT_TRUE(view.ok()) << view.status().to_string();
  const auto items = view->find("a")->items();
  ASSERT_EQ(items->size(), 3U);
  EXPECT_EQ((*items)[0].integer(), 1);
  EXPECT_EQ((*items)[1].number(), -25.0);
  EXPECT_EQ((*items)[1].integer(), std::nullopt);
  EXPECT_EQ((*items)[2].text(), "x");
  EXPECT_TRUE(view->find("b")->find("c")->is_null());
  EXPECT_EQ(view->find("d")->boolean(), true);
  EXPECT_EQ(view->find("e")->text(), "q\"\\/\b\f\n\r\tA\xc3\xa9\xf0\x9f\x98\x80");
  EXPECT_TRUE(view->find("f")->items()->empty());
  EXPECT_EQ(view->find("g"), std::nullopt);
  EXPECT_EQ(view->members()->size(), 5U);
  EXPECT_EQ(view->items(), std::nullopt);
  EXPECT_EQ(view->text(), std::nullopt);
}

TEST(JsonView, FloatsAreReadWithoutDouble) {
  // The nearest double lies on the midpoint of two floats; going by way of it would round the wrong
  // way.
  const std::string text = "1.00000005960464477540";
  const auto view = JsonView::parse(text);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->number32(), std::nextafter(1.0F, 2.0F));
  EXPECT_EQ(static_cast<float>(*view->number()), 1.0F);
}

TEST(JsonView, XgboostsOddNumbersAreNumbers) {
  const std::string text = "[NaN, Infinity, -Infinity, 5E-1, 1e999]";
  const auto view = JsonView::parse(text);
  ASSERT_TRUE(view.ok());
  const auto items = view->items();
  EXPECT_TRUE(std::isnan(*(*items)[0].number32()));
  EXPECT_EQ((*items)[1].number32(), INFINITY);
  EXPECT_EQ((*items)[2].number(), -INFINITY);
  EXPECT_EQ((*items)[3].number32(), 0.5F);
  EXPECT_EQ((*items)[4].number(), std::nullopt);
}

TEST(JsonView, BadTextIsCorrupt) {
  for (const std::string text :
       {"",          " ",      "{",          "}",    "[1,]",       "[1 2]", "{\"a\"}",
        "{\"a\":}",  "{a:1}",  "{\"a\":1,}", "nul",  "truth",      "+1",    ".5",
        "-",         "inf",    "nan",        "0x10", "1e",         "\"",    "\"\\x\"",
        "\"\\u12\"", "\"\n\"", "1 2",        "[]]",  "{\"a\":1}}", "[1}",   "'a'"}) {
    EXPECT_EQ(JsonView::parse(text).code(), Code::kCorrupt) << text;
  }
}

TEST(JsonView, DepthIsBounded) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_EQ(JsonView::parse(deep).code(), Code::kCorrupt);
  const std::string fine = std::string(60, '[') + std::string(60, ']');
  EXPECT_TRUE(JsonView::parse(fine).ok());
}

}  // namespace
}  // namespace assay::learn
