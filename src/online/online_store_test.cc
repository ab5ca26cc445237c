// What every online store must do. To add a store, add a line to the list at the end.

#include "online/online_store.h"

#include <array>
#include <atomic>
#include <map>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/temp_folder.h"
#include "online/entity_rows.h"
#include "online/fake_view.h"
#include "online/paged_fake_view.h"
#include "online/postgres_under_test.h"
#include "online/redis_nodes_under_test.h"
#include "online/redis_tls_under_test.h"
#include "online/redis_under_test.h"
#include "online/sharded_store.h"
#include "online/share_store.h"
#include "online/store_fixture.h"
#include "online/store_under_load.h"
#include "online/view_replacer.h"

namespace assay::online {
namespace {

using data::FeatureStatus;

struct StoreKind {
  std::string name;
  std::function<Result<std::unique_ptr<OnlineStore>>(TestWorld&, const std::string& folder)> open;
};

class OnlineStoreTest : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<OnlineStore>> opened = GetParam().open(world_, folder_.path());
    ASSERT_TRUE(opened.ok()) << opened.status().to_string();
    store_ = std::move(opened).value();
  }
  gold::FeatureValues read_one(const FakeView& view, const std::string& key, int64_t now) {
    const std::vector<data::EntityKey> keys = {fake_key(key)};
    Result<std::vector<gold::FeatureValues>> answers = store_->read(view, keys, EventTime{now});
    EXPECT_TRUE(answers.ok()) << answers.status().to_string();
    if (!answers.ok()) {
      return {};
    }
    expect_flat(view, keys, EventTime{now}, *answers);
    return answers->front();
  }
  /// read_flat gives the same, and where the view stands.
  void expect_flat(const FakeView& view,
                   const std::vector<data::EntityKey>& keys,
                   EventTime now,
                   const std::vector<gold::FeatureValues>& answers) {
    data::FlatValues flat;
    flat.add_row(1, FeatureStatus::kNotFound, {});
    const auto applied = store_->read_flat(view, keys, now, &flat);
    ASSERT_TRUE(applied.ok()) << applied.status().to_string();
    const auto expected = store_->known_applied_to(view).value();
    ASSERT_EQ(applied->has_value(), expected.has_value());
    EXPECT_EQ(applied->value_or(AppliedTo{}).position, expected.value_or(AppliedTo{}).position);
    ASSERT_EQ(flat.size().rows, 1 + answers.size());
    std::size_t at = 1;
    for (std::size_t row = 0; row < answers.size(); ++row) {
      EXPECT_EQ(flat.time(1 + row), answers[row].event_time.value_or(EventTime{}));
      for (std::size_t i = 0; i < answers[row].values.size(); ++i, ++at) {
        EXPECT_EQ(flat.scalar(at, data::Type::kFloat64), answers[row].values[i]);
        EXPECT_EQ(flat.status(at), answers[row].statuses[i]);
      }
    }
  }
  int64_t counter(const std::string& name) { return world_.metrics.counter(name, "").value(); }

  TempFolder folder_;
  TestWorld world_;
  std::unique_ptr<OnlineStore> store_;
};

FakeView text_view(const std::string& name,
                   int features,
                   std::optional<Duration> ttl = std::nullopt,
                   uint64_t version = 1) {
  return FakeView(name, {{"user_id", data::Type::kString}}, features, ttl, version);
}

/// Stores that keep long rows in pages.
class PagedStoreTest : public OnlineStoreTest {};

