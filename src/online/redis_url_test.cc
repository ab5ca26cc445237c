#include <gtest/gtest.h>

#include "online/redis_client.h"

namespace assay::online {
namespace {

TEST(RedisUrl, PartsAreTakenWithTheirEncodingUndone) {
  const RedisAddress address = *parse_redis_url(
      "redis://ann:p%40ss@cache.local:6380/3?prefix=shop&timeout=2s&read_timeout=50ms");
  EXPECT_EQ(address.node.host, "cache.local");
  EXPECT_EQ(address.node.port, 6380);
  EXPECT_EQ(address.user, "ann");
  EXPECT_EQ(address.password, "p@ss");
  EXPECT_EQ(address.database, 3);
  EXPECT_EQ(address.prefix, "shop");
  EXPECT_EQ(address.timeout.micros, 2 * kMicrosPerSecond);
  EXPECT_EQ(address.read_timeout.micros, 50'000);
  EXPECT_EQ(address.text(), "cache.local:6380, database 3") << "never with the password";
}

TEST(RedisUrl, WhatIsNotSaidHasDefaults) {
  const RedisAddress address = *parse_redis_url("redis://localhost");
  EXPECT_EQ(address.node.port, 6379);
  EXPECT_EQ(address.database, 0);
  EXPECT_EQ(address.prefix, "assay");
  EXPECT_EQ(address.timeout.micros, 10 * kMicrosPerSecond);
  EXPECT_EQ(address.read_timeout.micros, kMicrosPerSecond / 2);
  EXPECT_TRUE(address.password.empty());
  EXPECT_EQ(parse_redis_url("redis://:secret@h")->password, "secret");
}

TEST(RedisUrl, ASocketHasAPath) {
  const RedisAddress address = *parse_redis_url("redis+unix:///run/redis.sock?database=1");
  EXPECT_EQ(address.unix_socket, "/run/redis.sock");
  EXPECT_EQ(address.database, 1);
}

TEST(RedisUrl, AClusterHasSeveralNodes) {
  const RedisAddress address = *parse_redis_url(
      "redis+cluster://:secret@one:7000?also=two:7001&also=three&also=[::1]:7003&prefix=shop");
  EXPECT_EQ(address.kind, RedisAddress::Kind::kCluster);
  EXPECT_EQ(address.node, (RedisNode{"one", 7000}));
  EXPECT_EQ(address.others,
            (std::vector<RedisNode>{{"two", 7001}, {"three", 7000}, {"::1", 7003}}));
  EXPECT_EQ(address.password, "secret");
  EXPECT_EQ(address.prefix, "shop");
  EXPECT_EQ(address.text(), "cluster of one:7000");
  EXPECT_EQ(parse_redis_url("redis+cluster://[::1]:7000")->node, (RedisNode{"::1", 7000}));
}

TEST(RedisUrl, SentinelsKnowAPrimaryByName) {
  const RedisAddress address =
      *parse_redis_url("redis+sentinel://one/main?also=two:26380&database=2");
  EXPECT_EQ(address.kind, RedisAddress::Kind::kSentinel);
  EXPECT_EQ(address.node, (RedisNode{"one", 26379}));
  EXPECT_EQ(address.others, (std::vector<RedisNode>{{"two", 26380}}));
  EXPECT_EQ(address.primary, "main");
  EXPECT_EQ(address.database, 2);
  EXPECT_EQ(address.text(), "main by sentinel one:26379, database 2");
}

TEST(RedisUrl, TlsIsAskedForByTheScheme) {
  EXPECT_FALSE(parse_redis_url("redis://h")->tls.has_value());
  const RedisAddress address = *parse_redis_url(
      "rediss://:secret@h/2?ca_file=/a%20b/ca.pem&cert_file=/c.pem&key_file=/c.key&server_name=x");
  EXPECT_EQ(address.kind, RedisAddress::Kind::kServer);
  EXPECT_EQ(address.node, (RedisNode{"h", 6379}));
  EXPECT_EQ(address.tls->ca_file, "/a b/ca.pem");
  EXPECT_EQ(address.tls->cert_file, "/c.pem");
  EXPECT_EQ(address.tls->key_file, "/c.key");
  EXPECT_EQ(address.tls->server_name, "x");
  EXPECT_EQ(parse_redis_url("rediss+cluster://h")->kind, RedisAddress::Kind::kCluster);
  EXPECT_TRUE(parse_redis_url("rediss+cluster://h")->tls.has_value());
}

TEST(RedisUrl, SentinelsHavePasswordsOfTheirOwn) {
  const RedisAddress address = *parse_redis_url(
      "rediss+sentinel://:one@h/main?sentinel_user=ann&sentinel_password=two%26%2525");
  EXPECT_EQ(address.kind, RedisAddress::Kind::kSentinel);
  EXPECT_EQ(address.password, "one");
  EXPECT_EQ(address.sentinel_user, "ann");
  EXPECT_EQ(address.sentinel_password, "two&%25");
}

TEST(RedisUrl, WhatFeastWroteIsReadOfAllViewsOrOfSome) {
  EXPECT_EQ(parse_redis_url("redis://h?from_feast=shop")->from_feast, "shop");
  const RedisAddress address =
      *parse_redis_url("redis+sentinel://h/main?from_feast=shop&from_feast_views=a,b");
  EXPECT_EQ(address.from_feast_views, (std::vector<std::string>{"a", "b"}));
}

TEST(RedisUrl, AnythingElseIsRefused) {
  for (const char* url : {"",
                          "redis",
                          "http://h",
                          "rediss+unix:///run/redis.sock",
                          "redissentinel://h/main",
                          "redis://h?ca_file=/a",
                          "rediss://h?ca_file=a.pem",
                          "rediss://h?ca_file=",
                          "rediss://h?key_file=/a",
                          "rediss://h?server_name=",
                          "rediss://h?server_name=%00",
                          "redis://h?sentinel_password=a",
                          "redis+sentinel://h/main?sentinel_password=",
                          "redis+sentinel://h/main?sentinel_user=a",
                          "redis://",
                          "redis://h/x",
                          "redis://h/-1",
                          "redis://h:99999",
                          "redis://ann@h",
                          "redis+unix://",
                          "redis://h?prefix=",
                          "redis://h?size=1",
                          "redis://h?timeout=soon",
                          "redis://h?timeout=0s",
                          "redis://h?read_timeout=0s",
                          "redis://h?database=x",
                          "redis://h?also=b:1",
                          "redis://h?from_feast=",
                          "redis://h?from_feast=a&feast=a",
                          "redis://h?from_feast_views=a",
                          "redis+cluster://h?from_feast=a",
                          "redis+cluster://",
                          "redis+cluster://h/1",
                          "redis+cluster://h?database=1",
                          "redis+cluster://h?prefix={a}",
                          "redis+cluster://h?also=",
                          "redis+cluster://h?also=:1",
                          "redis+cluster://h?also=b:x",
                          "redis+cluster://h?also=b:99999",
                          "redis+sentinel://h",
                          "redis+sentinel://h/"}) {
    EXPECT_EQ(parse_redis_url(url).code(), Code::kInvalidArgument) << url;
  }
}

}  // namespace
}  // namespace assay::online
