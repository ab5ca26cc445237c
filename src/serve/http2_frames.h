#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace assay::serve {

/// What a client of HTTP/2 begins with (RFC 9113, section 3.4).
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What stands before each frame of HTTP/2 (RFC 9113, section 4.1), in network byte order:
///
///   payload bytes u24 | type u8 | flags u8 | stream u32
struct Http2FrameHead {
  enum Type : uint8_t { kData = 0, kHeaders = 1, kContinuation = 9 };
  static constexpr uint32_t kPaddingMax = 256;  // bytes of DATA that may say nothing
  static constexpr uint8_t kEndHeaders = 0x4;   // of HEADERS and CONTINUATION

  uint32_t payload_bytes;
  uint8_t type;
  uint8_t flags;
};

/// Where frames of a client begin and end in bytes as they come, behind its preface. It knows
/// nothing else of them.
///
/// Threads one thread at a time.
class Http2Frames {
 public:
  /// Take the next bytes; `on_frame` is given the head of each frame that begins in them.
  template <typename OnFrame>
  void take(std::string_view bytes, const OnFrame& on_frame) {
    while (!bytes.empty()) {
      if (to_skip_ > 0) {
        const std::size_t skipped = std::min(to_skip_, bytes.size());
        to_skip_ -= skipped;
        has_begun_ = true;
        bytes.remove_prefix(skipped);
        continue;
      }
      head_[head_bytes_++] = static_cast<uint8_t>(bytes.front());
      bytes.remove_prefix(1);
      if (head_bytes_ == head_.size()) {
        const Http2FrameHead head{
            uint32_t{head_[0]} << 16 | uint32_t{head_[1]} << 8 | head_[2], head_[3], head_[4]};
        head_bytes_ = 0;
        to_skip_ = head.payload_bytes;
        ++count_;
        on_frame(head);
      }
    }
  }
  /// A frame, or the preface, has begun and is not whole.
  [[nodiscard]] bool is_midway() const { return has_begun_ && (to_skip_ > 0 || head_bytes_ > 0); }
  /// How many frames have begun.
  [[nodiscard]] int64_t count() const { return count_; }

 private:
  static constexpr std::size_t kHeadBytes = 9;

  std::array<uint8_t, kHeadBytes> head_{};
  std::size_t head_bytes_ = 0;  // of them that are here
  std::size_t to_skip_ = kHttp2Preface.size();
  int64_t count_ = 0;
  bool has_begun_ = false;
};

}  // namespace assay::serve