TEST_P(PagedStoreTest, PagesChangeWithTheirRowsOrNotAtAll) {
  const PagedFakeView view("clicks", {{"user_id", data::Type::kString}}, 1);
  const auto value_of = [&](const std::string& key) { return read_one(view, key, 50).values[0]; };
  const auto apply = [&](const std::vector<FakeRow>& rows, std::optional<int64_t> expected) {
    return store_->apply(view, fake_batch(view, rows), expected, expected.value_or(0) + 1, {50});
  };
  ASSERT_TRUE(apply({{"u1", 1, 1, {1.0}}, {"u2", 1, 1, {2.0}}}, {}).ok());
  EXPECT_EQ(value_of("u1"), data::Scalar::float64(1.0));
  EXPECT_EQ(value_of("u2"), data::Scalar::float64(2.0));
  const uint64_t hash = store_->content_hash(view).value();

  EXPECT_EQ(apply({{"a", 2, 2, {3.0}}, {"boom", 2, 2, {4.0}}, {"u1", 2, 2, {5.0}}}, 1).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(store_->content_hash(view).value(), hash);
  EXPECT_EQ(value_of("u1"), data::Scalar::float64(1.0));
  EXPECT_TRUE(value_of("a").is_null());

  ASSERT_TRUE(apply({{"a", 3, 3, {6.0}}, {"u1", 3, 3, {7.0}}}, 1).ok());
  EXPECT_EQ(value_of("a"), data::Scalar::float64(6.0));
  EXPECT_EQ(value_of("u1"), data::Scalar::float64(7.0));
  EXPECT_EQ(value_of("u2"), data::Scalar::float64(2.0));

  // Another view's pages are others; a dropped view's are gone.
  const PagedFakeView other("views", {{"user_id", data::Type::kString}}, 1);
  ASSERT_TRUE(store_->apply(other, fake_batch(other, {{"u1", 1, 1, {9.0}}}), {}, 1, {50}).ok());
  ASSERT_TRUE(store_->drop(view.storage_name()).ok());
  EXPECT_TRUE(value_of("u1").is_null());
  EXPECT_EQ(read_one(other, "u1", 50).values[0], data::Scalar::float64(9.0));
  ASSERT_TRUE(apply({{"u2", 4, 4, {8.0}}}, {}).ok());
  EXPECT_EQ(value_of("u2"), data::Scalar::float64(8.0));
}

TEST_P(PagedStoreTest, EntitiesMadeAnewGiveTheirPagesBack) {
  const PagedFakeView view("clicks", {{"user_id", data::Type::kString}}, 1);
  const auto rows = fake_batch(view, {{"u1", 1, 1, {1.0}}, {"u2", 1, 1, {2.0}}});
  ASSERT_TRUE(store_->apply(view, rows, {}, 1, {50}).ok());
  const std::vector<data::EntityKey> anew = {fake_key("u1"), fake_key("nobody")};
  for (int64_t position = 1; position < 5; ++position) {
    const double value = static_cast<double>(position);
    const auto again = fake_batch(view, {{"u1", 2, 2, {value}}});
    ASSERT_TRUE(store_->apply(view, again, position, position + 1, {50}, anew).ok());
    EXPECT_EQ(read_one(view, "u1", 50).values[0], data::Scalar::float64(value));
    EXPECT_EQ(view.erased(), position);
  }
  EXPECT_EQ(read_one(view, "u2", 50).values[0], data::Scalar::float64(2.0));
}

TEST_P(PagedStoreTest, WhatWasFilledBesideBringsItsPages) {
  const std::vector<data::Field> keys = {{"user_id", data::Type::kString}};
  const PagedFakeView view("clicks", keys, 1);
  const Beside<PagedFakeView> beside("clicks", keys, 1);
  const std::string long_key(600, 'k');
  std::vector<FakeRow> rows;
  for (int user = 0; user < 2500; ++user) {
    rows.push_back({"u" + std::to_string(user), 2, 2, {user + 0.5}});
  }
  rows.push_back({long_key, 2, 2, {7.0}});
  ASSERT_TRUE(
      store_
          ->apply(view, fake_batch(view, {{"u1", 1, 1, {1.0}}, {"gone", 1, 1, {2.0}}}), {}, 9, {50})
          .ok());
  ASSERT_TRUE(store_->apply(beside, fake_batch(beside, rows), {}, 4, {50}).ok());
  const uint64_t filled = store_->content_hash_at(beside, EventTime{50}).value();
  ASSERT_TRUE(replace_view(*store_, view, beside.storage_name()).ok());
  EXPECT_EQ(store_->content_hash_at(view, EventTime{50}).value(), filled);
  EXPECT_EQ(store_->content_hash_at(beside, EventTime{50}).value(), 0U);
  EXPECT_EQ(read_one(view, "u1", 50).values[0], data::Scalar::float64(1.5));
  EXPECT_EQ(read_one(view, long_key, 50).values[0], data::Scalar::float64(7.0));
  EXPECT_TRUE(read_one(view, "gone", 50).values[0].is_null());
  // It goes on as any other.
  ASSERT_TRUE(store_->apply(view, fake_batch(view, {{"u1", 3, 3, {9.0}}}), 4, 5, {50}).ok());
  EXPECT_EQ(read_one(view, "u1", 50).values[0], data::Scalar::float64(9.0));
  EXPECT_EQ(read_one(view, "u2499", 50).values[0], data::Scalar::float64(2499.5));
}

TEST_P(OnlineStoreTest, WhatWasFilledBesideTakesAViewsPlace) {
  const std::vector<data::Field> keys = {{"user_id", data::Type::kString}};
  const FakeView view("clicks", keys, 1);
  const Beside<FakeView> beside("clicks", keys, 1);
  const FakeView other = text_view("spend", 1);
  EXPECT_EQ(replace_view(*store_, view, beside.storage_name()).code(), Code::kNotFound);
  const auto fill = [&](const FakeView& into, double value, int64_t position) {
    const int64_t time = 3 + static_cast<int64_t>(value);
    const auto rows = fake_batch(into, {{"u1", time, time, {value}}, {"u2", time, time, {value}}});
    return store_->apply(into, rows, {}, position, EventTime{9});
  };
  ASSERT_TRUE(fill(view, 1.0, 8).ok());
  ASSERT_TRUE(store_->apply(other, fake_batch(other, {{"u1", 4, 4, {7.0}}}), {}, 3, {9}).ok());
  EXPECT_EQ(replace_view(*store_, view, beside.storage_name()).code(), Code::kNotFound);
  EXPECT_EQ(read_one(view, "u1", 20).values[0], data::Scalar::float64(1.0));
  for (int again = 0; again < 2; ++again) {
    const double value = 2.0 + again;
    ASSERT_TRUE(fill(beside, value, 4 + again).ok());
    EXPECT_EQ(store_->views().value().size(), 3U);
    EXPECT_EQ(store_->data_now().value(), EventTime{4 + again}) << "what is beside is not served";
    EXPECT_EQ(read_one(view, "u1", 20).values[0], data::Scalar::float64(value - 1.0));
    const Status replaced = replace_view(*store_, view, beside.storage_name());
    ASSERT_TRUE(replaced.ok()) << replaced.to_string();
    EXPECT_EQ(read_one(view, "u1", 20).values[0], data::Scalar::float64(value));
    EXPECT_EQ(read_one(view, "u2", 20).values[0], data::Scalar::float64(value));
    EXPECT_EQ((*store_->applied_to(view))->position, 4 + again);
    EXPECT_FALSE(store_->applied_to(beside)->has_value());
    EXPECT_EQ(store_->views().value(), (std::vector<std::string>{"clicks", "spend"}));
    EXPECT_EQ(read_one(other, "u1", 20).values[0], data::Scalar::float64(7.0));
  }
  const FakeView changed = text_view("clicks", 1, std::nullopt, 2);
  ASSERT_TRUE(fill(beside, 9.0, 1).ok());
  EXPECT_EQ(replace_view(*store_, changed, beside.storage_name()).code(),
            Code::kFailedPrecondition);
  EXPECT_EQ(read_one(view, "u1", 20).values[0], data::Scalar::float64(3.0));
  ASSERT_TRUE(store_->drop(beside.storage_name()).ok());
  ASSERT_TRUE(store_->apply(view, fake_batch(view, {{"u1", 7, 7, {4.0}}}), 5, 6, {20}).ok());
  EXPECT_EQ(read_one(view, "u1", 20).values[0], data::Scalar::float64(4.0));
}

TEST_P(OnlineStoreTest, SeveralViewsAreReadAtOnceAsOneAfterTheOther) {
  const std::vector<FakeView> views = {
      text_view("clicks", 3), text_view("empty", 1), text_view("spend", 3, Duration{20})};
  std::vector<FakeRow> rows;
  for (int i = 0; i < 50; ++i) {
    rows.push_back({"u" + std::to_string(i), i, i, {i + 0.5, {}, i * 2.0}});
  }
  for (const FakeView* const view : {&views[0], &views[2]}) {
    ASSERT_TRUE(store_->apply(*view, fake_batch(*view, rows), {}, 7, EventTime{60}).ok());
  }
  const auto random = seeded_random(3);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::vector<data::EntityKey>> keys;
    std::vector<ViewKeys> asked;
    keys.reserve(8);
    for (uint64_t left = random->below(8); left > 0; --left) {
      constexpr std::array<uint64_t, 4> kCounts = {0, 1, 3, 40};
      std::vector<data::EntityKey>& of = keys.emplace_back();
      for (uint64_t key = kCounts[random->below(kCounts.size())]; key > 0; --key) {
        of.push_back(fake_key("u" + std::to_string(random->below(60))));
      }
      asked.push_back({&views[random->below(views.size())], of});
    }
    data::FlatValues at_once;
    data::FlatValues each;
    std::vector<std::optional<AppliedTo>> applied;
    ASSERT_TRUE(store_->read_flat_views(asked, EventTime{60}, &at_once, &applied).ok());
    ASSERT_EQ(applied.size(), asked.size());
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const auto stands = store_->read_flat(*asked[i].view, asked[i].keys, EventTime{60}, &each);
      ASSERT_TRUE(stands.ok()) << stands.status().to_string();
      ASSERT_EQ(applied[i].has_value(), stands->has_value());
      EXPECT_EQ(applied[i].value_or(AppliedTo{}).position, stands->value_or(AppliedTo{}).position);
    }
    ASSERT_EQ(at_once.size().words, each.size().words);
    ASSERT_EQ(at_once.size().rows, each.size().rows);
    for (std::size_t at = 0; at < each.size().words; ++at) {
      ASSERT_EQ(at_once.status(at), each.status(at));
      ASSERT_EQ(at_once.scalar(at, data::Type::kFloat64), each.scalar(at, data::Type::kFloat64));
    }
    for (std::size_t row = 0; row < each.size().rows; ++row) {
      ASSERT_EQ(at_once.time(row), each.time(row));
    }
  }
  const FakeView changed = text_view("spend", 3, Duration{20}, 2);
  const std::vector<data::EntityKey> keys = {fake_key("u1")};
  const std::vector<ViewKeys> asked = {{&views[0], keys}, {&changed, keys}};
  data::FlatValues values;
  values.add_row(2, FeatureStatus::kNotFound, {});
  std::vector<std::optional<AppliedTo>> applied;
  EXPECT_EQ(store_->read_flat_views(asked, EventTime{60}, &values, &applied).code(),
            Code::kFailedPrecondition);
  EXPECT_EQ(values.size().words, 2U) << "no row of those that could be read";
}

