// What a source knows of its topic by the topic's id, on librdkafka's mock cluster; with
// ASSAY_TEST_KAFKA=HOST:PORT against that broker.

#include "ingest/kafka_discovery.h"

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/wait_until.h"
#include "ingest/kafka_admin.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_mock.h"
#include "ingest/kafka_source.h"

namespace assay::ingest {
namespace {

constexpr Duration kLong{10 * kMicrosPerSecond};

/// A topic of which all was read, and the brokers that have it.
class KafkaDiscoveryTest : public testing::Test {
 protected:
  KafkaDiscoveryTest() : quiet_(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1)) {
    definition_.name = "clicks";
    definition_.format = catalog::Format::kJsonLines;
    definition_.kafka.emplace();
    definition_.kafka->topics = {topic_};
  }

  void start() {
    const char* real = std::getenv("ASSAY_TEST_KAFKA");
    if (real == nullptr) {
      start(KafkaMock::start());
      return;
    }
    topic_ += "_" + std::to_string(quiet_.world().clock.now().micros);
    definition_.kafka->topics = {topic_};
    definition_.kafka->brokers = real;
    create(1);
  }
  void start(std::unique_ptr<KafkaMock> mock) {
    mock_ = std::move(mock);
    definition_.kafka->brokers = mock_->brokers();
    mock_->create_topic(topic_, 1);
  }
  /// The topic, which a real broker may still be about to delete; until it is there.
  void create(int32_t partitions) {
    KafkaClientOptions options;
    options.brokers = definition_.kafka->brokers;
    bool is_made = false;
    wait_until(
        "the topic",
        [&] {
          is_made = is_made || create_topic(quiet_.world().log, options, topic_, partitions).ok();
          const auto producer = *KafkaProducer::open(quiet_.world().log, options);
          const Result<int32_t> found = producer->partitions(topic_, kLong);
          return is_made && found.ok() && *found == partitions;
        },
        std::identity());
  }
  void make_again(int32_t partitions) {
    if (mock_ != nullptr) {
      mock_->make_again(topic_, partitions);
      return;
    }
    ASSERT_TRUE(delete_topic(definition_.kafka->brokers, topic_).ok());
    create(partitions);
  }
  void send(const std::vector<std::string>& values) {
    KafkaClientOptions options;
    options.brokers = definition_.kafka->brokers;
    const auto producer = *KafkaProducer::open(quiet_.world().log, options);
    for (const std::string& value : values) {
      ASSERT_TRUE(producer->send(topic_, 0, "k", value).ok());
    }
    ASSERT_TRUE(producer->flush().ok());
  }
  std::unique_ptr<KafkaSource> open() {
    return *KafkaSource::open(quiet_.world(), definition_, ledger_, {});
  }
  std::unique_ptr<KafkaSource> open_placed() {
    std::unique_ptr<KafkaSource> source = open();
    const Result<int64_t> found = source->discover();
    EXPECT_TRUE(found.ok()) << found.status().to_string();
    EXPECT_TRUE(source->seek(done_).ok());
    return source;
  }
  /// Read up to the present end, and keep what a table would. Gives the values.
  std::vector<std::string> read_all(KafkaSource& source) {
    std::vector<std::string> values;
    wait_until("the end",
               [&] {
                 const auto batch = source.next(100, kLong);
                 EXPECT_TRUE(batch.ok()) << batch.status().to_string();
                 if (batch.ok() && batch->has_value()) {
                   for (const std::string_view value : (*batch)->records) {
                     values.emplace_back(value);
                   }
                 }
                 return !batch.ok() || source.at_end();
               },
               std::identity(),
               {.look_every = {0}});
    done_ = {source.positions(), source.marks()};
    return values;
  }

  using Values = std::vector<std::string>;

