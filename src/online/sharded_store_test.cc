// What is particular to a store of several parts: whose an entity is, and applies that are cut off
// between two of them. What it must do as a store is in online_store_test.cc.

#include "online/sharded_store.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "online/fake_view.h"
#include "online/redis_under_test.h"
#include "online/store_fixture.h"
#include "online/view_replacer.h"

namespace assay::online {
namespace {

constexpr int kUsers = 300;

/// A store that can be out of reach.
class Faulty : public OnlineStore, public ViewReplacer {
 public:
  explicit Faulty(std::unique_ptr<OnlineStore> store) : store_(std::move(store)) {}
  Status apply(const gold::FeatureView& view,
               const data::Batch& rows,
               std::optional<int64_t> expected,
               int64_t position,
               EventTime applied_until,
               std::span<const data::EntityKey> anew) override {
    return is_away || refuses ? away()
                              : store_->apply(view, rows, expected, position, applied_until, anew);
  }
  Result<std::optional<AppliedTo>> applied_to(const gold::FeatureView& view) override {
    ++asked;
    return is_away ? Result<std::optional<AppliedTo>>(away()) : store_->applied_to(view);
  }
  Result<std::vector<gold::FeatureValues>> read(const gold::FeatureView& view,
                                                std::span<const data::EntityKey> keys,
                                                EventTime now) override {
    return is_away ? Result<std::vector<gold::FeatureValues>>(away())
                   : store_->read(view, keys, now);
  }
  std::unique_ptr<PendingRead> begin_read(const gold::FeatureView& view,
                                          std::span<const data::EntityKey> keys,
                                          EventTime now) override {
    class Begun : public PendingRead {
     public:
      Begun(Faulty& store, const gold::FeatureView& view, std::span<const data::EntityKey> keys)
          : store_(store), view_(view), keys_(keys) {}
      Result<std::vector<gold::FeatureValues>> finish() override {
        *store_.steps += "f";
        return store_.read(view_, keys_, EventTime{100});
      }

     private:
      Faulty& store_;
      const gold::FeatureView& view_;
      const std::span<const data::EntityKey> keys_;
    };
    if (steps == nullptr || now != EventTime{100}) {
      return nullptr;
    }
    *steps += "b";
    return std::make_unique<Begun>(*this, view, keys);
  }
  Result<EventTime> data_now() override {
    ++asked_for_now;
    return is_away ? Result<EventTime>(away()) : store_->data_now();
  }
  Result<std::vector<std::string>> views() override { return store_->views(); }
  Status drop(const std::string& name) override { return is_away ? away() : store_->drop(name); }
  Status replace(const gold::FeatureView& view, const std::string& filled) override {
    return is_away ? away() : replace_view(*store_, view, filled);
  }
  Result<uint64_t> content_hash_at(const gold::FeatureView& view,
                                   std::optional<EventTime> now) override {
    return store_->content_hash_at(view, now);
  }

  bool is_away = false;
  bool refuses = false;  // what is to be written
  int asked = 0;         // where it stands
  int asked_for_now = 0;
  std::string* steps = nullptr;  // of reads that are begun and finished

 private:
  static Status away() { return {Code::kUnavailable, "out of reach"}; }
  std::unique_ptr<OnlineStore> store_;
};

class ShardedStoreTest : public testing::Test {
 protected:
  /// A store of these shards, each in memory.
  std::unique_ptr<OnlineStore> of(const std::vector<std::string>& names) {
    std::vector<StoreShard> shards;
    parts_.clear();
    for (const std::string& name : names) {
      auto part = std::make_unique<Faulty>(make_memory_store(world_.metrics));
      parts_[name] = part.get();
      shards.push_back({name, std::move(part)});
    }
    return make_sharded_store(world_.clock, std::move(shards));
  }
  data::Batch round(int64_t number) const {
    std::vector<FakeRow> rows;
    for (int user = 0; user < kUsers; ++user) {
      rows.push_back({name_of(user), number, number, {static_cast<double>(number * 1000 + user)}});
    }
    return fake_batch(view_, rows, number * kUsers);
  }
  static std::string name_of(int user) { return "u" + std::to_string(user); }
  Status apply(OnlineStore& store, std::optional<int64_t> expected, int64_t position) const {
    return store.apply(view_, round(position), expected, position, EventTime{position}, {});
  }
  static std::optional<double> value(const gold::FeatureValues& values) {
    const auto* const number = std::get_if<double>(&values.values[0].value);
    return number == nullptr ? std::nullopt : std::optional(*number);
  }
  std::optional<double> read_one(OnlineStore& store, int user) const {
    const std::array<data::EntityKey, 1> keys = {fake_key(name_of(user))};
    const auto found = store.read(view_, keys, EventTime{100});
    EXPECT_TRUE(found.ok()) << found.status().to_string();
    return found.ok() ? value(found->front()) : std::nullopt;
  }
  /// Which user is in which shard.
  std::map<int, std::string> owners() const {
    std::map<int, std::string> owners;
    for (int user = 0; user < kUsers; ++user) {
      for (const auto& [name, part] : parts_) {
        if (read_one(*part, user).has_value()) {
          EXPECT_TRUE(owners.emplace(user, name).second) << "in two shards: " << user;
        }
      }
    }
    return owners;
  }