TEST_P(OnlineStoreTest, WhatWasAppliedIsReadWithStatusAndEventTime) {
  const FakeView view = text_view("clicks", 2);
  ASSERT_TRUE(
      store_->apply(view, fake_batch(view, {{"u1", 10, 12, {1.5, {}}}}), {}, 3, EventTime{20})
          .ok());
  const gold::FeatureValues answer = read_one(view, "u1", 20);
  EXPECT_EQ(answer.values[0], data::Scalar::float64(1.5));
  EXPECT_EQ(answer.statuses[0], FeatureStatus::kPresent);
  EXPECT_TRUE(answer.values[1].is_null());
  EXPECT_EQ(answer.statuses[1], FeatureStatus::kNullValue);
  EXPECT_EQ(answer.event_time, EventTime{10});
}

TEST_P(OnlineStoreTest, AnUnknownEntityOrViewIsNotFound) {
  const FakeView view = text_view("clicks", 1);
  EXPECT_EQ(read_one(view, "u1", 5).statuses[0], FeatureStatus::kNotFound);
  ASSERT_TRUE(
      store_->apply(view, fake_batch(view, {{"u1", 1, 1, {1.0}}}), {}, 0, EventTime{1}).ok());
  EXPECT_EQ(read_one(view, "u2", 5).statuses[0], FeatureStatus::kNotFound);
  EXPECT_EQ(read_one(text_view("other", 1), "u1", 5).statuses[0], FeatureStatus::kNotFound);
}

