#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "flow/accounts.h"
#include "flow/kafka_line.h"
#include "flow/run_options.h"
#include "flow/workspace.h"
#include "store/http_client.h"

namespace assay::flow {

/// Opens a line that was left out, in a thread beside the lines that are read, with a workspace of
/// its own, and brings what is in its journals to the lake.
///
/// Threads its owner's.
/// Source  docs/decisions/0195-a-source-is-away-alone.md
class LineOpening {
 public:
  /// `beside` must outlive what is opened, and so must the wakeup of `options`, which is notified
  /// at the end. `registry`: by which the line asks its schema registry, if it has one.
  LineOpening(Workspace& beside,
              std::string bronze,
              const RunOptions& options,
              std::shared_ptr<store::HttpClient> registry);
  /// What waits for brokers ends soon; a question that is on its way is waited for.
  ~LineOpening();
  LineOpening(const LineOpening&) = delete;
  LineOpening& operator=(const LineOpening&) = delete;

  [[nodiscard]] bool has_ended() const { return has_ended_; }
  struct Opened {
    std::unique_ptr<Workspace> workspace;
    std::unique_ptr<KafkaLine> line;
    std::shared_ptr<std::atomic<bool>> stop;  // which the line hears; must outlive it
    StageAccount account;                     // of what its journals had
  };
  /// What became of it, once it has ended.
  Result<Opened> take();

 private:
  Result<Opened> open();

  Workspace& beside_;
  std::string bronze_;
  RunOptions options_;
  std::shared_ptr<store::HttpClient> registry_;
  std::shared_ptr<std::atomic<bool>> stop_ = std::make_shared<std::atomic<bool>>(false);
  std::atomic<bool> has_ended_ = false;
  Result<Opened> opened_;
  std::jthread thread_;  // the last member: it uses the others
};

/// Whether a source's schema registry, if it has one, answers anything at all: records that are
/// read again wait for it.
Status ask_registry(const catalog::SourceDef& source, store::HttpClient& client);

}  // namespace assay::flow
