#include "lake/commit_times.h"

#include <gmock/gmock.h>

#include "lake/foreign_table.h"

namespace assay::lake {
namespace {

using T = ForeignTable;

EventTime seconds(int64_t count) {
  return {count * kMicrosPerSecond};
}

TEST(CommitTimes, FileTimesAreMadeToAscendAndTheNewestNotLaterWins) {
  T table;
  table.commit(T::protocol(1) + T::metadata({T::field("a", "long")}));
  for (int i = 1; i < 6; ++i) {
    table.commit(R"({"txn":{"appId":"a","version":1}})");
  }
  const int64_t times[] = {100, 200, 150, 150, 300, 300};
  for (Version version = 0; version < 6; ++version) {
    table.lake().set_commit_time("t", version, times[version]);
  }
  const auto opened = table.open().value();
  // Version 2 counts as 200.001 s, version 3 as 200.002 s, version 5 as 300.001 s.
  EXPECT_EQ(opened->version_at(seconds(100)).value(), 0);
  EXPECT_EQ(opened->version_at({200'000'000}).value(), 1);
  EXPECT_EQ(opened->version_at({200'001'000}).value(), 2);
  EXPECT_EQ(opened->version_at({200'001'999}).value(), 2);
  EXPECT_EQ(opened->version_at({200'002'000}).value(), 3);
  EXPECT_EQ(opened->version_at(seconds(300)).value(), 4);
  EXPECT_EQ(opened->version_at(seconds(999)).value(), 5);
  const auto early = opened->version_at({99'999'999});
  EXPECT_EQ(early.code(), Code::kNotFound);
  EXPECT_THAT(early.status().message(), testing::HasSubstr("version 0 of 1970-01-01"));
}

TEST(CommitTimes, CommitsThatSayTheirTimeAreTakenAtTheirWord) {
  const std::string on =
      R"("delta.enableInCommitTimestamps":"true","delta.inCommitTimestampEnablementVersion":"1")";
  T table;
  table.commit(T::protocol(1) + T::metadata({T::field("a", "long")}))
      .commit(R"({"commitInfo":{"inCommitTimestamp":200000,"timestamp":1}})"
              "\n" +
              T::metadata({T::field("a", "long")}, "", on))
      .commit(R"({"commitInfo":{"inCommitTimestamp":300000}})");
  for (Version version = 0; version < 3; ++version) {
    table.lake().set_commit_time("t", version, 100);
  }
  const auto opened = table.open().value();
  EXPECT_EQ(opened->version_at(seconds(199)).value(), 0);
  EXPECT_EQ(opened->version_at(seconds(200)).value(), 1);
  EXPECT_EQ(opened->version_at(seconds(299)).value(), 1);
  EXPECT_EQ(opened->version_at(seconds(300)).value(), 2);
  table.commit(R"({"commitInfo":{}})");
  EXPECT_EQ(opened->version_at(seconds(300)).code(), Code::kCorrupt);
}

TEST(CommitTimes, VersionsThatWereCleanedUpAreNotFound) {
  LakeUnderTest lake;
  const auto table = lake.create("t", {{"a", data::Type::kInt64}});
  for (int i = 0; i < 12; ++i) {
    lake.append(*table, "VALUES (1)");
  }
  const auto times = CommitTimes::list(lake.store(), "t", *table->snapshot().value());
  const EventTime of_third = CommitTimes(*times).time_of(3).value();
  for (Version version = 0; version < 10; ++version) {
    ASSERT_TRUE(lake.store().remove(log_prefix("t") + log_file_name(version)).ok());
  }
  EXPECT_EQ(table->version_at({of_third.micros - kMicrosPerDay}).code(), Code::kNotFound);
  EXPECT_EQ(table->version_at({of_third.micros + kMicrosPerDay}).value(), 12);
}

}  // namespace
}  // namespace assay::lake
