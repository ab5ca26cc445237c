// A project whose files have fields that no column can be called: in one run, in small pieces and
// stopped half way it is the project of the same values with names of columns.

#include <atomic>

#include "flow/push_verdicts.h"
#include "flow/test_project.h"

namespace assay::flow {
namespace {

constexpr char kColumns[] = "columns: {user_id: string!, amount: float64, ts: timestamp!}";
constexpr char kRenamed[] =
    "columns: {user_id: {type: string!, from: User-ID}, amount: {type: float64, from: \"Amount "
    "(EUR)\"}, ts: {type: timestamp!, from: event.time}}";

/// A file's rows under the fields' own names, as CSV or as JSON.
std::string renamed(const std::string& csv, bool as_json) {
  std::string text = as_json ? "" : "event.time,User-ID,Amount (EUR),user_id\n";
  for (std::size_t at = csv.find('\n') + 1; at < csv.size();) {
    const std::size_t end = csv.find('\n', at);
    const std::string line = csv.substr(at, end - at);
    const std::size_t first = line.find(',');
    const std::size_t second = line.rfind(',');
    const std::string user = line.substr(0, first);
    const std::string amount = line.substr(first + 1, second - first - 1);
    const std::string time = line.substr(second + 1);
    text += as_json ? R"x({"Amount (EUR)":)x" + amount + R"(,"User-ID":")" + user +
                          R"(","amount":-1,"event.time":")" + time + "\"}\n"
                    : time + "," + user + "," + amount + ",other\n";
    at = end + 1;
  }
  return text;
}

class RenamedProject : public TestProject {
 public:
  explicit RenamedProject(bool as_json) {
    change(kColumns, kRenamed);
    if (as_json) {
      change("format: csv", "format: json");
    }
    for (int day = 1; day <= 6; ++day) {
      write("data/day-" + std::to_string(day) + ".csv", renamed(events_of_day(day), as_json));
    }
  }
};

TEST(ColumnFields, AreReadHoweverTheLineRuns) {
  TestProject plain;
  ASSERT_TRUE(plain.run().ok());
  for (const bool as_json : {false, true}) {
    RenamedProject straight(as_json);
    ASSERT_TRUE(straight.run().ok());
    EXPECT_EQ(straight.count("bronze/events"), plain.count("bronze/events"));
    EXPECT_EQ(straight.steps_hash(), plain.steps_hash());
    EXPECT_EQ(straight.online_hash(), plain.online_hash());

    RenamedProject cut(as_json);
    RunOptions pieces;
    pieces.epoch_rows = 150;
    pieces.gold_chunk_rows = 100;
    pieces.threads = 3;
    ASSERT_TRUE(cut.run(pieces).ok());
    EXPECT_EQ(cut.steps_hash(), plain.steps_hash());
    EXPECT_EQ(cut.online_hash(), plain.online_hash());

    RenamedProject stopped(as_json);
    std::atomic<bool> stop{false};
    RunOptions options;
    options.epoch_rows = 150;
    options.gold_chunk_rows = 400;
    options.stop = &stop;
    options.progress = [&](const std::string& line) {
      stop = stop || line.rfind("gold spend: steps up to", 0) == 0;
    };
    EXPECT_EQ(stopped.run(options).code(), Code::kCancelled);
    ASSERT_TRUE(stopped.run().ok());
    EXPECT_EQ(stopped.steps_hash(), plain.steps_hash());
    EXPECT_EQ(stopped.online_hash(), plain.online_hash());
    expect_verified(stopped);
  }
}

TEST(ColumnFields, AnotherFieldMakesTheTablesAnew) {
  RenamedProject project(true);
  ASSERT_TRUE(project.run().ok());
  const uint64_t before = project.steps_hash();
  project.change("from: \"Amount (EUR)\"", "from: amount");
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.count("bronze/events_v2"), project.count("bronze/events"));
  EXPECT_NE(project.steps_hash(), before);
  expect_verified(project);
  // A field of the column's own name is the column without `from`.
  project.change("amount: {type: float64, from: amount}", "amount: float64");
  ASSERT_TRUE(project.run().ok());
  EXPECT_FALSE(project.open()->read_table("bronze/events_v3", "count(*) AS n", "", "").ok());
  expect_verified(project);
}

TEST(ColumnFields, OfPushedRowsAreNamedInVerdicts) {
  RenamedProject project(true);
  const auto workspace = project.open();
  const auto verdicts =
      judge_push(*workspace,
                 "events",
                 R"x({"User-ID":"u1","Amount (EUR)":1,"event.time":"2026-01-01T00:00:00Z"}
{"User-ID":"u1","Amount (EUR)":"x","event.time":"2026-01-01T00:00:00Z"}
{"user_id":"u1","amount":1,"ts":"2026-01-01T00:00:00Z"}
)x");
  ASSERT_TRUE(verdicts.ok()) << verdicts.status().to_string();
  EXPECT_EQ((*verdicts)[0].fate, PushFate::kAccepted);
  EXPECT_EQ((*verdicts)[1].column, "Amount (EUR)");
  EXPECT_EQ((*verdicts)[2].reason, "missing_required");
  EXPECT_EQ((*verdicts)[2].column, "User-ID");
}

}  // namespace
}  // namespace assay::flow
