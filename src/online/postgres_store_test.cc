// What is particular to the store in PostgreSQL: connections, servers that go away, damage. What it
// must do as a store is in online_store_test.cc.

#include <array>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "base/arm_fail_point.h"
#include "online/fake_view.h"
#include "online/online_store.h"
#include "online/postgres_client.h"
#include "online/postgres_under_test.h"
#include "online/store_fixture.h"
#include "online/view_replacer.h"

namespace assay::online {
namespace {

class PostgresStoreTest : public testing::Test {
 protected:
  std::unique_ptr<OnlineStore> open(bool read_only = false) {
    auto store = open_postgres_store(world_.world, url_, read_only);
    EXPECT_TRUE(store.ok()) << store.status().to_string();
    return std::move(store).value();
  }
  Status apply(OnlineStore& store, std::optional<int64_t> expected, int64_t position) {
    return store.apply(
        view_,
        fake_batch(view_, {{"u1", position, position, {static_cast<double>(position)}}}, position),
        expected,
        position,
        EventTime{position},
        {});
  }
  Result<gold::FeatureValues> read(OnlineStore& store) {
    const std::array<data::EntityKey, 1> keys = {fake_key("u1")};
    ASSAY_ASSIGN_OR_RETURN(const auto found, store.read(view_, keys, EventTime{100}));
    return found.front();
  }
  Status sql(const char* statement) {
    return (*PostgresConnection::connect(PostgresAddress::parse(url_)->url))
        ->run(statement)
        .status();
  }

