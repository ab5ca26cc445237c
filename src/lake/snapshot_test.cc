#include "lake/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/lake_under_test.h"

namespace assay::lake {
namespace {

using data::Type;
using testing::HasSubstr;

const std::vector<data::Field> kFields = {{"id", Type::kInt64}, {"p", Type::kString}};

std::string log_key(const std::string& table, Version version) {
  return log_prefix(table) + log_file_name(version);
}

/// A table of `commits` commits after the first, one file each.
std::unique_ptr<DeltaTable> table_of(LakeUnderTest& lake, int commits) {
  auto table = lake.create("t", kFields, {"p"});
  for (int i = 1; i <= commits; ++i) {
    CommitRequest request;
    request.adds =
        table->write_files(lake.rows_for(*table, "VALUES (" + std::to_string(i) + ", 'a b/c')"))
            .value();
    request.txns = {{"app", i, i == 1 ? std::nullopt : std::optional<int64_t>(i - 1)}};
    table->commit(request).value();
  }
  return table;
}

TEST(Snapshot, AMissingVersionInTheMiddleIsCorruptAndNamed) {
  LakeUnderTest lake;
  table_of(lake, 4);
  ASSERT_TRUE(lake.store().remove(log_key("t", 2)).ok());
  const auto table = lake.open("t");
  EXPECT_EQ(table.code(), Code::kCorrupt);
  EXPECT_THAT(table.status().message(), HasSubstr("t/_delta_log/00000000000000000002.json"));
}

TEST(Snapshot, ATruncatedEntryIsCorruptAndNamedWithItsLine) {
  LakeUnderTest lake;
  table_of(lake, 2);
  const std::string text = lake.log_text("t", 2);
  ASSERT_TRUE(lake.store().put(log_key("t", 2), text.substr(0, text.size() - 20)).ok());
  const auto table = lake.open("t");
  EXPECT_EQ(table.code(), Code::kCorrupt);
  EXPECT_THAT(table.status().message(), HasSubstr("00000000000000000002.json line 4"));
}

TEST(Snapshot, AnOpenTableReportsACorruptEntryAndRecovers) {
  LakeUnderTest lake;
  const auto table = table_of(lake, 1);
  ASSERT_TRUE(lake.store().put(log_key("t", 2), "{\"add\":").ok());
  EXPECT_EQ(table->snapshot().code(), Code::kCorrupt);
  EXPECT_EQ(table->commit({}).code(), Code::kCorrupt);
  EXPECT_EQ(table->snapshot(1).value()->rows(), 1);
  ASSERT_TRUE(lake.store().remove(log_key("t", 2)).ok());
  EXPECT_EQ(table->snapshot().value()->rows(), 1);
}

TEST(Snapshot, ALogWithoutMetadataIsCorrupt) {
  LakeUnderTest lake;
  ASSERT_TRUE(lake.store().put(log_key("t", 0), R"({"commitInfo":{}})").ok());
  EXPECT_EQ(lake.open("t").code(), Code::kCorrupt);
}

TEST(Snapshot, FoldersWithoutALogAreNoTable) {
  LakeUnderTest lake;
  ASSERT_TRUE(lake.store().put("t/part.parquet", "x").ok());
  ASSERT_TRUE(lake.store().put("t/_delta_log/readme.txt", "x").ok());
  ASSERT_TRUE(lake.store().put("t/_delta_log/0.json", "x").ok());
  EXPECT_EQ(lake.open("t").code(), Code::kNotFound);
}

TEST(Snapshot, FeaturesThatWeDoNotReadAreRefusedByName) {
  const std::string metadata =
      R"({"metaData":{"id":"i","schemaString":"{\"fields\":[{\"name\":\"a\",\"type\":\"long\"}]}","partitionColumns":[],"configuration":{CONF}}})";
  const auto with = [&](const std::string& protocol, const std::string& configuration) {
    LakeUnderTest lake;
    std::string line = metadata;
    line.replace(line.find("CONF"), 4, configuration);
    EXPECT_TRUE(
        lake.store().put(log_key("t", 0), R"({"protocol":)" + protocol + "}\n" + line).ok());
    return lake.open("t").status();
  };
  const Status vectors = with(
      R"({"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["variantType","deletionVectors","catalogManaged"],"writerFeatures":["variantType","deletionVectors","catalogManaged"]})",
      "");
  EXPECT_EQ(vectors.code(), Code::kUnimplemented);
  EXPECT_THAT(vectors.message(), HasSubstr("variantType, catalogManaged;"));
  const Status mapping = with(R"({"minReaderVersion":2,"minWriterVersion":5})",
                              R"("delta.columnMapping.mode":"other")");
  EXPECT_EQ(mapping.code(), Code::kUnimplemented);
  EXPECT_THAT(mapping.message(), HasSubstr("column mapping"));
  EXPECT_EQ(
      with(R"({"minReaderVersion":1,"minWriterVersion":2})", R"("delta.columnMapping.mode":"name")")
          .code(),
      Code::kCorrupt);
  EXPECT_EQ(
      with(R"({"minReaderVersion":2,"minWriterVersion":5})", R"("delta.columnMapping.mode":"name")")
          .code(),
      Code::kCorrupt);  // no physical names
  EXPECT_EQ(with(R"({"minReaderVersion":4,"minWriterVersion":7})", "").code(),
            Code::kUnimplemented);
}

