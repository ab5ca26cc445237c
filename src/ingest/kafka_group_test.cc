// Members of a group on librdkafka's mock cluster; with ASSAY_TEST_KAFKA=HOST:PORT against that
// broker.

#include <cstdlib>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/wait_until.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_discovery.h"
#include "ingest/kafka_mock.h"
#include "ingest/kafka_source.h"

namespace assay::ingest {
namespace {

constexpr int32_t kPartitions = 4;
constexpr Duration kAskTimeout{10 * kMicrosPerSecond};

/// A topic whose partitions members of a group divide. What a member handed out is committed when
/// it gives partitions up, as flow does it.
class KafkaGroupTest : public testing::Test {
 protected:
  KafkaGroupTest() : world_(LogLevel::kError) {
    const char* real = std::getenv("ASSAY_TEST_KAFKA");
    if (real == nullptr) {
      mock_ = KafkaMock::start();
    }
    definition_.name = "clicks";
    definition_.format = catalog::Format::kJsonLines;
    definition_.kafka.emplace();
    definition_.kafka->brokers = mock_ != nullptr ? mock_->brokers() : real;
    const std::string topic = "group_" + std::to_string(world_.world().clock.now().micros);
    definition_.kafka->topics = {topic};
    definition_.kafka->options = {{"session.timeout.ms", mock_ != nullptr ? "3200" : "6000"},
                                  {"heartbeat.interval.ms", "100"}};
    KafkaClientOptions options;
    options.brokers = definition_.kafka->brokers;
    if (mock_ != nullptr) {
      mock_->create_topic(topic, kPartitions);
    } else {
      EXPECT_TRUE(create_topic(*log_, options, topic, kPartitions).ok());
    }
    producer_ = *KafkaProducer::open(*log_, options);
  }

  void send(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(
          producer_->send(definition_.kafka->topics.front(), sent_ % kPartitions, "", number(sent_))
              .ok());
      ++sent_;
    }
    ASSERT_TRUE(producer_->flush().ok());
  }
  static std::string number(int value) { return std::to_string(value); }

  /// One member, and what it has read and not committed.
  struct Member {
    std::unique_ptr<KafkaSource> source;
    std::vector<std::string> pending;
    int64_t given_up = 0;
  };
  Member join() {
    KafkaSource::Options options;
    options.group = definition_.kafka->topics.front();
    Member member{*KafkaSource::open(world_.world(), definition_, ledger_, options), {}};
    EXPECT_TRUE(member.source->discover().ok());
    EXPECT_TRUE(member.source->join().ok());
    return member;
  }

  void commit(Member& member) {
    for (std::string& value : std::exchange(member.pending, {})) {
      EXPECT_TRUE(committed_.insert(std::move(value)).second) << "doubled";
    }
    for (const auto& [ordinal, position] : member.source->positions()) {
      done_[ordinal] = position;
    }
  }

  void step(Member& member) {
    const auto batch = member.source->next(10, {10'000});
    ASSERT_TRUE(batch.ok()) << batch.status().to_string();
    if (batch->has_value()) {
      for (const std::string_view record : (*batch)->records) {
        member.pending.emplace_back(record);
      }
    }
    if (!member.source->rebalance().has_value()) {
      return;
    }
    if (member.source->rebalance()->gives) {
      ASSERT_TRUE(member.source->take({done_}).ok());
      return;
    }
    ASSERT_FALSE(member.source->rebalance()->is_lost);
    commit(member);
    member.given_up += static_cast<int64_t>(member.source->rebalance()->ordinals.size());
    ASSERT_TRUE(member.source->give_up().ok());
  }

  /// Let them go on until it is so.
  void step_until(const std::string& what,
                  const std::vector<Member*>& members,
                  const std::function<bool()>& is_so) {
    wait_until(what,
               [&] {
                 for (Member* member : members) {
                   step(*member);
                 }
                 return is_so();
               },
               std::identity(),
               {.look_every = {0}});
  }

  /// Where all parts end, also those that no member has.
  PartPositions ends_of(KafkaSource& source) {
    KafkaClientOptions options;
    options.brokers = definition_.kafka->brokers;
    const auto consumer = *KafkaConsumer::open(*log_, options);
    return source.see(*look_at_topics(*consumer, definition_.kafka->topics, {0}, kAskTimeout))
        ->ends;
  }
  [[nodiscard]] static std::size_t parts(const Member& member) {
    return member.source->part_lags().size();
  }

  SystemWorld world_;
  std::unique_ptr<Log> log_ = null_log();
  std::unique_ptr<KafkaMock> mock_;
  std::unique_ptr<KafkaProducer> producer_;
  catalog::SourceDef definition_;
  MemoryFileLedger ledger_;
  int sent_ = 0;
  std::set<std::string> committed_;
  PartPositions done_;
};

TEST_F(KafkaGroupTest, WhatKeepsTheGroupFromGivingPartitionsIsTold) {
  if (mock_ == nullptr) {
    return;  // a real broker's groups have room
  }
  mock_->fail_joins(1);
  Member member = join();
  step_until("a group that says what is wrong", {&member}, [&] {
    return !member.source->group_trouble().empty();
  });
  step_until("all partitions", {&member}, [&] { return parts(member) == kPartitions; });
  EXPECT_EQ(member.source->group_trouble(), "");
}

TEST_F(KafkaGroupTest, PartitionsMoveWithNothingLostOrDoubled) {
  send(100);
  Member first = join();
  EXPECT_EQ(ends_of(*first.source).size(), kPartitions);
  step_until("all partitions and 50 records", {&first}, [&] {
    return parts(first) == kPartitions && first.pending.size() >= 50;
  });
  const PartPositions ends = ends_of(*first.source);
  ASSERT_EQ(ends.size(), kPartitions);
  EXPECT_EQ(Position{ends.begin()->second}.record(), 100 / kPartitions);
  // A second one comes while the first has read what is not committed.
  Member second = join();
  send(100);
  step_until("half of the partitions each", {&first, &second}, [&] {
    return parts(first) == kPartitions / 2 && parts(second) == kPartitions / 2;
  });
  EXPECT_EQ(first.given_up, kPartitions / 2);
  send(100);
  step_until("300 records", {&first, &second}, [&] {
    return committed_.size() + first.pending.size() + second.pending.size() >= 300;
  });
  // The first one leaves.
  commit(first);
  first.source.reset();
  send(100);
  const auto is_told = [&] {
    const auto batch = second.source->next(10, {10'000});
    EXPECT_TRUE(batch.ok()) << batch.status().to_string();
    if (batch.ok() && batch->has_value()) {
      for (const std::string_view record : (*batch)->records) {
        second.pending.emplace_back(record);
      }
    }
    return second.source->rebalance().has_value();
  };
  wait_until("what the one that left had", is_told, std::identity(), {.look_every = {0}});
  // So does the second one, before it has answered what it was given.
  commit(second);
  second.source.reset();
  Member third = join();
  step_until("all partitions and 400 records", {&third}, [&] {
    return parts(third) == kPartitions && committed_.size() + third.pending.size() >= 400;
  });
  commit(third);
  EXPECT_EQ(committed_.size(), 400U);
}

TEST_F(KafkaGroupTest, AMemberThatIsStartedLaterNumbersNothingTwice) {
  const auto one = join();
  const auto other = join();
  EXPECT_EQ(ledger_.known(kafka_ledger_name("clicks"))->size(), kPartitions);
}

}  // namespace
}  // namespace assay::ingest
