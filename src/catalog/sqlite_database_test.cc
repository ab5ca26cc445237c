#include "catalog/sqlite_database.h"

#include <csignal>
#include <string>

#include <gtest/gtest.h>
#include <sys/resource.h>

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

}  // namespace
}  // namespace assay::catalog
