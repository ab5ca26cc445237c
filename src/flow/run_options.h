#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace assay::flow {

/// How a run works; none of it changes a value.
struct RunOptions {
  int threads = 2;
  int64_t epoch_rows = 20'000;          // rows of a bronze commit, about
  int64_t batch_bytes = 8 << 20;        // bytes of records read at once, about
  int64_t gold_chunk_rows = 4'000'000;  // source rows that a gold commit looks at, about
  int64_t online_batch_rows =
      1'000'000;  // rows that the online store takes in one transaction, about
  /// Bytes of a compacted table's files that a new view takes in one transaction, about.
  int64_t online_piece_bytes = 256 << 20;
  const std::atomic<bool>* stop = nullptr;  // set: finish the current commit, then kCancelled
  /// Called now and then with one line about what goes on; may be empty.
  std::function<void(const std::string&)> progress;

  [[nodiscard]] bool stopping() const { return stop != nullptr && stop->load(); }
  void say(const std::string& line) const {
    if (progress) {
      progress(line);
    }
  }
};

}  // namespace assay::flow
