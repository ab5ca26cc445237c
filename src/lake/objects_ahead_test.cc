#include "lake/objects_ahead.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lake/lake_under_test.h"
#include "lake/store_under_test.h"

namespace assay::lake {
namespace {

/// A store somewhere else. `together` requests must be on their way before any is answered.
class FarStore : public StoreUnderTest {
 public:
  using StoreUnderTest::StoreUnderTest;
  [[nodiscard]] std::string read_path(const std::string& key) const override {
    return "s3://bucket/" + key;
  }
  Result<std::string> get_range(const std::string& key, int64_t offset, int64_t size) override {
    {
      std::unique_lock lock(mutex_);
      ++begun;
      changed_.notify_all();
      met = changed_.wait_for(lock, std::chrono::minutes(2), [&] { return begun >= together; });
    }
    return StoreUnderTest::get_range(key, offset, size);
  }

  std::size_t together = 1;
  std::atomic<std::size_t> begun = 0;
  std::atomic<bool> met = true;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

std::vector<ObjectsAhead::Object> objects(LakeUnderTest& lake, int count) {
  std::vector<ObjectsAhead::Object> list;
  for (int i = 0; i < count; ++i) {
    list.push_back({"object-" + std::to_string(i), 100});
    EXPECT_TRUE(lake.store().put(list.back().key, "bytes " + std::to_string(i)).ok());
  }
  return list;
}

void expect_in_order(ObjectsAhead& ahead, int count) {
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(ahead.next().value(), "bytes " + std::to_string(i));
  }
}

TEST(ObjectsAhead, GivesAFoldersObjectsInTheirOrder) {
  LakeUnderTest lake;
  ObjectsAhead ahead(lake.store(), objects(lake, 30));
  expect_in_order(ahead, 30);
  ObjectsAhead none(lake.store(), {});
}

TEST(ObjectsAhead, RequestsAreOnTheirWayTogetherAndNotTooMany) {
  LakeUnderTest lake;
  FarStore store(lake.store());
  store.together = ObjectsAhead::kAhead;
  ObjectsAhead ahead(store, objects(lake, 30));
  for (std::size_t i = 0; i < 30; ++i) {
    EXPECT_EQ(ahead.next().value(), "bytes " + std::to_string(i));
    EXPECT_LE(store.begun, i + 1 + ObjectsAhead::kAhead);
  }
  EXPECT_TRUE(store.met);
  EXPECT_EQ(store.begun, 30U);
}

TEST(ObjectsAhead, ReadsNoMoreThanItIsTold) {
  LakeUnderTest lake;
  ASSERT_TRUE(lake.store().put("large", std::string(1'000, 'x')).ok());
  ObjectsAhead ahead(lake.store(), {{"large", 10}});
  EXPECT_EQ(ahead.next().value(), std::string(10, 'x'));
}

TEST(ObjectsAhead, AFailureIsGivenInItsPlace) {
  LakeUnderTest lake;
  FarStore store(lake.store());
  auto list = objects(lake, 12);
  list[5].key = "missing";
  ObjectsAhead ahead(store, list);
  for (std::size_t i = 0; i < list.size(); ++i) {
    EXPECT_EQ(ahead.next().code(), i == 5 ? Code::kNotFound : Code::kOk) << i;
  }
}

TEST(ObjectsAhead, WhoLeavesEarlyWaitsOnlyForWhatIsOnItsWay) {
  LakeUnderTest lake;
  FarStore store(lake.store());
  {
    ObjectsAhead ahead(store, objects(lake, 100));
    EXPECT_TRUE(ahead.next().ok());
  }
  EXPECT_LE(store.begun, 1 + ObjectsAhead::kAhead);
}

}  // namespace
}  // namespace assay::lake