TEST_P(OnlineStoreTest, ARowKnownLaterAnswersOnlyFromThenOn) {
  const FakeView view = text_view("clicks", 1);
  const data::Batch rows = fake_batch(view, {{"u1", 10, 10, {1.0}}, {"u1", 11, 30, {2.0}}});
  ASSERT_TRUE(store_->apply(view, rows, {}, 0, EventTime{20}).ok());
  EXPECT_EQ(read_one(view, "u1", 29).values[0], data::Scalar::float64(1.0));
  EXPECT_EQ(read_one(view, "u1", 30).values[0], data::Scalar::float64(2.0));
}

TEST_P(OnlineStoreTest, AnOldAnswerIsOutsideMaxAge) {
  const FakeView view = text_view("clicks", 1, Duration{100});
  ASSERT_TRUE(
      store_->apply(view, fake_batch(view, {{"u1", 10, 10, {1.0}}}), {}, 0, EventTime{10}).ok());
  EXPECT_EQ(read_one(view, "u1", 110).statuses[0], FeatureStatus::kPresent);
  const gold::FeatureValues old = read_one(view, "u1", 111);
  EXPECT_EQ(old.statuses[0], FeatureStatus::kOutsideMaxAge);
  EXPECT_TRUE(old.values[0].is_null());
}

TEST_P(OnlineStoreTest, PositionMovesOnlyFromTheExpectedOne) {
  const FakeView view = text_view("clicks", 1);
  const data::Batch rows = fake_batch(view, {{"u1", 1, 1, {1.0}}});
  EXPECT_FALSE(store_->applied_to(view)->has_value());
  EXPECT_EQ(store_->apply(view, rows, 4, 5, EventTime{1}).code(), Code::kFailedPrecondition);
  EXPECT_FALSE(store_->applied_to(view)->has_value());
  ASSERT_TRUE(store_->apply(view, rows, {}, 5, EventTime{1}).ok());
  EXPECT_EQ((*store_->applied_to(view))->position, 5);
  EXPECT_EQ(store_->apply(view, rows, {}, 6, EventTime{1}).code(), Code::kFailedPrecondition);
  EXPECT_EQ(store_->apply(view, rows, 4, 6, EventTime{1}).code(), Code::kFailedPrecondition);
  EXPECT_EQ(store_->apply(view, rows, 5, 4, EventTime{1}).code(), Code::kFailedPrecondition);
  ASSERT_TRUE(store_->apply(view, fake_batch(view, {}), 5, 9, EventTime{1}).ok());
  EXPECT_EQ((*store_->applied_to(view))->position, 9);
}

