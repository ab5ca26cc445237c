#include "live.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/resource.h>

#include "base/arm_fail_point.h"
#include "base/pause.h"
#include "base/world.h"
#include "faulty_files.h"
#include "flow/part_position.h"
#include "flow/run.h"
#include "flow/shared_up.h"
#include "flow/status.h"
#include "flow/up.h"
#include "flow/workspace.h"
#include "lake/compaction.h"
#include "lake/doctor.h"
#include "lake/vacuum.h"

namespace assay::sim {
namespace {

/// The machine's clock, ahead or behind; it may jump again and again, by hours and months.
class WrongClock : public Clock {
 public:
  explicit WrongClock(const Life& life) : ahead_(life.clock_ahead), jumps_(life.clock_jumps) {}
  EventTime now() override {
    const int64_t step = jumps_ ? asked_++ / 16 % 10 : 0;
    const int64_t jump = (step % 2 == 0 ? step * 24 : -step) * 3600 * kMicrosPerSecond;
    return {clock_->now().micros + ahead_.micros + jump};
  }
  Duration monotonic() override { return clock_->monotonic(); }

 private:
  std::unique_ptr<Clock> clock_ = system_clock();
  Duration ahead_;
  bool jumps_;
  std::atomic<int64_t> asked_ = 0;
};

/// What a process has of the machine.
class LifeWorld {
 public:
  /// A process without end has a disk that recovers.
  static constexpr int64_t kFaultsOfUp = 30;
  explicit LifeWorld(const Life& life)
      : clock_(life),
        files_(
            life.seed, life.fails_one_in, life.work == Life::Work::kUp ? kFaultsOfUp : INT64_MAX),
        random_(seeded_random(life.seed)) {}
  World& world() { return world_; }

 private:
  WrongClock clock_;
  FaultyFiles files_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Log> log_ = null_log();
  Metrics metrics_;
  World world_{clock_, files_, *random_, *log_, metrics_};
};

Status upkeep(flow::Workspace& workspace) {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, workspace.lock_for_writing());
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> keys, workspace.current_tables());
  const lake::LakeAccess access{workspace.world(), workspace.store(), workspace.sql()};
  for (const std::string& key : keys) {
    const Result<lake::DeltaTable*> table = workspace.table(key);
    if (table.code() == Code::kNotFound) {
      continue;
    }
    ASSAY_RETURN_IF_ERROR(table.status());
    ASSAY_RETURN_IF_ERROR(lake::compact(access, **table).status());
    ASSAY_RETURN_IF_ERROR((*table)->checkpoint());
    ASSAY_ASSIGN_OR_RETURN(const std::optional<lake::Version> needed,
                           flow::oldest_position(workspace, key));
    const Duration none{0};
    ASSAY_RETURN_IF_ERROR(
        lake::clean_log(access, **table, {.keep = none, .needed = needed}).status());
    ASSAY_RETURN_IF_ERROR(lake::vacuum(access, **table, {.keep = none, .needed = needed}).status());
  }
  return {};
}

std::atomic<bool> is_to_stop = false;

/// No file may grow beyond this: the disk is full.
void set_room(rlim_t bytes) {
  rlimit limit{};
  (void)::getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = std::min(bytes, limit.rlim_max);
  (void)::setrlimit(RLIMIT_FSIZE, &limit);
}

void listen_to_signals() {
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, [](int) { is_to_stop = true; });
  std::signal(SIGUSR1, [](int) { set_room(256); });
  std::signal(SIGUSR2, [](int) { set_room(RLIM_INFINITY); });
  hold_signals(false);
}

/// Records of the topic that a bronze table has.
Result<int64_t> records_of(flow::Workspace& workspace) {
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.bronze_table_key("events"));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable* const table, workspace.table(key));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
  constexpr int64_t kPartitionsMax = 8;
  constexpr int64_t kOffset = (int64_t{1} << 32) - 1;  // of positions, above which is what is read
  int64_t records = 0;
  for (int64_t part = 0; part < kPartitionsMax; ++part) {
    records += snapshot->txn(flow::part_app_id(workspace.app_id(key), part)).value_or(0) & kOffset;
  }
  return records;
}

/// Tells how many records the tables have, as long as it lives; beside the line, which says nothing
/// where a commit landed and what came behind it failed, nor where there is nothing to commit.
class Progress {
 public:
  explicit Progress(const std::string& folder)
      : thread_([this, folder](const std::stop_token& stop) { tell(folder, stop); }) {}
  /// The line is at work: from now on it waits for what is away.
  void begin() { is_at_work_ = true; }

