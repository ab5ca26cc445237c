#include <gmock/gmock.h>

#include "lake/foreign_table.h"

// Checkpoints of every kind that other writers leave.

namespace assay::lake {
namespace {

using testing::HasSubstr;
using T = ForeignTable;

constexpr std::string_view kUuid = "01234567-89ab-cdef-0123-456789abcdef";
const std::string kCheckpoint = "_delta_log/00000000000000000001.checkpoint.";

/// Version 0 makes the table, version 1 adds two files; then the log files go.
class ForeignCheckpoint : public testing::Test {
 protected:
  ForeignCheckpoint() {
    table
        .commit(T::protocol(3, "\"v2Checkpoint\"") +
                T::metadata({T::field("a", "long"), T::field("p", "string")}, R"("p")"))
        .parquet("1.parquet", "SELECT 1::BIGINT AS a")
        .parquet("2.parquet", "SELECT 2::BIGINT AS a")
        .commit(T::add("1.parquet", R"("p":"x")") + T::add("2.parquet", R"("p":null)"));
  }
  void forget_log_files() {
    for (const Version version : {0, 1}) {
      ASSERT_TRUE(table.lake().store().remove(log_prefix("t") + log_file_name(version)).ok());
    }
  }
  /// The state's actions without files, as lines.
  static std::string few_actions() {
    return R"({"checkpointMetadata":{"version":1}})"
           "\n" +
           T::protocol(3, "\"v2Checkpoint\"") +
           T::metadata({T::field("a", "long"), T::field("p", "string")}, R"("p")");
  }
  void write_sidecar() {
    table.parquet(
        "_delta_log/_sidecars/side.parquet",
        "SELECT {'path': path, 'partitionValues': MAP {'p': p}, 'size': 1::BIGINT, "
        "'modificationTime': 1::BIGINT, 'dataChange': false, 'stats': stats, 'stats_parsed': "
        "{'numRecords': 1, 'minValues': {'ts': TIMESTAMP_MS '2026-01-01 00:00:00'}}} AS \"add\", "
        "NULL::STRUCT(path VARCHAR) AS remove FROM (VALUES ('1.parquet', 'x', "
        "'{\"numRecords\":1}'), ('2.parquet', NULL, NULL)) AS v(path, p, stats)");
  }

