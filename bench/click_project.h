#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/process.h"
#include "base/temp_folder.h"
#include "flow/workspace.h"
#include "ingest/generate.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_mock.h"

// Click events for benchmarks: a project of them, the events, and a topic to send them to.

namespace assay::bench {

constexpr int64_t kUsers = 10'000;
constexpr int32_t kPartitions = 4;

constexpr char kProject[] = R"(
bronze:
  clicks:
    source: clicks
    event_time: {column: ts, unit: ms}
    columns:
      event_id: string!
      user_id: string!
      item_id: int64!
      event_type: string
      price: float64
      ts: timestamp!
entities:
  user: {key: user_id, type: string}
)";
constexpr char kOverSilver[] = R"(
silver:
  events:
    from: clicks
    sql: SELECT user_id, item_id, event_type, price, ts AS event_time FROM clicks
    allowed_lateness: 1h
feature_views:
  activity:
    entity: user
    from: events
    slide: )";
constexpr char kOverBronze[] = R"(
feature_views:
  activity:
    entity: user
    from: clicks
    slide: )";
constexpr char kFeatures[] = R"(
    features:
      n: {agg: count, over: [24h]}
      items: {agg: sum, of: item_id, over: [24h]}
      dearest: {agg: max, of: price, over: [24h]}
services:
  v1: [activity]
)";

/// A project of clicks in a folder of its own.
class ClickProject {
 public:
  ClickProject(const std::string& source,
               const std::string& slide,
               bool has_lake = true,
               const std::string& online = "embedded:./online") {
    write("assay.yaml",
          "project: stream\nlake: " + std::string(has_lake ? "./lake" : "none") +
              "\ncatalog: ./catalog.db\nonline: \"" + online + "\"\n");
    write("project.yaml",
          "sources:\n  clicks: " + source + "\n" + kProject +
              (has_lake ? kOverSilver : kOverBronze) + slide + kFeatures);
    workspace_ = *flow::Workspace::open(world_.world(), folder(), {});
    ASSAY_CHECK(workspace_->apply().ok());
  }
  void write(const std::string& name, const std::string& text) {
    ASSAY_CHECK(world_.world().files.write(folder() + "/" + name, text).ok());
  }
  flow::Workspace& workspace() { return *workspace_; }
  World& world() { return world_.world(); }
  [[nodiscard]] const std::string& folder() const { return folder_.path(); }

 private:
  SystemWorld world_;
  TempFolder folder_;
  std::unique_ptr<flow::Workspace> workspace_;
};

struct Events {
  std::shared_ptr<std::string> text = std::make_shared<std::string>();
  std::vector<std::string_view> lines;  // without line ends
  std::vector<std::string> users;
};

inline Events make_events(int64_t count, EventTime start) {
  ingest::EventsOptions options;
  options.count = count;
  options.users = kUsers;
  options.start = start;
  options.rate = static_cast<double>(count) / (6 * 3600);  // six hours
  options.duplicate_share = options.late_share = options.malformed_share = 0;
  Events events;
  std::vector<std::pair<std::size_t, std::size_t>> places;
  const Status made = ingest::generate_events(options, [&](const ingest::GeneratedEvent& event) {
    places.emplace_back(events.text->size(), event.line.size() - 1);
    events.text->append(event.line);
    events.users.emplace_back(event.key);
    return Status();
  });
  ASSAY_CHECK(made.ok());
  for (const auto& [begin, size] : places) {
    events.lines.push_back(std::string_view(*events.text).substr(begin, size));
  }
  return events;
}

/// A topic at a broker: the one that was named, or one in this process.
class ClickTopic {
 public:
  ClickTopic() {
    const std::optional<std::string> named = assay::environment_variable("ASSAY_TEST_KAFKA");
    if (!named) {
      mock_ = ingest::KafkaMock::start();
      brokers_ = mock_->brokers();
      mock_->create_topic(name_, kPartitions);
    } else {
      brokers_ = *named;
      name_ += "_" + std::to_string(log_world_.world().clock.now().micros);
      ingest::KafkaClientOptions options;
      options.brokers = brokers_;
      ASSAY_CHECK(ingest::create_topic(log_world_.world().log, options, name_, kPartitions).ok());
    }
  }
  [[nodiscard]] std::string source() const {
    // Without the answer of a real broker as soon as there is something, one that is asked often.
    return "{kafka: {brokers: \"" + brokers_ + "\", topics: " + name_ +
           (mock_ != nullptr ? ", options: {fetch.wait.max.ms: \"1\"}" : "") + "}}";
  }
  std::unique_ptr<ingest::KafkaProducer> producer(const char* linger_ms) {
    ingest::KafkaClientOptions options;
    options.brokers = brokers_;
    options.settings["linger.ms"] = linger_ms;
    return *ingest::KafkaProducer::open(log_world_.world().log, options);
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// How many records it was ever sent.
  [[nodiscard]] int64_t records() {
    ingest::KafkaClientOptions options;
    options.brokers = brokers_;
    const auto asks = *ingest::KafkaConsumer::open(log_world_.world().log, options);
    int64_t records = 0;
    for (int32_t partition = 0; partition < kPartitions; ++partition) {
      records += asks->offsets({name_, partition}).value().end;
    }
    return records;
  }
  [[nodiscard]] const char* kind() const {
    return mock_ != nullptr ? "broker in this process" : "broker";
  }

 private:
  SystemWorld log_world_;
  std::unique_ptr<ingest::KafkaMock> mock_;
  std::string brokers_;
  std::string name_ = "clicks";
};

inline std::string click_of(const std::string& user, int64_t number, int64_t now) {
  return R"({"event_id":"e)" + std::to_string(number) + R"(","user_id":")" + user +
         R"(","item_id":)" + std::to_string(number % 500) +
         R"(,"event_type":"view","price":12.5,"session_id":"s0123456789","ip":"10.0.0.1","ts":)" +
         std::to_string(now / 1000) + R"(,"received_ms":)" + std::to_string(now / 1000) + "}";
}

}  // namespace assay::bench
