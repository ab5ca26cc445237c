// Definitions are served once everything they name is made; until then the ones before them are.

#include <gtest/gtest.h>

#include "flow/test_project.h"

namespace assay::flow {
namespace {

const char kCount[] = "n: {agg: count, over: [1h, 24h]}";
const char kOtherCount[] = "n: {agg: count, over: [2h, 24h]}";

/// All answers of the served definitions, as one number.
uint64_t served_hash(TestProject& project) {
  const auto workspace = project.open_as(Definitions::kServed);
  const auto view = workspace->view("spend");
  return *(*workspace->online(true))->content_hash(**view);
}

std::vector<std::string> held_views(TestProject& project) {
  const auto workspace = project.open_as(Definitions::kServed);
  return *(*workspace->online(true))->views();
}

TEST(Served, NothingWasCompleteBeforeTheFirstRun) {
  TestProject project;
  const auto workspace = project.open_as(Definitions::kServed);
  EXPECT_EQ(workspace->served_version(), std::nullopt);
  EXPECT_FALSE(workspace->serves_older());
}

TEST(Served, TheOldDefinitionServesUntilTheNewOneIsComplete) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  const uint64_t before = served_hash(project);

  project.change(kCount, kOtherCount);
  (void)project.open();  // applied, not run
  {
    const auto workspace = project.open_as(Definitions::kServed);
    EXPECT_TRUE(workspace->serves_older());
    EXPECT_EQ(workspace->project().views.at("spend").features.front().over.front().micros,
              3600 * kMicrosPerSecond);
  }
  EXPECT_EQ(served_hash(project), before);

  // A run that stops before the online rows are filled completes nothing.
  std::atomic<bool> stop{false};
  RunOptions options;
  options.stop = &stop;
  options.progress = [&](const std::string& line) { stop = stop || line == "online spend"; };
  options.online_batch_rows = 100;
  EXPECT_EQ(project.run(options).code(), Code::kCancelled);
  EXPECT_TRUE(project.open_as(Definitions::kServed)->serves_older());
  EXPECT_EQ(served_hash(project), before);
  EXPECT_EQ(held_views(project).size(), 2U);

  ASSERT_TRUE(project.run().ok());
  EXPECT_FALSE(project.open_as(Definitions::kServed)->serves_older());
  EXPECT_NE(served_hash(project), before);
  EXPECT_EQ(held_views(project).size(), 2U);  // a server may still answer from the old rows
  expect_verified(project);
}

TEST(Served, ASilverTableIsThatOfTheServedDefinition) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  project.change("ts AS event_time FROM events", "ts AS event_time, 1 AS more FROM events");
  (void)project.open();  // applied, not run
  const auto files = project.open_as(Definitions::kFiles);
  const auto served = project.open_as(Definitions::kServed);
  EXPECT_TRUE(served->serves_older());
  EXPECT_TRUE((*files->source_schema("clean"))->find("more").has_value());
  EXPECT_FALSE((*served->source_schema("clean"))->find("more").has_value());
}

TEST(Served, RowsOfTheDefinitionBeforeTheLastAreDropped) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  const std::vector<std::string> first = held_views(project);
  project.change(kCount, kOtherCount);
  ASSERT_TRUE(project.run().ok());
  project.change("slide: 10m", "slide: 20m");
  ASSERT_TRUE(project.run().ok());
  const std::vector<std::string> last = held_views(project);
  EXPECT_EQ(last.size(), 2U);
  EXPECT_EQ(std::count(last.begin(), last.end(), first.front()), 0);
}

TEST(Served, ProfilesThatShareAStoreKeepTheirRows) {
  TestProject project;
  project.write("assay.yaml", std::string(kAssay) + "profiles: {night: {}}\n");
  ASSERT_TRUE(project.run().ok());
  const std::vector<std::string> first = held_views(project);
  const auto run_night = [&] {
    const auto workspace = project.open_as(Definitions::kFiles, "night");
    ASSERT_TRUE(workspace->apply().ok());
    ASSERT_TRUE(run_all(*workspace, {}).ok());
  };
  project.change(kCount, kOtherCount);
  run_night();
  project.change("slide: 10m", "slide: 20m");
  run_night();
  project.change("slide: 20m", "slide: 30m");
  run_night();
  const std::vector<std::string> held = held_views(project);
  EXPECT_EQ(held.size(), 3U) << "two of `night`, one of the definitions without a profile";
  EXPECT_EQ(std::count(held.begin(), held.end(), first.front()), 1);
}

TEST(Served, AChangeThatIsTakenBackFindsItsRowsAgain) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  const uint64_t before = served_hash(project);
  project.change(kCount, kOtherCount);
  ASSERT_TRUE(project.run().ok());
  project.change(kOtherCount, kCount);
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(served_hash(project), before);
}

TEST(Served, FilesThatNoLongerParseAreAnErrorAlsoForServing) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  project.change(kCount, "n: {agg: nonsense}");
  SystemWorld world(LogLevel::kError);
  WorkspaceOptions options;
  options.definitions = Definitions::kServed;
  EXPECT_EQ(Workspace::open(world.world(), project.folder(), options).code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::flow