  const std::string rows_ = "{'a': 1, 'p': x}\n{'a': 2, 'p': NULL}";
  T table;
};

TEST_F(ForeignCheckpoint, AJsonOneWithSidecarsIsRead) {
  write_sidecar();
  table.put(kCheckpoint + std::string(kUuid) + ".json",
            few_actions() + R"({"sidecar":{"path":"side.parquet","sizeInBytes":1}})"
                            "\n");
  forget_log_files();
  EXPECT_EQ(table.rows(), rows_);
  EXPECT_EQ(table.open().value()->snapshot().value()->rows(), 1);
  EXPECT_EQ(table.rows("p = 'x'"), "{'a': 1, 'p': x}");
}

TEST_F(ForeignCheckpoint, AJsonOneMayHoldTheFilesItself) {
  table.put(kCheckpoint + std::string(kUuid) + ".json",
            few_actions() + T::add("1.parquet", R"("p":"x")") + T::add("2.parquet"));
  forget_log_files();
  EXPECT_EQ(table.rows(), rows_);
}

TEST_F(ForeignCheckpoint, AParquetOneWithSidecarsIsReadUnderBothNames) {
  write_sidecar();
  std::string schema;
  append_json_string(schema, T::structure({T::field("a", "long"), T::field("p", "string")}));
  const std::string top =
      "SELECT NULL::STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures "
      "VARCHAR[]) AS protocol, NULL::STRUCT(schemaString VARCHAR, partitionColumns VARCHAR[]) AS "
      "\"metaData\", {'path': 'side.parquet'} AS sidecar "
      "UNION ALL SELECT {'minReaderVersion': 3, 'minWriterVersion': 7, 'readerFeatures': "
      "['v2Checkpoint']}, NULL, NULL UNION ALL SELECT NULL, {'schemaString': (" +
      data::SqlEngine::literal(schema) + "::JSON)->>'$', 'partitionColumns': ['p']}, NULL";
  for (const std::string& name : {std::string(kUuid) + ".parquet", std::string("parquet")}) {
    table.parquet(kCheckpoint + name, top);
    if (name == "parquet") {
      ASSERT_TRUE(
          table.lake().store().remove("t/" + kCheckpoint + std::string(kUuid) + ".parquet").ok());
    } else {
      forget_log_files();
    }
    EXPECT_EQ(table.rows(), rows_) << name;
  }
}

TEST_F(ForeignCheckpoint, WhatContradictsItselfOrTheLogIsCorruptAndNamed) {
  const std::string name = kCheckpoint + std::string(kUuid) + ".json";
  const std::string sidecar = R"({"sidecar":{"path":"side.parquet"}})"
                              "\n";
  table.put(name, few_actions() + sidecar);
  Status status = table.open().status();  // the sidecar is missing; never "no such table"
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_THAT(status.message(), testing::AllOf(HasSubstr(name), HasSubstr("side.parquet")));
  table.put("_delta_log/_sidecars/side.parquet", "not parquet");
  EXPECT_EQ(table.open().code(), Code::kCorrupt);
  write_sidecar();
  EXPECT_EQ(table.rows(), rows_);
  table.put("_delta_log/_last_checkpoint", R"({"version":1,"numOfAddFiles":3})");
  status = table.open().status();
  EXPECT_EQ(status.code(), Code::kCorrupt);
  EXPECT_THAT(status.message(), testing::AllOf(HasSubstr("2 files"), HasSubstr("says 3")));
  table.put("_delta_log/_last_checkpoint", R"({"version":1,"numOfAddFiles":2})");
  EXPECT_EQ(table.rows(), rows_);
  std::string other = few_actions();
  other.replace(other.find("\"version\":1"), 11, "\"version\":2");
  table.put(name, other + sidecar);
  EXPECT_THAT(table.open().status().message(), HasSubstr("of version 2"));
  table.put(name, few_actions() + R"({"sidecar":{"path":"s3://elsewhere/side.parquet"}})");
  EXPECT_EQ(table.open().code(), Code::kUnimplemented);
}

TEST_F(ForeignCheckpoint, DeletionVectorsAndTombstonesOfAClassicOneAreRead) {
  table.parquet(
      kCheckpoint + "parquet",
      "SELECT {'minReaderVersion': 3, 'minWriterVersion': 7} AS protocol, "
      "NULL::STRUCT(schemaString "
      "VARCHAR, configuration MAP(VARCHAR, VARCHAR)) AS \"metaData\", NULL::STRUCT(path VARCHAR, "
      "size BIGINT, tags MAP(VARCHAR, VARCHAR), deletionVector STRUCT(storageType VARCHAR, "
      "pathOrInlineDv VARCHAR, sizeInBytes INTEGER, cardinality BIGINT)) AS \"add\", "
      "NULL::STRUCT(path VARCHAR, deletionTimestamp BIGINT) AS remove UNION ALL SELECT NULL, "
      "{'schemaString': '{\"fields\":[{\"name\":\"a\",\"type\":\"long\"}]}', 'configuration': "
      "MAP {'k': 'v'}}, NULL, NULL UNION ALL SELECT NULL, NULL, {'path': '1%20x', 'size': 1, "
      "'tags': MAP {'t': 'u'}, 'deletionVector': {'storageType': 'i', 'pathOrInlineDv': '00000', "
      "'sizeInBytes': 4, 'cardinality': 9}}, NULL UNION ALL SELECT NULL, NULL, NULL, {'path': "
      "'gone', 'deletionTimestamp': 5}");
  forget_log_files();
  const auto state = load_state(table.lake().store(), table.lake().sql(), "t", std::nullopt);
  ASSERT_TRUE(state.ok()) << state.status().to_string();
  const DataFile& file = (*state)->snapshot.files.at("1 x");
  EXPECT_EQ(file.tags.at("t"), "u");
  EXPECT_EQ(file.deletion_vector, (DeletionVector{"i", "00000", 0, 4, 9}));
  EXPECT_EQ((*state)->tombstones.at("gone").deletion_ms, 5);
  EXPECT_EQ((*state)->snapshot.configuration.at("k"), "v");
}

}  // namespace
}  // namespace assay::lake
