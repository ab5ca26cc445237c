#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::serve {

/// Memory of bodies that are sent, for the next ones that the thread makes.
///
/// Threads one thread at a time; of_thread() is each thread's own.
class SpareBodies {
 public:
  static SpareBodies& of_thread() {
    thread_local SpareBodies spares;
    return spares;
  }
  /// Memory, and what was written there last: as many bytes need no zeroes.
  std::string take() {
    if (kept_.empty()) {
      return {};
    }
    std::string spare = std::move(kept_.back());
    kept_.pop_back();
    bytes_ -= spare.capacity();
    return spare;
  }
  /// `body` is empty afterwards, and holds nothing. No more is kept than kBytesMax.
  void give(std::string* body) {
    const std::size_t bytes = body->capacity();
    if (bytes >= kBytesMin && bytes <= kBytesMax - bytes_ && kept_.size() < kCountMax) {
      bytes_ += bytes;
      kept_.push_back(std::move(*body));
    }
    *body = std::string();
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  static constexpr std::size_t kBytesMax = std::size_t{4} << 20;
  static constexpr std::size_t kCountMax = 32;

 private:
  static constexpr std::size_t kBytesMin = 64;
  std::vector<std::string> kept_;
  std::size_t bytes_ = 0;  // of them
};

/// The bytes of a body, written by pointer.
class BodyText {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  /// Where so many bytes may be written; end() says how many were.
  char* room(std::size_t bytes) {
    if (text_.size() - size_ < bytes) {
      grow(bytes);
    }
    return text_.data() + size_;
  }
  void end(const char* end) { size_ = static_cast<std::size_t>(end - text_.data()); }
  void append(std::string_view text) {
    std::memcpy(room(text.size()), text.data(), text.size());
    size_ += text.size();
  }
  /// Once more what stands there.
  void repeat(std::size_t begin, std::size_t end) {
    char* const to = room(end - begin);
    std::memcpy(to, text_.data() + begin, end - begin);
    size_ += end - begin;
  }
  /// What was written, in not much more memory than it takes: who reads it slowly holds that.
  /// Nothing is here afterwards.
  std::string take() {
    text_.resize(std::exchange(size_, 0));
    if (text_.capacity() <= text_.size() + text_.size() / kSlackPart + kSlackBytes) {
      return std::move(text_);
    }
    std::string body;
    body.reserve(text_.size() + text_.size() / kSlackPart);  // so that the next one fits, too
    body.append(text_);
    SpareBodies::of_thread().give(&text_);
    return body;
  }

 private:
  static constexpr std::size_t kSlackPart = 8;
  static constexpr std::size_t kSlackBytes = 8 << 10;

  /// Of what is there already only a little more than is wanted is filled with zeroes.
  [[gnu::noinline]] void grow(std::size_t bytes) {
    constexpr std::size_t kFirstBytes = 2 << 10;
    constexpr std::size_t kStep = 256;
    const std::size_t wanted = size_ + bytes;
    if (wanted > text_.capacity()) {
      std::string more;  // its own reserve() would double it
      more.reserve(std::max(wanted + wanted / 2, kFirstBytes));
      more.append(text_.data(), size_);
      text_.swap(more);
    }
    text_.resize(std::min(text_.capacity(), wanted + kStep));
  }

  std::string text_ = SpareBodies::of_thread().take();
  std::size_t size_ = 0;
};

}  // namespace assay::serve
