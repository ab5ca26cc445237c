// A store that has its share of the entities: shares together are what one store with all would be.

#include "online/share_store.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "data/entity_key.h"
#include "online/fake_view.h"
#include "online/rendezvous.h"
#include "online/store_fixture.h"

namespace assay::online {
namespace {

const std::vector<std::string> kNames = {"one", "three", "two"};

/// Three shares by `key`, and a store that has all.
struct Shares {
  Shares(Metrics& metrics, const std::string& key) : all(make_memory_store(metrics)) {
    for (const std::string& name : kNames) {
      stores.push_back(make_share_store({name, kNames, key}, make_memory_store(metrics)));
    }
  }
  void apply(const gold::FeatureView& view,
             const data::Batch& rows,
             std::optional<int64_t> expected,
             int64_t position,
             const std::vector<data::EntityKey>& anew = {}) {
    const EventTime until{position};
    ASSERT_TRUE(all->apply(view, rows, expected, position, until, anew).ok());
    for (const auto& store : stores) {
      const Status applied = store->apply(view, rows, expected, position, until, anew);
      ASSERT_TRUE(applied.ok()) << applied.to_string();
    }
  }
  std::unique_ptr<OnlineStore> all;
  std::vector<std::unique_ptr<OnlineStore>> stores;
};

class ShareStoreTest : public testing::Test {
 protected:
  data::EntityKey route(int user, int item) const {
    return *data::encode_key(
        std::array{data::Scalar::string("u" + std::to_string(user)), data::Scalar::int64(item)});
  }
  data::EntityKey user(int number) const {
    return *data::encode_key(std::array{data::Scalar::string("u" + std::to_string(number))});
  }
  /// Rows of random users; some without one, of times that go up and down.
  data::Batch round(const FakeView& view, int64_t number) {
    data::BatchBuilder rows(view.source_schema());
    for (int i = 0; i < 200; ++i) {
      int column = 0;
      for (const data::Field& key : view.keys()) {
        if (random_->below(20) == 0) {
          rows.column(column++).append_null();
        } else if (key.type == data::Type::kString) {
          rows.column(column++).append_text("u" + std::to_string(random_->below(50)));
        } else {
          rows.column(column++).append(static_cast<int64_t>(random_->below(4)));
        }
      }
      const int64_t time = number * 1'000 + static_cast<int64_t>(random_->below(900));
      rows.column(column++).append(time);
      rows.column(column++).append(time + static_cast<int64_t>(random_->below(50)));
      rows.column(column++).append(number * 200 + i);
      rows.column(column++).append(static_cast<double>(random_->below(1'000)));
    }
    return rows.finish();
  }
  static void expect_same(const gold::FeatureValues& a, const gold::FeatureValues& b) {
    EXPECT_EQ(a.values, b.values);
    EXPECT_EQ(a.statuses, b.statuses);
    EXPECT_EQ(a.event_time, b.event_time);
  }
  /// Each key is answered by one share, as the store that has all answers it, and refused by the
  /// others.
  void compare(Shares& shares, const FakeView& view, const std::vector<data::EntityKey>& keys) {
    const EventTime now = shares.all->data_now().value();
    for (const auto& store : shares.stores) {
      EXPECT_EQ(store->data_now().value(), now);
      EXPECT_EQ(store->applied_to(view).value()->known_until,
                shares.all->applied_to(view).value()->known_until);
    }
    std::vector<int> owned(shares.stores.size(), 0);
    for (const data::EntityKey& key : keys) {
      const std::array<data::EntityKey, 1> one = {key};
      const auto expected = shares.all->read(view, one, now).value();
      int owners = 0;
      for (std::size_t i = 0; i < shares.stores.size(); ++i) {
        const auto found = shares.stores[i]->read(view, one, now);
        data::FlatValues flat;
        EXPECT_EQ(shares.stores[i]->read_flat(view, one, now, &flat).code(), found.code());
        EXPECT_EQ(has_share_of(*shares.stores[i], view, key), found.ok());
        if (found.ok()) {
          ++owners;
          ++owned[i];
          expect_same(found->front(), expected.front());
        } else {
          EXPECT_EQ(found.code(), Code::kFailedPrecondition) << found.status().to_string();
        }
      }
      EXPECT_EQ(owners, 1);
    }
    EXPECT_GT(*std::min_element(owned.begin(), owned.end()), 0) << "one has nothing";
  }

  TestWorld world_;
  std::unique_ptr<Random> random_ = seeded_random(7);
};

TEST_F(ShareStoreTest, SharesTogetherAreTheStoreThatHasAll) {
  const FakeView users("clicks", {{"user_id", data::Type::kString}}, 1);
  const FakeView routes(
      "routes", {{"user_id", data::Type::kString}, {"item_id", data::Type::kInt64}}, 1);
  const FakeView turned(
      "turned", {{"item_id", data::Type::kInt64}, {"user_id", data::Type::kString}}, 1);
  Shares shares(world_.metrics, "user_id");
  std::vector<data::EntityKey> of_users;
  std::vector<data::EntityKey> of_routes;
  std::vector<data::EntityKey> of_turned;
  for (int i = 0; i < 60; ++i) {
    of_users.push_back(user(i));
    for (int item = 0; item < 4; ++item) {
      of_routes.push_back(route(i, item));
      of_turned.push_back(*data::encode_key(
          std::array{data::Scalar::int64(item), data::Scalar::string("u" + std::to_string(i))}));
    }
  }
  for (int64_t number = 1; number <= 4; ++number) {
    const std::optional<int64_t> before = number == 1 ? std::nullopt : std::optional(number - 1);
    std::vector<data::EntityKey> anew;
    if (number == 3) {
      anew = {user(3), user(30), user(31), user(4)};
      std::sort(anew.begin(), anew.end());
    }
    shares.apply(users, round(users, number), before, number, anew);
    shares.apply(routes, round(routes, number), before, number);
    shares.apply(turned, round(turned, number), before, number);
    compare(shares, users, of_users);
    compare(shares, routes, of_routes);
    compare(shares, turned, of_turned);
  }
  for (int i = 0; i < 60; ++i) {  // all rows of a user are in one place
    for (const auto& store : shares.stores) {
      EXPECT_EQ(has_share_of(*store, users, user(i)), has_share_of(*store, routes, route(i, 2)));
    }
  }
}

TEST_F(ShareStoreTest, ViewsWithoutTheKeyAreWholeInEachShare) {
  const FakeView users("clicks", {{"user_id", data::Type::kString}}, 1);
  Shares shares(world_.metrics, "item_id");
  shares.apply(users, round(users, 1), std::nullopt, 1);
  const EventTime now = shares.all->data_now().value();
  for (int i = 0; i < 60; ++i) {
    const std::array<data::EntityKey, 1> one = {user(i)};
    const auto expected = shares.all->read(users, one, now).value();
    for (const auto& store : shares.stores) {
      expect_same(store->read(users, one, now).value().front(), expected.front());
    }
  }
}

TEST_F(ShareStoreTest, RowsOfOthersAreRefusedInEveryWayToRead) {
  const FakeView users("clicks", {{"user_id", data::Type::kString}}, 1);
  Shares shares(world_.metrics, "user_id");
  shares.apply(users, round(users, 1), std::nullopt, 1);
  const std::vector<data::EntityKey> keys = {user(1), user(2), user(3), user(4), user(5), user(6)};
  const std::array<ViewKeys, 1> asked = {ViewKeys{&users, keys}};
  for (const auto& store : shares.stores) {
    data::FlatValues values;
    std::vector<std::optional<AppliedTo>> applied;
    EXPECT_EQ(store->read_flat_views(asked, EventTime{5'000}, &values, &applied).code(),
              Code::kFailedPrecondition);
    EXPECT_EQ(values.size().rows, 0U);
    EXPECT_EQ(store->begin_read(users, keys, EventTime{5'000}), nullptr);
  }
}

TEST_F(ShareStoreTest, AShareIsInAFolderOfItsOwnAndNotInWhatSharesOutItself) {
  const TempFolder folder;
  const FakeView users("clicks", {{"user_id", data::Type::kString}}, 1);
  const auto open = [&](const std::string& place, const catalog::ShareDef& share) {
    std::string names;
    for (const std::string& name : share.names) {
      names += (names.empty() ? "" : ",") + name;
    }
    return open_online_store(
        world_.world,
        catalog::place_of_share(share.name + " of " + names + " by " + share.key, place),
        false,
        "shop");
  };
  {
    const auto one = open(folder.path(), {"one", kNames, "user_id"}).value();
    const auto two = open(folder.path(), {"two", kNames, "user_id"}).value();
    ASSERT_TRUE(one->apply(users, round(users, 1), std::nullopt, 1, EventTime{1}).ok());
    EXPECT_FALSE(two->applied_to(users).value().has_value());
  }
  EXPECT_TRUE(open(folder.path(), {"one", kNames, "user_id"})
                  .value()
                  ->applied_to(users)
                  .value()
                  .has_value());
  EXPECT_FALSE(open(folder.path(), {"one", {"one", "two"}, "user_id"})
                   .value()
                   ->applied_to(users)
                   .value()
                   .has_value())
      << "by another list others own what it has";
  for (const char* const place :
       {"sharded:/a,/b", "postgresql://db/x", "redis+cluster://a:1", "redis://a/0?feast=shop"}) {
    EXPECT_EQ(open(place, {"one", kNames, "user_id"}).code(), Code::kInvalidArgument) << place;
  }
}

}  // namespace
}  // namespace assay::online
