// Views ahead of the lake when something beside them goes wrong: the store loses its last
// transactions, the journal is damaged, others change the table within an epoch. What the view has
// in the end is what it has when it is made from the lake.

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "flow/fast_path.h"
#include "flow/kafka_line.h"
#include "flow/online_stage.h"
#include "flow/run.h"
#include "flow/running_up.h"
#include "flow/served.h"
#include "flow/served_answers.h"
#include "flow/silver_stage.h"
#include "lake/compaction.h"
#include "lake/rewrite.h"
#include "lake/vacuum.h"

namespace assay::flow {
namespace {

/// The line of a project step by step, its view on the fast path; days 1 to 3 are in the lake.
class Ahead : public testing::Test {
 protected:
  Ahead() : topic_(2), project_(topic_) {
    send_days(topic_, 1, 4);
    RunOptions small;
    small.epoch_rows = 540;
    EXPECT_TRUE(project_.run(small).ok());
  }

  void begin() {
    workspace_ = project_.open();
    committed_ = topic_.sent();
    line_ = *KafkaLine::open(*workspace_, "events", {});
    StageAccount account;
    ASSERT_TRUE(line_->recover(&account).ok());
    ASSERT_TRUE(line_->begin_epoch().ok());
    ASSERT_EQ(line_->fast_views(), 1);
  }
  /// As after a kill, but for what the store has.
  void end() {
    line_.reset();
    workspace_.reset();
  }

  /// A read of each of these days at least, which the view has then.
  void read_days(int first, int last) {
    for (int day = first; day < last; ++day) {
      send_days(topic_, day, day + 1);
      take();
    }
  }
  void take() {
    topic_.flush();
    Status took;
    WaitOptions options;
    options.look_every = {0};
    options.why_over = [&] { return took.ok() ? std::string() : took.to_string(); };
    wait_until(
        "the records of a day",
        [&] {
          took = line_->take(20'000, {20'000}).status();
          return line_->pending_records();
        },
        [&](int64_t taken) { return taken >= topic_.sent() - committed_; },
        options);
  }

  /// What the lake's thread is given.
  KafkaLine::EpochEnd end_epoch() {
    committed_ = topic_.sent();
    return **line_->end_epoch();
  }
  void commit() {
    StageAccount account;
    ASSERT_TRUE(line_->commit(&account).ok());
    committed_ = topic_.sent();
  }
  /// As the lake's thread does.
  void commit_beside(const KafkaLine::EpochEnd& end) {
    StageAccount account;
    const auto workspace = *Workspace::open_beside(*workspace_);
    const auto writer = *BronzeWriter::open(*workspace, "events", {});
    ASSERT_TRUE(writer->commit(end.pending, end.reached, &account).ok());
  }
  /// As within `assay up`; rows that the online stage took.
  int64_t run_stages() {
    RunReport report;
    RunOptions options;
    options.is_live = true;
    options.ahead = line_->views_ahead();
    const Status status = run_steps(*workspace_, options, Steps::kFilesAndTables, &report);
    EXPECT_TRUE(status.ok()) << status.to_string();
    const Status followed = line_->follow_lake();
    EXPECT_TRUE(followed.ok()) << followed.to_string();
    return report.stages.empty() ? -1 : report.stages.back().rows.in;
  }

  OnlinePosition position() {
    const auto applied = *(*workspace_->online(false))->applied_to(**workspace_->view("spend"));
    EXPECT_TRUE(applied.has_value());
    return OnlinePosition::decode(applied.has_value() ? applied->position : 0);
  }
  uint64_t online_hash() {
    return *(*workspace_->online(false))->content_hash(**workspace_->view("spend"));
  }
  void drop_online() {
    const auto workspace = project_.open();
    ASSERT_TRUE(
        (*workspace->online(false))->drop((*workspace->view("spend"))->storage_name()).ok());
  }
  /// What a view has that is made from the lake.
  uint64_t hash_from_the_lake() {
    drop_online();
    EXPECT_TRUE(project_.run().ok());
    return project_.online_hash();
  }

  lake::DeltaTable& silver() { return **workspace_->table(*workspace_->silver_table_key("clean")); }
  lake::LakeAccess lake() { return {workspace_->world(), workspace_->store(), workspace_->sql()}; }
  lake::Version newest() { return (*silver().snapshot())->version; }
  /// A version of the silver table without rows, as compaction and retention make them.
  void commit_nothing() {
    lake::CommitRequest request;
    request.data_change = false;
    ASSERT_TRUE(silver().commit(request).ok());
  }

