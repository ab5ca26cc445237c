#include "cli/pushed_rows.h"

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "online/store_fixture.h"

namespace assay::cli {
namespace {

class PushedRows : public testing::Test {
 protected:
  Status put(const std::string& rows, const std::string& once) {
    return put_pushed_rows(world_.world, folder_.path(), rows, once);
  }
  /// What a source of the folder reads, in its order.
  std::vector<std::string> files() {
    std::vector<std::string> found;
    const auto listed = world_.files->list(folder_.path());
    for (const FileInfo& info : *listed) {
      if (!file_name(info.path).starts_with('.')) {
        found.push_back(*world_.files->read(join_path(folder_.path(), file_name(info.path))));
      }
    }
    return found;
  }

  TempFolder folder_;
  online::TestWorld world_;
};

TEST_F(PushedRows, EachPushIsAFileInTheOrderOfTheirTimes) {
  for (const char* const rows : {"1\n", "2\n", "1\n"}) {
    ASSERT_TRUE(put(rows, "").ok());
    world_.clock.advance(Duration{1});
  }
  EXPECT_EQ(files(), (std::vector<std::string>{"1\n", "2\n", "1\n"}));
}

TEST_F(PushedRows, TheSameRowsUnderOneKeyAreOneFile) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(put("1\n", "a").ok());
    world_.clock.advance(Duration{1});
  }
  EXPECT_TRUE(put("2\n", "b").ok());
  EXPECT_EQ(put("3\n", "a").code(), Code::kAlreadyExists);
  EXPECT_EQ(put("1", "a").code(), Code::kAlreadyExists);
  EXPECT_TRUE(put("1\n", "c").ok());
  EXPECT_EQ(files(), (std::vector<std::string>{"1\n", "2\n", "1\n"}));
}

TEST_F(PushedRows, AKeyThatAProgramBeforeTookIsStillTaken) {
  ASSERT_TRUE(put("1\n", "a").ok());
  ASSERT_TRUE(world_.files
                  ->write(join_path(folder_.path(), ".push_a"),
                          *world_.files->read(join_path(folder_.path(), ".push/a")))
                  .ok());
  ASSERT_TRUE(world_.files->remove(join_path(folder_.path(), ".push/a")).ok());
  world_.clock.advance(Duration{1});
  EXPECT_TRUE(put("1\n", "a").ok());
  EXPECT_EQ(put("2\n", "a").code(), Code::kAlreadyExists);
  EXPECT_EQ(files(), (std::vector<std::string>{"1\n"}));
}

TEST_F(PushedRows, APushThatWasCutOffBeforeItsFileIsFinishedByTheNext) {
  ASSERT_TRUE(put("1\n", "a").ok());
  const auto listed = world_.files->list(folder_.path());
  for (const FileInfo& info : *listed) {
    if (!file_name(info.path).starts_with('.')) {
      ASSERT_TRUE(world_.files->remove(join_path(folder_.path(), file_name(info.path))).ok());
    }
  }
  ASSERT_TRUE(files().empty());
  EXPECT_EQ(put("2\n", "a").code(), Code::kAlreadyExists);
  EXPECT_TRUE(put("1\n", "a").ok());
  EXPECT_EQ(files(), (std::vector<std::string>{"1\n"}));
}

}  // namespace
}  // namespace assay::cli