  TestWorld world_;
  const FakeView view_{"clicks", {{"user_id", data::Type::kString}}, 1};
  std::map<std::string, Faulty*> parts_;
};

TEST_F(ShardedStoreTest, EachEntityIsInOneShardWhateverTheirOrder) {
  const auto one = of({"a", "b", "c"});
  ASSERT_TRUE(apply(*one, {}, 1).ok());
  const std::map<int, std::string> owners = this->owners();
  EXPECT_EQ(owners.size(), std::size_t{kUsers});
  std::map<std::string, int> sizes;
  for (const auto& [user, name] : owners) {
    ++sizes[name];
  }
  for (const char* const name : {"a", "b", "c"}) {
    EXPECT_NEAR(sizes[name], kUsers / 3, kUsers / 8) << name;
  }
  const auto other = of({"c", "a", "b"});
  ASSERT_TRUE(apply(*other, {}, 1).ok());
  EXPECT_EQ(this->owners(), owners);
  EXPECT_EQ(other->content_hash(view_).value(), one->content_hash(view_).value());
}

TEST_F(ShardedStoreTest, OneShardMoreTakesItsShareAndMovesNothingElse) {
  const auto three = of({"a", "b", "c"});
  ASSERT_TRUE(apply(*three, {}, 1).ok());
  const std::map<int, std::string> before = owners();
  const auto four = of({"a", "b", "c", "d"});
  ASSERT_TRUE(apply(*four, {}, 1).ok());
  int moved = 0;
  for (const auto& [user, name] : owners()) {
    if (name != before.at(user)) {
      EXPECT_EQ(name, "d") << user;
      ++moved;
    }
  }
  EXPECT_NEAR(moved, kUsers / 4, kUsers / 8);
}

TEST_F(ShardedStoreTest, ManyKeysAreAnsweredInTheirOrder) {
  const auto store = of({"a", "b", "c"});
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  std::vector<data::EntityKey> keys;
  for (int user = kUsers + 10; user >= 0; --user) {
    keys.push_back(fake_key(name_of(user)));
  }
  const auto found = store->read(view_, keys, EventTime{100});
  ASSERT_TRUE(found.ok());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const int user = kUsers + 10 - static_cast<int>(i);
    EXPECT_EQ(value((*found)[i]),
              user < kUsers ? std::optional<double>(1000 + user) : std::nullopt);
  }
}

TEST_F(ShardedStoreTest, TheDatasInstantIsKnownWhileAShardIsAwayAndAskedOnceASecond) {
  const auto store = of({"a", "b", "c"});
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  parts_["b"]->is_away = true;
  EXPECT_EQ(store->data_now().code(), Code::kUnavailable);
  EXPECT_EQ(*store->known_data_now(), EventTime{1});
  const int asked = parts_["a"]->asked_for_now;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(*store->known_data_now(), EventTime{1});
  }
  EXPECT_EQ(parts_["a"]->asked_for_now, asked);
  parts_["b"]->is_away = false;
  ASSERT_TRUE(apply(*store, 1, 2).ok());
  world_.clock.advance(Duration{kMicrosPerSecond});
  EXPECT_EQ(*store->known_data_now(), EventTime{2});
  for (const auto& [name, part] : parts_) {
    part->is_away = true;
  }
  world_.clock.advance(Duration{kMicrosPerSecond});
  EXPECT_EQ(*store->known_data_now(), EventTime{2}) << "what was known";
}

TEST_F(ShardedStoreTest, AllShardsAreAskedBeforeAnyIsWaitedFor) {
  const auto store = of({"a", "b", "c"});
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  std::string steps;
  parts_["a"]->steps = &steps;
  parts_["c"]->steps = &steps;  // `b` is one of those that answer at once
  std::vector<data::EntityKey> keys;
  for (int user = 0; user < kUsers; ++user) {
    keys.push_back(fake_key(name_of(user)));
  }
  const auto found = store->read(view_, keys, EventTime{100});
  ASSERT_TRUE(found.ok());
  for (int user = 0; user < kUsers; ++user) {
    EXPECT_EQ(value((*found)[static_cast<std::size_t>(user)]), 1000 + user);
  }
  EXPECT_EQ(steps, "bbff");
  parts_["c"]->is_away = true;
  EXPECT_EQ(store->read(view_, keys, EventTime{100}).code(), Code::kUnavailable);
}

