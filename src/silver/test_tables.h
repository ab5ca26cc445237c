#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "data/sql_engine.h"

// Tables and an engine for the tests of this room.

namespace assay::silver {

inline std::unique_ptr<data::SqlEngine> open_engine() {
  auto engine = data::SqlEngine::open({});
  EXPECT_TRUE(engine.ok()) << engine.status().to_string();
  return std::move(engine).value();
}

inline data::SchemaPtr clicks_schema() {
  using data::Type;
  return data::make_schema({{"id", Type::kInt64, false},
                            {"text", Type::kString, true},
                            {"price", Type::kFloat64, true},
                            {"event_time", Type::kTimestamp, false},
                            {"known_time", Type::kTimestamp, false},
                            {"sequence", Type::kInt64, false},
                            {"dt", Type::kDate, false},
                            {"hr", Type::kInt32, false}});
}

struct Click {
  int64_t id = 0;
  std::optional<std::string> text;
  int64_t event_time = 0;
};

/// Bronze rows with these values; sequence counts from `first`, known_time is event_time + 7.
inline data::Batch clicks(const std::vector<Click>& rows, int64_t first = 0) {
  data::BatchBuilder builder(clicks_schema());
  for (const Click& row : rows) {
    builder.column(0).append(row.id);
    row.text ? builder.column(1).append_text(*row.text) : builder.column(1).append_null();
    builder.column(2).append(static_cast<double>(row.id) / 2);
    builder.column(3).append(row.event_time);
    builder.column(4).append(row.event_time + 7);
    builder.column(5).append(first++);
    builder.column(6).append(int32_t{0});
    builder.column(7).append(int32_t{0});
  }
  return builder.finish();
}

}  // namespace assay::silver
