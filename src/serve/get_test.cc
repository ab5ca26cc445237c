#include "serve/get.h"

#include <gtest/gtest.h>

#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

using data::FeatureStatus;
using data::Scalar;

RequestRows ask(const std::vector<std::optional<std::string>>& users,
                std::optional<double> amount) {
  RequestRows rows;
  rows.rows = static_cast<int64_t>(users.size());
  rows.columns = {{"user_id", {}}, {"amount", {}}};
  for (const std::optional<std::string>& user : users) {
    rows.columns[0].values.push_back(user.has_value() ? Scalar::string(*user)
                                                      : Scalar::null(data::Type::kString));
    rows.columns[1].values.push_back(amount.has_value() ? Scalar::float64(*amount)
                                                        : Scalar::null(data::Type::kFloat64));
  }
  return rows;
}

TEST(Get, FeaturesAndOnDemandFeaturesAnswerInServiceOrder) {
  ServingFixture fixture;
  const auto answer = get_online_features(*fixture.state->services.at("shop"),
                                          *fixture.store,
                                          ask({"u1", "nobody"}, 10.0),
                                          EventTime{ServingFixture::kNow});
  ASSERT_TRUE(answer.ok()) << answer.status().to_string();
  EXPECT_EQ(answer->value(0, 0), Scalar::float64(1.5));
  EXPECT_EQ(answer->value(1, 0), Scalar::float64(2.0));
  EXPECT_EQ(answer->value(2, 0), Scalar::float64(20.0));
  EXPECT_EQ(answer->value(3, 0), Scalar::float64(12.0));
  EXPECT_EQ(answer->event_time(0, 0), EventTime{ServingFixture::kTime});
  EXPECT_EQ(answer->event_time(2, 0), EventTime{});
  EXPECT_EQ(answer->status(0, 1), FeatureStatus::kNotFound);
  EXPECT_EQ(answer->value(2, 1), Scalar::float64(20.0)) << "needs no feature";
  EXPECT_EQ(answer->status(3, 1), FeatureStatus::kNullValue)
      << "a missing feature is null to expressions";
  EXPECT_EQ(answer->now, EventTime{ServingFixture::kNow});
  EXPECT_EQ(answer->known_until, EventTime{ServingFixture::kTime});
}

TEST(Get, ANullKeyIsNotFoundAndTheOthersKeepTheirPlaces) {
  ServingFixture fixture;
  const auto answer =
      get_online_features(*fixture.state->services.at("shop"),
                          *fixture.store,
                          ask({std::nullopt, "u1", std::nullopt, "u2"}, std::nullopt),
                          EventTime{ServingFixture::kNow});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->status(0, 0), FeatureStatus::kNotFound);
  EXPECT_EQ(answer->value(0, 1), Scalar::float64(1.5));
  EXPECT_EQ(answer->status(0, 2), FeatureStatus::kNotFound);
  EXPECT_EQ(answer->status(0, 3), FeatureStatus::kNullValue);
}

TEST(Get, RowsThatDoNotFitAreInvalid) {
  ServingFixture fixture;
  const gold::Service& service = *fixture.state->services.at("shop");
  RequestRows no_key = ask({"u1"}, 1.0);
  no_key.columns.erase(no_key.columns.begin());
  RequestRows short_key = ask({"u1", "u2"}, 1.0);
  short_key.columns[0].values.pop_back();
  RequestRows wrong_type = ask({"u1"}, 1.0);
  wrong_type.columns[0].values[0] = Scalar::int64(1);
  RequestRows no_amount = ask({"u1"}, 1.0);
  no_amount.columns.pop_back();
  for (const RequestRows& rows : {no_key, short_key, wrong_type, no_amount}) {
    EXPECT_EQ(get_online_features(service, *fixture.store, rows, EventTime{1}).code(),
              Code::kInvalidArgument);
  }
}

TEST(Get, NoRowsGiveAnEmptyAnswer) {
  ServingFixture fixture;
  const auto answer = get_online_features(
      *fixture.state->services.at("shop"), *fixture.store, ask({}, 1.0), EventTime{1});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->rows(), 0);
}

/// A view that counts the rows that are read of it.
class CountedView : public online::FakeView {
 public:
  using FakeView::FakeView;
  [[nodiscard]] Result<gold::FeatureValues> read_online_row(std::string_view row,
                                                            EventTime now) const override {
    ++rows;
    return FakeView::read_online_row(row, now);
  }
  mutable int64_t rows = 0;
};

