// A log of Debezium's change events through the line: the rows that stand at its end are those that
// a naive replay of the log leaves, from files and from a topic, however it is cut.

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flow/kafka_project.h"
#include "flow/versions.h"

namespace assay::flow {
namespace {

constexpr char kBronze[] = R"(
bronze:
  orders:
    source: orders
    key: [id]
    event_time: ordered_at
    columns:
      id: int64!
      customer: string!
      price: decimal(10,2)!
      ordered_at: {type: timestamp, unit: us}
      __lsn: int64
)";

struct Order {
  std::string customer;
  int64_t cents = 0;
  int64_t micros = 0;
};

std::string row_json(int64_t id, const Order& order) {
  const std::string whole = std::to_string(order.cents / 100);
  const std::string rest = std::to_string(100 + order.cents % 100).substr(1);
  const std::string price = whole + "." + rest;
  return R"({"id":)" + std::to_string(id) + R"(,"customer":")" + order.customer + R"(","price":)" +
         price + R"(,"ordered_at":)" + std::to_string(order.micros) + "}";
}

/// A log of orders that are made, changed and deleted, and what it leaves.
struct ChangeLog {
  struct Event {
    int64_t id;
    std::string text;  // "" for a tombstone
  };
  std::vector<Event> events;
  std::map<int64_t, Order> left;
};

ChangeLog change_log(uint64_t seed, int count) {
  ChangeLog log;
  const auto random = seeded_random(seed);
  const int64_t begin = parse_time("2026-01-01")->micros;
  for (int i = 0; i < count; ++i) {
    const auto id = static_cast<int64_t>(random->below(40));
    const auto found = log.left.find(id);
    const bool is_there = found != log.left.end();
    const bool is_delete = is_there && random->below(4) == 0;
    const std::string op = is_delete ? "d" : is_there ? "u" : random->below(5) == 0 ? "r" : "c";
    std::string before = "null";
    if (is_there) {
      before = row_json(id, found->second);
    }
    std::string after = "null";
    if (is_delete) {
      log.left.erase(id);
    } else {
      const Order order{"c" + std::to_string(random->below(9)),
                        static_cast<int64_t>(random->below(100'000)),
                        begin + static_cast<int64_t>(random->below(86'400)) * kMicrosPerSecond};
      log.left[id] = order;
      after = row_json(id, order);
    }
    // Several events share a millisecond, and the position in the log decides.
    const int64_t at = begin / 1'000 + i / 7;
    const std::string event = R"({"before":)" + before + R"(,"after":)" + after +
                              R"(,"source":{"lsn":)" + std::to_string(i) + R"(,"ts_ms":)" +
                              std::to_string(at) + R"(},"op":")" + op + R"(","ts_ms":)" +
                              std::to_string(at + 1) + "}";
    const bool is_wrapped = random->below(2) == 0;
    log.events.push_back(
        {id,
         is_wrapped ? R"({"schema":{"type":"struct","fields":[]},"payload":)" + event + "}"
                    : event});
    if (is_delete) {
      log.events.push_back({id, ""});
    }
  }
  return log;
}

/// The rows that stand, as text, of the table.
std::vector<std::string> standing_rows(TestProject& project) {
  const auto workspace = project.open();
  const Result<data::Batch> rows = read_visible(*workspace,
                                                "orders",
                                                {"id", "customer", "price", "ordered_at"},
                                                "replaced_time IS NULL",
                                                "id");
  EXPECT_TRUE(rows.ok()) << rows.status().to_string();
  std::vector<std::string> texts;
  for (int64_t row = 0; rows.ok() && row < rows->rows(); ++row) {
    std::string text;
    for (int column = 0; column < 4; ++column) {
      text += format_scalar(rows->column(column).scalar(row)) + " ";
    }
    texts.push_back(text);
  }
  return texts;
}

/// The rows that stand, as text, of the replay.
std::vector<std::string> expected_rows(const ChangeLog& log) {
  std::vector<std::string> texts;
  for (const auto& [id, order] : log.left) {
    texts.push_back(std::to_string(id) + " " + order.customer + " " +
                    data::format_decimal(order.cents, 2) + " " + format_time({order.micros}) + " ");
  }
  return texts;
}

std::string joined(const ChangeLog& log, std::size_t begin, std::size_t end) {
  std::string text;
  for (std::size_t i = begin; i < std::min(end, log.events.size()); ++i) {
    text += log.events[i].text.empty() ? "" : log.events[i].text + "\n";
  }
  return text;
}

TEST(Debezium, FilesLeaveWhatANaiveReplayLeaves) {
  const ChangeLog log = change_log(5, 1'500);
  for (const std::size_t piece : {std::size_t{137}, log.events.size()}) {
    TestProject project;
    project.write(
        "project.yaml",
        "sources:\n  orders: {files: {path: orders, format: debezium}}" + std::string(kBronze));
    for (std::size_t begin = 0; begin < log.events.size(); begin += piece) {
      project.write("orders/" + std::to_string(100 + begin / piece) + ".jsonl",
                    joined(log, begin, begin + piece));
      RunOptions options;
      options.epoch_rows = 50;
      ASSERT_TRUE(project.run(options).ok());
    }
    EXPECT_EQ(standing_rows(project), expected_rows(log));
  }
}

TEST(Debezium, ATopicLeavesTheSameAndItsTombstonesAreNoErrors) {
  const ChangeLog log = change_log(6, 600);
  TestTopic topic(3);
  TestProject project;
  project.write("project.yaml",
                "sources:\n  orders: {kafka: {brokers: \"" + topic.brokers() + "\", " + kAskedOften +
                    ", topics: events, format: debezium}}" + std::string(kBronze));
  int64_t tombstones = 0;
  for (const ChangeLog::Event& event : log.events) {
    const bool is_tombstone = event.text.empty();
    topic.send(static_cast<int32_t>(event.id % 3),
               is_tombstone ? std::string_view() : std::string_view(event.text));
    tombstones += is_tombstone ? 1 : 0;
  }
  topic.flush();
  const Result<RunReport> report = project.run();
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(standing_rows(project), expected_rows(log));
  EXPECT_GT(tombstones, 50);
  EXPECT_EQ(report->stages[0].rows.filtered, tombstones);
  EXPECT_EQ(report->stages[0].rows.quarantined, 0);
}

TEST(Debezium, ANullValueDeletesItsKeyOfATableOfPlainRecords) {
  TestTopic topic(1);
  TestProject project;
  project.write(
      "project.yaml",
      "sources:\n  orders: {kafka: {brokers: \"" + topic.brokers() + "\", " + kAskedOften +
          R"(, topics: events}}
bronze:
  orders:
    source: orders
    key: [_key]
    on_same_key: replace
    known_time: {column: _timestamp}
    columns: {_key: string!, _timestamp: timestamp, amount: int64}
)");
  topic.send(0, R"({"amount":1})", "a");
  topic.send(0, R"({"amount":2})", "b");
  topic.send(0, std::string_view(), "a");
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const Result<data::Batch> rows =
      read_visible(*workspace, "orders", {"_key", "amount"}, "replaced_time IS NULL", "_key");
  ASSERT_TRUE(rows.ok()) << rows.status().to_string();
  ASSERT_EQ(rows->rows(), 1);
  EXPECT_EQ(rows->column(0).text(0), "b");
}

}  // namespace
}  // namespace assay::flow
