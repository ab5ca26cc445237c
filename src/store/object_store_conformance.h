#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/world.h"
#include "store/object_store.h"

// For tests only: what every object store must do. A store joins by one line in
// object_store_test.cc; the real services in object_store_servers_test.cc run the same.

namespace assay::store {

/// A store under test, and how another process opens the same one.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual std::unique_ptr<ObjectStore> open() = 0;
  /// Whether "a" and "a/b" can both be objects.
  [[nodiscard]] virtual bool has_folders() const { return false; }
};

class LocalFolder : public StoreUnderTest {
 public:
  LocalFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "assay_store_XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~LocalFolder() override { std::filesystem::remove_all(root_); }
  std::unique_ptr<ObjectStore> open() override {
    return open_local_store(world_.world(), root_.string()).value();
  }
  [[nodiscard]] bool has_folders() const override { return true; }
  [[nodiscard]] std::string path() const { return root_.string(); }

 private:
  SystemWorld world_;
  std::filesystem::path root_;
};

struct StoreKind {
  const char* name;
  std::function<std::unique_ptr<StoreUnderTest>()> make;
};

/// What every object store must do. A new store joins by one line at the end of this file.
class ObjectStoreConformance : public testing::TestWithParam<StoreKind> {
 protected:
  std::unique_ptr<StoreUnderTest> under_test_ = GetParam().make();
  std::unique_ptr<ObjectStore> store_ = under_test_->open();

  std::vector<std::string> keys(const std::string& prefix, const std::string& start_after = "") {
    std::vector<std::string> result;
    const std::vector<ObjectInfo> objects = store_->list(prefix, start_after).value();
    for (const ObjectInfo& object : objects) {
      result.push_back(object.key);
    }
    return result;
  }
};

using Keys = std::vector<std::string>;

TEST_P(ObjectStoreConformance, WhatWasPutIsGot) {
  std::string bytes = "a";
  bytes.push_back('\0');
  bytes += "\xff\n";
  ASSERT_TRUE(store_->put("a/b/c.bin", bytes).ok());
  EXPECT_EQ(store_->get("a/b/c.bin").value(), bytes);
  ASSERT_TRUE(store_->put("a/b/c.bin", "").ok());
  EXPECT_EQ(store_->get("a/b/c.bin").value(), "");
}

TEST_P(ObjectStoreConformance, AMissingObjectIsNotFound) {
  EXPECT_EQ(store_->get("nothing").code(), Code::kNotFound);
  EXPECT_EQ(store_->get_range("no/thing", 0, 4).code(), Code::kNotFound);
  ASSERT_TRUE(store_->put("folder/object", "x").ok());
  EXPECT_EQ(store_->get("folder").code(), Code::kNotFound);
}

TEST_P(ObjectStoreConformance, RangesEndWithTheObject) {
  ASSERT_TRUE(store_->put("digits", "0123456789").ok());
  EXPECT_EQ(store_->get_range("digits", 2, 3).value(), "234");
  EXPECT_EQ(store_->get_range("digits", 8, 100).value(), "89");
  EXPECT_EQ(store_->get_range("digits", 0, 0).value(), "");
  EXPECT_EQ(store_->get_range("digits", -1, 2).code(), Code::kInvalidArgument);
}

TEST_P(ObjectStoreConformance, PutIfAbsentNeverReplaces) {
  ASSERT_TRUE(store_->put_if_absent("log/1.json", "first").ok());
  EXPECT_EQ(store_->put_if_absent("log/1.json", "second").code(), Code::kAlreadyExists);
  EXPECT_EQ(store_->get("log/1.json").value(), "first");
  ASSERT_TRUE(store_->remove("log/1.json").ok());
  EXPECT_TRUE(store_->put_if_absent("log/1.json", "third").ok());
}

TEST_P(ObjectStoreConformance, ListsByPrefixInOrderOfKeys) {
  for (const char* key : {"b/2", "b/10", "b.x", "b/1/deep", "c", "a"}) {
    ASSERT_TRUE(store_->put(key, "x").ok());
  }
  EXPECT_EQ(keys(""), (Keys{"a", "b.x", "b/1/deep", "b/10", "b/2", "c"}));
  EXPECT_EQ(keys("b/"), (Keys{"b/1/deep", "b/10", "b/2"}));
  EXPECT_EQ(keys("b/1"), (Keys{"b/1/deep", "b/10"}));
  EXPECT_EQ(keys("b/", "b/10"), (Keys{"b/2"}));
  EXPECT_EQ(keys("nothing/"), Keys{});
  EXPECT_EQ(store_->list("b/2").value().at(0).size_bytes, 1);
}

TEST_P(ObjectStoreConformance, ListsTheFoldersOfOneFolder) {
  for (const char* key : {"t/_delta_log/0.json", "t/a=1/x", "u/v/w", "t/file"}) {
    ASSERT_TRUE(store_->put(key, "x").ok());
  }
  EXPECT_EQ(store_->list_folders("").value(), (Keys{"t", "u"}));
  EXPECT_EQ(store_->list_folders("t").value(), (Keys{"_delta_log", "a=1"}));
  EXPECT_EQ(store_->list_folders("nothing").value(), Keys{});
}

TEST_P(ObjectStoreConformance, RemovingTwiceIsFine) {
  ASSERT_TRUE(store_->put("a/b", "x").ok());
  EXPECT_TRUE(store_->remove("a/b").ok());
  EXPECT_TRUE(store_->remove("a/b").ok());
  EXPECT_TRUE(store_->remove("a").ok());
  EXPECT_EQ(store_->get("a/b").code(), Code::kNotFound);
}

