#include "cli/served_writer.h"

#include <utility>

namespace assay::cli {
namespace {

/// Whether the same rows may be written a minute later, and were not written now.
bool may_be_kept(Code code) {
  return code == Code::kResourceExhausted || (code != Code::kCommitUnknown && retryable(code));
}

}  // namespace

ServedWriter::ServedWriter(World& world, serve::ServedLog& log, Append append)
    : world_(world),
      log_(log),
      append_(std::move(append)),
      lost_(world.metrics.counter("assay_serve_log_lost_rows_total",
                                  "Rows of the log of answers that could not be written.")),
      tried_(world.clock.monotonic()) {}

void ServedWriter::look() {
  constexpr int64_t kEvery = 60 * kMicrosPerSecond;
  const Duration now = world_.clock.monotonic();
  // What could not be written is not tried each second, however much waits behind it.
  if (now.micros - tried_.micros >= kEvery || (kept_.empty() && log_.waiting() >= kRowsMax)) {
    tried_ = now;
    write();
  }
}

void ServedWriter::write() {
  write_kept();
  if (kept_.empty()) {  // else what waits in the log is bounded there
    take();
    write_kept();
  }
}

void ServedWriter::take() {
  Result<std::vector<serve::ServedBatch>> batches = log_.take();
  if (!batches.ok()) {
    world_.log.error("served_log_not_taken", {{"reason", batches.status().to_string()}});
    return;
  }
  for (serve::ServedBatch& batch : *batches) {
    kept_.push_back(std::move(batch));
  }
}

/// Each batch for itself: one service's table may be in the way of its rows alone.
void ServedWriter::write_kept() {
  std::vector<serve::ServedBatch> left;
  for (serve::ServedBatch& batch : kept_) {
    const Status written = append_(batch);
    if (written.ok()) {
      continue;
    }
    if (may_be_kept(written.code())) {
      world_.log.error("served_log_not_written",
                       {{"service", batch.service->name},
                        {"rows", batch.rows.rows()},
                        {"reason", written.to_string()}});
      left.push_back(std::move(batch));
    } else {
      drop(batch, written);
    }
  }
  kept_ = std::move(left);
}

void ServedWriter::drop(const serve::ServedBatch& batch, const Status& why) {
  lost_.add(batch.rows.rows());
  world_.log.error(
      "served_log_lost",
      {{"service", batch.service->name}, {"rows", batch.rows.rows()}, {"reason", why.to_string()}});
}

void ServedWriter::finish() {
  take();
  write_kept();
  for (const serve::ServedBatch& batch : kept_) {
    drop(batch, Status(Code::kCancelled, "the server ends"));
  }
  kept_.clear();
}

}  // namespace assay::cli
