#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <xgboost/c_api.h>

#include "base/check.h"
#include "base/temp_folder.h"
#include "learn/scorer.h"
#include "online/online_store.h"
#include "online/store_fixture.h"
#include "serve/feature_server.h"
#include "served_shape.h"

// What the servers under measurement answer from: a filled store, services and a model.

namespace assay::bench {

inline constexpr int kTrees = 200;

inline void check(int xgboost_answer) {
  ASSAY_CHECK(xgboost_answer == 0);
}

/// Trees of depth 6 over values like those that are served.
inline std::string train() {
  constexpr int64_t kRows = 4000;
  std::vector<float> values;
  std::vector<float> labels;
  for (int64_t row = 0; row < kRows; ++row) {
    float sum = 0;
    for (int f = 0; f < kFeatures; ++f) {
      values.push_back(static_cast<float>(feature_value(row, f)));
      sum += values.back() * (f % 3 == 0 ? 1.0F : -0.5F);
    }
    labels.push_back(sum > 0 ? 1.0F : 0.0F);
  }
  DMatrixHandle matrix = nullptr;
  BoosterHandle booster = nullptr;
  check(XGDMatrixCreateFromMat(values.data(), kRows, kFeatures, -1, &matrix));
  check(XGDMatrixSetFloatInfo(matrix, "label", labels.data(), kRows));
  check(XGBoosterCreate(&matrix, 1, &booster));
  for (const auto& [name, value] : {std::pair{"tree_method", "hist"},
                                    {"max_depth", "6"},
                                    {"eta", "0.02"},
                                    {"objective", "binary:logistic"},
                                    {"verbosity", "0"},
                                    {"nthread", "1"}}) {
    check(XGBoosterSetParam(booster, name, value));
  }
  for (int tree = 0; tree < kTrees; ++tree) {
    check(XGBoosterUpdateOneIter(booster, tree, matrix));
  }
  bst_ulong size = 0;
  const char* bytes = nullptr;
  check(XGBoosterSaveModelToBuffer(booster, R"({"format": "json"})", &size, &bytes));
  std::string model(bytes, size);
  check(XGBoosterFree(booster));
  check(XGDMatrixFree(matrix));
  return model;
}

/// All that servers answer from.
struct Line {
  /// `kind`: of a store in a folder, or the URL of one.
  explicit Line(int64_t the_entities, std::string kind)
      : entities(the_entities),
        place(kind.find("://") == std::string::npos ? kind + ":" + folder.path() : kind) {
    state.project = "bench";
    for (int view = 0; view < kViews; ++view) {
      state.views["view" + std::to_string(view)] = make_view(view);
    }
    state.services["one"] = make_service("one", 1, state.views);
    state.services["all"] = make_service("all", kViews, state.views);
    scorer = learn::Scorer::load(train()).value();
    std::vector<std::string> names;
    for (int f = 0; f < kFeatures; ++f) {
      names.push_back(feature_name(f));
    }
    state.models.emplace(
        "buy", serve::ServingModel::make("buy", "1", state.services["all"], scorer, names).value());
    fill();
  }
  void fill() {
    SystemWorld system;
    const auto store = online::open_online_store(system.world(), place, false).value();
    constexpr int64_t kRowsPerApply = 20'000;
    for (int view = 0; view < kViews; ++view) {
      std::optional<int64_t> position;
      for (int64_t begin = 0; begin < entities; begin += kRowsPerApply) {
        const data::Batch rows = user_rows(view, begin, std::min(entities, begin + kRowsPerApply));
        const auto& known = state.views.at("view" + std::to_string(view));
        ASSAY_CHECK(
            store->apply(*known, rows, position, begin, EventTime{1'700'000'001'000'000}).ok());
        position = begin;
      }
    }
  }

  const int64_t entities;
  TempFolder folder;
  const std::string place;
  serve::ServingState state;
  std::shared_ptr<const learn::Scorer> scorer;
};

/// Owns what the handler answers from.
struct FeaturesOf {
  explicit FeaturesOf(const Line& line)
      : store(online::open_online_store(system.world(), line.place, true).value()),
        features(system.world(), *store, std::make_shared<const serve::ServingState>(line.state)) {}
  SystemWorld system;
  std::unique_ptr<online::OnlineStore> store;
  serve::FeatureServer features;
};

}  // namespace assay::bench
