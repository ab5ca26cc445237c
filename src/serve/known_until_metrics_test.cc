#include "serve/known_until_metrics.h"

#include <gtest/gtest.h>

#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

/// Counts how often it is asked where views stand, and may fail.
class AskedStore final : public online::OnlineStore {
 public:
  explicit AskedStore(online::OnlineStore& store) : store_(store) {}
  Status apply(const gold::FeatureView& view,
               const data::Batch& rows,
               std::optional<int64_t> expected,
               int64_t position,
               EventTime applied_until,
               std::span<const data::EntityKey> anew) override {
    return store_.apply(view, rows, expected, position, applied_until, anew);
  }
  Result<std::optional<online::AppliedTo>> applied_to(const gold::FeatureView& view) override {
    ++asked;
    return view.name() == failing && !failure.ok()
               ? Result<std::optional<online::AppliedTo>>(failure)
               : store_.applied_to(view);
  }
  Result<std::vector<gold::FeatureValues>> read(const gold::FeatureView& view,
                                                std::span<const data::EntityKey> keys,
                                                EventTime now) override {
    return store_.read(view, keys, now);
  }
  Status read_flat_views(std::span<const online::ViewKeys> views,
                         EventTime now,
                         data::FlatValues* values,
                         std::vector<std::optional<online::AppliedTo>>* applied) override {
    ++asked;
    return failure.ok() ? store_.read_flat_views(views, now, values, applied) : failure;
  }
  Result<EventTime> data_now() override { return store_.data_now(); }
  Result<std::vector<std::string>> views() override { return store_.views(); }
  Status drop(const std::string& storage_name) override { return store_.drop(storage_name); }
  Result<uint64_t> content_hash_at(const gold::FeatureView& view,
                                   std::optional<EventTime> now) override {
    return store_.content_hash_at(view, now);
  }

  int asked = 0;
  std::string failing = "clicks";
  Status failure;

 private:
  online::OnlineStore& store_;
};

class KnownUntil : public testing::Test {
 protected:
  bool says(const std::string& view) {
    store_.asked = 0;
    return known_until_metrics(store_, *fixture_.state).find("{view=\"" + view + "\"} 84600") !=
           std::string::npos;
  }

  ServingFixture fixture_;
  AskedStore store_{*fixture_.store};
};

TEST_F(KnownUntil, TheStoreIsAskedOnceForAllViews) {
  EXPECT_TRUE(says("clicks"));
  EXPECT_EQ(store_.asked, 1);
  EXPECT_TRUE(says("spend"));
}

TEST_F(KnownUntil, AViewThatIsBeingReplacedHidesNoOther) {
  store_.failure = Status(Code::kFailedPrecondition, "another definition");
  EXPECT_FALSE(says("clicks"));
  EXPECT_TRUE(says("spend"));
}

TEST_F(KnownUntil, AStoreThatIsAwayIsWaitedForOnce) {
  store_.failure = Status(Code::kUnavailable, "no answer");
  EXPECT_FALSE(says("clicks"));
  EXPECT_EQ(store_.asked, 1);
  EXPECT_FALSE(says("spend"));
}

}  // namespace
}  // namespace assay::serve
