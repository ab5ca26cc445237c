#include "lake/sql_query.h"

#include <chrono>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/foreign_table.h"
#include "lake/lake_under_test.h"

namespace assay::lake {
namespace {

using data::Type;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// 20 files: 10 days, each of users u00..u49 in one and u50..u99 in the other.
class SqlQuery : public ::testing::Test {
 protected:
  SqlQuery()
      : table_(lake_.create("bronze/events",
                            {{"user id", Type::kString},
                             {"ts", Type::kTimestamp},
                             {"n", Type::kInt64},
                             {"dt", Type::kDate}},
                            {"dt"})) {
    for (const int half : {0, 50}) {
      lake_.append(
          *table_,
          "SELECT printf('u%02d', u), TIMESTAMPTZ '2026-01-01' + INTERVAL (d) DAY + INTERVAL (u) "
          "MINUTE, d * 100 + u, DATE '2026-01-01' + d::INT FROM range(10) a(d), range(" +
              std::to_string(half) + ", " + std::to_string(half + 50) + ") b(u)");
    }
  }

  Result<PlannedSql> plan(const std::string& statement) {
    return plan_sql(
        lake_.world(), lake_.store(), lake_.sql(), sql_tables(lake_.store()).value(), statement);
  }
  /// The number that a statement gives, and the files it opened of the first table.
  std::pair<int64_t, int64_t> run(const std::string& statement) {
    const PlannedSql planned = plan(statement).value();
    return {lake_.number(planned.text), planned.tables.at(0).files_opened};
  }

  void set_file_time(Version version, std::chrono::seconds unix_time) {
    using Clock = std::filesystem::file_time_type::clock;
    std::filesystem::last_write_time(
        lake_.folder() + "/bronze/events/_delta_log/" + log_file_name(version),
        Clock::now() - Clock::to_sys(Clock::now()).time_since_epoch() + unix_time);
  }

