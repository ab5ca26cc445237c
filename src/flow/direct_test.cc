// `lake: none`: online rows are those of a project with a lake, and no table has a row.

#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "flow/direct_line.h"
#include "flow/kafka_line.h"
#include "flow/online_stage.h"
#include "flow/read_journal.h"
#include "flow/training.h"
#include "flow/up_crash.h"

namespace assay::flow {
namespace {

/// A project that reads the topic straight into its online store.
class DirectProject : public KafkaProject {
 public:
  explicit DirectProject(const TestTopic& topic) : KafkaProject(topic) {
    write("assay.yaml", kWithoutLake);
  }

  /// Files in the folders of tables.
  std::vector<std::string> parquet_files() {
    const auto workspace = open();
    std::vector<std::string> found;
    const std::vector<store::ObjectInfo> objects = *workspace->store().list("");
    for (const store::ObjectInfo& object : objects) {
      if (object.key.find(".parquet") != std::string::npos) {
        found.push_back(object.key);
      }
    }
    return found;
  }
};

/// The online rows of a project that reads the same events from files, with changes to its text.
uint64_t hash_from_files(const std::vector<std::pair<std::string, std::string>>& changes = {}) {
  TestProject files;
  for (const auto& [from, to] : changes) {
    files.change(from, to);
  }
  EXPECT_TRUE(files.run().ok());
  return files.online_hash();
}

TEST(Direct, OnlineRowsAreThoseOfALake) {
  TestTopic topic(2);
  DirectProject project(topic);
  send_days(topic, 1, 3);
  {
    RunningUp line(project);
    line.wait_until_ready();
    send_days(topic, 3, 7);
    line.wait_for_records(topic.sent());
    EXPECT_TRUE(line.stop().ok());
  }
  EXPECT_EQ(project.online_hash(), hash_from_files());
  EXPECT_EQ(project.parquet_files(), std::vector<std::string>());
  ASSERT_TRUE(project.run().ok());  // reads on where it stands
  EXPECT_EQ(project.online_hash(), hash_from_files());
}

TEST(Direct, ARunEndsWhenTheTopicIsRead) {
  TestTopic topic(2);
  DirectProject project(topic);
  RunOptions small;
  small.epoch_rows = 100;
  send_days(topic, 1, 4);
  ASSERT_TRUE(project.run(small).ok());
  send_days(topic, 4, 7);
  ASSERT_TRUE(project.run(small).ok());
  EXPECT_EQ(project.online_hash(), hash_from_files());
}

/// What a report says that a stage did to rows; nothing where it does not name it.
data::Account rows_of(const RunReport& report, const std::string& stage, const std::string& name) {
  for (const StageAccount& account : report.stages) {
    if (account.stage == stage && account.name == name) {
      return account.rows;
    }
  }
  return {};
}

TEST(Direct, ARunTellsWhatReachedTheViews) {
  TestTopic topic(2);
  DirectProject project(topic);
  RunOptions small;
  small.epoch_rows = 100;
  send_days(topic, 1, 4);
  const Result<RunReport> report = project.run(small);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  const int64_t bronze = rows_of(*report, "bronze", "events").out;
  EXPECT_EQ(bronze, topic.sent());
  EXPECT_EQ(rows_of(*report, "silver", "clean").in, bronze);
  const int64_t silver = rows_of(*report, "silver", "clean").out;
  EXPECT_GT(silver, 0);
  EXPECT_EQ(rows_of(*report, "online", "spend").out, silver);
  const Result<RunReport> again = project.run(small);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(rows_of(*again, "online", "spend").out, 0) << "nothing has come since";
}

TEST(Direct, ADuplicateIsOneAlsoAfterARestart) {
  TestTopic topic(2);
  DirectProject project(topic);
  project.change("source: events\n", kWithKey);
  send_days(topic, 1, 7);
  ASSERT_TRUE(project.run().ok());
  const uint64_t once = project.online_hash();
  topic.send_elsewhere("u1,5000.25,2026-01-06T23:50:00Z");
  ASSERT_TRUE(project.run().ok());
  const uint64_t with_one_more = project.online_hash();
  EXPECT_NE(with_one_more, once);
  topic.send_elsewhere("u1,5000.25,2026-01-06T23:50:00Z");
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.online_hash(), with_one_more);
  for (const std::string& file : project.parquet_files()) {  // what duplicates are known by
    EXPECT_EQ(file.compare(0, 13, "bronze/events"), 0) << file;
  }
}

TEST(Direct, AChangedDefinitionBeginsAnewFromTheTopic) {
  TestTopic topic(2);
  DirectProject project(topic);
  send_days(topic, 1, 7);
  ASSERT_TRUE(project.run().ok());
  const std::pair<std::string, std::string> of_view = {"n: {agg: count, over: [1h, 24h]}",
                                                       "n: {agg: count, over: [2h, 24h]}"};
  project.change(of_view.first, of_view.second);
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.online_hash(), hash_from_files({of_view}));
  const std::pair<std::string, std::string> of_table = {"SELECT user_id, amount,",
                                                        "SELECT user_id, 2 * amount AS amount,"};
  project.change(of_table.first, of_table.second);
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.online_hash(), hash_from_files({of_view, of_table}));
}

