#include "flow/explain.h"

#include <gtest/gtest.h>

#include "flow/test_project.h"

namespace assay::flow {
namespace {

std::vector<std::string> roles_of(const Explanation& explanation) {
  std::vector<std::string> roles;
  for (int64_t row = 0; row < explanation.rows.rows(); ++row) {
    roles.emplace_back(explanation.rows.column(0).text(row));
  }
  return roles;
}

class Explain : public testing::Test {
 protected:
  Explain() {
    for (int day = 1; day <= 6; ++day) {
      project_.write("data/day-" + std::to_string(day) + ".csv", "user_id,amount,ts\n");
    }
    project_.change("n: {agg: count, over: [1h, 24h]}",
                    "n: {agg: count, where: \"amount > 1\", over: [1h, 24h]}\n"
                    "      per: {expr: \"total_1h / n_1h\"}");
    project_.write("data/events.csv",
                   "user_id,amount,ts\n"
                   "u1,5,2026-01-01T08:00:00Z\n"    // outside the hour
                   "u1,1,2026-01-01T10:00:00Z\n"    // filtered for the count
                   "u1,,2026-01-01T10:10:00Z\n"     // null for the sum
                   "u1,7,2026-01-01T10:20:00Z\n"    // counts
                   "u2,100,2026-01-01T10:20:00Z\n"  // of another
                   "u1,9,2026-01-01T10:45:00Z\n");  // known at 11:05
    EXPECT_TRUE(project_.run().ok());
    workspace_ = project_.open();
  }

  Result<Explanation> explain(const std::string& feature, const std::string& at) {
    return explain_feature(*workspace_,
                           **workspace_->view("spend"),
                           feature,
                           {data::Scalar::string("u1")},
                           *parse_time(at));
  }

  TestProject project_;
  std::unique_ptr<Workspace> workspace_;
};

TEST_F(Explain, SaysWhatEachRowOfTheEntityIs) {
  const Result<Explanation> sum = explain("total_1h", "2026-01-01T10:52:00Z");
  ASSERT_TRUE(sum.ok()) << sum.status().to_string();
  EXPECT_EQ(roles_of(*sum),
            (std::vector<std::string>{"outside", "counts", "null", "counts", "unknown"}));
  EXPECT_EQ(sum->value, data::Scalar::float64(8));
  EXPECT_TRUE(sum->agrees);
  EXPECT_EQ(sum->counted, 2);
  EXPECT_EQ(sum->source_table.substr(0, 13), "silver/clean@");

  const Result<Explanation> count = explain("n_1h", "2026-01-01T10:52:00Z");
  ASSERT_TRUE(count.ok()) << count.status().to_string();
  EXPECT_EQ(roles_of(*count),
            (std::vector<std::string>{"outside", "filtered", "filtered", "counts", "unknown"}));
  EXPECT_EQ(count->value, data::Scalar::int64(1));
  EXPECT_TRUE(count->agrees);
}

TEST_F(Explain, AComputedFeatureNamesItsInputs) {
  const Result<Explanation> ratio = explain("per", "2026-01-01T10:52:00Z");
  ASSERT_TRUE(ratio.ok()) << ratio.status().to_string();
  ASSERT_EQ(ratio->inputs.size(), 2U);
  EXPECT_EQ(ratio->inputs[0].first, "n_1h");
  EXPECT_EQ(ratio->inputs[1].second, data::Scalar::float64(8));
  EXPECT_EQ(ratio->value, data::Scalar::float64(8));
  EXPECT_TRUE(ratio->agrees);
}

TEST_F(Explain, BeforeTheFirstEventThereIsNothing) {
  const Result<Explanation> none = explain("n_1h", "2026-01-01T07:00:00Z");
  ASSERT_TRUE(none.ok()) << none.status().to_string();
  EXPECT_EQ(none->status, data::FeatureStatus::kNotFound);
  EXPECT_EQ(none->rows.rows(), 0);
  EXPECT_TRUE(none->agrees);
  EXPECT_EQ(none->until, parse_time("2026-01-01T08:20:00Z").value());
}

TEST_F(Explain, MoreRowsThanTheBoundAreNotRead) {
  const auto bounded = [&](const ExplainBound& bound) {
    return explain_feature(*workspace_,
                           **workspace_->view("spend"),
                           "total_1h",
                           {data::Scalar::string("u1")},
                           *parse_time("2026-01-01T10:52:00Z"),
                           bound);
  };
  EXPECT_EQ(bounded({.rows_max = 4}).code(), Code::kResourceExhausted);
  EXPECT_EQ(bounded({.bytes_max = 10}).code(), Code::kResourceExhausted);
  const Result<Explanation> all = bounded({.rows_max = 5});
  ASSERT_TRUE(all.ok()) << all.status().to_string();
  EXPECT_EQ(all->rows.rows(), 5);
}

TEST_F(Explain, UnknownFeaturesAreNamed) {
  EXPECT_EQ(explain("n_3h", "2026-01-01T07:00:00Z").code(), Code::kNotFound);
}

TEST(ExplainEverything, RowsGiveWhatTheTableSays) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const auto view = *workspace->view("spend");
  for (int hour = 0; hour < 6 * 24; hour += 23) {
    const EventTime at{parse_time("2026-01-01")->micros + hour * 3600 * kMicrosPerSecond +
                       (hour % 3 - 1)};
    for (const data::Field& feature : view->features()) {
      const std::string user = "u" + std::to_string(hour % 5);
      const Result<Explanation> explanation =
          explain_feature(*workspace, *view, feature.name, {data::Scalar::string(user)}, at);
      ASSERT_TRUE(explanation.ok()) << explanation.status().to_string();
      EXPECT_TRUE(explanation->agrees)
          << feature.name << " of " << user << " at " << format_time(at);
      if (feature.name.starts_with("n_") && explanation->status == data::FeatureStatus::kPresent) {
        EXPECT_EQ(explanation->value, data::Scalar::int64(explanation->counted));
      }
    }
  }
}

}  // namespace
}  // namespace assay::flow
