// The one file that speaks Beast's HTTP parser.

#include "serve/request_reader.h"

#include <string>
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

}  // namespace

class RequestReader::Parser {
 public:
  explicit Parser(const HttpOptions& options) {
    parser_.header_limit(static_cast<std::uint32_t>(options.header_bytes_max));
    parser_.body_limit(options.body_bytes_max);
    parser_.eager(true);
  }

  std::size_t put(std::string_view bytes) {
    std::size_t taken = 0;
    while (taken < bytes.size() && !parser_.is_done()) {
      const std::size_t used = parser_.put(
          boost::asio::const_buffer(bytes.data() + taken, bytes.size() - taken), error_);
      taken += used;
      if (error_ || used == 0) {
        break;
      }
    }
    return taken;
  }
  [[nodiscard]] State state() const {
    return error_ && error_ != http::error::need_more ? State::kRefused
           : parser_.is_done()                        ? State::kWhole
                                                      : State::kMore;
  }
  [[nodiscard]] bool has_begun() const { return parser_.got_some(); }
  [[nodiscard]] bool expects_continue() const {
    return parser_.is_header_done() &&
           boost::beast::iequals(parser_.get()[http::field::expect], "100-continue");
  }
  AnswerForm release(Request* request) {
    http::request<http::string_body> message = parser_.release();
    request->method = message.method_string();
    request->target = message.target();
    request->headers.clear();
    for (const auto& field : message) {
      request->headers.emplace_back(lower_ascii(field.name_string()), std::string(field.value()));
    }
    request->body = std::move(message.body());
    return {message.version(), message.keep_alive(), request->method == "HEAD", false};
  }
  [[nodiscard]] Response refusal() const {
    return error_ == http::error::body_limit     ? detail_error(413, "Request body too large")
           : error_ == http::error::header_limit ? detail_error(431, "Request headers too large")
                                                 : detail_error(400, "Bad Request");
  }

 private:
  http::request_parser<http::string_body> parser_;
  error_code error_;
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

Response RequestReader::refusal() const {
  return parser_->refusal();
}

bool RequestReader::expects_continue() const {
  return parser_ != nullptr && parser_->expects_continue();
}

}  // namespace assay::serve
