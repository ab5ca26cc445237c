#include "cli/served_writer.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "gold/served_schema.h"

namespace assay::cli {
namespace {

/// Whether the same rows may be written a minute later, and were not written now.
bool may_be_kept(Code code) {
  return code == Code::kResourceExhausted || (code != Code::kCommitUnknown && retryable(code));
}

/// The share of entities whose answers are logged.
Result<double> log_share(const std::string& text) {
  double share = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), share);
  if (error != std::errc() || end != text.data() + text.size() || !(share >= 0 && share <= 1)) {
    return Status(Code::kInvalidArgument,
                  "--log-share is `" + text + "`; it is a share of the entities, from 0 to 1");
  }
  return share;
}

}  // namespace

Flag log_share_flag() {
  return {"log-share",
          "SHARE",
          "log the answers of this share of the entities, 0 to 1 (0), to tables served/SERVICE of "
          "the lake, where a service or a model was asked, not features by their names; `assay "
          "verify --served` compares them",
          "",
          false,
          false};
}

Result<std::unique_ptr<serve::ServedLog>> served_log(Invocation& invocation,
                                                     const serve::ServingState& state) {
  serve::ServedLogOptions options;
  if (invocation.arguments.has("log-share")) {
    ASSAY_ASSIGN_OR_RETURN(options.share, log_share(invocation.arguments.get("log-share")));
  }
  if (options.share == 0) {
    return std::unique_ptr<serve::ServedLog>();
  }
  if (!state.definitions->has_lake) {
    return Status(Code::kInvalidArgument,
                  "--log-share writes tables of the lake, and this project has `lake: none`");
  }
  for (const auto& [name, service] : state.services) {
    ASSAY_RETURN_IF_ERROR(gold::served_schema(*service).status());
  }
  return std::make_unique<serve::ServedLog>(invocation.world.metrics, options);
}

ServedWriter::ServedWriter(World& world,
                           serve::ServedLog& log,
                           Append append,
                           std::size_t kept_bytes_max)
    : world_(world),
      log_(log),
      append_(std::move(append)),
      kept_bytes_max_(kept_bytes_max),
      lost_(world.metrics.counter("assay_serve_log_lost_rows_total",
                                  "Rows of the log of answers that could not be written.")),
      tried_(world.clock.monotonic()) {}

void ServedWriter::look() {
  constexpr int64_t kEvery = 60 * kMicrosPerSecond;
  const Duration now = world_.clock.monotonic();
  if (now.micros - tried_.micros >= kEvery) {
    tried_ = now;
    write();
  } else if (log_.waiting() >= kRowsMax || log_.is_half_full()) {
    write(take());
  }
}

void ServedWriter::write() {
  write(std::exchange(kept_, {}));
  write(take());
}

std::vector<serve::ServedBatch> ServedWriter::take() {
  Result<std::vector<serve::ServedBatch>> batches = log_.take();
  if (!batches.ok()) {
    world_.log.error("served_log_not_taken", {{"reason", batches.status().to_string()}});
    return {};
  }
  return *std::move(batches);
}

/// Each batch for itself: one service's table may be in the way of its rows alone. Those behind
/// rows that are kept wait with them.
void ServedWriter::write(std::vector<serve::ServedBatch> batches) {
  for (serve::ServedBatch& batch : batches) {
    const bool waits = std::any_of(kept_.begin(), kept_.end(), [&](const auto& kept) {
      return kept.service->name == batch.service->name;
    });
    if (waits) {
      keep(std::move(batch));
      continue;
    }
    const Status written = append_(batch);
    if (written.ok()) {
      continue;
    }
    if (!may_be_kept(written.code())) {
      drop(batch, written);
      continue;
    }
    world_.log.error("served_log_not_written",
                     {{"service", batch.service->name},
                      {"rows", batch.rows.rows()},
                      {"reason", written.to_string()}});
    keep(std::move(batch));
  }
}

void ServedWriter::keep(serve::ServedBatch batch) {
  std::size_t bytes = batch.rows.bytes();
  for (const serve::ServedBatch& kept : kept_) {
    bytes += kept.rows.bytes();
  }
  if (bytes > kept_bytes_max_) {
    drop(batch, Status(Code::kResourceExhausted, "too many rows wait to be written"));
  } else {
    kept_.push_back(std::move(batch));
  }
}

void ServedWriter::drop(const serve::ServedBatch& batch, const Status& why) {
  lost_.add(batch.rows.rows());
  world_.log.error(
      "served_log_lost",
      {{"service", batch.service->name}, {"rows", batch.rows.rows()}, {"reason", why.to_string()}});
}

void ServedWriter::finish() {
  write();
  for (const serve::ServedBatch& batch : kept_) {
    drop(batch, Status(Code::kCancelled, "the server ends"));
  }
  kept_.clear();
}

}  // namespace assay::cli