  SystemWorld quiet_;
  std::string topic_ = "clicks";
  std::unique_ptr<KafkaMock> mock_;
  catalog::SourceDef definition_;
  MemoryFileLedger ledger_;
  PartsDone done_;
};

TEST_F(KafkaDiscoveryTest, ATopicMadeAgainIsToldThoughItHasMoreRecords) {
  start();
  send({"a", "b"});
  const auto source = open_placed();
  EXPECT_EQ(read_all(*source), (Values{"a", "b"}));
  make_again(1);
  send({"u", "v", "w", "x"});
  const Status running = source->discover().status();
  EXPECT_EQ(running.code(), Code::kFailedPrecondition) << running.to_string();
  EXPECT_NE(running.message().find("the topic was made anew"), std::string::npos);
  EXPECT_NE(running.message().find("on_lost: skip"), std::string::npos);
  EXPECT_EQ(open()->discover().code(), Code::kFailedPrecondition);
}

TEST_F(KafkaDiscoveryTest, ALineThatReadOnInItIsToldAtTheNextStart) {
  start();
  send({"a", "b"});
  {
    const auto source = open_placed();
    read_all(*source);
    make_again(1);
    send({"u", "v", "w", "x"});
    done_.marks.clear();  // as a line leaves them that took "w" and "x" for what follows "b"
    done_.positions[0] = 4;
  }
  EXPECT_EQ(open()->discover().code(), Code::kFailedPrecondition);
}

TEST_F(KafkaDiscoveryTest, ToldToSkipItReadsTheNewOneFromItsBeginningOnce) {
  start();
  send({"a", "b"});
  definition_.kafka->on_lost = catalog::OnLost::kSkip;
  const auto source = open_placed();
  read_all(*source);
  make_again(1);
  send({"u", "v", "w"});
  ASSERT_TRUE(source->discover().ok());
  ASSERT_TRUE(source->seek(done_).ok());
  EXPECT_EQ(read_all(*source), (Values{"u", "v", "w"}));
  EXPECT_EQ(done_.positions.at(1), (int64_t{1} << 32) + 3);
  ASSERT_TRUE(source->discover().ok());
  definition_.kafka->on_lost = catalog::OnLost::kFail;
  EXPECT_TRUE(read_all(*open_placed()).empty());
  send({"x"});
  EXPECT_EQ(read_all(*open_placed()), Values{"x"});
}

TEST_F(KafkaDiscoveryTest, OlderTablesTakeTheIdThatIsSeen) {
  start();
  SourceFile first;
  first.path = topic_ + "/0";
  ASSERT_TRUE(ledger_.add(kafka_ledger_name("clicks"), {first}).ok());
  send({"a"});
  EXPECT_EQ(read_all(*open_placed()), Values{"a"});
  make_again(1);
  EXPECT_EQ(open()->discover().code(), Code::kFailedPrecondition);
}

TEST_F(KafkaDiscoveryTest, ANewPartitionIsOfTheTopicThatIsThere) {
  start();
  send({"a"});
  read_all(*open_placed());
  make_again(2);
  EXPECT_EQ(open()->discover().code(), Code::kFailedPrecondition);
  EXPECT_EQ(open()->discover().code(), Code::kFailedPrecondition);
}

TEST_F(KafkaDiscoveryTest, BrokersWithoutIdsAreReadAsEver) {
  start(KafkaMock::start_without_ids());
  send({"a", "b"});
  EXPECT_EQ(read_all(*open_placed()), (Values{"a", "b"}));
  make_again(1);
  send({"u"});
  EXPECT_TRUE(open()->discover().ok());
}

/// What a look of another client says.
PartsSeen seen_of(KafkaSource& source, KafkaConsumer& asks, const std::string& topic) {
  const Result<KafkaLook> look = look_at_topics(asks, {topic}, {0}, kLong);
  EXPECT_TRUE(look.ok()) << look.status().to_string();
  return *source.see(*look);
}

TEST_F(KafkaDiscoveryTest, ALookOfAnotherClientTellsOfATopicMadeAgain) {
  start();
  send({"a", "b"});
  const auto source = open_placed();
  KafkaClientOptions options;
  options.brokers = definition_.kafka->brokers;
  const auto asks = *KafkaConsumer::open(quiet_.world().log, options);
  const PartsSeen before = seen_of(*source, *asks, topic_);
  EXPECT_FALSE(before.are_others);
  EXPECT_EQ(before.ends, (PartPositions{{0, 2}}));
  make_again(1);
  send({"u", "v", "w", "x"});
  EXPECT_TRUE(seen_of(*source, *asks, topic_).are_others);
}

TEST_F(KafkaDiscoveryTest, ALookIsNoAnswerWhereALeaderAloneIsSilent) {
  start(KafkaMock::start(2));
  mock_->set_leader(topic_, 0, 2);
  KafkaClientOptions options;
  options.brokers = mock_->brokers();
  const auto asks = *KafkaConsumer::open(quiet_.world().log, options);
  EXPECT_TRUE(look_at_topics(*asks, {topic_}, {0}, kLong).ok());
  mock_->set_away(true, 2);
  EXPECT_EQ(look_at_topics(*asks, {topic_}, {0}, {200'000}).code(), Code::kUnavailable);
}

}  // namespace
}  // namespace assay::ingest
