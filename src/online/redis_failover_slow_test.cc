// Replicas that take over: in a cluster, and as sentinels say. What a replica was not sent before
// its primary ended is lost, as Redis has it; so tests wait until it has all.

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "online/fake_view.h"
#include "online/online_store.h"
#include "online/redis_client.h"
#include "online/redis_nodes_under_test.h"
#include "online/store_fixture.h"

namespace assay::online {
namespace {

constexpr int kUsers = 100;

class RedisFailoverSlow : public testing::Test {
 protected:
  Result<std::unique_ptr<OnlineStore>> open(const std::string& url) {
    return open_redis_store(world_.world, url);
  }
  Status apply(OnlineStore& store, std::optional<int64_t> expected, int64_t position) {
    std::vector<FakeRow> rows;
    for (int user = 0; user < kUsers; ++user) {
      rows.push_back({"u" + std::to_string(user),
                      position,
                      position,
                      {static_cast<double>(position * 1000 + user)}});
    }
    return store.apply(
        view_, fake_batch(view_, rows, position * kUsers), expected, position, EventTime{position});
  }
  /// Again until a server takes it.
  Status apply_at_last(OnlineStore& store, int64_t expected, int64_t position) {
    Status applied;
    wait_until([&] {
      world_.clock.advance(Duration{kMicrosPerSecond});
      applied = apply(store, expected, position);
      return applied.code() != Code::kUnavailable;
    });
    return applied;
  }
  /// All users have what they had at a position.
  void expect_at(OnlineStore& store, int64_t position) {
    std::vector<data::EntityKey> keys;
    for (int user = 0; user < kUsers; ++user) {
      keys.push_back(fake_key("u" + std::to_string(user)));
    }
    const auto found = store.read(view_, keys, EventTime{1000});
    ASSERT_TRUE(found.ok()) << found.status().to_string();
    for (int user = 0; user < kUsers; ++user) {
      EXPECT_EQ((*found)[static_cast<std::size_t>(user)].values[0],
                data::Scalar::float64(static_cast<double>(position * 1000 + user)));
    }
    EXPECT_EQ((*store.applied_to(view_))->position, position);
  }
  /// Wait until a read of all users is answered.
  void wait_until_read(OnlineStore& store) {
    std::vector<data::EntityKey> keys;
    for (int user = 0; user < kUsers; ++user) {
      keys.push_back(fake_key("u" + std::to_string(user)));
    }
    wait_until([&] {
      world_.clock.advance(Duration{kMicrosPerSecond});
      return store.read(view_, keys, EventTime{1000}).ok();
    });
  }

  TestWorld world_;
  const FakeView view_{"clicks", {{"user_id", data::Type::kString}}, 1};
};

TEST_F(RedisFailoverSlow, AReplicaInAClusterTakesOverWithAllThatItWasSent) {
  RedisClusterUnderTest cluster(true);
  const std::string url = cluster.fresh_url();
  const auto opened = open(url);
  ASSERT_TRUE(opened.ok()) << opened.status().to_string();
  OnlineStore& store = **opened;
  ASSERT_TRUE(apply(store, {}, 1).ok());
  ASSERT_TRUE(apply(store, 1, 2).ok());
  for (std::size_t ended = 0; ended < 2; ++ended) {  // one after the other
    const int64_t position = 2 + static_cast<int64_t>(ended);
    cluster.node(ended).wait_for_replica();
    cluster.node(ended).kill();
    EXPECT_EQ(apply(store, position, position + 1).code(), Code::kUnavailable);
    wait_until_read(store);
    const Status applied = apply_at_last(store, position, position + 1);
    ASSERT_TRUE(applied.ok()) << applied.to_string();
    expect_at(store, position + 1);
  }
  // They come back as replicas, who send us to those that took over.
  cluster.node(0).start();
  cluster.node(1).start();
  cluster.wait_until_all_see("cluster_state:ok");
  const auto again = open(url);
  ASSERT_TRUE(again.ok()) << again.status().to_string();
  expect_at(**again, 4);
  ASSERT_TRUE(apply_at_last(store, 4, 5).ok());
  expect_at(**again, 5);
}

TEST_F(RedisFailoverSlow, APrimaryIsFollowedAsSentinelsSay) {
  RedisSentinelUnderTest servers;
  const RedisNode gone{"127.0.0.1", free_ports(1)[0]};
  const std::string url = "redis+sentinel://" + gone.text() +
                          "/main?also=" + parse_redis_url(servers.url())->node.text();
  EXPECT_EQ(open(servers.url() + "x").code(), Code::kNotFound) << "no primary of that name";
  EXPECT_EQ(open("redis+sentinel://" + gone.text() + "/main").code(), Code::kUnavailable);
  RedisAddress replica;
  replica.kind = RedisAddress::Kind::kSentinel;
  replica.node = servers.replica().node();
  const auto demoted = RedisConnection::connect(replica).value();
  EXPECT_EQ(demoted->run({{"SET", "a", "b"}}).code(), Code::kUnavailable);
  EXPECT_FALSE(demoted->usable()) << "a primary that became a replica is left";
  const auto opened = open(url);
  ASSERT_TRUE(opened.ok()) << opened.status().to_string();
  OnlineStore& store = **opened;
  ASSERT_TRUE(apply(store, {}, 1).ok());
  ASSERT_TRUE(apply(store, 1, 2).ok());
  servers.primary().wait_for_replica();
  servers.primary().kill();
  EXPECT_EQ(apply(store, 2, 3).code(), Code::kUnavailable);
  wait_until_read(store);
  expect_at(store, 2);
  ASSERT_TRUE(apply_at_last(store, 2, 3).ok());
  expect_at(store, 3);
  // It comes back as it was, and is made a replica; who asks the sentinel is not sent there.
  servers.primary().start();
  const auto again = open(url);
  ASSERT_TRUE(again.ok()) << again.status().to_string();
  expect_at(**again, 3);
  ASSERT_TRUE(apply_at_last(**again, 3, 4).ok());
  expect_at(store, 4);
}

}  // namespace
}  // namespace assay::online
