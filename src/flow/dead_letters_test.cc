// Refused records on their way to a dead-letter topic: whatever they are and whatever becomes of
// the topic, the line goes on, and quarantine has them.

#include "flow/dead_letters.h"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flow/running_up.h"
#include "flow/shared_up.h"
#include "flow/up_crash.h"

namespace assay::flow {
namespace {

constexpr char kGood[] = R"({"user_id":"u1","amount":1,"ts":"2026-01-01 00:00:00"})";
constexpr std::size_t kManyBytes = 890'000;

/// A project whose refused records go to the topic `letters`.
class LettersProject : public KafkaProject {
 public:
  explicit LettersProject(TestTopic& topic, const std::string& options = "") : KafkaProject(topic) {
    change("topics: events}", "topics: events, dead_letter: letters}");
    if (!options.empty()) {
      change("fetch.wait.max.ms: \"10\"", "fetch.wait.max.ms: \"10\", " + options);
    }
  }
  /// A run whose errors in the log are expected.
  Status run_quietly(const RunOptions& options = {}) {
    SystemWorld quiet(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
    const auto workspace = *Workspace::open(quiet.world(), folder(), {});
    EXPECT_TRUE(workspace->apply().ok());
    const Status status = run_all(*workspace, options).status();
    refused_ =
        quiet.world()
            .metrics.counter("assay_flow_dead_letters_refused_total", "", {{"name", "events"}})
            .value();
    return status;
  }
  [[nodiscard]] int64_t refused() const { return refused_; }

 private:
  int64_t refused_ = 0;
};

TEST(DeadLetters, ARecordThatIsTooLargeWithItsKeyGoesWithoutItsValue) {
  TestTopic topic(1);
  LettersProject project(topic);
  topic.create("letters");
  const std::string key(109'900, 'k');  // what the events' topic takes, but no header more
  topic.send(0, std::string(kManyBytes, 'x'), key);
  topic.send(0, kGood, "good");
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  const std::vector<TestTopic::Received> letters = topic.read("letters", 1);
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_TRUE(letters[0].key == key);
  EXPECT_TRUE(letters[0].value.empty());
  ASSERT_EQ(letters[0].headers.count("assay.value.bytes"), 1U);
  EXPECT_EQ(letters[0].headers.at("assay.value.bytes"), std::to_string(kManyBytes));
  EXPECT_EQ(letters[0].headers.count("assay.key.bytes"), 0U);
  EXPECT_EQ(project.count("bronze/events"), 1);
  EXPECT_EQ(project.count("bronze/events_quarantine"), 1);
}

TEST(DeadLetters, ATopicOfSmallRecordsGetsWhatItTakes) {
  TestTopic topic(1);
  LettersProject project(topic, "message.max.bytes: \"10000\"");
  topic.create("letters");
  topic.send(0, std::string(5'000, 'a'), "1");
  topic.send(0, std::string(20'000, 'b'), "2");
  topic.send(0, std::string(20'000, 'c'), std::string(20'000, '3'));
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  const std::vector<TestTopic::Received> letters = topic.read("letters", 3);
  ASSERT_EQ(letters.size(), 3U);
  EXPECT_EQ(letters[0].value, std::string(5'000, 'a'));
  EXPECT_EQ(letters[1].key, "2");
  EXPECT_EQ(letters[1].value, "");
  EXPECT_EQ(letters[2].key, "");
  EXPECT_EQ(letters[2].headers.at("assay.value.bytes"), "20000");
  EXPECT_EQ(letters[2].headers.at("assay.key.bytes"), "20000");
  EXPECT_EQ(project.count("bronze/events_quarantine"), 3);
}

/// A broker refuses all records of a request for the size that they have together.
TEST(DeadLetters, RecordsThatAreTooLargeTogetherGoApart) {
  TestTopic topic(1);
  LettersProject project(topic);
  topic.create("letters");
  for (int i = 0; i < 5; ++i) {
    topic.send(0, "not json " + std::to_string(i));
  }
  topic.flush();
  topic.broker().fail_produces_as_too_large(2);
  ASSERT_TRUE(project.run().ok());
  std::set<std::string> values;
  for (const TestTopic::Received& letter : topic.read("letters", 5)) {
    values.insert(letter.value);
  }
  EXPECT_EQ(values.size(), 5U);
  EXPECT_EQ(values.count(""), 0U) << "none is too large alone";
}

TEST(DeadLetters, ATopicThatIsNotThereIsSaidBeforeAnythingIsRead) {
  TestTopic topic(1);
  LettersProject project(topic);
  topic.create("letters");
  topic.broker().lose_topic("letters");
  topic.send(0, "not json");
  topic.flush();
  const Status status = project.run_quietly();
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_NE(status.message().find("dead_letter: letters"), std::string::npos) << status.message();
  EXPECT_EQ(project.count("bronze/events"), 0);
}

TEST(DeadLetters, ATopicThatGoesLeavesTheRecordsToQuarantine) {
  TestTopic topic(1);
  LettersProject project(topic);
  topic.create("letters");
  RunningUp up(project);
  up.wait_until_ready();
  topic.broker().lose_topic("letters");
  topic.send(0, "not json");
  topic.send(0, kGood);
  topic.flush();
  up.wait_for_records(2);
  EXPECT_EQ(up.metrics()
                .counter("assay_flow_dead_letters_refused_total", "", {{"name", "events"}})
                .value(),
            1);
  EXPECT_TRUE(up.stop().ok());
  EXPECT_EQ(project.count("bronze/events"), 1);
  EXPECT_EQ(project.count("bronze/events_quarantine"), 1);
}

TEST(DeadLetters, ALakeThatIsAwayIsNotTriedWithTheSameLetters) {
  TestTopic topic(1);
  LettersProject project(topic);
  topic.create("letters");
  RunningUp up(project);
  up.wait_until_ready();
  up.files().is_away = true;
  topic.send(0, "not json");
  topic.flush();
  up.wait_for_counter_above("assay_flow_failures_total", 3, {{"of", "line"}});
  up.files().is_away = false;
  up.wait_for_records(1);
  EXPECT_TRUE(up.stop().ok());
  EXPECT_EQ(topic.read_all("letters").size(), 1U);
}

TEST(DeadLetters, BytesThatAreNoTextComeAsTheyWere) {
  TestTopic topic(1);
  LettersProject project(topic);
  topic.create("letters");
  const std::string key("\x00\xff\x01", 3);
  const std::string value("\xfe\x00{", 3);
  topic.send(0, value, key);
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  const std::vector<TestTopic::Received> letters = topic.read("letters", 1);
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].key, key);
  EXPECT_EQ(letters[0].value, value);
}

TEST(DeadLetters, OfPersonalDataGoesWhatQuarantineMayHold) {
  TestTopic topic(1);
  LettersProject project(topic);
  project.change("user_id: string!", "user_id: {type: string!, pii: id, scrub: hmac}");
  topic.create("letters");
  topic.send(0, R"({"user_id":"secret-user","amount":"x","ts":"2026-01-01 00:00:00"})", "secret");
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  const std::vector<TestTopic::Received> letters = topic.read("letters", 1);
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].key, "");
  EXPECT_EQ(letters[0].value.find("secret"), std::string::npos) << letters[0].value;
  EXPECT_EQ(letters[0].headers.at("__connect.errors.offset"), "0");
}

TEST(DeadLetters, ProcessesThatShareATopicSendThemToo) {
  TestTopic topic(2);
  LettersProject project(topic);
  topic.create("letters");
  RunningUp up(project, {50'000}, run_shared_up);
  topic.send(0, "not json", "bad");
  topic.send(1, kGood, "good");
  topic.flush();
  wait_for_rows(project, "bronze/events", 1);
  wait_for_rows(project, "bronze/events_quarantine", 1);
  EXPECT_TRUE(up.stop().ok());
  const std::vector<TestTopic::Received> letters = topic.read_all("letters");
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].key, "bad");
}

/// A line that is killed, whose refused records go to the topic `letters`.
class CrashedLetters : public CrashedUp {
 public:
  CrashedLetters() {
    project_.change("topics: events", "dead_letter: letters, topics: events");
    topic_.create("letters");
    (void)project_.open();
  }
  /// The offsets of the letters, and those of the records in quarantine.
  std::pair<std::multiset<std::string>, std::set<std::string>> letters_and_refused() {
    std::multiset<std::string> letters;
    for (const TestTopic::Received& letter : topic_.read_all("letters")) {
      EXPECT_EQ(letter.value, "no event");
      EXPECT_EQ(letter.headers.at("__connect.errors.topic"), "events");
      EXPECT_EQ(letter.headers.at("__connect.errors.partition"), "0");
      letters.insert(letter.headers.at("__connect.errors.offset"));
    }
    std::set<std::string> refused;
    const auto workspace = project_.open();
    const data::Batch rows = *workspace->read_table("bronze/events_quarantine", "line", "", "");
    for (int64_t row = 0; row < rows.rows(); ++row) {
      refused.insert(data::format_scalar(rows.column(0).scalar(row)));
    }
    return {letters, refused};
  }
};

TEST(DeadLetters, EachRefusedRecordIsSentAtLeastOnceThroughKills) {
  CrashedLetters line;
  for (const char* point : {"lake.commit.before_put:2",
                            "lake.commit.after_put:2",
                            "flow.bronze.between_commits:1",
                            "flow.bronze.between_commits:2",
                            "flow.bronze.after_commit:2"}) {
    line.kill_at(point);
  }
  line.kill_after(400'000);
  line.expect_as_undisturbed();
  const auto [letters, refused] = line.letters_and_refused();
  EXPECT_GT(refused.size(), 20U);
  EXPECT_EQ(std::set<std::string>(letters.begin(), letters.end()), refused);
}

TEST(DeadLetters, AStopDoesNotWaitForBrokersThatAreAway) {
  TestTopic topic(1);
  LettersProject project(topic);
  topic.create("letters");
  RunningUp up(project, {3600 * kMicrosPerSecond});
  up.wait_until_ready();
  topic.send(0, "not json");
  topic.flush();
  up.wait_for_counter_above("assay_flow_records_read_total", 0, {{"name", "events"}});
  topic.set_away(true);
  const Duration began = SystemWorld(LogLevel::kError).world().clock.monotonic();
  EXPECT_EQ(up.stop().code(), Code::kUnavailable);
  const int64_t took =
      SystemWorld(LogLevel::kError).world().clock.monotonic().micros - began.micros;
  EXPECT_LT(took, 60 * kMicrosPerSecond) << "the client library waits for five minutes";
  topic.set_away(false);
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.count("bronze/events_quarantine"), 1);
}

}  // namespace
}  // namespace assay::flow
