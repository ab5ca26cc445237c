// Views that look beyond their own entity: the population, other entities, derived features.

#include <gtest/gtest.h>

#include "flow/backfill.h"
#include "flow/test_project.h"
#include "flow/training.h"

namespace assay::flow {
namespace {

const char kEveryone[] = R"(feature_views:
  everyone:
    entity: none
    from: clean
    slide: 10m
    ttl: 2d
    features:
      all_n: {agg: count, over: [1h, 24h]}
      all_mean: {agg: mean, of: amount, over: [24h]}
      all_dev: {agg: stddev, of: amount, over: [24h]}
      all_amounts: {agg: histogram, of: amount, over: [24h]}
      newest: {latest: user_id}
)";

void add_everyone(TestProject& project) {
  project.change("feature_views:\n", kEveryone);
  project.change("v1: [spend]", "v1: [spend, everyone]");
}

uint64_t steps_hash_of(TestProject& project, const std::string& view) {
  const auto workspace = project.open();
  lake::DeltaTable* table = *workspace->table(*workspace->steps_table_key(**workspace->view(view)));
  return *lake::table_content_hash(*table, workspace->sql());
}

TEST(Compose, APopulationViewIsTheSameInOneRunInManyAndOnline) {
  TestProject whole;
  add_everyone(whole);
  ASSERT_TRUE(whole.run().ok());
  expect_verified(whole);

  TestProject parts;
  add_everyone(parts);
  RunOptions small;
  small.gold_chunk_rows = 50;
  small.gold_part_rows = 20;
  small.online_batch_rows = 40;
  ASSERT_TRUE(parts.run(small).ok());
  parts.write("data/day-9.csv", "user_id,amount,ts\nu9,3.5,2026-01-07T10:00:00Z\n");
  whole.write("data/day-9.csv", "user_id,amount,ts\nu9,3.5,2026-01-07T10:00:00Z\n");
  ASSERT_TRUE(parts.run(small).ok());
  ASSERT_TRUE(whole.run().ok());
  EXPECT_EQ(steps_hash_of(parts, "everyone"), steps_hash_of(whole, "everyone"));
  expect_verified(parts);
}

TEST(Compose, APopulationViewIsBackfilledToTheSameTable) {
  TestProject project;
  add_everyone(project);
  ASSERT_TRUE(project.run().ok());
  const uint64_t before = steps_hash_of(project, "everyone");
  const auto workspace = project.open();
  BackfillOptions options;
  options.full = true;
  const auto done = backfill_view(*workspace, "everyone", options);
  ASSERT_TRUE(done.ok()) << done.status().to_string();
  EXPECT_EQ(steps_hash_of(project, "everyone"), before);
}

const char kComposed[] = R"yaml(
bronze:
  profiles:
    source: others
    event_time: {column: ts}
    known_time: {delay: 5m}
    columns: {user_id: string!, country: string, ts: timestamp!}
  holidays:
    source: calendar
    event_time: {column: announced}
    columns: {day: date!, name: string!, announced: timestamp!}
sources:
  calendar: {files: {path: calendar, format: csv}}
entities:
  country: {key: country}
  day: {key: day, type: date}
feature_views:
  profile: {entity: user, from: profiles, ttl: 3d, features: {country: latest}}
  land: {entity: country, from: profiles, slide: 10m, features: {moved: {agg: count, over: [24h]}}}
  holiday: {entity: day, from: holidays, features: {name: latest}}
derived:
  compared:
    inputs:
      - spend
      - everyone
      - profile
      - {view: land, by: {country: country}}
      - {view: holiday, by: {day: "CAST(timezone('Europe/Berlin', now()) AS date)"}, prefix: day_}
    features:
      z: zscore(total_24h, all_mean_24h, all_dev_24h)
      part: share(n_24h, all_n_24h)
      ratio: {ratio: [n, all_n], over: [1h, 24h]}
      usual: {ratio: [total_24h, all_mean_24h]}
      rank: histogram_rank(total_24h, all_amounts_24h)
      crowd: coalesce(moved_24h, 0) + n_1h
      is_holiday: day_name IS NOT NULL
  twice: {inputs: ["compared:z,crowd"], features: {zz: z * 2, odd: crowd % 2}}
services:
  composed: [twice, compared, profile, {view: land, by: {country: country}, prefix: its_}]
)yaml";

