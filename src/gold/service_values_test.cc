#include "gold/service_values.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "gold/training_set.h"
#include "gold/view_fixture.h"

// A service that looks at other entities' features: a user's country, the country's features, and
// all users together. Its twin asks the rows themselves.

namespace assay::gold {
namespace {

using catalog::Aggregate;
using catalog::FeatureDef;

struct Event {
  std::string key;  // the user; of countries the country
  int64_t event_time = 0;
  int64_t known_time = 0;
  double amount = 0;
  std::optional<std::string> country{};
};

struct World3 {
  std::vector<Event> orders;
  std::vector<Event> profiles;
  std::vector<Event> countries;
};

const char* const kUsers[] = {"u0", "u1", "u2", "u3"};
const char* const kCountries[] = {"AT", "DE", "FR"};

std::vector<Event> random_events(Random& random, int count, bool of_countries) {
  std::vector<Event> events;
  for (int i = 0; i < count; ++i) {
    Event event;
    event.key = of_countries ? kCountries[random.below(3)] : kUsers[random.below(3)];
    event.event_time = kTestStart + static_cast<int64_t>(random.below(40)) * 5 * kMinute;
    event.known_time = event.event_time + static_cast<int64_t>(random.below(4)) * 7 * kMinute;
    event.amount = static_cast<double>(random.below(100));
    if (random.below(5) != 0) {
      event.country = kCountries[random.below(3)];
    }
    events.push_back(event);
  }
  return events;
}

data::Batch batch_of(const std::string& key, const std::vector<Event>& events) {
  data::BatchBuilder builder(data::make_schema({{key, data::Type::kString, true},
                                                {"amount", data::Type::kFloat64, true},
                                                {"home", data::Type::kString, true},
                                                {"event_time", data::Type::kTimestamp, false},
                                                {"known_time", data::Type::kTimestamp, false},
                                                {"sequence", data::Type::kInt64, false}}));
  int64_t sequence = 0;
  for (const Event& event : events) {
    builder.column(0).append_text(event.key);
    builder.column(1).append(event.amount);
    if (event.country) {
      builder.column(2).append_text(*event.country);
    } else {
      builder.column(2).append_null();
    }
    builder.column(3).append(event.event_time);
    builder.column(4).append(event.known_time);
    builder.column(5).append(sequence++);
  }
  return builder.finish();
}

FeatureDef window(const std::string& name, Aggregate aggregate) {
  FeatureDef feature;
  feature.kind = FeatureDef::Kind::kWindow;
  feature.name = name;
  feature.aggregate = aggregate;
  feature.of = aggregate == Aggregate::kCount ? "" : "amount";
  feature.over = {{60 * kMinute}};
  return feature;
}

FeatureDef latest(const std::string& name, const std::string& column) {
  FeatureDef feature;
  feature.name = name;
  feature.column = column;
  return feature;
}

FeatureViewPtr view_of(const std::string& name,
                       const std::string& key,
                       std::vector<FeatureDef> features,
                       std::optional<Duration> ttl = {}) {
  catalog::FeatureViewDef view;
  view.name = name;
  view.from = "table";
  view.slide = {kTestSlide};
  view.ttl = ttl;
  view.features = std::move(features);
  catalog::EntityDef entity;
  if (!key.empty()) {
    entity.keys = {{key, data::Type::kString, false}};
  }
  const data::SchemaPtr schema = batch_of(key.empty() ? "user" : key, {}).schema_ptr();
  return FeatureView::compile(view, entity, *schema).value();
}

std::map<std::string, FeatureViewPtr> test_views() {
  return {
      {"spend",
       view_of(
           "spend", "user", {window("total", Aggregate::kSum), window("mean", Aggregate::kMean)})},
      {"everyone",
       view_of("everyone",
               "",
               {window("total", Aggregate::kSum),
                window("mean", Aggregate::kMean),
                window("dev", Aggregate::kStddev)})},
      {"profile", view_of("profile", "user", {latest("home", "home")}, Duration{90 * kMinute})},
      {"land", view_of("land", "country", {latest("tax", "amount")})}};
}

catalog::DerivedDef derived(const std::string& name,
                            std::vector<catalog::ServiceItem> inputs,
                            std::vector<catalog::OnDemandDef::Feature> features) {
  catalog::DerivedDef view;
  view.name = name;
  view.inputs = std::move(inputs);
  view.features = std::move(features);
  return view;
}

std::map<std::string, catalog::DerivedDef> test_derived() {
  return {
      {"compared",
       derived("compared",
               {{"spend", {}, {}},
                {"everyone", {}, {}, "all_"},
                {"profile", {}, {}},
                {"land", {}, {}, "", {{"country", "home", {}}}}},
               {{"z", "(mean_1h - all_mean_1h) / nullif(all_dev_1h, 0)", {}},
                {"part", "total_1h / nullif(all_total_1h, 0)", {}},
                {"taxed", "total_1h * tax", {}},
                {"doubled", "taxed * 2", {}},
                {"minute", "minute(now())", {}}})},
      {"again",
       derived(
           "again",
           {{"compared", {"taxed"}, {}},
            {"land", {}, {}, "paid_", {{"country", "CASE WHEN taxed > 500 THEN 'DE' END", {}}}}},
           {{"sum", "taxed + coalesce(paid_tax, 0)", {}}})}};
}

std::shared_ptr<const Service> test_service() {
  catalog::ServiceDef definition;
  definition.name = "all";
  definition.items = {{"compared", {}, {}},
                      {"profile", {"home"}, {}},
                      {"land", {"tax"}, {}, "", {{"country", "home", {}}}},
                      {"again", {"sum"}, {}}};
  Result<std::shared_ptr<const Service>> service =
      compile_service(definition, test_views(), {}, test_derived());
  EXPECT_TRUE(service.ok()) << service.status().to_string();
  return *service;
}

World3 random_world(Random& random) {
  return {random_events(random, 60, false),
          random_events(random, 12, false),
          random_events(random, 12, true)};
}

data::Batch rows_of(const World3& world, const FeatureView& view) {
  if (view.name() == "land") {
    return batch_of("country", world.countries);
  }
  return batch_of("user", view.name() == "profile" ? world.profiles : world.orders);
}

/// What serving reads: one online row, from the entity's rows.
FeatureValues read_online(const World3& world,
                          const FeatureView& view,
                          const data::EntityKey& key,
                          EventTime now) {
  const data::Batch rows = rows_of(world, view);
  std::vector<const data::Column*> keys;
  for (const data::Field& field : view.keys()) {
    keys.push_back(rows.find(field.name));
  }
  std::vector<int64_t> selected;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    if (data::encode_key(keys, row) == key) {
      selected.push_back(row);
    }
  }
  std::string bytes;
  EXPECT_TRUE(selected.empty() || view.update_online_row(rows, selected, now, &bytes).ok());
  return view.read_online_row(bytes, now).value();
}

const Event* newest(const std::vector<Event>& events, const std::string& key, int64_t at) {
  const Event* found = nullptr;
  for (const Event& event : events) {
    if (event.key == key && event.event_time <= at && event.known_time <= at &&
        (found == nullptr || std::pair(event.event_time, event.known_time) >=
                                 std::pair(found->event_time, found->known_time))) {
      found = &event;
    }
  }
  return found;
}

std::optional<double> total(const std::vector<Event>& events, const std::string& user, int64_t at) {
  const int64_t end = at / kTestSlide * kTestSlide;
  std::optional<double> sum;
  for (const Event& event : events) {
    if ((user.empty() || event.key == user) && event.event_time < end && event.known_time <= at &&
        event.event_time >= end - 60 * kMinute) {
      sum = sum.value_or(0) + event.amount;
    }
  }
  return sum;
}

struct Twin {
  std::optional<std::string> home;
  std::optional<double> tax;
  std::optional<double> taxed;
  std::optional<double> part;
};

Twin naive(const World3& world, const std::string& user, int64_t at) {
  Twin twin;
  const Event* profile = newest(world.profiles, user, at);
  if (profile != nullptr && at - profile->event_time <= 90 * kMinute) {
    twin.home = profile->country;
  }
  const Event* land = twin.home ? newest(world.countries, *twin.home, at) : nullptr;
  const std::optional<double> own = total(world.orders, user, at);
  const std::optional<double> all = total(world.orders, "", at);
  if (land != nullptr) {
    twin.tax = land->amount;
  }
  if (own && twin.tax) {
    twin.taxed = *own * *twin.tax;
  }
  if (own && all && *all != 0) {
    twin.part = *own / *all;
  }
  return twin;
}

std::string text_of(const std::optional<double>& value) {
  return exact_text(value ? data::Scalar::float64(*value)
                          : data::Scalar::null(data::Type::kFloat64));
}

TEST(ServiceValues, TrainingServingAndTheNaiveTwinAgree) {
  const std::shared_ptr<const Service> service = test_service();
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::unique_ptr<Random> random = seeded_random(seed);
    const World3 world = random_world(*random);
    data::BatchBuilder labels(data::make_schema(
        {{"user", data::Type::kString, true}, {"event_time", data::Type::kTimestamp, true}}));
    for (int i = 0; i < 40; ++i) {
      labels.column(0).append_text(kUsers[random->below(4)]);
      labels.column(1).append(kTestStart + static_cast<int64_t>(random->below(300)) * kMinute -
                              static_cast<int64_t>(random->below(2)));
    }
    TrainingSetOptions options;
    options.with_statuses = true;
    const data::Batch set =
        training_set(
            *service,
            labels.finish(),
            [&](const FeatureView& view, EventTime, EventTime) {
              return view.steps(
                  rows_of(world, view), data::Batch(), EventTime::min(), EventTime::max(), 1);
            },
            options)
            .value();
    for (int64_t row = 0; row < set.rows(); ++row) {
      const std::string user(set.column(0).text(row));
      const int64_t at = set.column(1).values<int64_t>()[static_cast<std::size_t>(row)];
      SCOPED_TRACE(user + " at " + format_time({at}));
      const std::vector<data::Scalar> asked = {data::Scalar::string(user)};
      const ServiceReading reading =
          read_service(
              *service,
              1,
              {at},
              [&](const data::Field&) { return Result<const std::vector<data::Scalar>*>(&asked); },
              [&](const FeatureView& view, std::span<const data::EntityKey> keys) {
                std::vector<FeatureValues> values;
                for (const data::EntityKey& key : keys) {
                  values.push_back(read_online(world, view, key, {at}));
                }
                return Result<std::vector<FeatureValues>>(values);
              })
              .value();
      for (const ServiceFeature& feature : service->features) {
        const std::string offline = exact_text(set.find(feature.name)->scalar(row));
        if (feature.derived_index >= 0) {
          const data::ColumnPtr& column =
              reading.derived[static_cast<std::size_t>(feature.derived_index)]
                             [static_cast<std::size_t>(feature.feature_index)];
          EXPECT_EQ(exact_text(column->scalar(0)), offline) << feature.name;
          continue;
        }
        const ViewReading& view = reading.views[static_cast<std::size_t>(feature.view_index)];
        const std::string status(set.find(feature.name + "__status")->text(row));
        if (view.answer_of[0] < 0) {
          EXPECT_EQ(status, "NOT_FOUND") << feature.name;
          EXPECT_TRUE(set.find(feature.name)->is_null(row));
          continue;
        }
        const auto index = static_cast<std::size_t>(feature.feature_index);
        EXPECT_EQ(exact_text(view.answers[0].values[index]), offline) << feature.name;
        EXPECT_EQ(data::status_name(view.answers[0].statuses[index]), status) << feature.name;
      }
      const Twin twin = naive(world, user, at);
      EXPECT_EQ(set.find("home")->is_null(row), !twin.home.has_value());
      EXPECT_TRUE(!twin.home || set.find("home")->text(row) == *twin.home);
      EXPECT_EQ(exact_text(set.find("tax")->scalar(row)), text_of(twin.tax));
      EXPECT_EQ(exact_text(set.find("taxed")->scalar(row)), text_of(twin.taxed));
      EXPECT_EQ(exact_text(set.find("part")->scalar(row)), text_of(twin.part));
    }
  }
}

