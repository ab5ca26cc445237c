// What a store in a Redis Cluster meets: nodes that send it elsewhere, go away and come back. What
// it must do as a store is in online_store_test.cc.

#include "online/redis_cluster.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "data/feast_value.h"
#include "online/fake_view.h"
#include "online/online_store.h"
#include "online/redis_nodes_under_test.h"
#include "online/redis_pool.h"
#include "online/store_fixture.h"

namespace assay::online {
namespace {

constexpr int kUsers = 200;

TEST(RedisSlot, IsThatOfTheSpecification) {
  EXPECT_EQ(redis_slot("123456789"), 0x31C3) << "the check value of the CRC";
  EXPECT_EQ(redis_slot(""), 0);
  EXPECT_EQ(redis_slot("foo"), 12182);
  EXPECT_EQ(redis_slot("bar"), 5061);
  EXPECT_EQ(redis_slot("{user1000}.following"), redis_slot("user1000"));
  EXPECT_EQ(redis_slot("{user1000}.followers"), redis_slot("user1000"));
  EXPECT_EQ(redis_slot("foo{{bar}}zap"), redis_slot("{bar")) << "up to the first } behind the {";
  EXPECT_EQ(redis_slot("foo{bar}{zap}"), redis_slot("bar"));
  EXPECT_NE(redis_slot("foo{}{bar}"), redis_slot("bar")) << "an empty tag is none";
  EXPECT_NE(redis_slot("foo{bar"), redis_slot("bar"));
}

TEST(RedisRedirect, SaysASlotAndANode) {
  const auto moved = read_redirect("MOVED 3999 127.0.0.1:6381", "asked");
  ASSERT_TRUE(moved.has_value());
  EXPECT_FALSE(moved->is_ask);
  EXPECT_EQ(moved->slot, 3999);
  EXPECT_EQ(moved->node, (RedisNode{"127.0.0.1", 6381}));
  const auto ask = read_redirect("ASK 0 :6381", "asked");
  ASSERT_TRUE(ask.has_value());
  EXPECT_TRUE(ask->is_ask);
  EXPECT_EQ(ask->node, (RedisNode{"asked", 6381}));
  EXPECT_EQ(read_redirect("MOVED 16383 ::1:1", "asked")->node, (RedisNode{"::1", 1}));
  for (const char* const text : {"",
                                 "MOVED",
                                 "MOVED 1",
                                 "MOVED 1 ",
                                 "MOVED 1 host",
                                 "MOVED 1 host:",
                                 "MOVED 1 host:0",
                                 "MOVED 1 host:65536",
                                 "MOVED 16384 host:1",
                                 "MOVED -1 host:1",
                                 "MOVED x host:1",
                                 "MOVED 1host:1",
                                 "ASKING 1 host:1",
                                 "ERR MOVED 1 host:1"}) {
    EXPECT_FALSE(read_redirect(text, "asked").has_value()) << text;
  }
}

TEST(RedisSlots, AreReadFromTheAnswerOrRefused) {
  const auto read = [](const std::string& bytes) {
    return read_slots(*read_redis_reply(bytes), {"asked", 7000});
  };
  const auto slots = read(
      "*2\r\n*4\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n*2\r\n$1\r\nr\r\n:9\r\n"
      "*3\r\n:3\r\n:16383\r\n*2\r\n$0\r\n\r\n:2\r\n");
  ASSERT_TRUE(slots.ok()) << slots.status().to_string();
  EXPECT_EQ(slots->owner(0), (RedisNode{"a", 1}));
  EXPECT_EQ(slots->owner(1), (RedisNode{"a", 1}));
  EXPECT_FALSE(slots->has_owner(2));
  EXPECT_EQ(slots->owner(16383), (RedisNode{"asked", 2})) << "who does not know its own address";
  for (const char* const bytes : {"*0\r\n",
                                  ":1\r\n",
                                  "*1\r\n:1\r\n",
                                  "*1\r\n*2\r\n:0\r\n:1\r\n",
                                  "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
                                  "*1\r\n*3\r\n:5\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
                                  "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:0\r\n",
                                  "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\na\r\n"}) {
    EXPECT_EQ(read(bytes).code(), Code::kUnavailable) << bytes;
  }
}

class RedisClusterTest : public testing::Test {
 protected:
  std::unique_ptr<OnlineStore> open(const std::string& url) {
    Result<std::unique_ptr<OnlineStore>> store = open_redis_store(world_.world, url);
    EXPECT_TRUE(store.ok()) << store.status().to_string();
    return *std::move(store);
  }
  Status apply(OnlineStore& store, std::optional<int64_t> expected, int64_t position) {
    std::vector<FakeRow> rows;
    for (int user = 0; user < kUsers; ++user) {
      rows.push_back({name_of(user), position, position, {value_of(user, position)}});
    }
    return store.apply(
        view_, fake_batch(view_, rows, position * kUsers), expected, position, EventTime{position});
  }
  /// How many of the users are read, each with what it has at a position.
  int read_well(OnlineStore& store, int64_t position) {
    int read = 0;
    for (int user = 0; user < kUsers; ++user) {
      const std::vector<data::EntityKey> keys = {fake_key(name_of(user)), fake_key("nobody")};
      const auto found = store.read(view_, keys, EventTime{1000});
      EXPECT_TRUE(found.ok() || found.code() == Code::kUnavailable) << found.status().to_string();
      if (found.ok()) {
        EXPECT_EQ(found->front().values[0], data::Scalar::float64(value_of(user, position)));
        EXPECT_EQ(found->back().statuses[0], data::FeatureStatus::kNotFound);
        ++read;
      }
    }
    return read;
  }
  static std::string name_of(int user) { return "u" + std::to_string(user); }
  static double value_of(int user, int64_t position) {
    return static_cast<double>(position * 1000 + user);
  }
  static std::string prefix_of(const std::string& url) { return parse_redis_url(url)->prefix; }
  /// Slots that a node holds keys of this store in, with the keys.
  std::map<int, std::vector<std::string>> slots_of(std::size_t node, const std::string& url) {
    std::map<int, std::vector<std::string>> slots;
    const auto found = cluster_.node(node).run({{"KEYS", prefix_of(url) + ":*"}});
    for (const RedisReply& key : found[0].list) {
      slots[redis_slot(key.text)].push_back(key.text);
    }
    return slots;
  }