void add_composed(TestProject& project) {
  add_everyone(project);
  std::string moves = "user_id,country,ts\n";
  const auto random = seeded_random(7);
  for (int i = 0; i < 60; ++i) {
    const int64_t at = parse_time("2026-01-01")->micros +
                       static_cast<int64_t>(random->below(6 * 24 * 60)) * 60 * kMicrosPerSecond;
    moves += "u" + std::to_string(random->below(4)) + "," +
             (random->below(5) == 0 ? "" : "c" + std::to_string(random->below(3))) + "," +
             format_time({at}) + "\n";
  }
  project.write("others/moves.csv", moves);
  project.write("calendar/days.csv",
                "day,name,announced\n2026-01-02,Second,2025-12-01T00:00:00Z\n"
                "2026-01-04,Fourth,2026-01-04T12:00:00Z\n");
  project.write("composed.yaml", kComposed);
}

VerifyReport verify_composed_service(TestProject& project) {
  const auto workspace = project.open();
  VerifyOptions options;
  options.values_min = 5'000;
  options.instants = 60;
  Result<VerifyReport> report = verify_service(*workspace, "composed", options);
  EXPECT_TRUE(report.ok()) << report.status().to_string();
  return *report;
}

TEST(Compose, DerivedFeaturesAndLookupsAreTheSameOnlineAndOffline) {
  TestProject project;
  add_composed(project);
  const auto ran = project.run();
  ASSERT_TRUE(ran.ok()) << ran.status().to_string();
  const VerifyReport report = verify_composed_service(project);
  EXPECT_GE(report.values, 10'000);              // of views alone, and of the service as a whole
  EXPECT_GT(report.present, report.values / 4);  // few days are holidays
  EXPECT_EQ(report.differ, 0) << report.differences.front().feature << " "
                              << report.differences.front().online << " / "
                              << report.differences.front().offline;
}

TEST(Compose, AHolidayIsOneOfTheLocalDayOnceItIsAnnounced) {
  TestProject project;
  add_composed(project);
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const auto service = *workspace->service("composed");
  data::BatchBuilder labels(data::make_schema(
      {{"user_id", data::Type::kString, true}, {"event_time", data::Type::kTimestamp, true}}));
  const std::vector<std::pair<const char*, bool>> days = {{"2026-01-01T22:59:59Z", false},
                                                          {"2026-01-01T23:00:00Z", true},
                                                          {"2026-01-02T22:59:59Z", true},
                                                          {"2026-01-02T23:00:00Z", false},
                                                          {"2026-01-04T11:59:59Z", false},
                                                          {"2026-01-04T12:00:00Z", true}};
  for (const auto& [time, is_holiday] : days) {
    labels.column(0).append_text("u1");
    labels.column(1).append(parse_time(time)->micros);
  }
  const auto set = build_training_set(*workspace, *service, labels.finish(), {});
  ASSERT_TRUE(set.ok()) << set.status().to_string();
  for (std::size_t i = 0; i < days.size(); ++i) {
    EXPECT_EQ(set->find("is_holiday")->values<uint8_t>()[i] != 0, days[i].second) << days[i].first;
  }
}

TEST(Compose, AFingerprintDependsOnAllThatADerivedViewIsMadeFrom) {
  TestProject project;
  add_composed(project);
  const auto fingerprints = [&] {
    const auto workspace = project.open();
    return workspace->service_fingerprints(**workspace->service("composed"));
  };
  const auto before = fingerprints();
  project.change("all_mean: {agg: mean, of: amount, over: [24h]}",
                 "all_mean: {agg: mean, of: amount * 2, over: [24h]}");
  const auto after = fingerprints();
  EXPECT_NE(after.at("everyone"), before.at("everyone"));
  EXPECT_NE(after.at("derived/compared"), before.at("derived/compared"));
  EXPECT_NE(after.at("derived/twice"), before.at("derived/twice"));
  EXPECT_EQ(after.at("profile"), before.at("profile"));
  EXPECT_EQ(after.at("service/composed"), before.at("service/composed"));
}

}  // namespace
}  // namespace assay::flow
