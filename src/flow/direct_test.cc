// `lake: none`: online rows are those of a project with a lake, and no table has a row.

#include <gtest/gtest.h>

#include "flow/direct_line.h"
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
  PatientProject files;
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

TEST(Direct, ADuplicateIsOneAlsoAfterARestart) {
  TestTopic topic(2);
  DirectProject project(topic);
  const std::string with_key = "source: events\n    key: [user_id, ts]\n";
  project.change("source: events\n", with_key);
  send_days(topic, 1, 7);
  ASSERT_TRUE(project.run().ok());
  const uint64_t once = project.online_hash();
  topic.send_elsewhere("u1,5000.25,2026-01-06T20:00:00Z");
  ASSERT_TRUE(project.run().ok());
  const uint64_t with_one_more = project.online_hash();
  EXPECT_NE(with_one_more, once);
  topic.send_elsewhere("u1,5000.25,2026-01-06T20:00:00Z");
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

TEST(Direct, KilledAtFailPoints) {
  CrashedUp line(2, false);
  for (const char* point : {"flow.reads.after_journal:2",
                            "online.apply.before_commit:3",
                            "flow.reads.after_apply:2",
                            "flow.bronze.after_commit:2",
                            "flow.silver.after_commit:3",
                            "flow.reads.before_remove:1"}) {
    line.kill_at(point);
  }
  line.expect_as_undisturbed();
}

TEST(Direct, KilledAtRandomMoments) {
  CrashedUp line(2, false);
  for (uint64_t round = 0; round < 2; ++round) {
    line.kill_after(seeded_random(round)->below(600'000));
  }
  line.expect_as_undisturbed();
}

}  // namespace
}  // namespace assay::flow
