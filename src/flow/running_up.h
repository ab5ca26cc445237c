#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "base/pause.h"
#include "base/unsynced_files.h"
#include "flow/kafka_project.h"
#include "flow/online_stage.h"
#include "flow/up.h"

// `assay up` in a thread of a test.

namespace assay::flow {

/// The machine's files; while `is_away`, no commit of the lake can be written, and while `is_held`,
/// commits wait.
class LakeThatGoes : public FileSystem {
 public:
  std::atomic<bool> is_away = false;
  std::atomic<bool> is_held = false;
  std::atomic<bool> is_silver_away = false;  // the same of the silver tables alone

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
    while (is_held) {
      pause_for({1'000});
    }
    if (is_away || (is_silver_away && path.find("silver/") != std::string::npos)) {
      return {Code::kUnavailable, "no lake"};
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

/// The line of a project, following its sources until it is stopped.
class RunningUp {
 public:
  using Run = Result<RunReport> (*)(Workspace&, const UpOptions&);
  /// Commits after each read, and looks for partitions all the time, unless told otherwise.
  explicit RunningUp(TestProject& project,
                     Duration flush_every = {0},
                     Run run = run_up,
                     Duration retry_first = {10'000},
                     Duration ask_timeout = {300'000})
      : system_(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1)),
        world_{system_.world().clock,
               files_,
               system_.world().random,
               system_.world().log,
               system_.world().metrics},
        workspace_(*Workspace::open(world_, project.folder(), {})) {
    EXPECT_TRUE(workspace_->apply().ok());
    store_ = *workspace_->online(false);
    view_ = *workspace_->view("spend");
    options_.run.stop = &stop_;
    options_.run.ask_timeout = ask_timeout;
    options_.flush_every = flush_every;
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
    thread_ = std::jthread([this, run] { status_ = run(*workspace_, options_).status(); });
  }
  ~RunningUp() { (void)stop(); }
  RunningUp(const RunningUp&) = delete;
  RunningUp& operator=(const RunningUp&) = delete;

  void wait_until_ready() const {
    while (!is_ready_) {
      pause_for({1'000});
    }
  }
  void wait_for_records(int64_t records) const {
    while (committed_ < records) {
      pause_for({1'000});
    }
  }
  void wait_for_gauge(const std::string& name, double value, const MetricLabels& labels = {}) {
    while (world_.metrics.gauge(name, "", labels).value() != value) {
      pause_for({1'000});
    }
  }
  void wait_for_gauge_above(const std::string& name,
                            double value,
                            const MetricLabels& labels = {}) {
    while (world_.metrics.gauge(name, "", labels).value() <= value) {
      pause_for({1'000});
    }
  }
  void wait_for_counter_above(const std::string& name, int64_t value, const MetricLabels& labels) {
    while (world_.metrics.counter(name, "", labels).value() <= value) {
      pause_for({1'000});
    }
  }
  /// Until the online store answers as one with this content.
  void wait_for_online(uint64_t hash) {
    while (*store_->content_hash(*view_) != hash) {
      pause_for({1'000});
    }
  }
  online::OnlineStore& store() { return *store_; }
  const gold::FeatureView& view() { return *view_; }
  OnlinePosition position() {
    return OnlinePosition::decode((*store_->applied_to(*view_))->position);
  }
  LakeThatGoes& files() { return files_; }
  Metrics& metrics() { return world_.metrics; }
  [[nodiscard]] int flushes() const { return flushes_; }
  /// Its end, when it ends by itself.
  Status ended() {
    thread_.join();
    return status_;
  }
  Status stop() {
    if (thread_.joinable()) {
      stop_ = true;
      thread_.join();
    }
    return status_;
  }

 private:
  SystemWorld system_;
  LakeThatGoes files_;
  World world_;
  std::unique_ptr<Workspace> workspace_;
  online::OnlineStore* store_ = nullptr;
  gold::FeatureViewPtr view_;
  UpOptions options_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> is_ready_ = false;
  std::atomic<int> flushes_ = 0;
  std::atomic<int64_t> committed_ = 0;
  Status status_;
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
  while (rows_of(*workspace, table) < rows) {
    pause_for({5'000});
  }
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
    PatientProject files;
    EXPECT_TRUE(files.run().ok());
    return std::tuple(files.count("bronze/events"), files.steps_hash(), files.online_hash());
  }();
  EXPECT_EQ(project.count("bronze/events"), std::get<0>(expected));
  EXPECT_EQ(project.steps_hash(), std::get<1>(expected));
  EXPECT_EQ(project.online_hash(), std::get<2>(expected));
}

}  // namespace assay::flow
