#include "store/http_client.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>

#include <curl/curl.h>

#include "base/ascii.h"
#include "base/check.h"

// The one adapter of libcurl. Handles are kept in a pool and used by one thread at a time; each
// keeps its connections.

namespace assay::store {
namespace {

constexpr int64_t kUploadBytesPerSecondMin = 256 << 10;
constexpr long kDownloadBytesPerSecondMin = 1 << 10;
constexpr long kConnectMsMax = 10'000;
constexpr std::size_t kHandlesKept = 16;

struct HandleRelease {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, HandleRelease>;

struct HeaderListRelease {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, HeaderListRelease>;

/// What the callbacks of one request work on.
struct Exchange {
  std::string_view body;
  std::size_t sent = 0;
  int64_t answer_bytes_max = 0;
  bool too_long = false;
  HttpResponse response;
};

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::size_t bytes = size * count;
  if (static_cast<int64_t>(exchange.response.body.size() + bytes) > exchange.answer_bytes_max) {
    exchange.too_long = true;
    return 0;
  }
  exchange.response.body.append(data, bytes);
  return bytes;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::size_t bytes = size * count;
  std::string_view line(data, bytes);
  if (line.starts_with("HTTP/")) {
    exchange.response.headers.clear();  // of an interim answer, such as 100
    return bytes;
  }
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    std::string name = lower_ascii(line.substr(0, colon));
    line.remove_prefix(colon + 1);
    const std::size_t begin = line.find_first_not_of(" \t");
    const std::size_t end = line.find_last_not_of(" \t\r\n");
    exchange.response.headers[std::move(name)] =
        begin == std::string_view::npos ? "" : std::string(line.substr(begin, end - begin + 1));
  }
  return bytes;
}

std::size_t on_read(char* out, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::size_t bytes = std::min(size * count, exchange.body.size() - exchange.sent);
  std::memcpy(out, exchange.body.data() + exchange.sent, bytes);
  exchange.sent += bytes;
  return bytes;
}

/// libcurl goes back to the beginning when it sends a request again over a new connection.
int on_seek(void* user, curl_off_t offset, int origin) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (origin != SEEK_SET || offset < 0 || static_cast<std::size_t>(offset) > exchange.body.size()) {
    return CURL_SEEKFUNC_FAIL;
  }
  exchange.response.sent_twice = exchange.response.sent_twice || exchange.sent > 0;
  exchange.sent = static_cast<std::size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

template <typename Value>
void set(CURL* handle, CURLoption option, Value value) {
  ASSAY_CHECK(curl_easy_setopt(handle, option, value) == CURLE_OK);
}

class CurlClient : public HttpClient {
 public:
  explicit CurlClient(HttpClientOptions options) : options_(std::move(options)) {
    static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
    ASSAY_CHECK(started == CURLE_OK);
  }

