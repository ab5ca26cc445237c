#include "data/parquet_encoders.h"

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

#include "base/check.h"

namespace assay::data {

ParquetEncoders::ParquetEncoders(int threads, std::size_t bytes_max)
    : threads_(static_cast<std::size_t>(std::max(threads, 1))), bytes_max_(bytes_max) {}

ParquetEncoders::~ParquetEncoders() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
}

void ParquetEncoders::put(std::vector<Batch> rows) {
  auto job = std::make_unique<Job>();
  for (const Batch& batch : rows) {
    job->bytes += batch.bytes();
  }
  job->rows = std::move(rows);
  ++size_;
  bytes_ += job->bytes;
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
  if (size_ > 1 && workers_.size() + 1 < threads_) {
    start_worker();
  }
}

/// Where the machine gives no more threads, those that there are do it.
void ParquetEncoders::start_worker() {
  try {
    workers_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    threads_ = workers_.size() + 1;
  }
}

bool ParquetEncoders::full() const {
  return size_ > 0 && (bytes_ > bytes_max_ || size_ > 2 * threads_);
}

Result<ParquetRowGroup> ParquetEncoders::take() {
  ASSAY_CHECK(size_ > 0);
  std::unique_lock lock(mutex_);
  while (!jobs_.front()->done) {
    Job* job = next_job();
    if (job != nullptr) {
      encode(own_, *job, lock);
    } else {
      changed_.wait(lock);
    }
  }
  const std::unique_ptr<Job> job = std::move(jobs_.front());
  jobs_.pop_front();
  --size_;
  bytes_ -= job->bytes;
  return *std::move(job->done);
}

void ParquetEncoders::work() {
  std::optional<ParquetEncoder> encoder;
  std::unique_lock lock(mutex_);
  while (!ended_) {
    Job* job = next_job();
    if (job != nullptr) {
      encode(encoder, *job, lock);
    } else {
      changed_.wait(lock);
    }
  }
}

/// One that nobody has begun; nullptr when there is none.
ParquetEncoders::Job* ParquetEncoders::next_job() {
  const auto job = std::find_if(
      jobs_.begin(), jobs_.end(), [](const std::unique_ptr<Job>& each) { return !each->started; });
  return job == jobs_.end() ? nullptr : job->get();
}

namespace {

Result<ParquetRowGroup> encode_rows(std::optional<ParquetEncoder>& encoder,
                                    const std::vector<Batch>& rows) {
  try {
    if (!encoder) {
      encoder.emplace();
    }
    return encoder->encode(rows);
  } catch (const std::bad_alloc&) {  // would end the process on a thread of its own
    return Status(Code::kResourceExhausted, "no memory to encode a row group");
  }
}

}  // namespace

/// Without the lock while it encodes.
void ParquetEncoders::encode(std::optional<ParquetEncoder>& encoder,
                             Job& job,
                             std::unique_lock<std::mutex>& lock) {
  job.started = true;
  lock.unlock();
  Result<ParquetRowGroup> group = encode_rows(encoder, job.rows);
  job.rows.clear();
  lock.lock();
  job.done.emplace(std::move(group));
  changed_.notify_all();
}

}  // namespace assay::data
