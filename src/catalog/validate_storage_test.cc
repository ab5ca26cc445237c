#include <string>

#include <gtest/gtest.h>

#include "catalog/definition_json.h"
#include "catalog/testing.h"
#include "catalog/validate.h"

namespace assay::catalog {
namespace {

/// A project whose tables and view keep as long as a test says; "" for no such key.
struct Keeps {
  std::string bronze = {};
  std::string silver = {};
  std::string view = {};
  std::string from = "events";
  std::string lookup_keep = {};
  std::string bronze_time = "event_time: ts";
  std::string bronze_partitions = "[dt, hr]";
  std::string silver_partitions = "[event_date]";
  std::string ttl = "ttl: 2d, ";
  std::string features = "n: {agg: count, over: [1h, 7d]}";
};

std::string project_of(const Keeps& keeps) {
  const auto key = [](const std::string& keep) {
    return keep.empty() ? std::string() : ", keep: " + keep;
  };
  return "project: shop\n"
         "sources: {clicks: {files: data/clicks.csv}, items: {files: data/items.csv}}\n"
         "bronze:\n"
         "  clicks: {source: clicks, key: [id], dedup_for: 3d, " +
         keeps.bronze_time + ", partition_by: " + keeps.bronze_partitions + key(keeps.bronze) +
         ",\n    columns: {id: int64!, user_id: string!, item_id: int64!, ts: timestamp!}}\n"
         "  items: {source: items, event_time: ts, columns: {item_id: int64!, ts: timestamp!}" +
         key(keeps.lookup_keep) +
         "}\n"
         "silver:\n"
         "  events: {from: clicks, allowed_lateness: 2h, partition_by: " +
         keeps.silver_partitions + key(keeps.silver) +
         ",\n    enrich: [{lookup: items, on: item_id, columns: [ts], prefix: item_}]}\n"
         "entities: {user: {key: user_id}}\n"
         "feature_views:\n"
         "  clicks: {entity: user, from: " +
         keeps.from + ", slide: 10m, " + keeps.ttl + "features: {" + keeps.features + "}" +
         key(keeps.view) + "}\nservices: {v1: [clicks]}\n";
}

/// Errors found, as "code:path's value".
std::string found(const Keeps& keeps) {
  MemoryWorld world(std::map<std::string, std::string>{{"/p/assay.yaml", project_of(keeps)}});
  const SchemaResolver resolver = [](const Project& /*project*/, const std::string& /*silver*/) {
    return Result<data::SchemaPtr>(data::make_schema({{"user_id", data::Type::kString, false},
                                                      {"item_id", data::Type::kInt64, false},
                                                      {"event_date", data::Type::kDate, false}}));
  };
  Result<ParsedProject> parsed = load_project(world.world(), "/p", {}, resolver);
  EXPECT_TRUE(parsed.ok()) << parsed.status().to_string();
  std::string out;
  for (const Diagnostic& item : parsed->diagnostics.items) {
    if (item.severity == Severity::kError) {
      out += (out.empty() ? "" : ", ") + item.code + " " + std::to_string(item.span.line);
    }
  }
  return out;
}

TEST(ValidateStorage, TablesThatKeepEnoughAreFine) {
  EXPECT_EQ(found({"400d", "400d", "400d"}), "");
  EXPECT_EQ(found({"3d", "10210m", "1d"}), "");
}

TEST(ValidateStorage, AViewNeedsItsWindowSlideAndLateness) {
  EXPECT_EQ(found({"", "10209m", ""}), "E0311 8");
  EXPECT_EQ(found({.silver = "1d", .features = "item_id: latest"}), "");
}

TEST(ValidateStorage, DuplicatesAreLookedForWhereRowsAre) {
  EXPECT_EQ(found({"2d", "", ""}), "E0311 4");
}

TEST(ValidateStorage, WholeDaysAreDroppedAndNoLess) {
  EXPECT_EQ(found({.view = "12h"}), "E0311 12");
}

TEST(ValidateStorage, DaysMustBePartitions) {
  EXPECT_EQ(found({.bronze = "400d", .bronze_partitions = "[hr]"}), "E0311 4");
  EXPECT_EQ(found({.silver = "400d", .silver_partitions = "[user_id]"}), "E0311 8");
}

TEST(ValidateStorage, RowsWithoutTimeDoNotGrowOld) {
  EXPECT_EQ(found({.bronze = "400d", .bronze_time = "checks: []", .features = "item_id: latest"}),
            "E0311 4");
}

TEST(ValidateStorage, LookupsAreKept) {
  EXPECT_EQ(found({.lookup_keep = "400d"}), "E0311 6");
}

TEST(ValidateStorage, AViewOverBronzeNeedsAllRows) {
  EXPECT_EQ(found({.bronze = "400d", .from = "clicks"}), "E0311 4");
  EXPECT_EQ(found({.view = "400d", .from = "clicks"}), "E0311 12");
}

TEST(ValidateStorage, AValueThatNeverExpiresKeepsItsStep) {
  EXPECT_EQ(found({.view = "400d", .ttl = ""}), "E0311 12");
}

TEST(ValidateStorage, KeysThatDecideNoRowAreSeenByThePlan) {
  BronzeDef bronze;
  const std::string before = bronze_json(bronze);
  bronze.storage.keep = Duration{400 * kMicrosPerDay};
  bronze.storage.format = TableFormat::kParquet;
  EXPECT_NE(bronze_json(bronze), before);
  EXPECT_NE(bronze_json(bronze).find("\"keep\":\"400d\",\"format\":\"parquet\""),
            std::string::npos);
}

}  // namespace
}  // namespace assay::catalog
