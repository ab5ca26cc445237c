// Several `assay up --share` of one project: what is there in the end is what one process gives.

#include "flow/shared_up.h"

#include <atomic>
#include <barrier>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/pause.h"
#include "flow/running_up.h"
#include "flow/shared_crash.h"

namespace assay::flow {
namespace {

/// A project over a topic of four partitions that processes share.
class SharedProject : public KafkaProject {
 public:
  explicit SharedProject(const TestTopic& topic) : KafkaProject(topic) {
    forget_members_soon(*this);
  }
};

constexpr Duration kFlushEvery{50'000};

/// A process that shares or is killed: this test alone, in another process of this program.
TEST(UpCrash, Child) {
  run_as_child();
}

void wait_for_parts(RunningUp& up, int parts) {
  up.wait_for_gauge("assay_flow_shared_partitions", parts, {{"name", "events"}});
}

/// Then a second one joins the group as it begins, which is quicker than later.
void wait_for_lead(RunningUp& up) {
  up.wait_for_gauge("assay_flow_leads", 1);
}

TEST(SharedUp, OneAloneGivesWhatFilesGive) {
  TestTopic topic(4);
  SharedProject project(topic);
  send_days(topic, 1, 7);
  RunningUp up(project, kFlushEvery, run_shared_up);
  up.wait_until_ready();
  wait_for_rows(project, "silver/clean", topic.sent());
  EXPECT_TRUE(up.stop().ok());
  EXPECT_EQ(project.count("bronze/events"), topic.sent());
  expect_as_from_files(project);
  expect_verified(project);
}

TEST(SharedUp, TwoThatComeAndGoGiveTheSame) {
  TestTopic topic(4);
  SharedProject project(topic);
  send_days(topic, 1, 3);
  auto first = std::make_unique<RunningUp>(project, kFlushEvery, run_shared_up);
  first->wait_until_ready();
  RunningUp second(project, kFlushEvery, run_shared_up);
  second.wait_until_ready();
  send_days(topic, 3, 4);
  wait_for_parts(*first, 2);
  wait_for_parts(second, 2);
  send_days(topic, 4, 5);
  wait_for_rows(project, "bronze/events", topic.sent());
  EXPECT_TRUE(first->stop().ok());  // the one that led
  first.reset();
  send_days(topic, 5, 7);
  wait_for_parts(second, 4);
  wait_for_rows(project, "silver/clean", topic.sent());
  EXPECT_TRUE(second.stop().ok());
  EXPECT_EQ(project.count("bronze/events"), topic.sent());
  expect_as_from_files(project);
  expect_verified(project);
}

TEST(SharedUp, WhoLeadsLeavesTheRestToOthers) {
  TestTopic topic(4);
  SharedProject project(topic);
  RunningUp first(project, kFlushEvery, run_shared_up);
  wait_for_lead(first);
  RunningUp second(project, kFlushEvery, run_shared_up);
  wait_for_parts(first, 2);
  wait_for_parts(second, 2);
  first.files().is_silver_held = true;
  send_days(topic, 1, 2);
  first.wait_until(
      "a commit of silver that is held",
      [&] { return first.files().has_silver_waiting.load(); },
      std::identity());
  send_days(topic, 2, 7);
  wait_for_rows(project, "bronze/events", topic.sent());
  first.ask_to_stop();
  wait_for_parts(second, 4);  // the first has ended its reading
  first.files().is_silver_held = false;
  EXPECT_TRUE(first.ended().ok());
  EXPECT_LT(first.account("silver", "clean").in, topic.sent());
  wait_for_rows(project, "silver/clean", topic.sent());
  EXPECT_TRUE(second.stop().ok());
  expect_as_from_files(project);
  expect_verified(project);
}

TEST(SharedUp, ADuplicateInAnothersPartitionIsOne) {
  TestTopic topic(2);
  SharedProject project(topic);
  project.change("source: events\n", "source: events\n    key: [user_id, ts]\n");
  RunningUp first(project, kFlushEvery, run_shared_up);
  wait_for_lead(first);
  RunningUp second(project, kFlushEvery, run_shared_up);
  wait_for_parts(first, 1);
  wait_for_parts(second, 1);
  constexpr int kEvents = 200;
  for (int i = 0; i < kEvents; ++i) {  // both read each of them at about the same time
    const std::string event =
        R"({"user_id":"u)" + std::to_string(i) + R"(","amount":1,"ts":"2026-01-01 00:00:00"})";
    topic.send(i % 2, event);
    topic.send((i + 1) % 2, event);
    if (i % 10 == 0) {
      topic.flush();
      pause_for({10'000});
    }
  }
  topic.flush();
  wait_for_rows(project, "silver/clean", kEvents);
  EXPECT_TRUE(first.stop().ok());
  EXPECT_TRUE(second.stop().ok());
  EXPECT_EQ(project.count("bronze/events"), kEvents);
  EXPECT_TRUE(project.run().ok());
  EXPECT_EQ(project.count("bronze/events"), kEvents);
}

TEST(SharedUp, WhoRunsAloneWaitsForThemAndTheyForHim) {
  TestTopic topic(1);
  SharedProject project(topic);
  {
    RunningUp up(project, kFlushEvery, run_shared_up);
    up.wait_until_ready();
    EXPECT_EQ(project.run().code(), Code::kFailedPrecondition);
  }
  RunningUp alone(project);
  alone.wait_until_ready();
  RunningUp shares(project, kFlushEvery, run_shared_up);
  EXPECT_EQ(shares.ended().code(), Code::kFailedPrecondition);
}

/// The same with processes; the kernel gives back the locks of those that are killed.
TEST(SharedUp, WhoeverIsKilledKeepsNobodyOut) {
  CrashedShares line;
  line.start_alone();
  EXPECT_TRUE(line.send_until_read());
  line.start_one();
  line.start_alone();
  line.expect_working({1, 0});
  EXPECT_TRUE(line.send_until_read());
  line.end_one(0, SIGKILL);
  line.start_one();
  EXPECT_TRUE(line.send_until_read());
  line.start_one();
  line.start_alone();
  line.expect_working({0, 2});
  EXPECT_EQ(line.run().code(), Code::kFailedPrecondition);
  EXPECT_TRUE(line.send_until_read());
  line.end_one(0, SIGKILL);
  line.end_one(0, SIGKILL);
  line.start_alone();
  EXPECT_TRUE(line.send_until_read());
  line.expect_working({1, 0});
  line.end_one(0, SIGKILL);
  line.expect_as_undisturbed();
}

TEST(SharedUp, OfProcessesThatStartAtOnceOneWorksAloneOrAllThatShare) {
  CrashedShares line;
  for (int round = 0; round < 3; ++round) {
    for (int pair = 0; pair < 2; ++pair) {
      line.start_alone();
      line.start_one();
    }
    wait_until(
        "some that are refused",
        [&] {
          const CrashedShares::Working now = line.working();
          return std::pair(now.alone, now.sharing);
        },
        [](const auto& now) { return now.first == 0 || now == std::pair(1, 0); });
    EXPECT_TRUE(line.send_until_read());
    const CrashedShares::Working left = line.working();
    EXPECT_TRUE(left == (CrashedShares::Working{1, 0}) || left == (CrashedShares::Working{0, 2}))
        << left.alone << " alone, " << left.sharing << " share";
    while (line.running() > 0) {
      line.end_one(0, left.alone > 0 ? SIGKILL : SIGTERM);
    }
  }
  line.expect_as_undisturbed();
}

TEST(SharedUp, OfLocksThatAreAskedForAtOnceOneIsGivenAloneOrAllThatShare) {
  constexpr int kRounds = 25;
  constexpr int kOfAKind = 2;
  TestTopic topic(1);
  SharedProject project(topic);
  (void)project.open();
  std::atomic<int> alone = 0;
  std::atomic<int> sharing = 0;
  std::barrier all(2 * kOfAKind + 1);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2 * kOfAKind; ++i) {
    threads.emplace_back([&, shares = i % 2 == 0] {
      const auto workspace = project.open();
      for (int round = 0; round < kRounds; ++round) {
        all.arrive_and_wait();
        const Result<std::unique_ptr<FileLock>> lock =
            shares ? workspace->lock_for_sharing() : workspace->lock_for_writing();
        EXPECT_TRUE(lock.ok() || lock.code() == Code::kFailedPrecondition)
            << lock.status().to_string();
        (shares ? sharing : alone) += lock.ok() ? 1 : 0;
        all.arrive_and_wait();  // it is held until everybody has an answer
        all.arrive_and_wait();
      }
    });
  }
  int rounds_alone = 0;
  for (int round = 0; round < kRounds; ++round) {
    alone = 0;
    sharing = 0;
    all.arrive_and_wait();
    all.arrive_and_wait();
    EXPECT_TRUE((alone == 1 && sharing == 0) || (alone == 0 && sharing == kOfAKind))
        << alone << " alone, " << sharing << " share";
    rounds_alone += alone;
    all.arrive_and_wait();
  }
  RecordProperty("rounds_alone", rounds_alone);
}

/// Files that are written slowly when definitions are said.
class SlowToSay : public LakeThatGoes {
 public:
  std::atomic<bool> is_saying = false;
  Status write(const std::string& path, std::string_view bytes) override {
    if (path.ends_with("share_definitions")) {
      is_saying = true;
      pause_for({700'000});
    }
    return LakeThatGoes::write(path, bytes);
  }
};

TEST(SharedUp, WhoStillSaysItsDefinitionsIsNotTakenForOneAlone) {
  TestTopic topic(1);
  SharedProject project(topic);
  (void)project.open();
  SystemWorld system(LogLevel::kError);
  SlowToSay files;
  World world{system.world().clock,
              files,
              system.world().random,
              system.world().log,
              system.world().metrics};
  const auto slow = *Workspace::open(world, project.folder(), {});
  const auto next = project.open();
  std::jthread first([&] { EXPECT_TRUE(slow->lock_for_sharing().ok()); });
  wait_until(
      "one that says its definitions", [&] { return files.is_saying.load(); }, std::identity());
  const Status second = next->lock_for_sharing().status();
  EXPECT_TRUE(second.ok()) << second.to_string();
}

TEST(SharedUp, WhatOneAloneWasAheadByComesFirst) {
  CrashedShares shares;
  shares.kill_at("flow.reads.after_apply:3");
  shares.start_one();
  shares.start_one();
  shares.send_until_read();
  shares.expect_as_undisturbed();
}

TEST(SharedUp, StagesMayFailWhileTopicsAreRead) {
  TestTopic topic(4);
  SharedProject project(topic);
  send_days(topic, 1, 2);
  RunningUp first(project, kFlushEvery, run_shared_up);
  wait_for_lead(first);
  RunningUp second(project, kFlushEvery, run_shared_up);
  wait_for_parts(first, 2);
  wait_for_parts(second, 2);
  first.wait_until_ready();
  first.files().is_silver_away = true;
  send_days(topic, 2, 5);
  wait_for_rows(project, "bronze/events", topic.sent());
  first.wait_for_gauge("assay_flow_line_waiting", 1);
  first.wait_for_counter_above("assay_flow_failures_total", 1, {{"of", "stages"}});
  wait_for_parts(first, 2);
  second.wait_for_gauge_above("assay_flow_stages_behind_seconds", 0);
  first.files().is_silver_away = false;
  send_days(topic, 5, 7);
  wait_for_rows(project, "silver/clean", topic.sent());
  first.wait_for_gauge("assay_flow_line_waiting", 0);
  second.wait_for_gauge("assay_flow_stages_behind_seconds", 0);
  EXPECT_TRUE(first.stop().ok());
  EXPECT_TRUE(second.stop().ok());
  expect_as_from_files(project);
}

TEST(SharedUp, WhoWaitsAfterAFailureLeavesItsPartitionsToOthers) {
  TestTopic topic(4);
  SharedProject project(topic);
  send_days(topic, 1, 2);
  constexpr Duration kHour{3600 * kMicrosPerSecond};
  RunningUp first(project, kFlushEvery, run_shared_up, kHour);
  wait_for_lead(first);
  RunningUp second(project, kFlushEvery, run_shared_up);
  wait_for_parts(first, 2);
  wait_for_parts(second, 2);
  first.wait_until_ready();
  first.files().is_away = true;
  send_days(topic, 2, 4);
  first.wait_for_gauge("assay_flow_line_waiting", 1);
  wait_for_parts(second, 4);
  wait_for_rows(project, "bronze/events", topic.sent());
  EXPECT_TRUE(first.stop().ok());
  wait_for_rows(project, "silver/clean", topic.sent());  // it leads no longer
  EXPECT_TRUE(second.stop().ok());
}

TEST(SharedUp, PartitionsThatNobodyReadsAreTold) {
  TestTopic topic(4);
  SharedProject project(topic);
  send_days(topic, 1, 2);
  RunningUp first(project, kFlushEvery, run_shared_up);
  wait_for_lead(first);
  RunningUp second(project, kFlushEvery, run_shared_up);
  wait_for_parts(first, 2);
  wait_for_parts(second, 2);
  first.wait_until_ready();
  second.files().is_held = true;  // its commits do not end
  send_days(topic, 2, 4);
  first.wait_for_gauge("assay_flow_partitions_unread", 2, {{"name", "events"}});
  first.wait_for_gauge_above("assay_flow_source_lag_records", 0, {{"name", "events"}});
  second.files().is_held = false;
  first.wait_for_gauge("assay_flow_partitions_unread", 0, {{"name", "events"}});
  first.wait_for_gauge("assay_flow_source_lag_records", 0, {{"name", "events"}});
  EXPECT_TRUE(first.stop().ok());
  EXPECT_TRUE(second.stop().ok());
}

TEST(SharedUp, AGroupThatTakesNobodyInIsTold) {
  TestTopic topic(1);
  SharedProject project(topic);
  topic.fail_joins(3);
  RunningUp up(project, kFlushEvery, run_shared_up);
  up.wait_for_gauge("assay_flow_source_away", 1, {{"name", "events"}});
  wait_for_parts(up, 1);
  up.wait_for_gauge("assay_flow_source_away", 0, {{"name", "events"}});
  EXPECT_TRUE(up.stop().ok());
}

TEST(SharedUp, ServesWhatItHasWhereBrokersAreAwayFromTheStart) {
  TestTopic topic(2);
  SharedProject project(topic);
  send_days(topic, 1, 2);
  {
    RunningUp before(project, kFlushEvery, run_shared_up);
    before.wait_until_ready();
  }
  send_days(topic, 2, 3);
  topic.set_away(true);
  RunningUp up(project, kFlushEvery, run_shared_up);
  up.wait_until_ready();
  up.wait_for_gauge("assay_flow_line_waiting", 1);
  topic.set_away(false);
  wait_for_rows(project, "silver/clean", topic.sent());
  EXPECT_TRUE(up.stop().ok());
}

TEST(SharedUp, BrokersMayGoAndComeBack) {
  TestTopic topic(4);
  SharedProject project(topic);
  send_days(topic, 1, 2);
  RunningUp first(project, kFlushEvery, run_shared_up);
  wait_for_lead(first);
  RunningUp second(project, kFlushEvery, run_shared_up);
  wait_for_parts(first, 2);
  wait_for_parts(second, 2);
  first.wait_until_ready();
  topic.set_away(true);
  first.wait_for_gauge("assay_flow_source_away", 1, {{"name", "events"}});
  second.wait_for_gauge("assay_flow_source_away", 1, {{"name", "events"}});
  topic.set_away(false);
  send_days(topic, 2, 7);
  wait_for_rows(project, "silver/clean", topic.sent());
  EXPECT_TRUE(first.stop().ok());
  EXPECT_TRUE(second.stop().ok());
  expect_as_from_files(project);
}

TEST(SharedUp, ATopicMadeAgainIsReadFromItsBeginningWhereToldTo) {
  TestTopic topic(2);
  SharedProject project(topic);
  project.change("topics: events}", "topics: events, on_lost: skip}");
  project.change("allowed_lateness: 1h", "allowed_lateness: 30d");  // days come once more
  send_days(topic, 1, 3);
  {
    RunningUp up(project, kFlushEvery, run_shared_up);
    wait_for_rows(project, "silver/clean", topic.sent());
    EXPECT_TRUE(up.stop().ok());
  }
  TestTopic again(2);  // of the same name, at another broker
  send_days(again, 1, 7);
  project.change(topic.brokers(), again.brokers());
  RunningUp up(project, kFlushEvery, run_shared_up);
  wait_for_rows(project, "silver/clean", topic.sent() + again.sent());
  EXPECT_TRUE(up.stop().ok());
  EXPECT_EQ(project.count("bronze/events"), topic.sent() + again.sent());
}

TEST(SharedUp, WhoHasOtherDefinitionsIsRefused) {
  TestTopic topic(1);
  SharedProject project(topic);
  RunningUp first(project, kFlushEvery, run_shared_up);
  first.wait_until_ready();
  project.change("largest: {agg: max", "smallest: {agg: min");
  {
    const auto other = project.open();
    EXPECT_EQ(run_shared_up(*other, {}).code(), Code::kFailedPrecondition);
  }
  EXPECT_TRUE(first.stop().ok());
  RunningUp changed(project, kFlushEvery, run_shared_up);
  changed.wait_until_ready();
  EXPECT_TRUE(changed.stop().ok());
}

TEST(SharedUp, ATableWithACheckOfAllRowsIsNotShared) {
  TestTopic topic(1);
  SharedProject project(topic);
  project.change("source: events\n",
                 "source: events\n    checks: [{column: user_id, unique: true, on_fail: drop}]\n");
  const auto workspace = project.open();
  EXPECT_EQ(run_shared_up(*workspace, {}).code(), Code::kFailedPrecondition);
}

TEST(SharedUp, KilledAtPointsAndLeaving) {
  CrashedShares shares;
  for (const char* point : {"flow.bronze.between_commits:2",
                            "flow.bronze.after_commit:2",
                            "flow.share.before_give_up:1"}) {
    shares.start_one(point);
    shares.start_one();
    shares.send_until_read();
    shares.send_for(300'000);
    shares.end_one(1, SIGTERM);
    shares.send_for(300'000);
    shares.end_one(0, SIGKILL);
  }
  shares.expect_as_undisturbed();
}

}  // namespace
}  // namespace assay::flow
