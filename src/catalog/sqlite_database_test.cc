#include "catalog/sqlite_database.h"

#include <csignal>
#include <filesystem>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/temp_folder.h"

namespace assay::catalog {
namespace {

/// As long as it lives no file grows beyond so many bytes: a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before_), 0);
    const rlimit small{bytes, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  }
  ~FullDisk() { EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before_), 0); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
};

constexpr char kInsert[] = "INSERT INTO t VALUES (?)";

TEST(SqliteDatabase, AFullDiskIsSaidAsSuchWhereverItIsMet) {
  for (const rlim_t bytes : {0, 1, 4096, 8192, 32'768, 40'000, 65'536}) {
    const TempFolder folder;
    {
      const FullDisk full(bytes);
      const auto opened = SqliteDatabase::open(folder.file("new.db"));
      const Status made = opened.ok() ? (*opened)->execute("CREATE TABLE t (a)") : opened.status();
      EXPECT_TRUE(made.ok() || made.code() == Code::kResourceExhausted) << made.to_string();
      EXPECT_TRUE(bytes > 4096 || !made.ok());
    }
    const auto database = *SqliteDatabase::open(folder.file("a.db"));
    ASSERT_TRUE(database->execute("CREATE TABLE t (a)").ok());
    const std::string value(100'000, 'x');
    {
      const FullDisk full(bytes);
      const Status written = database->query(kInsert, {value}).status();
      EXPECT_EQ(written.code(), Code::kResourceExhausted) << written.to_string();
      const Status undone =
          database->transaction([&] { return database->query(kInsert, {value}).status(); });
      EXPECT_EQ(undone.code(), Code::kResourceExhausted) << undone.to_string();
    }
    // There is room again.
    ASSERT_TRUE(database->query(kInsert, {value}).ok());
    EXPECT_EQ((*database->query("SELECT count(*) FROM t"))[0][0], SqlValue(int64_t{1}));
  }
}

/// As long as it lives nothing can be read of this open file of the process.
class BrokenFile {
 public:
  explicit BrokenFile(const std::string& path) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code none;
      if (std::filesystem::read_symlink(entry.path(), none) == path) {
        number_ = std::stoi(entry.path().filename());
      }
    }
    EXPECT_GE(number_, 0) << path;
    kept_ = ::dup(number_);
    const int unreadable = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    EXPECT_EQ(::dup2(unreadable, number_), number_);
    ::close(unreadable);
  }
  ~BrokenFile() {
    ::dup2(kept_, number_);
    ::close(kept_);
  }
  BrokenFile(const BrokenFile&) = delete;
  BrokenFile& operator=(const BrokenFile&) = delete;

 private:
  int number_ = -1;
  int kept_ = -1;
};

TEST(SqliteDatabase, AFailureIsNotTakenForAnOlderOne) {
  const std::string value(100'000, 'x');
  for (const bool is_transaction : {false, true}) {
    const TempFolder folder;
    const auto database = *SqliteDatabase::open(folder.file("a.db"));
    ASSERT_TRUE(database->execute("CREATE TABLE t (a)").ok());
    const auto write = [&] {
      const auto insert = [&] { return database->query(kInsert, {value}).status(); };
      return is_transaction ? database->transaction(insert) : insert();
    };
    for (int round = 0; round < 3; ++round) {
      {
        const FullDisk full(40'000);
        const Status status = write();
        EXPECT_EQ(status.code(), Code::kResourceExhausted) << status.to_string();
      }
      {
        const BrokenFile broken(folder.file("a.db-wal"));
        const Status status = write();
        EXPECT_EQ(status.code(), Code::kUnavailable) << status.to_string();
        EXPECT_NE(status.message().find("Bad file descriptor"), std::string::npos)
            << status.to_string();
      }
    }
    EXPECT_TRUE(write().ok());
  }
}

}  // namespace
}  // namespace assay::catalog
