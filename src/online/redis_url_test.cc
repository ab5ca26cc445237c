#include <gtest/gtest.h>

#include "online/redis_client.h"

namespace assay::online {
namespace {

TEST(RedisUrl, PartsAreTakenWithTheirEncodingUndone) {
  const RedisAddress address =
      *parse_redis_url("redis://ann:p%40ss@cache.local:6380/3?prefix=shop&timeout=2s");
  EXPECT_EQ(address.host, "cache.local");
  EXPECT_EQ(address.port, 6380);
  EXPECT_EQ(address.user, "ann");
  EXPECT_EQ(address.password, "p@ss");
  EXPECT_EQ(address.database, 3);
  EXPECT_EQ(address.prefix, "shop");
  EXPECT_EQ(address.timeout.micros, 2 * kMicrosPerSecond);
  EXPECT_EQ(address.text(), "cache.local:6380, database 3") << "never with the password";
}

TEST(RedisUrl, WhatIsNotSaidHasDefaults) {
  const RedisAddress address = *parse_redis_url("redis://localhost");
  EXPECT_EQ(address.port, 6379);
  EXPECT_EQ(address.database, 0);
  EXPECT_EQ(address.prefix, "assay");
  EXPECT_TRUE(address.password.empty());
  EXPECT_EQ(parse_redis_url("redis://:secret@h")->password, "secret");
}

TEST(RedisUrl, ASocketHasAPath) {
  const RedisAddress address = *parse_redis_url("redis+unix:///run/redis.sock?database=1");
  EXPECT_EQ(address.unix_socket, "/run/redis.sock");
  EXPECT_EQ(address.database, 1);
}

TEST(RedisUrl, AnythingElseIsRefused) {
  for (const char* url : {"",
                          "redis",
                          "http://h",
                          "rediss://h",
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
                          "redis://h?database=x"}) {
    EXPECT_EQ(parse_redis_url(url).code(), Code::kInvalidArgument) << url;
  }
}

}  // namespace
}  // namespace assay::online
