// Every version that Debezium's events tell of, from when until when it stood, in bronze and in
// silver, is what a naive replay of the log says: from files, from a topic in JSON, and in Avro
// with a registry, with runs that are cut. So is what stands in the end, in the tables and online.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "data/entity_key.h"
#include "flow/avro_bytes.h"
#include "flow/registry_server.h"
#include "flow/running_up.h"
#include "flow/versions.h"
#include "ingest/test_registry.h"

namespace assay::flow {
namespace {

constexpr char kDefinitions[] = R"(
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
silver:
  kept:
    from: orders
    sql: SELECT id, upper(customer) AS customer, price, ordered_at, __lsn AS lsn FROM orders WHERE customer <> 'c8'
    allowed_lateness: 1d
entities:
  order: {key: id, type: int64}
feature_views:
  now:
    entity: order
    from: kept
    slide: 10m
    ttl: 400d
    features:
      customer: {latest: customer}
      lsn: {latest: lsn}
services:
  v1: [now]
)";

struct Order {
  std::string customer;
  int64_t cents = 0;
  int64_t micros = 0;
};

struct Event {
  int64_t id = 0;
  std::string op;  // c, u, r, d; t: truncate; empty: a tombstone
  std::optional<Order> before;
  std::optional<Order> after;
  int64_t lsn = 0;
  int64_t millis = 0;  // the connector's clock
};

constexpr int kOrders = 30;

/// What an orders table of a database went through. Several events share a millisecond; some
/// deletes say nothing of the row that went, as without REPLICA IDENTITY FULL.
std::vector<Event> change_log(uint64_t seed, int count) {
  std::vector<Event> log;
  std::map<int64_t, Order> rows;
  const auto random = seeded_random(seed);
  const int64_t begin = parse_time("2026-01-01")->micros;
  for (int i = 0; i < count; ++i) {
    Event event;
    event.id = static_cast<int64_t>(random->below(kOrders));
    event.lsn = i;
    event.millis = begin / 1'000 + i / 7;
    const auto found = rows.find(event.id);
    if (found != rows.end()) {
      event.before = found->second;
    }
    if (random->below(50) == 0) {
      event.op = "t";
      event.before.reset();
      log.push_back(event);
      continue;
    }
    if (event.before && random->below(4) == 0) {
      event.op = "d";
      rows.erase(event.id);
      if (random->below(3) == 0) {
        event.before.reset();
      }
      log.push_back(event);
      log.push_back({event.id, "", {}, {}, 0, 0});
      continue;
    }
    event.op = random->below(5) == 0 ? "r" : event.before ? "u" : "c";
    if (event.op == "r") {
      event.before.reset();
    }
    event.after = Order{"c" + std::to_string(random->below(9)),
                        static_cast<int64_t>(random->below(100'000)),
                        begin - static_cast<int64_t>(random->below(86'400)) * kMicrosPerSecond};
    if (event.op == "r" && found != rows.end()) {
      event.after = found->second;  // a snapshot tells once more what stands
    }
    rows[event.id] = *event.after;
    log.push_back(event);
  }
  return log;
}

// ---- The naive replay
// ------------------------------------------------------------------------------------

/// Every version of the log with from when until when it stood, in the log's order, and whether the
/// last one of each order stands. `keeps` says which rows a table keeps: one that it does not keep
/// ends the version before it.
template <typename Keeps, typename Shown>
std::vector<std::string> replayed(const std::vector<Event>& log,
                                  bool only_standing,
                                  Keeps keeps,
                                  Shown shown) {
  struct Version {
    const Event* event;
    std::optional<int64_t> replaced;
  };
  std::vector<Version> versions;
  std::map<int64_t, std::size_t> standing;
  for (const Event& event : log) {
    if (event.op.empty() || event.op == "t") {
      continue;
    }
    if (const auto last = standing.find(event.id); last != standing.end()) {
      versions[last->second].replaced = event.millis;
      standing.erase(last);
    }
    if (event.op != "d" && keeps(*event.after)) {
      standing[event.id] = versions.size();
      versions.push_back({&event, std::nullopt});
    }
  }
  std::vector<std::string> texts;
  for (const Version& version : versions) {
    const Order& order = *version.event->after;
    if (!only_standing || !version.replaced) {
      texts.push_back(std::to_string(version.event->lsn) + " " + std::to_string(version.event->id) +
                      " " + shown(order.customer) + " " + data::format_decimal(order.cents, 2) +
                      " " + format_time({order.micros}) + " " +
                      format_time({version.event->millis * 1'000}) + " " +
                      (version.replaced ? format_time({*version.replaced * 1'000}) : "stands"));
    }
  }
  return texts;
}

std::string as_it_is(const std::string& text) {
  return text;
}
std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char letter) {
    return static_cast<char>(std::toupper(letter));
  });
  return text;
}
bool keeps_all(const Order& /*order*/) {
  return true;
}
bool keeps_some(const Order& order) {
  return order.customer != "c8";
}

// ---- Writers
// ------------------------------------------------------------------------------------

std::string row_json(int64_t id, const std::optional<Order>& order) {
  return order ? R"({"id":)" + std::to_string(id) + R"(,"customer":")" + order->customer +
                     R"(","price":)" + data::format_decimal(order->cents, 2) + R"(,"ordered_at":)" +
                     std::to_string(order->micros) + "}"
               : "null";
}

std::string json_text(const Event& event) {
  const std::string text = R"({"before":)" + row_json(event.id, event.before) + R"(,"after":)" +
                           row_json(event.id, event.after) + R"(,"source":{"lsn":)" +
                           std::to_string(event.lsn) + R"(},"op":")" + event.op + R"(","ts_ms":)" +
                           std::to_string(event.millis) + "}";
  return event.lsn % 2 == 0 ? R"({"schema":{"type":"struct","fields":[]},"payload":)" + text + "}"
                            : text;
}

constexpr char kValueSchema[] = R"({"type":"record","name":"Envelope","fields":[
  {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
    {"name":"id","type":"int"},
    {"name":"customer","type":"string"},
    {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
    {"name":"ordered_at","type":{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}}]}]},
  {"name":"after","type":["null","Value"]},
  {"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"lsn","type":["null","long"]}]}},
  {"name":"op","type":"string"},
  {"name":"ts_ms","type":["null","long"]}]})";
constexpr char kKeySchema[] =
    R"({"type":"record","name":"Key","fields":[{"name":"id","type":"int"}]})";

std::string row_avro(int64_t id, const std::optional<Order>& order) {
  return order ? zigzag(1) + zigzag(id) + avro_text(order->customer) +
                     avro_text(big_endian(order->cents)) + zigzag(order->micros)
               : zigzag(0);
}

struct Form {
  const char* name;
  std::string (*value)(const Event& event);
  std::string (*key)(int64_t id);
};

std::string avro_value(const Event& event) {
  return ingest::wire_record(1,
                             row_avro(event.id, event.before) + row_avro(event.id, event.after) +
                                 zigzag(1) + zigzag(event.lsn) + avro_text(event.op) + zigzag(1) +
                                 zigzag(event.millis));
}
std::string avro_key(int64_t id) {
  return ingest::wire_record(2, zigzag(id));
}
std::string json_key(int64_t id) {
  return R"({"id":)" + std::to_string(id) + "}";
}

// ---- The line
// ------------------------------------------------------------------------------------

std::vector<std::string> versions_of(TestProject& project,
                                     const std::string& table,
                                     const std::string& lsn,
                                     const std::string& where) {
  const auto workspace = project.open();
  const Result<data::Batch> rows =
      read_visible(*workspace,
                   table,
                   {lsn, "id", "customer", "price", "ordered_at", "known_time", "replaced_time"},
                   where,
                   lsn);
  EXPECT_TRUE(rows.ok()) << rows.status().to_string();
  std::vector<std::string> texts;
  for (int64_t row = 0; rows.ok() && row < rows->rows(); ++row) {
    std::string text;
    for (int column = 0; column < 7; ++column) {
      const data::Column& values = rows->column(column);
      text += (column > 0 ? " " : "") +
              (values.is_null(row) ? "stands" : data::format_scalar(values.scalar(row)));
    }
    texts.push_back(text);
  }
  return texts;
}

/// What the online store says of each order at the end of the log.
std::map<int64_t, std::string> online_rows(TestProject& project, int64_t millis) {
  const auto workspace = project.open();
  online::OnlineStore* const store = *workspace->online(true);
  const gold::FeatureViewPtr view = *workspace->view("now");
  std::map<int64_t, std::string> found;
  for (int64_t id = 0; id < kOrders; ++id) {
    const data::Scalar name[] = {data::Scalar::int64(id)};
    const data::EntityKey key = *data::encode_key(name);
    const gold::FeatureValues values =
        (*store->read(*view, {&key, 1}, {(millis + 1) * 1'000 + 600 * kMicrosPerSecond}))[0];
    if (!values.values.empty() && !values.values[0].is_null()) {
      found[id] =
          data::format_scalar(values.values[0]) + " " + data::format_scalar(values.values[1]);
    }
  }
  return found;
}

std::map<int64_t, std::string> expected_online(const std::vector<Event>& log) {
  std::map<int64_t, std::string> rows;
  for (const Event& event : log) {
    if (event.op.empty() || event.op == "t") {
      continue;
    }
    rows.erase(event.id);
    if (event.op != "d" && keeps_some(*event.after)) {
      rows[event.id] = upper(event.after->customer) + " " + std::to_string(event.lsn);
    }
  }
  return rows;
}

/// Where they differ for the first time; empty where they do not.
std::string difference(const std::vector<std::string>& found,
                       const std::vector<std::string>& expected) {
  for (std::size_t i = 0; i < std::max(found.size(), expected.size()); ++i) {
    const std::string one = i < found.size() ? found[i] : "nothing";
    const std::string other = i < expected.size() ? expected[i] : "nothing";
    if (one != other) {
      return "place " + std::to_string(i) + ": " + one + " where there should be " + other;
    }
  }
  return "";
}

void expect_history(TestProject& project, const std::vector<Event>& log) {
  EXPECT_EQ(difference(versions_of(project, "orders", "__lsn", ""),
                       replayed(log, false, keeps_all, as_it_is)),
            "");
  EXPECT_EQ(
      difference(versions_of(project, "kept", "lsn", ""), replayed(log, false, keeps_some, upper)),
      "");
  EXPECT_EQ(difference(versions_of(project, "orders", "__lsn", "replaced_time IS NULL"),
                       replayed(log, true, keeps_all, as_it_is)),
            "");
  EXPECT_EQ(difference(versions_of(project, "kept", "lsn", "replaced_time IS NULL"),
                       replayed(log, true, keeps_some, upper)),
            "");
  EXPECT_EQ(online_rows(project, log.back().millis), expected_online(log));
  const auto truncates =
      std::count_if(log.begin(), log.end(), [](const Event& event) { return event.op == "t"; });
  EXPECT_GT(truncates, 0);
  EXPECT_EQ(project.count("bronze/orders_quarantine"), truncates);
}

class DebeziumHistory : public testing::TestWithParam<Form> {};

TEST_P(DebeziumHistory, OfATopicIsThatOfANaiveReplay) {
  std::vector<Event> log = change_log(18, 300);
  log.push_back({0,
                 "c",
                 {},
                 Order{"c1", 1, parse_time("2026-01-01")->micros},
                 1'000'000,
                 parse_time("2026-01-01")->micros / 1'000 + 1'000});
  RegistryServer registry;
  registry.add(1, "AVRO", kValueSchema);
  registry.add(2, "AVRO", kKeySchema);
  TestTopic topic(3);
  TestProject project;
  project.write("project.yaml",
                "sources:\n  orders: {kafka: {brokers: \"" + topic.brokers() + "\", " +
                    kAskedOften + ", topics: events, format: debezium, schema_registry: \"" +
                    registry.url() + "\"}}" + std::string(kDefinitions));
  const auto send = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const Event& event = log[i];
      const std::string value = event.op.empty() ? "" : GetParam().value(event);
      topic.send(static_cast<int32_t>(event.id % 3),
                 event.op.empty() ? std::string_view() : std::string_view(value),
                 GetParam().key(event.id));
    }
    topic.flush();
  };
  RunOptions options;
  options.epoch_rows = 70;
  for (std::size_t begin = 0; begin < log.size(); begin += 160) {
    send(begin, std::min(log.size(), begin + 160));
    const Result<RunReport> report = project.run(options);
    ASSERT_TRUE(report.ok()) << report.status().to_string();
  }
  expect_history(project, log);
}

INSTANTIATE_TEST_SUITE_P(Formats,
                         DebeziumHistory,
                         testing::Values(Form{"json", json_text, json_key},
                                         Form{"avro", avro_value, avro_key}),
                         [](const auto& form) { return std::string(form.param.name); });

}  // namespace
}  // namespace assay::flow