TEST_P(OnlineStoreTest, ARefusedApplyChangesNothing) {
  const FakeView view = text_view("clicks", 1);
  ASSERT_TRUE(
      store_->apply(view, fake_batch(view, {{"u1", 1, 1, {1.0}}}), {}, 1, EventTime{1}).ok());
  const uint64_t before = *store_->content_hash(view);
  EXPECT_FALSE(
      store_->apply(view, fake_batch(view, {{"u1", 2, 2, {2.0}}}), 7, 8, EventTime{2}).ok());
  EXPECT_EQ(*store_->content_hash(view), before);
  EXPECT_EQ(read_one(view, "u1", 9).values[0], data::Scalar::float64(1.0));
}

TEST_P(OnlineStoreTest, RowsOfAnotherDefinitionAreNeitherReadNorChanged) {
  const FakeView old_view = text_view("clicks", 1);
  const FakeView new_view = text_view("clicks", 1, std::nullopt, 2);
  ASSERT_TRUE(
      store_->apply(old_view, fake_batch(old_view, {{"u1", 1, 1, {1.0}}}), {}, 1, EventTime{1})
          .ok());
  const std::vector<data::EntityKey> keys = {fake_key("u1")};
  EXPECT_EQ(store_->read(new_view, keys, EventTime{5}).code(), Code::kFailedPrecondition);
  EXPECT_EQ(store_->applied_to(new_view).code(), Code::kFailedPrecondition);
  EXPECT_EQ(store_->apply(new_view, fake_batch(new_view, {}), 1, 2, EventTime{1}).code(),
            Code::kFailedPrecondition);
  ASSERT_TRUE(store_->drop("clicks").ok());
  EXPECT_TRUE(
      store_->apply(new_view, fake_batch(new_view, {{"u1", 1, 1, {3.0}}}), {}, 2, EventTime{1})
          .ok());
  EXPECT_EQ(read_one(new_view, "u1", 5).values[0], data::Scalar::float64(3.0));
}

TEST_P(OnlineStoreTest, NullKeysAreSkippedAndCounted) {
  const FakeView view = text_view("clicks", 1);
  const data::Batch rows =
      fake_batch(view, {{"u1", 1, 1, {1.0}}, {std::nullopt, 2, 2, {2.0}}, {"u1", 3, 3, {3.0}}});
  ASSERT_TRUE(store_->apply(view, rows, {}, 0, EventTime{3}).ok());
  EXPECT_EQ(counter("assay_online_null_key_rows_total"), 1);
  EXPECT_EQ(counter("assay_online_applied_rows_total"), 2);
  EXPECT_EQ(counter("assay_online_written_entities_total"), 1);
}

TEST_P(OnlineStoreTest, DataNowIsTheLatestVisibleTimeOfAllViews) {
  const FakeView clicks = text_view("clicks", 1);
  const FakeView orders = text_view("orders", 1);
  EXPECT_EQ(*store_->data_now(), EventTime::min());
  ASSERT_TRUE(
      store_->apply(clicks, fake_batch(clicks, {{"u1", 5, 40, {1.0}}}), {}, 0, EventTime{9}).ok());
  ASSERT_TRUE(
      store_->apply(orders, fake_batch(orders, {{"u1", 30, 20, {1.0}}}), {}, 0, EventTime{9}).ok());
  EXPECT_EQ(*store_->data_now(), EventTime{40});
  EXPECT_EQ((*store_->applied_to(orders))->known_until, EventTime{30});
  ASSERT_TRUE(
      store_->apply(clicks, fake_batch(clicks, {{"u1", 6, 7, {1.0}}}), 0, 1, EventTime{9}).ok());
  EXPECT_EQ(*store_->data_now(), EventTime{40}) << "never goes back";
}

TEST_P(OnlineStoreTest, DropForgetsOneViewOnly) {
  const FakeView click = text_view("click", 1);
  const FakeView clicks = text_view("clicks", 1);
  for (const FakeView* view : {&click, &clicks}) {
    ASSERT_TRUE(
        store_->apply(*view, fake_batch(*view, {{"u1", 1, 1, {1.0}}}), {}, 0, EventTime{1}).ok());
  }
  ASSERT_TRUE(store_->drop("click").ok());
  EXPECT_EQ(read_one(click, "u1", 1).statuses[0], FeatureStatus::kNotFound);
  EXPECT_FALSE(store_->applied_to(click)->has_value());
  EXPECT_EQ(read_one(clicks, "u1", 1).statuses[0], FeatureStatus::kPresent);
  EXPECT_TRUE(store_->drop("never_there").ok());
}

