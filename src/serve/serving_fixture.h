#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gold/service.h"
#include "online/fake_view.h"
#include "online/online_store.h"
#include "online/store_fixture.h"
#include "serve/serving_state.h"

namespace assay::serve {

/// Adds up its inputs, missing ones counting 100, and something more.
class SumScorer : public learn::Scorer {
 public:
  explicit SumScorer(int features, float more = 0) : features_(features), more_(more) {}
  [[nodiscard]] int feature_count() const override { return features_; }
  [[nodiscard]] float score(std::span<const float> features) const override {
    float sum = more_;
    for (const float feature : features) {
      sum += feature == feature ? feature : 100.0F;
    }
    return sum;
  }

 private:
  int features_;
  float more_;
};

/// A small project in memory: view `clicks` by user (f0, f1), view `spend` by user (f0; ttl 1 h),
/// view `routes` by user and item (f0), on-demand view `basket` (request `amount`; double_amount,
/// with_f1), service `shop`, model `buy`. Now is 1970-01-02T00:00:00Z; user u1 has rows at 23:30 on
/// day one.
struct ServingFixture {
  ServingFixture() {
    store = online::make_memory_store(world.metrics);
    apply(clicks,
          {{"u1", kTime, kTime, {1.5, 2.0}},
           {"u2", kTime, kTime, {{}, -0.0}},
           {"Zoë \"q\"", 0, 0, {1e22, 7.0}}});
    apply(spend,
          {{"u1", kTime, kTime, {9.25}}, {"u2", kTime - 2 * kHour, kTime - 2 * kHour, {4.0}}});
    apply(routes, {});
    state = std::make_shared<const ServingState>(make_state());
  }

  void apply(const std::shared_ptr<online::FakeView>& view,
             const std::vector<online::FakeRow>& rows) {
    const Status applied =
        store->apply(*view, online::fake_batch(*view, rows), std::nullopt, 0, EventTime{kTime});
    ASSAY_CHECK(applied.ok());
  }

  ServingState make_state() const {
    ServingState made;
    made.project = "shop";
    made.views = {{"clicks", clicks}, {"spend", spend}, {"routes", routes}};
    catalog::OnDemandDef basket;
    basket.name = "basket";
    basket.request = {{"amount", data::Type::kFloat64}};
    basket.features = {{"double_amount", "amount * 2", {}}, {"with_f1", "amount + f1", {}}};
    made.on_demand = {{"basket", basket}};
    catalog::ServiceDef shop;
    shop.name = "shop";
    shop.items = {{"clicks", {}, {}}, {"basket", {}, {}}};
    const auto service = gold::compile_service(shop, made.views, made.on_demand);
    ASSAY_CHECK(service.ok());
    made.services = {{"shop", *service}};
    const auto model = ServingModel::make(
        "buy", "3", *service, std::make_shared<SumScorer>(3), {"f1", "f0", "double_amount"});
    ASSAY_CHECK(model.ok());
    made.models.emplace("buy", *model);
    return made;
  }

  static constexpr int64_t kHour = 3600 * kMicrosPerSecond;
  static constexpr int64_t kTime = 23 * kHour + kHour / 2;
  static constexpr int64_t kNow = 24 * kHour;

  std::shared_ptr<online::FakeView> clicks = std::make_shared<online::FakeView>(
      "clicks", std::vector<data::Field>{{"user_id", data::Type::kString}}, 2);
  std::shared_ptr<online::FakeView> spend = std::make_shared<online::FakeView>(
      "spend", std::vector<data::Field>{{"user_id", data::Type::kString}}, 1, Duration{kHour});
  std::shared_ptr<online::FakeView> routes = std::make_shared<online::FakeView>(
      "routes",
      std::vector<data::Field>{{"user_id", data::Type::kString}, {"item_id", data::Type::kInt64}},
      1);
  FakeClock clock{EventTime{kNow}};
  std::unique_ptr<FileSystem> files = system_files();
  std::unique_ptr<Random> random = seeded_random(1);
  std::unique_ptr<Log> log = null_log();
  Metrics metrics;
  World world{clock, *files, *random, *log, metrics};
  std::unique_ptr<online::OnlineStore> store;
  std::shared_ptr<const ServingState> state;
};

}  // namespace assay::serve
