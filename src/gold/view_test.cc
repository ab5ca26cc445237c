#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gold/contract.h"
#include "gold/view_fixture.h"

namespace assay::gold {
namespace {

using catalog::Aggregate;
using catalog::FeatureDef;
using testing::HasSubstr;

Status compile_status(const catalog::FeatureViewDef& view) {
  Result<FeatureViewPtr> compiled = FeatureView::compile(view, test_entity(), *test_schema());
  return compiled.ok() ? Status() : std::move(compiled).status();
}

FeatureDef& feature(catalog::FeatureViewDef* view, const std::string& name) {
  for (FeatureDef& one : view->features) {
    if (one.name == name) {
      return one;
    }
  }
  return view->features.front();
}

TEST(View, ExpandsEveryWindowInDefinitionOrderWithItsType) {
  const FeatureViewPtr view = compile_or_die(window_definition());
  std::vector<std::string> found;
  for (const data::Field& field : view->features()) {
    found.push_back(field.name + " " + std::string(data::type_name(field.type)));
  }
  EXPECT_THAT(found,
              testing::ElementsAre("events_10m int64",
                                   "events_1h int64",
                                   "events_3h int64",
                                   "spend_1h float64",
                                   "spend_3h float64",
                                   "rate float64",
                                   "units_3h int64",
                                   "units_10m int64",
                                   "mean_amount_1h float64",
                                   "mean_units_3h float64",
                                   "share_1h float64",
                                   "low_1h float64",
                                   "low_3h float64",
                                   "high_1h float32",
                                   "first_kind_3h string",
                                   "last_kind_1h string",
                                   "amounts_1h int64",
                                   "load int64"));
  EXPECT_EQ(view->window_max().micros, 180 * kMinute);
  EXPECT_EQ(view->slide().micros, kTestSlide);
}

TEST(View, ReadsOnlyTheColumnsItNeeds) {
  EXPECT_THAT(compile_or_die(window_definition())->source_columns(),
              testing::ElementsAre("user",
                                   "item",
                                   "event_time",
                                   "known_time",
                                   "sequence",
                                   "amount",
                                   "kind",
                                   "units",
                                   "flag",
                                   "ratio"));
  EXPECT_EQ(compile_or_die(latest_definition())->window_max().micros, 0);
}

TEST(View, StepsSchemaIsKeysTimesFeaturesAndDate) {
  const std::vector<std::string> names =
      compile_or_die(latest_definition())->steps_schema()->names();
  EXPECT_THAT(names,
              testing::ElementsAre("user",
                                   "item",
                                   "event_time",
                                   "known_time",
                                   "kind",
                                   "price",
                                   "double_units",
                                   "last_units",
                                   "ratio",
                                   "flag",
                                   "feature_date"));
}

TEST(View, EqualDefinitionsHaveEqualFingerprintsAndOthersDoNot) {
  const uint64_t base = compile_or_die(window_definition())->fingerprint();
  EXPECT_EQ(compile_or_die(window_definition())->fingerprint(), base);
  catalog::FeatureViewDef described = window_definition();
  described.description = "words decide no value";
  EXPECT_EQ(compile_or_die(described)->fingerprint(), base);
  const auto changed = [&](auto change) {
    catalog::FeatureViewDef view = window_definition();
    change(&view);
    EXPECT_NE(compile_or_die(view)->fingerprint(), base);
  };
  changed([](auto* view) { view->ttl = Duration{1}; });
  changed([](auto* view) { view->slide = Duration{5 * kMinute}; });
  changed([](auto* view) { feature(view, "spend").where = "kind = 'b'"; });
  changed([](auto* view) { feature(view, "share").over.push_back({180 * kMinute}); });
  changed([](auto* view) { feature(view, "low").aggregate = Aggregate::kMax; });
  changed([](auto* view) { feature(view, "load").expression = "events_3h"; });
}

TEST(View, AWindowThatIsNoMultipleOfTheSlideIsRefused) {
  catalog::FeatureViewDef view = window_definition();
  feature(&view, "spend").over.push_back({15 * kMinute});
  const Status status = compile_status(view);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("feature `spend`"));
  EXPECT_THAT(status.message(), HasSubstr("15m"));
}

TEST(View, LatestValuesAndWindowsShareAViewInDefinitionOrder) {
  const FeatureViewPtr view = compile_or_die(composed_definition());
  ASSERT_EQ(view->features().size(), 45U);
  EXPECT_EQ(view->features().front().name, "kind");
  EXPECT_EQ(view->features().back().name, "idle_minutes");
  EXPECT_EQ(view->window_max().micros, 180 * kMinute);
}

TEST(View, StepsHoldWhatReadTimeFeaturesNeedAndNotThese) {
  const FeatureViewPtr view = compile_or_die(composed_definition());
  const data::Schema& steps = *view->steps_schema();
  for (const char* name : {"idle", "unheard", "local_hour", "idle_minutes"}) {
    EXPECT_FALSE(steps.find(name).has_value()) << name;
  }
  EXPECT_EQ(steps.field(*steps.find("idle__since")).type, data::Type::kTimestamp);
  EXPECT_EQ(steps.field(*steps.find("unheard__since")).type, data::Type::kTimestamp);
}

TEST(View, TheTimeThatAFeatureCountsFromIsATime) {
  catalog::FeatureViewDef view = composed_definition();
  feature(&view, "unheard").column = "units";
  EXPECT_EQ(compile_status(view).code(), Code::kInvalidArgument);
  feature(&view, "unheard").column = "known_tim";
  EXPECT_THAT(compile_status(view).message(), HasSubstr("did you mean `known_time`"));
  view = composed_definition();
  feature(&view, "mixed").expression = "epoch(idle__since)";
  EXPECT_EQ(compile_status(view).code(), Code::kInvalidArgument);
  view = composed_definition();
  feature(&view, "spend").where = "event_time < now()";
  EXPECT_THAT(compile_status(view).message(), HasSubstr("no meaning here"));
}

TEST(View, AMisspeltColumnIsNamedWithTheNearestOne) {
  catalog::FeatureViewDef view = latest_definition();
  feature(&view, "price").column = "amonut";
  const Status status = compile_status(view);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("did you mean `amount`"));
}

