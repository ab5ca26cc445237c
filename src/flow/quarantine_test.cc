// What was refused: listed, shown, and brought through bronze once more, once.

#include "flow/quarantine.h"

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flow/kafka_project.h"
#include "flow/status.h"
#include "ingest/kafka_client.h"

namespace assay::flow {
namespace {

constexpr char kEvents[] = R"(
sources:
  events: {files: {path: refused, format: json}}
bronze:
  events:
    source: events
    key: [id]
    event_time: {column: ts}
    columns: {id: string!, amount: TYPE, ts: timestamp!}
)";

std::string events_of(const std::string& type) {
  std::string text = kEvents;
  return text.replace(text.find("TYPE"), 4, type);
}

/// A project whose amounts are sometimes text that is no number.
class RefusedEvents : public TestProject {
 public:
  RefusedEvents() {
    write("project.yaml", events_of("float64"));
    std::string text;
    for (int i = 0; i < 100; ++i) {
      text += R"({"id":"e)" + std::to_string(i) + R"(","amount":)" +
              (i % 10 == 0 ? "\"" + std::to_string(i) + "\"" : std::to_string(i)) +
              R"(,"ts":"2026-01-01 00:00:)" + std::to_string(10 + i % 50) + "\"}\n";
    }
    write("refused/events.jsonl", text + "not json\n");
  }
};

std::string cell(const data::Batch& rows, const std::string& column, int64_t row) {
  return format_scalar(rows.find(column)->scalar(row));
}

data::Account bronze_account(TestProject& project) {
  const auto workspace = project.open();
  const Result<std::vector<StageStatus>> status = project_status(*workspace);
  EXPECT_TRUE(status.ok()) << status.status().to_string();
  for (const StageStatus& stage : *status) {
    if (stage.account.stage == "bronze") {
      return stage.account.rows;
    }
  }
  return {};
}

TEST(Quarantine, ListCountsByTableReasonAndColumn) {
  RefusedEvents project;
  ASSERT_TRUE(project.run().ok());
  const data::Batch rows = *list_quarantine(*project.open());
  ASSERT_EQ(rows.rows(), 2);
  EXPECT_EQ(cell(rows, "table", 0), "bronze/events");
  EXPECT_EQ(cell(rows, "reason", 0) + " " + cell(rows, "column", 0), "wrong_type amount");
  EXPECT_EQ(cell(rows, "records", 0), "10");
  EXPECT_EQ(cell(rows, "reason", 1) + cell(rows, "records", 1), "malformed1");
}

TEST(Quarantine, ShowSaysWhereWhyAndWhat) {
  RefusedEvents project;
  project.write("refused/more.jsonl", std::string("\xff\x01\n"));
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  QuarantineFilter filter;
  filter.table = "events";
  filter.reason = "malformed";
  const data::Batch rows = *show_quarantine(*workspace, filter);
  ASSERT_EQ(rows.rows(), 1);
  EXPECT_EQ(cell(rows, "file", 0), "refused/events.jsonl");
  EXPECT_EQ(cell(rows, "line", 0), "101");
  EXPECT_EQ(cell(rows, "payload", 0), "not json");
  EXPECT_EQ(cell(rows, "bytes", 0), "8");
  filter.reason = "invalid_utf8";
  EXPECT_EQ(cell(*show_quarantine(*workspace, filter), "payload", 0), "hex:ff01");
  filter.reason = "";
  filter.payload_max = 3;
  EXPECT_EQ(show_quarantine(*workspace, filter)->rows(), 12);
  filter.table = "evnts";
  EXPECT_EQ(show_quarantine(*workspace, filter).code(), Code::kNotFound);
}

TEST(Quarantine, WithoutACauseThatIsGoneAllIsRefusedAgain) {
  RefusedEvents project;
  ASSERT_TRUE(project.run().ok());
  const data::Account before = bronze_account(project);
  ReplayOptions options;
  options.table = "bronze/events";
  const Result<ReplayReport> report = replay_quarantine(*project.open(), options);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->rows.quarantined, 11);
  EXPECT_EQ(report->refused_again,
            (std::map<std::string, int64_t>{{"wrong_type", 10}, {"malformed", 1}}));
  EXPECT_EQ(project.count("bronze/events_quarantine"), 11);
  EXPECT_EQ(bronze_account(project), before);
}

