// A registry that we wrote ourselves comes back as definitions; that of Feast's own client is read
// in tests/feast.

#include "serve/feast_import.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "data/protobuf.h"
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
  const std::string reserved = "known_time";  // what our own tables call it is no column's name
  for (std::size_t at = 0; (at = registry.find(reserved, at)) != std::string::npos;) {
    registry.replace(at, reserved.size(), "event_time");
  }
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
    event_time: {column: event_time}
    columns:
      user_id: string!
      item_id: int64!
      event_time: timestamp!
      f0: float64
  spend:
    source: spend
    event_time: {column: event_time}
    columns:
      user_id: string!
      event_time: timestamp!
      f0: float64

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
  EXPECT_EQ(made->notes,
            (std::vector<std::string>{
                "basket: its source is none of files with a timestamp; write one by hand",
                "clicks: its source is none of files with a timestamp; write one by hand",
                "shop: its features of clicks are left out",
                "shop: its features of basket are left out"}));
}

TEST(FeastImport, ServicesKeepTheirFeatures) {
  const auto made = import_feast(registry_of_files({{"clicks", "/data/clicks"}}));
  ASSERT_TRUE(made.ok());
  EXPECT_NE(made->yaml.find("services:\n  shop: [\"clicks:f0,f1\"]\n"), std::string::npos)
      << made->yaml;
}

/// Messages of feast.core, field by field.
std::string message(const std::vector<std::pair<int, std::string>>& fields) {
  std::string bytes;
  data::ProtoWriter writer(bytes);
  for (const auto& [number, value] : fields) {
    writer.bytes(number, value);
  }
  return bytes;
}
std::string column(const std::string& name, int type, const std::string& description = "") {
  std::string bytes;
  data::ProtoWriter writer(bytes);
  writer.bytes(1, name);
  writer.integer(2, type);
  writer.bytes(4, description);
  return bytes;
}

struct Repository {
  static constexpr int kText = 2;
  static constexpr int kInteger = 4;
  std::vector<std::pair<int, std::string>> objects;

  /// A view of driver D over `When`, with a feature of each of these columns.
  void view(const std::string& name,
            const std::vector<std::string>& features,
            const std::vector<std::pair<std::string, std::string>>& renamed = {}) {
    std::vector<std::pair<int, std::string>> source = {
        {3, "When"}, {11, message({{1, message({{1, ""}})}, {2, "/data/" + name}})}};
    for (const auto& [from, to] : renamed) {
      source.emplace_back(2, message({{1, from}, {2, to}}));
    }
    std::vector<std::pair<int, std::string>> spec = {
        {1, name}, {3, "driver"}, {12, column("DriverID", kText)}, {7, message(source)}};
    for (const std::string& feature : features) {
      spec.emplace_back(4, column(feature, kInteger));
    }
    objects.emplace_back(6, message({{1, message(spec)}}));
  }
  void service(const std::string& name, const std::vector<std::string>& parts) {
    std::vector<std::pair<int, std::string>> spec = {{1, name}};
    for (const std::string& part : parts) {
      spec.emplace_back(3, part);
    }
    objects.emplace_back(7, message({{1, message(spec)}}));
  }
  [[nodiscard]] FeastImport made() const {
    const auto made = import_feast(message(objects));
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return made.ok() ? *made : FeastImport();
  }
};

bool is_noted(const FeastImport& made, const std::string& begin) {
  return std::any_of(made.notes.begin(), made.notes.end(), [&](const std::string& note) {
    return note.starts_with(begin);
  });
}

TEST(FeastImport, NamesThatDefinitionsDoNotHaveAreOthersAndSaid) {
  Repository repository;
  repository.view("Driver-Stats", {"Trips", "trips"});
  repository.view("driver_stats", {"trips"});
  repository.service("Svc-Two", {message({{1, "Driver-Stats"}, {2, column("Trips", 4)}})});
  const FeastImport made = repository.made();
  EXPECT_NE(made.yaml.find(
                "  driver_stats:\n    entity: driver\n    from: driver_stats\n"
                "    features:\n      trips: {latest: Trips}\n      trips_2: {latest: trips}\n"),
            std::string::npos)
      << made.yaml;
  EXPECT_NE(made.yaml.find("  driver_stats_2:\n    entity: driver\n"), std::string::npos);
  EXPECT_NE(made.yaml.find("  svc_two: [\"driver_stats:trips\"]\n"), std::string::npos);
  EXPECT_NE(made.yaml.find("    event_time: {expr: \"\\\"When\\\"\"}\n"), std::string::npos)
      << "a word of SQL's";
  for (const char* const name : {"Driver-Stats:",
                                 "Driver-Stats.Trips:",
                                 "Driver-Stats.trips:",
                                 "driver_stats:",
                                 "Svc-Two:"}) {
    EXPECT_TRUE(is_noted(made, name)) << name;
  }
}

TEST(FeastImport, RenamedColumnsAreReadUnderTheirNamesInTheFiles) {
  Repository repository;
  repository.view("stats", {"trips", "rate"}, {{"n_trips", "trips"}, {"Conv-Rate", "rate"}});
  const FeastImport made = repository.made();
  EXPECT_NE(made.yaml.find("      n_trips: int64\n"), std::string::npos) << made.yaml;
  EXPECT_NE(made.yaml.find("      trips: {latest: n_trips}\n"), std::string::npos) << made.yaml;
  EXPECT_EQ(made.yaml.find("rate"), std::string::npos) << "no table can have such a column";
  EXPECT_TRUE(is_noted(made, "stats.rate: left out; it is in the column `Conv-Rate`"));
}

TEST(FeastImport, KeysThatAreRenamedHaveATableOfTheirNames) {
  Repository repository;
  repository.view("stats", {"trips"}, {{"driver", "DriverID"}, {"Ride", "trips"}});
  const FeastImport made = repository.made();
  EXPECT_NE(made.yaml.find("      driver: string!\n"), std::string::npos) << made.yaml;
  EXPECT_NE(made.yaml.find(
                R"(  stats_renamed: {from: stats, allowed_lateness: 36500d, sql: "SELECT )"
                R"(\"driver\" AS \"DriverID\", \"Ride\" AS \"trips\", event_time FROM stats"})"),
            std::string::npos)
      << made.yaml;
  EXPECT_NE(made.yaml.find("    from: stats_renamed\n    features:\n      trips: latest\n"),
            std::string::npos);
}

TEST(FeastImport, AnAliasIsSaidAndNamesThatMeetAreToldApart) {
  Repository repository;
  repository.view("one", {"trips"});
  repository.view("two", {"trips"});
  const std::string trips = column("trips", 4);
  repository.service("called", {message({{1, "one"}, {2, trips}, {3, "Other"}})});
  repository.service(
      "both", {message({{1, "one"}, {2, trips}}), message({{1, "two"}, {2, trips}, {3, "Other"}})});
  const FeastImport made = repository.made();
  EXPECT_NE(made.yaml.find("  called: [\"one:trips\"]\n"), std::string::npos) << made.yaml;
  EXPECT_TRUE(is_noted(made, "called: one is called Other there"));
  EXPECT_NE(made.yaml.find("  both: [\"one:trips\", {view: \"two:trips\", prefix: other__}]\n"),
            std::string::npos)
      << made.yaml;
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