TEST(View, WrongDefinitionsAreRefusedAndNameTheFeature) {
  const auto refused = [](auto change, const std::string& name) {
    catalog::FeatureViewDef view = window_definition();
    change(&view);
    const Status status = compile_status(view);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("feature view `activity`"));
    EXPECT_THAT(status.message(), HasSubstr(name));
  };
  refused([](auto* view) { feature(view, "spend").of = "kind"; }, "spend");
  refused([](auto* view) { feature(view, "spend").of = ""; }, "spend");
  refused([](auto* view) { feature(view, "spend").of = "amount +"; }, "spend");
  refused([](auto* view) { feature(view, "spend").where = "amount"; }, "spend");
  refused([](auto* view) { feature(view, "spend").over.clear(); }, "spend");
  refused([](auto* view) { feature(view, "spend").over = {{0}}; }, "spend");
  refused([](auto* view) { feature(view, "rate").expression = "load"; }, "rate");
  refused([](auto* view) { feature(view, "rate").name = "Spend_1h"; }, "Spend_1h");
  refused([](auto* view) { feature(view, "rate").name = "item"; }, "item");
  refused([](auto* view) { view->slide = {0}; }, "slide");
  refused([](auto* view) { view->features.clear(); }, "no feature");
}

TEST(View, FloatingPointKeysAndMissingKeysAreRefused) {
  catalog::EntityDef entity = test_entity();
  entity.keys.front() = {"ratio", data::Type::kFloat32, false};
  EXPECT_EQ(FeatureView::compile(window_definition(), entity, *test_schema()).code(),
            Code::kInvalidArgument);
  entity.keys.front() = {"person", data::Type::kString, false};
  EXPECT_EQ(FeatureView::compile(window_definition(), entity, *test_schema()).code(),
            Code::kInvalidArgument);
  entity.keys.front() = {"user", data::Type::kInt64, false};
  EXPECT_EQ(FeatureView::compile(window_definition(), entity, *test_schema()).code(),
            Code::kInvalidArgument);
}

TEST(View, AnInt32KeyColumnServesAnInt64Key) {
  std::vector<data::Field> fields = test_schema()->fields();
  fields[1].type = data::Type::kInt32;
  const data::Schema narrow(fields);
  const FeatureViewPtr view =
      FeatureView::compile(latest_definition(), test_entity(), narrow).value();
  data::Batch rows = batch_of({{.user = "u", .item = 5, .event_time = 0, .known_time = 0}});
  data::ColumnBuilder items(data::Type::kInt32);
  items.append(int32_t{5});
  std::vector<data::ColumnPtr> columns;
  for (int i = 0; i < rows.column_count(); ++i) {
    columns.push_back(rows.column_ptr(i));
  }
  columns[1] = items.finish();
  rows = data::Batch(data::make_schema(fields), columns, 1);
  const data::Batch steps =
      view->steps(rows, data::Batch(), EventTime::min(), EventTime::max(), 1).value();
  ASSERT_EQ(steps.rows(), 1);
  EXPECT_EQ(steps.find("item")->scalar(0), data::Scalar::int64(5));
}

TEST(View, AnIntegerSumBeyondInt64OverflowsAndComesBack) {
  const int64_t largest = std::numeric_limits<int64_t>::max();
  std::vector<TestRow> rows;
  for (const int64_t minutes : {0, 70, 130}) {
    rows.push_back({.user = "u",
                    .item = 1,
                    .event_time = kTestStart + minutes * kMinute,
                    .known_time = kTestStart + minutes * kMinute,
                    .units = largest});
  }
  const FeatureViewPtr view = compile_or_die(window_definition());
  const data::Batch steps =
      view->steps(batch_of(rows), data::Batch(), EventTime::min(), EventTime::max(), 1).value();
  const auto units_at = [&](int64_t minutes) {
    return answer_of_steps(*view, steps, {"u", 1}, kTestStart + minutes * kMinute).values[6];
  };
  EXPECT_EQ(units_at(20), data::Scalar::int64(largest));
  EXPECT_TRUE(units_at(80).is_null());
  EXPECT_TRUE(units_at(140).is_null());
  int64_t overflows = 0;
  for (const uint8_t overflow : steps.find("units_3h__overflow")->values<uint8_t>()) {
    overflows += overflow;
  }
  EXPECT_GT(overflows, 0);
  EXPECT_EQ(units_at(270), data::Scalar::int64(largest));
}

}  // namespace
}  // namespace assay::gold
