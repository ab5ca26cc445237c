#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "base/check.h"
#include "base/line_log.h"
#include "base/unsynced_files.h"
#include "base/wait_until.h"
#include "flow/kafka_project.h"
#include "flow/online_stage.h"
#include "flow/up.h"

// `assay up` in a thread of a test.

namespace assay::flow {

/// The machine's files; commits of the lake fail while `is_away`, and wait while `is_held`.
class LakeThatGoes : public FileSystem {
 public:
  std::atomic<bool> is_away = false;
  std::atomic<bool> is_held = false;
  std::atomic<bool> is_silver_away = false;  // the same of the silver tables alone
  std::atomic<bool> is_silver_held = false;
  std::atomic<bool> has_silver_waiting = false;  // one was held
  std::atomic<bool> is_refused_once = false;  // the next commit is one that we may not write

  Result<std::string> read(const std::string& path) override { return files_->read(path); }
  Result<std::string> read_range(const std::string& path, int64_t offset, int64_t size) override {
    return files_->read_range(path, offset, size);
  }
  Result<std::unique_ptr<FileReader>> open(const std::string& path) override {
    return files_->open(path);
  }
  Status write(const std::string& path, std::string_view bytes) override {
    return files_->write(path, bytes);
  }
  Status put_if_absent(const std::string& path, std::string_view bytes) override {
    const bool is_silver = path.find("silver/") != std::string::npos;
    has_silver_waiting = has_silver_waiting || (is_silver && is_silver_held);
    wait_until(
        "a lake that is let go",
        [&] { return !is_held && !(is_silver && is_silver_held); },
        std::identity());
    if (is_away || (is_silver_away && is_silver)) {
      return {Code::kUnavailable, "no lake"};
    }
    if (is_refused_once.exchange(false)) {
      return {Code::kPermissionDenied, "not ours"};
    }
    return files_->put_if_absent(path, bytes);
  }
  Result<std::vector<FileInfo>> list(const std::string& directory) override {
    return files_->list(directory);
  }
  Result<FileInfo> stat(const std::string& path) override { return files_->stat(path); }
  Status make_directories(const std::string& path) override {
    return files_->make_directories(path);
  }
  Status remove(const std::string& path) override { return files_->remove(path); }
  Status sync(const std::string& path) override { return files_->sync(path); }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return files_->lock(path);
  }
  Result<std::unique_ptr<FileLock>> lock_shared(const std::string& path) override {
    return files_->lock_shared(path);
  }

 private:
  std::unique_ptr<FileSystem> files_ = unsynced_files();
};

/// The last lines that something logged. Threads thread-safe.
class LastLines {
 public:
  void add(const std::string& line) {
    constexpr std::size_t kLines = 30;
    const std::lock_guard lock(mutex_);
    lines_.push_back(line);
    if (lines_.size() > kLines) {
      lines_.pop_front();
    }
  }
  [[nodiscard]] std::string text() const {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const std::string& line : lines_) {
      text += line;
    }
    return text;
  }

 private:
  mutable std::mutex mutex_;
  std::deque<std::string> lines_;
};

