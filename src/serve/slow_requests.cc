#include "serve/slow_requests.h"

#include <exception>
#include <utility>

namespace assay::serve {
namespace {

Response stopping_answer() {
  return {503, "application/json", R"({"detail":"Server is stopping"})", {}};
}

}  // namespace

Response answer_safely(World& world, const Handler& handler, const Request& request) {
  try {
    return handler(request);
  } catch (const std::exception& failure) {  // only libraries throw, and memory may run out
    world.log.error("http_handler_threw", {{"what", std::string(failure.what())}});
    return Response{500, "application/json", R"({"detail":"Internal Server Error"})", {}};
  }
}

SlowRequests::SlowRequests(World& world, const Handler& handler, const SlowLimits& limits)
    : world_(world),
      handler_(handler),
      limits_(limits),
      refused_(world.metrics.counter("assay_serve_slow_refused_total",
                                     "Requests that found no room to wait, answered with 429.")) {
  for (int i = 0; i < limits_.threads; ++i) {
    threads_.emplace_back([this] { run(); });
  }
}

std::optional<Response> SlowRequests::take(Request request, Done done) {
  {
    const std::lock_guard lock(mutex_);
    const std::size_t bytes = request.body.size();
    const auto requests = static_cast<int>(waiting_.size()) + under_way_;
    if (stopping_) {
      return stopping_answer();
    }
    if (requests >= limits_.requests_max || bytes_ + bytes > limits_.bytes_max) {
      refused_.add();
      return Response{429,
                      "application/json",
                      R"({"detail":"Too many requests wait; ask again later"})",
                      {{"retry-after", "1"}}};
    }
    bytes_ += bytes;
    waiting_.push_back({std::move(request), std::move(done)});
  }
  changed_.notify_one();
  return std::nullopt;
}

void SlowRequests::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) {
      return;
    }
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    bytes_ -= next.request.body.size();
    const bool stopping = stopping_;
    ++under_way_;
    lock.unlock();
    next.done(stopping ? stopping_answer() : answer_safely(world_, handler_, next.request));
    next = {};  // what it holds ends here, not under the lock
    lock.lock();
    --under_way_;
  }
}

void SlowRequests::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  threads_.clear();  // joins
}

}  // namespace assay::serve
