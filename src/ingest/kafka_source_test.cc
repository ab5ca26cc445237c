// The Kafka source on librdkafka's mock cluster; with ASSAY_TEST_KAFKA=HOST:PORT the same tests run
// against that broker (tools/servers/kafka.sh with ...).

#include "ingest/kafka_source.h"

#include <cstdlib>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "base/pause.h"
#include "base/wait_until.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_marks.h"
#include "ingest/kafka_mock.h"
#include "ingest/test_registry.h"

namespace assay::ingest {
namespace {

constexpr Duration kLong{30 * kMicrosPerSecond};

/// A topic of its own for each test, its producer and what a source of it needs.
class KafkaSourceTest : public testing::Test {
 protected:
  KafkaSourceTest() : world_(LogLevel::kError) {
    definition_.name = "clicks";
    definition_.format = catalog::Format::kJsonLines;
    definition_.kafka.emplace();
    definition_.kafka->brokers = brokers_;
    topic_ = std::string("t_") + testing::UnitTest::GetInstance()->current_test_info()->name() +
             "_" + std::to_string(world_.world().clock.now().micros);
    definition_.kafka->topics = {topic_};
  }

  // One broker and one producer for all tests.
  static void SetUpTestSuite() {
    const char* real = std::getenv("ASSAY_TEST_KAFKA");
    if (real == nullptr) {
      mock_ = KafkaMock::start();
    }
    brokers_ = mock_ != nullptr ? mock_->brokers() : real;
    KafkaClientOptions options;
    options.brokers = brokers_;
    producer_ = *KafkaProducer::open(*log_, options);
  }
  static void TearDownTestSuite() {
    producer_.reset();
    mock_.reset();
  }

  void create(int32_t partitions) {
    if (mock_ != nullptr) {
      mock_->create_topic(topic_, partitions);
      return;
    }
    KafkaClientOptions options;
    options.brokers = definition_.kafka->brokers;
    ASSERT_TRUE(create_topic(world_.world().log, options, topic_, partitions).ok());
  }

  void send(int32_t partition, const std::string& value, const std::string& key = "k") {
    ASSERT_TRUE(producer_->send(topic_, partition, key, value).ok());
    ASSERT_TRUE(producer_->flush().ok());
  }

  std::unique_ptr<KafkaSource> open(bool keep_meta = false) {
    KafkaSource::Options options;
    options.keep_meta = keep_meta;
    return *KafkaSource::open(world_.world(), definition_, ledger_, options);
  }

  std::unique_ptr<KafkaSource> open_at(const PartPositions& done, const PartMarks& marks = {}) {
    std::unique_ptr<KafkaSource> source = open();
    EXPECT_TRUE(source->discover().ok());
    const Status placed = source->seek({done, marks});
    EXPECT_TRUE(placed.ok()) << placed.to_string();
    return source;
  }

  /// The next records; waits until there are some.
  static RecordBatch read_some(KafkaSource& source, int64_t records_max = 1000) {
    RecordBatch some;
    const auto has_come = [&] {
      Result<std::optional<RecordBatch>> batch = source.next(records_max, kLong);
      EXPECT_TRUE(batch.ok()) << batch.status().to_string();
      if (batch.ok() && batch->has_value()) {
        some = **std::move(batch);
      }
      return !batch.ok() || some.size() > 0;
    };
    wait_until("records", has_come, std::identity(), {.look_every = {0}});
    return some;
  }

  /// Everything up to the present end, as "position:value".
  static std::vector<std::string> read_all(KafkaSource& source, int64_t records_max = 1000) {
    std::vector<std::string> values;
    const auto is_at_end = [&] {
      if (source.at_end()) {
        return true;
      }
      Result<std::optional<RecordBatch>> batch = source.next(records_max, kLong);
      EXPECT_TRUE(batch.ok()) << batch.status().to_string();
      if (!batch.ok()) {
        return true;
      }
      for (int64_t i = 0; batch->has_value() && i < (*batch)->size(); ++i) {
        values.push_back((*batch)->part_name(i).substr((*batch)->part_name(i).rfind('/') + 1) +
                         ":" + std::to_string((*batch)->lines[static_cast<std::size_t>(i)]) + ":" +
                         std::string((*batch)->records[static_cast<std::size_t>(i)]));
      }
      return source.at_end();
    };
    wait_until("the end of all partitions", is_at_end, std::identity(), {.look_every = {0}});
    std::sort(values.begin(), values.end());
    return values;
  }

