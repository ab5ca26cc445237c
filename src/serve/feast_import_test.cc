// A registry that we wrote ourselves comes back as definitions; that of Feast's own client is read
// in tests/feast.

#include "serve/feast_import.h"

#include <gtest/gtest.h>

#include "serve/feast_registry.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

std::string registry_of(const std::map<std::string, std::string>& tables) {
  ServingFixture fixture;
  ServingState state = fixture.make_state();
  state.steps_tables = tables;
  return feast_registry(state).file();
}

/// The same, as if the tables were Parquet files.
std::string registry_of_files(const std::map<std::string, std::string>& tables) {
  const std::string delta("\x0a\x02\x12\x00", 4);  // file_format {delta_format {}}
  const std::string parquet("\x0a\x02\x0a\x00", 4);
  std::string registry = registry_of(tables);
  for (std::size_t at = 0; (at = registry.find(delta, at)) != std::string::npos;) {
    registry.replace(at, delta.size(), parquet);
  }
  return registry;
}

TEST(FeastImport, ViewsOfFilesBecomeDefinitions) {
  const auto made =
      import_feast(registry_of_files({{"spend", "/data/spend"}, {"routes", "/data/r"}}));
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  EXPECT_EQ(made->project, "shop");
  EXPECT_EQ(made->yaml, R"(sources:
  routes: {files: {path: "/data/r", format: parquet}}
  spend: {files: {path: "/data/spend", format: parquet}}

bronze:
  routes:
    source: routes
    event_time: {column: known_time}
    columns:
      user_id: string!
      item_id: int64!
      f0: float64
      known_time: timestamp!
  spend:
    source: spend
    event_time: {column: known_time}
    columns:
      user_id: string!
      f0: float64
      known_time: timestamp!

entities:
  user_id: {keys: {user_id: string}}
  user_id_item_id: {keys: {user_id: string, item_id: int64}}

feature_views:
  routes:
    entity: user_id_item_id
    from: routes
    features:
      f0: latest
  spend:
    entity: user_id
    from: spend
    ttl: 3600s
    features:
      f0: latest
)");
  EXPECT_EQ(made->notes.size(), 4U) << "two views without files, and the service's parts of them";
}

TEST(FeastImport, ServicesKeepTheirFeatures) {
  const auto made = import_feast(registry_of_files({{"clicks", "/data/clicks"}}));
  ASSERT_TRUE(made.ok());
  EXPECT_NE(made->yaml.find("services:\n  shop: [\"clicks:f0,f1\"]\n"), std::string::npos)
      << made->yaml;
}

TEST(FeastImport, RelativePathsAreBelowTheRepository) {
  const auto made = import_feast(registry_of_files({{"clicks", "data/clicks.parquet"}}), "/repo");
  ASSERT_TRUE(made.ok());
  EXPECT_NE(made->yaml.find("path: \"/repo/data/clicks.parquet\""), std::string::npos);
}

TEST(FeastImport, DeltaTablesAreNoFilesOfRows) {
  EXPECT_EQ(import_feast(registry_of({{"clicks", "/data/clicks"}})).code(), Code::kInvalidArgument)
      << "nothing is left";
}

TEST(FeastImport, WhatIsNoRegistryIsRefused) {
  EXPECT_EQ(import_feast("").code(), Code::kInvalidArgument);
  EXPECT_EQ(import_feast("\x0a").code(), Code::kInvalidArgument);
  EXPECT_EQ(import_feast(registry_of({})).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::serve
