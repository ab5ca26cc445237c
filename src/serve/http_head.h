#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/time.h"
#include "serve/answer_tag.h"
#include "serve/http_server.h"

namespace assay::serve {

/// "Sat, 21 Nov 2026 04:34:34 GMT"
std::string http_date(EventTime now);

/// The same of now, made anew once a second.
class HeadDate {
 public:
  explicit HeadDate(Clock& clock) : clock_(clock) {}
  std::string_view now();

 private:
  Clock& clock_;
  int64_t second_ = -1;
  std::string text_;
};

/// Hand each of an answer's marks to `line(name, value)`. What is handed holds until the last one
/// was: keep copies.
template <typename Line>
void for_each_mark(const AnswerMarks& marks, const Line& line) {
  std::array<char, 2 * kTimeBytesMax> times{};
  const auto say = [&line](std::string_view name, char* text, EventTime at) {
    line(name, std::string_view(text, static_cast<std::size_t>(write_time(text, at) - text)));
  };
  if (marks.as_of.has_value()) {
    say("x-assay-as-of", times.data(), *marks.as_of);
  }
  if (marks.known_until.has_value()) {
    say("x-assay-known-until", times.data() + kTimeBytesMax, *marks.known_until);
  }
  if (marks.tag.has_value()) {
    std::array<char, kTagBytes> tag{};
    write_tag(tag.data(), *marks.tag);
    line(std::string_view("etag"), std::string_view(tag.data(), tag.size()));
  }
}

/// Hand each header that an answer has in every version of HTTP to `line(name, value)`.
template <typename Line>
void for_each_header(const Response& response, std::string_view date, const Line& line) {
  line(std::string_view("date"), date);
  line(std::string_view("server"), std::string_view("assay"));
  if (response.status != 304) {  // its length would be that of the answer it stands for
    std::array<char, 24> length{};
    const char* const end =
        std::to_chars(length.data(), length.data() + length.size(), response.body.size()).ptr;
    line(std::string_view("content-length"),
         std::string_view(length.data(), static_cast<std::size_t>(end - length.data())));
  }
  if (!response.content_type.empty()) {
    line(std::string_view("content-type"), response.content_type);
  }
  for_each_mark(response.marks, line);
  for (const auto& [name, value] : response.headers) {
    line(std::string_view(name), std::string_view(value));
  }
}
/// An answer's own headers, with its marks before them.
Headers own_headers(const Response& response);

/// Append what stands before the body of an answer. `version`: 10 or 11, as the client asked.
void append_head(const Response& response,
                 std::string_view date,
                 unsigned version,
                 bool keep_alive,
                 std::string* out);
/// All of an answer behind which the connection ends.
std::string last_answer(const Response& response, EventTime now);

}  // namespace assay::serve
