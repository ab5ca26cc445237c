#include "flow/client_beside.h"

#include <chrono>
#include <utility>

#include "base/check.h"

namespace assay::flow {
namespace {

/// A server that is well answers within this.
constexpr std::chrono::milliseconds kWait{200};
/// Answers that nobody came for are forgotten when there are so many.
constexpr std::size_t kAnswersMax = 1'000;

}  // namespace

ClientBeside::ClientBeside(std::shared_ptr<store::HttpClient> client)
    : client_(std::move(client)), thread_([this] { run(); }) {}

ClientBeside::~ClientBeside() {
  const std::lock_guard lock(mutex_);
  is_over_ = true;
  changed_.notify_all();
}

Result<store::HttpResponse> ClientBeside::send(const store::HttpRequest& request) {
  ASSAY_CHECK(request.body.empty());
  std::unique_lock lock(mutex_);
  const bool is_new = !asked_.has_value() && !answers_.contains(request.url);
  if (is_new) {
    asked_ = request;
    changed_.notify_all();
    changed_.wait_for(lock, kWait, [&] { return answers_.contains(request.url); });
  }
  const auto found = answers_.find(request.url);
  if (found == answers_.end()) {
    return Status(Code::kUnavailable, "no answer yet");
  }
  Result<store::HttpResponse> answer = std::move(found->second);
  answers_.erase(found);
  return answer;
}

void ClientBeside::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return asked_.has_value() || is_over_; });
    if (is_over_) {
      return;
    }
    const store::HttpRequest request = *asked_;
    lock.unlock();
    Result<store::HttpResponse> answer = client_->send(request);
    lock.lock();
    asked_.reset();
    if (answers_.size() >= kAnswersMax) {
      answers_.clear();
    }
    answers_.insert_or_assign(request.url, std::move(answer));
    changed_.notify_all();
  }
}

}  // namespace assay::flow
