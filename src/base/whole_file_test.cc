#include "base/whole_file.h"

#include <vector>

#include <gtest/gtest.h>

#include "base/temp_folder.h"

namespace assay {
namespace {

class WholeFileTest : public testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> names() {
    std::vector<std::string> names;
    const Result<std::vector<FileInfo>> found = files_->list(folder_.path());
    EXPECT_TRUE(found.ok());
    for (const FileInfo& file : *found) {
      names.push_back(file.path.substr(file.path.rfind('/') + 1));
    }
    return names;
  }
  TempFolder folder_;
  std::unique_ptr<FileSystem> files_ = system_files();
};

TEST_F(WholeFileTest, AppearsWithAllOfItsPieces) {
  const std::string path = folder_.file("lines");
  ASSERT_TRUE(files_->write(path, "old").ok());
  const auto file = *WholeFile::create(path);
  ASSERT_TRUE(file->append("a\n").ok());
  EXPECT_EQ(*files_->read(path), "old");
  ASSERT_TRUE(file->append("b\n").ok());
  ASSERT_TRUE(file->publish().ok());
  EXPECT_EQ(*files_->read(path), "a\nb\n");
  EXPECT_EQ(names(), (std::vector<std::string>{"lines"}));
}

TEST_F(WholeFileTest, LeavesNothingWhereItWasNotPublished) {
  {
    const auto file = *WholeFile::create(folder_.file("lines"));
    ASSERT_TRUE(file->append("a\n").ok());
    EXPECT_EQ(names().size(), 1U);
  }
  EXPECT_TRUE(names().empty());
}

TEST_F(WholeFileTest, OfNothingIsEmpty) {
  const std::string path = folder_.file("lines");
  const auto file = *WholeFile::create(path);
  ASSERT_TRUE(file->publish().ok());
  EXPECT_EQ(*files_->read(path), "");
}

TEST_F(WholeFileTest, AFolderThatIsNotThereIsAnError) {
  EXPECT_EQ(WholeFile::create(folder_.file("none/lines")).code(), Code::kNotFound);
}

}  // namespace
}  // namespace assay
