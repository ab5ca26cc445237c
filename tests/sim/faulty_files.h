#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/file_system.h"
#include "base/random.h"

namespace assay::sim {

/// The machine's disks, on which now and then a call fails: a disk that is full, a store that does
/// not answer. Of calls that change the disk some fail before they did anything, some behind it:
/// who called cannot know which. Which calls fail is said by the seed and the order of calls.
///
/// Threads thread-safe.
class FaultyFiles : public FileSystem {
 public:
  /// About one call in `one_in` fails; 0: none. Behind `faults_max` of them none does any more.
  FaultyFiles(uint64_t seed, uint64_t one_in, int64_t faults_max = INT64_MAX)
      : random_(seeded_random(seed)), one_in_(one_in), faults_max_(faults_max) {}

  [[nodiscard]] int64_t faults() const { return faults_; }

  Result<std::string> read(const std::string& path) override {
    ASSAY_RETURN_IF_ERROR(fail(path));
    return files_->read(path);
  }
  Result<std::string> read_range(const std::string& path, int64_t offset, int64_t size) override {
    ASSAY_RETURN_IF_ERROR(fail(path));
    return files_->read_range(path, offset, size);
  }
  Result<std::unique_ptr<FileReader>> open(const std::string& path) override {
    ASSAY_RETURN_IF_ERROR(fail(path));
    return files_->open(path);
  }
  Status write(const std::string& path, std::string_view bytes) override {
    return change(path, [&] { return files_->write(path, bytes); });
  }
  Status put_if_absent(const std::string& path, std::string_view bytes) override {
    return change(path, [&] { return files_->put_if_absent(path, bytes); });
  }
  Status put_secret_if_absent(const std::string& path, std::string_view bytes) override {
    return change(path, [&] { return files_->put_secret_if_absent(path, bytes); });
  }
  Result<std::vector<FileInfo>> list(const std::string& directory) override {
    ASSAY_RETURN_IF_ERROR(fail(directory));
    return files_->list(directory);
  }
  Result<FileInfo> stat(const std::string& path) override {
    ASSAY_RETURN_IF_ERROR(fail(path));
    return files_->stat(path);
  }
  Status make_directories(const std::string& path) override {
    return change(path, [&] { return files_->make_directories(path); });
  }
  Status remove(const std::string& path) override {
    return change(path, [&] { return files_->remove(path); });
  }
  Status sync(const std::string& path) override {
    return change(path, [&] { return files_->sync(path); });
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return files_->lock(path);
  }
  Result<std::unique_ptr<FileLock>> lock_shared(const std::string& path) override {
    return files_->lock_shared(path);
  }

 private:
  Status fail(const std::string& path) {
    const std::lock_guard guard(mutex_);
    if (one_in_ == 0 || faults_ == faults_max_ || random_->below(one_in_) != 0) {
      return {};
    }
    ++faults_;
    return random_->below(2) == 0
               ? Status(Code::kUnavailable, path + ": no answer (simulated)")
               : Status(Code::kResourceExhausted, path + ": disk full (simulated)");
  }

  template <typename Call>
  Status change(const std::string& path, const Call& call) {
    const Status fault = fail(path);
    if (!fault.ok() && fault.code() == Code::kUnavailable) {
      (void)call();  // it did happen, or failed by itself: the answer is lost either way
    }
    return fault.ok() ? call() : fault;
  }

  std::unique_ptr<FileSystem> files_ = system_files();
  std::mutex mutex_;
  std::unique_ptr<Random> random_;
  uint64_t one_in_;
  int64_t faults_max_;
  std::atomic<int64_t> faults_ = 0;
};

}  // namespace assay::sim
