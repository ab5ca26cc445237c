// What is said of pushed rows is what the tables make of them once they read them.

#include "flow/push_verdicts.h"

#include "flow/test_project.h"

namespace assay::flow {
namespace {

constexpr char kClicks[] = R"(
sources:
  clicks: {files: {path: clicks, format: json}}
bronze:
  clicks:
    source: clicks
    key: [id]
    dedup_for: 1h
    event_time: {column: ts}
    columns: {id: string!, amount: float64, ts: timestamp!}
    checks:
      - {column: amount, range: [0, 1000], on_fail: quarantine}
      - {column: amount, range: [1, 2000], on_fail: drop}
entities:
  click: {key: id, type: string}
feature_views:
  clicks:
    entity: click
    from: clicks
    slide: 10m
    ttl: 2d
    features:
      n: {agg: count, over: [1h]}
services:
  v1: [clicks]
)";

constexpr char kRows[] =
    R"({"id":"a","amount":5,"ts":"2026-01-01T00:00:00Z"}
{"id":"b","amount":0.5,"ts":"2026-01-01T00:00:00Z"}
{"id":"c","amount":1500,"ts":"2026-01-01T00:00:00Z"}
{"id":"a","amount":5,"ts":"2026-01-01T00:00:00Z"}
{"id":"d","amount":"x","ts":"2026-01-01T00:00:00Z"}
{"id":"a","amount":5,"ts":"2026-01-01T03:00:00Z"}
not json
)";

std::vector<PushFate> fates(const std::vector<PushVerdict>& verdicts) {
  std::vector<PushFate> fates;
  for (const PushVerdict& verdict : verdicts) {
    fates.push_back(verdict.fate);
  }
  return fates;
}

TEST(PushVerdicts, AreWhatTheTableMakesOfTheRows) {
  TestProject project;
  project.write("project.yaml", kClicks);
  project.write("clicks/rows.jsonl", kRows);
  const auto workspace = project.open();
  const auto verdicts = judge_push(*workspace, "clicks", kRows);
  ASSERT_TRUE(verdicts.ok()) << verdicts.status().to_string();
  using enum PushFate;
  EXPECT_EQ(
      fates(*verdicts),
      (std::vector<PushFate>{
          kAccepted, kDropped, kQuarantined, kDropped, kQuarantined, kAccepted, kQuarantined}));
  EXPECT_EQ((*verdicts)[0].table, "");
  EXPECT_EQ((*verdicts)[1].table, "clicks");
  EXPECT_EQ((*verdicts)[4].reason, "wrong_type");
  EXPECT_EQ((*verdicts)[4].column, "amount");
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.count("bronze/clicks"), 2);
  EXPECT_EQ(project.count("bronze/clicks_quarantine"), 3);
  EXPECT_TRUE(judge_push(*workspace, "clicks", "")->empty());
}

TEST(PushVerdicts, AKnownTimeAheadIsRefusedAsTheTableRefusesIt) {
  TestProject project;
  project.write("project.yaml", kClicks);
  project.change("event_time: {column: ts}",
                 "event_time: {column: ts}\n    known_time: {column: seen}");
  project.change("ts: timestamp!}", "ts: timestamp!, seen: timestamp!}");
  const auto verdicts = judge_push(
      *project.open(),
      "clicks",
      R"({"id":"a","amount":5,"ts":"2026-01-01T00:00:00Z","seen":"2226-01-01T00:00:00Z"})");
  ASSERT_TRUE(verdicts.ok()) << verdicts.status().to_string();
  EXPECT_EQ(fates(*verdicts), (std::vector<PushFate>{PushFate::kQuarantined}));
  EXPECT_EQ((*verdicts)[0].reason, "future_known_time");
  EXPECT_EQ((*verdicts)[0].column, "known_time");
}

TEST(PushVerdicts, AFailingCheckFailsTheQuestion) {
  TestProject project;
  project.write("project.yaml", kClicks);
  project.change("on_fail: quarantine", "on_fail: fail");
  EXPECT_EQ(judge_push(*project.open(), "clicks", kRows).code(), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace assay::flow