/// Records whose event time was in the future when they were read: their cause goes by itself.
class FutureEvents : public TestProject {
 public:
  FutureEvents() {
    std::string text;
    for (int i = 0; i < 30; ++i) {
      text += R"({"id":"e)" + std::to_string(i) + R"(","amount":1,"ts":"2026-01-0)" +
              std::to_string(1 + i % 3) + "\"}\n";
    }
    write("refused/events.jsonl", text);
    std::string yaml = events_of("float64");
    write("project.yaml", yaml);
  }
  /// Read everything while it is the first of January, as far as anyone can tell.
  void run_at(const std::string& now) {
    FakeClock clock(*parse_time(now));
    const auto workspace = open_at(clock);
    ASSERT_TRUE(workspace->apply().ok());
    ASSERT_TRUE(run_all(*workspace, {}).ok());
  }
  Result<ReplayReport> replay_at(const std::string& now, ReplayOptions options) {
    FakeClock clock(*parse_time(now));
    const auto workspace = open_at(clock);
    options.table = "events";
    return replay_quarantine(*workspace, options);
  }

 private:
  std::unique_ptr<Workspace> open_at(FakeClock& clock) {
    World& system = system_.world();
    worlds_.push_back(std::make_unique<World>(
        World{clock, system.files, system.random, system.log, system.metrics}));
    return *Workspace::open(*worlds_.back(), folder(), {});
  }
  SystemWorld system_{LogLevel::kError};
  std::vector<std::unique_ptr<World>> worlds_;
};

TEST(Quarantine, WhatIsAcceptedNowLeavesQuarantineAndAccountsStay) {
  FutureEvents project;
  project.run_at("2026-01-01 12:00:00");
  EXPECT_EQ(project.count("bronze/events"), 10);
  EXPECT_EQ(project.count("bronze/events_quarantine"), 20);
  ReplayOptions options;
  options.batch_rows = 7;
  const Result<ReplayReport> report = project.replay_at("2026-01-02 12:00:00", options);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->rows.in, 20);
  EXPECT_EQ(report->rows.out, 10);
  EXPECT_EQ(project.count("bronze/events"), 20);
  EXPECT_EQ(project.count("bronze/events_quarantine"), 10);
  const data::Account account = bronze_account(project);
  EXPECT_EQ(account.in, 30);
  EXPECT_EQ(account.out, 20);
  EXPECT_EQ(account.quarantined, 10);
  EXPECT_TRUE(account.balances());

  ASSERT_TRUE(project.replay_at("2026-01-05", options).ok());
  EXPECT_EQ(project.replay_at("2026-01-05", options)->rows.in, 0) << "nothing is left";
  EXPECT_EQ(project.count("bronze/events"), 30);
  EXPECT_EQ(project.count("bronze/events_quarantine"), 0);
}

TEST(Quarantine, AReplayThatEndsBetweenItsCommitsDoublesNothing) {
  FutureEvents project;
  project.run_at("2026-01-01 12:00:00");
  // As after a crash: the rows are in the table, and their records still in quarantine.
  {
    const auto workspace = project.open();
    lake::DeltaTable* quarantine = *workspace->table("bronze/events_quarantine");
    const data::Batch refused =
        *workspace->sql().query("SELECT * FROM " + *quarantine->relation(**quarantine->snapshot()));
    ASSERT_TRUE(project.replay_at("2026-01-05", {}).ok());
    ASSERT_EQ(project.count("bronze/events_quarantine"), 0);
    lake::CommitRequest request;
    request.adds = *quarantine->write_files(refused);
    ASSERT_TRUE(quarantine->commit(request).ok());
  }
  ASSERT_EQ(project.count("bronze/events_quarantine"), 20);
  const Result<ReplayReport> report = project.replay_at("2026-01-05", {});
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->already_there, 20);
  EXPECT_EQ(report->rows.out, 0);
  EXPECT_EQ(project.count("bronze/events"), 30);
  EXPECT_EQ(project.count("bronze/events_quarantine"), 0);
}

TEST(Quarantine, AStopEndsItBetweenTwoBatches) {
  FutureEvents project;
  project.run_at("2026-01-01 12:00:00");
  std::atomic<bool> stop = false;
  ReplayOptions options;
  options.batch_rows = 5;
  options.stop = &stop;
  options.say = [&](const std::string&) { stop = true; };
  const Result<ReplayReport> report = project.replay_at("2026-01-05", options);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->stopped);
  EXPECT_EQ(report->rows.out, 5);
  EXPECT_EQ(project.count("bronze/events") + project.count("bronze/events_quarantine"), 30);
}

TEST(Quarantine, BatchesAreBoundedInBytesToo) {
  FutureEvents project;
  project.run_at("2026-01-01 12:00:00");
  int batches = 0;
  ReplayOptions options;
  options.batch_bytes = 100;  // two records
  options.say = [&](const std::string&) { ++batches; };
  const Result<ReplayReport> report = project.replay_at("2026-01-05", options);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->rows.out, 20);
  EXPECT_EQ(batches, 10);
}

