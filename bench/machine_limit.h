#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/clock.h"
#include "data/batch.h"
#include "data/partition.h"

// What a machine allows: how fast it reads what a benchmark is given and fills what it gives back,
// with no work in between. Printed beside the figure.

namespace assay::bench {

/// Bytes of all values of a batch, offsets and validity not counted.
inline std::size_t value_bytes(const data::Batch& batch) {
  std::size_t bytes = 0;
  for (int i = 0; i < batch.column_count(); ++i) {
    bytes += batch.column(i).value_buffer().size();
  }
  return bytes;
}

/// Seconds that `threads` take to read every value of `given` once and to fill `result_bytes` of
/// fresh memory.
inline double limit_seconds(Clock& clock,
                            const std::vector<const data::Batch*>& given,
                            std::size_t result_bytes,
                            int threads) {
  const Duration begin = clock.monotonic();
  data::Records<uint8_t> result(result_bytes);
  std::vector<uint64_t> sums(static_cast<std::size_t>(threads) * 16);
  data::on_threads(threads, [&](int thread) {
    uint64_t sum = 0;
    for (const data::Batch* batch : given) {
      for (int i = 0; i < batch->column_count(); ++i) {
        const data::Buffer& values = batch->column(i).value_buffer();
        const data::IndexRange mine =
            data::share_of(values.size() / sizeof(uint64_t), thread, threads);
        for (std::size_t at = mine.begin; at < mine.end; ++at) {
          uint64_t word = 0;
          std::memcpy(&word, values.data() + at * sizeof(uint64_t), sizeof(word));
          sum += word;
        }
      }
    }
    sums[static_cast<std::size_t>(thread) * 16] = sum;
    const data::IndexRange mine = data::share_of(result_bytes, thread, threads);
    std::memset(result.data() + mine.begin, static_cast<int>(sum & 1), mine.end - mine.begin);
  });
  return static_cast<double>(clock.monotonic().micros - begin.micros) / 1e6;
}

/// Seconds that a fetch of `bytes` takes from anywhere in a memory of `memory_bytes`, when where it
/// is is known only from the fetch before. Of a small memory: from the cache.
inline double fetch_seconds(Clock& clock, std::size_t memory_bytes, std::size_t bytes) {
  const std::size_t words = std::max<std::size_t>(bytes / sizeof(uint64_t), 1);
  data::Records<uint64_t> memory(std::max(memory_bytes / sizeof(uint64_t), words + 1));
  for (std::size_t i = 0; i < memory.size(); ++i) {
    memory[i] = i * 0x9E3779B97F4A7C15;
  }
  constexpr int kFetches = 20'000;
  uint64_t sum = 0;
  const Duration begin = clock.monotonic();
  for (int i = 0; i < kFetches; ++i) {
    const std::size_t from = (sum >> 20) % (memory.size() - words);
    for (std::size_t word = 0; word < words; ++word) {
      sum += memory[from + word];
    }
  }
  const double micros = static_cast<double>(clock.monotonic().micros - begin.micros);
  // The sum is looked at, so that the fetches are made.
  return (micros + (sum == 1 ? 1 : 0)) / 1e6 / kFetches;
}

}  // namespace assay::bench