TEST_F(ShardedStoreTest, AnApplyThatIsCutOffIsFinishedByTheSameAgainAndByNoOther) {
  for (const char* const away : {"a", "b", "c"}) {
    SCOPED_TRACE(away);
    const auto store = of({"a", "b", "c"});
    const auto straight = make_memory_store(world_.metrics);
    for (OnlineStore* one : {store.get(), straight.get()}) {
      ASSERT_TRUE(apply(*one, {}, 1).ok());
    }
    parts_[away]->refuses = true;
    EXPECT_EQ(apply(*store, 1, 2).code(), Code::kUnavailable);
    parts_[away]->refuses = false;
    EXPECT_EQ(store->applied_to(view_).value()->position, 1);
    const bool begun = std::string(away) != "a";
    EXPECT_EQ(store->ahead_of(view_).value(), begun ? std::optional<int64_t>(2) : std::nullopt);
    if (begun) {
      EXPECT_EQ(apply(*store, 1, 3).code(), Code::kFailedPrecondition);
    }
    ASSERT_TRUE(apply(*store, 1, 2).ok());
    ASSERT_TRUE(apply(*straight, 1, 2).ok());
    EXPECT_EQ(store->ahead_of(view_).value(), std::nullopt);
    EXPECT_EQ(store->applied_to(view_).value()->position, 2);
    EXPECT_EQ(store->content_hash(view_).value(), straight->content_hash(view_).value());
  }
}

TEST_F(ShardedStoreTest, AShardThatLostWhatItHadIsNoticed) {
  const auto store = of({"a", "b", "c"});
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  ASSERT_TRUE(apply(*store, 1, 2).ok());
  for (const char* const lost : {"a", "b"}) {
    SCOPED_TRACE(lost);
    ASSERT_TRUE(parts_[lost]->drop("clicks").ok());
    EXPECT_EQ(store->applied_to(view_).code(), Code::kFailedPrecondition);
    EXPECT_EQ(apply(*store, 2, 3).code(), Code::kFailedPrecondition);
    ASSERT_TRUE(store->drop("clicks").ok());
    ASSERT_TRUE(apply(*store, {}, 1).ok());
    ASSERT_TRUE(apply(*store, 1, 2).ok());
    EXPECT_EQ(read_one(*store, 7), 2007.0);
  }
}

TEST_F(ShardedStoreTest, AnswersSayWhatAllShardsHave) {
  const auto store = of({"a", "b", "c"});
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  ASSERT_TRUE(apply(*store, 1, 2).ok());
  for (const char* const behind : {"a", "b", "c"}) {  // as one that lost its last second
    SCOPED_TRACE(behind);
    const auto others = of({"a", "b", "c"});
    ASSERT_TRUE(apply(*others, {}, 1).ok());
    for (const auto& [name, part] : parts_) {
      if (name != behind) {
        ASSERT_TRUE(apply(*part, 1, 2).ok());
      }
    }
    EXPECT_EQ(others->known_applied_to(view_).value()->position, 1);
    EXPECT_EQ(others->known_applied_to(view_).value()->known_until, EventTime{1});
    EXPECT_EQ(apply(*others, 2, 3).code(), Code::kFailedPrecondition);
  }
}

TEST_F(ShardedStoreTest, ADropThatIsCutOffIsDoneAgain) {
  const auto store = of({"a", "b", "c"});
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  parts_["b"]->is_away = true;
  EXPECT_EQ(store->drop("clicks").code(), Code::kUnavailable);
  parts_["b"]->is_away = false;
  EXPECT_EQ(store->views().value(), std::vector<std::string>{"clicks"});
  EXPECT_EQ(store->applied_to(view_).value(), std::nullopt);
  EXPECT_EQ(store->ahead_of(view_).value(), std::optional<int64_t>(1));
  ASSERT_TRUE(store->drop("clicks").ok());
  EXPECT_EQ(store->ahead_of(view_).value(), std::nullopt);
  EXPECT_TRUE(store->views().value().empty());
}

TEST_F(ShardedStoreTest, AShardOutOfReachTakesItsOwnEntitiesOnly) {
  const auto store = of({"a", "b", "c"});
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  EXPECT_EQ(store->known_applied_to(view_).value()->position, 1);
  const std::map<int, std::string> owners = this->owners();
  parts_["b"]->is_away = true;
  world_.clock.advance(Duration{2 * kMicrosPerSecond});
  const int asked = parts_["b"]->asked;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(store->known_applied_to(view_).value()->position, 1) << "what was known";
  }
  EXPECT_EQ(parts_["b"]->asked, asked + 1) << "who does not answer is not asked by each question";
  EXPECT_EQ(store->applied_to(view_).code(), Code::kUnavailable);
  for (int user = 0; user < kUsers; ++user) {
    const std::array<data::EntityKey, 1> keys = {fake_key(name_of(user))};
    EXPECT_EQ(store->read(view_, keys, EventTime{100}).ok(), owners.at(user) != "b") << user;
  }
}

