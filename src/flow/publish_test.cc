// Values go to a topic once each, as they change. The broker is librdkafka's own, whose topics show
// also what was never committed: what is killed within a transaction is for
// tests/line/kafka_test.py.

#include "flow/publish.h"

#include <map>
#include <memory>
#include <set>

#include <gtest/gtest.h>

#include "flow/running_up.h"
#include "flow/shared_crash.h"
#include "flow/shared_up.h"

namespace assay::flow {
namespace {

constexpr char kTopic[] = "spend_changes";
constexpr Duration kFlushEvery{50'000};

/// A project that publishes its view; its events are written day by day.
class PublishingProject : public TestProject {
 public:
  explicit PublishingProject(const TestTopic& topic) {
    change("{path: data, format: csv}", "{path: more, format: csv}");
    change("    ttl: 2d\n",
           "    ttl: 2d\n    publish: {kafka: {brokers: \"" + topic.brokers() +
               "\", topic: " + kTopic + "}}\n");
  }
  void write_day(int day) { write("more/" + std::to_string(day) + ".csv", events_of_day(day)); }
};

/// What the topic has, or nothing more within a moment; the last value of each key.
struct Seen {
  std::map<std::string, std::string> last;
  std::size_t records = 0;
};

Seen read_all(TestTopic& topic) {
  Seen seen;
  for (const TestTopic::Received& record : topic.read_all(kTopic)) {
    EXPECT_NE(seen.last[record.key], record.value) << "twice the same of " << record.key;
    seen.last[record.key] = record.value;
    seen.records += 1;
    EXPECT_EQ(record.headers.at("assay.view"), "spend");
  }
  return seen;
}

/// Key and value of every entity as the steps table has them.
std::map<std::string, std::string> values_of(TestProject& project) {
  const auto workspace = project.open();
  const auto values = *published_view(*workspace, "spend");
  const auto reader = *values->changes(std::nullopt, **values->present());
  std::map<std::string, std::string> found;
  const std::vector<PublishedRecord> records = *reader->next(1'000'000);
  for (const PublishedRecord& record : records) {
    found[record.key] = record.value.value_or("");
  }
  return found;
}

int64_t published(const RunReport& report) {
  for (const StageAccount& stage : report.stages) {
    if (stage.stage == "publish") {
      return stage.rows.out;
    }
  }
  return -1;
}

TEST(Publish, EachEntityOnceAndAgainWhenItsValueChanges) {
  TestTopic topic(1);
  topic.create(kTopic);
  PublishingProject project(topic);
  project.write_day(1);
  EXPECT_EQ(published(*project.run()), 5);
  EXPECT_EQ(published(*project.run()), 0) << "nothing has changed";
  Seen seen = read_all(topic);
  EXPECT_EQ(seen.records, 5);
  EXPECT_EQ(seen.last, values_of(project));
  EXPECT_NE(seen.last.at(R"({"user_id":"u1"})").find(R"("features":{"n_1h":)"), std::string::npos);

  project.write("more/2.csv", "user_id,amount,ts\nu1,5.5,2026-01-01T23:50:00Z\n");
  const int64_t changed = published(*project.run());
  EXPECT_GT(changed, 0);
  seen = read_all(topic);
  EXPECT_EQ(seen.records, 5 + static_cast<std::size_t>(changed));
  EXPECT_EQ(seen.last, values_of(project));
}

TEST(Publish, ARoundOfManyEntitiesIsSeveralTransactions) {
  TestTopic topic(1);
  topic.create(kTopic);
  PublishingProject project(topic);
  project.write_day(1);
  RunOptions options;
  options.publish_records = 2;
  EXPECT_EQ(published(*project.run(options)), 5);
  project.write_day(2);
  EXPECT_EQ(published(*project.run(options)), 5);
  EXPECT_EQ(read_all(topic).records, 10);
  EXPECT_EQ(read_all(topic).last, values_of(project));
}

TEST(Publish, AChangedDefinitionIsPublishedAnew) {
  TestTopic topic(1);
  topic.create(kTopic);
  PublishingProject project(topic);
  project.write_day(1);
  ASSERT_TRUE(project.run().ok());
  project.change("largest: {agg: max", "smallest: {agg: min");
  EXPECT_EQ(published(*project.run()), 5);
  EXPECT_EQ(read_all(topic).last, values_of(project));
}

TEST(Publish, BrokersThatForgotThePositionAreToldByOurCopy) {
  TestTopic topic(1);
  topic.create(kTopic);
  PublishingProject project(topic);
  project.write_day(1);
  ASSERT_TRUE(project.run().ok());
  // Another cluster under the same project: of an empty topic the copy says nothing.
  TestTopic other(1);
  other.create(kTopic);
  project.change(topic.brokers(), other.brokers());
  EXPECT_EQ(published(*project.run()), 5);
  // One whose topic has records and no position: as after a long pause.
  TestTopic third(1);
  third.create(kTopic);
  third.send_to(kTopic, "{}", "{}");
  project.change(other.brokers(), third.brokers());
  EXPECT_EQ(published(*project.run()), 0);
}

TEST(Publish, ARunWithoutBrokersFailsAndTheNextOnePublishes) {
  TestTopic topic(1);
  topic.create(kTopic);
  PublishingProject project(topic);
  project.write_day(1);
  RunOptions options;
  options.ask_timeout = {300'000};
  project.change(topic.brokers(), "127.0.0.1:1");
  const Status failed = project.run(options).status();
  EXPECT_EQ(failed.code(), Code::kUnavailable);
  EXPECT_NE(failed.to_string().find(kTopic), std::string::npos) << failed.to_string();
  project.change("127.0.0.1:1", topic.brokers());
  EXPECT_EQ(published(*project.run()), 5);
}

TEST(Publish, AsTheLineGoesOnTheTopicFollows) {
  TestTopic topic(2);
  topic.create(kTopic);
  KafkaProject project(topic);
  project.change("    ttl: 2d\n",
                 "    ttl: 2d\n    publish: {kafka: {brokers: \"" + topic.brokers() +
                     "\", topic: " + kTopic + "}}\n");
  send_days(topic, 1, 2);
  RunningUp line(project);
  line.wait_until_ready();
  for (int day = 2; day <= 6; ++day) {
    send_days(topic, day, day + 1);
    line.wait_for_records(topic.sent());
  }
  EXPECT_TRUE(line.stop().ok());
  EXPECT_EQ(read_all(topic).last, values_of(project));
}

TEST(Publish, OfProcessesThatShareTopicsTheOneThatLeadsPublishes) {
  TestTopic topic(2);
  topic.create(kTopic);
  KafkaProject project(topic);
  forget_members_soon(project);
  project.change("    ttl: 2d\n",
                 "    ttl: 2d\n    publish: {kafka: {brokers: \"" + topic.brokers() +
                     "\", topic: " + kTopic + "}}\n");
  send_days(topic, 1, 2);
  auto first = std::make_unique<RunningUp>(project, kFlushEvery, run_shared_up);
  first->wait_until_ready();
  RunningUp second(project, kFlushEvery, run_shared_up);
  send_days(topic, 2, 4);
  first->wait_for_gauge("assay_flow_shared_partitions", 1, {{"name", "events"}});
  EXPECT_TRUE(first->stop().ok());
  first.reset();
  second.wait_for_gauge("assay_flow_leads", 1);
  send_days(topic, 4, 7);
  second.wait_for_gauge("assay_flow_shared_partitions", 2, {{"name", "events"}});
  wait_for_rows(project, "bronze/events", topic.sent());
  EXPECT_TRUE(second.stop().ok());
  EXPECT_EQ(read_all(topic).last, values_of(project));
}

TEST(Publish, BrokersOfATopicMayGoWithoutHoldingUpTheLine) {
  TestTopic topic(2);
  TestTopic away(1);
  away.create(kTopic);
  KafkaProject project(topic);
  project.change("    ttl: 2d\n",
                 "    ttl: 2d\n    publish: {kafka: {brokers: \"" + away.brokers() +
                     "\", topic: " + kTopic + "}}\n");
  away.set_away(true);
  send_days(topic, 1, 2);
  RunningUp line(project);
  line.wait_until_ready();
  line.wait_for_gauge("assay_flow_publishing_waits", 1, {{"name", "spend"}});
  send_days(topic, 2, 4);
  line.wait_for_records(topic.sent());  // the lake goes on
  away.set_away(false);
  line.wait_for_gauge("assay_flow_publishing_waits", 0, {{"name", "spend"}});
  EXPECT_TRUE(line.stop().ok());
  EXPECT_EQ(read_all(away).last, values_of(project));
}

}  // namespace
}  // namespace assay::flow