TEST_P(OnlineStoreTest, AnswersStandInTheOrderOfTheKeysWithRepeats) {
  const FakeView view = text_view("clicks", 1);
  const data::Batch rows = fake_batch(view, {{"b", 1, 1, {2.0}}, {"a", 1, 1, {1.0}}});
  ASSERT_TRUE(store_->apply(view, rows, {}, 0, EventTime{1}).ok());
  const std::vector<data::EntityKey> keys = {
      fake_key("b"), fake_key("x"), fake_key("a"), fake_key("b")};
  const auto answers = store_->read(view, keys, EventTime{1});
  ASSERT_TRUE(answers.ok());
  EXPECT_EQ((*answers)[0].values[0], data::Scalar::float64(2.0));
  EXPECT_EQ((*answers)[1].statuses[0], FeatureStatus::kNotFound);
  EXPECT_EQ((*answers)[2].values[0], data::Scalar::float64(1.0));
  EXPECT_EQ((*answers)[3].values[0], data::Scalar::float64(2.0));
}

TEST_P(OnlineStoreTest, KeysOfAnyLengthKeepApart) {
  const FakeView view = text_view("clicks", 1);
  std::vector<FakeRow> rows;
  for (const std::size_t size : {0U, 1U, 498U, 499U, 500U, 501U, 502U, 511U, 512U, 5000U}) {
    for (const char last : {'a', 'b'}) {
      rows.push_back({std::string(size, 'k') + last,
                      1,
                      1,
                      {static_cast<double>(size) + (last == 'a' ? 0 : .5)}});
    }
  }
  ASSERT_TRUE(store_->apply(view, fake_batch(view, rows), {}, 0, EventTime{1}).ok());
  for (const FakeRow& row : rows) {
    EXPECT_EQ(read_one(view, *row.key, 1).values[0], data::Scalar::float64(*row.features[0]));
  }
  EXPECT_EQ(read_one(view, std::string(5000, 'k') + 'c', 1).statuses[0], FeatureStatus::kNotFound);
}

TEST_P(OnlineStoreTest, BadNamesAndBatchesAreRefused) {
  const FakeView long_name = text_view(std::string(300, 'v'), 1);
  EXPECT_EQ(store_->apply(long_name, fake_batch(long_name, {}), {}, 0, EventTime{1}).code(),
            Code::kInvalidArgument);
  const FakeView view = text_view("clicks", 1);
  const FakeView other("clicks", {{"user_id", data::Type::kInt64}}, 1);
  EXPECT_EQ(
      store_->apply(view, data::Batch::empty(other.source_schema()), {}, 0, EventTime{1}).code(),
      Code::kInvalidArgument);
  EXPECT_EQ(store_->apply(view, data::Batch(), {}, 0, EventTime{1}).code(), Code::kInvalidArgument);
}

TEST_P(OnlineStoreTest, AnyCutAndOrderOfRowsGivesTheSameContentAsANaiveMap) {
  const unsigned seed = 20261121;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const FakeView view = text_view("clicks", 3);
  std::vector<FakeRow> rows;
  std::map<std::string, FakeRow> newest;
  for (int i = 0; i < 500; ++i) {
    FakeRow row{"u" + std::to_string(random() % 40), i * 7 % 501, 1000, {}};
    for (int f = 0; f < 3; ++f) {
      row.features.push_back(random() % 5 == 0
                                 ? std::nullopt
                                 : std::optional<double>(static_cast<double>(random() % 1000)));
    }
    rows.push_back(row);
    const auto [at, added] = newest.try_emplace(*row.key, row);
    if (!added && row.event_time >= at->second.event_time) {
      at->second = row;
    }
  }
  int64_t position = 0;
  for (std::size_t begin = 0; begin < rows.size(); ++position) {
    const std::size_t end = std::min(rows.size(), begin + 1 + random() % 90);
    const std::vector<FakeRow> part(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                                    rows.begin() + static_cast<std::ptrdiff_t>(end));
    ASSERT_TRUE(store_
                    ->apply(view,
                            fake_batch(view, part, static_cast<int64_t>(begin)),
                            position == 0 ? std::nullopt : std::optional<int64_t>(position - 1),
                            position,
                            EventTime{2000})
                    .ok());
    begin = end;
  }
  std::vector<data::EntityKey> keys = {fake_key("nobody")};
  for (const auto& [key, row] : newest) {
    keys.push_back(fake_key(key));
  }
  expect_flat(view, keys, EventTime{2000}, store_->read(view, keys, EventTime{2000}).value());
  for (const auto& [key, row] : newest) {
    const gold::FeatureValues answer = read_one(view, key, 2000);
    EXPECT_EQ(answer.event_time, EventTime{row.event_time});
    for (std::size_t f = 0; f < 3; ++f) {
      EXPECT_EQ(answer.values[f].is_null(), !row.features[f].has_value());
      if (row.features[f].has_value()) {
        EXPECT_EQ(answer.values[f], data::Scalar::float64(*row.features[f]));
      }
    }
  }
  Metrics metrics;
  const std::unique_ptr<OnlineStore> at_once = make_memory_store(metrics);
  ASSERT_TRUE(at_once->apply(view, fake_batch(view, rows), {}, 0, EventTime{2000}).ok());
  EXPECT_EQ(*store_->content_hash(view), *at_once->content_hash(view));
}

