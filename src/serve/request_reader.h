#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "serve/http_server.h"

namespace assay::serve {

/// How the answer to a request is to be sent.
struct AnswerForm {
  unsigned version = 11;
  bool keep_alive = false;  // as the client wants it
  bool head_only = false;
  bool linger = false;  // until the client has read it
  int32_t stream = 0;   // of HTTP/2, which knows the rest
};

/// Puts requests together from bytes as they come, one after the other: plain ones by
/// read_plain_request, all others by a parser that knows all of HTTP. What comes of a plain one is
/// left with the caller until it is whole.
///
/// Threads one thread at a time. Holds nothing between two requests.
class RequestReader {
 public:
  enum class State { kMore, kWhole, kRefused };

  explicit RequestReader(const HttpOptions& options);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  /// Take the beginning of `bytes`, and go on where it ended before. How many were taken, all else
  /// is to be there the next time; `request` is filled when it is whole.
  std::size_t take(std::string_view bytes, Request* request);
  /// Begin the next request.
  void reset();

  [[nodiscard]] State state() const { return state_; }
  /// Part of a request was taken.
  [[nodiscard]] bool has_begun() const;
  /// Bytes of a body that is under way, besides those that are left with the caller.
  [[nodiscard]] std::size_t held_bytes() const;
  /// Of a whole request.
  [[nodiscard]] const AnswerForm& form() const { return form_; }
  /// Why it is refused: 400, 413 or 431.
  [[nodiscard]] Response refusal() const;
  /// Whether the client waits for 100 Continue before it sends the body.
  [[nodiscard]] bool expects_continue() const;

 private:
  class Parser;

  const HttpOptions& options_;
  std::unique_ptr<Parser> parser_;
  AnswerForm form_;
  std::size_t awaited_ = 0;  // bytes of a plain request whose body is under way
  State state_ = State::kMore;
};

}  // namespace assay::serve