TEST(Direct, AViewThatTheStoreLostBeginsAnew) {
  TestTopic topic(2);
  DirectProject project(topic);
  send_days(topic, 1, 7);
  ASSERT_TRUE(project.run().ok());
  {
    const auto workspace = project.open();
    const gold::FeatureViewPtr view = *workspace->view("spend");
    ASSERT_TRUE((*workspace->online(false))->drop(view->storage_name()).ok());
  }
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.online_hash(), hash_from_files());
}

/// Files and folders of tables in the project's state.
std::set<std::string> positions_of(const TestProject& project) {
  std::set<std::string> names;
  for (const char* zone : {"bronze", "silver"}) {
    const std::filesystem::path folder = project.folder() + "/.assay/line/" + zone;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      names.insert(entry.path().filename());
    }
  }
  return names;
}

TEST(Direct, AStoreAtPositionsOfAnotherFolderIsLeftAlone) {
  TestTopic topic(2);
  DirectProject project(topic);
  send_days(topic, 1, 7);
  ASSERT_TRUE(project.run().ok());
  const uint64_t before = project.online_hash();
  std::filesystem::remove_all(project.folder() + "/.assay/line");
  for (int i = 0; i < 3; ++i) {  // whatever number it begins with
    EXPECT_EQ(project.run().code(), Code::kFailedPrecondition);
    EXPECT_EQ(project.online_hash(), before);
  }
  RunOptions anew;
  anew.begins_anew = true;
  ASSERT_TRUE(project.run(anew).ok());
  EXPECT_EQ(project.online_hash(), hash_from_files());
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.online_hash(), hash_from_files());
}

TEST(Direct, AStoreThatALakeFilledIsLeftAlone) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_days(topic, 1, 4);
  ASSERT_TRUE(project.run().ok());
  const uint64_t before = project.online_hash();
  project.write("assay.yaml", kWithoutLake);
  EXPECT_EQ(project.run().code(), Code::kFailedPrecondition);
  project.write("assay.yaml", kAssay);
  EXPECT_EQ(project.online_hash(), before);
  send_days(topic, 4, 7);
  ASSERT_TRUE(project.run().ok());
  expect_as_from_files(project);
}

TEST(Direct, PositionsThatACrashLeftBehindGo) {
  TestTopic topic(2);
  DirectProject project(topic);
  send_days(topic, 1, 7);
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(positions_of(project).size(), 2);
  ASSERT_TRUE(std::filesystem::create_directories(project.folder() +
                                                  "/.assay/line/bronze/events_v2000/_delta_log"));
  project.write(".assay/line/bronze/events_v2000/_delta_log/x.json", "{}");
  project.change("n: {agg: count, over: [1h, 24h]}", "n: {agg: count, over: [2h, 24h]}");
  ASSERT_TRUE(project.run().ok());
  for (const std::string& name : positions_of(project)) {
    EXPECT_FALSE(std::filesystem::is_regular_file(project.folder() + "/.assay/line/bronze/" + name +
                                                  "/_delta_log/x.json"));
  }
}

