// Predictions go to a topic as features change. The twin scores a training set of the same instant.

#include <map>

#include <gtest/gtest.h>

#include "flow/model.h"
#include "flow/publishing_project.h"
#include "flow/training.h"
#include "lake/json_value.h"
#include "learn/model_card.h"
#include "learn/scorer.h"

namespace assay::flow {
namespace {

constexpr char kTopic[] = "predictions";

class ScoredProject : public ProjectByDay {
 public:
  explicit ScoredProject(const TestTopic& topic) {
    change(
        "services:\n  v1: [spend]\n",
        "derived:\n  share:\n    inputs: [spend]\n    features: {share: \"total_1h / "
        "nullif(total_24h, 0)\"}\n"
        "services:\n  v1: [spend, share]\nmodels:\n  big:\n    service: v1\n"
        "    labels: {from: clean, column: \"amount > 500\"}\n    train: {trees: 5, depth: 3}\n" +
            publish_line(topic.brokers(), kTopic));
  }
};

std::map<std::string, float> last_predictions(TestTopic& topic) {
  std::map<std::string, float> last;
  lake::JsonReader reader;
  for (const TestTopic::Received& record : topic.read_all(kTopic)) {
    EXPECT_EQ(record.headers.at("assay.model"), "big");
    const lake::JsonValue value = *reader.read(record.value);
    last[record.key] = static_cast<float>(*value.find("prediction")->number());
  }
  return last;
}

/// What the model says of a training set's rows of this instant.
std::map<std::string, float> twin(TestProject& project) {
  const auto workspace = project.open();
  const auto service = *workspace->service("v1");
  data::BatchBuilder labels(data::make_schema(
      {{"user_id", data::Type::kString}, {"event_time", data::Type::kTimestamp}}));
  for (int user = 0; user < 5; ++user) {
    labels.column(0).append_text("u" + std::to_string(user));
    labels.column(1).append(workspace->serving_now()->micros);
  }
  const data::Batch set = *build_training_set(*workspace, *service, labels.finish(), {});
  const catalog::ModelRow model = *workspace->catalog().model("big");
  const learn::ModelCard card = *learn::parse_model_card(model.card_json);
  const auto scorer = *learn::Scorer::load(model.bytes);
  std::map<std::string, float> scores;
  for (int64_t row = 0; row < set.rows(); ++row) {
    std::vector<float> inputs;
    for (const std::string& feature : card.features) {
      inputs.push_back(learn::model_input(set.find(feature)->scalar(row)));
    }
    scores[R"({"user_id":"u)" + std::to_string(row) + "\"}"] = scorer->score(inputs);
  }
  return scores;
}

TEST(PublishedModel, PredictionsFollowFeaturesAndTheModel) {
  TestTopic topic(1);
  topic.create(kTopic);
  ScoredProject project(topic);
  project.write_day(1);
  project.write_day(2);
  EXPECT_EQ(published(*project.run()), 0) << "no model yet";
  ASSERT_TRUE(train_model(*project.open(), "big", {}).ok());
  RunOptions options;
  options.publish_records = 2;
  EXPECT_EQ(published(*project.run(options)), 5);
  EXPECT_EQ(last_predictions(topic), twin(project));
  EXPECT_EQ(published(*project.run()), 0);

  project.write("more/3.csv", "user_id,amount,ts\nu1,500.5,2026-01-02T23:50:00Z\n");
  EXPECT_GE(published(*project.run(options)), 1);
  EXPECT_EQ(last_predictions(topic), twin(project));

  ASSERT_TRUE(train_model(*project.open(), "big", {}).ok());
  EXPECT_EQ(published(*project.run()), 5) << "by the new model";
  EXPECT_EQ(last_predictions(topic), twin(project));
}

}  // namespace
}  // namespace assay::flow