 private:
  void tell(const std::string& folder, const std::stop_token& stop) const {
    SystemWorld world(LogLevel::kError);
    std::unique_ptr<flow::Workspace> beside;
    int64_t told = -1;
    for (; !stop.stop_requested(); pause_for({10'000})) {
      if (beside == nullptr) {
        auto opened = flow::Workspace::open(world.world(), folder, {});
        beside = opened.ok() ? std::move(opened).value() : nullptr;
        continue;
      }
      const Result<int64_t> found = records_of(*beside);
      const int64_t records = found.ok() ? *found : std::max<int64_t>(told, 0);  // no table yet
      if (is_at_work_ && records != told &&
          system_files()->write(progress_path(folder), std::to_string(records)).ok()) {
        told = records;
      }
    }
  }

  std::atomic<bool> is_at_work_ = false;
  std::jthread thread_;
};

/// `assay up` until it is asked to stop.
Status go_on(flow::Workspace& workspace,
             const Life& life,
             const flow::RunOptions& run,
             const std::string& folder) {
  flow::UpOptions options;
  options.run = run;
  options.run.stop = &is_to_stop;
  options.run.ask_timeout = {5 * kMicrosPerSecond};  // a machine that has much to do is not away
  options.flush_every = life.flush_every;
  options.retry_first = {10'000};
  options.retry_max = {50'000};
  Progress progress(folder);
  options.ready = [&] {
    progress.begin();
    return Status();
  };
  return (life.shares ? flow::run_shared_up : flow::run_up)(workspace, options).status();
}

/// Rows beside a table, which is made when the first one comes: those that are late, and of refused
/// ones all but when they were read.
Result<std::string> contents_beside(flow::Workspace& workspace, const std::string& key) {
  std::string text;
  for (const auto& [beside, columns] :
       {std::pair("_late", "*"), std::pair("_quarantine", "position, reason, payload")}) {
    if (const auto table = workspace.table(key + beside); !table.ok()) {
      ASSAY_RETURN_IF_ERROR(table.code() == Code::kNotFound ? Status() : table.status());
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(const data::Batch rows,
                           workspace.read_table(key + beside, columns, "", ""));
    text += key + beside + ": " + std::to_string(rows.rows()) + " rows, hash " +
            std::to_string(data::content_hash(rows)) + "\n";
  }
  return text;
}

/// What the doctor says of a table that is no mere note.
Result<std::string> findings_of(const lake::LakeAccess& access, const std::string& key) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<lake::Finding> findings,
                         lake::examine_table(access, key, {}));
  std::string text;
  for (const lake::Finding& finding : findings) {
    if (finding.severity != lake::Finding::Severity::kNote) {
      text += key + ": " + finding.kind + " " + finding.object + ": " + finding.text + "\n";
    }
  }
  return text;
}

/// What a process does in a world.
Status live_in(LifeWorld& world, const Life& life, const std::string& folder) {
  flow::WorkspaceOptions how;
  how.threads = life.threads;
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, flow::Workspace::open(world.world(), folder, how));
  ASSAY_RETURN_IF_ERROR(workspace->apply().status());
  if (life.work == Life::Work::kUpkeep) {
    return upkeep(*workspace);
  }
  flow::RunOptions options;
  options.threads = life.threads;
  options.epoch_rows = life.epoch_rows;
  options.batch_bytes = life.batch_bytes;
  options.gold_chunk_rows = life.gold_chunk_rows;
  options.gold_part_rows = life.gold_chunk_rows / 3 + 1;
  options.gold_unnoticed = {0};
  options.online_batch_rows = life.online_batch_rows;
  options.duplicates_bytes = life.duplicates_bytes;
  return life.work == Life::Work::kUp ? go_on(*workspace, life, options, folder)
                                      : flow::run_all(*workspace, options).status();
}

}  // namespace

void hold_signals(bool are_held) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGUSR1, SIGUSR2}) {
    sigaddset(&signals, signal);
  }
  ::sigprocmask(are_held ? SIG_BLOCK : SIG_UNBLOCK, &signals, nullptr);
}

std::string progress_path(const std::string& folder) {
  return folder + ".progress";
}

Status live(const Life& life, const std::string& folder) {
  listen_to_signals();
  LifeWorld world(life);
  if (!life.dies_at.empty()) {
    arm_fail_point(life.dies_at);
  }
  Status done = live_in(world, life, folder);
  if (!done.ok() && life.fails_one_in == 0) {  // nothing that is away says why
    std::fprintf(stderr, "%s: %s\n", life.to_string().c_str(), done.to_string().c_str());
  }
  return done;
}

Result<std::string> contents(const std::string& folder, const Contents& what) {
  LifeWorld world(Life{});
  flow::WorkspaceOptions how;
  how.threads = 1;
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, flow::Workspace::open(world.world(), folder, how));
  ASSAY_ASSIGN_OR_RETURN(std::vector<std::string> keys, workspace->current_tables());
  std::string text;
  const lake::LakeAccess access{workspace->world(), workspace->store(), workspace->sql()};
  for (const std::string& key : what.has_lake ? keys : std::vector<std::string>()) {
    ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, workspace->read_table(key, "*", "", ""));
    text += key + ": " + std::to_string(rows.rows()) + " rows, hash " +
            std::to_string(data::content_hash(rows)) + "\n";
    ASSAY_ASSIGN_OR_RETURN(const std::string beside, contents_beside(*workspace, key));
    text += beside;
    if (what.is_examined) {
      ASSAY_ASSIGN_OR_RETURN(const std::string findings, findings_of(access, key));
      text += findings;
    }
  }
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore* const store, workspace->online(true));
  for (const auto& [name, view] : workspace->project().views) {
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr compiled, workspace->view(name));
    ASSAY_ASSIGN_OR_RETURN(const uint64_t hash, store->content_hash(*compiled));
    text += "online " + name + ": hash " + std::to_string(hash) + "\n";
  }
  return text;
}

}  // namespace assay::sim