  TestTopic topic_;
  KafkaProject project_;
  std::unique_ptr<Workspace> workspace_;
  std::unique_ptr<KafkaLine> line_;
  int64_t committed_ = 0;
};

TEST_F(Ahead, AStoreThatLostItsLastTransactionsIsMadeAnew) {
  begin();
  read_days(4, 5);
  const std::string store = join_path(project_.folder(), "online");
  std::filesystem::copy(store, store + ".then", std::filesystem::copy_options::recursive);
  const OnlinePosition then = position();
  read_days(5, 7);
  EXPECT_GT(position().reads, then.reads);
  commit();
  end();
  std::filesystem::remove_all(store);
  std::filesystem::rename(store + ".then", store);
  ASSERT_TRUE(project_.run().ok());
  expect_as_from_files(project_);
}

TEST_F(Ahead, ReadsThatGaveAViewNothingDoNotMakeItAnew) {
  begin();
  read_days(4, 7);
  topic_.send(0, "not json");
  take();
  commit();
  EXPECT_EQ(run_stages(), 0);  // it moved, and took no rows
  EXPECT_EQ(position().version, newest());
  EXPECT_EQ(position().reads, 0);
  end();
  EXPECT_EQ(project_.online_hash(), hash_from_the_lake());
}

TEST_F(Ahead, AnEpochOfNothingButBadRecordsLeavesViewsWhereTheyAre) {
  begin();
  topic_.send(0, "not json");
  take();
  commit();
  EXPECT_EQ(run_stages(), 0);
  ASSERT_TRUE(line_->begin_epoch().ok());
  EXPECT_EQ(line_->fast_views(), 1);
  read_days(4, 7);
  commit();
  EXPECT_EQ(run_stages(), 0);
  EXPECT_EQ(position().reads, 0);
  end();
  EXPECT_EQ(project_.online_hash(), hash_from_the_lake());
}

/// The journal's file, changed.
void change_journal(const TestProject& project, void (*change)(std::string*)) {
  SystemWorld system;
  const std::string path = join_path(project.folder(), ".assay/reads/bronze.events.1.reads");
  std::string bytes = *system.world().files.read(path);
  change(&bytes);
  ASSERT_TRUE(system.world().files.write(path, bytes).ok());
}

/// Where a journal's second entry begins.
std::size_t second_entry(const std::string& bytes) {
  return 12 + static_cast<std::size_t>(static_cast<uint8_t>(bytes[0]));
}

TEST_F(Ahead, AJournalThatLostItsEndLeavesNoViewAhead) {
  begin();
  read_days(4, 7);
  end();
  change_journal(project_, [](std::string* bytes) { bytes->resize(second_entry(*bytes)); });
  ASSERT_TRUE(project_.run().ok());
  expect_as_from_files(project_);
}

TEST_F(Ahead, ADamagedJournalLeavesNoViewAhead) {
  begin();
  read_days(4, 7);
  end();
  change_journal(project_, [](std::string* bytes) { (*bytes)[second_entry(*bytes) + 20] ^= 1; });
  ASSERT_TRUE(project_.run().ok());
  expect_as_from_files(project_);
}

TEST_F(Ahead, TwoEpochsInJournalsAreMadeAgain) {
  begin();
  read_days(4, 5);
  (void)end_epoch();
  read_days(5, 7);
  const OnlinePosition then = position();
  EXPECT_GT(then.reads, 1);
  end();
  ASSERT_TRUE(project_.run().ok());
  expect_as_from_files(project_);
}

/// The last epoch of the journals has no row, and those that come behind it are of none.
TEST_F(Ahead, RowsBehindAnEpochWithoutRowsAreNotTakenForItsOwn) {
  begin();
  read_days(4, 5);
  (void)end_epoch();
  topic_.send(0, "no event");
  take();
  EXPECT_GT(position().reads, 0);
  end();
  send_days(topic_, 5, 7);
  ASSERT_TRUE(project_.run().ok());
  expect_as_from_files(project_);
}

TEST_F(Ahead, AnEpochComesToTheLakeWhileTheNextOneIsRead) {
  begin();
  read_days(4, 5);
  const KafkaLine::EpochEnd first = end_epoch();
  read_days(5, 6);
  commit_beside(first);
  ASSERT_TRUE(line_->note_committed().ok());
  const int64_t reads = position().reads;
  EXPECT_EQ(run_stages(), 0);
  EXPECT_EQ(position().version, newest());
  EXPECT_GT(position().reads, 0);
  EXPECT_LT(position().reads, reads);
  EXPECT_EQ(line_->fast_views(), 1);
  read_days(6, 7);
  end();
  ASSERT_TRUE(project_.run().ok());
  expect_as_from_files(project_);
}

TEST_F(Ahead, AKillBehindTheCommitOfOneEpochLeavesTheNextInItsJournal) {
  begin();
  read_days(4, 5);
  const KafkaLine::EpochEnd first = end_epoch();
  read_days(5, 7);
  commit_beside(first);
  end();
  ASSERT_TRUE(project_.run().ok());
  expect_as_from_files(project_);
}

TEST_F(Ahead, AViewThatLacksAnEpochOfTheLakeDoesNotTakeTheNextFromItsJournal) {
  begin();
  read_days(4, 5);
  const KafkaLine::EpochEnd first = end_epoch();
  read_days(5, 7);
  commit_beside(first);
  end();
  // Made anew from a silver table that has not the first epoch yet.
  drop_online();
  ASSERT_TRUE(run_online_stage(*project_.open(), "spend", {}).ok());
  ASSERT_TRUE(project_.run().ok());
  expect_as_from_files(project_);
}

TEST_F(Ahead, AStoreThatIsEmptiedWithinAnEpochIsFilledAgain) {
  begin();
  read_days(4, 5);
  ASSERT_TRUE(
      (*workspace_->online(false))->drop((*workspace_->view("spend"))->storage_name()).ok());
  send_days(topic_, 5, 7);
  topic_.flush();
  wait_until(
      "a failure, so that the line is opened again",
      [&] { return line_->take(20'000, {20'000}).code(); },
      [](Code code) { return code == Code::kUnavailable; },
      {.look_every = {0}});
  end();
  ASSERT_TRUE(project_.run().ok());
  expect_as_from_files(project_);
}

