// A topic whose values nobody reads (`format: raw`): they are kept as they came, as text or bytes.

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "flow/running_up.h"

namespace assay::flow {
namespace {

constexpr char kText[] = "plain text";
constexpr std::string_view kNoText("\xff\x00\x7f", 3);

/// A project that keeps the topic's values as a column of this type.
class RawProject : public KafkaProject {
 public:
  RawProject(const TestTopic& topic, const std::string& type) : KafkaProject(topic) {
    change("topics: events}", "topics: events, format: raw}");
    change("event_time: {column: ts}", "event_time: _timestamp");
    change("{user_id: string!, amount: float64, ts: timestamp!}",
           "{_key: string, _value: " + type + ", _timestamp: timestamp!}");
    change("SELECT user_id, amount, ts AS event_time FROM events",
           "SELECT _key AS user_id, 1.0::DOUBLE AS amount, _timestamp AS event_time FROM events "
           "WHERE _value IS NOT NULL");
  }

  /// "key=value" of each row, in the order of the source; a null value is "-".
  std::vector<std::string> rows() { return texts("bronze/events", "_key", "_value"); }
  std::vector<std::string> refused() {
    return texts("bronze/events_quarantine", "reason", "\"column\"");
  }

 private:
  std::vector<std::string> texts(const std::string& table,
                                 const std::string& name,
                                 const std::string& value) {
    const data::Batch rows = *open()->read_table(table, name + ", " + value, "", name);
    std::vector<std::string> texts;
    for (int64_t row = 0; row < rows.rows(); ++row) {
      const bool is_null = rows.column(1).is_null(row);
      texts.push_back(std::string(rows.column(0).text(row)) + "=" +
                      (is_null ? "-" : std::string(rows.column(1).text(row))));
    }
    return texts;
  }
};

/// Text, an empty value, JSON, what is no text, and no value.
void send_values(TestTopic& topic) {
  topic.send(0, kText, "a");
  topic.send(0, std::string_view("", 0), "b");
  topic.send(0, R"({"user_id":"u1"})", "c");
  topic.send(0, kNoText, "d");
  topic.send(0, std::string_view(), "e");
  topic.flush();
}

TEST(RawTopic, ValuesAreKeptAsTextAndWhatIsNoneGoesToQuarantine) {
  TestTopic topic(1);
  RawProject project(topic, "string");
  send_values(topic);
  const Result<RunReport> report = project.run();
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(project.rows(),
            (std::vector<std::string>{"a=plain text", "b=", "c={\"user_id\":\"u1\"}", "e=-"}));
  EXPECT_EQ(project.refused(), std::vector<std::string>{"invalid_utf8=_value"});
  EXPECT_EQ(project.count("silver/clean"), 3);
}

TEST(RawTopic, ARequiredValueRefusesARecordWithoutOne) {
  TestTopic topic(1);
  RawProject project(topic, "string!");
  send_values(topic);
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.rows().size(), 3U);
  EXPECT_EQ(project.refused(),
            (std::vector<std::string>{"invalid_utf8=_value", "missing_required=_value"}));
}

TEST(RawTopic, BytesAreKeptWhateverTheyAre) {
  TestTopic topic(1);
  RawProject project(topic, "bytes");
  send_values(topic);
  RunningUp up(project);
  up.wait_for_records(topic.sent());
  ASSERT_TRUE(up.stop().ok());
  EXPECT_EQ(
      project.rows(),
      (std::vector<std::string>{
          "a=plain text", "b=", "c={\"user_id\":\"u1\"}", "d=" + std::string(kNoText), "e=-"}));
  EXPECT_EQ(project.count("silver/clean"), 4);
}

TEST(RawTopic, OfATableOfChangesARecordWithoutAValueIsATombstone) {
  TestTopic topic(1);
  RawProject project(topic, "string");
  project.change("source: events\n", "source: events\n    key: [_key]\n    on_same_key: replace\n");
  topic.send(0, kText, "a");
  topic.send(0, kText, "b");
  topic.send(0, std::string_view(), "a");
  topic.flush();
  const Result<RunReport> report = project.run();
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(project.rows(), (std::vector<std::string>{"a=plain text", "a=-", "b=plain text"}));
}

TEST(RawTopic, OfATableOfChangesATombstoneOfARequiredValueIsRefusedAndSaid) {
  TestTopic topic(1);
  RawProject project(topic, "string!");
  project.change("source: events\n", "source: events\n    key: [_key]\n    on_same_key: replace\n");
  topic.send(0, kText, "a");
  topic.send(0, std::string_view(), "a");
  topic.flush();
  ASSERT_TRUE(project.run().ok());
  EXPECT_EQ(project.rows(), std::vector<std::string>{"a=plain text"});
  EXPECT_EQ(project.refused(), std::vector<std::string>{"missing_required=_value"});
}

}  // namespace
}  // namespace assay::flow
