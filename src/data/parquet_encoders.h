#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "data/parquet_file.h"

namespace assay::data {

/// Encodes row groups on several threads and gives them back in the order in which they were put.
/// The caller's thread is one of them, while it waits; the others start with the second row group.
///
/// Threads one thread at a time.
class ParquetEncoders {
 public:
  /// Full when more than `bytes_max` bytes of rows, or two row groups a thread, are in it.
  ParquetEncoders(int threads, std::size_t bytes_max);
  ~ParquetEncoders();
  ParquetEncoders(const ParquetEncoders&) = delete;
  ParquetEncoders& operator=(const ParquetEncoders&) = delete;

  /// The rows of one row group, of one flat schema; at least one.
  void put(std::vector<Batch> rows);
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool full() const;
  /// The oldest row group that was not taken yet; there is one.
  ///
  /// Errors  those of ParquetEncoder; kResourceExhausted: no memory.
  Result<ParquetRowGroup> take();

 private:
  struct Job {
    std::vector<Batch> rows;
    std::size_t bytes = 0;
    bool started = false;
    std::optional<Result<ParquetRowGroup>> done;
  };

  void start_worker();
  void work();
  Job* next_job();
  void encode(std::optional<ParquetEncoder>& encoder, Job& job, std::unique_lock<std::mutex>& lock);

  std::size_t threads_;
  const std::size_t bytes_max_;
  std::optional<ParquetEncoder> own_;  // of the caller's thread
  std::size_t size_ = 0;               // of jobs_, for the caller's thread
  std::size_t bytes_ = 0;              // in jobs_, for the caller's thread
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::deque<std::unique_ptr<Job>> jobs_;
  std::vector<std::jthread> workers_;
};

}  // namespace assay::data
