#include "store/s3_client.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/fail_point.h"
#include "store/digest.h"
#include "store/s3_xml.h"
#include "store/sigv4.h"

namespace assay::store {
namespace {

// An attempt beyond the first costs, a success pays back: a service in trouble is soon left alone.
constexpr int kAllowanceMax = 500;
constexpr int kAllowanceOfRetry = 5;

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";

bool is_one_of(std::string_view code, std::initializer_list<std::string_view> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

}  // namespace

/// What an attempt means.
struct S3Client::Verdict {
  enum class Next { kAnswer, kRetry, kRenew, kFail };
  Next next = Next::kFail;
  bool may_have_landed = false;
  Code code = Code::kUnknown;
  std::string why;
};

Result<S3Place> resolve_place(const S3Options& options) {
  const auto variable = [&](const char* name) {
    return options.environment ? options.environment(name).value_or("") : std::string();
  };
  const auto first_of = [&](const std::string& said, const char* a, const char* b) {
    return !said.empty() ? said : !variable(a).empty() ? variable(a) : variable(b);
  };
  S3Place place;
  place.region = first_of(options.region, "AWS_REGION", "AWS_DEFAULT_REGION");
  place.region = place.region.empty() ? "us-east-1" : place.region;
  std::string endpoint = first_of(options.endpoint, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
  const bool own_service = !endpoint.empty();
  if (!own_service) {
    endpoint = "https://s3." + place.region + ".amazonaws.com";
  }
  while (endpoint.ends_with('/')) {
    endpoint.pop_back();
  }
  place.tls = endpoint.starts_with(kHttps);
  if (!place.tls && !endpoint.starts_with(kHttp)) {
    return Status(Code::kInvalidArgument,
                  "the endpoint of S3 begins with http:// or https://, not so: `" + endpoint + "`");
  }
  place.endpoint = endpoint.substr(place.tls ? kHttps.size() : kHttp.size());
  if (place.endpoint.empty() || place.endpoint.find_first_of("/?#@ ") != std::string::npos) {
    return Status(Code::kInvalidArgument,
                  "the endpoint of S3 is a scheme, a host and a port, no more: `" + endpoint + "`");
  }
  const bool dotted = options.bucket.find('.') != std::string::npos;
  place.path_style = options.path_style.value_or(own_service || dotted);
  place.host = place.path_style ? place.endpoint : options.bucket + "." + place.endpoint;
  place.path = place.path_style ? "/" + options.bucket + "/" : "/";
  return place;
}

std::optional<EventTime> parse_http_date(std::string_view text) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 29 || !text.ends_with(" GMT")) {
    return std::nullopt;
  }
  const std::size_t month = kMonths.find(text.substr(8, 3));
  if (month == std::string_view::npos || month % 3 != 0) {
    return std::nullopt;
  }
  const std::string number = std::to_string(month / 3 + 1);
  const std::string iso = std::string(text.substr(12, 4)) + (number.size() == 1 ? "-0" : "-") +
                          number + "-" + std::string(text.substr(5, 2)) + "T" +
                          std::string(text.substr(17, 8)) + "Z";
  EventTime time;
  return try_parse_time(iso, &time) ? std::optional(time) : std::nullopt;
}

S3Client::S3Client(World& world, S3Options options, S3Place place)
    : world_(world),
      options_(std::move(options)),
      place_(std::move(place)),
      http_(make_http_client({options_.ca_file})),
      credentials_(
          make_credentials_provider(world, *http_, options_.environment, options_.profile)),
      allowance_(kAllowanceMax) {}

S3Client::~S3Client() = default;

std::string S3Client::describe(const S3Request& request) const {
  return request.method + " s3://" + options_.bucket + "/" + request.key;
}

Result<S3Answer> S3Client::send(const S3Request& request) {
  const Duration started = world_.clock.monotonic();
  bool in_doubt = false;
  bool renewed = false;
  for (int attempt = 1;; ++attempt) {
    const auto failed = [&](Code code, const std::string& why) {
      const std::string tried =
          attempt > 1 ? " (attempt " + std::to_string(attempt) + ")" : std::string();
      return Status(in_doubt && request.creates ? Code::kCommitUnknown : code,
                    describe(request) + ": " + why + tried);
    };
    const Result<S3Credentials> credentials = credentials_->get();
    if (!credentials.ok()) {
      return failed(credentials.code(), credentials.status().message());
    }
    fail_point("store.request");
    Result<HttpResponse> response = http_->send(sign(request, *credentials));
    fail_point("store.request");
    count(request, response);
    const Verdict verdict = judge(request, response);
    if (verdict.next == Verdict::Next::kAnswer) {
      allowance_ = std::min(kAllowanceMax, allowance_.load() + 1);
      const bool twice = response->sent_twice;
      return S3Answer{*std::move(response), in_doubt || twice};
    }
    in_doubt = in_doubt || verdict.may_have_landed;
    if (verdict.next == Verdict::Next::kRenew && !renewed &&
        renew(*response, *credentials, verdict.code)) {
      renewed = true;
      continue;
    }
    const bool again =
        verdict.next == Verdict::Next::kRetry &&
        wait_for_retry(attempt, started, response.ok() ? response->header("retry-after") : "");
    if (!again) {
      return failed(verdict.code, verdict.why);
    }
  }
}

HttpRequest S3Client::sign(const S3Request& request, const S3Credentials& credentials) {
  const EventTime now{world_.clock.now().micros + clock_offset_us_.load()};
  const std::string path = place_.path + request.key;
  const std::string payload = sha256(request.body);
  SigningInput input{request.method, path, request.query, request.headers, to_hex(payload)};
  input.headers.emplace_back("x-amz-content-sha256", input.payload_sha256);
  input.headers.emplace_back("x-amz-date", amz_date(now));
  if (!credentials.session_token.empty()) {
    input.headers.emplace_back("x-amz-security-token", credentials.session_token);
  }
  if (request.wants_checksum) {
    input.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
  }
  if (request.method == "PUT" && request.query.empty()) {
    // Kept beside the object, so that a reader can tell whether it got what was written.
    input.headers.emplace_back("x-amz-checksum-sha256", to_base64(payload));
  }
  HttpRequest out;
  out.method = request.method;
  out.headers = input.headers;
  input.headers.emplace_back("host", place_.host);
  out.headers.emplace_back("Authorization",
                           authorization(input, {now, place_.region, "s3"}, credentials));
  out.url = std::string(place_.tls ? kHttps : kHttp) + place_.host + uri_encode(path, true);
  if (!request.query.empty()) {
    out.url += "?" + canonical_query(request.query);
  }
  out.body = request.body;
  out.timeout = request.timeout.micros > 0 ? request.timeout : options_.timeout;
  return out;
}

S3Client::Verdict S3Client::judge(const S3Request& request,
                                  const Result<HttpResponse>& response) const {
  using enum Verdict::Next;
  if (!response.ok()) {
    const bool sent = response.code() == Code::kCommitUnknown;
    const bool again = sent || response.code() == Code::kUnavailable;
    return {again ? kRetry : kFail,
            sent,
            sent ? Code::kUnavailable : response.code(),
            response.status().message()};
  }
  const int status = response->status;
  if (status < 200 || status >= 300) {
    return judge_refusal(*response);
  }
  if (request.fails_with_200 && parse_s3_error(response->body)) {
    HttpResponse refusal = *response;
    refusal.status = 500;
    return judge_refusal(refusal);
  }
  if (request.wants_checksum) {
    const std::string said = response->header("x-amz-checksum-sha256");
    const bool of_parts = said.find('-') != std::string::npos;
    if (!said.empty() && !of_parts && said != to_base64(sha256(response->body))) {
      return {kRetry, false, Code::kCorrupt, "the bytes are not what their checksum says"};
    }
  }
  return {kAnswer, false, Code::kOk, ""};
}

S3Client::Verdict S3Client::judge_refusal(const HttpResponse& response) const {
  using enum Verdict::Next;
  const S3Error error = parse_s3_error(response.body).value_or(S3Error{});
  const int status = response.status;
  std::string why = "HTTP " + std::to_string(status) + (error.code.empty() ? "" : " ") +
                    error.code + (error.message.empty() ? "" : ": ") + error.message;
  if (error.code == "NoSuchBucket") {
    return {kFail,
            false,
            Code::kFailedPrecondition,
            "there is no bucket `" + options_.bucket + "` at " + place_.endpoint +
                " (any more); make it, or correct `lake:` and `s3:`"};
  }
  if (error.code == "PreconditionFailed" || status == 404 || status == 412 || status == 416) {
    return {kAnswer, false, Code::kOk, ""};
  }
  if (is_one_of(error.code, {"ExpiredToken", "TokenRefreshRequired", "InvalidToken"})) {
    return {kRenew,
            false,
            Code::kUnauthenticated,
            why + "; the credentials have expired: get new ones and run the command again"};
  }
  if (error.code == "RequestTimeTooSkewed") {
    return {kRenew, false, Code::kUnauthenticated, why + "; set this machine's clock"};
  }
  if (is_one_of(error.code,
                {"BadDigest",
                 "InvalidDigest",
                 "XAmzContentSHA256Mismatch",
                 "XAmzContentChecksumMismatch"})) {
    return {kRetry, false, Code::kCorrupt, why};
  }
  const std::string region = response.header("x-amz-bucket-region").empty()
                                 ? error.region
                                 : response.header("x-amz-bucket-region");
  if (status == 301 || status == 307 || error.code == "AuthorizationHeaderMalformed") {
    return {kFail,
            false,
            Code::kFailedPrecondition,
            why + "; the bucket is not in region " + place_.region +
                ": set `s3: {region: " + (region.empty() ? "..." : region) + "}`"};
  }
  switch (status) {
    case 401:
      return {kFail, false, Code::kUnauthenticated, why};
    case 403:
      if (is_one_of(error.code, {"InvalidAccessKeyId", "SignatureDoesNotMatch"})) {
        return {kFail,
                false,
                Code::kUnauthenticated,
                why + "; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or the profile"};
      }
      return {kFail,
              false,
              Code::kPermissionDenied,
              why + "; these credentials may not do this to the bucket"};
    case 409: {
      const bool passes = error.code.empty() ||
                          is_one_of(error.code, {"ConditionalRequestConflict", "OperationAborted"});
      return {passes ? kRetry : kFail,
              false,
              passes ? Code::kUnavailable : Code::kFailedPrecondition,
              why};
    }
    case 408:
    case 429:
      return {kRetry, false, Code::kUnavailable, why};
    case 500:
    case 502:
    case 503:
    case 504:
      return {kRetry, error.code != "SlowDown", Code::kUnavailable, why};
    case 405:
    case 501:
      return {kFail, false, Code::kUnimplemented, why};
    case 413:
    case 507:
      return {kFail, false, Code::kResourceExhausted, why};
    default:
      break;
  }
  if (error.code == "RequestTimeout") {
    return {kRetry, false, Code::kUnavailable, why};
  }
  if (is_one_of(error.code, {"EntityTooLarge", "QuotaExceeded"})) {
    return {kFail, false, Code::kResourceExhausted, why};
  }
  return {kFail, false, status >= 500 ? Code::kUnavailable : Code::kInvalidArgument, why};
}

bool S3Client::renew(const HttpResponse& response, const S3Credentials& used, Code code) {
  ASSAY_CHECK(code == Code::kUnauthenticated);
  const S3Error error = parse_s3_error(response.body).value_or(S3Error{});
  if (error.code != "RequestTimeTooSkewed") {
    credentials_->invalidate(used);
    return true;
  }
  const std::optional<EventTime> theirs = parse_http_date(response.header("date"));
  if (!theirs) {
    return false;
  }
  clock_offset_us_ = theirs->micros - world_.clock.now().micros;
  world_.log.warn("clock_differs_from_s3",
                  {{"seconds", clock_offset_us_.load() / kMicrosPerSecond}});
  return true;
}

bool S3Client::wait_for_retry(int attempt, Duration started, const std::string& retry_after) {
  const int64_t passed = world_.clock.monotonic().micros - started.micros;
  int64_t wait = options_.retry_wait_max.micros;
  if (attempt < 20) {
    wait = std::min(wait, options_.retry_wait_first.micros << (attempt - 1));
  }
  // Half of it at random, so that many who failed together do not come back together.
  wait = wait / 2 + static_cast<int64_t>(world_.random.below(static_cast<uint64_t>(wait / 2 + 1)));
  int64_t seconds = 0;
  const auto [end, error] =
      std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds);
  if (error == std::errc() && seconds > 0 && seconds <= 3'600) {
    wait = std::max(wait, std::min(seconds * kMicrosPerSecond, options_.retry_wait_max.micros));
  }
  if (attempt >= options_.attempts_max || passed + wait > options_.retry_for.micros ||
      allowance_.load() < kAllowanceOfRetry) {
    return false;
  }
  allowance_ -= kAllowanceOfRetry;
  world_.metrics.counter("assay_store_retries_total", "Requests to S3 that were sent again").add();
  options_.pause({wait});
  return true;
}

void S3Client::count(const S3Request& request, const Result<HttpResponse>& response) {
  world_.metrics
      .counter("assay_store_requests_total",
               "Requests to S3, with those sent again",
               {{"method", request.method}})
      .add();
  world_.metrics.counter("assay_store_sent_bytes", "Bytes of objects sent to S3")
      .add(static_cast<int64_t>(request.body.size()));
  if (response.ok()) {
    world_.metrics.counter("assay_store_received_bytes", "Bytes of answers from S3")
        .add(static_cast<int64_t>(response->body.size()));
  }
}

}  // namespace assay::store