  TestWorld world_;
  PostgresUnderTest& server_ = PostgresUnderTest::shared();
  const std::string url_ = server_.fresh_url();
  const FakeView view_{"clicks", {{"user_id", data::Type::kString}}, 1};
};

TEST_F(PostgresStoreTest, ReadersFindWhatAnotherProcessWrote) {
  EXPECT_EQ(open_postgres_store(world_.world, url_, true).code(), Code::kNotFound);
  const auto writer = open();
  const auto reader = open(true);
  EXPECT_EQ(read(*reader)->statuses[0], data::FeatureStatus::kNotFound);
  ASSERT_TRUE(apply(*writer, {}, 1).ok());
  EXPECT_EQ(read(*reader)->values[0], data::Scalar::float64(1));
  ASSERT_TRUE(writer->drop("clicks").ok());
  EXPECT_EQ(read(*reader)->statuses[0], data::FeatureStatus::kNotFound);
  EXPECT_TRUE(sql("DO $$ BEGIN ASSERT (SELECT count(*) = 0 FROM assay_row); END $$").ok())
      << "rows of a dropped view are removed";
}

TEST_F(PostgresStoreTest, TwoProjectsShareTheTablesAndNothingElse) {
  const auto shop = open_postgres_store(world_.world, url_, false, "shop").value();
  const auto fleet = open_postgres_store(world_.world, url_, false, "fleet").value();
  ASSERT_TRUE(apply(*shop, {}, 1).ok());
  EXPECT_EQ(read(*fleet)->statuses[0], data::FeatureStatus::kNotFound);
  EXPECT_EQ(*fleet->data_now(), EventTime::min());
  ASSERT_TRUE(apply(*fleet, {}, 7).ok());
  EXPECT_EQ(read(*shop)->values[0], data::Scalar::float64(1));
  EXPECT_EQ(read(*fleet)->values[0], data::Scalar::float64(7));
  EXPECT_EQ((*shop->applied_to(view_))->position, 1);
  EXPECT_EQ(*shop->data_now(), EventTime{1});
  EXPECT_NE(*shop->content_hash(view_), *fleet->content_hash(view_));
  ASSERT_TRUE(fleet->drop("clicks").ok());
  EXPECT_TRUE(fleet->views()->empty());
  EXPECT_EQ(*shop->views(), std::vector<std::string>{"clicks"});
  EXPECT_EQ(read(*shop)->values[0], data::Scalar::float64(1));
  ASSERT_TRUE(apply(*shop, 1, 2).ok());
}

TEST_F(PostgresStoreTest, TablesOfOneProjectOfAnEarlierProgramAreTheFirstThatWrites) {
  ASSERT_TRUE(apply(*open(), {}, 1).ok());
  ASSERT_TRUE(sql("ALTER TABLE assay_view DROP CONSTRAINT assay_view_pkey").ok());
  ASSERT_TRUE(sql("ALTER TABLE assay_view DROP COLUMN project").ok());
  ASSERT_TRUE(sql("ALTER TABLE assay_view ADD PRIMARY KEY (name)").ok());
  EXPECT_EQ(open_postgres_store(world_.world, url_, true, "shop").code(),
            Code::kFailedPrecondition);
  const auto shop = open_postgres_store(world_.world, url_, false, "shop").value();
  const auto fleet = open_postgres_store(world_.world, url_, false, "fleet").value();
  EXPECT_EQ(read(*shop)->values[0], data::Scalar::float64(1));
  EXPECT_EQ(read(*fleet)->statuses[0], data::FeatureStatus::kNotFound);
  ASSERT_TRUE(apply(*shop, 1, 2).ok());
  ASSERT_TRUE(apply(*fleet, {}, 1).ok()) << "a view of the same name";
}

TEST_F(PostgresStoreTest, ATransactionThatLostARaceIsDoneAgainAndGivenUpAtLast) {
  const auto store = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  // What PostgreSQL says of transactions that cannot be in one order, at the commit.
  ASSERT_TRUE(sql("CREATE SEQUENCE lost").ok());
  const auto lose = [&](const char* function) {
    ASSERT_TRUE(sql("ALTER SEQUENCE lost RESTART").ok());
    ASSERT_TRUE(sql(function).ok());
  };
  lose(
      "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('lost') <= 3 "
      "THEN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END IF; RETURN NULL; END $$");
  ASSERT_TRUE(sql("CREATE CONSTRAINT TRIGGER lose AFTER UPDATE ON assay_view DEFERRABLE INITIALLY "
                  "DEFERRED FOR EACH ROW EXECUTE FUNCTION lose()")
                  .ok());
  ASSERT_TRUE(apply(*store, 1, 2).ok());
  EXPECT_EQ(read(*store)->values[0], data::Scalar::float64(2));
  EXPECT_EQ(world_.metrics.counter("assay_online_written_entities_total", "").value(), 2);
  lose(
      "CREATE OR REPLACE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM "
      "nextval('lost'); RAISE EXCEPTION 'lost' USING ERRCODE = '40P01'; END $$");
  EXPECT_EQ(apply(*store, 2, 3).code(), Code::kUnavailable);
  EXPECT_TRUE(sql("DO $$ BEGIN ASSERT (SELECT last_value <= 10 FROM lost); END $$").ok())
      << "not for ever";
  EXPECT_EQ(read(*store)->values[0], data::Scalar::float64(2));
  EXPECT_EQ((*store->applied_to(view_))->position, 2);
  ASSERT_TRUE(sql("DROP TRIGGER lose ON assay_view").ok());
  ASSERT_TRUE(apply(*store, 2, 3).ok());
}

TEST_F(PostgresStoreTest, TwoWritersDoNotMoveAViewPastEachOther) {
  const auto one = open();
  const auto other = open();
  ASSERT_TRUE(apply(*one, {}, 1).ok());
  EXPECT_EQ(apply(*other, {}, 1).code(), Code::kFailedPrecondition);
  ASSERT_TRUE(apply(*other, 1, 2).ok());
  EXPECT_EQ(apply(*one, 1, 3).code(), Code::kFailedPrecondition);
  EXPECT_EQ(one->applied_to(view_).value()->position, 2);
}

TEST_F(PostgresStoreTest, WhatAReplacementThatWasKilledHasLeftIsRemovedByTheNextRun) {
  const Beside<FakeView> beside("clicks", {{"user_id", data::Type::kString}}, 1);
  const FakeView other("spend", {{"user_id", data::Type::kString}}, 1);
  const auto store = open();
  const auto fill = [&](const FakeView& view, double value) {
    return store->apply(view, fake_batch(view, {{"u1", 2, 2, {value}}}), {}, 1, {2}).ok();
  };
  const auto rows = [&] {
    const auto server = PostgresConnection::connect(PostgresAddress::parse(url_)->url).value();
    return server->run("SELECT key FROM assay_row").value().rows.size();
  };
  ASSERT_TRUE(fill(view_, 3) && fill(beside, 5) && fill(other, 7));
  const std::size_t all = rows();
  EXPECT_EXIT(
      {
        TestWorld world;
        const auto to = open_postgres_store(world.world, url_, false).value();
        arm_fail_point("online.replace.before_sweep");
        (void)replace_view(*to, view_, beside.storage_name());
        ::_exit(2);
      },
      testing::KilledBySignal(SIGKILL),
      "");
  EXPECT_EQ(rows(), all);
  ASSERT_TRUE(store->remove_leftovers().ok());
  EXPECT_EQ(rows(), all - 1);
  EXPECT_EQ(read(*store)->values[0], data::Scalar::float64(5));
}

TEST_F(PostgresStoreTest, ARowThatWasChangedByOthersIsFoundOut) {
  const auto store = open();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  ASSERT_TRUE(sql("UPDATE assay_row SET value = set_byte(value, 9, 77)").ok());
  EXPECT_EQ(read(*store).code(), Code::kCorrupt);
  EXPECT_EQ(store->content_hash(view_).code(), Code::kCorrupt);
  ASSERT_TRUE(sql("UPDATE assay_view SET meta = ''").ok());
  EXPECT_EQ(store->applied_to(view_).code(), Code::kCorrupt);
}

TEST_F(PostgresStoreTest, AServerThatWasGoneIsFoundAgain) {
  PostgresUnderTest server;  // the others' stays
  auto opened = open_postgres_store(world_.world, server.url() + "&read_timeout=10s", false);
  ASSERT_TRUE(opened.ok());
  const auto store = std::move(opened).value();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  server.kill();
  EXPECT_EQ(read(*store).code(), Code::kUnavailable) << read(*store).status().to_string();
  EXPECT_EQ(apply(*store, 1, 2).code(), Code::kUnavailable);
  EXPECT_EQ(store->applied_to(view_).code(), Code::kUnavailable);
  server.start();
  EXPECT_EQ(read(*store)->values[0], data::Scalar::float64(1)) << "what was acknowledged is there";
  ASSERT_TRUE(apply(*store, 1, 2).ok());
  server.kill();
  server.start();
  EXPECT_EQ(read(*store)->values[0], data::Scalar::float64(2)) << "by a new connection";
  ASSERT_TRUE(apply(*store, 2, 3).ok());
}

TEST_F(PostgresStoreTest, AServerThatSaysNothingIsNotWaitedForByWhoIsServed) {
  std::string url = url_;
  url.replace(url.find("=10s"), 4, "=1s");
  auto opened = open_postgres_store(world_.world, url, false);
  ASSERT_TRUE(opened.ok()) << opened.status().to_string();
  const auto store = std::move(opened).value();
  ASSERT_TRUE(apply(*store, {}, 1).ok());
  ASSERT_TRUE(read(*store).ok()) << "a connection is kept";
  const auto clock = system_clock();
  const int64_t begin = clock->monotonic().micros;
  server_.freeze();
  EXPECT_EQ(read(*store).code(), Code::kUnavailable);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(read(*store).code(), Code::kUnavailable) << "known by then";
  }
  EXPECT_EQ(store->known_applied_to(view_).code(), Code::kUnavailable);
  EXPECT_EQ(store->known_data_now().code(), Code::kUnavailable);
  world_.clock.advance(Duration{kMicrosPerSecond});
  EXPECT_EQ(read(*store).code(), Code::kUnavailable) << "on a new connection";
  EXPECT_EQ(read(*store).code(), Code::kUnavailable);
  const int64_t waited = clock->monotonic().micros - begin;
  server_.thaw();
  EXPECT_LT(waited, 9 * kMicrosPerSecond) << "a writer's ten seconds would be over";
  EXPECT_TRUE(apply(*store, 1, 2).ok()) << "who writes waits longer, and did not ask";
  EXPECT_EQ(read(*store).code(), Code::kUnavailable) << "it is not tried again at once";
  world_.clock.advance(Duration{kMicrosPerSecond});
  EXPECT_EQ(read(*store)->values[0], data::Scalar::float64(2));
}

/// libpq waits for ever where what it sends does not fit.
TEST_F(PostgresStoreTest, AQuestionThatIsLongIsNotSentForEver) {
  const auto connection =
      PostgresConnection::connect(server_.url(), Duration{kMicrosPerSecond}).value();
  const std::vector<PostgresValue> large = {
      PostgresValue::bytes(std::string(std::size_t{64} << 20, 'x'))};
  constexpr char kLength[] = "SELECT length($1)::bigint";
  ASSERT_EQ(connection->run(kLength, {PostgresValue::bytes("abc")})->integer(0, 0), 3);
  server_.freeze();
  EXPECT_EQ(connection->run(kLength, large).code(), Code::kUnavailable);
  EXPECT_TRUE(connection->timed_out());
  server_.thaw();
  const auto next = PostgresConnection::connect(server_.url()).value();
  EXPECT_EQ(next->run(kLength, large)->integer(0, 0), 64 << 20);
}

TEST(PostgresClient, AnAddressSaysHowLongWhoIsServedWaits) {
  const auto parse = [](const std::string& url) { return PostgresAddress::parse(url); };
  EXPECT_EQ(parse("postgresql://u@h/d")->read_timeout.micros, kMicrosPerSecond / 2);
  const PostgresAddress address = *parse("postgresql://u@h/d?a=b&read_timeout=100ms&options=c");
  EXPECT_EQ(address.url, "postgresql://u@h/d?a=b&options=c");
  EXPECT_EQ(address.read_timeout.micros, 100'000);
  EXPECT_EQ(parse("postgresql://u@h/d?read_timeout=1s")->url, "postgresql://u@h/d");
  EXPECT_EQ(parse("postgresql://u@h/d?read_timeout=1s&x=y")->url, "postgresql://u@h/d?x=y");
  EXPECT_EQ(parse("postgresql://u@h/d?read_timeout=1h")->read_timeout.micros,
            address.timeout.micros)
      << "no longer than who writes";
  for (const char* const wrong : {"0s", "", "soon", "-1s"}) {
    EXPECT_EQ(parse(std::string("postgresql://u@h/d?read_timeout=") + wrong).code(),
              Code::kInvalidArgument)
        << wrong;
  }
}

TEST(PostgresClient, WhatCannotBeReachedIsSaid) {
  EXPECT_EQ(PostgresConnection::connect("postgresql://x@/db?host=/nowhere").code(),
            Code::kUnavailable);
  EXPECT_FALSE(PostgresConnection::connect("postgresql://x@/db?host").ok());
  std::string second = PostgresUnderTest::shared().url();
  second.insert(second.find("host=") + 5, "/nowhere,");
  EXPECT_TRUE(PostgresConnection::connect(second).ok()) << "the next of several hosts is tried";
  const auto connection = PostgresConnection::connect(PostgresUnderTest::shared().url()).value();
  EXPECT_EQ(connection->run("SELECT 1 FROM no_such_table").code(), Code::kNotFound);
  EXPECT_EQ(connection->run("SELECT nonsense").code(), Code::kInternal);
  EXPECT_TRUE(connection->usable());
}

}  // namespace
}  // namespace assay::online
