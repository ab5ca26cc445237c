#pragma once

#include <cstddef>
#include <cstdint>

#include "base/status.h"

namespace assay {

/// Memory that is not zeroed, aligned to 64 bytes. Large blocks are asked for in large pages. Some
/// of the blocks of 128 KiB and more that were given back are kept for the next one: to fault pages
/// in costs more than to fill them. `size` may be 0. Give it back with the same size.
///
/// Errors  std::bad_alloc, as `new` has it.
/// Threads any.
void* take_block(std::size_t size);
void give_block(void* block, std::size_t size) noexcept;

/// For containers that are large, made and thrown away again and again.
template <typename T>
struct BlockAllocator {
  using value_type = T;
  BlockAllocator() = default;
  template <typename Other>
  explicit BlockAllocator(const BlockAllocator<Other>& /*other*/) {}
  T* allocate(std::size_t count) { return static_cast<T*>(take_block(count * sizeof(T))); }
  void deallocate(T* block, std::size_t count) { give_block(block, count * sizeof(T)); }
  bool operator==(const BlockAllocator& /*other*/) const { return true; }
};

/// Bytes that are kept for the next ones, at most: of blocks of 4 MiB and more, and of smaller
/// ones.
constexpr std::size_t kKeptBlockBytes = std::size_t{256} << 20;
constexpr std::size_t kKeptMiddleBytes = std::size_t{64} << 20;

/// The most bytes that the process has held in memory so far.
///
/// Errors  kUnavailable: the system does not say.
Result<int64_t> peak_memory_bytes();

}  // namespace assay
