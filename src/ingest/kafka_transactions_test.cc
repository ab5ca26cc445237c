// Records and position in one transaction. librdkafka's mock cluster takes the protocol but keeps
// no position, fences nobody and shows what was aborted; with ASSAY_TEST_KAFKA=HOST:PORT these are
// looked at too, on that broker (tools/servers/kafka.sh with ...).

#include <cstdlib>
#include <functional>

#include <gtest/gtest.h>

#include "base/wait_until.h"
#include "base/world.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_mock.h"

namespace assay::ingest {
namespace {

class KafkaTransactionsTest : public testing::Test {
 protected:
  KafkaTransactionsTest() : world_(LogLevel::kError) {
    const char* real = std::getenv("ASSAY_TEST_KAFKA");
    if (real == nullptr) {
      mock_ = KafkaMock::start();
    }
    options_.brokers = mock_ != nullptr ? mock_->brokers() : real;
    topic_ = "out_" + std::to_string(world_.world().clock.now().micros);
  }

  void create(int32_t partitions) {
    if (mock_ != nullptr) {
      mock_->create_topic(topic_, partitions);
    } else {
      ASSERT_TRUE(create_topic(world_.world().log, options_, topic_, partitions).ok());
    }
  }

  Result<std::unique_ptr<KafkaTransactions>> open(const std::string& name = "") {
    return KafkaTransactions::open(world_.world().log, options_, "assay." + topic_ + name, topic_);
  }

  static void send(KafkaTransactions& transactions, const std::string& value) {
    ASSERT_TRUE(transactions.begin().ok());
    ASSERT_TRUE(transactions.send({"k", value, {{"h", "1"}}}).ok());
  }

  /// What a consumer of committed records has; only so many with the mock, which has no others.
  std::string read() {
    const auto consumer = *KafkaConsumer::open(world_.world().log, options_);
    EXPECT_TRUE(consumer->assign({{{topic_, 0}, 0}}).ok());
    std::string values;
    const auto is_at_end = [&] {
      const auto block = *consumer->poll(100, {100'000});
      for (const KafkaMessage& message : block->messages) {
        values += std::string(message.value) + ";";
      }
      return !block->ends.empty();
    };
    wait_until("the topic's end", is_at_end, std::identity(), {.look_every = {0}});
    return values;
  }

  [[nodiscard]] bool is_real() const { return mock_ == nullptr; }

  SystemWorld world_;
  std::unique_ptr<KafkaMock> mock_;
  KafkaClientOptions options_;
  std::string topic_;
};

TEST_F(KafkaTransactionsTest, RecordsAndPositionAreThereForTheNextOne) {
  create(1);
  {
    const auto transactions = *open();
    EXPECT_FALSE((*transactions->position()).has_value());
    EXPECT_FALSE(*transactions->has_had_records());
    send(*transactions, "a");
    ASSERT_TRUE(transactions->commit({1, "here"}).ok());
    ASSERT_TRUE(transactions->begin().ok());
    ASSERT_TRUE(transactions->commit({2, "there, without a record"}).ok());
  }
  const auto transactions = *open();
  EXPECT_TRUE(*transactions->has_had_records());
  EXPECT_EQ(read(), "a;");
  if (is_real()) {
    const auto position = *transactions->position();
    ASSERT_TRUE(position.has_value());
    EXPECT_EQ(position->count, 2);
    EXPECT_EQ(position->text, "there, without a record");
    EXPECT_FALSE((*(*open("of another"))->position()).has_value());
  }
}

TEST_F(KafkaTransactionsTest, TheLaterOneOfANameTakesOver) {
  create(1);
  const auto first = *open();
  send(*first, "first");
  const auto second = *open();
  if (is_real()) {
    EXPECT_FALSE(first->commit({1, "first"}).ok());
    EXPECT_FALSE((*second->position()).has_value());
  }
  send(*second, "second");
  ASSERT_TRUE(second->commit({1, "second"}).ok());
  if (is_real()) {
    EXPECT_EQ((*second->position())->text, "second");
    EXPECT_EQ(read(), "second;");
  }
}

TEST_F(KafkaTransactionsTest, WithoutTopicOrBrokerItSaysSo) {
  if (is_real()) {  // the mock makes topics that are asked for
    EXPECT_EQ(open().code(), Code::kNotFound);
  }
  options_.timeout = {300'000};
  options_.brokers = "127.0.0.1:1";
  EXPECT_EQ(open().code(), Code::kUnavailable);
  options_.settings = {{"no.such.setting", "1"}};
  EXPECT_EQ(open().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::ingest
