#include "base/whole_file.h"

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/temp_folder.h"

namespace assay {
namespace {

/// All that is written to a pipe.
std::string read_pipe(const std::string& path) {
  const int pipe = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string heard;
  std::array<char, 100> text{};
  for (ssize_t size = 1; size > 0;) {
    size = ::read(pipe, text.data(), text.size());
    heard.append(text.data(), static_cast<std::size_t>(std::max<ssize_t>(0, size)));
  }
  ::close(pipe);
  return heard;
}

class WholeFileTest : public testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> names() {
    std::vector<std::string> names;
    const Result<std::vector<FileInfo>> found = files_->list(folder_.path());
    EXPECT_TRUE(found.ok());
    for (const FileInfo& file : *found) {
      names.push_back(file.path.substr(file.path.rfind('/') + 1));
    }
    std::sort(names.begin(), names.end());
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

TEST_F(WholeFileTest, FollowsLinksAlsoWhereNothingIsYet) {
  ASSERT_TRUE(files_->make_directories(folder_.file("deep")).ok());
  ASSERT_EQ(::symlink("deep/lines", folder_.file("link").c_str()), 0);
  ASSERT_EQ(::symlink(folder_.file("link").c_str(), folder_.file("again").c_str()), 0);
  for (const std::string text : {"first", "second"}) {
    ASSERT_TRUE(write_whole_file(folder_.file("again"), text).ok());
    EXPECT_EQ(*files_->read(folder_.file("deep/lines")), text);
  }
  EXPECT_EQ(follow_links(folder_.file("again")), folder_.file("deep/lines"));
  EXPECT_EQ(names(), (std::vector<std::string>{"again", "deep", "link"}));
}

TEST_F(WholeFileTest, ALinkInACircleIsAnError) {
  ASSERT_EQ(::symlink("round", folder_.file("round").c_str()), 0);
  EXPECT_FALSE(write_whole_file(folder_.file("round"), "a").ok());
  EXPECT_TRUE(is_special_file(folder_.file("round"))) << "still a link";
}

TEST_F(WholeFileTest, WritesThroughWhatIsNoRegularFile) {
  const std::string path = folder_.file("pipe");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::string heard;
  std::jthread reader([&] { heard = read_pipe(path); });
  ASSERT_TRUE(write_whole_file(path, "a\nb\n").ok());
  reader.join();
  EXPECT_EQ(heard, "a\nb\n");
  EXPECT_TRUE(is_special_file(path));
  EXPECT_TRUE(write_whole_file("/dev/null", "a").ok());
  EXPECT_TRUE(is_special_file("/dev/null"));
  EXPECT_EQ(write_whole_file("/dev/full", "a").code(), Code::kResourceExhausted);
  EXPECT_FALSE(write_whole_file(folder_.path(), "a").ok());
}

}  // namespace
}  // namespace assay