TEST(Quarantine, RowsThatAreLateWhenTheyAreReplayedAreInTheLateTable) {
  FutureEvents project;
  project.change("bronze:\n",
                 "silver:\n  clean: {from: events, allowed_lateness: 1h, sql: \"SELECT id, ts AS "
                 "event_time FROM events\"}\nbronze:\n");
  project.run_at("2026-01-01 12:00:00");
  project.write("refused/later.jsonl", "{\"id\":\"new\",\"amount\":1,\"ts\":\"2026-01-08\"}\n");
  project.run_at("2026-01-09");
  project.write("refused/old.jsonl", "{\"id\":\"old\",\"amount\":1,\"ts\":\"2026-01-02\"}\n");
  project.run_at("2026-01-09");
  ASSERT_EQ(project.count("silver/clean_late"), 1) << "of a later position than those refused";
  ASSERT_TRUE(project.replay_at("2026-01-09", {}).ok());
  project.run_at("2026-01-09");
  EXPECT_EQ(project.count("silver/clean_late"), 21);
}

TEST(Quarantine, AFileThatIsGoneLeavesTheOthers) {
  TestProject project;
  std::string yaml = events_of("float64");
  yaml.replace(yaml.find("format: json"), 12, "format: csv");
  project.write("project.yaml", yaml);
  project.write("refused/a.csv", "id,amount,ts\na,1,2026-01-05\n");
  project.write("refused/b.csv", "id,amount,ts\nb,1,2026-01-05\n");
  SystemWorld system(LogLevel::kError);
  FakeClock clock(*parse_time("2026-01-01"));
  World world{clock,
              system.world().files,
              system.world().random,
              system.world().log,
              system.world().metrics};
  {
    const auto workspace = *Workspace::open(world, project.folder(), {});
    ASSERT_TRUE(workspace->apply().ok());
    ASSERT_TRUE(run_all(*workspace, {}).ok());
  }
  ASSERT_EQ(project.count("bronze/events_quarantine"), 2);
  ASSERT_TRUE(system.world().files.remove(project.folder() + "/refused/a.csv").ok());
  clock.advance({30 * 24 * 3600 * kMicrosPerSecond});
  ReplayOptions options;
  options.table = "events";
  const Result<ReplayReport> report =
      replay_quarantine(**Workspace::open(world, project.folder(), {}), options);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->rows.out, 1);
  EXPECT_EQ(report->without_file, 1);
  EXPECT_EQ(project.count("bronze/events"), 1);
}

TEST(Quarantine, ADuplicateOfWhatCameLaterIsOne) {
  FutureEvents project;
  project.write("refused/events.jsonl",
                "{\"id\":\"a\",\"amount\":\"x\",\"ts\":\"2026-01-01\"}\n"
                "{\"id\":\"b\",\"amount\":2,\"ts\":\"2026-01-09\"}\n");
  project.write("refused/later.jsonl", "{\"id\":\"b\",\"amount\":3,\"ts\":\"2026-01-01\"}\n");
  project.change("event_time:", "dedup_for: 30d\n    event_time:");
  project.run_at("2026-01-01 12:00:00");
  const Result<ReplayReport> report = project.replay_at("2026-01-10", {});
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->rows.duplicates, 1);
  EXPECT_EQ(project.count("bronze/events"), 1);
  EXPECT_EQ(project.count("bronze/events_quarantine"), 1) << "the text that is no number";
}

TEST(Quarantine, RecordsOfAnEarlierDefinitionAreLeftToTheSourceUntilItWasReadAgain) {
  RefusedEvents project;
  ASSERT_TRUE(project.run().ok());
  project.write("project.yaml", events_of("string"));
  ASSERT_TRUE(project.open()->apply().ok());
  ReplayOptions options;
  options.table = "events";
  EXPECT_EQ(replay_quarantine(*project.open(), options)->not_read_yet, 0) << "not asked for";
  options.earlier = true;
  const Result<ReplayReport> early = replay_quarantine(*project.open(), options);
  ASSERT_TRUE(early.ok()) << early.status().to_string();
  EXPECT_EQ(early->not_read_yet, 11);
  ASSERT_TRUE(project.run().ok());
  const Result<ReplayReport> report = replay_quarantine(*project.open(), options);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->already_there, 10) << "text is a string";
  EXPECT_EQ(project.count("bronze/events_quarantine"), 1);
  EXPECT_EQ(project.count("bronze/events_v2"), 10);
  EXPECT_EQ(project.count("bronze/events_v2_quarantine"), 91);
}