  static inline std::unique_ptr<Log> log_ = null_log();
  static inline std::unique_ptr<KafkaMock> mock_;
  static inline std::unique_ptr<KafkaProducer> producer_;
  static inline std::string brokers_;
  SystemWorld world_;
  std::string topic_;
  catalog::SourceDef definition_;
  MemoryFileLedger ledger_;
};

using Values = std::vector<std::string>;

TEST_F(KafkaSourceTest, ReadsEveryPartitionFromItsBeginning) {
  create(2);
  send(0, "a");
  send(0, "b");
  send(1, "c");
  const auto source = open_at({});
  EXPECT_EQ(read_all(*source), (Values{"0:0:a", "0:1:b", "1:0:c"}));
  EXPECT_EQ(source->lag(), 0);
}

TEST_F(KafkaSourceTest, GoesOnWhereTheTablesStand) {
  create(2);
  for (const char* value : {"a", "b", "c"}) {
    send(0, value);
    send(1, value);
  }
  PartPositions done;
  {
    const auto source = open_at({});
    read_some(*source, 2);
    done = source->positions();
  }
  std::size_t read = 0;
  for (const auto& [ordinal, position] : done) {
    read += static_cast<std::size_t>(position - (ordinal << 32));
  }
  const auto source = open_at(done);
  EXPECT_EQ(read_all(*source).size(), 6 - read);
}

TEST_F(KafkaSourceTest, APositionNeverChangesItsMeaning) {
  create(2);
  send(1, "a");
  for (int start = 0; start < 2; ++start) {
    const auto source = open_at({});
    EXPECT_EQ(read_some(*source).position_of(0), int64_t{1} << 32);
    EXPECT_EQ(ledger_.known("kafka:clicks")->size(), 2U);
  }
}

TEST_F(KafkaSourceTest, LatestBeginsBehindWhatWasThereTheFirstTime) {
  create(1);
  send(0, "before");
  definition_.kafka->start = catalog::KafkaStart::kLatest;
  EXPECT_TRUE(read_all(*open_at({})).empty());
  send(0, "after");
  // The position was remembered by the ledger, though no table has one.
  EXPECT_EQ(read_all(*open_at({})), (Values{"0:1:after"}));
}

TEST_F(KafkaSourceTest, ASilentRegistryHoldsRecordsBackAndMovesNoPosition) {
  create(1);
  const auto registry = std::make_shared<TestRegistry>();
  registry->answers["/schemas/ids/1"] = {200, R"({"schema":"\"long\""})"};
  registry->failure = Status(Code::kUnavailable, "no connection");
  definition_.format = catalog::Format::kAvro;
  definition_.registry.emplace();
  definition_.registry->url = "http://registry";
  KafkaSource::Options options;
  options.keep_meta = true;
  options.registry = registry;
  SystemWorld quiet(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  const auto source = *KafkaSource::open(quiet.world(), definition_, ledger_, options);
  ASSERT_TRUE(source->discover().ok());
  ASSERT_TRUE(source->seek({}).ok());
  send(0, wire_record(1, "\x02"), wire_record(1, "\x04"));
  for (int i = 0; i < 20 && registry->asked == 0; ++i) {
    EXPECT_FALSE(source->next(10, {100'000})->has_value());
  }
  EXPECT_FALSE(source->next(10, {0})->has_value());
  EXPECT_FALSE(source->at_end());
  EXPECT_EQ(source->positions().at(0), 0);
  registry->failure = Status();
  const RecordBatch batch = read_some(*source);
  ASSERT_EQ(batch.size(), 1);
  EXPECT_NE(batch.schemas.at(1), nullptr);
  EXPECT_EQ(batch.meta.find("_key")->text(0), "2") << "a key in wire format, as JSON";
  EXPECT_EQ(source->positions().at(0), 1);
}

TEST_F(KafkaSourceTest, AKeyIsReadByItsSchemaOnlyWhereItMayHaveOne) {
  create(1);
  const auto registry = std::make_shared<TestRegistry>();
  registry->answers["/schemas/ids/1"] = {200, R"({"schema":"\"long\""})"};
  definition_.format = catalog::Format::kAvro;
  definition_.registry.emplace();
  definition_.registry->url = "http://registry";
  const std::string key = wire_record(1, "\x0a");
  send(0, wire_record(1, "\x02"), key);
  for (const bool have_schemas : {true, false}) {
    definition_.registry->keys_have_schemas = have_schemas;
    KafkaSource::Options options;
    options.registry = registry;
    options.keep_meta = true;
    const auto source = *KafkaSource::open(world_.world(), definition_, ledger_, options);
    ASSERT_TRUE(source->discover().ok());
    ASSERT_TRUE(source->seek({}).ok());
    const RecordBatch batch = read_some(*source);
    ASSERT_EQ(batch.size(), 1);
    EXPECT_EQ(batch.meta.find("_key")->text(0), have_schemas ? "5" : key);
    EXPECT_EQ(batch.meta.find(kRawKey)->is_valid(0), have_schemas);
    if (have_schemas) {
      EXPECT_EQ(batch.meta.find(kRawKey)->text(0), key);
    }
  }
}

TEST_F(KafkaSourceTest, HeadersAreReadWhereTheyAreKept) {
  create(1);
  ASSERT_TRUE(producer_->send(topic_, KafkaRecord{"k", "v", {{"via", "a"}, {"id", "7"}}}).ok());
  ASSERT_TRUE(producer_->flush().ok());
  for (const bool keep_meta : {true, false}) {
    const auto source = open(keep_meta);
    ASSERT_TRUE(source->discover().ok());
    ASSERT_TRUE(source->seek({}).ok());
    const RecordBatch batch = read_some(*source);
    ASSERT_EQ(batch.size(), 1);
    EXPECT_EQ(batch.records[0], "v");
    ASSERT_EQ(batch.meta.rows(), keep_meta ? 1 : 0);
    if (keep_meta) {
      EXPECT_EQ(batch.meta.find("_headers")->text(0), R"({"via":"a","id":"7"})");
    }
  }
}

TEST_F(KafkaSourceTest, ANullValueIsToldFromAnEmptyOne) {
  create(1);
  ASSERT_TRUE(producer_->send(topic_, 0, "k", std::string_view()).ok());
  send(0, "");
  const auto source = open_at({});
  std::vector<bool> nulls;
  while (nulls.size() < 2) {
    const RecordBatch batch = read_some(*source);
    for (int64_t i = 0; i < batch.size(); ++i) {
      nulls.push_back(!batch.null_values.empty() && batch.null_values[static_cast<std::size_t>(i)]);
    }
  }
  EXPECT_EQ(nulls, (std::vector<bool>{true, false}));
}

TEST_F(KafkaSourceTest, KeysTimesAndHeadersAreKeptWhenAsked) {
  create(1);
  KafkaRecord record{"u1", "{}", {{"trace", "t-1"}, {"bytes", std::string("\xff\x00", 2)}}};
  ASSERT_TRUE(producer_->send(topic_, record).ok());
  ASSERT_TRUE(producer_->flush().ok());
  send(0, "{}", "u2");
  const auto source = open(true);
  ASSERT_TRUE(source->discover().ok());
  ASSERT_TRUE(source->seek({}).ok());
  const Result<RecordBatch> both = source->read_until({{0, 2}}, kLong);
  ASSERT_TRUE(both.ok()) << both.status().to_string();
  const data::Batch& meta = both->meta;
  ASSERT_EQ(meta.rows(), 2);
  EXPECT_EQ(meta.find("_key")->text(0), "u1");
  EXPECT_EQ(meta.find("_topic")->text(0), topic_);
  EXPECT_EQ(meta.find("_offset")->values<int64_t>()[0], 0);
  EXPECT_GT(meta.find("_timestamp")->values<int64_t>()[0], 0);
  EXPECT_EQ(meta.find("_headers")->text(0), R"({"trace":"t-1","bytes":{"base64":"/wA="}})");
  EXPECT_TRUE(meta.find("_headers")->is_null(1));
}

TEST_F(KafkaSourceTest, ValuesBeyondTheLimitAreCutAndMarked) {
  create(1);
  definition_.record_bytes_max = 4;
  send(0, "1234");
  send(0, "12345");
  const auto source = open_at({});
  std::vector<bool> oversized;
  while (oversized.size() < 2) {
    const RecordBatch batch = read_some(*source);
    for (std::size_t i = 0; i < batch.records.size(); ++i) {
      oversized.push_back(!batch.oversized.empty() && batch.oversized[i]);
    }
  }
  EXPECT_EQ(oversized, (std::vector<bool>{false, true}));
}

TEST_F(KafkaSourceTest, APositionBehindTheEndIsATopicMadeAnew) {
  create(1);
  send(0, "a");
  const auto source = open();
  ASSERT_TRUE(source->discover().ok());
  const PartPositions done{{0, 7}};
  EXPECT_EQ(source->seek({done}).code(), Code::kFailedPrecondition);
}

TEST_F(KafkaSourceTest, ToldToSkipItReadsTheNewTopicUnderANumberOfItsOwn) {
  create(1);
  send(0, "a");
  SystemWorld quiet(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  definition_.kafka->on_lost = catalog::OnLost::kSkip;
  const auto source = *KafkaSource::open(quiet.world(), definition_, ledger_, {});
  ASSERT_TRUE(source->discover().ok());
  ASSERT_TRUE(source->seek({{{0, 7}}}).ok());
  EXPECT_EQ(read_all(*source), (Values{"0:0:a"}));
  EXPECT_EQ(source->positions().at(1), (int64_t{1} << 32) + 1);
  // The next start goes on in the new one.
  const auto again = open_at({{0, 7}, {1, (int64_t{1} << 32) + 1}});
  EXPECT_TRUE(read_all(*again).empty());
}

/// A topic that was made again is one of the same name at another broker of this process.
class TopicsMadeAgain : public KafkaSourceTest {
 protected:
  TopicsMadeAgain() : quiet_(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1)) {
    make({"a", "b"});
    const auto source = open_at({});
    EXPECT_EQ(read_all(*source), (Values{"0:0:a", "0:1:b"}));
    done_ = {source->positions(), source->marks()};
  }
  void make(const Values& values) {
    made_.push_back(KafkaMock::start_without_ids());
    made_.back()->create_topic(topic_, 1);
    definition_.kafka->brokers = made_.back()->brokers();
    add(values);
  }
  void add(const Values& values) {
    KafkaClientOptions options;
    options.brokers = definition_.kafka->brokers;
    const auto producer = *KafkaProducer::open(*log_, options);
    for (const std::string& value : values) {
      ASSERT_TRUE(producer->send(topic_, 0, "k", value).ok());
    }
    ASSERT_TRUE(producer->flush().ok());
  }
  std::unique_ptr<KafkaSource> open_there(Duration timeout = {10 * kMicrosPerSecond}) {
    KafkaSource::Options options;
    options.timeout = timeout;
    std::unique_ptr<KafkaSource> source =
        *KafkaSource::open(quiet_.world(), definition_, ledger_, options);
    EXPECT_TRUE(source->discover().ok());
    const Status placed = source->seek(done_);
    EXPECT_TRUE(placed.ok()) << placed.to_string();
    return source;
  }

  SystemWorld quiet_;
  std::vector<std::unique_ptr<KafkaMock>> made_;
  PartsDone done_;
};

TEST_F(TopicsMadeAgain, TheLastRecordIsNotHandedOutTwice) {
  ASSERT_EQ(done_.marks.size(), 1U);
  const auto nothing = open_there();
  EXPECT_TRUE(read_all(*nothing).empty());
  EXPECT_EQ(nothing->marks(), done_.marks);
  add({"c"});
  const auto source = open_there();
  EXPECT_EQ(read_all(*source), (Values{"0:2:c"}));
  EXPECT_NE(source->marks(), done_.marks);
}

TEST_F(TopicsMadeAgain, MoreRecordsThanWereReadHideNothing) {
  make({"x", "y", "z"});
  const auto source = open_there();
  Status status;
  wait_until("a failure",
             [&] {
               const auto batch = source->next(10, kLong);
               EXPECT_FALSE(batch.ok() && batch->has_value());
               status = batch.status();
               return !status.ok();
             },
             std::identity(),
             {.look_every = {0}});
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_NE(status.message().find("the topic was made anew"), std::string::npos)
      << status.message();
}

TEST_F(TopicsMadeAgain, ToldToSkipItReadsTheNewOne) {
  make({"x", "y", "z"});
  definition_.kafka->on_lost = catalog::OnLost::kSkip;
  const auto source = open_there();
  EXPECT_EQ(read_all(*source), (Values{"0:0:x", "0:1:y", "0:2:z"}));
  EXPECT_EQ(source->positions().at(1), (int64_t{1} << 32) + 3);
  EXPECT_TRUE(source->marks().contains(1));
  done_ = {source->positions(), source->marks()};
  add({"w"});
  EXPECT_EQ(read_all(*open_there()), (Values{"0:3:w"}));
}

TEST_F(TopicsMadeAgain, WhatIsReadAgainIsNotTakenFromTheNewOne) {
  make({"x", "y", "z"});
  EXPECT_EQ(open_there()->read_until({{0, 3}}, kLong).code(), Code::kFailedPrecondition);
  definition_.kafka->on_lost = catalog::OnLost::kSkip;
  const auto source = open_there();
  const Result<RecordBatch> batch = source->read_until({{0, 3}}, kLong);
  ASSERT_TRUE(batch.ok()) << batch.status().to_string();
  EXPECT_EQ(batch->size(), 0);
}

TEST_F(TopicsMadeAgain, ATopicThatGoesIsToldAndTheClientEnds) {
  add({"c"});
  const auto source = open_there({500'000});
  EXPECT_EQ(read_some(*source).size(), 1);
  made_.back()->lose_topic(topic_);
  made_.back()->fail_fetches(1);  // so that the client looks for it again
  wait_until(
      "a topic that is not there",
      [&] { return source->discover().code(); },
      [](Code code) { return code == Code::kNotFound; });
}

/// Partition 0 was never read; partition 1 was, and its broker says once that the records that it
/// is asked for are gone.
class RecordsThatAge : public KafkaSourceTest {
 protected:
  static constexpr int32_t kSecondBroker = 2;

  RecordsThatAge()
      : cluster_(KafkaMock::start(2)),
        quiet_(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1)) {
    cluster_->create_topic(topic_, 2);
    cluster_->set_leader(topic_, 0, 1);
    cluster_->set_leader(topic_, 1, kSecondBroker);
    definition_.kafka->brokers = cluster_->brokers();
    KafkaClientOptions options;
    options.brokers = cluster_->brokers();
    sends_ = *KafkaProducer::open(*log_, options);
    add(1, {"a"});
    const auto source = open_at({});
    EXPECT_EQ(read_all(*source), (Values{"1:0:a"}));
    done_ = {source->positions(), source->marks()};
  }
  void add(int32_t partition, const Values& values) {
    for (const std::string& value : values) {
      ASSERT_TRUE(sends_->send(topic_, partition, "k", value).ok());
    }
    ASSERT_TRUE(sends_->flush().ok());
  }
  std::unique_ptr<KafkaSource> open_there() {
    std::unique_ptr<KafkaSource> source =
        *KafkaSource::open(quiet_.world(), definition_, ledger_, {});
    EXPECT_TRUE(source->discover().ok());
    cluster_->fail_fetches_as_gone(kSecondBroker, 1);
    EXPECT_TRUE(source->seek(done_).ok());
    return source;
  }
  /// Until both brokers have answered a fetch, of which nothing is taken yet.
  void wait_for_answers(const KafkaSource& source) const {
    for (int tries = 0; tries < 3'000; ++tries) {
      if (source.lag() > 0 && cluster_->fetches_to_fail(kSecondBroker) == 0) {
        pause_for({50'000});  // on its way within the client
        return;
      }
      pause_for({10'000});
    }
    FAIL() << "no answer";
  }
  /// As many values as there are, or what failed.
  static std::pair<Values, Status> read_up_to(KafkaSource& source, std::size_t count) {
    Values values;
    for (int tries = 0; tries < 100 && values.size() < count; ++tries) {
      const Result<std::optional<RecordBatch>> batch = source.next(1000, {100'000});
      if (!batch.ok()) {
        return {values, batch.status()};
      }
      for (int64_t i = 0; batch->has_value() && i < (*batch)->size(); ++i) {
        values.emplace_back((*batch)->records[static_cast<std::size_t>(i)]);
      }
    }
    std::sort(values.begin(), values.end());
    return {values, {}};
  }

  std::unique_ptr<KafkaMock> cluster_;
  std::unique_ptr<KafkaProducer> sends_;
  SystemWorld quiet_;
  PartsDone done_;
};

TEST_F(RecordsThatAge, ALastRecordThatIsGoneTakesNoOthersAlong) {
  add(0, {"b", "c"});
  add(1, {"d"});
  const auto source = open_there();
  wait_for_answers(*source);
  const auto [values, status] = read_up_to(*source, 3);
  EXPECT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(values, (Values{"b", "c", "d"}));
  EXPECT_TRUE(read_all(*source).empty());  // both ends are seen
}

TEST_F(RecordsThatAge, ReadingAgainGoesOnBesideALastRecordThatIsGone) {
  add(0, {"b", "c"});
  add(1, {"d", "e"});
  const auto source = open_there();  // whichever fetch it is that fails
  const int64_t second = int64_t{1} << 32;
  const Result<RecordBatch> batch = source->read_until({{0, 1}, {1, second + 2}}, kLong);
  ASSERT_TRUE(batch.ok()) << batch.status().to_string();
  EXPECT_EQ(batch->positions, (std::vector<int64_t>{0, second + 1}));
  EXPECT_EQ(read_up_to(*source, 2).first, (Values{"c", "e"}));
}

TEST_F(RecordsThatAge, RecordsThatAreGoneUnreadEndItUnlessToldToSkip) {
  done_.marks.clear();
  add(0, {"b"});
  add(1, {"c"});
  const Status failed = read_up_to(*open_there(), 2).second;
  EXPECT_EQ(failed.code(), Code::kFailedPrecondition);
  EXPECT_NE(failed.message().find("on_lost: skip"), std::string::npos) << failed.message();
  definition_.kafka->on_lost = catalog::OnLost::kSkip;
  const auto [values, status] = read_up_to(*open_there(), 2);
  EXPECT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(values, (Values{"b", "c"}));
}

TEST_F(RecordsThatAge, WhatIsSaidOfTheAssignmentBeforeIsNotSaidOfThisOne) {
  done_.marks.clear();
  add(0, {"b"});
  add(1, {"c"});
  const auto source = open_there();
  wait_for_answers(*source);
  ASSERT_TRUE(source->seek(done_).ok());
  const auto [values, status] = read_up_to(*source, 2);
  EXPECT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(values, (Values{"b", "c"}));
}

/// As a broker answers that has just come back and has not learnt of its topics yet.
TEST_F(TopicsMadeAgain, ATopicThatIsNotKnownForAMomentIsAskedForAgain) {
  const auto source = open_at(done_.positions);
  made_.back()->lose_topic(topic_);
  std::jthread comes_back([&] {
    pause_for({300'000});
    made_.back()->find_topic(topic_);
  });
  const Result<int64_t> grown = source->discover();
  ASSERT_TRUE(grown.ok()) << grown.status().to_string();
  EXPECT_EQ(*grown, 0);
}

TEST_F(TopicsMadeAgain, NorDoesItEndTheLineWhenTheClientIsToldFirst) {
  definition_.kafka->options = {{"topic.metadata.propagation.max.ms", "0"}};
  const auto source = open_there();
  made_.back()->lose_topic(topic_);
  made_.back()->fail_fetches(1);  // so that the client looks for it again
  std::jthread comes_back([&] {
    pause_for({1'000'000});
    made_.back()->find_topic(topic_);
  });
  for (int tries = 0; tries < 20; ++tries) {
    const auto batch = source->next(10, {100'000});
    ASSERT_NE(batch.code(), Code::kNotFound) << batch.status().to_string();
    if (batch.code() == Code::kUnavailable) {
      return;
    }
  }
}

TEST_F(TopicsMadeAgain, ASenderDoesNotWaitForBrokersThatStayAway) {
  make({});
  KafkaClientOptions options;
  options.brokers = definition_.kafka->brokers;
  options.timeout = {5 * kMicrosPerSecond};
  options.settings["message.timeout.ms"] = "120000";  // 5 minutes when nothing is said
  const auto producer = *KafkaProducer::open(*log_, options);
  ASSERT_TRUE(producer->send(topic_, 0, "k", "a").ok());
  ASSERT_TRUE(producer->flush().ok());
  made_.back()->set_away(true);
  ASSERT_TRUE(producer->send(topic_, 0, "k", "b").ok());
  const Duration began = world_.world().clock.monotonic();
  EXPECT_EQ(producer->flush().code(), Code::kUnavailable);
  EXPECT_LT(world_.world().clock.monotonic().micros - began.micros, 60 * kMicrosPerSecond);
}

TEST(KafkaMark, IsKeptBesideAPosition) {
  KafkaMessage message;
  message.offset = 41;
  EXPECT_FALSE(KafkaMark::of(message)) << "nothing says when it was sent";
  message.timestamp_ms = 1'767'225'600'000;
  message.value = "abc";
  message.has_value = true;
  const KafkaMark mark = *KafkaMark::of(message);
  for (const int64_t next : {42, 43, 41 + static_cast<int>(KafkaMark::kBehindMax)}) {
    EXPECT_EQ(KafkaMark::decode(mark.encode(next).value(), next), mark) << next;
    EXPECT_FALSE(KafkaMark::decode(*mark.encode(next), next + 1)) << "the position moved on";
  }
  EXPECT_FALSE(mark.encode(41));
  EXPECT_FALSE(mark.encode(41 + KafkaMark::kBehindMax + 1));
  EXPECT_FALSE(KafkaMark::decode(0, 42));
  KafkaMessage other = message;
  other.timestamp_ms += 1;
  EXPECT_NE(KafkaMark::of(other)->print, mark.print);
  other = message;
  other.value = "ab";
  EXPECT_NE(KafkaMark::of(other)->print, mark.print);
  other = message;
  other.has_key = true;  // an empty key
  EXPECT_NE(KafkaMark::of(other)->print, mark.print);
}

TEST_F(KafkaSourceTest, ATopicThatIsNotThereIsNotFound) {
  create(1);
  definition_.kafka->topics = {topic_, topic_ + "_nowhere"};
  const auto source = open();
  EXPECT_EQ(source->discover().code(), Code::kNotFound);
}

TEST_F(KafkaSourceTest, ABrokerThatDoesNotAnswerIsUnavailable) {
  definition_.kafka->brokers = "127.0.0.1:1";
  KafkaSource::Options options;
  options.timeout = {300'000};
  SystemWorld quiet(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  const auto source = *KafkaSource::open(quiet.world(), definition_, ledger_, options);
  EXPECT_EQ(source->discover().code(), Code::kUnavailable);
}

TEST_F(KafkaSourceTest, OptionsThatTheClientRefusesAreInvalid) {
  definition_.kafka->options = {{"security.protokol", "ssl"}};
  EXPECT_EQ(KafkaSource::open(world_.world(), definition_, ledger_, {}).code(),
            Code::kInvalidArgument);
}

TEST_F(KafkaSourceTest, FailedFetchesAreTriedAgain) {
  create(1);
  send(0, "a");
  if (mock_ != nullptr) {
    mock_->fail_fetches(1);
  }
  EXPECT_EQ(read_all(*open_at({})), (Values{"0:0:a"}));
}

TEST_F(KafkaSourceTest, APartitionWithoutALeaderIsAskedAgain) {
  create(1);
  send(0, "a");
  if (mock_ != nullptr) {
    mock_->fail_offsets(2);
  }
  EXPECT_EQ(read_all(*open_at({})), (Values{"0:0:a"}));
}

TEST_F(KafkaSourceTest, AQuestionDoesNotWaitForAFetch) {
  create(1);
  send(0, "a");
  definition_.kafka->options = {{"fetch.wait.max.ms", "50000"}};  // longer than a question may take
  const auto source = open_at({});
  EXPECT_EQ(read_some(*source).size(), 1);
  const Result<int64_t> grown = source->discover();
  ASSERT_TRUE(grown.ok()) << grown.status().to_string();
  EXPECT_EQ(*grown, 0);
}

TEST_F(KafkaSourceTest, AFullQueueRestsNoLongerThanItIsFull) {
  // Two records fill it before they are taken; the library's own rest of a second, each time, would
  // make most of a minute of these.
  constexpr int64_t kRecords = 100;
  constexpr Duration kSoon{20 * kMicrosPerSecond};
  constexpr Duration kFills{20'000};
  create(1);
  for (int64_t i = 0; i < kRecords; ++i) {
    send(0, std::string(10'000, 'x'));
  }
  definition_.kafka->queue_bytes_max = 1 << 14;
  definition_.kafka->options = {{"max.partition.fetch.bytes", "10000"}};
  const auto source = open_at({});
  const EventTime begin = world_.world().clock.now();
  for (int64_t taken = 0; taken < kRecords; taken += read_some(*source).size()) {
    pause_for(kFills);
  }
  EXPECT_LT(world_.world().clock.now().micros - begin.micros, kSoon.micros);
}

TEST_F(KafkaSourceTest, ReadUntilGivesExactlyTheRecordsAskedFor) {
  create(2);
  for (const char* value : {"a", "b", "c"}) {
    send(0, value);
    send(1, value);
  }
  const auto source = open_at({});
  const int64_t second = int64_t{1} << 32;
  const Result<RecordBatch> batch = source->read_until({{0, 2}, {1, second + 1}}, kLong);
  ASSERT_TRUE(batch.ok()) << batch.status().to_string();
  EXPECT_EQ(batch->positions, (std::vector<int64_t>{0, 1, second}));
  EXPECT_EQ(read_all(*source), (Values{"0:2:c", "1:1:b", "1:2:c"}));
}

/// The library aborts when it is not given the time to stop what it fetched before.
TEST_F(KafkaSourceTest, PartitionsMayBeAssignedAgainAtOnce) {
  constexpr int32_t kPartitions = 8;
  create(kPartitions);
  send(kPartitions - 1, "a");
  std::vector<std::pair<TopicPartition, int64_t>> all;
  for (int32_t partition = 0; partition < kPartitions; ++partition) {
    all.push_back({{topic_, partition}, 0});
  }
  KafkaClientOptions options;
  options.brokers = brokers_;
  for (int client = 0; client < 5; ++client) {
    const auto consumer = *KafkaConsumer::open(*log_, options);
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(consumer->assign(all).ok());
    }
    const auto fetch = [&] { return (*consumer->poll(10, kLong))->messages.size(); };
    wait_until("the record", fetch, [](std::size_t count) { return count == 1; });
    ASSERT_TRUE(consumer->assign({}).ok());
    ASSERT_TRUE(consumer->assign(all).ok());
  }
}

TEST_F(KafkaSourceTest, SelectedRecordsKeepWhatStandsBesideThem) {
  create(1);
  for (const char* value : {"a", "b", "c"}) {
    send(0, value, std::string("key of ") + value);
  }
  const auto source = open(true);
  ASSERT_TRUE(source->discover().ok());
  ASSERT_TRUE(source->seek({}).ok());
  const Result<RecordBatch> batch = source->read_until({{0, 3}}, kLong);
  ASSERT_TRUE(batch.ok()) << batch.status().to_string();
  const RecordBatch some = select_records(*batch, {0, 2});
  EXPECT_EQ(some.size(), 2);
  EXPECT_EQ(some.records[1], "c");
  EXPECT_EQ(some.positions, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(some.lines, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(some.part_name(1), topic_ + "/0");
  EXPECT_EQ(some.meta.column(catalog::kKey).text(1), "key of c");
  EXPECT_EQ(some.end.value, 3);
}

TEST_F(KafkaSourceTest, LagIsToldByPartition) {
  create(2);
  send(1, "a");
  send(1, "b");
  const auto source = open_at({});
  EXPECT_EQ(read_some(*source, 1).size(), 1);
  for (const KafkaSource::PartLag& lag : source->part_lags()) {
    const bool is_read = lag.name == topic_ + "/1";
    EXPECT_EQ(lag.records, is_read ? 1 : 0) << lag.name;
    EXPECT_EQ(lag.sent.has_value(), is_read) << lag.name;
    EXPECT_EQ(lag.next, is_read ? 1 : 0) << lag.name;
  }
}

TEST_F(KafkaSourceTest, WhatIsBehindIsKnownBeforeAnythingIsFetched) {
  create(1);
  send(0, "a");
  send(0, "b");
  const auto source = open_at({});
  ASSERT_EQ(source->part_lags().size(), 1U);
  EXPECT_EQ(source->part_lags()[0].records, 2);
  EXPECT_EQ(source->lag(), 2);
}

TEST_F(KafkaSourceTest, WhenTheLastRecordTakenWasSentIsKnownAgainAfterARestart) {
  create(1);
  send(0, "a");
  PartsDone done;
  {
    const auto source = open_at({});
    read_some(*source);
    done = {source->positions(), source->marks()};
  }
  const EventTime after = world_.world().clock.now();
  const auto source = open_at(done.positions, done.marks);
  EXPECT_TRUE(read_all(*source).empty());
  const std::optional<EventTime> sent = source->part_lags()[0].sent;
  ASSERT_TRUE(sent.has_value());
  EXPECT_LE(*sent, after);
  EXPECT_GT(sent->micros, after.micros - 600 * kMicrosPerSecond);
}

}  // namespace
}  // namespace assay::ingest
