// A registry that we wrote ourselves comes back as definitions; that of Feast's own client is read
// in tests/feast.

#include "serve/feast_import.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "catalog/testing.h"
#include "catalog/validate.h"
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
                "shop: its features of basket are left out",
                "shop: left out; none of its features is kept"}));
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

std::string number(int field, int value) {
  std::string bytes;
  data::ProtoWriter(bytes).integer(field, value);
  return bytes;
}

struct Repository {
  static constexpr int kText = 2;
  static constexpr int kInteger = 4;
  std::vector<std::pair<int, std::string>> objects;
  std::string key = "DriverID";
  std::string more = number(8, 1);  // fields of the views to come: they are online

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
        {1, name}, {3, "driver"}, {12, column(key, kText)}, {7, message(source)}};
    for (const std::string& feature : features) {
      spec.emplace_back(4, column(feature, kInteger));
    }
    objects.emplace_back(6, message({{1, message(spec) + more}}));
  }
  /// An object whose name is its spec's field 1.
  void object(int kind, const std::string& name) {
    objects.emplace_back(kind, message({{1, message({{1, name}})}}));
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
    if (!made.ok()) {
      return {};
    }
    catalog::MemoryWorld world({{"/p/assay.yaml", "project: p\n" + made->yaml}});
    const auto project = catalog::load_project(world.world(), "/p");
    EXPECT_EQ(project.ok() ? project->diagnostics.errors() : 1, 0)
        << catalog::format_diagnostics(project->diagnostics) << made->yaml;
    return *made;
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
  EXPECT_NE(made.yaml.find("  driver_stats:\n    entity: driver\n    from: driver_stats\n"
                           "    features:\n      trips: {latest: Trips}\n      trips_2: latest\n"),
            std::string::npos)
      << made.yaml;
  EXPECT_NE(made.yaml.find("      Trips: int64\n"
                           "      trips_2: {type: \"int64\", from: \"trips\"}\n"),
            std::string::npos)
      << "columns differ in more than case";
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
  EXPECT_NE(made.yaml.find("      conv_rate: {type: \"int64\", from: \"Conv-Rate\"}\n"),
            std::string::npos);
  EXPECT_NE(made.yaml.find("      rate: {latest: conv_rate}\n"), std::string::npos);
  EXPECT_TRUE(made.notes.empty());
}

TEST(FeastImport, ColumnsMayHaveAnyName) {
  Repository repository;
  repository.view("stats",
                  {"Conv-Rate", "conv rate", "conv_rate", "dt", "1st", "\xc3\xa4", "sequence"},
                  {{"Seen at!", "When"}, {"Driver \"No\"", "DriverID"}});
  const FeastImport made = repository.made();
  for (const char* const line : {R"(    event_time: {column: seen_at_})",
                                 R"(      DriverID: {type: "string!", from: "Driver \"No\""})",
                                 R"(      seen_at_: {type: "timestamp!", from: "Seen at!"})",
                                 R"(      conv_rate_2: {type: "int64", from: "Conv-Rate"})",
                                 R"(      conv_rate_3: {type: "int64", from: "conv rate"})",
                                 R"(      conv_rate: int64)",
                                 R"(      dt_2: {type: "int64", from: "dt"})",
                                 R"(      x1st: {type: "int64", from: "1st"})",
                                 R"(      sequence_2: {type: "int64", from: "sequence"})",
                                 R"(      conv_rate: {latest: conv_rate_2})",
                                 R"(      dt_2: latest)",
                                 R"(      conv_rate_3: {latest: conv_rate})"}) {
    EXPECT_NE(made.yaml.find(std::string(line) + "\n"), std::string::npos) << line << made.yaml;
  }
}

TEST(FeastImport, KeysOfOtherNamesAreSaid) {
  Repository repository;
  repository.key = "Driver ID";
  repository.view("stats", {"trips"});
  repository.view("more", {"trips"}, {{"driver_id", "Driver ID"}});
  const FeastImport made = repository.made();
  EXPECT_NE(made.yaml.find("  driver: {keys: {driver_id: string}}\n"), std::string::npos)
      << made.yaml;
  EXPECT_NE(made.yaml.find("      driver_id: {type: \"string!\", from: \"Driver ID\"}\n"),
            std::string::npos);
  EXPECT_NE(made.yaml.find("      driver_id: string!\n"), std::string::npos);
  EXPECT_TRUE(is_noted(made, "key Driver ID: called `driver_id` here"));
  EXPECT_EQ(made.notes.size(), 1U);
}