  TestWorld world_;
  RedisClusterUnderTest& cluster_ = RedisClusterUnderTest::shared();
  const FakeView view_{"clicks", {{"user_id", data::Type::kString}}, 1};
};

TEST_F(RedisClusterTest, EntitiesAreOnAllNodesEachWithItsViewsInOneSlot) {
  const std::string url = cluster_.fresh_url(1);
  const auto store = open(url);
  const FakeView other("spend", {{"user_id", data::Type::kString}}, 1);
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  ASSERT_TRUE(
      store->apply(other, fake_batch(other, {{"u1", 1, 1, {5}}}), {}, 1, EventTime{1}).ok());
  std::size_t slots = 0;
  std::set<int> of_one_entity;
  for (std::size_t node = 0; node < RedisClusterUnderTest::kPrimaries; ++node) {
    const auto held = slots_of(node, url);
    EXPECT_GE(held.size(), 5U) << "of 16";
    slots += held.size();
    for (const auto& [slot, keys] : held) {
      for (const std::string& key : keys) {
        if (key.ends_with(fake_key("u1").bytes())) {
          of_one_entity.insert(slot);
        }
      }
    }
  }
  EXPECT_EQ(slots, 16U);
  EXPECT_EQ(of_one_entity.size(), 1U) << "both of its rows";
  EXPECT_EQ(read_well(*store, 1), kUsers);
  ASSERT_TRUE(apply(*open(url), 1, 2).ok());
  EXPECT_EQ(read_well(*store, 2), kUsers) << "what another process wrote";
  EXPECT_EQ((*store->applied_to(view_))->position, 2);
  ASSERT_TRUE(store->drop("clicks").ok());
  ASSERT_TRUE(store->drop("spend").ok());
  for (std::size_t node = 0; node < RedisClusterUnderTest::kPrimaries; ++node) {
    for (const auto& [slot, keys] : slots_of(node, url)) {
      EXPECT_EQ(keys.size(), 1U) << "the counter of epochs: " << keys.back();
    }
  }
}

TEST_F(RedisClusterTest, FeastsKeysAreWhereItsOwnClientLooksForThem) {
  const std::string url = cluster_.fresh_url() + "&feast=feast_check";
  const auto store = open(url);
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  const std::vector<data::Field> keys = {{"user_id", data::Type::kString}};
  const auto hash_of = [&](int user) {
    const std::vector<data::Scalar> values = {data::Scalar::string(name_of(user))};
    const std::string key = **data::feast_entity_key(keys, values) + "feast_check";
    for (std::size_t node = 0; node < RedisClusterUnderTest::kPrimaries; ++node) {
      if (redis_slot(key) < RedisClusterUnderTest::first_slot(node + 1)) {
        return cluster_.node(node).run({{"HGET", key, data::feast_redis_field("clicks", "f0")}})[0];
      }
    }
    return RedisReply{};
  };
  for (const int user : {0, 1, 2, 3, 4, 5}) {
    EXPECT_EQ(hash_of(user).text, data::to_feast_value(data::Scalar::float64(value_of(user, 1))));
  }
  ASSERT_TRUE(store->drop("clicks").ok());
  for (const int user : {0, 1, 2, 3, 4, 5}) {
    EXPECT_EQ(hash_of(user).kind, RedisReply::Kind::kNothing);
  }
}

TEST_F(RedisClusterTest, ANodeThatIsAwayTakesItsOwnEntitiesOnlyAndComesBackWithThem) {
  const std::string url = cluster_.fresh_url();
  const auto store = open(url);
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  EXPECT_EQ((*store->known_applied_to(view_))->position, 1);
  cluster_.node(2).kill();
  const int read = read_well(*store, 1);
  EXPECT_GT(read, kUsers / 2);
  EXPECT_LT(read, kUsers);
  EXPECT_EQ((*store->known_applied_to(view_))->position, 1) << "what was known";
  EXPECT_EQ(store->data_now().code(), Code::kUnavailable);
  EXPECT_EQ(*store->known_data_now(), EventTime{1}) << "of those that are there";
  EXPECT_EQ(apply(*store, 1, 2).code(), Code::kUnavailable);
  cluster_.node(2).start();
  cluster_.wait_until_all_see("cluster_state:ok");
  world_.clock.advance(Duration{2 * kMicrosPerSecond});
  Status applied;
  wait_until([&] {  // it takes writes again, too
    applied = apply(*store, 1, 2);
    world_.clock.advance(Duration{2 * kMicrosPerSecond});
    return applied.code() != Code::kUnavailable;
  });
  EXPECT_TRUE(applied.ok()) << applied.to_string();
  EXPECT_EQ(read_well(*store, 2), kUsers);
}

TEST_F(RedisClusterTest, WhoIsServedDoesNotWaitForANodeAsLongAsWhoWrites) {
  // An hour is no test's.
  const auto store = open(cluster_.fresh_url() + "&timeout=1h&read_timeout=300ms");
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  cluster_.node(2).freeze();
  EXPECT_EQ(store->known_applied_to(view_).code(), Code::kUnavailable);
  world_.clock.advance(Duration{kMicrosPerSecond});
  const int read = read_well(*store, 1);
  cluster_.node(2).thaw();
  EXPECT_GT(read, 0) << "those of the other nodes";
  EXPECT_LT(read, kUsers);
  cluster_.wait_until_all_see("cluster_state:ok");
  world_.clock.advance(Duration{2 * kMicrosPerSecond});
  wait_until([&] {  // they say that it is back
    world_.clock.advance(Duration{2 * kMicrosPerSecond});
    return read_well(*store, 1) == kUsers;
  });
  Status applied;
  wait_until([&] {  // it takes writes again, too
    applied = apply(*store, 1, 2);
    world_.clock.advance(Duration{2 * kMicrosPerSecond});
    return applied.code() != Code::kUnavailable;
  });
  EXPECT_TRUE(applied.ok()) << applied.to_string();
}

TEST_F(RedisClusterTest, ASlotIsFollowedToAnotherNodeAndReadWhileItMoves) {
  const std::string url = cluster_.fresh_url();
  const auto store = open(url);
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  const auto [slot, keys] = *slots_of(0, url).begin();
  const std::string number = std::to_string(slot);
  RedisNodeUnderTest& from = cluster_.node(0);
  RedisNodeUnderTest& to = cluster_.node(1);
  to.run({{"CLUSTER", "SETSLOT", number, "IMPORTING", cluster_.id(0)}});
  from.run({{"CLUSTER", "SETSLOT", number, "MIGRATING", cluster_.id(1)}});
  const auto move = [&](const std::string& key) {
    from.run({{"MIGRATE", "127.0.0.1", std::to_string(to.node().port), key, "0", "5000"}});
  };
  EXPECT_EQ(read_well(*store, 1), kUsers) << "nothing has moved";
  for (std::size_t i = 0; i < keys.size(); ++i) {
    move(keys[i]);
    EXPECT_EQ(read_well(*store, 1), kUsers) << i << " of the keys have moved";
  }
  EXPECT_EQ(apply(*store, 1, 2).code(), Code::kUnavailable) << "not while it moves";
  for (RedisNodeUnderTest* const node : {&to, &from, &cluster_.node(2)}) {
    node->run({{"CLUSTER", "SETSLOT", number, "NODE", cluster_.id(1)}});
  }
  ASSERT_TRUE(apply(*store, 1, 2).ok()) << "the same again: parts before are ahead";
  EXPECT_EQ(read_well(*store, 2), kUsers);
  EXPECT_TRUE(slots_of(0, url).count(slot) == 0);
  ASSERT_TRUE(store->drop("clicks").ok());
  const auto left_there = slots_of(1, url);
  for (const std::string& left : left_there.at(slot)) {
    to.run({{"DEL", left}});
  }
  // Give it back, empty, for the other tests.
  for (RedisNodeUnderTest* const node : {&from, &to, &cluster_.node(2)}) {
    node->run({{"CLUSTER", "SETSLOT", number, "NODE", cluster_.id(0)}});
  }
}

TEST_F(RedisClusterTest, AnyNodeThatIsThereTellsTheOthers) {
  const RedisNode gone{"127.0.0.1", free_ports(1)[0]};
  const std::string url = "redis+cluster://" + gone.text() + "?prefix=away&also=";
  EXPECT_TRUE(open_redis_store(world_.world, url + cluster_.node(1).node().text()).ok());
  EXPECT_EQ(open_redis_store(world_.world, url + gone.text()).code(), Code::kUnavailable);
}

TEST_F(RedisClusterTest, APlainAddressOfANodeIsRefusedWithTheRightOne) {
  const std::string url = "redis://" + cluster_.node(0).node().text();
  std::set<Code> codes;
  for (int view = 0; view < 10; ++view) {  // some of their keys are elsewhere
    const auto store = open_redis_store(world_.world, url + "?prefix=p" + std::to_string(view));
    codes.insert(store.ok() ? apply(**store, {}, 1).code() : store.code());
  }
  EXPECT_TRUE(codes.count(Code::kFailedPrecondition) == 1);
  EXPECT_TRUE(codes.count(Code::kUnavailable) == 0);
  const auto as_shard =
      open_online_store(world_.world, "sharded:" + cluster_.fresh_url() + ",redis://other", false);
  EXPECT_EQ(as_shard.code(), Code::kInvalidArgument);
}

TEST(RedisPrimary, IsReadFromASentinelsAnswerOrRefused) {
  const auto read = [](const std::string& bytes) {
    return read_primary(*read_redis_reply(bytes), "main");
  };
  EXPECT_EQ(*read("*2\r\n$3\r\n::1\r\n$4\r\n6379\r\n"), (RedisNode{"::1", 6379}));
  EXPECT_EQ(read("*-1\r\n").code(), Code::kNotFound);
  for (const char* const bytes : {"*0\r\n",
                                  "$1\r\na\r\n",
                                  "*1\r\n$1\r\na\r\n",
                                  "*2\r\n$0\r\n\r\n$1\r\n1\r\n",
                                  "*2\r\n$1\r\na\r\n$1\r\n0\r\n",
                                  "*2\r\n$1\r\na\r\n$5\r\n65536\r\n",
                                  "*2\r\n$1\r\na\r\n$2\r\n1x\r\n"}) {
    EXPECT_EQ(read(bytes).code(), Code::kUnavailable) << bytes;
  }
}

}  // namespace
}  // namespace assay::online
