#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace assay::serve {

/// Give memory back that is more than `bytes_kept`.
template <typename Bytes>
void release_beyond(std::size_t bytes_kept, Bytes* bytes) {
  if (bytes->capacity() > bytes_kept) {
    Bytes none;
    std::swap(*bytes, none);  // an assignment would keep the memory
  }
}

/// Memory of texts that are done with, for the next ones: what a connection needs while it is
/// answered it does not keep while it is idle.
///
/// Threads one thread at a time.
class SpareStrings {
 public:
  /// An empty one.
  std::string take() {
    if (kept_.empty()) {
      return {};
    }
    std::string spare = std::move(kept_.back());
    kept_.pop_back();
    spare.clear();
    return spare;
  }
  /// `text` is empty afterwards, and holds nothing. Few are kept, and no very large ones.
  void give(std::string* text) {
    if (text->capacity() <= kBytesMax && kept_.size() < kCountMax) {
      kept_.push_back(std::move(*text));
    }
    *text = std::string();
  }

 private:
  static constexpr std::size_t kBytesMax = 256 << 10;
  static constexpr std::size_t kCountMax = 16;
  std::vector<std::string> kept_;
};

}  // namespace assay::serve