  Result<HttpResponse> send(const HttpRequest& request) override {
    Handle handle = take();
    Exchange exchange;
    exchange.body = request.body;
    exchange.answer_bytes_max = request.answer_bytes_max;
    HeaderList headers;
    set_request(handle.get(), request, exchange, headers);
    char message[CURL_ERROR_SIZE] = "";
    set(handle.get(), CURLOPT_ERRORBUFFER, static_cast<char*>(message));
    const CURLcode code = curl_easy_perform(handle.get());
    if (code != CURLE_OK) {
      const std::string why = message[0] != '\0' ? message : curl_easy_strerror(code);
      return failure(handle.get(), code, exchange, request.method + " " + request.url + ": " + why);
    }
    long status = 0;
    ASSAY_CHECK(curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
    exchange.response.status = static_cast<int>(status);
    give_back(std::move(handle));
    return std::move(exchange.response);
  }

 private:
  void set_request(CURL* handle,
                   const HttpRequest& request,
                   Exchange& exchange,
                   HeaderList& headers) const {
    set(handle, CURLOPT_URL, request.url.c_str());
    set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    set(handle, CURLOPT_NOSIGNAL, 1L);
    set(handle, CURLOPT_PATH_AS_IS, 1L);
    set(handle,
        CURLOPT_CONNECTTIMEOUT_MS,
        static_cast<long>(std::min<int64_t>(kConnectMsMax, request.timeout.micros / 1'000)));
    const bool uploads = request.method == "PUT" || request.method == "POST";
    if (uploads) {
      const auto bytes = static_cast<int64_t>(request.body.size());
      set(handle, CURLOPT_UPLOAD, 1L);
      set(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(bytes));
      set(handle,
          CURLOPT_TIMEOUT_MS,
          static_cast<long>(request.timeout.micros / 1'000 +
                            bytes * 1'000 / kUploadBytesPerSecondMin));
    } else {
      set(handle, CURLOPT_LOW_SPEED_LIMIT, kDownloadBytesPerSecondMin);
      set(handle,
          CURLOPT_LOW_SPEED_TIME,
          static_cast<long>(std::max<int64_t>(1, request.timeout.micros / kMicrosPerSecond)));
    }
    if (request.method == "HEAD") {
      set(handle, CURLOPT_NOBODY, 1L);
    } else if (request.method != "GET") {
      set(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    curl_slist* list = curl_slist_append(nullptr, "Expect:");  // no 100-continue: a round trip
    for (const auto& [name, value] : request.headers) {
      // "name;" is libcurl's way to send a header without a value.
      list = curl_slist_append(list, (value.empty() ? name + ";" : name + ": " + value).c_str());
    }
    headers.reset(list);
    set(handle, CURLOPT_HTTPHEADER, list);
    set(handle, CURLOPT_WRITEFUNCTION, &on_body);
    set(handle, CURLOPT_WRITEDATA, &exchange);
    set(handle, CURLOPT_HEADERFUNCTION, &on_header);
    set(handle, CURLOPT_HEADERDATA, &exchange);
    set(handle, CURLOPT_READFUNCTION, &on_read);
    set(handle, CURLOPT_READDATA, &exchange);
    set(handle, CURLOPT_SEEKFUNCTION, &on_seek);
    set(handle, CURLOPT_SEEKDATA, &exchange);
    if (!request.use_proxy) {
      set(handle, CURLOPT_NOPROXY, "*");
    }
    if (!options_.ca_file.empty()) {
      set(handle, CURLOPT_CAINFO, options_.ca_file.c_str());
    }
  }

  static Status failure(CURL* handle,
                        CURLcode code,
                        const Exchange& exchange,
                        const std::string& message) {
    switch (code) {
      case CURLE_PEER_FAILED_VERIFICATION:
      case CURLE_SSL_CACERT_BADFILE:
        return {Code::kFailedPrecondition,
                message + "; `ca_file` names the certificate of an authority of your own"};
      case CURLE_URL_MALFORMAT:
      case CURLE_UNSUPPORTED_PROTOCOL:
        return {Code::kInvalidArgument, message};
      case CURLE_COULDNT_RESOLVE_HOST:
      case CURLE_COULDNT_RESOLVE_PROXY:
      case CURLE_COULDNT_CONNECT:
      case CURLE_SSL_CONNECT_ERROR:
        return {Code::kUnavailable, message};
      default:
        break;
    }
    if (exchange.too_long) {
      return {Code::kResourceExhausted, message};
    }
    curl_off_t sent_at = 0;
    ASSAY_CHECK(curl_easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME_T, &sent_at) == CURLE_OK);
    return {sent_at == 0 ? Code::kUnavailable : Code::kCommitUnknown, message};
  }

  Handle take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) {
      Handle made(curl_easy_init());
      ASSAY_CHECK(made != nullptr);
      return made;
    }
    Handle handle = std::move(idle_.back());
    idle_.pop_back();
    curl_easy_reset(handle.get());  // connections stay
    return handle;
  }

  void give_back(Handle handle) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kHandlesKept) {
      idle_.push_back(std::move(handle));
    }
  }

  const HttpClientOptions options_;
  std::mutex mutex_;
  std::vector<Handle> idle_;
};

}  // namespace

std::unique_ptr<HttpClient> make_http_client(const HttpClientOptions& options) {
  return std::make_unique<CurlClient>(options);
}

}  // namespace assay::store