TEST_F(Ahead, AnswersWithinAnEpochOfSeveralPartitionsWereRightThen) {
  begin();
  read_days(4, 5);
  // Of one user in both partitions, the one that is numbered later comes first.
  topic_.send_elsewhere("u0,1000,2026-01-04 23:30:00");
  take();
  const auto log = [&] {
    return append_served(
        *workspace_, **workspace_->service("v1"), answers_of_five_users(*workspace_));
  };
  ASSERT_TRUE(log().ok());
  topic_.send_csv("header\nu0,2000,2026-01-04 23:20:00\n");
  take();
  const Result<VerifyReport> early = verify_served(*workspace_, "v1", {});
  ASSERT_TRUE(early.ok()) << early.status().to_string();
  EXPECT_EQ(early->differ, 0);
  EXPECT_GT(early->undecided_values, 0) << "the lake has not the rows yet";
  commit();
  run_stages();
  const Result<VerifyReport> report = verify_served(*workspace_, "v1", {});
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->differ, 0);
  EXPECT_EQ(report->undecided_values, 0);
  EXPECT_GT(report->behind_values, 0);
  end();
}

TEST_F(Ahead, VerifyDoesNotTakeReadsBeforeTheLakeForDifferences) {
  begin();
  const auto verified = [&] {
    Result<VerifyReport> report = verify_service(*project_.open(), "v1", {});
    EXPECT_TRUE(report.ok()) << report.status().to_string();
    return report.ok() ? *std::move(report) : VerifyReport();
  };
  const VerifyReport level = verified();
  EXPECT_EQ(level.differ, 0);
  EXPECT_GT(level.live_values, 0);
  EXPECT_TRUE(level.not_level.empty());
  read_days(4, 5);
  const auto expect_left_out = [&](const std::string& why) {
    const VerifyReport ahead = verified();
    EXPECT_EQ(ahead.differ, 0);
    EXPECT_EQ(ahead.live_values, 0);
    EXPECT_GT(ahead.replayed_values, 0);
    EXPECT_EQ(ahead.undecided_values, level.live_values);
    ASSERT_EQ(ahead.not_level.size(), 1U);
    EXPECT_NE(ahead.not_level.front().find(why), std::string::npos) << ahead.not_level.front();
  };
  expect_left_out("ahead of the lake");
  commit();
  expect_left_out("ahead of the lake");
  run_stages();
  const VerifyReport again = verified();
  EXPECT_EQ(again.differ, 0);
  EXPECT_GE(again.live_values, level.live_values);
  end();
}

