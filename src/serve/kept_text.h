#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace assay::serve {

/// Text in memory that is not given back when it is cleared, unless it is very much.
class KeptText {
 public:
  void clear() {
    if (capacity_ > kKeptBytesMax) {
      memory_.reset();
      capacity_ = 0;
    }
    size_ = 0;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const char* data() const { return memory_.get(); }
  /// Where so many bytes may be written; end() says how many were.
  char* room(std::size_t bytes) {
    if (capacity_ - size_ < bytes) {
      grow(bytes);
    }
    return memory_.get() + size_;
  }
  void end(const char* end) { size_ = static_cast<std::size_t>(end - memory_.get()); }
  void append(std::string_view text) {
    std::memcpy(room(text.size()), text.data(), text.size());
    size_ += text.size();
  }
  /// Once more what stands there.
  void repeat(std::size_t begin, std::size_t end) {
    char* const to = room(end - begin);
    std::memcpy(to, memory_.get() + begin, end - begin);
    size_ += end - begin;
  }

 private:
  static constexpr std::size_t kKeptBytesMax = std::size_t{4} << 20;
  void grow(std::size_t bytes) {
    constexpr std::size_t kFirstBytes = 16 << 10;
    const std::size_t capacity = std::max({kFirstBytes, 2 * capacity_, size_ + bytes});
    auto memory = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ != 0) {
      std::memcpy(memory.get(), memory_.get(), size_);
    }
    memory_ = std::move(memory);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> memory_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace assay::serve
