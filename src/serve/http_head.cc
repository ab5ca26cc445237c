#include "serve/http_head.h"

#include <array>
#include <cstdio>
#include <cstring>

#include "base/check.h"

namespace assay::serve {
namespace {

/// The words beside a status; for people only, and may be none.
std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 413:
      return "Payload Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 507:
      return "Insufficient Storage";
    default:
      return "";
  }
}

}  // namespace

std::string http_date(EventTime now) {
  static constexpr std::array kDays = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  static constexpr std::array kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const int64_t days = floor_to(now.micros, kMicrosPerDay) / kMicrosPerDay;
  const CivilDate date = civil_from_days(days);
  const int64_t second = (now.micros - days * kMicrosPerDay) / kMicrosPerSecond;
  std::array<char, 64> text{};
  std::snprintf(text.data(),
                text.size(),
                "%s, %02u %s %04d %02d:%02d:%02d GMT",
                kDays[static_cast<std::size_t>(((days % 7) + 7) % 7)],
                date.day,
                kMonths[date.month - 1],
                static_cast<int>(date.year),
                static_cast<int>(second / 3600),
                static_cast<int>(second / 60 % 60),
                static_cast<int>(second % 60));
  return text.data();
}

std::string_view HeadDate::now() {
  const int64_t second = clock_.now().micros / kMicrosPerSecond;
  if (second != second_) {
    second_ = second;
    text_ = http_date({second * kMicrosPerSecond});
  }
  return text_;
}

std::string last_answer(const Response& response, EventTime now) {
  std::string bytes;
  append_head(response, http_date(now), 11, false, &bytes);
  return bytes + response.body;
}

Headers own_headers(const Response& response) {
  Headers headers;
  for_each_mark(response.marks, [&headers](std::string_view name, std::string_view value) {
    headers.emplace_back(name, value);
  });
  headers.insert(headers.end(), response.headers.begin(), response.headers.end());
  return headers;
}

namespace {

/// Text put behind text, within a room of which it is known that it is enough.
class Line {
 public:
  Line(char* begin, char* end) : at_(begin), end_(end) {}
  void put(std::string_view text) {
    ASSAY_CHECK(text.size() <= static_cast<std::size_t>(end_ - at_));
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void header(std::string_view name, std::string_view value) {
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }
  [[nodiscard]] const char* at() const { return at_; }

 private:
  char* at_;
  char* const end_;
};

}  // namespace

void append_head(const Response& response,
                 std::string_view date,
                 unsigned version,
                 bool keep_alive,
                 std::string* out) {
  // The first line with its reason, and all headers but those of the response's own.
  constexpr std::size_t kOwnBytesMax = 512;
  constexpr std::size_t kAround = 4;  // of a header's name and value
  std::size_t bytes = kOwnBytesMax + date.size() + response.content_type.size();
  for (const auto& [name, value] : response.headers) {
    bytes += name.size() + value.size() + kAround;
  }
  const std::size_t before = out->size();
  out->resize(before + bytes);
  Line line(out->data() + before, out->data() + out->size());
  if (response.status == 200) {
    line.put("HTTP/1.1 200 OK\r\n");
  } else {
    line.put("HTTP/1.1 ");
    line.put(std::to_string(response.status));
    line.put(" ");
    line.put(reason_of(response.status));
    line.put("\r\n");
  }
  for_each_header(response, date, [&line](std::string_view name, std::string_view value) {
    line.header(name, value);
  });
  if (!keep_alive) {
    line.header("connection", "close");
  } else if (version < 11) {
    line.header("connection", "keep-alive");
  }
  line.put("\r\n");
  out->resize(static_cast<std::size_t>(line.at() - out->data()));
}

}  // namespace assay::serve
