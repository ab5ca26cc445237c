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
/// Blocks from here on are whole large pages, and some are kept.
constexpr std::size_t kLarge = 2 * kPage;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kKeptMax = 0;  // so that they see what is used after it was given back
#else
constexpr std::size_t kKeptMax = kKeptBlockBytes;
#endif

/// What is taken for a large block: an eighth more at most, so that blocks serve each other.
std::size_t whole_size(std::size_t size) {
  const std::size_t unit = std::max(kPage, std::bit_floor(size) / 8);
  return (size + unit - 1) / unit * unit;
}

void free_block(void* block, std::size_t size) noexcept {
  ::operator delete (block, std::align_val_t{size < kLarge ? kAlignment : kPage});
}

/// Large blocks that were given back, the newest last.
class KeptBlocks {
 public:
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
    std::vector<Block> oldest;
    {
      const std::lock_guard lock(mutex_);
      blocks_.push_back({data, size});
      bytes_ += size;
      while (bytes_ > kKeptMax) {
        oldest.push_back(blocks_.front());
        bytes_ -= blocks_.front().size;
        blocks_.erase(blocks_.begin());
      }
    }
    for (const Block& block : oldest) {
      free_block(block.data, block.size);
    }
  }

 private:
  struct Block {
    void* data;
    std::size_t size;
  };
  std::mutex mutex_;
  std::vector<Block> blocks_;
  std::size_t bytes_ = 0;
};

KeptBlocks& kept_blocks() {
  // It outlives whoever gives a block back at the end.
  static KeptBlocks& blocks = *new KeptBlocks;
  return blocks;
}

}  // namespace

void* take_block(std::size_t size) {
  if (size < kLarge) {
    return ::operator new (std::max<std::size_t>(size, 1), std::align_val_t{kAlignment});
  }
  const std::size_t whole = whole_size(size);
  if (void* kept = kept_blocks().take(whole)) {
    return kept;
  }
  void* block = ::operator new (whole, std::align_val_t{kPage});
  // Advice: a system that does not take it goes on with small pages.
  static_cast<void>(::madvise(block, whole, MADV_HUGEPAGE));
  return block;
}

void give_block(void* block, std::size_t size) noexcept {
  if (block == nullptr || size < kLarge) {
    ::operator delete (block, std::align_val_t{kAlignment});
    return;
  }
  kept_blocks().keep(block, whole_size(size));
}

Result<int64_t> peak_memory_bytes() {
  struct rusage usage {};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) {
    return Status(Code::kUnavailable, "the system does not tell how much memory is used");
  }
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace assay