TEST(Direct, DuplicatesOfAPartitionThatIsFarBehindAreKnownAfterAKill) {
  TestTopic topic(2);
  DirectProject project(topic);
  project.change("source: events\n", kWithKey);
  // One partition is ten days ahead of the other, and its days are long over.
  const std::string old = R"({"user_id":"u2","amount":3,"ts":"2026-01-01 10:00:00"})";
  topic.send(0, old);
  for (int day = 11; day < 16; ++day) {
    topic.send(1, R"({"user_id":"u1","amount":1,"ts":"2026-01-)" + std::to_string(day) + "\"}");
  }
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  const uint64_t once = project.online_hash();
  topic.send(0, old);
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.online_hash(), once);
}

TEST(Direct, RowsThatNoTableHasAreNotForgotten) {
  TestTopic topic(1);
  DirectProject project(topic);
  send_days(topic, 1, 2);
  ASSERT_TRUE(project.run().ok());
  const uint64_t hash = project.online_hash();
  {
    const auto workspace = project.open();
    EXPECT_EQ(make_online_rows_anew(*workspace, "spend", {}).code(), Code::kFailedPrecondition);
  }
  EXPECT_EQ(project.online_hash(), hash);
}

TEST(Direct, WhatNeedsTablesSaysSo) {
  TestTopic topic(1);
  DirectProject project(topic);
  send_days(topic, 1, 2);
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const Result<VerifyReport> verified = verify_service(*workspace, "v1", {});
  EXPECT_EQ(verified.code(), Code::kFailedPrecondition);
  EXPECT_NE(verified.status().to_string().find("lake: none"), std::string::npos)
      << verified.status().to_string();
}

/// Reads that the online store may have, and what they were judged by is not known.
TEST(Direct, AJournalOfAnotherRuleIsRefusedWithWhatToDo) {
  TestTopic topic(2);
  DirectProject project(topic);
  send_days(topic, 1, 4);
  ASSERT_TRUE(project.run().ok());
  send_days(topic, 4, 7);
  {
    const auto workspace = project.open();
    const auto line = *KafkaLine::open(*workspace, "events", {});
    ASSERT_TRUE(line->begin_epoch().ok());
    wait_until(
        "records",
        [&] { return (*line->take(20'000, {20'000})).has_value(); },
        [](bool is_any) { return is_any; },
        {.look_every = {0}});
  }
  std::string path;
  for (const auto& entry :
       std::filesystem::directory_iterator(join_path(project.folder(), ".assay/reads"))) {
    path = entry.path();
  }
  SystemWorld system;
  std::vector<JournaledRead> reads = *parse_reads(*system.world().files.read(path));
  ASSERT_TRUE(reads.front().before.has_value());
  reads.front().before.reset();
  std::string bytes;
  for (std::size_t i = 0; i < reads.size(); ++i) {
    append_read(&bytes, static_cast<int64_t>(i), reads[i]);
  }
  ASSERT_TRUE(system.world().files.write(path, bytes).ok());
  for (int tries = 0; tries < 2; ++tries) {
    const Status refused = project.run().status();
    EXPECT_EQ(refused.code(), Code::kFailedPrecondition);
    EXPECT_NE(refused.to_string().find("--begin-anew"), std::string::npos) << refused.to_string();
  }
  RunOptions anew;
  anew.begins_anew = true;
  ASSERT_TRUE(project.run(anew).ok());
  EXPECT_EQ(project.online_hash(), hash_from_files());
}

TEST(Direct, KilledAtFailPoints) {
  CrashedUp line(2, false, kOneStore, kSomeLate);
  for (const char* point : {"flow.direct.after_generation:1",
                            "flow.reads.after_journal:2",
                            "online.apply.before_commit:3",
                            "flow.reads.after_apply:2",
                            "flow.bronze.after_commit:2",
                            "flow.silver.after_commit:3",
                            "flow.reads.before_remove:1"}) {
    line.kill_at(point);
  }
  line.expect_as_undisturbed();
}

TEST(Direct, ViewsWhoseJournalIsLostBeginAnew) {
  CrashedUp line(2, false);
  line.kill_at("flow.reads.after_apply:3");
  std::filesystem::remove_all(line.folder() + "/.assay/reads");
  line.kill_after(500'000);
  line.expect_as_undisturbed();
}

TEST(Direct, KilledAtRandomMoments) {
  CrashedUp line(2, false, kOneStore, kSomeLate);
  for (uint64_t round = 0; round < 2; ++round) {
    line.kill_after(seeded_random(round)->below(600'000));
  }
  line.expect_as_undisturbed();
}

}  // namespace
}  // namespace assay::flow