TEST(Quarantine, ATableWhoseNameEndsLikeAVersionIsNoEarlierOne) {
  RefusedEvents project;
  project.write("project.yaml", events_of("string"));
  project.change("bronze:\n",
                 "bronze:\n  events_v2:\n    source: events\n    event_time: {column: "
                 "ts}\n    columns: {id: string!, amount: int64, ts: timestamp!}\n");
  ASSERT_TRUE(project.run().ok());
  const int64_t refused = project.count("bronze/events_v2_quarantine");
  ASSERT_GT(refused, 0);
  ReplayOptions options;
  options.table = "events";
  options.earlier = true;
  ASSERT_TRUE(replay_quarantine(*project.open(), options).ok());
  EXPECT_EQ(project.count("bronze/events_v2_quarantine"), refused);
}

TEST(Quarantine, PersonalDataLeavesNothingToReplay) {
  RefusedEvents project;
  project.change("id: string!", "id: {type: string!, pii: id, scrub: hmac}");
  ASSERT_TRUE(project.run().ok());
  ReplayOptions options;
  options.table = "events";
  EXPECT_EQ(replay_quarantine(*project.open(), options).code(), Code::kFailedPrecondition);
  options.table = "silver/clean";
  EXPECT_EQ(replay_quarantine(*project.open(), options).code(), Code::kInvalidArgument);
}

TEST(Quarantine, FilesOfAnotherFormStopTheRunWhereALimitIsSet) {
  TestProject project;
  std::string text;
  for (int i = 0; i < 1'500; ++i) {
    text += "{\"uid\":1}\n";
  }
  project.write("project.yaml", events_of("float64"));
  project.write("refused/events.jsonl", text);
  project.change("format: json", "format: json, rejects_max: 0.5");
  SystemWorld quiet(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  const auto workspace = *Workspace::open(quiet.world(), project.folder(), {});
  ASSERT_TRUE(workspace->apply().ok());
  EXPECT_EQ(run_all(*workspace, {}).code(), Code::kFailedPrecondition);
  EXPECT_EQ(project.count("bronze/events"), 0);
  project.change("rejects_max: 0.5", "rejects_max: 1");
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.count("bronze/events_quarantine"), 1'500);
}

TEST(Quarantine, RecordsOfATopicKeepWhatStoodBesideThem) {
  TestTopic topic(1);
  KafkaProject project(topic);
  project.change("source: events\n",
                 "source: events\n    key: [user_id]\n    on_same_key: replace\n");
  project.change("columns: {user_id: string!,", "columns: {_key: string, user_id: string!,");
  topic.send(0, R"({"user_id":"u1","amount":"x","ts":"2026-01-01 00:00:00"})", "key");
  topic.send(0, std::string_view(), "gone");
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  ASSERT_EQ(project.count("bronze/events_quarantine"), 2);
  {
    const auto workspace = project.open();
    const data::Batch rows =
        *workspace->read_table("bronze/events_quarantine", "meta", "", "position");
    EXPECT_NE(rows.column(0).text(0).find(R"("key":"key")"), std::string_view::npos);
    EXPECT_EQ(rows.column(0).text(0).find("null_value"), std::string_view::npos);
    EXPECT_NE(rows.column(0).text(1).find(R"("null_value":true)"), std::string_view::npos);
  }
  ReplayOptions options;
  options.table = "events";
  const Result<ReplayReport> report = replay_quarantine(*project.open(), options);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->rows.quarantined, 2) << "what was wrong still is";
  EXPECT_EQ(report->refused_again.count("malformed"), 0U) << "a null value is no empty text";
  EXPECT_EQ(project.count("bronze/events_quarantine"), 2);
}

TEST(Quarantine, ADeadLetterHasTheHeadersOfKafkaConnectAndItsOwnBytes) {
  TestTopic topic(2);
  KafkaProject project(topic);
  project.change("topics: events}", "topics: events, dead_letter: letters}");
  topic.create("letters");
  topic.send(1, R"({"user_id":"u1","amount":1,"ts":"2026-01-01 00:00:00"})", "good");
  topic.send(1, "not json", "bad");
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  const std::vector<TestTopic::Received> letters = topic.read("letters", 1);
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].key, "bad");
  EXPECT_EQ(letters[0].value, "not json");
  EXPECT_EQ(letters[0].headers.at("__connect.errors.topic"), "events");
  EXPECT_EQ(letters[0].headers.at("__connect.errors.partition"), "1");
  EXPECT_EQ(letters[0].headers.at("__connect.errors.offset"), "1");
  EXPECT_EQ(letters[0].headers.at("__connect.errors.stage"), "VALUE_CONVERTER");
  EXPECT_EQ(letters[0].headers.at("__connect.errors.exception.message"), "malformed");
}

}  // namespace
}  // namespace assay::flow
