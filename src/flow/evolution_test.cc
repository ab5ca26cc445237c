// A topic whose schema changes under way, with a registry: records of the old and the new schema
// side by side, restarts between. Bronze and gold are those of the same values in files.

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flow/avro_bytes.h"
#include "flow/registry_server.h"
#include "flow/running_up.h"
#include "ingest/test_registry.h"

namespace assay::flow {
namespace {

using ingest::wire_record;

/// What the writers mean, and what the tables shall hold.
struct Event {
  std::string user;
  int64_t micros = 0;
  int64_t count = 0;
  double ratio = 0;  // of the old schema a float
  double score = 0;  // of the old schema a whole number
  int64_t cents = 0;
  std::string channel = "web";      // of the new schema; else the column's default
  std::optional<std::string> note;  // of the old schema
};

Event event_of(Random& random, int number, bool is_new) {
  Event event;
  event.user = "u" + std::to_string(random.below(5));
  event.micros = parse_time("2026-01-01")->micros + int64_t{number} * 7 * 60 * kMicrosPerSecond;
  // Beyond an int in the new schema, and beyond what a double has whole in the old one.
  event.count = static_cast<int64_t>(random.below(1'000)) - 500 + (is_new ? int64_t{1} << 40 : 0);
  const double ratio = static_cast<double>(random.below(100'000)) / 700.0;
  event.ratio = is_new ? ratio : static_cast<double>(static_cast<float>(ratio));
  const int64_t whole = (int64_t{1} << 53) + static_cast<int64_t>(random.below(1'000));
  event.score = is_new ? ratio * 3 : static_cast<double>(whole);
  event.cents = static_cast<int64_t>(random.below(100'000)) - 50'000;
  if (is_new) {
    event.channel = random.below(2) == 0 ? "app" : "shop";
  } else {
    event.note = "note " + std::to_string(number);
    event.cents = event.cents / 10 * 10;  // one digit behind the point
  }
  return event;
}

/// A score that the old schema writes as a whole number: one of those that the double stands for.
int64_t whole_score(const Event& event) {
  return static_cast<int64_t>(event.score);
}

// ---- Writers
// ------------------------------------------------------------------------------------

constexpr char kOldAvro[] = R"({"type":"record","name":"Event","fields":[
  {"name":"user_id","type":"string"},
  {"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},
  {"name":"n","type":"int"},
  {"name":"ratio","type":"float"},
  {"name":"score","type":"long"},
  {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":6,"scale":1}},
  {"name":"note","type":"string"}]})";
constexpr char kNewAvro[] = R"({"type":"record","name":"Event","fields":[
  {"name":"channel","type":"string","default":"web"},
  {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}},
  {"name":"score","type":"double"},
  {"name":"ratio","type":["null","double"],"default":null},
  {"name":"n","type":"long"},
  {"name":"extra","type":{"type":"array","items":"int"},"default":[]},
  {"name":"ts","type":{"type":"long","logicalType":"timestamp-micros"}},
  {"name":"user_id","type":"string"}]})";

std::string avro(const Event& event, bool is_new) {
  if (is_new) {
    return wire_record(12,
                       avro_text(event.channel) + avro_text(big_endian(event.cents)) +
                           little_endian(event.score) + zigzag(1) + little_endian(event.ratio) +
                           zigzag(event.count) + zigzag(1) + zigzag(7) + zigzag(0) +
                           zigzag(event.micros) + avro_text(event.user));
  }
  return wire_record(11,
                     avro_text(event.user) + zigzag(event.micros / 1'000) + zigzag(event.count) +
                         little_endian(static_cast<float>(event.ratio)) +
                         zigzag(whole_score(event)) + avro_text(big_endian(event.cents / 10)) +
                         avro_text(*event.note));
}

constexpr char kOldProtobuf[] = R"(syntax = "proto3";
import "google/protobuf/timestamp.proto";
message Event {
  string user_id = 1;
  google.protobuf.Timestamp ts = 2;
  int32 n = 3;
  float ratio = 4;
  int64 score = 5;
  string price = 6;
  string note = 7;
})";
constexpr char kNewProtobuf[] = R"(syntax = "proto3";
import "google/protobuf/timestamp.proto";
message Event {
  reserved 4, 5, 7;
  string user_id = 1;
  google.protobuf.Timestamp ts = 2;
  int64 n = 3;
  string price = 6;
  double ratio = 8;
  double score = 9;
  string channel = 10;
  repeated int32 extra = 11;
})";

std::string tagged(int field, const std::string& bytes) {
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(bytes.size()) + bytes;
}
template <typename Number>
std::string tagged(int field, int wire_type, Number bytes) {
  return varint(static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire_type)) + bytes;
}

std::string protobuf(const Event& event, bool is_new) {
  const std::string time =
      tagged(1, 0, varint(static_cast<uint64_t>(event.micros / kMicrosPerSecond)));
  std::string bytes(1, '\0');  // the file's first message
  bytes += tagged(1, event.user) + tagged(2, time) +
           tagged(3, 0, varint(static_cast<uint64_t>(event.count))) +
           tagged(6, data::format_decimal(event.cents, 2));
  if (is_new) {
    return wire_record(22,
                       bytes + tagged(8, 1, little_endian(event.ratio)) +
                           tagged(9, 1, little_endian(event.score)) + tagged(10, event.channel) +
                           tagged(11, varint(7)));
  }
  return wire_record(21,
                     bytes + tagged(4, 5, little_endian(static_cast<float>(event.ratio))) +
                         tagged(5, 0, varint(static_cast<uint64_t>(whole_score(event)))) +
                         tagged(7, *event.note));
}

/// As JSON; `is_new` says which members there are.
std::string json_text(const Event& event, bool is_new) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.key("user_id");
  json.string(event.user);
  json.key("ts");
  json.string(format_time({event.micros}));
  json.key("n");
  json.integer(event.count);
  json.key("ratio");
  json.number(event.ratio);
  json.key("score");
  is_new ? json.number(event.score) : json.integer(whole_score(event));
  json.key("price");
  json.string(data::format_decimal(event.cents, 2));
  json.key(is_new ? "channel" : "note");
  json.string(is_new ? event.channel : *event.note);
  json.end_object();
  return text;
}

std::string json_schema(const Event& event, bool is_new) {
  return wire_record(is_new ? 32 : 31, json_text(event, is_new));
}

// ---- The line
// ------------------------------------------------------------------------------------

constexpr char kOverBronze[] = R"(
bronze:
  events:
    source: events
    event_time: {column: ts}
    known_time: {delay: 20m}
    columns:
      user_id: string!
      ts: timestamp!
      n: int64!
      ratio: float64!
      score: float64!
      price: decimal(10,2)!
      channel: {type: string, required: true, default: web}
      note: string
silver:
  clean:
    from: events
    sql: SELECT user_id, n, ratio, score, CAST(price AS DOUBLE) AS price, channel, ts AS event_time FROM events
    allowed_lateness: 1h
entities:
  user: {key: user_id, type: string}
feature_views:
  spend:
    entity: user
    from: clean
    slide: 10m
    ttl: 30d
    features:
      count: {agg: count, over: [1h, 24h]}
      n: {agg: sum, of: n, over: [24h]}
      ratio: {agg: sum, of: ratio, over: [24h]}
      score: {agg: max, of: score, over: [24h]}
      price: {agg: sum, of: price, over: [1h, 24h]}
      channels: {agg: distinct, of: channel, over: [24h]}
services:
  v1: [spend]
)";

std::string text_of(const Event& event) {
  return event.user + " " + format_time({event.micros}) + " " + std::to_string(event.count) + " " +
         data::format_scalar(data::Scalar::float64(event.ratio)) + " " +
         data::format_scalar(data::Scalar::float64(event.score)) + " " +
         data::format_decimal(event.cents, 2) + " " + event.channel + " " +
         event.note.value_or("null");
}

std::vector<std::string> bronze_rows(TestProject& project) {
  const auto workspace = project.open();
  const Result<data::Batch> rows = workspace->read_table(
      "bronze/events", "user_id, ts, n, ratio, score, price, channel, note", "", "ts");
  EXPECT_TRUE(rows.ok()) << rows.status().to_string();
  std::vector<std::string> texts;
  for (int64_t row = 0; rows.ok() && row < rows->rows(); ++row) {
    std::string text;
    for (int column = 0; column < 8; ++column) {
      const data::Column& values = rows->column(column);
      text += (column > 0 ? " " : "") +
              (values.is_null(row) ? "null" : data::format_scalar(values.scalar(row)));
    }
    texts.push_back(text);
  }
  return texts;
}

using Writer = std::string (*)(const Event&, bool);

struct Form {
  const char* format;
  Writer write;
};

class Evolution : public testing::TestWithParam<Form> {
 protected:
  Evolution() : topic_(2) {
    registry_.add(11, "AVRO", kOldAvro);
    registry_.add(12, "AVRO", kNewAvro);
    registry_.add(21, "PROTOBUF", kOldProtobuf);
    registry_.add(22, "PROTOBUF", kNewProtobuf);
    registry_.add(31, "JSON", "{}");
    registry_.add(32, "JSON", R"({"type":"object"})");
    project_.write("project.yaml",
                   "sources:\n  events: {kafka: {brokers: \"" + topic_.brokers() + "\", " +
                       kAskedOften + ", topics: events, format: " + GetParam().format +
                       ", schema_registry: \"" + registry_.url() + "\"}}" + kOverBronze);
  }

