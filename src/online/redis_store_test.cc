// What only a store in Redis can meet: a server that goes away, other processes, another epoch.

#include <chrono>
#include <optional>

#include <gtest/gtest.h>

#include "base/arm_fail_point.h"
#include "data/feast_value.h"
#include "online/fake_view.h"
#include "online/online_store.h"
#include "online/redis_client.h"
#include "online/redis_under_test.h"
#include "online/sharded_store.h"
#include "online/store_fixture.h"
#include "online/view_replacer.h"

namespace assay::online {
namespace {

FakeView clicks(uint64_t version = 1) {
  return FakeView("clicks", {{"user_id", data::Type::kString}}, 1, std::nullopt, version);
}

class RedisStoreTest : public testing::Test {
 protected:
  std::unique_ptr<OnlineStore> open() {
    Result<std::unique_ptr<OnlineStore>> store = open_redis_store(world_.world, url_);
    EXPECT_TRUE(store.ok()) << store.status().to_string();
    return *std::move(store);
  }
  Status apply(OnlineStore& store, std::optional<int64_t> expected, int64_t position) {
    return store.apply(
        view_,
        fake_batch(view_, {{"u1", position, position, {double(position)}}}, position),
        expected,
        position,
        EventTime{position});
  }
  data::Scalar value(OnlineStore& store, const std::string& key = "u1") {
    const std::vector<data::EntityKey> keys = {fake_key(key)};
    const auto answers = store.read(view_, keys, EventTime{1000});
    EXPECT_TRUE(answers.ok()) << answers.status().to_string();
    return answers->front().values[0];
  }
  Result<std::vector<RedisReply>> run(const std::vector<RedisCommand>& commands) {
    return (*RedisConnection::connect(*parse_redis_url(url_)))->run(commands);
  }
  /// Let it go on, and wait until it does.
  void thaw() {
    server_.thaw();
    ASSERT_TRUE(run({{"PING"}}).ok());
  }
  std::string prefix() { return parse_redis_url(url_)->prefix; }

