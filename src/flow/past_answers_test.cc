// Answers about the past are those of the store as it stood then, and those of a training set.

#include "flow/past_answers.h"

#include "flow/offline_answers.h"
#include "flow/orders_project.h"
#include "flow/training.h"

namespace assay::flow {
namespace {

std::vector<data::EntityKey> user_keys(const std::vector<std::string>& users) {
  std::vector<data::EntityKey> keys;
  for (const std::string& user : users) {
    keys.push_back(*data::encode_key(std::vector<data::Scalar>{data::Scalar::string(user)}));
  }
  return keys;
}

/// At each instant the same values from the steps as a training set of that instant has.
void expect_like_training_set(TestProject& project) {
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const auto service = *workspace->service("v1");
  const gold::FeatureViewPtr view = *workspace->view("spend");
  const std::vector<std::string> users = {"u0", "u1", "u3", "nobody"};
  const EventTime last = *workspace->serving_now();
  for (int64_t back = 0; back < 40; ++back) {
    const EventTime at{last.micros - back * (7 * 3600 + 11) * kMicrosPerSecond};
    const auto found = past_answers(*workspace, *view, user_keys(users), at);
    ASSERT_TRUE(found.ok()) << found.status().to_string();
    data::BatchBuilder labels(data::make_schema(
        {{"user_id", data::Type::kString}, {"event_time", data::Type::kTimestamp}}));
    for (const std::string& user : users) {
      labels.column(0).append_text(user);
      labels.column(1).append(at.micros);
    }
    gold::TrainingSetOptions options;
    options.with_statuses = true;
    const auto set = build_training_set(*workspace, *service, labels.finish(), options);
    ASSERT_TRUE(set.ok()) << set.status().to_string();
    for (std::size_t row = 0; row < users.size(); ++row) {
      for (std::size_t f = 0; f < view->features().size(); ++f) {
        const std::string& name = view->features()[f].name;
        const auto at_row = static_cast<int64_t>(row);
        EXPECT_TRUE(same_bits((*found)[row].values[f], set->find(name)->scalar(at_row)))
            << name << " of " << users[row] << " at " << format_time(at);
        EXPECT_EQ(data::status_name((*found)[row].statuses[f]),
                  set->find(name + "__status")->text(at_row))
            << name << " of " << users[row] << " at " << format_time(at);
      }
    }
  }
}

/// What was online after the data of some days is what is found of that instant later.
void expect_like_the_store_of_then(TestProject& project, const std::string& file) {
  const std::vector<data::EntityKey> keys = user_keys({"u0", "u1", "u2", "u3", "u4", "nobody"});
  ASSERT_TRUE(project.run().ok());
  EventTime then;
  std::vector<gold::FeatureValues> online;
  {
    const auto workspace = project.open();
    then = *workspace->serving_now();
    online = *(*workspace->online(true))->read(**workspace->view("spend"), keys, then);
  }
  project.write("data/late.csv", file);
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  ASSERT_GT(*workspace->serving_now(), then);
  const gold::FeatureViewPtr view = *workspace->view("spend");
  const auto found = past_answers(*workspace, *view, keys, then);
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ((*found)[i].statuses, online[i].statuses);
    EXPECT_EQ((*found)[i].event_time, online[i].event_time);
    for (std::size_t f = 0; f < online[i].values.size(); ++f) {
      EXPECT_TRUE(same_bits((*found)[i].values[f], online[i].values[f]))
          << view->features()[f].name;
    }
  }
}

TEST(PastAnswers, AreThoseOfATrainingSet) {
  TestProject project;
  expect_like_training_set(project);
}

TEST(PastAnswers, AreThoseOfATrainingSetOverCorrections) {
  OrdersProject project;
  project.write_files(0, 6);
  expect_like_training_set(project);
}

TEST(PastAnswers, AreThoseThatTheStoreGaveThen) {
  TestProject project;
  expect_like_the_store_of_then(project,
                                "user_id,amount,ts\nu1,5,2026-01-09T08:00:00Z\n"
                                "u2,6,2026-01-09T08:00:00Z\n");
}

TEST(PastAnswers, ManyKeysAreReadAtOnce) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const gold::FeatureViewPtr view = *workspace->view("spend");
  std::vector<std::string> users(500, "nobody");
  users[250] = "u1";
  const EventTime at = *workspace->serving_now();
  const auto many = past_answers(*workspace, *view, user_keys(users), at);
  const auto one = past_answers(*workspace, *view, user_keys({"u1"}), at);
  ASSERT_TRUE(many.ok() && one.ok());
  EXPECT_EQ((*many)[250].values, (*one)[0].values);
  EXPECT_EQ((*many)[0].statuses[0], data::FeatureStatus::kNotFound);
  EXPECT_TRUE(past_answers(*workspace, *view, {}, at)->empty());
}

TEST(PastAnswers, KeysMayHoldWhatSqlsTextCannot) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const gold::FeatureViewPtr view = *workspace->view("spend");
  const EventTime at = *workspace->serving_now();
  const auto found =
      past_answers(*workspace, *view, user_keys({std::string("u1\0", 3), "'; --", "u1", "u1"}), at);
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  for (const std::size_t other : {0, 1}) {
    EXPECT_EQ((*found)[other].statuses[0], data::FeatureStatus::kNotFound) << other;
  }
  EXPECT_EQ((*found)[2].statuses[0], data::FeatureStatus::kPresent);
  EXPECT_EQ((*found)[3].values, (*found)[2].values);
}

}  // namespace
}  // namespace assay::flow
