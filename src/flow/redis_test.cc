// A project whose online store is a Redis server serves what an embedded one serves, bit for bit.

#include <gtest/gtest.h>

#include "flow/up_crash.h"
#include "online/redis_under_test.h"

namespace assay::flow {
namespace {

std::string on_redis(const std::string& url) {
  std::string text = kAssay;
  const std::string embedded = "embedded:./online";
  return text.replace(text.find(embedded), embedded.size(), '"' + url + '"');
}

TEST(RedisProject, ServesWhatTheEmbeddedStoreServes) {
  TestProject embedded;
  ASSERT_TRUE(embedded.run().ok());
  TestProject project;
  project.write("assay.yaml", on_redis(online::RedisUnderTest::shared().fresh_url()));
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.online_hash(), embedded.online_hash());
  expect_verified(project);
  project.write("data/day-7.csv", project.events_of_day(7));
  embedded.write("data/day-7.csv", project.events_of_day(7));
  ASSERT_TRUE(project.run().ok());
  ASSERT_TRUE(embedded.run().ok());
  EXPECT_EQ(project.online_hash(), embedded.online_hash());
}

TEST(RedisProject, ARunGoesOnWhereAServerThatWentAwayLeftIt) {
  online::RedisUnderTest server;
  TestProject project;
  project.write("assay.yaml", on_redis(server.fresh_url()));
  ASSERT_TRUE(project.run().ok());
  const uint64_t before = project.online_hash();
  server.kill();
  EXPECT_EQ(project.run().code(), Code::kUnavailable);
  server.start();
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.online_hash(), before);
  expect_verified(project);
}

/// `assay up` into a server that lives on, killed before and after the server has a batch, and when
/// lake and reads stand elsewhere than it.
void kill_beside_a_server(bool has_lake) {
  online::RedisUnderTest server;
  CrashedUp line(2, has_lake, '"' + server.fresh_url() + '"', kSomeLate);
  for (const char* point : {"flow.reads.after_journal:2",
                            "online.apply.before_commit:3",
                            "online.apply.after_commit:2",
                            "flow.reads.after_apply:2",
                            "flow.bronze.after_commit:2"}) {
    EXPECT_TRUE(line.kill_at(point)) << point;
  }
  line.expect_as_undisturbed();
}

TEST(RedisProject, UpIsKilledAtFailPoints) {
  kill_beside_a_server(true);
}

TEST(RedisProject, WithoutALakeToo) {
  kill_beside_a_server(false);
}

}  // namespace
}  // namespace assay::flow
