#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/world.h"
#include "store/http_client.h"
#include "store/s3_credentials.h"
#include "store/s3_store.h"

namespace assay::store {

/// One operation on the bucket. `key` is the whole key, not encoded; "" is the bucket itself.
struct S3Request {
  std::string method = "GET";
  std::string key;
  std::vector<std::pair<std::string, std::string>> query;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view body;
  Duration timeout;             // zero: the options' own
  bool fails_with_200 = false;  // an <Error> may come after the status was sent
  bool wants_checksum = false;  // ask for the object's checksum, and compare
  bool creates = false;         // doing it twice is not as doing it once
};

struct S3Answer {
  HttpResponse http;
  bool in_doubt = false;  // an earlier attempt may have done the work already
};

/// Where a bucket is, as URLs and signatures say it.
struct S3Place {
  bool tls = true;
  std::string host;      // of requests, with port: "bucket.s3.eu-west-1.amazonaws.com"
  std::string endpoint;  // without the bucket
  std::string path;      // before every key: "/bucket/" or "/"
  std::string region;
  bool path_style = false;
};
Result<S3Place> resolve_place(const S3Options& options);

/// "Wed, 21 Oct 2015 07:28:00 GMT"; nothing when it is no such date.
std::optional<EventTime> parse_http_date(std::string_view text);

/// Signs, sends, tries again and makes statuses of refusals.
///
/// Answers are 2xx, and those that the operation must understand: 404 (no such object), 412, 416.
/// All else is a Status. A request is sent again after no answer, 408, 409, 429, 500, 502, 503, 504
/// or a wrong checksum: with waits that double and are drawn at random, as long as attempts, time
/// and the common allowance last. Expired credentials are renewed once.
///
/// Errors  see open_s3_store; kCommitUnknown: the last failure, where an attempt of a request that
///         `creates` may have done its work.
/// Threads thread-safe.
class S3Client {
 public:
  S3Client(World& world, S3Options options, S3Place place);
  ~S3Client();
  Result<S3Answer> send(const S3Request& request);
  Result<S3Credentials> credentials() { return credentials_->get(); }
  [[nodiscard]] const S3Place& place() const { return place_; }
  [[nodiscard]] const S3Options& options() const { return options_; }

 private:
  struct Verdict;
  HttpRequest sign(const S3Request& request, const S3Credentials& credentials);
  [[nodiscard]] Verdict judge(const S3Request& request, const Result<HttpResponse>& response) const;
  [[nodiscard]] Verdict judge_refusal(const HttpResponse& response) const;
  bool renew(const HttpResponse& response, const S3Credentials& used, Code code);
  bool wait_for_retry(int attempt, Duration started, const std::string& retry_after);
  void count(const S3Request& request, const Result<HttpResponse>& response);
  [[nodiscard]] std::string describe(const S3Request& request) const;

  World& world_;
  const S3Options options_;
  const S3Place place_;
  std::unique_ptr<HttpClient> http_;
  std::unique_ptr<CredentialsProvider> credentials_;
  std::atomic<int64_t> clock_offset_us_{0};  // the service's clock less ours, when it said so
  std::atomic<int> allowance_;               // of attempts beyond the first, over all requests
};

}  // namespace assay::store