  /// Send events; of the new schema is every one of which so many in a hundred are.
  void send(int count, uint64_t new_share) {
    for (int i = 0; i < count; ++i) {
      const bool is_new = random_->below(100) < new_share;
      const auto number = static_cast<int>(events_.size());
      const Event& event = events_.emplace_back(event_of(*random_, number, is_new));
      topic_.send(number % 2, GetParam().write(event, is_new));
      files_ += json_text(event, is_new) + "\n";
    }
    topic_.flush();
  }

  void expect_as_written() {
    std::vector<std::string> expected;
    for (const Event& event : events_) {
      expected.push_back(text_of(event));
    }
    EXPECT_EQ(bronze_rows(project_), expected);
    TestProject files;
    files.write(
        "project.yaml",
        "sources:\n  events: {files: {path: lines, format: json}}" + std::string(kOverBronze));
    files.write("lines/1.jsonl", files_);
    ASSERT_TRUE(files.run().ok());
    EXPECT_EQ(bronze_rows(files), expected);
    EXPECT_EQ(project_.steps_hash(), files.steps_hash());
    EXPECT_EQ(project_.online_hash(), files.online_hash());
    EXPECT_EQ(project_.verify().differ, 0);
  }

  RegistryServer registry_;
  TestTopic topic_;
  TestProject project_;
  std::unique_ptr<Random> random_ = seeded_random(19);
  std::vector<Event> events_;
  std::string files_;
};

TEST_P(Evolution, TwoSchemasOnOneTopicGiveTheValuesThatWereWritten) {
  send(200, 0);
  ASSERT_TRUE(project_.run().ok());
  {
    RunningUp up(project_);
    send(100, 0);
    send(200, 50);
    up.wait_for_records(300);
    ASSERT_TRUE(up.stop().ok());
  }
  {
    RunningUp up(project_);
    send(100, 80);
    up.wait_for_records(100);
    ASSERT_TRUE(up.stop().ok());
  }
  send(100, 100);
  const Result<RunReport> report = project_.run();
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  expect_as_written();
}

TEST_P(Evolution, ARegistryThatGoesHoldsTheNewSchemaBackAndLosesNothing) {
  send(100, 0);
  RunningUp up(project_);
  up.wait_for_records(100);
  registry_.set_away(true);
  send(100, 0);  // of a schema that is known
  up.wait_for_records(200);
  send(100, 100);
  wait_until(
      "a question about the new schema",
      [&] {
        int asked = 0;
        for (const auto& [path, times] : registry_.asked()) {
          asked += path.back() == '2' ? times : 0;
        }
        return asked;
      },
      [](int asked) { return asked > 0; });
  registry_.set_away(false);
  up.wait_for_records(300);
  ASSERT_TRUE(up.stop().ok());
  ASSERT_TRUE(project_.run().ok());
  expect_as_written();
  for (const auto& [path, times] : registry_.asked()) {
    EXPECT_LT(times, 30) << path;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats,
                         Evolution,
                         testing::Values(Form{"avro", avro},
                                         Form{"protobuf", protobuf},
                                         Form{"json_schema", json_schema}),
                         [](const auto& form) { return std::string(form.param.format); });

}  // namespace
}  // namespace assay::flow
