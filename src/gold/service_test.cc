#include "gold/service.h"

#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gold/view_fixture.h"

namespace assay::gold {
namespace {

using testing::HasSubstr;

std::map<std::string, FeatureViewPtr> test_views() {
  return {{"activity", compile_or_die(window_definition())},
          {"profile", compile_or_die(latest_definition())}};
}

catalog::OnDemandDef basket() {
  catalog::OnDemandDef definition;
  definition.name = "basket";
  definition.request = {{"offer", data::Type::kFloat64, true}};
  definition.features = {{"saving", "price - offer", {}},
                         {"saving_share", "saving / nullif(price, 0)", {}}};
  return definition;
}

Result<std::shared_ptr<const Service>> compile(const std::vector<catalog::ServiceItem>& items) {
  catalog::ServiceDef definition;
  definition.name = "shop";
  definition.items = items;
  return compile_service(definition, test_views(), {{"basket", basket()}});
}

catalog::ServiceItem item(const std::string& view, const std::vector<std::string>& features = {}) {
  return {view, features, {}};
}

TEST(Service, WalksViewsAndOnDemandFeaturesInDefinitionOrder) {
  const std::shared_ptr<const Service> service = compile({item("profile", {"price"}),
                                                          item("basket"),
                                                          item("activity", {"spend_3h", "load"}),
                                                          item("profile", {"kind"})})
                                                     .value();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < service->features.size(); ++i) {
    names.push_back(service->output_name(static_cast<int>(i), true));
  }
  EXPECT_THAT(names,
              testing::ElementsAre("profile__price",
                                   "basket__saving",
                                   "basket__saving_share",
                                   "activity__spend_3h",
                                   "activity__load",
                                   "profile__kind"));
  EXPECT_EQ(service->output_name(3, false), "spend_3h");
  EXPECT_EQ(service->views.size(), 2U);
  EXPECT_EQ(service->features[5].view_index, 0);
  EXPECT_EQ(service->features[3].feature_index, 4);
  EXPECT_EQ(service->features[1].on_demand_index, 0);
  EXPECT_EQ(service->features[1].type, data::Type::kFloat64);
  ASSERT_EQ(service->entity_keys.size(), 2U);
  EXPECT_EQ(service->entity_keys[1].name, "item");
  ASSERT_EQ(service->request.size(), 1U);
}

TEST(Service, AnUnknownViewOrFeatureIsNotFoundWithTheNearestName) {
  const Result<std::shared_ptr<const Service>> view = compile({item("profil")});
  EXPECT_EQ(view.code(), Code::kNotFound);
  EXPECT_THAT(view.status().message(), HasSubstr("did you mean `profile`"));
  const Result<std::shared_ptr<const Service>> feature = compile({item("activity", {"laod"})});
  EXPECT_EQ(feature.code(), Code::kNotFound);
  EXPECT_THAT(feature.status().message(), HasSubstr("did you mean `load`"));
}

TEST(Service, TwoFeaturesOfOneNameAreRefused) {
  const Result<std::shared_ptr<const Service>> service =
      compile({item("profile"), item("profile", {"kind"})});
  EXPECT_EQ(service.code(), Code::kInvalidArgument);
  EXPECT_THAT(service.status().message(), HasSubstr("`kind`"));
}

TEST(Service, KeysOfOneNameButTwoTypesAreRefused) {
  catalog::EntityDef entity;
  entity.name = "item";
  entity.keys = {{"item", data::Type::kInt32, false}};
  std::vector<data::Field> fields = test_schema()->fields();
  fields[1].type = data::Type::kInt32;
  catalog::FeatureViewDef view = latest_definition();
  view.name = "items";
  view.features.resize(1);
  view.features[0].name = "item_kind";
  view.features[0].column = "kind";
  std::map<std::string, FeatureViewPtr> views = test_views();
  views["items"] = FeatureView::compile(view, entity, data::Schema(fields)).value();
  catalog::ServiceDef definition;
  definition.name = "shop";
  definition.items = {item("profile"), item("items")};
  EXPECT_EQ(compile_service(definition, views, {}).code(), Code::kInvalidArgument);
}

TEST(Service, OnDemandFeaturesSeeOnlyWhatStandsBeforeThem) {
  const Result<std::shared_ptr<const Service>> service = compile({item("basket"), item("profile")});
  EXPECT_EQ(service.code(), Code::kInvalidArgument);
  EXPECT_THAT(service.status().message(), HasSubstr("price"));
}

TEST(Service, ARequestValueCannotHaveAFeaturesName) {
  catalog::OnDemandDef clash = basket();
  clash.request.front().name = "price";
  catalog::ServiceDef definition;
  definition.name = "shop";
  definition.items = {item("profile", {"price"}), item("basket")};
  EXPECT_EQ(compile_service(definition, test_views(), {{"basket", clash}}).code(),
            Code::kInvalidArgument);
}

TEST(Service, OfNothingIsRefused) {
  EXPECT_EQ(compile({}).code(), Code::kInvalidArgument);
}

/// `rows` times one instant.
data::ColumnPtr at(int64_t micros, int64_t rows) {
  return data::constant_column(data::Scalar::timestamp(micros), rows);
}

TEST(OnDemand, NowIsTheInstantOfTheQuestion) {
  catalog::OnDemandDef waiting;
  waiting.name = "waiting";
  waiting.request = {{"ordered", data::Type::kTimestamp, true}};
  waiting.features = {{"seconds", "epoch(now() - ordered)", {}},
                      {"long", "seconds > 60 AND hour(now()) >= 1", {}}};
  const data::Schema available(waiting.request);
  const OnDemandViewPtr view = OnDemandView::compile(waiting, available).value();
  EXPECT_THAT(view->inputs(), testing::ElementsAre("ordered"));
  const data::Batch inputs(data::make_schema(waiting.request), {at(0, 1)}, 1);
  const data::Batch soon = view->evaluate(inputs, at(1'500'000, 1)).value();
  EXPECT_EQ(exact_text(soon.column(0).scalar(0)), exact_text(data::Scalar::float64(1.5)));
  EXPECT_EQ(soon.column(1).scalar(0), data::Scalar::boolean(false));
  const data::Batch late = view->evaluate(inputs, at(60 * kMinute, 1)).value();
  EXPECT_EQ(late.column(1).scalar(0), data::Scalar::boolean(true));
}

TEST(OnDemand, OneRowAndManyRowsGiveEqualBits) {
  const data::Schema available(
      {{"offer", data::Type::kFloat64, true}, {"price", data::Type::kFloat64, true}});
  const OnDemandViewPtr view = OnDemandView::compile(basket(), available).value();
  EXPECT_THAT(view->inputs(), testing::ElementsAre("offer", "price"));
  const auto random = seeded_random(3);
  data::BatchBuilder builder(data::make_schema(available.fields()));
  for (int i = 0; i < 100; ++i) {
    builder.column(0).append(static_cast<double>(random->below(1000)) / 7.0);
    if (random->below(5) == 0) {
      builder.column(1).append_null();
    } else {
      builder.column(1).append(static_cast<double>(random->below(3)) / 3.0);
    }
  }
  const data::Batch inputs = builder.finish();
  const data::Batch many = view->evaluate(inputs, at(0, inputs.rows())).value();
  for (int64_t row = 0; row < inputs.rows(); ++row) {
    const data::Batch one = view->evaluate(inputs.slice(row, row + 1), at(0, 1)).value();
    EXPECT_EQ(exact_text(one), exact_text(many.slice(row, row + 1)));
  }
}

TEST(OnDemand, WrongExpressionsNameViewAndFeature) {
  catalog::OnDemandDef wrong = basket();
  wrong.features.front().expression = "pirce - offer";
  const data::Schema available(
      {{"offer", data::Type::kFloat64, true}, {"price", data::Type::kFloat64, true}});
  const Result<OnDemandViewPtr> view = OnDemandView::compile(wrong, available);
  EXPECT_EQ(view.code(), Code::kInvalidArgument);
  EXPECT_THAT(view.status().message(), HasSubstr("saving"));
  EXPECT_THAT(view.status().message(), HasSubstr("price"));
}

TEST(OnDemand, MissingOrMistypedInputsAreRefused) {
  const data::Schema available(
      {{"offer", data::Type::kFloat64, true}, {"price", data::Type::kFloat64, true}});
  const OnDemandViewPtr view = OnDemandView::compile(basket(), available).value();
  EXPECT_EQ(view->evaluate(batch_of({}), at(0, 0)).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::gold
