#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include "lake/crash_under_test.h"
#include "store/fake_s3.h"
#include "store/s3_store.h"

namespace assay::lake {

/// For tests: a lake in a bucket. Clock and engine are the test's.
class LakeInBucket : public LakeUnderTest {
 public:
  LakeInBucket(const std::string& folder, const store::S3Options& options)
      : LakeUnderTest(folder), bucket_(store::open_s3_store(world(), options).value()) {}
  store::ObjectStore& store() { return *bucket_; }

 private:
  std::unique_ptr<store::ObjectStore> bucket_;
};

/// For tests: the story of CrashUnderTest in a bucket of a service in this process, told by
/// processes that end before any request.
class CrashOnS3 {
 public:
  using End = CrashUnderTest::End;
  using Work = std::function<Status(LakeInBucket&, DeltaTable&)>;

  /// A new bucket, with the objects of another.
  explicit CrashOnS3(const std::map<std::string, std::string>& objects = {}) {
    for (const auto& [key, bytes] : objects) {
      service_.set_object(key, bytes);
    }
  }

  std::map<std::string, std::string> objects() { return service_.objects(); }

  /// Work in a process of its own that dies before its n-th request (0: never).
  End in_process(int64_t dies_at, const Work& work) {
    const store::S3Options options = [&] {
      store::S3Options made = service_.options(spool_.folder());
      made.prefix = "lake";
      return made;
    }();
    return CrashUnderTest::in_process_that_dies("store.request", dies_at, [&]() -> Status {
      LakeInBucket lake(spool_.folder(), options);
      lake.clock().advance({1'000 * kMicrosPerDay});  // the objects of a moment ago are old
      ASSAY_ASSIGN_OR_RETURN(const auto table, CrashUnderTest::open_in(lake));
      return work(lake, *table);
    });
  }

  End verify() {
    return in_process(0, [](LakeInBucket& lake, DeltaTable& /*table*/) {
      return CrashUnderTest::verify_in(lake);
    });
  }

  static Status step(LakeInBucket& lake, DeltaTable& table) {
    return CrashUnderTest::step_in(lake, table);
  }
  static Status upkeep(LakeInBucket& lake, DeltaTable& table) {
    return CrashUnderTest::upkeep_in(lake, table);
  }

 private:
  store::FakeS3 service_;
  CrashUnderTest spool_;  // its folder
};

}  // namespace assay::lake