/// Stores whose reads are of one state: those of several parts see one of each.
class OneStateTest : public OnlineStoreTest {};

TEST_P(OneStateTest, ReadersSeeOneConsistentStateWhileAWriterWorks) {
  const FakeView view = text_view("clicks", 1);
  const auto batch_of = [&](int64_t round) {
    std::vector<FakeRow> rows;
    for (int user = 0; user < 20; ++user) {
      rows.push_back({"u" + std::to_string(user), round, round, {static_cast<double>(round)}});
    }
    return fake_batch(view, rows, round * 20);
  };
  ASSERT_TRUE(store_->apply(view, batch_of(0), {}, 0, EventTime{0}).ok());
  std::vector<data::EntityKey> keys;
  for (int user = 0; user < 20; ++user) {
    keys.push_back(fake_key("u" + std::to_string(user)));
  }
  std::atomic<bool> done{false};
  std::atomic<int> torn{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      do {
        const auto answers = store_->read(view, keys, EventTime{1000});
        for (std::size_t k = 1; answers.ok() && k < keys.size(); ++k) {
          torn += (*answers)[k].values[0] == (*answers)[0].values[0] ? 0 : 1;
        }
        torn += answers.ok() ? 0 : 1;
      } while (!done);
    });
  }
  for (int64_t round = 1; round <= 50; ++round) {
    EXPECT_TRUE(store_->apply(view, batch_of(round), round - 1, round, EventTime{round}).ok());
  }
  done = true;
  readers.clear();
  EXPECT_EQ(torn, 0);
}

TEST_P(OneStateTest, ReadersSeeAllOfTheOldOrAllOfWhatReplacesIt) {
  const std::vector<data::Field> fields = {{"user_id", data::Type::kString}};
  const FakeView view("clicks", fields, 1);
  const Beside<FakeView> beside("clicks", fields, 1);
  constexpr int64_t kRounds = 20;
  std::vector<data::EntityKey> keys;
  for (int user = 0; user < 20; ++user) {
    keys.push_back(fake_key("u" + std::to_string(user)));
  }
  const auto fill = [&](const FakeView& into, int64_t round) {
    std::vector<FakeRow> rows;
    for (int user = 0; user < 20; ++user) {
      rows.push_back({"u" + std::to_string(user), 1, 1, {static_cast<double>(round)}});
    }
    return store_->apply(into, fake_batch(into, rows), {}, round, EventTime{1});
  };
  ASSERT_TRUE(fill(view, 0).ok());
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      double newest = 0;
      do {
        data::FlatValues values;
        const auto applied = store_->read_flat(view, keys, EventTime{1000}, &values);
        if (!applied.ok() || !applied->has_value()) {
          ++wrong;
          continue;
        }
        const double first = std::get<double>(values.scalar(0, data::Type::kFloat64).value);
        for (std::size_t k = 1; k < keys.size(); ++k) {
          wrong += values.scalar(k, data::Type::kFloat64) == data::Scalar::float64(first) ? 0 : 1;
        }
        wrong += first < newest || first < static_cast<double>((*applied)->position) ? 1 : 0;
        newest = first;
      } while (!done);
    });
  }
  for (int64_t round = 1; round <= kRounds; ++round) {
    EXPECT_TRUE(fill(beside, round).ok());
    EXPECT_TRUE(replace_view(*store_, view, beside.storage_name()).ok());
  }
  done = true;
  readers.clear();
  EXPECT_EQ(wrong, 0);
}

