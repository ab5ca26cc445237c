#include "base/memory.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <mutex>
#include <new>
#include <vector>

#include <sys/mman.h>
#include <sys/resource.h>

namespace assay {

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kPage = std::size_t{2} << 20;
/// Blocks from here on are whole large pages.
constexpr std::size_t kLarge = 2 * kPage;
/// Blocks from here on are kept: a column of a row group is one. Smaller ones are malloc's.
constexpr std::size_t kMiddle = std::size_t{128} << 10;
constexpr std::size_t kMiddleUnit = std::size_t{16} << 10;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsKept = false;  // so that they see what is used after it was given back
#else
constexpr bool kIsKept = true;
#endif

/// What is taken for a block: an eighth more at most, so that blocks serve each other.
std::size_t whole_size(std::size_t size) {
  const std::size_t unit = std::max(size < kLarge ? kMiddleUnit : kPage, std::bit_floor(size) / 8);
  return (size + unit - 1) / unit * unit;
}

void free_block(void* block, std::size_t size) noexcept {
  ::operator delete (block, std::align_val_t{size < kLarge ? kAlignment : kPage});
}

/// Blocks that were given back, the newest last.
class KeptBlocks {
 public:
  /// Of blocks of `block_bytes_min` and more.
  KeptBlocks(std::size_t bytes_max, std::size_t block_bytes_min)
      : bytes_max_(kIsKept ? bytes_max : 0) {
    blocks_.reserve(bytes_max / block_bytes_min);
  }

  /// The newest of this size, or nullptr.
  void* take(std::size_t size) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(
        blocks_.rbegin(), blocks_.rend(), [&](const Block& b) { return b.size == size; });
    if (found == blocks_.rend()) {
      return nullptr;
    }
    void* data = found->data;
    bytes_ -= size;
    blocks_.erase(std::next(found).base());
    return data;
  }

  void keep(void* data, std::size_t size) noexcept {
    Block oldest = note({data, size});
    while (oldest.data != nullptr) {
      free_block(oldest.data, oldest.size);
      oldest = note({});
    }
  }

 private:
  struct Block {
    void* data = nullptr;
    std::size_t size = 0;
  };

  /// Take in a block, if there is one, and hand out one that is too much. Allocates nothing: blocks
  /// are given back when memory is short.
  Block note(Block block) noexcept {
    const std::lock_guard lock(mutex_);
    if (block.data != nullptr) {
      if (blocks_.size() == blocks_.capacity()) {
        return block;
      }
      blocks_.push_back(block);
      bytes_ += block.size;
    }
    if (bytes_ <= bytes_max_) {
      return {};
    }
    const Block oldest = blocks_.front();
    bytes_ -= oldest.size;
    blocks_.erase(blocks_.begin());
    return oldest;
  }

  const std::size_t bytes_max_;
  std::mutex mutex_;
  std::vector<Block> blocks_;
  std::size_t bytes_ = 0;
};

/// Those of blocks of a size. Middle ones have memory of their own: they are many and come often.
KeptBlocks& kept_blocks(std::size_t size) {
  // They outlive whoever gives a block back at the end.
  static KeptBlocks& large = *new KeptBlocks(kKeptBlockBytes, kLarge);
  static KeptBlocks& middle = *new KeptBlocks(kKeptMiddleBytes, kMiddle);
  return size < kLarge ? middle : large;
}

}  // namespace

void* take_block(std::size_t size) {
  if (size < kMiddle) {
    return ::operator new (std::max<std::size_t>(size, 1), std::align_val_t{kAlignment});
  }
  const std::size_t whole = whole_size(size);
  if (void* kept = kept_blocks(whole).take(whole)) {
    return kept;
  }
  if (whole < kLarge) {
    return ::operator new (whole, std::align_val_t{kAlignment});
  }
  void* block = ::operator new (whole, std::align_val_t{kPage});
  // Advice: a system that does not take it goes on with small pages.
  static_cast<void>(::madvise(block, whole, MADV_HUGEPAGE));
  return block;
}

void give_block(void* block, std::size_t size) noexcept {
  if (block == nullptr || size < kMiddle) {
    ::operator delete (block, std::align_val_t{kAlignment});
    return;
  }
  const std::size_t whole = whole_size(size);
  kept_blocks(whole).keep(block, whole);
}

Result<int64_t> peak_memory_bytes() {
  struct rusage usage {};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) {
    return Status(Code::kUnavailable, "the system does not tell how much memory is used");
  }
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace assay
