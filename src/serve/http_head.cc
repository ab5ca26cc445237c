#include "serve/http_head.h"

#include <array>
#include <cstdio>

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

void append_head(const Response& response,
                 std::string_view date,
                 unsigned version,
                 bool keep_alive,
                 std::string* out) {
  const auto line = [out](std::string_view name, std::string_view value) {
    out->append(name).append(": ").append(value).append("\r\n");
  };
  out->append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  out->append(reason_of(response.status)).append("\r\n");
  for_each_header(response, date, line);
  if (!keep_alive) {
    line("connection", "close");
  } else if (version < 11) {
    line("connection", "keep-alive");
  }
  out->append("\r\n");
}

}  // namespace assay::serve