TEST_P(OnlineStoreTest, TwoThreadsWriteTwoViews) {
  constexpr int64_t kRounds = 50;
  const std::vector<FakeView> views = {text_view("clicks", 1), text_view("spend", 1)};
  std::atomic<int> failed{0};
  {
    std::vector<std::jthread> writers;
    for (const FakeView& view : views) {
      writers.emplace_back([&] {
        for (int64_t round = 0; round < kRounds; ++round) {
          const auto rows = fake_batch(
              view,
              {{"u" + std::to_string(round), round, round, {static_cast<double>(round)}}},
              round);
          const auto expected = round == 0 ? std::nullopt : std::optional(round - 1);
          failed += store_->apply(view, rows, expected, round, EventTime{round}).ok() ? 0 : 1;
        }
      });
    }
  }
  EXPECT_EQ(failed, 0);
  for (const FakeView& view : views) {
    EXPECT_EQ((*store_->applied_to(view))->position, kRounds - 1);
    for (int64_t round = 0; round < kRounds; ++round) {
      EXPECT_EQ(read_one(view, "u" + std::to_string(round), 1000).values[0],
                data::Scalar::float64(static_cast<double>(round)));
    }
  }
}

TEST_P(OneStateTest, ReadersBesideAWriterSeeWholeRowsNoOlderThanAcknowledged) {
  constexpr int64_t kRounds = 150;
  const auto seen = StoreUnderLoad(*store_).run(2, [](int64_t round) { return round <= kRounds; });
  EXPECT_EQ(seen.rounds, kRounds);
  EXPECT_GT(seen.reads, 0);
}

std::vector<StoreKind> paged_stores() {
  return {
      StoreKind{"memory",
                [](TestWorld& world, const std::string&) -> Result<std::unique_ptr<OnlineStore>> {
                  return make_memory_store(world.metrics);
                }},
      StoreKind{"lmdb",
                [](TestWorld& world, const std::string& folder) {
                  return open_lmdb_store(world.world, folder, false);
                }},
      StoreKind{"lmdb_tiny_map",
                [](TestWorld& world, const std::string& folder) {
                  LmdbOptions options;
                  options.sync = false;
                  options.map_bytes = 1 << 16;
                  return open_lmdb_store(world.world, folder, options);
                }},
      StoreKind{"hash_log",
                [](TestWorld& world, const std::string& folder) {
                  return open_hash_log_store(world.world, folder, {});
                }},
      // Throws away, grows and writes checkpoints all the time.
      StoreKind{"hash_log_tiny_files", [](TestWorld& world, const std::string& folder) {
                  HashLogOptions options;
                  options.sync = false;
                  options.file_bits = 14;
                  options.checkpoint_bytes = 1 << 12;
                  return open_hash_log_store(world.world, folder, options);
                }}};
}

std::vector<StoreKind> one_state_stores() {
  std::vector<StoreKind> stores = paged_stores();
  stores.push_back({"redis", [](TestWorld& world, const std::string&) {
                      return open_redis_store(world.world, RedisUnderTest::shared().fresh_url());
                    }});
  stores.push_back({"postgres", [](TestWorld& world, const std::string&) {
                      return open_postgres_store(
                          world.world, PostgresUnderTest::shared().fresh_url(), false);
                    }});
  return stores;
}

std::vector<StoreKind> all_stores() {
  std::vector<StoreKind> stores = one_state_stores();
  stores.push_back({"redis_beside_feasts_rows", [](TestWorld& world, const std::string&) {
                      return open_redis_store(world.world,
                                              RedisUnderTest::shared().fresh_url() +
                                                  "&from_feast=shop&from_feast_views=another");
                    }});
  stores.push_back({"redis_tls", [](TestWorld& world, const std::string&) {
                      return open_redis_store(world.world, RedisTlsUnderTest::shared().fresh_url());
                    }});
  stores.push_back({"redis_cluster", [](TestWorld& world, const std::string&) {
                      return open_redis_store(world.world,
                                              RedisClusterUnderTest::shared().fresh_url());
                    }});
  stores.push_back({"sharded", [](TestWorld& world, const std::string&) {
                      std::vector<StoreShard> shards;
                      for (const char* const name : {"a", "b", "c"}) {
                        shards.push_back({name, make_memory_store(world.metrics)});
                      }
                      return Result<std::unique_ptr<OnlineStore>>(
                          make_sharded_store(world.world.clock, std::move(shards)));
                    }});
  stores.push_back({"share", [](TestWorld& world, const std::string&) {  // of one, which has all
                      return Result<std::unique_ptr<OnlineStore>>(make_share_store(
                          {"a", {"a"}, "user_id"}, make_memory_store(world.metrics)));
                    }});
  return stores;
}

std::string name_of(const testing::TestParamInfo<StoreKind>& kind) {
  return kind.param.name;
}

INSTANTIATE_TEST_SUITE_P(Stores, OnlineStoreTest, testing::ValuesIn(all_stores()), name_of);
INSTANTIATE_TEST_SUITE_P(Stores, OneStateTest, testing::ValuesIn(one_state_stores()), name_of);
INSTANTIATE_TEST_SUITE_P(Stores, PagedStoreTest, testing::ValuesIn(paged_stores()), name_of);

}  // namespace
}  // namespace assay::online