TEST(ServiceValues, AViewIsReadOnceForEachWayToItsKeys) {
  const std::shared_ptr<const Service> service = test_service();
  std::vector<std::string> views;
  for (const FeatureViewPtr& view : service->views) {
    views.push_back(view->name());
  }
  EXPECT_EQ(views, (std::vector<std::string>{"spend", "everyone", "profile", "land", "land"}));
  ASSERT_EQ(service->entity_keys.size(), 1U);
  EXPECT_EQ(service->entity_keys[0].name, "user");
  EXPECT_EQ(views_behind_keys(*service, 3), (std::vector<int>{2}));
  EXPECT_EQ(views_behind_keys(*service, 4), (std::vector<int>{0, 1, 3}));
  EXPECT_EQ(features_read(*service)[1], (std::vector<int>{0, 1, 2}));
}

Code compile_code(catalog::ServiceItem item, std::map<std::string, catalog::DerivedDef> derived) {
  catalog::ServiceDef definition;
  definition.name = "s";
  definition.items = {{"profile", {}, {}}, std::move(item)};
  return compile_service(definition, test_views(), {}, derived).code();
}

TEST(ServiceValues, BadDefinitionsAreRefused) {
  EXPECT_EQ(compile_code({"land", {}, {}, "", {{"country", "home", {}}}}, {}), Code::kOk);
  EXPECT_EQ(compile_code({"land", {}, {}, "", {{"country", "hom", {}}}}, {}),
            Code::kInvalidArgument);
  EXPECT_EQ(compile_code({"land", {}, {}, "", {{"country", "length(home)", {}}}}, {}),
            Code::kInvalidArgument);
  EXPECT_EQ(compile_code({"a", {}, {}},
                         {{"a", derived("a", {{"b", {}, {}}}, {{"x", "1", {}}})},
                          {"b", derived("b", {{"a", {}, {}}}, {{"y", "1", {}}})}}),
            Code::kInvalidArgument);
  EXPECT_EQ(compile_code({"a", {}, {}}, {{"a", derived("a", {{"lend", {}, {}}}, {})}}),
            Code::kNotFound);
  EXPECT_EQ(compile_code({"a", {}, {}},
                         {{"a", derived("a", {{"spend", {}, {}}, {"everyone", {}, {}}}, {})}}),
            Code::kInvalidArgument);
  EXPECT_EQ(
      compile_code({"a", {"y"}, {}}, {{"a", derived("a", {{"spend", {}, {}}}, {{"x", "1", {}}})}}),
      Code::kNotFound);
}

}  // namespace
}  // namespace assay::gold
