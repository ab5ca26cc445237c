// `assay up` over several sources: one whose brokers, partition's leader or schema registry are away
// holds up no other, and when it is back every record is there once.

#include "flow/sources_away.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "flow/kafka_line.h"
#include "flow/running_up.h"
#include "flow/shared_crash.h"
#include "flow/shared_line.h"
#include "flow/shared_up.h"
#include "flow/two_sources.h"
#include "flow/views_online.h"
#include "ingest/kafka_discovery.h"

namespace assay::flow {
namespace {

/// A question to brokers may take longer than an event may take to be readable, also on the busiest
/// machine: one that is waited for is seen.
constexpr Duration kAskTimeout{60 * kMicrosPerSecond};
constexpr double kReadableMax = 40;
constexpr Duration kFlushEvery{200'000};
constexpr Duration kNever{3600 * kMicrosPerSecond};

/// A process that is killed: this test alone, in another process of this program.
TEST(UpCrash, Child) {
  run_as_child();
}

/// A process that makes all that is to be served, and ends.
void make_everything(TestProject& project) {
  RunningUp up(project, kFlushEvery);
  up.wait_until_ready();
  EXPECT_TRUE(up.stop().ok());
}

/// Seconds that events of the first source took, one after the other, until the store answers with
/// them: the worst.
double worst_of(RunningUp& up, TestTopic& topic, int events) {
  SystemWorld system(LogLevel::kError);
  Clock& clock = system.world().clock;
  double worst = 0;
  for (int i = 0; i < events; ++i) {
    const uint64_t before = *up.store().content_hash(up.view());
    const Duration sent = clock.monotonic();
    topic.send(0,
               R"({"user_id":"u1","amount":)" + std::to_string(topic.sent()) +
                   R"(,"ts":"2026-01-06 12:00:00"})");
    topic.flush();
    up.wait_until(
        "an event in the online store",
        [&] { return *up.store().content_hash(up.view()); },
        [&](uint64_t seen) { return seen != before; });
    worst = std::max(worst, static_cast<double>(clock.monotonic().micros - sent.micros) / 1e6);
  }
  return worst;
}

enum class Away { kRefuses, kHangs };

struct Case {
  const char* name;
  RunningUp::Run run;
  Away away;
};

class SourcesAwayOf : public testing::TestWithParam<Case> {
 protected:
  void set_away(bool is_away) {
    if (GetParam().away == Away::kHangs) {
      second_.broker().set_hanging(is_away);
    } else {
      second_.set_away(is_away);
    }
  }
  void expect_quick(const char* when, double worst) {
    RecordProperty(when, static_cast<int>(worst * 1e3));
    EXPECT_LT(worst, kReadableMax) << when;
  }
  TestTopic first_{1};
  TestTopic second_{2};
};

TEST_P(SourcesAwayOf, OneHoldsUpNoOther) {
  constexpr int kEvents = 10;
  TwoSources project(first_, second_);
  forget_members_soon(project);
  send_days(first_, 1, 4);
  send_days(second_, 1, 4);
  const MetricLabels labels{{"name", "more"}};
  {
    RunningUp up(project, kFlushEvery, GetParam().run, {10'000}, kAskTimeout);
    up.wait_until_ready();
    wait_for_rows(project, "bronze/more", second_.sent());
    worst_of(up, first_, 1);
    set_away(true);
    expect_quick("milliseconds_while_away", worst_of(up, first_, kEvents));
    set_away(false);
    send_days(second_, 4, 5);
    wait_for_rows(project, "bronze/more", second_.sent());
    EXPECT_TRUE(up.stop().ok());
  }
  set_away(true);
  {
    RunningUp up(project, kFlushEvery, GetParam().run, {10'000}, kAskTimeout);
    up.wait_until_ready();
    expect_quick("milliseconds_until_the_first", worst_of(up, first_, 1));
    expect_quick("milliseconds_after_a_restart", worst_of(up, first_, kEvents));
    up.wait_for_gauge("assay_flow_line_waiting", 1);
    up.wait_for_gauge("assay_flow_source_away", 1, labels);
    up.wait_for_gauge("assay_flow_source_away", 0, {{"name", "events"}});
    set_away(false);
    send_days(second_, 5, 7);
    wait_for_rows(project, "bronze/more", second_.sent());
    up.wait_for_gauge("assay_flow_line_waiting", 0);
    up.wait_for_gauge("assay_flow_source_away", 0, labels);
    expect_quick("milliseconds_after_its_return", worst_of(up, first_, 3));
    EXPECT_TRUE(up.stop().ok());
  }
  EXPECT_EQ(project.count("bronze/events"), first_.sent());
  EXPECT_EQ(project.count("bronze/more"), second_.sent());
  expect_verified(project);
}

INSTANTIATE_TEST_SUITE_P(Each,
                         SourcesAwayOf,
                         testing::Values(Case{"Refuses", run_up, Away::kRefuses},
                                         Case{"Hangs", run_up, Away::kHangs},
                                         Case{"RefusesShared", run_shared_up, Away::kRefuses},
                                         Case{"HangsShared", run_shared_up, Away::kHangs}),
                         [](const auto& each) { return each.param.name; });

/// Make all of a project, and leave the view of the second source ahead of the lake.
void leave_ahead(TwoSources& project, TestTopic& second) {
  RunningUp up(project, kNever);
  up.wait_until_ready();
  const auto workspace = project.open();
  const gold::FeatureViewPtr view = *workspace->view("more_spend");
  const auto content = [&] { return *up.store().content_hash(*view); };
  for (int i = 0; i < 6; ++i) {  // the first ones perhaps with the backlog
    const uint64_t before = content();
    second.send(0, R"({"user_id":"u1","amount":1,"ts":"2026-01-05 12:00:00"})");
    second.flush();
    up.wait_until("a read", content, [&](uint64_t seen) { return seen != before; });
  }
  up.files().is_away = true;
  EXPECT_FALSE(up.stop().ok());
}

/// Change the first read of each journal.
void damage_journals(const TestProject& project) {
  const auto files = unsynced_files();
  const auto found = files->list(join_path(project.folder(), ".assay/reads"));
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  ASSERT_FALSE(found->empty());
  for (const FileInfo& file : *found) {
    std::string bytes = *files->read(file.path);
    bytes[std::min<std::size_t>(bytes.size() - 1, 20)] ^= 1;
    ASSERT_TRUE(files->write(file.path, bytes).ok());
  }
}

/// A commit fails just when another source has begun to hang: all lines are opened anew then.
class BesideAFailedCommit {
 public:
  BesideAFailedCommit() {
    forget_members_soon(project_);
    send_days(first_, 1, 4);
    send_days(second_, 1, 4);
  }
  void make_all() {
    RunningUp up(project_, kFlushEvery);
    up.wait_until_ready();
    EXPECT_TRUE(up.stop().ok());
  }
  void expect_the_first_goes_on(RunningUp::Run run) {
    RunningUp up(project_, kFlushEvery, run, {10'000}, kAskTimeout);
    up.wait_until_ready();
    worst_of(up, first_, 1);
    wait_for_rows(project_, "bronze/more", second_.sent());
    second_.broker().set_hanging(true);
    up.files().is_away = true;
    first_.send(0, R"({"user_id":"u1","amount":7,"ts":"2026-01-06 12:00:00"})");
    first_.flush();
    up.wait_for_counter_above("assay_flow_failures_total", 0, {{"of", "line"}});
    up.files().is_away = false;
    EXPECT_LT(worst_of(up, first_, 2), kReadableMax);
    second_.broker().set_hanging(false);
    send_days(second_, 4, 5);
    wait_for_rows(project_, "bronze/more", second_.sent());
    EXPECT_TRUE(up.stop().ok());
    EXPECT_EQ(project_.count("bronze/events"), first_.sent());
    EXPECT_EQ(project_.count("bronze/more"), second_.sent());
  }

 private:
  TestTopic first_{1};
  TestTopic second_{1};
  TwoSources project_{first_, second_};
};

TEST(SourcesAway, ACommitThatFailsBesideOneIsMadeAgainWithoutIt) {
  BesideAFailedCommit lines;
  lines.make_all();
  lines.expect_the_first_goes_on(run_up);
}

TEST(SourcesAway, AlsoInTheProcessThatMadeAllThatIsServed) {
  BesideAFailedCommit lines;
  lines.expect_the_first_goes_on(run_up);
}

TEST(SourcesAway, AlsoWhereTopicsAreShared) {
  BesideAFailedCommit lines;
  lines.make_all();
  lines.expect_the_first_goes_on(run_shared_up);
}

/// What the others have is committed before a table that is back is opened: where that is refused,
/// the line ends.
TEST(SourcesAway, ACommitThatIsRefusedBeforeATableIsOpenedIsTold) {
  TestTopic first(1);
  TestTopic second(1);
  TwoSources project(first, second);
  send_days(first, 1, 2);
  send_days(second, 1, 2);
  make_everything(project);
  second.set_away(true);
  RunningUp up(project, kNever);
  up.wait_for_gauge("assay_flow_source_away", 1, {{"name", "more"}});
  up.wait_until_ready();
  worst_of(up, first, 3);  // the last one by the line alone
  up.files().is_refused_once = true;
  worst_of(up, first, 1);
  second.set_away(false);
  EXPECT_EQ(up.ended().code(), Code::kPermissionDenied);
}

/// A table with a long backlog whose views were dropped is no reason to write the lake behind each
/// read: its views come with the lake until then.
TEST(SourcesAway, ALongBacklogBehindADamagedJournalIsReadInLargeSteps) {
  TestTopic first(1);
  TestTopic second(4);  // the broker of tests keeps few records of a partition
  TwoSources project(first, second);
  send_days(first, 1, 4);
  send_days(second, 1, 4);
  leave_ahead(project, second);
  damage_journals(project);
  constexpr int kBacklog = 200'000;
  for (int i = 0; i < kBacklog; ++i) {
    second.send(i % 4, R"({"user_id":"u1","amount":1,"ts":"2026-01-05 12:00:00"})");
  }
  second.flush();
  RunningUp up(project, kNever);
  up.wait_until_ready();
  const auto workspace = project.open();
  up.wait_until(
      "all of the backlog",
      [&] { return rows_of(*workspace, "bronze/more"); },
      [&](int64_t seen) { return seen >= second.sent(); });
  EXPECT_LE(up.flushes(), 5) << "a read has 20,000 records at most";
  EXPECT_TRUE(up.stop().ok());
  EXPECT_EQ(project.count("bronze/more"), second.sent());
  expect_verified(project);
}

/// Stages leave alone what is ahead by journals, and nothing else.
TEST(SourcesAway, AViewThatWasDroppedIsNotAheadByAJournal) {
  TestTopic first(1);
  TestTopic second(1);
  TwoSources project(first, second);
  send_days(first, 1, 2);
  send_days(second, 1, 2);
  leave_ahead(project, second);
  const auto workspace = project.open();
  EXPECT_EQ(*views_behind_journals(*workspace, "events"), std::set<std::string>());
  EXPECT_EQ(*views_behind_journals(*workspace, "more"), std::set<std::string>{"more_spend"});
  online::OnlineStore* const store = *workspace->online(false);
  ASSERT_TRUE(store->drop((*workspace->view("more_spend"))->storage_name()).ok());
  EXPECT_EQ(*views_behind_journals(*workspace, "more"), std::set<std::string>());
}

/// An answer that nobody took before the next one came is told all the same, where it was none.
TEST(SourcesAway, SilenceThatNobodyHeardOfIsTold) {
  TestTopic first(1);
  TestTopic second(1);
  TwoSources project(first, second);
  const auto workspace = project.open();
  Wakeup wakeup;
  UpOptions options;
  options.run.ask_timeout = {1 * kMicrosPerSecond};
  SourcesAway away(*workspace, options, &wakeup, {10'000});
  ASSERT_TRUE(away.begin().ok());
  const auto is_there = [&] { return (*away.ask())["more"].ok(); };
  /// Whether an answer of the table was taken, and says that it was silent.
  const auto take = [&] {
    std::optional<bool> was_silent;
    for (const SourcesAway::Answer& answer : away.take()) {
      if (answer.table == "more") {
        was_silent = answer.said.was_silent || !answer.said.look.ok();
      }
    }
    return was_silent;
  };
  wait_until("an answer", is_there, std::identity());
  (void)take();
  second.set_away(true);
  wait_until(
      "silence",
      [&] {
        (void)is_there();
        return !away.last("more")->look.ok();
      },
      std::identity());
  second.set_away(false);
  wait_until("an answer again", is_there, std::identity());
  EXPECT_TRUE(away.last("more")->look.ok());
  EXPECT_EQ(take(), std::optional(true));
  wait_until("one that tells of no silence", take, [](const std::optional<bool>& was_silent) {
    return was_silent == std::optional(false);
  });
}

/// Leaders that answered before the group gave partitions may be why it did.
TEST(SourcesAway, PartitionsAreTakenWithAnAnswerOfSinceTheyWereGiven) {
  TestTopic topic(2);
  topic.broker().give_soon();
  KafkaProject project(topic);
  forget_members_soon(project);
  SystemWorld system(LogLevel::kError);
  Clock& clock = system.world().clock;
  const auto workspace = project.open();
  bool source_failed = false;
  const auto line = *SharedLine::open(
      *workspace, "events", *workspace->sharing_group("events"), {}, &source_failed);
  ingest::KafkaClientOptions options;
  options.brokers = topic.brokers();
  const auto asks = *ingest::KafkaConsumer::open(system.world().log, options);
  const Duration before = clock.monotonic();
  const auto look = ingest::look_at_topics(*asks, {"events"}, {0}, kAskTimeout);
  ASSERT_TRUE(look.ok()) << look.status().to_string();
  StageAccount account;
  wait_until(
      "partitions that are given",
      [&] {
        EXPECT_TRUE(line->take(1, &account).ok());
        return line->must_ask_leaders();
      },
      std::identity());
  line->note_look(look, before);
  EXPECT_FALSE(*line->take(1, &account));
  EXPECT_EQ(line->partitions(), 0);
  wait_until(
      "partitions that are taken",
      [&] {
        line->note_look(look, clock.monotonic());
        EXPECT_TRUE(line->take(1, &account).ok());
        return line->partitions();
      },
      [](int64_t partitions) { return partitions == 2; });
}

/// A topic one of whose leaders is silent when the line is opened is left out as a whole.
TEST(SourcesAway, ASilentLeaderAtTheStartHoldsUpNoOtherSource) {
  TestTopic first(1);
  TestTopic second(2, 2);
  second.broker().set_leader("events", 0, 1);
  second.broker().set_leader("events", 1, 2);
  TwoSources project(first, second);
  send_days(first, 1, 4);
  send_days(second, 1, 4);
  make_everything(project);
  second.broker().set_away(true, 2);
  RunningUp up(project, kFlushEvery, run_up, {10'000}, kAskTimeout);
  up.wait_until_ready();
  EXPECT_LT(worst_of(up, first, 5), kReadableMax);
  up.wait_for_gauge("assay_flow_source_away", 1, {{"name", "more"}});
  second.broker().set_away(false, 2);
  send_days(second, 4, 7);
  wait_for_rows(project, "bronze/more", second.sent());
  EXPECT_TRUE(up.stop().ok());
  EXPECT_EQ(project.count("bronze/more"), second.sent());
  expect_verified(project);
}

/// A registry that takes connections and never answers.
class HangingRegistry {
 public:
  HangingRegistry() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    ASSAY_CHECK(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    ASSAY_CHECK(::listen(socket_, 64) == 0);
    ASSAY_CHECK(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~HangingRegistry() { ::close(socket_); }
  HangingRegistry(const HangingRegistry&) = delete;
  HangingRegistry& operator=(const HangingRegistry&) = delete;
  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  int socket_;
  std::string url_;
};

void expect_a_registry_holds_up_no_other(RunningUp::Run run) {
  TestTopic first(1);
  TestTopic second(1);
  const HangingRegistry registry;
  TwoSources project(
      first, second, ", format: avro, schema_registry: {url: \"" + registry.url() + "\"}");
  forget_members_soon(project);
  send_days(first, 1, 4);
  RunningUp up(project, kFlushEvery, run);
  up.wait_until_ready();
  worst_of(up, first, 1);
  second.send(0, std::string("\x00\x00\x00\x00\x07\x02", 6));
  second.flush();
  // A question to a registry takes ten seconds at most.
  constexpr double kOneQuestion = 8;
  EXPECT_LT(worst_of(up, first, 10), kOneQuestion);
  up.wait_for_gauge("assay_flow_source_away", 1, {{"name", "more"}});
  EXPECT_LT(worst_of(up, first, 5), kOneQuestion);
  EXPECT_TRUE(up.stop().ok());
  EXPECT_EQ(project.count("bronze/events"), first.sent());
  EXPECT_EQ(project.count("bronze/more"), 0);
}

TEST(SourcesAway, ARegistryThatHangsHoldsUpNoOtherSource) {
  expect_a_registry_holds_up_no_other(run_up);
}

TEST(SourcesAway, NorDoesOneOfTopicsThatAreShared) {
  expect_a_registry_holds_up_no_other(run_shared_up);
}

/// Two tables of one source number its parts in one ledger: who did not number new ones must find
/// them all the same.
TEST(SourcesAway, TablesOfOneSourceBothFindPartsThatOneOfThemNumbered) {
  TestTopic topic(2);
  KafkaProject project(topic);
  project.change("topics: events}", "topics: events, on_lost: skip}");
  project.change("silver:\n",
                 "  twin:\n    source: events\n    event_time: {column: ts}\n"
                 "    columns: {user_id: string!, amount: float64, ts: timestamp!}\nsilver:\n");
  send_days(topic, 1, 2);
  ASSERT_TRUE(project.run().ok());
  SystemWorld quiet(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  const auto workspace = *Workspace::open(quiet.world(), project.folder(), {});
  const auto first = *KafkaLine::open(*workspace, "events", {});
  const auto twin = *KafkaLine::open(*workspace, "twin", {});
  ingest::KafkaClientOptions options;
  options.brokers = topic.brokers();
  const auto asks = *ingest::KafkaConsumer::open(quiet.world().log, options);
  const auto look = [&] { return ingest::look_at_topics(*asks, {"events"}, {0}, kAskTimeout); };
  Clock& clock = quiet.world().clock;
  const Result<ingest::KafkaLook> as_before = look();
  ASSERT_TRUE(as_before.ok()) << as_before.status().to_string();
  EXPECT_FALSE(*first->note_look(as_before, clock.monotonic()));
  EXPECT_FALSE(*twin->note_look(as_before, clock.monotonic()));
  topic.broker().make_again("events", 2);
  const Result<ingest::KafkaLook> made_again = look();
  ASSERT_TRUE(made_again.ok()) << made_again.status().to_string();
  EXPECT_TRUE(*first->note_look(made_again, clock.monotonic()));
  EXPECT_TRUE(*twin->note_look(made_again, clock.monotonic()));
  for (KafkaLine* const line : {first.get(), twin.get()}) {
    ASSERT_TRUE(line->seek().ok());
    EXPECT_FALSE(*line->note_look(made_again, clock.monotonic())) << line->name();
  }
  // Two partitions, each numbered once more: not by each table.
  SourceLedger ledger(workspace->catalog());
  EXPECT_EQ(ledger.known(ingest::kafka_ledger_name("events"))->size(), 4U);
}

/// Two sources whose line is killed in another process, also while the second one is away.
class KilledBesideOneAway : public CrashedUp {
 public:
  KilledBesideOneAway() {
    add_source(project_, second_);
    project_.change("options: {", "options: {reconnect.backoff.max.ms: \"200\", ");
    (void)project_.open();
  }
  void run() {
    send_second(1, 2);
    const pid_t made = start("");  // everything is made once
    wait_until("a line that is ready", [&] { return is_ready(); }, std::identity());
    kill(made);
    for (const char* point : {"flow.reads.after_apply:3", "flow.reads.after_journal:5"}) {
      const pid_t child = start(point);
      send_second(next_day_, next_day_ + 1);
      ++next_day_;
      expect_killed(end_of(child,
                           "a line that ends at " + std::string(point),
                           {20'000},
                           [&] {
                             send_second_bad();
                             send(1);
                           }),
                    point);
      second_.set_away(true);
      const pid_t alone = start("");
      wait_until("a line that is ready", [&] { return is_ready(); }, std::identity());
      send(20);
      wait_for_first();
      second_.set_away(false);
      kill(alone);  // perhaps while the second one is opened again
    }
    second_.set_away(true);
    const pid_t last = start("");
    wait_until("a line that is ready", [&] { return is_ready(); }, std::identity());
    send(20);
    wait_for_first();
    second_.set_away(false);
    send_second(6, 7);
    wait_for_rows(project_, "bronze/more", second_good_);
    kill(last);
    send_all();
    ASSERT_TRUE(project_.run().ok());
    EXPECT_EQ(project_.count("bronze/more"), second_good_);
    EXPECT_EQ(project_.count("bronze/more_quarantine"), second_bad_);
    EXPECT_EQ(project_.count("bronze/events_quarantine"), sent_bad_);
    expect_verified(project_);
  }

 private:
  void kill(pid_t child) {
    ::kill(child, SIGKILL);
    expect_killed(end_of(child, "a line that was killed"), "by the test");
  }
  void send_second(int first, int end) {
    const int64_t before = second_.sent();
    send_days(second_, first, end);
    second_good_ += second_.sent() - before;
    send_second_bad();
  }
  void send_second_bad() {
    second_.send(0, "no event");
    second_.flush();
    ++second_bad_;
  }
  /// All that the first source has is in its table.
  void wait_for_first() {
    wait_for_rows(project_, "bronze/events", static_cast<int64_t>(events_.taken()));
  }

  TestTopic second_{2};
  int next_day_ = 2;
  int64_t second_good_ = 0;
  int64_t second_bad_ = 0;
};

TEST(SourcesAway, EveryRecordIsThereOnceThoughTheLineIsKilledBesideASourceThatIsAway) {
  KilledBesideOneAway().run();
}

TEST(SourcesAway, OneThatWasNeverThereIsAnError) {
  TestTopic first(1);
  TestTopic second(1);
  TwoSources project(first, second);
  second.set_away(true);
  RunningUp up(project, kFlushEvery);
  EXPECT_EQ(up.ended().code(), Code::kUnavailable);
}

TEST(SourcesAway, ATopicThatWasMadeAgainMeanwhileIsTold) {
  TestTopic first(1);
  TestTopic second(1);
  TwoSources project(first, second);
  send_days(first, 1, 2);
  send_days(second, 1, 2);
  make_everything(project);
  second.set_away(true);
  RunningUp up(project, kFlushEvery);
  up.wait_for_gauge("assay_flow_source_away", 1, {{"name", "more"}});
  second.broker().make_again("events", 1);
  second.set_away(false);
  EXPECT_EQ(up.ended().code(), Code::kFailedPrecondition);
}

TEST(SourcesAway, ATopicThatIsGoneIsToldAlsoWhileItsTableIsLeftOut) {
  TestTopic first(1);
  TestTopic second(1);
  TwoSources project(first, second);
  send_days(first, 1, 2);
  send_days(second, 1, 2);
  make_everything(project);
  second.set_away(true);
  RunningUp up(project, kFlushEvery);
  up.wait_for_gauge("assay_flow_source_away", 1, {{"name", "more"}});
  second.broker().lose_topic("events");
  second.set_away(false);
  EXPECT_EQ(up.ended().code(), Code::kNotFound);
}

}  // namespace
}  // namespace assay::flow