TEST_F(Ahead, AViewThatFillsUpTakesNoPartInAnEpoch) {
  begin();
  read_days(4, 7);
  // As compaction writes files again, which has nothing to do where each day came in one commit.
  const auto before = *silver().snapshot();
  lake::CommitRequest again;
  again.data_change = false;
  again.adds =
      *silver().write_files(*workspace_->read_table(silver().key(), "*", "true", "sequence"));
  for (const auto& [path, file] : before->files) {
    again.removes.push_back(path);
  }
  ASSERT_TRUE(silver().commit(again).ok());
  end();
  drop_online();
  const std::atomic<bool> stop{true};
  RunOptions options;
  options.online_piece_bytes = 2'000;
  options.stop = &stop;
  EXPECT_EQ(run_online_stage(*project_.open(), "spend", options).code(), Code::kCancelled);
  workspace_ = project_.open();
  EXPECT_GT(position().pieces_left, 0);
  end();
  ASSERT_TRUE(project_.run().ok());
  expect_as_from_files(project_);
}

TEST_F(Ahead, RowsOfAnotherWriterWithinAnEpochAreNotLost) {
  begin();
  read_days(4, 6);
  // Of three days later, so that they count in the end.
  const Result<data::Batch> rows =
      workspace_->read_table(silver().key(),
                             "* REPLACE (event_time + INTERVAL 72 HOUR AS event_time, "
                             "known_time + INTERVAL 72 HOUR AS known_time, "
                             "event_date + 3 AS event_date)",
                             "user_id = 'u1'",
                             "sequence");
  ASSERT_TRUE(rows.ok()) << rows.status().to_string();
  lake::CommitRequest request;
  request.adds = *silver().write_files(*rows);
  ASSERT_TRUE(silver().commit(request).ok());
  read_days(6, 7);
  commit();
  run_stages();
  EXPECT_TRUE(line_->has_dropped_views());
  ASSERT_TRUE(line_->begin_epoch().ok());
  EXPECT_FALSE(line_->has_dropped_views());
  EXPECT_EQ(line_->fast_views(), 1) << "made anew, and back at once";
  EXPECT_EQ(position().version, newest());
  const uint64_t hash = online_hash();
  end();
  EXPECT_EQ(hash, hash_from_the_lake());
}

TEST_F(Ahead, RowsThatAreTakenBackWithinAnEpochGoWithItsCommit) {
  begin();
  read_days(4, 6);
  ASSERT_TRUE(lake::delete_where(lake(), silver(), "user_id = 'u1'").ok());
  run_stages();
  read_days(6, 7);
  commit();
  run_stages();
  EXPECT_EQ(position().version, newest());
  EXPECT_EQ(position().reads, 0);
  const uint64_t hash = online_hash();
  ASSERT_TRUE(line_->begin_epoch().ok());
  EXPECT_EQ(line_->fast_views(), 1);
  end();
  EXPECT_EQ(hash, hash_from_the_lake());
}

TEST_F(Ahead, VersionsWithoutRowsWithinAnEpochEndNothing) {
  begin();
  const lake::Version before = position().version;
  commit_nothing();
  run_stages();
  EXPECT_GT(position().version, before);
  EXPECT_EQ(line_->fast_views(), 1);
  read_days(4, 6);
  EXPECT_GT(position().reads, 0);
  commit_nothing();
  run_stages();
  read_days(6, 7);
  commit();
  EXPECT_EQ(run_stages(), 0);
  EXPECT_EQ(position().version, newest());
  end();
  expect_as_from_files(project_);
}

TEST_F(Ahead, WhereTheLogIsCleanedAwayAViewIsMadeAnew) {
  begin();
  read_days(4, 7);
  commit();
  ASSERT_TRUE(run_silver_stage(*workspace_, "clean", {}).ok());
  ASSERT_TRUE(silver().checkpoint().ok());
  ASSERT_TRUE(lake::clean_log(lake(), silver(), {.keep = Duration{0}}).ok());
  ASSERT_FALSE(silver().snapshot(position().version).ok());
  end();
  ASSERT_TRUE(project_.run().ok());
  expect_as_from_files(project_);
}

TEST_F(Ahead, AStopEndsTheWaitForRecordsThatAreReadAgain) {
  begin();
  read_days(4, 7);
  end();
  const std::atomic<bool> stop{true};
  RunOptions options;
  options.stop = &stop;
  workspace_ = project_.open();
  line_ = *KafkaLine::open(*workspace_, "events", options);
  StageAccount account;
  EXPECT_EQ(line_->recover(&account).code(), Code::kCancelled);
  end();
  ASSERT_TRUE(project_.run().ok());
  expect_as_from_files(project_);
}

}  // namespace
}  // namespace assay::flow
