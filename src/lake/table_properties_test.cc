#include "lake/table_properties.h"

#include <gtest/gtest.h>

#include "lake/checkpoint.h"
#include "lake/delta_table.h"
#include "lake/lake_under_test.h"

namespace assay::lake {
namespace {

using data::Type;

const std::vector<data::Field> kFields = {{"id", Type::kInt64}};

CommitRequest set(const std::string& name, std::optional<std::string> value) {
  CommitRequest request;
  request.operation = "SET TBLPROPERTIES";
  request.properties = {{name, std::move(value)}};
  return request;
}

TEST(TableProperties, IntervalsAreReadAsDeltaWritesThem) {
  EXPECT_EQ(parse_interval("interval 30 days").value().micros, 30 * kMicrosPerDay);
  EXPECT_EQ(parse_interval("1 week 2 hours").value().micros,
            (7 * 24 + 2) * 3'600 * kMicrosPerSecond);
  EXPECT_EQ(parse_interval("interval 0 seconds").value().micros, 0);
  for (const char* bad : {"",
                          "interval",
                          "interval 1",
                          "interval 1 month",
                          "interval -1 days",
                          "interval 1 day 3",
                          "x days",
                          "interval 999999 weeks 99999999 weeks"}) {
    EXPECT_EQ(parse_interval(bad).code(), Code::kInvalidArgument) << bad;
  }
}

TEST(TableProperties, KnownOnesAreChecked) {
  EXPECT_TRUE(validate_property("delta.appendOnly", "true").ok());
  EXPECT_EQ(validate_property("delta.appendOnly", "yes").code(), Code::kInvalidArgument);
  EXPECT_EQ(validate_property("delta.checkpointInterval", "0").code(), Code::kInvalidArgument);
  EXPECT_EQ(validate_property("delta.apendOnly", "true").code(), Code::kInvalidArgument);
  EXPECT_EQ(validate_property("delta.enableChangeDataFeed", "true").code(), Code::kUnimplemented);
  EXPECT_TRUE(validate_property("team.owner", "anything").ok());
}

TEST(TableProperties, AreSetAndUnset) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kFields);
  ASSERT_TRUE(table->commit(set("team.owner", "pricing")).ok());
  EXPECT_EQ(lake.open("t").value()->snapshot().value()->configuration.at("team.owner"), "pricing");
  EXPECT_EQ(table->commit(set("delta.appendOnly", "perhaps")).code(), Code::kInvalidArgument);
  ASSERT_TRUE(table->commit(set("team.owner", std::nullopt)).ok());
  EXPECT_EQ(lake.open("t").value()->snapshot().value()->configuration.count("team.owner"), 0U);
}

TEST(TableProperties, TheCheckpointIntervalIsKept) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kFields);
  ASSERT_TRUE(table->commit(set("delta.checkpointInterval", "3")).ok());
  lake.append(*table, "VALUES (1)");
  EXPECT_FALSE(lake.store().get("t/_delta_log/_last_checkpoint").ok());
  lake.append(*table, "VALUES (1)");
  EXPECT_TRUE(lake.store().get("t/_delta_log/_last_checkpoint").ok());
}

/// A commit that names no file.
CommitRequest small(int64_t position) {
  CommitRequest request;
  request.txns = {
      {"fast", position, position > 1 ? std::optional<int64_t>(position - 1) : std::nullopt}};
  return request;
}

TEST(TableProperties, CommitsThatFollowOneAnotherFastShareACheckpoint) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kFields);
  const auto checkpoint_after = [&](Version version) {
    for (Version next = table->snapshot().value()->version + 1; next <= version; ++next) {
      EXPECT_EQ(table->commit(small(next)).value(), next);
    }
    return last_checkpoint_version(lake.store(), "t");
  };
  EXPECT_EQ(checkpoint_after(9), -1);
  EXPECT_EQ(checkpoint_after(10), 10);
  EXPECT_EQ(checkpoint_after(20), 10);  // the clock stands still
  lake.clock().advance({kMicrosPerSecond});
  EXPECT_EQ(checkpoint_after(29), 10);
  EXPECT_EQ(checkpoint_after(30), 30);
  EXPECT_EQ(checkpoint_after(99), 30);
  EXPECT_EQ(checkpoint_after(100), 100);  // never more than that behind
}

/// A commit of another engine behind our back.
void commit_as_spark(LakeUnderTest& lake, Version version) {
  std::string digits = std::to_string(version);
  digits.insert(0, 20 - digits.size(), '0');
  ASSERT_TRUE(
      lake.store()
          .put_if_absent("t/_delta_log/" + digits + ".json",
                         R"({"commitInfo":{"operation":"WRITE","engineInfo":"Apache-Spark"}})"
                         "\n")
          .ok());
}

TEST(OneWritingEngine, ACommitOfAnotherEngineEndsOurs) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kFields);
  lake.append(*table, "VALUES (1)");
  commit_as_spark(lake, 2);
  EXPECT_EQ(table->commit(set("a", "b")).code(), Code::kFailedPrecondition);
  // Nor does it help to open the table anew, or to read it from a checkpoint.
  const auto again = lake.open("t").value();
  EXPECT_EQ(again->commit(set("a", "b")).code(), Code::kFailedPrecondition);
  ASSERT_TRUE(again->checkpoint().ok());
  EXPECT_EQ(lake.open("t").value()->commit(set("a", "b")).code(), Code::kFailedPrecondition);
  // Whoever takes the table over says so.
  ASSERT_TRUE(again->commit(set("assay.writer", "assay")).ok());
  EXPECT_TRUE(again->commit(set("a", "b")).ok());
  EXPECT_TRUE(table->commit(set("a", "c")).ok());
}

TEST(OneWritingEngine, TwoEnginesMayWriteWhereTheUserSaysSo) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kFields);
  ASSERT_TRUE(table->commit(set("assay.writer", "any")).ok());
  commit_as_spark(lake, 2);
  EXPECT_TRUE(table->commit(set("a", "b")).ok());
}

TEST(OneWritingEngine, ATableOfAnotherIsNotWrittenTo) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kFields);
  ASSERT_TRUE(table->commit(set("assay.writer", "spark")).ok());
  EXPECT_EQ(table->commit(set("a", "b")).code(), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace assay::lake