  LakeUnderTest lake_;
  std::unique_ptr<DeltaTable> table_;
};

TEST_F(SqlQuery, OpensWhatTheConditionsNeed) {
  const std::string count = "SELECT count(*) FROM lake.bronze.events ";
  EXPECT_EQ(run(count), std::pair(int64_t{1000}, int64_t{20}));
  EXPECT_EQ(run(count + "WHERE dt = '2026-01-03'"), std::pair(int64_t{100}, int64_t{2}));
  EXPECT_EQ(run(count + "WHERE \"user id\" = 'u07'"), std::pair(int64_t{10}, int64_t{10}));
  EXPECT_EQ(run(count + "WHERE \"user id\" = 'u07' AND ts >= '2026-01-09'"),
            std::pair(int64_t{2}, int64_t{2}));
  EXPECT_EQ(run(count + "WHERE n IN (5, 999)"), std::pair(int64_t{2}, int64_t{2}));
  EXPECT_EQ(run(count + "WHERE n = 5 OR n = 999"), std::pair(int64_t{2}, int64_t{2}));
  EXPECT_EQ(run(count + "WHERE n = 5 AND n = 6"), std::pair(int64_t{0}, int64_t{0}));
  EXPECT_EQ(run(count + "WHERE date_trunc('day', ts) = '2026-01-02' AND n % 2 = 0"),
            std::pair(int64_t{50}, int64_t{2}));
  EXPECT_EQ(run(count + "WHERE lower(\"user id\") = 'u07'"), std::pair(int64_t{10}, int64_t{20}));
}

TEST_F(SqlQuery, ConditionsReachTablesThroughCommonTablesJoinsAndWindows) {
  EXPECT_EQ(run("WITH e AS (SELECT * FROM lake.bronze.events) SELECT count(*) FROM e JOIN e AS f "
                "USING (n) WHERE e.n = 250"),
            std::pair(int64_t{1}, int64_t{1}));
  EXPECT_EQ(
      run("SELECT count(*) FROM (SELECT n, row_number() OVER (PARTITION BY dt ORDER BY ts) r, "
          "dt FROM lake.bronze.events) WHERE dt = DATE '2026-01-04' AND r <= 3"),
      std::pair(int64_t{3}, int64_t{2}));
  // Two scans: what either needs.
  EXPECT_EQ(run("SELECT (SELECT count(*) FROM lake.bronze.events WHERE n = 5) + (SELECT count(*) "
                "FROM lake.bronze.events WHERE n = 999)"),
            std::pair(int64_t{2}, int64_t{2}));
  EXPECT_EQ(run("SELECT count(*) FROM lake.bronze.events a LEFT JOIN lake.bronze.events b ON a.n = "
                "b.n AND b.n > 990"),
            std::pair(int64_t{1000}, int64_t{20}));
  EXPECT_EQ(
      run("SELECT count(*) FROM (SELECT * FROM lake.bronze.events USING SAMPLE 30 ROWS) WHERE "
          "n >= 0"),
      std::pair(int64_t{30}, int64_t{20}));
}

TEST_F(SqlQuery, AnswersEqualThoseOverAllFiles) {
  const std::string all = table_->relation(*table_->snapshot().value()).value();
  const std::unique_ptr<Random> random = seeded_random(7);
  static const std::vector<std::string> kConditions = {
      "n > ", "n <= ", "n = ", "n <> ", "n % 7 = ", "100 - n < ", "n + 3 >= ", "abs(n - 500) < "};
  for (int round = 0; round < 40; ++round) {
    std::string where = "true";
    for (uint64_t i = 0; i <= random->next() % 3; ++i) {
      where += (random->next() % 4 == 0 ? " OR " : " AND ") +
               kConditions[random->next() % kConditions.size()] +
               std::to_string(random->next() % 1000);
    }
    const std::string select = "SELECT coalesce(sum(n * n), -1)::BIGINT FROM ";
    EXPECT_EQ(run(select + "lake.bronze.events WHERE " + where).first,
              lake_.number(select + all + " WHERE " + where))
        << where << ", seed 7";
  }
}

TEST_F(SqlQuery, TellsWhatEachTableIsReadFor) {
  lake_.create("silver/x", {{"a", Type::kInt64}});
  const PlannedSql planned =
      plan("SELECT * FROM lake.silver.x, lake.bronze.events WHERE n = 5 AND \"user id\" > 'a'")
          .value();
  ASSERT_EQ(planned.tables.size(), 2U);
  const TableUse& use = planned.tables[0];
  EXPECT_EQ(use.name, "lake.bronze.events");
  EXPECT_EQ(use.key, "bronze/events");
  EXPECT_EQ(use.version, 2);
  EXPECT_EQ(use.files_total, 20);
  EXPECT_EQ(use.files_opened, 1);
  EXPECT_LT(use.bytes_opened, use.bytes_total);
  EXPECT_THAT(use.why, HasSubstr("\"n\"=5"));
  EXPECT_EQ(planned.tables[1].files_total, 0);
}

TEST_F(SqlQuery, ReadsOlderVersions) {
  EXPECT_EQ(run("SELECT count(*) FROM lake.bronze.events VERSION AS OF 1").first, 500);
  EXPECT_EQ(run("SELECT count(*) FROM lake.bronze.events VERSION AS OF 0 e").first, 0);
  EXPECT_EQ(
      run("SELECT count(*) FROM lake.bronze.events AT (VERSION => 1) WHERE events.n < 10").first,
      10);
  EXPECT_EQ(run("SELECT count(*) FROM lake.bronze.events VERSION AS OF 2 ANTI JOIN "
                "lake.bronze.events VERSION AS OF 1 USING (n)")
                .first,
            500);
  lake_.append(*table_, "SELECT 'late', TIMESTAMPTZ '2026-01-01', -1, DATE '2026-01-01'");
  for (Version version = 0; version < 4; ++version) {  // 10 seconds apart from 2026-01-01 on
    set_file_time(version, std::chrono::seconds(1'767'225'600 + 10 * version));
  }
  const std::string at = "SELECT count(*) FROM lake.bronze.events TIMESTAMP AS OF ";
  EXPECT_EQ(run(at + "'2026-01-01T00:00:10Z'").first, 500);
  EXPECT_EQ(run(at + "TIMESTAMP '2026-01-01 00:00:29'").first, 1000);
  EXPECT_EQ(run(at + "'2026-01-01 00:00:30'").first, 1001);
  EXPECT_EQ(run(at + "'2030-01-01'").first, 1001);
  EXPECT_EQ(plan(at + "'2025-01-01'").status().code(), Code::kNotFound);
  EXPECT_EQ(plan("FROM lake.bronze.events VERSION AS OF 9").status().code(), Code::kNotFound);
  for (const std::string version : {"-1", "+1x", "abc", "1x", "'1'", "\"1\""}) {
    const Status refused = plan("FROM lake.bronze.events VERSION AS OF " + version).status();
    EXPECT_EQ(refused.code(), Code::kInvalidArgument) << version;
    EXPECT_NE(refused.message().find("whole number from 0 on"), std::string::npos)
        << refused.message();
  }
  EXPECT_EQ(plan("FROM lake.bronze.events VERSION AS OF 1.5").status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(run("SELECT count(*) FROM lake.bronze.events -- VERSION AS OF 1").first, 1001);
}

TEST_F(SqlQuery, AVersionKeepsItsOwnColumns) {
  CommitRequest request;
  request.schema = data::make_schema({{"user id", Type::kString},
                                      {"ts", Type::kTimestamp},
                                      {"n", Type::kInt64},
                                      {"dt", Type::kDate},
                                      {"extra", Type::kInt64}});
  ASSERT_TRUE(table_->commit(request).ok());
  EXPECT_EQ(run("SELECT count(*) FROM lake.bronze.events WHERE extra IS NULL").first, 1000);
  EXPECT_EQ(plan("SELECT extra FROM lake.bronze.events VERSION AS OF 1").status().code(),
            Code::kInvalidArgument);
}

TEST(SqlQueryOfForeignTables, ColumnsOfAnyTypeAreThere) {
  using T = ForeignTable;
  T table;
  table
      .parquet("f.parquet",
               "SELECT 5::BIGINT AS a, [1, 2, 3]::BIGINT[] AS l, 1.5::DECIMAL(9, 2) AS d")
      .commit(T::protocol(1) +
              T::metadata(
                  {T::field("a", "long"),
                   T::field("l", R"({"type":"array","elementType":"long","containsNull":true})"),
                   T::field("d", "decimal(9,2)")}) +
              T::add("f.parquet"));
  LakeUnderTest& lake = table.lake();
  const PlannedSql planned =
      plan_sql(lake.world(),
               lake.store(),
               lake.sql(),
               sql_tables(lake.store()).value(),
               "SELECT sum(l[2] + d)::BIGINT FROM lake.t WHERE a = 5 AND len(l) = 3 AND d > 1")
          .value();
  EXPECT_EQ(planned.tables.at(0).files_opened, 1);
  EXPECT_EQ(lake.number(planned.text), 4);  // 3.5, rounded
}

TEST_F(SqlQuery, MistakesArePointedAt) {
  const Status misspelt = plan("SELECT *\nFROM lake.bronze.event").status();
  EXPECT_EQ(misspelt.code(), Code::kInvalidArgument);
  EXPECT_THAT(misspelt.message(), HasSubstr("line 2, column 6"));
  EXPECT_THAT(misspelt.message(), HasSubstr("lake.bronze.events"));
  // Behind a clause that was rewritten, the engine's pointer is still right.
  const std::string statement = "SELECT * FROM lake.bronze.events VERSION AS OF 1 WHERE nn = 1";
  const Status column = plan(statement).status();
  EXPECT_EQ(column.code(), Code::kInvalidArgument);
  const std::string& message = column.message();
  const std::size_t line = message.find("LINE 1: ");
  const std::size_t caret = message.find('^', line);
  ASSERT_NE(caret, std::string::npos);
  const std::size_t shown =
      message.find("nn = 1", line) - message.rfind('\n', message.find("nn = 1", line));
  EXPECT_EQ(caret - message.rfind('\n', caret), shown);
  EXPECT_THAT(plan("SELECT 1,\n  2 +\n  nothing").status().message(),
              HasSubstr("LINE 3:   nothing"));
  EXPECT_EQ(plan("SELECT * FROM events VERSION AS OF 1").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(plan("SELECT 1; SELECT 2").status().code(), Code::kInvalidArgument);
}

TEST_F(SqlQuery, TablesThatAreNotNamedAreNotOpened) {
  ASSERT_TRUE(lake_.store().put("bronze/broken/_delta_log/00000000000000000000.json", "{").ok());
  EXPECT_EQ(run("SELECT count(*) FROM lake.bronze.events").first, 1000);
  EXPECT_EQ(plan("SELECT * FROM lake.bronze.broken").status().code(), Code::kCorrupt);
  const PlannedSql shown = plan("SHOW ALL TABLES").value();
  EXPECT_EQ(shown.warnings.size(), 1U);
  EXPECT_EQ(lake_
                .rows("SELECT table_name FROM duckdb_columns() WHERE database_name = 'lake' AND "
                      "column_name = 'n'")
                .rows(),
            1);
  EXPECT_THAT(plan("SELECT 42 AS x").value().tables, IsEmpty());
}

TEST_F(SqlQuery, NamesOfAnyKindAreViews) {
  lake_.append(*lake_.create("gold/user-view.v1", {{"a", Type::kInt64}}), "SELECT 1");
  lake_.append(*lake_.create("learn/runs/1", {{"a", Type::kInt64}}), "SELECT 2");
  lake_.append(*lake_.create("root", {{"a", Type::kInt64}}), "SELECT 4");
  EXPECT_EQ(run("SELECT a FROM lake.gold.\"user-view.v1\"").first, 1);
  EXPECT_EQ(run("SELECT a FROM lake.learn.\"runs/1\" VERSION AS OF 1").first, 2);
  EXPECT_EQ(run("SELECT a FROM lake.root").first, 4);
  EXPECT_EQ(run("SELECT a FROM lake.main.root VERSION AS OF 1").first, 4);
  EXPECT_EQ(
      run("SELECT \"lake\".n FROM (SELECT {'n': n} AS \"lake\" FROM lake.bronze.events) WHERE "
          "\"lake\".n = 17")
          .first,
      17);
}

}  // namespace
}  // namespace assay::lake