  TestWorld world_;
  RedisUnderTest server_;
  std::string url_ = server_.fresh_url();
  FakeView view_ = clicks();
};

TEST_F(RedisStoreTest, AServerThatWasKilledAnswersAgainWithAllThatWasAcknowledged) {
  const auto store = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  ASSERT_TRUE(apply(*store, 1, 2).ok());
  server_.kill();
  const std::vector<data::EntityKey> keys = {fake_key("u1")};
  EXPECT_EQ(store->read(view_, keys, EventTime{9}).code(), Code::kUnavailable);
  EXPECT_EQ(apply(*store, 2, 3).code(), Code::kUnavailable);
  server_.start();
  EXPECT_EQ(store->read(view_, keys, EventTime{9}).code(), Code::kUnavailable)
      << "it is not tried again at once";
  world_.clock.advance(Duration{kMicrosPerSecond});
  EXPECT_EQ(value(*store), data::Scalar::float64(2));
  EXPECT_EQ((*store->applied_to(view_))->position, 2);
  EXPECT_TRUE(apply(*store, 2, 3).ok());
  EXPECT_EQ(value(*store), data::Scalar::float64(3));
}

TEST_F(RedisStoreTest, AServerThatSaysNothingIsNotWaitedForByEveryone) {
  url_ += "&timeout=200ms";
  const auto store = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  server_.freeze();
  const std::vector<data::EntityKey> keys = {fake_key("u1")};
  const auto read = [&] { return store->read(view_, keys, EventTime{9}).code(); };
  EXPECT_EQ(read(), Code::kUnavailable);
  server_.thaw();
  EXPECT_EQ(read(), Code::kUnavailable) << "it is not tried again at once";
  EXPECT_EQ(store->begin_read(view_, keys, EventTime{9}), nullptr);
  world_.clock.advance(Duration{kMicrosPerSecond});
  EXPECT_EQ(value(*store), data::Scalar::float64(1));
}

TEST_F(RedisStoreTest, WhoIsServedDoesNotWaitAsLongAsWhoWrites) {
  url_ = server_.fresh_url() + "&timeout=1h&read_timeout=100ms";  // an hour is no test's
  const auto store = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  server_.freeze();
  const std::vector<data::EntityKey> keys = {fake_key("u1")};
  EXPECT_EQ(store->read(view_, keys, EventTime{9}).code(), Code::kUnavailable);
  EXPECT_EQ(store->known_applied_to(view_).code(), Code::kUnavailable) << "known by then";
  world_.clock.advance(Duration{kMicrosPerSecond});
  data::FlatValues values;
  EXPECT_EQ(store->read_flat(view_, keys, EventTime{9}, &values).code(), Code::kUnavailable);
  server_.thaw();
}

TEST_F(RedisStoreTest, WhereViewsStandIsNotWaitedForAsLongEither) {
  url_ = server_.fresh_url() + "&timeout=1h&read_timeout=1s";
  const auto store = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  server_.freeze();
  EXPECT_EQ(store->known_applied_to(view_).code(), Code::kUnavailable);
  world_.clock.advance(Duration{kMicrosPerSecond});
  EXPECT_EQ(store->known_data_now().code(), Code::kUnavailable);
  thaw();
  world_.clock.advance(Duration{kMicrosPerSecond});
  EXPECT_EQ((*store->known_applied_to(view_))->position, 1);
  EXPECT_EQ(*store->known_data_now(), EventTime{1});
}

TEST_F(RedisStoreTest, ShardsAreNotAskedForWhereViewsStandAsLongEither) {
  std::vector<StoreShard> shards;
  for (const char* const name : {"a", "b"}) {
    url_ = server_.fresh_url() + "&timeout=1h&read_timeout=1s";
    shards.push_back({name, open()});
  }
  const auto store = make_sharded_store(world_.clock, std::move(shards));
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  server_.freeze();
  EXPECT_EQ(store->known_applied_to(view_).code(), Code::kUnavailable);
  EXPECT_EQ(store->known_data_now().code(), Code::kUnavailable);
  thaw();
  world_.clock.advance(Duration{kMicrosPerSecond});
  EXPECT_EQ((*store->known_applied_to(view_))->position, 1);
  EXPECT_EQ(*store->known_data_now(), EventTime{1});
}

TEST_F(RedisStoreTest, WhoWritesIsNotCutOffByAReaderThatWaitedInVain) {
  url_ = server_.fresh_url() + "&timeout=1h&read_timeout=1s";
  const auto store = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  server_.freeze();
  const std::vector<data::EntityKey> keys = {fake_key("u1")};
  const auto read = [&] { return store->read(view_, keys, EventTime{9}).code(); };
  EXPECT_EQ(read(), Code::kUnavailable);
  thaw();
  EXPECT_TRUE(apply(*store, 1, 2).ok());
  EXPECT_EQ(read(), Code::kUnavailable) << "who reads does not try again at once";
  world_.clock.advance(Duration{kMicrosPerSecond});
  EXPECT_EQ(value(*store), data::Scalar::float64(2));
}

/// Its answer comes when nobody waits for it any more.
TEST_F(RedisStoreTest, AnAnswerThatComesTooLateIsNoAnswerToTheNextQuestion) {
  url_ = server_.fresh_url() + "&timeout=1h&read_timeout=1s";
  const auto store = open();
  const data::Batch rows = fake_batch(view_, {{"u1", 1, 1, {1}}, {"u2", 1, 1, {2}}});
  ASSERT_TRUE(store->apply(view_, rows, {}, 1, EventTime{1}).ok());
  EXPECT_EQ(value(*store), data::Scalar::float64(1));
  server_.freeze();
  const std::vector<data::EntityKey> keys = {fake_key("u1")};
  const auto begun = store->begin_read(view_, keys, EventTime{9});
  EXPECT_EQ(store->read(view_, keys, EventTime{9}).code(), Code::kUnavailable);
  thaw();
  EXPECT_EQ(begun->finish().code(), Code::kUnavailable) << "known by then, and not waited for";
  world_.clock.advance(Duration{kMicrosPerSecond});
  EXPECT_EQ(value(*store, "u2"), data::Scalar::float64(2));
  EXPECT_EQ(value(*store, "u1"), data::Scalar::float64(1));
}

TEST_F(RedisStoreTest, OfManyReadsUnderWayOnlyOneIsWaitedForInVain) {
  constexpr int kReads = 20;
  url_ = server_.fresh_url() + "&timeout=1h&read_timeout=1s";
  const auto store = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  server_.freeze();
  const std::vector<data::EntityKey> keys = {fake_key("u1")};
  std::vector<std::unique_ptr<PendingRead>> begun;
  for (int i = 0; i < kReads; ++i) {
    begun.push_back(store->begin_read(view_, keys, EventTime{9}));
    ASSERT_NE(begun.back(), nullptr);
  }
  const auto since = std::chrono::steady_clock::now();
  for (const auto& one : begun) {
    EXPECT_EQ(one->finish().code(), Code::kUnavailable);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - since, std::chrono::seconds(10));
  server_.thaw();
}

TEST_F(RedisStoreTest, ConnectionsThatTheServerClosedAreMadeAgain) {
  const auto store = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  ASSERT_TRUE(run({{"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}}).ok());
  EXPECT_EQ(value(*store), data::Scalar::float64(1));
  ASSERT_TRUE(run({{"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}}).ok());
  EXPECT_TRUE(apply(*store, 1, 2).ok());
  EXPECT_EQ(value(*store), data::Scalar::float64(2));
}

TEST_F(RedisStoreTest, OfTwoWritersOneMovesThePosition) {
  const auto first = open();
  const auto second = open();
  ASSERT_TRUE(apply(*first, {}, 1).ok());
  EXPECT_EQ(apply(*second, {}, 1).code(), Code::kFailedPrecondition);
  EXPECT_TRUE(apply(*second, 1, 2).ok());
  EXPECT_EQ(apply(*first, 1, 2).code(), Code::kFailedPrecondition);
  EXPECT_EQ(value(*first), data::Scalar::float64(2));
}

TEST_F(RedisStoreTest, AReaderFollowsAViewThatIsDroppedAndMadeAgain) {
  const auto store = open();
  const auto reader = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  EXPECT_EQ(value(*reader), data::Scalar::float64(1));
  ASSERT_TRUE(store->drop("clicks").ok());
  EXPECT_TRUE(value(*reader).is_null());
  EXPECT_TRUE(store->views()->empty());
  ASSERT_TRUE(
      store->apply(view_, fake_batch(view_, {{"u2", 1, 1, {7}}}), {}, 0, EventTime{1}).ok());
  EXPECT_TRUE(value(*reader, "u1").is_null());
  EXPECT_EQ(value(*reader, "u2"), data::Scalar::float64(7));
}

TEST_F(RedisStoreTest, RowsThatADropLeftBehindAreNeverReadAndSweptByTheNext) {
  const auto store = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  // As if the process had died between taking the record away and sweeping the rows.
  ASSERT_TRUE(
      run({{"DEL", prefix() + ":view:clicks"}, {"SREM", prefix() + ":views", "clicks"}}).ok());
  ASSERT_TRUE(
      store->apply(view_, fake_batch(view_, {{"u2", 1, 1, {7}}}), {}, 0, EventTime{1}).ok());
  EXPECT_TRUE(value(*store, "u1").is_null());
  EXPECT_EQ(run({{"DBSIZE"}})->front().integer, 5) << "views, epoch, record, and both rows";
  ASSERT_TRUE(store->drop("another").ok());
  EXPECT_EQ(run({{"DBSIZE"}})->front().integer, 4);
  EXPECT_EQ(value(*store, "u2"), data::Scalar::float64(7));
}

TEST_F(RedisStoreTest, AFlippedByteIsNamedAndNeverServed) {
  const auto store = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  const std::string row = run({{"KEYS", prefix() + ":row:*"}})->front().list.at(0).text;
  ASSERT_TRUE(run({{"SETRANGE", row, "12", "x"}}).ok());
  const std::vector<data::EntityKey> keys = {fake_key("u1")};
  EXPECT_EQ(store->read(view_, keys, EventTime{9}).code(), Code::kCorrupt);
  EXPECT_EQ(apply(*store, 1, 2).code(), Code::kCorrupt);
  EXPECT_EQ(world_.metrics.counter("assay_online_corrupt_rows_total", "").value(), 2);
}

TEST_F(RedisStoreTest, FeastsLayoutHasItsKeysFieldsAndValuesBesideOurs) {
  url_ += "&feast=feast_check";
  const auto store = open();
  ASSERT_TRUE(store
                  ->apply(view_,
                          fake_batch(view_,
                                     {{"eu", 1'767'225'600'000'000, 5, {0.1}},
                                      {"null", 1'000'000, 5, {std::nullopt}}}),
                          {},
                          0,
                          EventTime::min())
                  .ok());
  const auto key = [](const std::string& user) {
    const std::vector<data::Field> keys = {{"user_id", data::Type::kString}};
    const std::vector<data::Scalar> values = {data::Scalar::string(user)};
    return **data::feast_entity_key(keys, values) + "feast_check";
  };
  const std::string field = data::feast_redis_field("clicks", "f0");
  const auto get = [&](const std::string& user, const std::string& name) {
    return run({{"HGET", key(user), name}})->front();
  };
  EXPECT_EQ(get("eu", field).text, data::to_feast_value(data::Scalar::float64(0.1)));
  EXPECT_EQ(get("eu", "_ts:clicks").text, "\x08\x80\xf2\xd6\xca\x06") << "as Feast 0.67 wrote it";
  EXPECT_EQ(get("null", field).kind, RedisReply::Kind::kText) << "a null is empty text, not absent";
  EXPECT_EQ(get("null", field).text, "");
  EXPECT_EQ(get("nobody", field).kind, RedisReply::Kind::kNothing);
  EXPECT_EQ(value(*store, "none"), data::Scalar::null(data::Type::kFloat64));
  const std::vector<data::EntityKey> anew = {fake_key("eu")};
  ASSERT_TRUE(
      store->apply(view_, fake_batch(view_, {}), 0, 1, EventTime{1'767'225'600'000'000}, anew)
          .ok());
  EXPECT_EQ(run({{"EXISTS", key("eu")}})->front().integer, 0) << "forgotten in both";
}

/// A view whose events count from the end of their slide on.
class SlidingView : public FakeView {
 public:
  static constexpr int64_t kSlide = 10;
  SlidingView() : FakeView("clicks", {{"user_id", data::Type::kString}}, 1) {}
  [[nodiscard]] Duration slide() const override { return {kSlide}; }
  [[nodiscard]] Duration window_max() const override { return {10 * kSlide}; }
  [[nodiscard]] Result<gold::FeatureValues> read_online_row(std::string_view row,
                                                            EventTime now) const override {
    return FakeView::read_online_row(row, EventTime{floor_to(now.micros, kSlide) - 1});
  }
};

TEST_F(RedisStoreTest, FeastsValuesStayWhileAViewIsFilledBesideAndAreThoseOfWhatReplacesIt) {
  url_ += "&feast=feast_check";
  const auto store = open();
  const std::vector<data::Field> keys = {{"user_id", data::Type::kString}};
  const FakeView view("clicks", keys, 1);
  const Beside<FakeView> beside("clicks", keys, 1);
  const auto feasts = [&](const std::string& user) {
    const std::vector<data::Scalar> values = {data::Scalar::string(user)};
    return run({{"HGET",
                 **data::feast_entity_key(keys, values) + "feast_check",
                 data::feast_redis_field("clicks", "f0")}})
        ->front()
        .text;
  };
  const auto text = [](double value) { return data::to_feast_value(data::Scalar::float64(value)); };
  const auto fill = [&](const FakeView& into, const std::vector<FakeRow>& rows, int64_t position) {
    const auto before = position == 0 ? std::nullopt : std::optional(position - 1);
    ASSERT_TRUE(store->apply(into, fake_batch(into, rows), before, position, EventTime{9}).ok());
  };
  fill(view, {{"u1", 6, 6, {9}}, {"gone", 6, 6, {8}}}, 0);
  for (const bool is_cut_off : {true, false}) {
    fill(beside, {{"u1", 1, 1, {5}}, {"u2", 1, 1, {4}}}, 0);
    EXPECT_EQ(feasts("u1"), text(9)) << "not one of the past";
    EXPECT_EQ(feasts("u2"), "");
    if (is_cut_off) {  // what it left is thrown away
      ASSERT_TRUE(store->drop(beside.storage_name()).ok());
      EXPECT_EQ(feasts("u1"), text(9));
      EXPECT_EQ(feasts("gone"), text(8));
    }
  }
  fill(beside, {{"u1", 7, 7, {10}}}, 1);
  ASSERT_TRUE(replace_view(*store, view, beside.storage_name()).ok());
  EXPECT_EQ(feasts("u1"), text(10));
  EXPECT_EQ(feasts("u2"), text(4));
  EXPECT_EQ(feasts("gone"), "") << "it has no row any more";
  EXPECT_EQ(run({{"KEYS", prefix() + ":feast:*"}})->front().list.size(), 1U);
  fill(view, {{"u2", 8, 8, {11}}}, 2);
  EXPECT_EQ(feasts("u2"), text(11));
  ASSERT_TRUE(store->drop("clicks").ok());
  EXPECT_EQ(feasts("u1") + feasts("u2"), "");
}

TEST_F(RedisStoreTest, FeastsValuesCountTheEventThatTheyAreWrittenFor) {
  url_ += "&feast=feast_check";
  const SlidingView view;
  const auto store = open();
  const std::vector<data::Scalar> values = {data::Scalar::string("u1")};
  const std::string key = **data::feast_entity_key(view.keys(), values) + "feast_check";
  for (const int64_t time : {13, 20, 29}) {  // 20: at the beginning of a slide
    const double value = static_cast<double>(time);
    const auto applied = store->applied_to(view);
    ASSERT_TRUE(applied.ok());
    ASSERT_TRUE(
        store
            ->apply(view,
                    fake_batch(view, {{"u1", time, time, {value}}}, time),
                    applied->has_value() ? std::optional((*applied)->position) : std::nullopt,
                    time,
                    EventTime::min())
            .ok());
    EXPECT_EQ(run({{"HGET", key, data::feast_redis_field("clicks", "f0")}})->front().text,
              data::to_feast_value(data::Scalar::float64(value)));
  }
}

TEST_F(RedisStoreTest, ADropTakesFeastsValuesAlongExceptThoseOfTheViewThatReplacedIt) {
  url_ += "&feast=feast_check";
  const auto store = open();
  const std::vector<data::Field> keys = {{"user_id", data::Type::kString}};
  const FakeView two("clicks", keys, 2, std::nullopt, 2);
  const auto put = [&](const FakeView& view, const std::vector<FakeRow>& rows) {
    ASSERT_TRUE(store->apply(view, fake_batch(view, rows), {}, 0, EventTime{1}).ok());
  };
  const auto fields = [&](const std::string& user) {
    const std::vector<data::Scalar> values = {data::Scalar::string(user)};
    return run({{"HLEN", **data::feast_entity_key(keys, values) + "feast_check"}})->front().integer;
  };
  put(view_, {{"u1", 1, 1, {1}}, {"u2", 1, 1, {2}}});
  const FakeView other("spend", keys, 1);
  put(other, {{"u1", 1, 1, {3}}});
  EXPECT_EQ(fields("u1"), 4);
  // As if the process had died between taking the record away and sweeping.
  ASSERT_TRUE(
      run({{"DEL", prefix() + ":view:clicks"}, {"SREM", prefix() + ":views", "clicks"}}).ok());
  put(two, {{"u1", 1, 1, {5, 6}}});
  EXPECT_EQ(fields("u1"), 5);
  ASSERT_TRUE(store->drop("another").ok());
  EXPECT_EQ(fields("u1"), 5) << "the view that replaced it has all of its fields";
  ASSERT_TRUE(store->drop("clicks").ok());
  EXPECT_EQ(fields("u1"), 2) << "those of the other view";
  ASSERT_TRUE(store->drop("spend").ok());
  EXPECT_EQ(fields("u1"), 0);
  EXPECT_EQ(run({{"KEYS", prefix() + ":feast:*"}})->front().list.size(), 0U);
}

TEST_F(RedisStoreTest, WhatADropOrAReplacementThatWasKilledHasLeftIsRemovedByTheNextRun) {
  const Beside<FakeView> beside("clicks", {{"user_id", data::Type::kString}}, 1);
  const auto keys = [&] { return run({{"KEYS", prefix() + ":row:*"}})->front().list.size(); };
  const auto kill_at = [&](const std::string& place, const auto& body) {
    EXPECT_EXIT(
        {
          TestWorld world;
          const auto store = open_redis_store(world.world, url_).value();
          arm_fail_point(place);
          body(*store);
          ::_exit(2);
        },
        testing::KilledBySignal(SIGKILL),
        "");
  };
  const auto store = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  ASSERT_TRUE(store->apply(beside, fake_batch(beside, {{"u1", 2, 2, {5.0}}}), {}, 1, {2}).ok());
  kill_at("online.replace.before_sweep",
          [&](OnlineStore& to) { (void)replace_view(to, view_, beside.storage_name()); });
  EXPECT_EQ(value(*store), data::Scalar::float64(5));
  EXPECT_EQ(keys(), 2U);
  ASSERT_TRUE(store->remove_leftovers().ok());
  EXPECT_EQ(keys(), 1U);
  EXPECT_EQ(value(*store), data::Scalar::float64(5));
  kill_at("online.drop.before_sweep", [&](OnlineStore& to) { (void)to.drop("clicks"); });
  EXPECT_EQ(keys(), 1U);
  ASSERT_TRUE(store->remove_leftovers().ok());
  EXPECT_EQ(keys(), 0U);
  EXPECT_EQ(run({{"KEYS", prefix() + ":sweep"}})->front().list.size(), 0U);
}

TEST_F(RedisStoreTest, KeysOfAnotherProjectAreLeftAlone) {
  const RedisAddress address = *parse_redis_url(url_);
  const auto open_as = [&](const std::string& project, bool read_only) {
    return open_redis_store(world_.world, address, read_only, project).code();
  };
  EXPECT_EQ(open_as("shop", true), Code::kOk);
  EXPECT_EQ(open_as("fleet", true), Code::kOk) << "a reader makes them nobody's";
  EXPECT_EQ(open_as("shop", false), Code::kOk);
  EXPECT_EQ(open_as("fleet", false), Code::kFailedPrecondition);
  EXPECT_EQ(open_as("fleet", true), Code::kFailedPrecondition);
  EXPECT_EQ(open_as("shop", true), Code::kOk);
  ASSERT_TRUE(run({{"DEL", prefix() + ":project"}}).ok());
  EXPECT_EQ(open_as("fleet", false), Code::kOk) << "another name of the same";
}

TEST_F(RedisStoreTest, AServerOutOfMemoryRefusesTheWholeApply) {
  const auto store = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  ASSERT_TRUE(run({{"CONFIG", "SET", "maxmemory", "1"}}).ok());
  EXPECT_EQ(apply(*store, 1, 2).code(), Code::kResourceExhausted);
  EXPECT_TRUE(store->drop("another").ok()) << "what makes room is not refused";
  ASSERT_TRUE(run({{"CONFIG", "SET", "maxmemory", "0"}}).ok());
  EXPECT_EQ(value(*store), data::Scalar::float64(1));
  EXPECT_EQ((*store->applied_to(view_))->position, 1);
}

TEST_F(RedisStoreTest, AWrongPasswordAndAnAbsentServerAreNamed) {
  ASSERT_TRUE(run({{"CONFIG", "SET", "requirepass", "secret"}}).ok());
  EXPECT_EQ(open_redis_store(world_.world, url_).code(), Code::kPermissionDenied);
  url_ = "redis+unix://:secret@" + url_.substr(std::string("redis+unix://").size());
  EXPECT_EQ(open_redis_store(world_.world, "redis+unix:///nowhere/redis.sock").code(),
            Code::kUnavailable);
  EXPECT_EQ(open_redis_store(world_.world, "rediss://host?ca_file=ca.pem").code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::online