TEST(ShardedStore, ThreeServersOfRedisHoldAThirdEach) {
  std::array<RedisUnderTest, 3> servers;
  TestWorld world;
  const FakeView view("clicks", {{"user_id", data::Type::kString}}, 1);
  std::vector<FakeRow> rows;
  for (int user = 0; user < kUsers; ++user) {
    rows.push_back({"u" + std::to_string(user), 1, 1, {static_cast<double>(user)}});
  }
  const auto place = [&](const std::vector<int>& order) {
    std::string text = "sharded:";
    for (const int server : order) {
      text += (text.back() == ':' ? "" : ",") + servers[static_cast<std::size_t>(server)].url();
    }
    return text;
  };
  {
    const auto store = open_online_store(world.world, place({0, 1, 2}), false);
    ASSERT_TRUE(store.ok()) << store.status().to_string();
    ASSERT_TRUE(
        (*store)->apply(view, fake_batch(view, rows), std::nullopt, 5, EventTime{1}, {}).ok());
  }
  const auto store = open_online_store(world.world, place({2, 0, 1}), true);
  ASSERT_TRUE(store.ok());
  EXPECT_EQ((*store)->applied_to(view).value()->position, 5);
  std::vector<data::EntityKey> all;
  for (int user = 0; user < kUsers; ++user) {
    all.push_back(fake_key("u" + std::to_string(user)));
  }
  for (int round = 0; round < 2; ++round) {  // by new connections, and by kept ones
    const auto found = (*store)->read(view, all, EventTime{100});
    ASSERT_TRUE(found.ok()) << found.status().to_string();
    for (int user = 0; user < kUsers; ++user) {
      EXPECT_EQ((*found)[static_cast<std::size_t>(user)].values[0], data::Scalar::float64(user));
    }
  }
  servers[1].kill();
  EXPECT_EQ((*store)->read(view, all, EventTime{100}).code(), Code::kUnavailable);
  int answered = 0;
  for (int user = 0; user < kUsers; ++user) {
    const std::array<data::EntityKey, 1> keys = {fake_key("u" + std::to_string(user))};
    const auto found = (*store)->read(view, keys, EventTime{100});
    EXPECT_TRUE(found.ok() || found.code() == Code::kUnavailable) << found.status().to_string();
    if (found.ok()) {
      EXPECT_EQ(found->front().values[0], data::Scalar::float64(user));
      ++answered;
    }
  }
  EXPECT_NEAR(answered, kUsers * 2 / 3, kUsers / 8);
  servers[1].start();
  const auto again = open_online_store(world.world, place({0, 1, 2}), true);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)->applied_to(view).value()->position, 5) << "its own file brought it back";
}

TEST(ShardedStore, AnotherListOfShardsBeginsWithNothing) {
  const TempFolder folder;
  TestWorld world;
  const FakeView view("clicks", {{"user_id", data::Type::kString}}, 1);
  const auto applied = [&](const std::string& place, bool apply) {
    const auto store = open_online_store(world.world, place, false).value();
    if (apply) {
      EXPECT_TRUE(
          store
              ->apply(
                  view, fake_batch(view, {{"u1", 1, 1, {1.0}}}), std::nullopt, 5, EventTime{1}, {})
              .ok());
    }
    return store->applied_to(view).value().has_value();
  };
  const std::string a = folder.path() + "/a";
  const std::string b = "lmdb:" + folder.path() + "/b";
  const std::string c = "hashlog:" + folder.path() + "/c";
  EXPECT_TRUE(applied("sharded:" + a + "," + b, true));
  EXPECT_TRUE(applied("sharded:" + b + "," + a, false));
  EXPECT_FALSE(applied("sharded:" + a + "," + b + "," + c, false));
  EXPECT_TRUE(applied("sharded:" + a + "," + b, false));
  EXPECT_EQ(open_online_store(world.world, "sharded:" + a + "," + a, false).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(open_online_store(world.world, "sharded:redis://x?feast=p,redis://y", false).code(),
            Code::kInvalidArgument);
  const std::string d = folder.path() + "/d";
  const std::string twice = "sharded:" + d + ",hashlog:" + d;  // one place by two names
  EXPECT_TRUE(applied(twice, true));
  EXPECT_TRUE(applied(twice, false));
  EXPECT_EQ(open_online_store(world.world, "sharded:", false).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::online
