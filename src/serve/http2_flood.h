#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "serve/frame_allowance.h"
#include "serve/http2_frames.h"

namespace assay::serve {

/// Whether what a client of HTTP/2 sends is a flood: frames that ask nothing, one after the other,
/// or a block of headers that does not end. CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316.
///
/// Threads one thread at a time.
class Http2Flood {
 public:
  Http2Flood(Clock& clock, std::size_t header_bytes_max)
      : allowance_(clock), header_bytes_max_(header_bytes_max) {}

  /// Take the next bytes of the client. False: a frame in them is one too many.
  bool take(std::string_view bytes) {
    bool is_fine = true;
    frames_.take(bytes, [&](const Http2FrameHead& head) { is_fine = is_fine && take_head(head); });
    return is_fine;
  }
  /// A frame has begun and is not whole, or more frames must follow at once.
  [[nodiscard]] bool is_midway() const { return frames_.is_midway() || block_bytes_.has_value(); }
  /// How many frames have begun.
  [[nodiscard]] int64_t frames() const { return frames_.count(); }

  /// Headers that are these bytes unpacked are no mistake any more.
  void look_at_headers(std::size_t bytes) {
    is_seen_ = is_seen_ || bytes > kUnpackedMax * header_bytes_max_;
  }
  /// A frame asked something.
  void take_back() { allowance_.take_back(); }
  /// The server had to reset a request. Who resets his own has paid with the request.
  void spend_reset() { is_seen_ = is_seen_ || !allowance_.spend(); }
  void answered() { allowance_.answered(); }
  void sent(std::size_t bytes) { allowance_.sent(bytes); }
  /// A flood was seen where the connection could not be ended.
  [[nodiscard]] bool is_seen() const { return is_seen_; }

 private:
  static constexpr std::size_t kBlockMax = 4;      // times what headers may have, packed
  static constexpr std::size_t kUnpackedMax = 16;  // and unpacked

  bool take_head(const Http2FrameHead& head) {
    const bool is_block =
        head.type == Http2FrameHead::kHeaders || head.type == Http2FrameHead::kContinuation;
    if (is_block) {
      const std::size_t bytes = block_bytes_.value_or(0) + head.payload_bytes;
      if (bytes > kBlockMax * header_bytes_max_) {
        return false;
      }
      block_bytes_ = bytes;
      if ((head.flags & Http2FrameHead::kEndHeaders) != 0) {
        block_bytes_.reset();
      }
    }
    const bool is_body =
        head.type == Http2FrameHead::kData && head.payload_bytes > Http2FrameHead::kPaddingMax;
    return is_body || allowance_.spend();
  }

  Http2Frames frames_;
  std::optional<std::size_t> block_bytes_;  // of a header block that is not whole, packed
  FrameAllowance allowance_;
  const std::size_t header_bytes_max_;
  bool is_seen_ = false;
};

}  // namespace assay::serve
