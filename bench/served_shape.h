#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "data/batch.h"
#include "gold/contract.h"
#include "gold/service.h"

// The shape that Feast's servers were measured with: users with five views of ten features each.

namespace assay::bench {

inline constexpr int kViews = 5;
inline constexpr int kViewFeatures = 10;
inline constexpr int kFeatures = kViews * kViewFeatures;

/// Four amounts with cents, three shares of 53 bits, three counts.
inline data::Type feature_type(int f) {
  return f < 7 ? data::Type::kFloat64 : data::Type::kInt64;
}
inline double feature_value(int64_t user, int feature) {
  uint64_t hash = static_cast<uint64_t>(user * kFeatures + feature) * 0x9E3779B97F4A7C15ULL;
  hash = (hash ^ (hash >> 31)) * 0xBF58476D1CE4E5B9ULL;
  hash ^= hash >> 29;
  const int f = feature % kViewFeatures;
  return f < 4   ? static_cast<double>(hash % 2'000'000) / 100.0
         : f < 7 ? static_cast<double>(hash >> 11) * 0x1p-53
                 : static_cast<double>(hash % 10'000);
}
inline std::string feature_name(int feature) {
  return "v" + std::to_string(feature / kViewFeatures) + "_f" +
         std::to_string(feature % kViewFeatures);
}

inline data::SchemaPtr source_schema(int view) {
  std::vector<data::Field> fields = {{"user_id", data::Type::kInt64, false},
                                     {"event_time", data::Type::kTimestamp, false},
                                     {"known_time", data::Type::kTimestamp, false},
                                     {"sequence", data::Type::kInt64, false}};
  for (int f = 0; f < kViewFeatures; ++f) {
    fields.push_back({feature_name(view * kViewFeatures + f), feature_type(f), false});
  }
  return data::make_schema(fields);
}

inline gold::FeatureViewPtr make_view(int view) {
  catalog::EntityDef entity;
  entity.name = "user";
  entity.keys = {{"user_id", data::Type::kInt64, false}};
  catalog::FeatureViewDef definition;
  definition.name = "view" + std::to_string(view);
  definition.entity = "user";
  definition.from = "events";
  for (int f = 0; f < kViewFeatures; ++f) {
    catalog::FeatureDef feature;
    feature.kind = catalog::FeatureDef::Kind::kLatest;
    feature.name = feature_name(view * kViewFeatures + f);
    feature.column = feature.name;
    definition.features.push_back(feature);
  }
  return gold::FeatureView::compile(definition, entity, *source_schema(view)).value();
}

/// Rows of a view for users [begin, end).
inline data::Batch user_rows(int view, int64_t begin, int64_t end) {
  constexpr int64_t kTime = 1'700'000'000'000'000;
  data::BatchBuilder builder(source_schema(view));
  for (int64_t user = begin; user < end; ++user) {
    builder.column(0).append<int64_t>(user);
    builder.column(1).append<int64_t>(kTime + user);
    builder.column(2).append<int64_t>(kTime + user);
    builder.column(3).append<int64_t>(user);
    for (int f = 0; f < kViewFeatures; ++f) {
      const double value = feature_value(user, view * kViewFeatures + f);
      if (feature_type(f) == data::Type::kInt64) {
        builder.column(4 + f).append<int64_t>(static_cast<int64_t>(value));
      } else {
        builder.column(4 + f).append<double>(value);
      }
    }
  }
  return builder.finish();
}

inline std::shared_ptr<const gold::Service> make_service(
    const std::string& name, int views, const std::map<std::string, gold::FeatureViewPtr>& all) {
  catalog::ServiceDef definition;
  definition.name = name;
  for (int view = 0; view < views; ++view) {
    definition.items.push_back({"view" + std::to_string(view), {}, {}});
  }
  return gold::compile_service(definition, all, {}).value();
}

/// Whether a body holds these users' first `features` features, each value to the bit and present:
/// read by hand, so that the server's own writer does not judge itself.
inline bool holds_features(std::string_view body, const std::vector<int64_t>& users, int features) {
  constexpr std::string_view kValues = "{\"values\":[";
  constexpr std::string_view kStatuses = "\"statuses\":[";
  constexpr std::string_view kPresent = "\"PRESENT\"";
  std::size_t at = 0;
  for (int column = -1; column < features; ++column) {  // -1: the users themselves
    at = body.find(kValues, at);
    if (at == std::string_view::npos) {
      return false;
    }
    at += kValues.size();
    for (const int64_t user : users) {
      double value = 0;
      const char* const begin = body.data() + at;
      const auto read = std::from_chars(begin, body.data() + body.size(), value);
      at += static_cast<std::size_t>(read.ptr - begin) + 1;
      if (value != (column < 0 ? static_cast<double>(user) : feature_value(user, column))) {
        return false;
      }
    }
    at = body.find(kStatuses, at) + kStatuses.size();
    for (std::size_t i = 0; i < users.size(); ++i, at += kPresent.size() + 1) {
      if (body.substr(at, kPresent.size()) != kPresent) {
        return false;
      }
    }
  }
  return body.find(kValues, at) == std::string_view::npos;
}

}  // namespace assay::bench