TEST(Snapshot, TablesOfNewerWritersAreReadButNotWrittenTo) {
  LakeUnderTest lake;
  ASSERT_TRUE(
      lake.store()
          .put(
              log_key("t", 0),
              R"({"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["appendOnly","checkConstraints"]}})"
              "\n"
              R"({"metaData":{"id":"i","schemaString":"{\"fields\":[{\"name\":\"a\",\"type\":\"long\"}]}","partitionColumns":[]}})")
          .ok());
  const auto table = lake.open("t").value();
  EXPECT_EQ(table->snapshot().value()->schema->size(), 1);
  const auto commit = table->commit({});
  EXPECT_EQ(commit.code(), Code::kUnimplemented);
  EXPECT_THAT(commit.status().message(), HasSubstr("checkConstraints"));
}

TEST(Snapshot, ATableThatAnotherEngineUpgradedMeanwhileIsReadAndNoLongerWritten) {
  LakeUnderTest lake;
  const auto table = table_of(lake, 2);
  const auto rows = table->snapshot().value()->rows();
  ASSERT_TRUE(
      lake.store()
          .put(
              log_key("t", 3),
              R"({"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["rowTracking"]}})")
          .ok());
  const auto commit = table->commit({});
  EXPECT_EQ(commit.code(), Code::kUnimplemented);
  EXPECT_THAT(commit.status().message(),
              testing::AllOf(HasSubstr("table t"), HasSubstr("rowTracking")));
  EXPECT_EQ(table->snapshot().value()->rows(), rows);
  ASSERT_TRUE(
      lake.store()
          .put(
              log_key("t", 4),
              R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["variantType"],"writerFeatures":["variantType"]}})")
          .ok());
  const auto snapshot = table->snapshot();
  EXPECT_EQ(snapshot.code(), Code::kUnimplemented);
  EXPECT_THAT(snapshot.status().message(),
              testing::AllOf(HasSubstr("00000000000000000004.json"), HasSubstr("variantType")));
}

TEST(Snapshot, ACheckpointIsWrittenEveryTenCommitsAndReadBack) {
  LakeUnderTest lake;
  const auto table = table_of(lake, 12);
  EXPECT_EQ(lake.store().get("t/_delta_log/_last_checkpoint").value().substr(0, 24),
            R"({"version":10,"size":14,)");
  for (Version version = 0; version < 10; ++version) {
    ASSERT_TRUE(lake.store().remove(log_key("t", version)).ok());
  }
  const auto again = lake.open("t").value();
  const auto snapshot = again->snapshot().value();
  EXPECT_EQ(snapshot->version, 12);
  EXPECT_EQ(snapshot->rows(), 12);
  EXPECT_EQ(snapshot->txn("app"), 12);
  EXPECT_EQ(*snapshot->schema, data::Schema(kFields));
  EXPECT_EQ(snapshot->partition_columns, std::vector<std::string>{"p"});
  EXPECT_EQ(lake.count(*again, "p = 'a b/c' AND id <= 12"), 12);
  const auto original = table->snapshot().value();
  for (const auto& [path, file] : original->files) {
    const DataFile& read = snapshot->files.at(path);
    EXPECT_EQ(read.stats_json, file.stats_json);
    EXPECT_EQ(read.partition_values, file.partition_values);
    EXPECT_EQ(read.size_bytes, file.size_bytes);
  }
  EXPECT_EQ(again->snapshot(10).value()->rows(), 10);
  EXPECT_EQ(again->snapshot(9).code(), Code::kNotFound);
  EXPECT_EQ(again->history().value().front().version, 10);
  // It can be written to and checkpointed again.
  lake.append(*again, "VALUES (13, NULL)");
  EXPECT_TRUE(again->checkpoint().ok());
  EXPECT_EQ(lake.open("t").value()->snapshot().value()->rows(), 13);
}

