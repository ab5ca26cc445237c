#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/partition.h"

namespace assay::online {

/// Memory for rows: many, short, and replaced by longer ones again and again. Pieces of few sizes
/// are cut from large blocks; a piece that is given back is handed out again for the same size. All
/// of it goes with the arena.
///
///   sizes   16, 32, ... 128 bytes, then four to each doubling: 160, 192, 224, 256, 320, ...
///
/// Threads one thread at a time.
class RowArena {
 public:
  struct Piece {
    char* bytes = nullptr;
    uint32_t room = 0;  // how many
  };

  /// A piece with room for `size` bytes or some more.
  Piece take(std::size_t size) {
    const std::size_t number = class_of(size);
    const std::size_t room = room_of(number);
    std::vector<char*>& free = free_[number];
    if (!free.empty()) {
      char* const bytes = free.back();
      free.pop_back();
      return {bytes, static_cast<uint32_t>(room)};
    }
    if (left_ < room) {
      // A block holds several pieces and is half as long as all before it: a table of few rows
      // takes little, one of many few blocks.
      const std::size_t bytes = std::max(std::clamp(taken_ / 2, kBlockMin, kBlockMax), room);
      blocks_.emplace_back(bytes);
      next_ = blocks_.back().data();
      left_ = bytes;
      taken_ += bytes;
    }
    char* const bytes = next_;
    next_ += room;
    left_ -= room;
    return {bytes, static_cast<uint32_t>(room)};
  }
  /// `room` as take() said.
  void give(Piece piece) {
    if (piece.bytes != nullptr) {
      free_[class_of(piece.room)].push_back(piece.bytes);
    }
  }

 private:
  static constexpr std::size_t kStep = 16;
  static constexpr std::size_t kEvenMax = 128;  // sizes up to here are a step apart
  static constexpr std::size_t kEvenClasses = kEvenMax / kStep;
  static constexpr std::size_t kClasses = kEvenClasses + 4 * (32 - 7);  // rooms below 4 GiB
  static constexpr std::size_t kBlockMin = std::size_t{16} << 10;
  static constexpr std::size_t kBlockMax = std::size_t{8} << 20;

  static std::size_t class_of(std::size_t size) {
    if (size <= kEvenMax) {
      return size == 0 ? 0 : (size - 1) / kStep;
    }
    const auto bits = static_cast<std::size_t>(std::bit_width(size - 1));  // 8 for 129 to 256
    const std::size_t half = std::size_t{1} << (bits - 1);
    return kEvenClasses + 4 * (bits - 8) + (size - 1 - half) / (half / 4);
  }
  static std::size_t room_of(std::size_t number) {
    if (number < kEvenClasses) {
      return (number + 1) * kStep;
    }
    const std::size_t half = kEvenMax << ((number - kEvenClasses) / 4);
    return half + ((number - kEvenClasses) % 4 + 1) * (half / 4);
  }

  std::vector<data::Records<char>> blocks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;   // of the last block
  std::size_t taken_ = 0;  // in blocks
  std::array<std::vector<char*>, kClasses> free_;
};

}  // namespace assay::online
