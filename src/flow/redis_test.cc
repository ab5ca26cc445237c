// A project whose online store is a Redis server serves what an embedded one serves, bit for bit.

#include <gtest/gtest.h>

#include "flow/test_project.h"
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

}  // namespace
}  // namespace assay::flow