TEST(Snapshot, CheckpointsKeepTombstonesForAWeekAndTags) {
  LakeUnderTest lake;
  const auto table = lake.create("t", kFields, {"p"});
  CommitRequest tail;
  tail.adds = table->write_files(lake.rows_for(*table, "VALUES (1, 'x')"), {{"assay.tail", "true"}})
                  .value();
  table->commit(tail).value();
  lake.append(*table, "VALUES (2, NULL)");
  CommitRequest removal;
  removal.removes = {table->added_between(1, 2).value().at(0).file.path};
  table->commit(removal).value();
  const auto removes_in_checkpoint = [&] {
    EXPECT_TRUE(table->checkpoint().ok());
    return lake.number(
        "SELECT count(*) FROM read_parquet('" + lake.folder() +
        "/t/_delta_log/00000000000000000003.checkpoint.parquet') WHERE remove IS NOT NULL");
  };
  EXPECT_EQ(removes_in_checkpoint(), 1);
  EXPECT_EQ(lake.open("t").value()->snapshot().value()->files.begin()->second.tags.at("assay.tail"),
            "true");
  lake.clock().advance({8 * kMicrosPerDay});
  EXPECT_EQ(removes_in_checkpoint(), 0);
}

TEST(Snapshot, AHintThatIsWrongDoesNoHarm) {
  LakeUnderTest lake;
  table_of(lake, 3);
  for (const char* hint : {"", "{", R"({"version":99})", R"({"version":"x"})"}) {
    ASSERT_TRUE(lake.store().put("t/_delta_log/_last_checkpoint", hint).ok());
    EXPECT_EQ(lake.open("t").value()->snapshot().value()->version, 3) << hint;
  }
}

TEST(Snapshot, ACheckpointThatIsNoneIsCorruptAndNamed) {
  LakeUnderTest lake;
  table_of(lake, 3);
  const std::string name = "t/_delta_log/00000000000000000002.checkpoint.parquet";
  const std::string path = lake.store().read_path(name);
  ASSERT_TRUE(lake.store().put(name, "not parquet, surely").ok());
  EXPECT_EQ(lake.open("t").code(), Code::kCorrupt);
  EXPECT_THAT(lake.open("t").status().message(), HasSubstr(name));
  for (const char* columns : {"1 AS x",
                              "{'path': 'a', 'size': 1} AS \"add\"",
                              "NULL::STRUCT(path VARCHAR) AS \"add\", NULL::INTEGER AS protocol, "
                              "NULL::INTEGER AS \"metaData\""}) {
    ASSERT_TRUE(lake.sql()
                    .execute("COPY (SELECT " + std::string(columns) + ") TO '" + path +
                             "' (FORMAT parquet)")
                    .ok());
    EXPECT_EQ(lake.open("t").code(), Code::kCorrupt) << columns;
  }
}

TEST(Snapshot, CheckpointsInPartsCountOnlyWhenComplete) {
  LakeUnderTest lake;
  const auto table = table_of(lake, 5);
  ASSERT_TRUE(table->checkpoint().ok());
  const std::string classic =
      lake.folder() + "/t/_delta_log/00000000000000000005.checkpoint.parquet";
  const auto part = [&](int number, const std::string& where) {
    EXPECT_TRUE(lake.sql()
                    .execute("COPY (SELECT * FROM read_parquet('" + classic + "') WHERE " + where +
                             ") TO '" + lake.folder() +
                             "/t/_delta_log/00000000000000000005.checkpoint.000000000" +
                             std::to_string(number) + ".0000000002.parquet' (FORMAT parquet)")
                    .ok());
  };
  part(1, "\"add\" IS NULL");
  ASSERT_TRUE(lake.store().remove("t/_delta_log/00000000000000000005.checkpoint.parquet").ok());
  EXPECT_EQ(lake.open("t").value()->snapshot().value()->rows(), 5);  // by the log files
  ASSERT_TRUE(table->checkpoint().ok());
  part(2, "\"add\" IS NOT NULL");
  ASSERT_TRUE(lake.store().remove("t/_delta_log/00000000000000000005.checkpoint.parquet").ok());
  for (Version version = 0; version <= 5; ++version) {
    ASSERT_TRUE(lake.store().remove(log_key("t", version)).ok());
  }
  EXPECT_EQ(lake.open("t").value()->snapshot().value()->rows(), 5);  // by the parts
}

TEST(Snapshot, AFailedCheckpointDoesNotFailTheCommit) {
  LakeUnderTest lake;
  const auto table = table_of(lake, 9);
  const auto busy = lake.sql().stream("SELECT * FROM range(100000)", 1'000).value();
  CommitRequest request;
  request.txns = {{"other", 1, std::nullopt}};
  EXPECT_EQ(table->commit(request).value(), 10);
  EXPECT_EQ(lake.store().get("t/_delta_log/_last_checkpoint").code(), Code::kNotFound);
}

}  // namespace
}  // namespace assay::lake
