// A project of the time when `embedded:` made a store of LMDB goes on with the one that it has.

#include <gtest/gtest.h>

#include "flow/test_project.h"
#include "online/online_store.h"

namespace assay::flow {
namespace {

std::string settings_with(const std::string& online) {
  std::string text = kAssay;
  const std::string embedded = "embedded:./online";
  return text.replace(text.find(embedded), embedded.size(), online);
}

TEST(OldStore, AFolderOfLmdbIsReadWrittenAndVerifiedAsSuch) {
  TestProject old;
  old.write("assay.yaml", settings_with("lmdb:./online"));  // what `embedded:` made then
  ASSERT_TRUE(old.run().ok());
  const uint64_t before = old.online_hash();

  old.write("assay.yaml", kAssay);
  EXPECT_EQ(old.online_hash(), before) << "nothing is made anew";
  old.write("data/day-7.csv", TestProject::events_of_day(7));
  ASSERT_TRUE(old.run().ok());

  TestProject today;
  today.write("data/day-7.csv", TestProject::events_of_day(7));
  ASSERT_TRUE(today.run().ok());
  EXPECT_EQ(old.online_hash(), today.online_hash());
  expect_verified(old);
  const auto workspace = old.open();
  const std::string folder = join_path(old.folder(), "online");
  EXPECT_TRUE(online::holds_lmdb(workspace->world(), folder));
  EXPECT_FALSE(online::holds_hash_log(workspace->world(), folder));
  EXPECT_TRUE(online::holds_hash_log(workspace->world(), join_path(today.folder(), "online")));
}

}  // namespace
}  // namespace assay::flow
