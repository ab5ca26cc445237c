// What the process of the line serves, and the log of it.

#include "cli/line_server.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "base/line_log.h"
#include "base/wait_until.h"
#include "flow/kafka_project.h"
#include "flow/running_up.h"
#include "flow/served.h"
#include "flow/up.h"
#include "serve/http_client.h"

namespace assay::cli {
namespace {

constexpr char kQuestion[] =
    R"({"feature_service":"v1","entities":{"user_id":["u0","u1","u2","u3","u4"]}})";
constexpr int kUsers = 5;

class LineServerTest : public testing::Test {
 protected:
  LineServerTest() : topic_(2), project_(topic_) {
    flow::send_days(topic_, 1, 4);
    arguments_.set("project", {project_.folder()});
    arguments_.set("address-file", {join_path(project_.folder(), "address")});
  }
  ~LineServerTest() override { EXPECT_TRUE(end().ok()); }

  /// Follow the topic; the lake gets nothing before the end.
  void begin() {
    workspace_ = *flow::Workspace::open(world_.world(), project_.folder(), {});
    ASSERT_TRUE(workspace_->apply().ok());
    server_.emplace(invocation_, *workspace_);
    options_.run.stop = &stop_;
    options_.flush_every = {3600 * kMicrosPerSecond};
    options_.poll_every = {10'000};
    options_.ready = [this] {
      const Status started = server_->start();
      is_ready_ = started.ok();
      return started;
    };
    thread_ = std::jthread([this] {
      ended_ = flow::run_up(*workspace_, options_).status();
      has_ended_ = true;
    });
    wait_until("a server",
               [this] { return is_ready_ || has_ended_; },
               std::identity(),
               {.why_over = [this] { return has_ended_ ? ended_.to_string() : std::string(); }});
  }
  /// As `assay up` ends.
  Status end() {
    stop_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
    if (server_.has_value()) {
      server_->stop();
      server_.reset();
    }
    return ended_;
  }
  std::string ask() {
    const std::string address = *world_.world().files.read(join_path(project_.folder(), "address"));
    serve::HttpClient client(
        static_cast<uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
    if (!client.send(serve::HttpClient::request("POST", "/get-online-features", kQuestion))) {
      return "";
    }
    ++asked_;
    const auto answer = client.receive();
    return answer.has_value() ? answer->body : "";
  }
  Result<flow::VerifyReport> verify() { return flow::verify_served(*project_.open(), "v1", {}); }
  int64_t counter(const std::string& name) {
    return world_.world().metrics.counter(name, "").value();
  }

  flow::TestTopic topic_;
  flow::KafkaProject project_;
  UnsyncedWorld world_{LogLevel::kError};
  Arguments arguments_;
  Output output_{OutputFormat::kTable, false};
  Invocation invocation_{arguments_, world_.world(), output_};
  std::unique_ptr<flow::Workspace> workspace_;
  std::optional<LineServer> server_;
  flow::UpOptions options_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> is_ready_ = false;
  std::atomic<bool> has_ended_ = false;
  Status ended_;
  int64_t asked_ = 0;
  std::jthread thread_;
};

TEST_F(LineServerTest, WhatIsAnsweredAheadOfTheLakeIsLoggedAndWasRight) {
  arguments_.set("http", {"127.0.0.1:0"});
  arguments_.set("log-share", {"1"});
  begin();
  ASSERT_FALSE(HasFatalFailure());
  std::string last = ask();
  ASSERT_NE(last.find("total_24h"), std::string::npos) << last;
  for (int minute = 0; minute < 10; ++minute) {
    topic_.send_csv("header\nu" + std::to_string(minute % kUsers) + ",1.5,2026-01-04 00:0" +
                    std::to_string(minute) + ":00\n");
    wait_until(
        "another answer",
        [this] { return ask(); },
        [&](const std::string& now) { return now != last; });
    last = ask();
  }
  ASSERT_TRUE(end().ok());
  EXPECT_EQ(counter("assay_serve_log_lost_rows_total"), 0);
  EXPECT_EQ(counter("assay_serve_log_dropped_rows_total"), 0);
  const Result<flow::VerifyReport> report = verify();
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->served_answers, asked_ * kUsers) << "all that were taken are there";
  EXPECT_EQ(report->differ, 0);
  EXPECT_GT(report->present, 0);
  const auto rows = project_.open()->read_table("served/v1", "spend__applied", "", "");
  ASSERT_TRUE(rows.ok()) << rows.status().to_string();
  const auto applied = rows->column(0).values<int64_t>();
  EXPECT_TRUE(std::any_of(applied.begin(), applied.end(), [](int64_t position) {
    return flow::OnlinePosition::decode(position).reads > 0;
  })) << "none of them was ahead of the lake";
}

TEST_F(LineServerTest, WithoutTheFlagNothingIsLogged) {
  arguments_.set("http", {"127.0.0.1:0"});
  begin();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_NE(ask(), "");
  ASSERT_TRUE(end().ok());
  EXPECT_EQ(verify().code(), Code::kNotFound);
}

TEST_F(LineServerTest, WrongFlagsAreRefusedBeforeItListens) {
  workspace_ = *flow::Workspace::open(world_.world(), project_.folder(), {});
  const auto refused = [&] {
    LineServer server(invocation_, *workspace_);
    return server.start();
  };
  arguments_.set("log-share", {"1"});
  EXPECT_EQ(refused().code(), Code::kInvalidArgument) << "no server, no log";
  arguments_.set("http", {"127.0.0.1:0"});
  for (const char* const share : {"much", "1.1", "-1", ""}) {
    arguments_.set("log-share", {share});
    EXPECT_EQ(refused().code(), Code::kInvalidArgument) << share;
  }
}

TEST_F(LineServerTest, WithoutALakeThereIsNowhereToLog) {
  project_.write("assay.yaml", flow::kWithoutLake);
  workspace_ = *flow::Workspace::open(world_.world(), project_.folder(), {});
  arguments_.set("http", {"127.0.0.1:0"});
  arguments_.set("log-share", {"0.5"});
  LineServer server(invocation_, *workspace_);
  const Status started = server.start();
  EXPECT_EQ(started.code(), Code::kInvalidArgument);
  EXPECT_NE(started.message().find("lake: none"), std::string::npos) << started.message();
}

}  // namespace
}  // namespace assay::cli
