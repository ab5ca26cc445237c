#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "store/http_client.h"

namespace assay::flow {

/// Sends requests without a body in a thread of its own, so that who asks does not wait for a
/// server that hangs: when there is no answer within a fifth of a second, it is kUnavailable, and
/// who sends the same request again has the answer once it came. One request is on its way at a
/// time.
///
/// Errors  as HttpClient's, and kUnavailable while there is no answer yet.
/// Threads thread-safe.
class ClientBeside : public store::HttpClient {
 public:
  explicit ClientBeside(std::shared_ptr<store::HttpClient> client);
  /// Waits for the request that is on its way, at most as long as that may take.
  ~ClientBeside() override;
  ClientBeside(const ClientBeside&) = delete;
  ClientBeside& operator=(const ClientBeside&) = delete;
  Result<store::HttpResponse> send(const store::HttpRequest& request) override;

 private:
  void run();

  std::shared_ptr<store::HttpClient> client_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<store::HttpRequest> asked_;  // waits for the thread, or is on its way
  std::map<std::string, Result<store::HttpResponse>> answers_;  // that nobody has taken, by URL
  bool is_over_ = false;
  std::jthread thread_;  // the last member: it uses the others
};

}  // namespace assay::flow
