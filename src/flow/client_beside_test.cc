#include "flow/client_beside.h"

#include <future>
#include <memory>

#include <gtest/gtest.h>

#include "base/wait_until.h"

namespace assay::flow {
namespace {

/// Answers when it is let.
class SlowClient : public store::HttpClient {
 public:
  Result<store::HttpResponse> send(const store::HttpRequest& request) override {
    let_.wait();
    return store::HttpResponse{200, {}, request.url, false};
  }
  void let() { may_.set_value(); }

 private:
  std::promise<void> may_;
  std::shared_future<void> let_ = may_.get_future().share();
};

TEST(ClientBeside, AnAnswerThatComesLateIsThereForWhoAsksAgain) {
  const auto slow = std::make_shared<SlowClient>();
  ClientBeside client(slow);
  store::HttpRequest request;
  request.url = "http://registry/1";
  EXPECT_EQ(client.send(request).code(), Code::kUnavailable);
  EXPECT_EQ(client.send(request).code(), Code::kUnavailable);
  slow->let();
  const auto ask = [&] {
    const Result<store::HttpResponse> answer = client.send(request);
    return answer.ok() ? answer->body : "";
  };
  wait_until("an answer", ask, [&](const std::string& body) { return body == request.url; });
  request.url = "http://registry/2";
  wait_until("another", ask, [&](const std::string& body) { return body == request.url; });
}

}  // namespace
}  // namespace assay::flow
