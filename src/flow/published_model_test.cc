// Predictions go to a topic as features change. The twin scores a training set of the same instant.

#include <csignal>
#include <cstdlib>
#include <map>
#include <string>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

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

/// In a process of its own, which a fail point kills: the line once, two records a transaction.
constexpr char kRunFolder[] = "ASSAY_TEST_RUN_FOLDER";

RunOptions small_transactions() {
  RunOptions options;
  options.publish_records = 2;
  return options;
}

TEST(PublishedModelCrash, Child) {
  const char* folder = std::getenv(kRunFolder);
  if (folder == nullptr) {
    return;
  }
  UnsyncedWorld system(LogLevel::kError);
  const auto workspace = *Workspace::open(system.world(), folder, {});
  ASSERT_TRUE(run_all(*workspace, small_transactions()).ok());
}

/// Run the line in a process that is killed at the n-th pass of a point, "name:n".
void kill_at(const TestProject& project, const std::string& point) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv(kRunFolder, project.folder().c_str(), 1);
    ::setenv("ASSAY_FAIL_POINT", point.c_str(), 1);
    ::execl("/proc/self/exe", "test", "--gtest_filter=PublishedModelCrash.Child", nullptr);
    ::_exit(127);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << point << ": " << status;
}

/// The mock's consumers also see what an aborted transaction sent, and it forgets the position that
/// is committed with one; so tests/line/kafka_test.py does the same with a real broker, and says
/// that each is there once.
TEST(PublishedModel, KilledInATransactionAndBehindOneSendsThatAndTheOthersOnce) {
  TestTopic topic(1);
  topic.create(kTopic);
  ScoredProject project(topic);
  project.write_day(1);
  project.write_day(2);
  ASSERT_TRUE(project.run().ok());
  ASSERT_TRUE(train_model(*project.open(), "big", {}).ok());
  kill_at(project, "flow.publish.before_commit:2");  // two are out
  kill_at(project, "flow.publish.before_commit:2");  // four are
  EXPECT_EQ(published(*project.run(small_transactions())), 1);
  EXPECT_EQ(last_predictions(topic), twin(project));
  const std::size_t sent = topic.read_all(kTopic).size();
  EXPECT_TRUE(sent >= 5 && sent <= 5 + 2 + 1) << sent << ": what was left may have been sent";
  EXPECT_EQ(published(*project.run()), 0);

  project.write("more/3.csv", "user_id,amount,ts\nu1,500.5,2026-01-02T23:50:00Z\n");
  kill_at(project, "flow.publish.before_commit:1");
  kill_at(project, "flow.publish.after_commit:1");
  while (published(*project.run(small_transactions())) > 0) {
  }
  EXPECT_EQ(last_predictions(topic), twin(project));
}

}  // namespace
}  // namespace assay::flow