TEST(Get, AnEntityThatIsAskedOftenIsReadOnce) {
  ServingFixture fixture;
  const auto counted = std::make_shared<CountedView>(
      "counted", std::vector<data::Field>{{"user_id", data::Type::kString}}, 2);
  fixture.apply(counted, {{"u1", ServingFixture::kTime, ServingFixture::kTime, {4.5, {}}}});
  ServingState state = fixture.make_state();
  state.views.emplace("counted", counted);
  catalog::ServiceDef all;
  all.name = "all";
  for (const char* const view : {"clicks", "counted", "routes", "spend"}) {
    all.items.push_back({view, {}, {}, std::string(view) + "_"});
  }
  const auto service = *gold::compile_service(all, state.views, state.on_demand);
  const EventTime now{ServingFixture::kNow};
  const std::vector<std::string> users{"u1", "u2", "nobody", "Zoë \"q\""};
  const uint64_t seed = 20261129;
  const auto random = seeded_random(seed);
  for (const int64_t count : {1, 2, 256, 257, 1000, 5000}) {
    RequestRows rows{{{"user_id", {}}, {"item_id", {}}}, count};
    for (int64_t row = 0; row < count; ++row) {
      rows.columns[0].values.push_back(Scalar::string(users[random->below(users.size())]));
      rows.columns[1].values.push_back(Scalar::int64(static_cast<int64_t>(random->below(3))));
    }
    if (count > 2) {  // nobody's: by the general way alone
      RequestRows with_null = rows;
      with_null.columns[0].values[1] = Scalar::null(data::Type::kString);
      const auto answer = get_online_features(*service, *fixture.store, with_null, now);
      ASSERT_TRUE(answer.ok());
      const auto without = get_online_features(*service, *fixture.store, rows, now);
      for (int64_t row = 0; row < count; ++row) {
        for (int f = 0; f < static_cast<int>(service->features.size()); ++f) {
          if (row == 1) {
            EXPECT_NE(answer->status(f, row), FeatureStatus::kPresent);
          } else {
            ASSERT_EQ(answer->value(f, row), without->value(f, row));
            ASSERT_EQ(answer->status(f, row), without->status(f, row));
          }
        }
      }
    }
    counted->rows = 0;
    const auto flat = *get_flat_features(*service, *fixture.store, rows, now);
    ASSERT_TRUE(flat.has_value());
    const auto general = get_online_features(*service, *fixture.store, rows, now);
    ASSERT_TRUE(general.ok());
    EXPECT_EQ(counted->rows, 2 * (count > 256 ? 4 : count));
    for (int64_t row = 0; row < count; ++row) {  // the naive twin: each row alone
      const auto at = static_cast<std::size_t>(row);
      const RequestRows one{
          {{"user_id", {rows.columns[0].values[at]}}, {"item_id", {rows.columns[1].values[at]}}},
          1};
      const auto alone = get_online_features(*service, *fixture.store, one, now);
      for (int f = 0; f < static_cast<int>(service->features.size()); ++f) {
        const gold::ServiceFeature& feature = service->features[static_cast<std::size_t>(f)];
        const std::size_t place = flat->at(feature, row);
        ASSERT_EQ(flat->values.scalar(place, feature.type), alone->value(f, 0));
        ASSERT_EQ(flat->values.status(place), alone->status(f, 0));
        ASSERT_EQ(flat->event_time(feature.view_index, row), alone->event_time(f, 0));
        ASSERT_EQ(general->value(f, row), alone->value(f, 0));
        ASSERT_EQ(general->status(f, row), alone->status(f, 0));
        ASSERT_EQ(general->event_time(f, row), alone->event_time(f, 0));
      }
    }
  }
}

TEST(Get, AThreadKeepsNoKeysAndLittleRoomForThem) {
  ServingFixture fixture;
  catalog::ServiceDef all;
  all.name = "all";
  for (const char* const view : {"clicks", "routes", "spend"}) {
    all.items.push_back({view, {}, {}, std::string(view) + "_"});
  }
  const auto service = *gold::compile_service(all, fixture.state->views, fixture.state->on_demand);
  for (const int64_t count : {1, 3000, 4000, 20'000, 2, 4000}) {
    RequestRows rows{{{"user_id", {}}, {"item_id", {}}}, count};
    for (int64_t row = 0; row < count; ++row) {
      rows.columns[0].values.push_back(Scalar::string(std::string(400, 'u') + std::to_string(row)));
      rows.columns[1].values.push_back(Scalar::int64(row));
    }
    auto flat = get_flat_features(*service, *fixture.store, rows, EventTime{ServingFixture::kNow});
    ASSERT_TRUE(flat.ok()) << flat.status().to_string();
    ASSERT_TRUE(flat->has_value());
    EXPECT_EQ((*flat)->rows, count);
    keep_memory_of(**std::move(flat));
    EXPECT_LE(kept_key_bytes(), kKeptKeyBytesMax) << count;
  }
}

}  // namespace
}  // namespace assay::serve