TEST_P(ObjectStoreConformance, OddButLegalKeysWork) {
  for (const char* key :
       {"a b%20+=#?&", "dt=2026-01-01/p=a%20b%2Fc", "\xC3\xA9/\xE6\x97\xA5", "..a/b.."}) {
    ASSERT_TRUE(store_->put_if_absent(key, key).ok()) << key;
    EXPECT_EQ(store_->get(key).value(), key);
    EXPECT_EQ(keys(key), Keys{key});
  }
}

TEST_P(ObjectStoreConformance, KeysThatLeaveTheRootAreRefused) {
  for (const std::string& key : {std::string("../a"),
                                 std::string("a/../../b"),
                                 std::string("/etc/x"),
                                 std::string(),
                                 std::string("a//b"),
                                 std::string("a/"),
                                 std::string("./a"),
                                 std::string("a\nb"),
                                 std::string("a\0b", 3),
                                 std::string("x/.tmp.1"),
                                 std::string(1025, 'k')}) {
    EXPECT_EQ(store_->get(key).code(), Code::kInvalidArgument) << key;
    EXPECT_EQ(store_->put(key, "x").code(), Code::kInvalidArgument) << key;
    EXPECT_EQ(store_->put_if_absent(key, "x").code(), Code::kInvalidArgument) << key;
    EXPECT_EQ(store_->remove(key).code(), Code::kInvalidArgument) << key;
    EXPECT_EQ(store_->adopt(key).code(), Code::kInvalidArgument) << key;
  }
  EXPECT_EQ(store_->list("../").code(), Code::kInvalidArgument);
}

TEST_P(ObjectStoreConformance, AnObjectIsNoFolderWhereThereAreFolders) {
  ASSERT_TRUE(store_->put("a", "x").ok());
  const Status status = store_->put_if_absent("a/b", "y");
  // Buckets take both, save for services that keep them in folders.
  EXPECT_TRUE(!status.ok() || !under_test_->has_folders());
  EXPECT_NE(status.code(), Code::kAlreadyExists);  // that would read as a lost race
  EXPECT_EQ(store_->get("a").value(), "x");
}

TEST_P(ObjectStoreConformance, AdoptsAFileThatALibraryWrote) {
  ASSERT_TRUE(store_->put("t/p=1/part.parquet", "rows").ok());
  EXPECT_TRUE(store_->adopt("t/p=1/part.parquet").ok());
  EXPECT_EQ(store_->adopt("t/p=1/other.parquet").code(), Code::kNotFound);
  const std::string path = store_->write_path("t/p=2/written.parquet");
  SystemWorld world;
  ASSERT_TRUE(world.world().files.make_directories(parent_path(path)).ok());
  ASSERT_TRUE(world.world().files.write(path, "rows of a library").ok());
  ASSERT_TRUE(store_->adopt("t/p=2/written.parquet").ok());
  EXPECT_EQ(store_->get("t/p=2/written.parquet").value(), "rows of a library");
  EXPECT_TRUE(store_->adopt("t/p=2/written.parquet").ok());
}

TEST_P(ObjectStoreConformance, TellsSizeAndTime) {
  ASSERT_TRUE(store_->put("a/b", "12345").ok());
  const ObjectInfo info = store_->stat("a/b").value();
  EXPECT_EQ(info.key, "a/b");
  EXPECT_EQ(info.size_bytes, 5);
  EXPECT_GT(info.modified.micros, 0);
  // Some services list milliseconds and answer HEAD in HTTP's seconds.
  const auto second = [](EventTime time) { return floor_to(time.micros, kMicrosPerSecond); };
  EXPECT_EQ(second(store_->list("a/").value().at(0).modified), second(info.modified));
  EXPECT_EQ(store_->stat("a").code(), Code::kNotFound);
  EXPECT_EQ(store_->stat("c").code(), Code::kNotFound);
}

TEST_P(ObjectStoreConformance, RemovesManyAtOnce) {
  std::vector<std::string> many;
  for (int i = 0; i < 25; ++i) {
    many.push_back("m/" + std::to_string(i) + " &<\"");
    ASSERT_TRUE(store_->put(many.back(), "x").ok());
  }
  ASSERT_TRUE(store_->put("m/kept", "x").ok());
  many.emplace_back("m/never there");
  EXPECT_TRUE(store_->remove_all(many).ok());
  EXPECT_EQ(keys("m/"), Keys{"m/kept"});
  EXPECT_TRUE(store_->remove_all({}).ok());
  EXPECT_EQ(store_->remove_all({"../x"}).code(), Code::kInvalidArgument);
}

TEST_P(ObjectStoreConformance, OfFourRacingProcessesExactlyOneWinsEachKey) {
  constexpr int kProcesses = 4;
  constexpr int kRounds = 60;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const std::unique_ptr<ObjectStore> mine = under_test_->open();
      bool good = true;
      for (int round = 0; round < kRounds; ++round) {
        const std::string name = std::to_string(process);
        const Status status = mine->put_if_absent("race/" + std::to_string(round), name);
        if (status.ok()) {
          good &= mine->put("won/" + std::to_string(round) + "/" + name, "").ok();
        } else {
          good &= status.code() == Code::kAlreadyExists;
        }
      }
      ::_exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int exit_status = 0;
    ASSERT_EQ(::waitpid(child, &exit_status, 0), child);
    EXPECT_EQ(exit_status, 0);
  }
  for (int round = 0; round < kRounds; ++round) {
    const std::string number = std::to_string(round);
    const std::string winner = store_->get("race/" + number).value();
    EXPECT_EQ(keys("won/" + number + "/"), Keys{"won/" + number + "/" + winner});
  }
}

}  // namespace assay::store
