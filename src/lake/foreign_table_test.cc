#include "lake/foreign_table.h"

#include <gmock/gmock.h>

// Tables as Spark, delta-rs, Trino and others leave them.

namespace assay::lake {
namespace {

using testing::HasSubstr;
using T = ForeignTable;

TEST(ForeignTable, EveryTypeIsReadAtEveryDepth) {
  const std::string array_of_structs =
      R"({"type":"array","containsNull":true,"elementType":)" +
      T::structure({T::field("x", "short"), T::field("y", "decimal(20,2)")}) + "}";
  const std::string map =
      R"({"type":"map","keyType":"string","valueContainsNull":true,"valueType":)" +
      T::structure({T::field("d", "date")}) + "}";
  T table;
  table
      .commit(T::protocol(3, "\"timestampNtz\"") + T::metadata({T::field("by", "byte"),
                                                                T::field("sh", "short"),
                                                                T::field("de", "decimal(38,10)"),
                                                                T::field("bi", "binary"),
                                                                T::field("ntz", "timestamp_ntz"),
                                                                T::field("ts", "timestamp"),
                                                                T::field("l", array_of_structs),
                                                                T::field("m", map)}))
      .parquet("f.parquet",
               "SELECT (-128)::TINYINT AS by, 7::SMALLINT AS sh, 1.5::DECIMAL(38,10) AS de, "
               "'\\x00a'::BLOB AS bi, TIMESTAMP '2026-01-01 00:00:00.000001' AS ntz, "
               "TIMESTAMPTZ '2026-01-01 00:00:00Z' AS ts, "
               "[{'x': 1::SMALLINT, 'y': 2::DECIMAL(20,2)}, NULL] AS l, "
               "MAP {'k': {'d': DATE '2026-01-01'}, 'n': NULL} AS m "
               "UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL")
      .commit(T::add("f.parquet"));
  EXPECT_EQ(table.rows(),
            "{'by': -128, 'sh': 7, 'de': 1.5000000000, 'bi': \\x00a, "
            "'ntz': '2026-01-01 00:00:00.000001', 'ts': '2026-01-01 00:00:00+00', "
            "'l': [{'x': 1, 'y': 2.00}, NULL], 'm': {k={'d': 2026-01-01}, n=NULL}}\n"
            "{'by': NULL, 'sh': NULL, 'de': NULL, 'bi': NULL, 'ntz': NULL, 'ts': NULL, 'l': NULL, "
            "'m': NULL}");
}

TEST(ForeignTable, PartitionValuesComeFromTheLogEvenWhenTheFileHasThem) {
  T table;
  table
      .commit(T::protocol(1) + T::metadata({T::field("id", "long"),
                                            T::field("p", "integer"),
                                            T::field("b", "binary"),
                                            T::field("t", "timestamp")},
                                           R"("p","b","t")"))
      .parquet("x y/part*?[1]-0000", "SELECT 1 AS id, 99 AS p, 'z'::BLOB AS b")
      .commit(
          T::add("x%20y/part*?[1]-0000", R"("p":"5","b":"q","t":"2026-01-01T10:00:00.123456Z")"));
  EXPECT_EQ(table.rows(), "{'id': 1, 'p': 5, 'b': q, 't': '2026-01-01 10:00:00.123456+00'}");
  EXPECT_EQ(table.rows("p = 99"), "");
}

TEST(ForeignTable, ColumnsAndFieldsThatAFileLacksAreNullAndOthersAreIgnored) {
  T table;
  table
      .commit(
          T::protocol(1) +
          T::metadata(
              {T::field("a", "long"),
               T::field("s", T::structure({T::field("x", "integer"), T::field("new", "string")})),
               T::field("later", "string")}))
      .parquet("1.parquet", "SELECT {'gone': 1, 'x': 2} AS s, 3::BIGINT AS a, 'q' AS dropped")
      .parquet("2.parquet", "SELECT 4::BIGINT AS a, NULL::STRUCT(x INTEGER) AS s")
      .commit(T::add("1.parquet") + T::add("2.parquet"));
  EXPECT_EQ(table.rows(),
            "{'a': 3, 's': {'x': 2, 'new': NULL}, 'later': NULL}\n"
            "{'a': 4, 's': NULL, 'later': NULL}");
}

TEST(ForeignTable, NarrowerTypesOfOlderFilesAreWidened) {
  const std::string changed = R"({"delta.typeChanges":[{"fromType":"float","toType":"double"}]})";
  T table;
  table
      .commit(T::protocol(3, "\"typeWidening\",\"timestampNtz\"") +
              T::metadata(
                  {T::field("l", "long"),
                   T::field("d", "double", changed),
                   T::field("n", "timestamp_ntz"),
                   T::field("e", "decimal(20,4)"),
                   T::field("t", "timestamp"),
                   T::field("a", R"({"type":"array","containsNull":true,"elementType":"long"})")}))
      .parquet("f.parquet",
               "SELECT 1::TINYINT AS l, 0.1::FLOAT AS d, DATE '2026-01-01' AS n, "
               "1.5::DECIMAL(4,1) AS e, TIMESTAMP '2026-01-01 00:00:00' AS t, [1::SMALLINT] AS a")
      .commit(
          T::add("f.parquet", "", R"(,"stats":"{\"numRecords\":1,\"maxValues\":{\"d\":0.1}}")"));
  const std::string row =
      "{'l': 1, 'd': 0.10000000149011612, 'n': '2026-01-01 00:00:00', 'e': 1.5000, "
      "'t': '2026-01-01 00:00:00+00', 'a': [1]}";
  EXPECT_EQ(table.rows(), row);
  EXPECT_EQ(table.rows("d > 0.1"), row);  // the bound is a float's, in few digits
}

std::vector<std::string> mapped_fields() {
  return {
      T::field("key", "long", T::mapped("col-1", 1)),
      T::field("day", "string", T::mapped("col-2", 2)),
      T::field(
          "s",
          T::structure(
              {T::field("in", "long", T::mapped("col-4", 4)),
               T::field("deep",
                        R"({"type":"array","containsNull":true,"elementType":)" +
                            T::structure({T::field("z", "string", T::mapped("col-6", 6))}) + "}",
                        T::mapped("col-5", 5))}),
          T::mapped("col-3", 3)),
      T::field("m",
               R"({"type":"map","keyType":"string","valueContainsNull":true,"valueType":)" +
                   T::structure({T::field("v", "long", T::mapped("col-8", 8))}) + "}",
               T::mapped("col-7", 7))};
}

const char* const kMappedRow =
    "{'key': 1, 'day': d, 's': {'in': 2, 'deep': [{'z': q}, NULL]}, 'm': {k={'v': 3}}}";

TEST(ForeignTable, MappedColumnsAreReadByNameAtEveryDepth) {
  T table;
  table
      .commit(T::protocol(2) +
              T::metadata(mapped_fields(), R"("day")", R"("delta.columnMapping.mode":"name")"))
      .parquet("f",
               "SELECT 1::BIGINT AS \"col-1\", {'col-4': 2::BIGINT, 'col-5': [{'col-6': 'q'}, "
               "NULL]} AS \"col-3\", MAP {'k': {'col-8': 3::BIGINT}} AS \"col-7\", 9 AS key")
      .parquet("g", "SELECT 5::BIGINT AS \"col-1\"")
      .commit(T::add("f",
                     R"("col-2":"d")",
                     R"(,"stats":"{\"numRecords\":1,\"maxValues\":{\"col-1\":1}}")") +
              T::add("g",
                     R"("col-2":null)",
                     R"(,"stats":"{\"numRecords\":1,\"minValues\":{\"col-1\":5}}")"));
  EXPECT_EQ(table.rows("key = 1"), kMappedRow);
  EXPECT_EQ(table.rows("day IS NULL"), "{'key': 5, 'day': NULL, 's': NULL, 'm': NULL}");
  const auto opened = table.open().value();
  EXPECT_EQ(opened->relation(*opened->snapshot().value(), "key = 1")->find("/g'"),
            std::string::npos);  // pruned by statistics under the physical name
  const Status refused = opened->commit({}).status();
  EXPECT_EQ(refused.code(), Code::kUnimplemented);
  EXPECT_NE(refused.message().find("with the engine that owns the table"), std::string::npos)
      << refused.message();
}

TEST(ForeignTable, MappedColumnsAreReadByIdWhateverAFileNamesThem) {
  T table;
  table
      .commit(T::protocol(3, "\"columnMapping\"") +
              T::metadata(mapped_fields(), R"("day")", R"("delta.columnMapping.mode":"id")"))
      .parquet("f",
               "SELECT 1::BIGINT AS a, {'b': 2::BIGINT, 'c': [{'d': 'q'}, NULL]} AS e, "
               "MAP {'k': {'f': 3::BIGINT}} AS g, 8 AS \"col-1\"",
               ", FIELD_IDS {a: 1, e: {__duckdb_field_id: 3, b: 4, c: {__duckdb_field_id: 5, "
               "element: {d: 6}}}, g: {__duckdb_field_id: 7, value: {f: 8}}}")
      .parquet("g", "SELECT 5::BIGINT AS \"col-3\"", ", FIELD_IDS {'col-3': 1}")
      .commit(T::add("f", R"("col-2":"d")") + T::add("g"));
  EXPECT_EQ(table.rows(),
            std::string(kMappedRow) + "\n{'key': 5, 'day': NULL, 's': NULL, 'm': NULL}");
  table.parquet("h", "SELECT 5::BIGINT AS \"col-1\"").commit(T::add("h"));
  EXPECT_THAT(table.rows(), HasSubstr("no field ids: h"));
}

TEST(ForeignTable, WhatOtherWritersLeaveBesideTheLogIsIgnored) {
  T table;
  table.commit(T::protocol(1) + T::metadata({T::field("a", "long")}))
      .parquet("f.parquet", "SELECT 1::BIGINT AS a")
      .parquet("orphan.parquet", "SELECT 2::BIGINT AS a")
      .commit(R"({"cdc":{"path":"x"}})"
              "\n"
              R"({"domainMetadata":{"domain":"d","configuration":"","removed":false}})"
              "\n" +
              T::add("f.parquet", "", R"(,"baseRowId":0,"defaultRowCommitVersion":1)"));
  for (const char* name : {"_delta_log/00000000000000000001.crc",
                           "_delta_log/.00000000000000000001.json.crc",
                           "_delta_log/00000000000000000002.json.tmp",
                           "_delta_log/_staged_commits/00000000000000000002.uuid.json",
                           "_delta_log/_trino_meta/extended_stats.json",
                           "_delta_log/00000000000000000001.checkpoint.not-a-uuid.parquet",
                           "_SUCCESS"}) {
    table.put(name, "stray");
  }
  EXPECT_EQ(table.rows(), "{'a': 1}");
}

TEST(ForeignTable, WhatIsNotReadIsRefusedByName) {
  const auto refusal = [](const std::string& field) {
    T table;
    table.commit(T::protocol(1) + T::metadata({T::field("a", "long"), field}));
    const Status status = table.open().status();
    EXPECT_EQ(status.code(), Code::kUnimplemented);
    return status.message();
  };
  EXPECT_THAT(refusal(T::field("v", "void")), HasSubstr("type void is not supported: column `v`"));
  EXPECT_THAT(refusal(T::field("s", T::structure({T::field("v", "variant")}))),
              HasSubstr("type variant is not supported: column `s.v`"));
  EXPECT_THAT(refusal(T::field("d", "decimal(39,0)")), HasSubstr("decimal(39,0)"));
  EXPECT_THAT(refusal(T::field("i", "interval day to second")), HasSubstr("interval"));
  for (const char* path : {"file:/elsewhere/f.parquet", "s3://bucket/f.parquet", "/f.parquet"}) {
    T table;
    table.commit(T::protocol(1) + T::metadata({T::field("a", "long")}) + T::add(path));
    EXPECT_EQ(table.open().code(), Code::kUnimplemented);
    EXPECT_THAT(table.open().status().message(), HasSubstr(path));
  }
}

TEST(ForeignTable, ForeignTablesOfTheOldProtocolAreWrittenToUnlessTheyHaveRules) {
  const std::string old_protocol = R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}})"
                                   "\n";
  T plain;
  plain.commit(old_protocol + T::metadata({T::field("a", "long")}));
  EXPECT_TRUE(plain.open().value()->commit({}).ok());
  T rules;
  rules.commit(old_protocol + T::metadata({T::field("a", "long", R"({"delta.invariants":"{}"})")}));
  EXPECT_EQ(rules.open().value()->commit({}).code(), Code::kUnimplemented);
}

TEST(ForeignTable, MissingAndDamagedDataFilesAreNamed) {
  T table;
  table.commit(T::protocol(1) + T::metadata({T::field("a", "long")}) + T::add("gone.parquet"));
  EXPECT_THAT(table.rows(), testing::AllOf(HasSubstr("not_found"), HasSubstr("gone.parquet")));
  table.parquet("gone.parquet", "SELECT 1::BIGINT AS a");
  EXPECT_EQ(table.rows(), "{'a': 1}");
  const std::string bytes = table.lake().store().get("t/gone.parquet").value();
  table.put("gone.parquet", bytes.substr(0, bytes.size() - 6));
  EXPECT_THAT(table.rows(), testing::AllOf(HasSubstr("corrupt"), HasSubstr("gone.parquet")));
}

}  // namespace
}  // namespace assay::lake
