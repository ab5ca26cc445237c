// Values go to a topic once each, as they change. The broker is librdkafka's own, whose topics show
// also what was never committed: what is killed within a transaction is for
// tests/line/kafka_test.py.

#include "flow/publish.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include <gtest/gtest.h>

#include "flow/publishing_project.h"
#include "flow/running_up.h"
#include "flow/shared_crash.h"
#include "flow/shared_up.h"
#include "flow/status.h"
#include "lake/compaction.h"
#include "lake/vacuum.h"

namespace assay::flow {
namespace {

constexpr char kTopic[] = "spend_changes";
constexpr Duration kFlushEvery{50'000};

/// A project that publishes its view; its events are written day by day.
class PublishingProject : public ProjectByDay {
 public:
  explicit PublishingProject(const std::string& brokers) {
    change("    ttl: 2d\n", "    ttl: 2d\n" + publish_line(brokers, kTopic));
  }
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

TEST(Publish, EachEntityOnceAndAgainWhenItsValueChanges) {
  TestTopic topic(1);
  topic.create(kTopic);
  PublishingProject project(topic.brokers());
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
  PublishingProject project(topic.brokers());
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
  PublishingProject project(topic.brokers());
  project.write_day(1);
  ASSERT_TRUE(project.run().ok());
  project.change("largest: {agg: max", "smallest: {agg: min");
  EXPECT_EQ(published(*project.run()), 5);
  EXPECT_EQ(read_all(topic).last, values_of(project));
}

TEST(Publish, BrokersThatForgotThePositionAreToldByOurCopy) {
  TestTopic topic(1);
  topic.create(kTopic);
  PublishingProject project(topic.brokers());
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
  PublishingProject project(topic.brokers());
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
  project.change("    ttl: 2d\n", "    ttl: 2d\n" + publish_line(topic.brokers(), kTopic));
  send_days(topic, 1, 2);
  RunningUp line(project);
  line.wait_until_ready();
  for (int day = 2; day <= 6; ++day) {
    send_days(topic, day, day + 1);
    line.wait_for_records(topic.sent());
  }
  // (A stop goes on with topics that are open, and opens none.)
  line.wait_for_counter_above("assay_flow_published_records_total", 0, {{"name", "spend"}});
  EXPECT_TRUE(line.stop().ok());
  EXPECT_EQ(read_all(topic).last, values_of(project));
}

TEST(Publish, OfProcessesThatShareTopicsTheOneThatLeadsPublishes) {
  TestTopic topic(2);
  topic.create(kTopic);
  KafkaProject project(topic);
  forget_members_soon(project);
  project.change("    ttl: 2d\n", "    ttl: 2d\n" + publish_line(topic.brokers(), kTopic));
  send_days(topic, 1, 2);
  auto first = std::make_unique<RunningUp>(project, kFlushEvery, run_shared_up);
  first->wait_for_gauge("assay_flow_leads", 1);
  RunningUp second(project, kFlushEvery, run_shared_up);
  first->wait_until_ready();
  send_days(topic, 2, 4);
  first->wait_for_gauge("assay_flow_shared_partitions", 1, {{"name", "events"}});
  EXPECT_TRUE(first->stop().ok());
  first.reset();
  second.wait_for_gauge("assay_flow_leads", 1);
  send_days(topic, 4, 7);
  second.wait_for_gauge("assay_flow_shared_partitions", 2, {{"name", "events"}});
  wait_for_rows(project, "bronze/events", topic.sent());
  // (A stop goes on with topics that are open, and opens none.)
  second.wait_for_counter_above("assay_flow_published_records_total", 0, {{"name", "spend"}});
  EXPECT_TRUE(second.stop().ok());
  EXPECT_EQ(read_all(topic).last, values_of(project));
}

TEST(Publish, BrokersOfATopicMayGoWithoutHoldingUpTheLine) {
  TestTopic topic(2);
  TestTopic away(1);
  away.create(kTopic);
  KafkaProject project(topic);
  project.change("    ttl: 2d\n", "    ttl: 2d\n" + publish_line(away.brokers(), kTopic));
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

TEST(Publish, ATopicThatDoesNotAnswerHoldsUpNothing) {
  TestTopic topic(2);
  TestTopic away(1);
  away.create(kTopic);
  KafkaProject project(topic);
  project.change("    ttl: 2d\n", "    ttl: 2d\n" + publish_line(away.brokers(), kTopic));
  away.set_away(true);
  send_days(topic, 1, 2);
  // It is waited for for an hour.
  RunningUp line(project, {0}, run_up, {10'000}, {3600 * kMicrosPerSecond});
  line.wait_until_ready();
  send_days(topic, 2, 4);
  line.wait_for_records(topic.sent());
  away.set_away(false);
  EXPECT_TRUE(line.stop().ok());
  EXPECT_EQ(read_all(away).last, values_of(project));
}

/// A project whose topic is a FakeTopic.
class FakedProject : public PublishingProject {
 public:
  FakedProject() : PublishingProject("127.0.0.1:1") {}

  /// Bring the tables up to the files.
  Status run_tables() {
    RunReport report;
    const auto workspace = open();
    ASSAY_RETURN_IF_ERROR(run_steps(*workspace, {}, Steps::kAll, &report));
    return workspace->mark_complete();
  }
  /// And the topic; what was sent.
  Result<int64_t> publish(FakeTopic& topic, const RunOptions& options = {}) {
    const auto workspace = open();
    RunReport report;
    ASSAY_RETURN_IF_ERROR(Publisher(*workspace, topic.opener()).publish(options, &report));
    return published(report);
  }
  /// Compact, and throw away all that nobody needs.
  void clean_up(bool also_what_is_needed) {
    const auto workspace = open();
    const std::string key = *workspace->steps_table_key(**workspace->view("spend"));
    lake::DeltaTable* table = *workspace->table(key);
    const lake::LakeAccess access{workspace->world(), workspace->store(), workspace->sql()};
    ASSERT_TRUE(lake::compact(access, *table).ok());
    ASSERT_TRUE(table->checkpoint().ok());
    const std::optional<lake::Version> needed =
        also_what_is_needed ? std::nullopt : *oldest_position(*workspace, key);
    const Duration none{0};
    const std::vector<lake::Version> kept =
        also_what_is_needed ? std::vector<lake::Version>() : *published_versions(*workspace, key);
    ASSERT_TRUE(lake::clean_log(access, *table, {.keep = none, .needed = needed}).ok());
    ASSERT_TRUE(lake::vacuum(access, *table, {.keep = none, .needed = needed, .kept = kept}).ok());
  }
};

const char kAllUsers[] = "ts AS event_time FROM events";
const char kNotUserOne[] = "ts AS event_time FROM events WHERE user_id <> 'u1'";

TEST(Publish, AnEventIsPublishedWhenItsSlideHasEnded) {
  FakedProject project;
  FakeTopic topic;
  project.change("known_time: {delay: 20m}", "known_time: {delay: 0s}");
  project.write("more/1.csv",
                "user_id,amount,ts\nu1,1,2026-01-01T00:01:00Z\nu2,2,2026-01-01T00:09:00Z\n");
  ASSERT_TRUE(project.run_tables().ok());
  EXPECT_EQ(*project.publish(topic), 0) << "it is 00:09 by the data's clock, the slide is 10m";
  project.write("more/2.csv", "user_id,amount,ts\nu3,3,2026-01-01T00:11:00Z\n");
  ASSERT_TRUE(project.run_tables().ok());
  EXPECT_EQ(*project.publish(topic), 2);
  EXPECT_EQ(topic.last().size(), 2);
  EXPECT_EQ(topic.last(), values_of(project));
}

TEST(Publish, AnEntityThatADefinitionLeavesOutGetsANull) {
  FakedProject project;
  FakeTopic topic;
  project.write_day(1);
  ASSERT_TRUE(project.run_tables().ok());
  EXPECT_EQ(*project.publish(topic), 5);
  project.change(kAllUsers, kNotUserOne);
  ASSERT_TRUE(project.run_tables().ok());
  EXPECT_EQ(*project.publish(topic), 5);
  EXPECT_EQ(topic.last(), values_of(project));
  EXPECT_EQ(topic.last().size(), 4);
  const FakeTopic::Record null{R"({"user_id":"u1"})", std::nullopt};
  EXPECT_EQ(std::count(topic.records.begin(), topic.records.end(), null), 1);
}

TEST(Publish, TablesThatWereMadeAnewAreNotTakenForThoseOfBefore) {
  FakedProject project;
  FakeTopic topic;
  project.write_day(1);
  ASSERT_TRUE(project.run_tables().ok());
  EXPECT_EQ(*project.publish(topic), 5);
  for (const char* gone : {"lake", "catalog.db", "online"}) {
    std::filesystem::remove_all(join_path(project.folder(), gone));
  }
  for (int day = 1; day <= 4; ++day) {  // further than they were
    project.write_day(day);
    ASSERT_TRUE(project.run_tables().ok());
  }
  EXPECT_EQ(*project.publish(topic), 5);
  EXPECT_EQ(topic.last(), values_of(project));
  EXPECT_EQ(*project.publish(topic), 0);
}

TEST(Publish, ARoundWhoseVersionIsGoneBeginsAnew) {
  FakedProject project;
  FakeTopic topic;
  RunOptions small;
  small.publish_records = 2;
  project.write_day(1);
  ASSERT_TRUE(project.run_tables().ok());
  topic.fault = [&](FakeTopic::Call call) {
    return call == FakeTopic::Call::kBegin && topic.commits == 1 ? FakeTopic::Fault::kFails
                                                                 : FakeTopic::Fault::kNone;
  };
  EXPECT_EQ(project.publish(topic, small).code(), Code::kUnavailable);
  EXPECT_EQ(topic.records.size(), 2);
  project.write_day(2);
  ASSERT_TRUE(project.run_tables().ok());
  project.clean_up(true);
  topic.commits = 0;
  topic.fault = [](FakeTopic::Call) { return FakeTopic::Fault::kNone; };
  EXPECT_EQ(*project.publish(topic, small), 5);
  EXPECT_EQ(topic.last(), values_of(project));
}

TEST(Publish, UpkeepLeavesWhatATopicGoesOnFrom) {
  FakedProject project;
  FakeTopic topic;
  project.write_day(1);
  ASSERT_TRUE(project.run_tables().ok());
  EXPECT_EQ(*project.publish(topic), 5);
  const auto workspace = project.open();
  const std::string key = *workspace->steps_table_key(**workspace->view("spend"));
  const lake::Version sent = (*(*workspace->table(key))->snapshot())->version;
  project.write_day(2);
  ASSERT_TRUE(project.run_tables().ok());
  EXPECT_EQ(*oldest_position(*workspace, key), sent);
  project.clean_up(false);
  const PublishedPosition at = *parse_position(topic.position->text);
  EXPECT_EQ(check_published(*workspace, *at.whole).to_string(), "ok");
  project.clean_up(true);
  EXPECT_EQ(check_published(*workspace, *at.whole).code(), Code::kOutOfRange);
}

TEST(Publish, AStopIsHeardBetweenTransactions) {
  FakedProject project;
  FakeTopic topic;
  project.write_day(1);
  ASSERT_TRUE(project.run_tables().ok());
  const std::atomic<bool> stop = true;
  RunOptions options;
  options.publish_records = 2;
  options.stop = &stop;
  for (const int64_t sent : {2, 2, 1, 0}) {
    EXPECT_EQ(*project.publish(topic, options), sent);
  }
  EXPECT_EQ(topic.last(), values_of(project));
}

TEST(Publish, WhoseTopicAnotherTakesOverLeavesIt) {
  FakedProject one;
  FakedProject other;  // of the same name
  FakeTopic topic;
  for (FakedProject* project : {&one, &other}) {  // an online store is opened once in a process
    std::string settings = kAssay;
    const std::string data_clock = "{clock: data}";
    settings.replace(settings.find(data_clock), data_clock.size(), "{clock: wall}");
    project->write("assay.yaml", settings);
  }
  one.write_day(1);
  other.write_day(2);
  ASSERT_TRUE(one.run_tables().ok());
  ASSERT_TRUE(other.run_tables().ok());
  RunOptions live;
  live.is_live = true;
  SystemWorld quiet(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  FakeClock clock(*parse_time("2026-02-01"));
  World world{
      clock, quiet.world().files, quiet.world().random, quiet.world().log, quiet.world().metrics};
  const auto workspace = *Workspace::open(world, one.folder(), {});
  Publisher publisher(*workspace, topic.opener());
  RunReport report;
  ASSERT_TRUE(publisher.publish(live, &report).ok());
  EXPECT_EQ(topic.last(), values_of(one));
  EXPECT_EQ(*other.publish(topic), 5) << "nothing that is there is taken for its own";
  const std::size_t count = topic.records.size();
  one.write_day(3);
  ASSERT_TRUE(one.run_tables().ok());
  const Gauge& waits =
      quiet.world().metrics.gauge("assay_flow_publishing_waits", "", {{"name", "spend"}});
  for (int i = 0; i < 4; ++i) {  // it is fenced, and tries once more
    ASSERT_TRUE(publisher.publish(live, &report).ok());
    clock.advance({60 * kMicrosPerSecond});
  }
  EXPECT_EQ(waits.value(), 1);
  EXPECT_EQ(topic.records.size(), count);
}

TEST(Publish, APositionWhoseAnswerWasLostIsItsOwn) {
  FakedProject project;
  FakeTopic topic;
  std::string settings = kAssay;
  const std::string data_clock = "{clock: data}";
  settings.replace(settings.find(data_clock), data_clock.size(), "{clock: wall}");
  project.write("assay.yaml", settings);
  SystemWorld quiet(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  FakeClock clock(*parse_time("2026-02-01"));
  World world{
      clock, quiet.world().files, quiet.world().random, quiet.world().log, quiet.world().metrics};
  project.write_day(1);
  ASSERT_TRUE(project.run_tables().ok());
  const auto workspace = *Workspace::open(world, project.folder(), {});
  Publisher publisher(*workspace, topic.opener());
  RunOptions live;
  live.is_live = true;
  RunReport report;
  ASSERT_TRUE(publisher.publish(live, &report).ok());
  using Call = FakeTopic::Call;
  using Fault = FakeTopic::Fault;
  int day = 2;
  for (const auto& [call, fault] : {std::pair(Call::kCommit, Fault::kIsUnknown),
                                    std::pair(Call::kBegin, Fault::kFails),
                                    std::pair(Call::kCommit, Fault::kFails),
                                    std::pair(Call::kOpen, Fault::kNone)}) {
    project.write_day(day++);
    ASSERT_TRUE(project.run_tables().ok());
    topic.fault = [call = call, fault = fault](Call now) {
      return now == call ? fault : Fault::kNone;
    };
    ASSERT_TRUE(publisher.publish(live, &report).ok());
    clock.advance({60 * kMicrosPerSecond});
  }
  EXPECT_EQ(topic.last(), values_of(project));
}

TEST(Publish, APositionOfBeforeFilesWereHashedIsGoneOnFrom) {
  FakedProject project;
  FakeTopic topic;
  project.write_day(1);
  ASSERT_TRUE(project.run_tables().ok());
  EXPECT_EQ(*project.publish(topic), 5);
  PublishedPosition at = *parse_position(topic.position->text);
  at.whole->files = 0;
  topic.position->text = position_text(at);
  EXPECT_EQ(*project.publish(topic), 0);
}

TEST(Publish, RoundsThatAreLeftAgainAndAgainEnd) {
  FakedProject project;
  FakeTopic topic;
  RunOptions small;
  small.publish_records = 2;
  project.write_day(1);
  ASSERT_TRUE(project.run_tables().ok());
  EXPECT_EQ(*project.publish(topic), 5);
  PublishedPosition at = *parse_position(topic.position->text);
  at.next = at.whole;
  at.next->model_version = 1;  // of another definition
  at.done = 2;
  for (int i = 0; i < 60; ++i) {
    at.left.push_back(*at.whole);
    at.left.back().as_of.micros -= i;
  }
  topic.position->text = position_text(at);
  EXPECT_EQ(*project.publish(topic, small), 5);
  EXPECT_EQ(topic.last(), values_of(project));
  EXPECT_TRUE(parse_position(topic.position->text).ok());
}

/// What happens to a topic and its project, by a seed; in the end the topic says what the tables
/// say.
void expect_as_the_tables(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  const auto random = seeded_random(seed);
  FakedProject project;
  FakeTopic topic;
  const auto fails = [&](FakeTopic::Call call) {
    const bool is_rare = call == FakeTopic::Call::kSend;
    const uint64_t chance = random->below(is_rare ? 40 : 8);
    return chance == 0                                       ? FakeTopic::Fault::kFails
           : chance == 1 && call == FakeTopic::Call::kCommit ? FakeTopic::Fault::kIsUnknown
                                                             : FakeTopic::Fault::kNone;
  };
  bool leaves_out = false;
  project.write_day(1);
  int day = 2;
  for (int step = 0; step < 6; ++step) {
    switch (random->below(4)) {
      case 0:
        project.change(leaves_out ? kNotUserOne : kAllUsers, leaves_out ? kAllUsers : kNotUserOne);
        leaves_out = !leaves_out;
        break;
      case 1:
        if (step > 0) {
          project.clean_up(false);
        }
        break;
      default:
        project.write_day(day++);
    }
    const Status made = project.run_tables();
    ASSERT_TRUE(made.ok()) << "step " << step << ": " << made.to_string();
    topic.fault = fails;
    RunOptions options;
    options.publish_records = 1 + static_cast<int64_t>(random->below(4));
    (void)project.publish(topic, options);  // each in a process of its own, as it were
    if (step % 3 == 2) {
      topic.fault = [](FakeTopic::Call) { return FakeTopic::Fault::kNone; };
      const Result<int64_t> sent = project.publish(topic, options);
      ASSERT_TRUE(sent.ok()) << sent.status().to_string();
      EXPECT_EQ(topic.last(), values_of(project)) << "step " << step;
      EXPECT_EQ(*project.publish(topic, options), 0);
    }
  }
}

TEST(Publish, WhateverFailsWhenTheTopicSaysWhatTheTablesSay) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    expect_as_the_tables(seed);
  }
}

}  // namespace
}  // namespace assay::flow
