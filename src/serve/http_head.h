#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/time.h"
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

/// Hand each header that an answer has in every version of HTTP to `line(name, value)`.
template <typename Line>
void for_each_header(const Response& response, std::string_view date, const Line& line) {
  line("date", date);
  line("server", "assay");
  if (response.status != 304) {  // its length would be that of the answer it stands for
    line("content-length", std::to_string(response.body.size()));
  }
  if (!response.content_type.empty()) {
    line("content-type", response.content_type);
  }
  for (const auto& [name, value] : response.headers) {
    line(name, value);
  }
}

/// Append what stands before the body of an answer. `version`: 10 or 11, as the client asked.
void append_head(const Response& response,
                 std::string_view date,
                 unsigned version,
                 bool keep_alive,
                 std::string* out);
/// All of an answer behind which the connection ends.
std::string last_answer(const Response& response, EventTime now);

}  // namespace assay::serve
