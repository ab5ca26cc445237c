// What stands before the body of an answer, beside a naive twin.

#include "serve/http_head.h"

#include <limits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace assay::serve {
namespace {

constexpr EventTime kFirst{std::numeric_limits<int64_t>::min() + kMicrosPerDay};
constexpr EventTime kLast{std::numeric_limits<int64_t>::max()};

std::string naive_head(const Response& response,
                       const std::string& line,
                       const std::string& date,
                       const std::string& connection) {
  std::string head = "HTTP/1.1 " + line + "\r\ndate: " + date + "\r\nserver: assay\r\n";
  if (response.status != 304) {
    head += "content-length: " + std::to_string(response.body.size()) + "\r\n";
  }
  if (!response.content_type.empty()) {
    head += "content-type: " + std::string(response.content_type) + "\r\n";
  }
  for (const auto& [name, value] : own_headers(response)) {
    head += name + ": " + value + "\r\n";
  }
  return head + connection + "\r\n";
}

TEST(HttpHead, TheLongestHeadsAreWhole) {
  const std::string type(300, 't');
  for (const auto& [status, line] : std::vector<std::pair<int, std::string>>{
           {200, "200 OK"},
           {304, "304 Not Modified"},
           {431, "431 Request Header Fields Too Large"},
           {std::numeric_limits<int>::min(), "-2147483648 "}}) {
    Response response{status, type, std::string(100'000, 'b'), {}};
    response.marks.as_of = kFirst;
    response.marks.known_until = kLast;
    response.marks.tag = std::numeric_limits<uint64_t>::max();
    for (int headers : {0, 1, 50}) {
      response.headers.assign(static_cast<std::size_t>(headers),
                              {std::string(40, 'n'), std::string(700, 'v')});
      const std::string date(29, 'd');
      std::string head = "before";
      append_head(response, date, 11, true, &head);
      EXPECT_EQ(head, "before" + naive_head(response, line, date, ""));
      head.clear();
      append_head(response, date, 10, true, &head);
      EXPECT_EQ(head, naive_head(response, line, date, "connection: keep-alive\r\n"));
      head.clear();
      append_head(response, date, 11, false, &head);
      EXPECT_EQ(head, naive_head(response, line, date, "connection: close\r\n"));
    }
  }
}

TEST(HttpHead, WhatAMarkSaysHoldsWhileTheOthersAreSaid) {
  AnswerMarks marks;
  marks.as_of = EventTime{0};
  marks.known_until = EventTime{kMicrosPerDay};
  marks.tag = 7;
  std::vector<std::string_view> said;
  for_each_mark(marks, [&said](std::string_view, std::string_view value) {
    said.push_back(value);
    EXPECT_EQ(said[0], "1970-01-01T00:00:00Z");
    if (said.size() > 1) {
      EXPECT_EQ(said[1], "1970-01-02T00:00:00Z");
    }
  });
  EXPECT_EQ(said.size(), 3U);
}

}  // namespace
}  // namespace assay::serve
