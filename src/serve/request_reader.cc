// Requests by Beast's HTTP parser.

#include "serve/request_reader.h"

#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/ascii.h"
#include "serve/error_response.h"
#include "serve/plain_request.h"

namespace assay::serve {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;

/// RFC 9112, section 3.2.2: a server takes a target with scheme and host for the path in it.
std::string_view path_of(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (boost::beast::iequals(target.substr(0, scheme.size()), scheme)) {
      const std::size_t path = target.find_first_of("/?", scheme.size());
      return path == std::string_view::npos ? "/" : target.substr(path);
    }
  }
  return target;
}

}  // namespace

/// Beast reads what frames a body as it likes best, and takes what it does not know for nothing:
/// what comes behind such a head would be a request of its own. So the head is looked at here
/// before its body is read. Beast bounds neither extensions of chunks nor trailers; what it leaves
/// until more is there is bounded here.
class RequestReader::Parser {
 public:
  explicit Parser(const HttpOptions& options) : head_bytes_max_(options.header_bytes_max) {
    parser_.header_limit(static_cast<std::uint32_t>(options.header_bytes_max));
    parser_.body_limit(options.body_bytes_max);
    parser_.eager(false);  // it stops behind the head
  }

  std::size_t put(std::string_view bytes) {
    std::size_t taken = 0;
    while (taken < bytes.size() && !parser_.is_done()) {
      const std::size_t body_before = parser_.get().body().size();
      const std::size_t used = parser_.put(
          boost::asio::const_buffer(bytes.data() + taken, bytes.size() - taken), error_);
      taken += used;
      if (!error_ && has_head_) {
        bound_what_is_no_body(used - (parser_.get().body().size() - body_before));
      } else if (!error_ && parser_.is_header_done()) {
        take_head();
      }
      if (error_ || used == 0) {
        break;
      }
    }
    if (state() == State::kMore) {
      bound_what_is_no_body(bytes.size() - taken);
    }
    return taken;
  }
  [[nodiscard]] State state() const {
    return error_ && error_ != http::error::need_more ? State::kRefused
           : parser_.is_done()                        ? State::kWhole
                                                      : State::kMore;
  }
  [[nodiscard]] bool has_begun() const { return parser_.got_some(); }
  [[nodiscard]] std::size_t held_bytes() const { return parser_.get().body().size(); }
  [[nodiscard]] bool expects_continue() const {
    return has_head_ && boost::beast::iequals(parser_.get()[http::field::expect], "100-continue");
  }
  AnswerForm release(Request* request) {
    http::request<http::string_body> message = parser_.release();
    request->method = message.method_string();
    request->target = path_of(message.target());
    request->headers = std::move(headers_);
    request->body = std::move(message.body());
    return {message.version(), message.keep_alive(), request->method == "HEAD", false};
  }
  [[nodiscard]] Response refusal() const {
    return error_ == http::error::body_limit     ? detail_error(413, "Request body too large")
           : error_ == http::error::header_limit ? detail_error(431, "Request headers too large")
                                                 : detail_error(is_encoded_ ? 415 : 400, why_);
  }

 private:
  /// So many bytes of a chunk's head, or of trailers, were taken or wait for more.
  void bound_what_is_no_body(std::size_t bytes) {
    if (bytes > head_bytes_max_) {
      error_ = http::error::header_limit;
    }
  }
  /// What stands behind the body is no part of it.
  void take_head() {
    has_head_ = true;
    const auto& message = parser_.get();
    for (const auto& field : message) {
      headers_.emplace_back(lower_ascii(field.name_string()), std::string(field.value()));
    }
    if (!is_framed(message)) {
      why_ = "a body has a content-length, or is sent with transfer-encoding: chunked alone";
    } else if (!names_host(message)) {
      why_ = "a request names one host";
    } else if (is_encoded(message)) {
      is_encoded_ = true;
      why_ = "a body is sent as it is, without content-encoding";
    } else {
      return;
    }
    error_ = http::error::bad_field;
  }
  /// RFC 9112, section 6.3: a body has a length, or is sent in chunks and nothing else is done to
  /// it; never both.
  static bool is_framed(const http::request<http::string_body>& message) {
    const auto count = message.count(http::field::transfer_encoding);
    return count == 0 ||
           (count == 1 && message.version() == 11 &&
            message.count(http::field::content_length) == 0 &&
            boost::beast::iequals(message[http::field::transfer_encoding], "chunked"));
  }
  /// RFC 9110, section 8.4: what is packed is not read.
  static bool is_encoded(const http::request<http::string_body>& message) {
    const auto encoding = message[http::field::content_encoding];
    return !encoding.empty() && !boost::beast::iequals(encoding, "identity");
  }
  /// Section 3.2: once, and before HTTP/1.1 not even that.
  static bool names_host(const http::request<http::string_body>& message) {
    const auto count = message.count(http::field::host);
    return count == 1 || (count == 0 && message.version() < 11);
  }

  http::request_parser<http::string_body> parser_;
  error_code error_;
  std::string_view why_ = "Bad Request";
  const std::size_t head_bytes_max_;
  bool has_head_ = false;
  bool is_encoded_ = false;
  Headers headers_;
};

RequestReader::RequestReader(const HttpOptions& options) : options_(options) {}
RequestReader::~RequestReader() = default;

std::size_t RequestReader::take(std::string_view bytes, Request* request) {
  if (bytes.size() < awaited_) {
    return 0;
  }
  if (parser_ == nullptr) {
    const std::size_t size = read_plain_request(bytes, options_, request);
    if (size > bytes.size()) {
      awaited_ = size;
      return 0;
    }
    if (size != 0) {
      form_ = {11, true, false, false};
      state_ = State::kWhole;
      return size;
    }
    parser_ = std::make_unique<Parser>(options_);
  }
  const std::size_t used = parser_->put(bytes);
  state_ = parser_->state();
  if (state_ == State::kWhole) {
    form_ = parser_->release(request);
  }
  return used;
}

void RequestReader::reset() {
  parser_.reset();
  awaited_ = 0;
  state_ = State::kMore;
}

bool RequestReader::has_begun() const {
  return parser_ != nullptr && parser_->has_begun();
}

std::size_t RequestReader::held_bytes() const {
  return parser_ == nullptr ? 0 : parser_->held_bytes();
}

Response RequestReader::refusal() const {
  return parser_->refusal();
}

bool RequestReader::expects_continue() const {
  return parser_ != nullptr && parser_->expects_continue();
}

}  // namespace assay::serve
