#include "serve/slow_requests.h"

#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "serve/all_at_once.h"
#include "serve/error_response.h"

namespace assay::serve {

Response busy_answer(std::string_view why) {
  return {503,
          "application/json",
          R"({"detail":")" + std::string(why) + R"("})",
          {{"retry-after", "1"}}};
}

Response no_room_answer(std::size_t bytes, std::size_t bytes_max) {
  return bytes > bytes_max
             ? detail_error(413, "The answer is too large; ask for fewer entities at once")
             : busy_answer("Server holds too much that is not read; ask again later");
}

namespace {

/// The handler's answer; 500 when a library throws in it, which is logged.
std::optional<Response> answer_safely(World& world,
                                      const Handler& handler,
                                      const Request& request) {
  try {
    return handler(request);
  } catch (const std::exception& failure) {  // only libraries throw, and memory may run out
    world.log.error("http_handler_threw", {{"what", std::string(failure.what())}});
    return Response{500, "application/json", R"({"detail":"Internal Server Error"})", {}};
  }
}

}  // namespace

std::optional<Response> SlowRequests::answer_now(Request& request) {
  if (is_slow_ && is_slow_(request)) {
    return std::nullopt;
  }
  request.pace = {large_.has_value(), {}};
  return answer_safely(world_, handler_, request);
}

SlowWork& SlowRequests::work_for(const Request& request) {
  if (writes_.has_value() && is_write_(request)) {
    return *writes_;
  }
  return large_.has_value() && is_large_(request) ? *large_ : work_;
}

std::optional<Response> SlowRequests::take(Request request, Answered done) {
  if (relay_) {
    return relay_(std::move(request), std::move(done));
  }
  struct Asked {
    Request request;
    Answered done;
  };
  const std::size_t bytes = request.body.size();
  SlowWork& work = work_for(request);
  const auto asked = std::make_shared<Asked>(Asked{std::move(request), std::move(done)});
  const Status taken =
      work.take({bytes,
                 [this, asked, &work] {
                   asked->request.pace = {false, work.begin_watch()};
                   asked->done(*answer_safely(world_, handler_, asked->request));
                 },
                 [asked](const Status& why) { asked->done(busy_answer(why.message())); }});
  if (taken.ok()) {
    return std::nullopt;
  }
  Response refusal = busy_answer(taken.message());
  refusal.status = http_status(taken.code());
  return refusal;
}

void SlowRequests::stop() {
  all_at_once({[this] { work_.stop(); },
               [this] {
                 if (writes_.has_value()) {
                   writes_->stop();
                 }
               },
               [this] {
                 if (large_.has_value()) {
                   large_->stop();
                 }
               }});
}

}  // namespace assay::serve
