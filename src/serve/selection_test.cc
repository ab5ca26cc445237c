#include "serve/selection.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

RequestBody asking(std::vector<std::string> features) {
  RequestBody body;
  body.features = std::move(features);
  return body;
}

TEST(Selection, ASelectionSeenBeforeIsTheSameObject) {
  ServingFixture fixture;
  Selections selections(fixture.state, fixture.metrics);
  const auto first = selections.select(asking({"clicks:f1", "spend:f0"})).selection;
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(selections.select(asking({"clicks:f1", "spend:f0"})).selection, first);
  EXPECT_NE(selections.select(asking({"spend:f0", "clicks:f1"})).selection, first)
      << "order counts";
  EXPECT_EQ(first->names, (std::vector<std::string>{"f1", "f0"}));
}

TEST(Selection, ARefusedSelectionIsNotRemembered) {
  ServingFixture fixture;
  Selections selections(fixture.state, fixture.metrics);
  EXPECT_EQ(selections.select(asking({"nope:x"})).refusal.status, 404);
  EXPECT_EQ(selections.select(asking({"nope:x"})).refusal.status, 404);
}

TEST(Selection, TwoSelectionsAreNeverTakenForOne) {
  ServingFixture fixture;
  Selections selections(fixture.state, fixture.metrics);
  RequestBody body = asking({"clicks:f0", "clicks:f1"});
  ASSERT_NE(selections.select(body).selection, nullptr);
  for (const char* const joined : {"clicks:f0\nclicks:f1", "clicks:f0clicks:f1"}) {
    EXPECT_EQ(selections.select(asking({joined})).selection, nullptr) << joined;
  }
  const std::string nul(1, '\0');
  EXPECT_EQ(selections.select(asking({"clicks:f0" + nul + "clicks:f1"})).selection, nullptr);
}

/// A series of metrics for each number that a client thinks of would never end.
TEST(Selection, NumbersThatClientsChooseAreLabelsUpToTheNextPowerOfTwo) {
  ServingFixture fixture;
  ServingState state = fixture.make_state();
  state.views["wide"] = std::make_shared<online::FakeView>(
      "wide", std::vector<data::Field>{{"user_id", data::Type::kString}}, 40);
  Selections selections(std::make_shared<const ServingState>(state), fixture.metrics);
  std::vector<std::string> features;
  for (int i = 0; i < 40; ++i) {
    features.push_back("wide:f" + std::to_string(i));
    ASSERT_NE(selections.select(asking(features)).selection, nullptr);
  }
  const std::string text = fixture.metrics.to_text();
  for (const int count : {1, 2, 4, 8, 16, 32, 64}) {
    EXPECT_NE(text.find("feature_count=\"" + std::to_string(count) + "\""), std::string::npos);
  }
  EXPECT_EQ(text.find("feature_count=\"3\""), std::string::npos);
  RequestBody service;
  service.feature_service = "shop";  // four features
  ASSERT_EQ(selections.select(service).selection->service->features.size(), 4U);
  state.services["three"] =
      selections.select(asking({"wide:f0", "wide:f1", "wide:f2"})).selection->service;
  Selections others(std::make_shared<const ServingState>(state), fixture.metrics);
  service.feature_service = "three";
  ASSERT_NE(others.select(service).selection, nullptr);
  EXPECT_NE(fixture.metrics.to_text().find("feature_count=\"3\""), std::string::npos)
      << "services are few";
}

TEST(Selection, AViewIsReadOnceHoweverManyOfItsFeaturesAreAsked) {
  ServingFixture fixture;
  Selections selections(fixture.state, fixture.metrics);
  RequestBody body = asking({"clicks:f1", "spend:f0", "clicks:f0"});
  body.full_feature_names = true;
  const auto selection = selections.select(body).selection;
  ASSERT_NE(selection, nullptr);
  EXPECT_EQ(selection->service->views.size(), 2U);
  EXPECT_EQ(selection->service->features[2].view_index, 0);
  EXPECT_EQ(selection->service->entity_keys.size(), 1U);
}

TEST(Selection, EverNewSelectionsAreAnsweredBeyondWhatIsRemembered) {
  ServingFixture fixture;
  ServingState state = fixture.make_state();
  state.views["wide"] = std::make_shared<online::FakeView>(
      "wide", std::vector<data::Field>{{"user_id", data::Type::kString}}, 40);
  Selections selections(std::make_shared<const ServingState>(state), fixture.metrics);
  std::size_t answered = 0;
  for (int a = 0; a < 40; ++a) {
    for (int b = 0; b < 40; ++b) {
      const auto selected =
          selections.select(asking({"wide:f" + std::to_string(a), "wide:f" + std::to_string(b)}));
      answered += selected.selection != nullptr ? 1 : 0;
    }
  }
  EXPECT_EQ(answered, 40 * 39U) << "all but a feature asked twice";
  EXPECT_GT(answered, Selections::kSelectionsMax);
}

TEST(Selection, WhatIsRememberedIsBoundedByItsBytes) {
  ServingFixture fixture;
  ServingState state = fixture.make_state();
  state.views["wide"] = std::make_shared<online::FakeView>(
      "wide", std::vector<data::Field>{{"user_id", data::Type::kString}}, 400);
  constexpr std::size_t kBytesMax = 100'000;
  Selections selections(std::make_shared<const ServingState>(state), fixture.metrics, kBytesMax);
  const Gauge& held = fixture.metrics.gauge("assay_serve_selections_bytes", "");
  double most = 0;
  for (int begin = 0; begin < 380; ++begin) {
    std::vector<std::string> features;
    for (int f = begin; f < begin + 10; ++f) {
      features.push_back("wide:f" + std::to_string(f));
    }
    const auto selected = selections.select(asking(features)).selection;
    ASSERT_NE(selected, nullptr);
    EXPECT_EQ(selections.select(asking(features)).selection, selected) << "the last one is";
    most = std::max(most, held.value());
    ASSERT_LE(held.value(), kBytesMax);
  }
  EXPECT_GT(most, kBytesMax / 2);
  std::vector<std::string> all;
  for (int f = 0; f < 400; ++f) {
    all.push_back("wide:f" + std::to_string(f));
  }
  const double before = held.value();
  EXPECT_NE(selections.select(asking(all)).selection, nullptr);
  EXPECT_EQ(held.value(), before) << "one that would fill all of it is made anew each time";
}

}  // namespace
}  // namespace assay::serve
