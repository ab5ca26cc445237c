#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/memory.h"

// Work on rows in parallel, and scattering them into parts that fit a cache.

namespace assay::data {

/// Run `work(thread)` on that many threads and wait.
template <typename Work>
void on_threads(int threads, Work work) {
  std::vector<std::jthread> others;
  for (int thread = 1; thread < threads; ++thread) {
    others.emplace_back([&work, thread] { work(thread); });
  }
  work(0);
}

/// Elements [begin, end).
struct IndexRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// What one thread of several takes of `size` elements; a whole number of `grain` elements, save at
/// the end.
inline IndexRange share_of(std::size_t size, int thread, int threads, std::size_t grain = 1) {
  const std::size_t grains = (size + grain - 1) / grain;
  const auto of = [&](int number) {
    return std::min(
        size,
        grains * static_cast<std::size_t>(number) / static_cast<std::size_t>(threads) * grain);
  };
  return {of(thread), of(thread + 1)};
}

/// Memory for plain records that is not zeroed first.
template <typename Record>
class Records {
 public:
  Records() = default;
  explicit Records(std::size_t size)
      : data_(static_cast<Record*>(take_block(size * sizeof(Record))), Free{size * sizeof(Record)}),
        size_(size) {}
  [[nodiscard]] std::size_t size() const { return size_; }
  Record* data() { return data_.get(); }
  [[nodiscard]] const Record* data() const { return data_.get(); }
  Record& operator[](std::size_t i) { return data_.get()[i]; }
  const Record& operator[](std::size_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    std::size_t bytes = 0;
    void operator()(Record* records) const { give_block(records, bytes); }
  };
  std::unique_ptr<Record, Free> data_;
  std::size_t size_ = 0;
};

/// Records, part after part; part p is [begins[p], begins[p + 1]).
template <typename Record>
struct Parts {
  Records<Record> records;
  std::vector<std::size_t> begins;
  std::span<Record> part(std::size_t p) {
    return {records.data() + begins[p], begins[p + 1] - begins[p]};
  }
};

/// The part of a row that is left out.
constexpr std::size_t kNoPart = std::numeric_limits<std::size_t>::max();

/// Scatter `make(row)` of the rows [0, size) by `part_of(row)`, in row order within a part; into
/// the memory of `used` when it is large enough.
template <typename Record, typename PartOf, typename Make>
Parts<Record> partition(std::size_t size,
                        std::size_t parts,
                        int threads,
                        PartOf part_of,
                        Make make,
                        Records<Record> used = {}) {
  std::vector<std::vector<std::size_t>> positions(static_cast<std::size_t>(threads),
                                                  std::vector<std::size_t>(parts));
  on_threads(threads, [&](int thread) {
    std::size_t* counts = positions[static_cast<std::size_t>(thread)].data();
    const IndexRange range = share_of(size, thread, threads);
    for (std::size_t row = range.begin; row < range.end; ++row) {
      const std::size_t part = part_of(row);
      if (part != kNoPart) {
        ++counts[part];
      }
    }
  });
  Parts<Record> out;
  out.begins.resize(parts + 1);
  std::size_t next = 0;
  for (std::size_t part = 0; part < parts; ++part) {
    out.begins[part] = next;
    for (std::vector<std::size_t>& of_thread : positions) {
      next += std::exchange(of_thread[part], next);
    }
  }
  out.begins[parts] = next;
  out.records = used.size() < next ? Records<Record>(next) : std::move(used);
  on_threads(threads, [&](int thread) {
    std::size_t* position = positions[static_cast<std::size_t>(thread)].data();
    Record* records = out.records.data();
    const IndexRange range = share_of(size, thread, threads);
    for (std::size_t row = range.begin; row < range.end; ++row) {
      const std::size_t part = part_of(row);
      if (part != kNoPart) {
        records[position[part]++] = make(row);
      }
    }
  });
  return out;
}

}  // namespace assay::data