/// The line of a project, following its sources until it is stopped.
class RunningUp {
 public:
  using Run = Result<RunReport> (*)(Workspace&, const UpOptions&);
  /// Commits after each read, and looks for partitions all the time, unless told otherwise.
  explicit RunningUp(TestProject& project,
                     Duration flush_every = {0},
                     Run run = run_up,
                     Duration retry_first = {10'000},
                     Duration ask_timeout = {kMicrosPerSecond},
                     std::size_t flush_bytes = UpOptions().flush_bytes)
      : log_(line_log(system_.world().clock,
                      LogLevel::kInfo,
                      [this](const std::string& line) { said_.add(line); })),
        world_{
            system_.world().clock, files_, system_.world().random, *log_, system_.world().metrics},
        workspace_(*Workspace::open(world_, project.folder(), {})) {
    EXPECT_TRUE(workspace_->apply().ok());
    store_ = *workspace_->online(false);
    view_ = *workspace_->view("spend");
    options_.run.stop = &stop_;
    options_.run.ask_timeout = ask_timeout;
    options_.run.gold_unnoticed = {0};
    options_.flush_every = flush_every;
    options_.flush_bytes = flush_bytes;
    options_.look_every = flush_every;
    options_.poll_every = {10'000};
    options_.retry_first = retry_first;
    options_.retry_max = {std::max<int64_t>(20'000, retry_first.micros)};
    options_.unread_after = {500'000};
    options_.ready = [this] {
      is_ready_ = true;
      return Status();
    };
    options_.flushed = [this](const RunReport& report) {
      ++flushes_;
      for (const StageAccount& stage : report.stages) {
        if (stage.stage == "bronze") {
          committed_ = stage.rows.in;
        }
      }
    };
    thread_ = std::jthread([this, run] {
      Result<RunReport> report = run(*workspace_, options_);
      status_ = report.status();
      report_ = report.ok() ? *std::move(report) : RunReport();
      has_ended_ = true;
    });
  }
  ~RunningUp() { (void)stop(); }
  RunningUp(const RunningUp&) = delete;
  RunningUp& operator=(const RunningUp&) = delete;

  /// As the one of base, and it ends with the line.
  template <typename Look, typename IsIt>
  bool wait_until(const std::string& what, Look look, IsIt is_it, bool even_after_failure = false) {
    WaitOptions options;
    options.even_after_failure = even_after_failure;
    options.why_over = [this] {
      return has_ended_ ? "the line ended, " + status_.to_string() : std::string();
    };
    options.tell = [this] { return "the line said\n" + said_.text(); };
    return assay::wait_until(what, look, is_it, options);
  }
  void wait_until_ready() {
    wait_until(
        "the line to be ready", [this] { return is_ready_.load(); }, std::identity());
  }
  void wait_for_records(int64_t records) {
    wait_until(
        std::to_string(records) + " records of bronze in the lake",
        [this] { return committed_.load(); },
        [&](int64_t seen) { return seen >= records; });
  }
  void wait_for_gauge(const std::string& name, double value, const MetricLabels& labels = {}) {
    wait_for_metric(world_.metrics.gauge(name, "", labels),
                    name + " of " + std::to_string(value),
                    [&](double seen) { return seen == value; });
  }
  void wait_for_gauge_above(const std::string& name,
                            double value,
                            const MetricLabels& labels = {}) {
    wait_for_metric(world_.metrics.gauge(name, "", labels),
                    name + " above " + std::to_string(value),
                    [&](double seen) { return seen > value; });
  }
  void wait_for_counter_above(const std::string& name, int64_t value, const MetricLabels& labels) {
    wait_for_metric(world_.metrics.counter(name, "", labels),
                    name + " above " + std::to_string(value),
                    [&](int64_t seen) { return seen > value; });
  }
  /// Until the online store answers as one with this content.
  void wait_for_online(uint64_t hash) {
    wait_until(
        "online rows of hash " + std::to_string(hash),
        [this] { return *store_->content_hash(*view_); },
        [&](uint64_t seen) { return seen == hash; });
  }
  online::OnlineStore& store() { return *store_; }
  const gold::FeatureView& view() { return *view_; }
  /// Where the view stands; before all versions as long as it has no rows.
  OnlinePosition position() {
    const auto applied = *store_->applied_to(*view_);
    return applied.has_value() ? OnlinePosition::decode(applied->position) : OnlinePosition();
  }
  LakeThatGoes& files() { return files_; }
  Metrics& metrics() { return world_.metrics; }
  [[nodiscard]] int flushes() const { return flushes_; }
  /// Its end, when it ends by itself.
  Status ended() {
    if (thread_.joinable()) {
      // Nobody can end a thread from outside, and a test that goes on would not end either.
      ASSAY_CHECK(wait_until(
          "the line to end", [this] { return has_ended_.load(); }, std::identity(), true));
      thread_.join();
    }
    return status_;
  }
  void ask_to_stop() { stop_ = true; }
  Status stop() {
    stop_ = true;
    return ended();
  }
  /// What it did to the rows of a stage, once it has ended.
  [[nodiscard]] data::Account account(const std::string& stage, const std::string& name) const {
    data::Account rows;
    for (const StageAccount& one : report_.stages) {
      rows += one.stage == stage && one.name == name ? one.rows : data::Account();
    }
    return rows;
  }

 private:
  template <typename Metric, typename IsIt>
  void wait_for_metric(Metric& metric, const std::string& what, IsIt is_it) {
    wait_until(
        what, [&] { return metric.value(); }, is_it);
  }

  LastLines said_;
  SystemWorld system_;
  LakeThatGoes files_;
  std::unique_ptr<Log> log_;
  World world_;
  std::unique_ptr<Workspace> workspace_;
  online::OnlineStore* store_ = nullptr;
  gold::FeatureViewPtr view_;
  UpOptions options_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> is_ready_ = false;
  std::atomic<bool> has_ended_ = false;
  std::atomic<int> flushes_ = 0;
  std::atomic<int64_t> committed_ = 0;
  Status status_;
  RunReport report_;
  std::jthread thread_;
};

/// Rows of a table, 0 while there is none.
inline int64_t rows_of(Workspace& workspace, const std::string& table) {
  const auto found = workspace.table(table);
  return found.ok() ? (*(*found)->snapshot())->rows() : 0;
}

/// Until a table has so many rows.
inline void wait_for_rows(TestProject& project, const std::string& table, int64_t rows) {
  const auto workspace = project.open();
  wait_until(
      std::to_string(rows) + " rows of " + table,
      [&] { return rows_of(*workspace, table); },
      [&](int64_t seen) { return seen >= rows; },
      {.look_every = {5'000}});
}

/// Send the events of days [first, end).
inline void send_days(TestTopic& topic, int first, int end) {
  for (int day = first; day < end; ++day) {
    topic.send_csv(TestProject::events_of_day(day));
  }
}

/// The same steps and online rows as a run over the same events in files, and every event once.
inline void expect_as_from_files(TestProject& project) {
  static const auto expected = [] {
    TestProject files;
    EXPECT_TRUE(files.run().ok());
    return std::tuple(files.count("bronze/events"), files.steps_hash(), files.online_hash());
  }();
  EXPECT_EQ(project.count("bronze/events"), std::get<0>(expected));
  EXPECT_EQ(project.steps_hash(), std::get<1>(expected));
  EXPECT_EQ(project.online_hash(), std::get<2>(expected));
}

}  // namespace assay::flow
