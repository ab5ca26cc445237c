#include "gold/training_set.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gold/view_fixture.h"

namespace assay::gold {
namespace {

std::shared_ptr<const Service> test_service() {
  catalog::OnDemandDef basket;
  basket.name = "basket";
  basket.request = {{"offer", data::Type::kFloat64, true}};
  basket.features = {{"saving", "price - offer", {}}};
  catalog::ServiceDef definition;
  definition.name = "shop";
  definition.items = {{"activity", {"events_1h", "spend_3h", "rate", "last_kind_1h"}, {}},
                      {"profile", {"kind", "price"}, {}},
                      {"basket", {}, {}}};
  return compile_service(definition,
                         {{"activity", compile_or_die(window_definition())},
                          {"profile", compile_or_die(latest_definition())}},
                         {{"basket", basket}})
      .value();
}

/// Label rows with null keys and times among them.
data::Batch random_labels(Random& random, const std::vector<TestRow>& rows, int64_t count) {
  const std::vector<int64_t> instants = instants_of(random, rows);
  data::BatchBuilder builder(data::make_schema({{"label", data::Type::kInt64, true},
                                                {"item", data::Type::kInt64, true},
                                                {"user", data::Type::kString, true},
                                                {"event_time", data::Type::kTimestamp, true},
                                                {"offer", data::Type::kFloat64, true}}));
  for (int64_t i = 0; i < count; ++i) {
    builder.column(0).append(i);
    builder.column(1).append(static_cast<int64_t>(random.below(2)) - 1);
    if (random.below(20) == 0) {
      builder.column(2).append_null();
    } else {
      builder.column(2).append_text("u" + std::to_string(random.below(3)));
    }
    if (random.below(20) == 0) {
      builder.column(3).append_null();
    } else {
      builder.column(3).append(instants[random.below(instants.size())]);
    }
    builder.column(4).append(static_cast<double>(i));
  }
  return builder.finish();
}

StepsSource steps_of(const data::Batch& rows) {
  return [&rows](const FeatureView& view, EventTime, EventTime) {
    return view.steps(rows, data::Batch(), EventTime::min(), EventTime::max(), 1);
  };
}

struct Expected {
  data::Scalar value;
  data::FeatureStatus status;
};

/// What serving would have answered, from the naive twin.
Expected expected(const FeatureView& view,
                  int feature,
                  const std::vector<TestRow>& rows,
                  const data::Batch& labels,
                  int64_t row) {
  const data::Type type = view.features()[static_cast<std::size_t>(feature)].type;
  const data::Scalar nothing = data::Scalar::null(type);
  if (labels.column(2).is_null(row) || labels.column(3).is_null(row)) {
    return {nothing, data::FeatureStatus::kNotFound};
  }
  const TestKey key{std::string(labels.column(2).text(row)),
                    std::get<int64_t>(labels.column(1).scalar(row).value)};
  const int64_t instant = std::get<int64_t>(labels.column(3).scalar(row).value);
  const Answer answer = naive_answer(view, rows, key, instant);
  if (!answer.event_time) {
    return {nothing, data::FeatureStatus::kNotFound};
  }
  if (instant - *answer.event_time > view.ttl()->micros) {
    return {nothing, data::FeatureStatus::kOutsideMaxAge};
  }
  const data::Scalar value = answer.values[static_cast<std::size_t>(feature)];
  return {value, value.is_null() ? data::FeatureStatus::kNullValue : data::FeatureStatus::kPresent};
}

TEST(TrainingSet, GivesEachLabelWhatServingWouldHaveAnswered) {
  const std::shared_ptr<const Service> service = test_service();
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const auto random = seeded_random(seed);
    const std::vector<TestRow> rows = random_rows(*random, 80);
    const data::Batch batch = batch_of(rows);
    const data::Batch labels = random_labels(*random, rows, 200);
    TrainingSetOptions options;
    options.with_statuses = true;
    const data::Batch set = training_set(*service, labels, steps_of(batch), options).value();
    ASSERT_EQ(set.rows(), labels.rows());
    for (int64_t row = 0; row < set.rows(); ++row) {
      ASSERT_EQ(set.find("label")->scalar(row), data::Scalar::int64(row));
      for (const ServiceFeature& feature : service->features) {
        if (feature.view_index < 0) {
          continue;
        }
        const FeatureView& view = *service->views[static_cast<std::size_t>(feature.view_index)];
        const Expected one = expected(view, feature.feature_index, rows, labels, row);
        ASSERT_EQ(exact_text(set.find(feature.name)->scalar(row)), exact_text(one.value))
            << "seed " << seed << " row " << row << " " << feature.name;
        ASSERT_EQ(set.find(feature.name + "__status")->text(row), data::status_name(one.status));
      }
      const data::Scalar price = set.find("price")->scalar(row);
      const data::Scalar saving = set.find("saving")->scalar(row);
      ASSERT_EQ(saving.is_null(), price.is_null());
      if (!price.is_null()) {
        ASSERT_EQ(exact_text(saving),
                  exact_text(data::Scalar::float64(std::get<double>(price.value) -
                                                   static_cast<double>(row))));
      }
    }
  }
}

TEST(TrainingSet, DoesNotDependOnThreads) {
  const auto random = seeded_random(20);
  const std::vector<TestRow> rows = random_rows(*random, 100);
  const data::Batch batch = batch_of(rows);
  const data::Batch labels = random_labels(*random, rows, 3000);
  TrainingSetOptions options;
  options.threads = 1;
  const std::string one =
      exact_text(training_set(*test_service(), labels, steps_of(batch), options).value());
  options.threads = 4;
  EXPECT_EQ(exact_text(training_set(*test_service(), labels, steps_of(batch), options).value()),
            one);
}

TEST(TrainingSet, AsksForStepsOfTheLabelsTimeRangeOnly) {
  const auto random = seeded_random(21);
  const std::vector<TestRow> rows = random_rows(*random, 30);
  const data::Batch labels = random_labels(*random, rows, 50);
  EventTime first = EventTime::max();
  EventTime last = EventTime::min();
  for (int64_t row = 0; row < labels.rows(); ++row) {
    if (labels.column(3).is_valid(row)) {
      const EventTime time{std::get<int64_t>(labels.column(3).scalar(row).value)};
      first = std::min(first, time);
      last = std::max(last, time);
    }
  }
  int asked = 0;
  const StepsSource source = [&](const FeatureView& view, EventTime from, EventTime to) {
    ++asked;
    EXPECT_EQ(from, first);
    EXPECT_EQ(to, last);
    return Result<data::Batch>(data::Batch::empty(view.steps_schema()));
  };
  EXPECT_TRUE(training_set(*test_service(), labels, source, {}).ok());
  EXPECT_EQ(asked, 2);
}

TEST(TrainingSet, FullNamesCarryTheView) {
  const auto random = seeded_random(22);
  const std::vector<TestRow> rows = random_rows(*random, 5);
  TrainingSetOptions options;
  options.full_feature_names = true;
  const data::Batch batch = batch_of(rows);
  const data::Batch set =
      training_set(*test_service(), random_labels(*random, rows, 3), steps_of(batch), options)
          .value();
  EXPECT_NE(set.find("activity__events_1h"), nullptr);
  EXPECT_NE(set.find("basket__saving"), nullptr);
}

TEST(TrainingSet, LabelsWithoutAKeyTimeOrRequestColumnAreRefused) {
  const auto random = seeded_random(23);
  const std::vector<TestRow> rows = random_rows(*random, 5);
  const data::Batch batch = batch_of(rows);
  const data::Batch labels = random_labels(*random, rows, 3);
  for (const std::vector<std::string>& names :
       {std::vector<std::string>{"label", "user", "event_time", "offer"},
        std::vector<std::string>{"label", "user", "item", "offer"},
        std::vector<std::string>{"label", "user", "item", "event_time"}}) {
    EXPECT_EQ(
        training_set(*test_service(), labels.select(names).value(), steps_of(batch), {}).code(),
        Code::kInvalidArgument);
  }
  const data::Batch clash =
      labels.with_column({"price", data::Type::kFloat64, true}, labels.column_ptr(4));
  EXPECT_EQ(training_set(*test_service(), clash, steps_of(batch), {}).code(),
            Code::kInvalidArgument);
}

TEST(TrainingSet, AssumingThatEventsAreKnownAtOnceChangesOnlyKnownTime) {
  const auto random = seeded_random(24);
  std::vector<TestRow> rows = random_rows(*random, 50);
  const data::Batch leaky = assume_known_at_event_time(batch_of(rows)).value();
  for (TestRow& row : rows) {
    row.known_time = row.event_time;
  }
  EXPECT_EQ(exact_text(leaky), exact_text(batch_of(rows)));
  EXPECT_EQ(assume_known_at_event_time(leaky.select({"user"}).value()).code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::gold