TEST(FeastImport, KeysAreColumnsOfTheNamesThatClientsAskBy) {
  Repository repository;
  repository.view("stats", {"trips", "DriverID "}, {{"driver", "DriverID"}, {"Ride", "trips"}});
  const FeastImport made = repository.made();
  EXPECT_NE(made.yaml.find("      DriverID: {type: \"string!\", from: \"driver\"}\n"),
            std::string::npos)
      << made.yaml;
  EXPECT_NE(made.yaml.find("      trips: {latest: Ride}\n"), std::string::npos);
  EXPECT_NE(made.yaml.find("      driverid_: {type: \"int64\", from: \"DriverID \"}\n"),
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

TEST(FeastImport, NothingIsLeftOutInSilence) {
  Repository repository;
  repository.view("stats", {"trips"});
  EXPECT_TRUE(repository.made().notes.empty());
  constexpr std::array kKinds = {std::pair{2, "feature table lost"},
                                 std::pair{8, "lost: an on-demand view"},
                                 std::pair{11, "saved dataset lost"},
                                 std::pair{14, "lost: a stream view"},
                                 std::pair{16, "permission lost: left out: EVERYBODY"},
                                 std::pair{19, "label view lost"},
                                 std::pair{1, "entity lost"},
                                 std::pair{6, "lost: its source is none of files"},
                                 std::pair{7, "lost: left out; none of its features"},
                                 std::pair{99, "an object of a kind that is not known (field 99"}};
  for (const auto& [kind, begin] : kKinds) {
    Repository with = repository;
    with.object(kind, "lost");
    const FeastImport made = with.made();
    EXPECT_TRUE(is_noted(made, begin)) << begin;
    EXPECT_EQ(made.notes.size(), 1U) << begin;
  }
  repository.objects.emplace_back(13, message({{1, "lost"}}));
  repository.objects.emplace_back(12, message({{20, "unread"}}));
  const FeastImport made = repository.made();
  EXPECT_TRUE(is_noted(made, "validation reference lost"));
  EXPECT_TRUE(is_noted(made, "source unread: left out"));
}

TEST(FeastImport, WhatFeastKeepsForItselfIsNot) {
  Repository repository;
  repository.view("stats", {"trips"});
  repository.object(17, "shop");
  for (const int kind : {3, 4, 5, 10, 15, 18}) {
    repository.object(kind, "x");
  }
  EXPECT_TRUE(repository.made().notes.empty());
}

TEST(FeastImport, AProjectThatIsCalledOtherwiseIsSaid) {
  Repository repository;
  repository.view("stats", {"trips"});
  repository.object(17, "My-Project");
  EXPECT_EQ(repository.made().project, "my_project");
  EXPECT_TRUE(is_noted(repository.made(), "project My-Project: called `my_project` here"));
  repository.object(17, "other");
  repository.view("stats", {"trips"});
  EXPECT_EQ(repository.made().project, "my_project");
  EXPECT_TRUE(is_noted(repository.made(), "project other: its objects are in"));
  EXPECT_TRUE(is_noted(repository.made(), "stats: left out where it stands a second time"));
}

TEST(FeastImport, WhatAViewDoesThereAndNotHereIsSaid) {
  const auto noted = [](const std::string& more, const std::string& begin) {
    Repository repository;
    repository.more = more;
    repository.view("stats", {"trips"});
    const FeastImport made = repository.made();
    return made.notes.size() == 1 && is_noted(made, "stats: " + begin);
  };
  EXPECT_TRUE(noted("", "Feast does not serve it"));
  const std::string online = number(8, 1);
  EXPECT_TRUE(noted(online + number(20, 1), "it is disabled"));
  EXPECT_TRUE(noted(online + number(17, 1), "Feast checks its rows"));
  EXPECT_TRUE(noted(online + message({{15, "x"}}), "its transformation is left out"));
  const std::string tag = message({{1, "k"}, {2, "v"}});
  EXPECT_TRUE(noted(online + message({{4, column("f", 4) + message({{3, tag}})}}),
                    "tags and vector indexes"));
}

TEST(FeastImport, JsonIsTextAndStructsHaveTheirFields) {
  constexpr int kJson = 32;
  constexpr int kStruct = 34;
  constexpr int kMap = 20;
  const auto of_struct = [](const std::string& name, const std::string& schema) {
    const std::string tag = message({{1, "feast:struct_schema"}, {2, schema}});
    return column(name, kStruct) + message({{3, tag}});
  };
  Repository repository;
  repository.more += message(
      {{4, column("config", kJson)},
       {4, column("tags", kMap)},
       {4, of_struct("profile", R"({"name": "STRING", "age": "INT64", "at": "UNIX_TIMESTAMP"})")},
       {4, of_struct("deep", R"({"name": "{\"__struct__\": {\"a\": \"STRING\"}}"})")},
       {4, of_struct("broken", "{")}});
  repository.view("stats", {"trips"});
  const FeastImport made = repository.made();
  EXPECT_NE(made.yaml.find("      config: string\n"
                           "      profile: struct<name:string,age:int64,at:timestamp>\n"),
            std::string::npos)
      << made.yaml;
  EXPECT_NE(made.yaml.find("      config: latest\n      profile: latest\n"), std::string::npos);
  EXPECT_TRUE(is_noted(made, "stats.config: Json is text here"));
  EXPECT_TRUE(is_noted(made, "stats.tags: left out; its type Map"));
  EXPECT_TRUE(is_noted(made, "stats.deep: left out; its type Struct"));
  EXPECT_TRUE(is_noted(made, "stats.broken: left out; its type Struct"));
  EXPECT_EQ(made.notes.size(), 4U);
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
