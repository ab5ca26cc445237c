#include "silver/row_wise_sql.h"

#include <random>

#include <gtest/gtest.h>

#include "silver/test_tables.h"

namespace assay::silver {
namespace {

class RowWise : public ::testing::Test {
 protected:
  Result<RowWiseSql> compile(const std::string& sql) {
    return RowWiseSql::compile(*engine_, sql, "clicks", *clicks_schema());
  }
  RowWiseSql compiled(const std::string& sql) {
    auto result = compile(sql);
    EXPECT_TRUE(result.ok()) << sql << ": " << result.status().to_string();
    return std::move(result).value();
  }
  /// The message with which `sql` is refused.
  std::string refusal(const std::string& sql) {
    const auto result = compile(sql);
    EXPECT_EQ(result.code(), Code::kInvalidArgument) << sql;
    return result.ok() ? "accepted" : result.status().message();
  }

  std::unique_ptr<data::SqlEngine> engine_ = open_engine();
};

TEST_F(RowWise, KeepsTheInputRowOfEveryResult) {
  const RowWiseSql sql = compiled("SELECT id * 2 AS twice, text FROM clicks WHERE id % 2 = 1");
  EXPECT_EQ(sql.schema()->names(), (std::vector<std::string>{"twice", "text"}));
  const auto output = sql.run(*engine_, clicks({{1, "a", 0}, {2, "b", 0}, {3, {}, 0}}));
  ASSERT_TRUE(output.ok()) << output.status().to_string();
  EXPECT_EQ(output->input_rows, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(output->rows.find("twice")->scalar(1), data::Scalar::int64(6));
  EXPECT_TRUE(output->rows.find("text")->is_null(1));
  EXPECT_TRUE(output->rejects.empty());
}

TEST_F(RowWise, ColumnsAsTheyAreAreTheRowsThatTheEngineGives) {
  const data::Batch input = clicks({{1, "a", 10}, {2, "b", 20}, {3, {}, 30}, {4, "", -40}});
  for (const std::string sql : {"SELECT id FROM clicks",
                                "SELECT price, text AS words, ID as id2, event_time FROM clicks c",
                                "SELECT \"Text\", dt, hr, sequence, known_time FROM clicks;",
                                "SELECT * FROM clicks",
                                "SELECT clicks.id, price FROM clicks",
                                "SELECT id + 0 AS id, price FROM clicks"}) {
    const auto output = compiled(sql).run(*engine_, input).value();
    const std::string slow = sql.substr(0, sql.find(';')) + " WHERE true";
    const auto expected = compiled(slow).run(*engine_, input).value();
    EXPECT_EQ(output.rows.schema(), expected.rows.schema()) << sql;
    EXPECT_EQ(content_hash(output.rows), content_hash(expected.rows)) << sql;
    EXPECT_EQ(output.input_rows, expected.input_rows) << sql;
  }
}

TEST_F(RowWise, AnEmptyBatchGivesNoRows) {
  const auto output = compiled("SELECT id FROM clicks").run(*engine_, clicks({}));
  ASSERT_TRUE(output.ok());
  EXPECT_EQ(output->rows.rows(), 0);
  EXPECT_EQ(output->rows.schema(), *compiled("SELECT id FROM clicks").schema());
}

TEST_F(RowWise, TakesManyWaysToWriteASelect) {
  for (const char* sql :
       {"select id from clicks",
        "SELECT id FROM clicks;",
        "  -- why\n/* and */ SELECT id FROM clicks -- end",
        "SELECT * FROM clicks",
        "SELECT c.* EXCLUDE (dt, hr) FROM clicks c",
        "SELECT id FROM CLICKS",
        "SELECT/**/id FROM clicks",
        "SELECT CASE WHEN id > 1 THEN 'a' END AS x FROM clicks",
        "SELECT coalesce(text, 'none') AS t, hour(event_time) AS h, id::DOUBLE AS d FROM clicks",
        "SELECT list_sum(list_transform([id, 1], x -> x + 1))::BIGINT AS s FROM clicks",
        "SELECT id FROM clicks WHERE text LIKE 'a%' AND id BETWEEN 1 AND 2 OR text IN ('a', 'b')",
        "SELECT split_part(text, '-', 1) AS part, nullif(id, 0) AS n FROM clicks",
        "SELECT age(event_time, known_time)::VARCHAR AS a FROM clicks"}) {
    const auto result = compile(sql);
    EXPECT_TRUE(result.ok()) << sql << ": " << result.status().to_string();
  }
}

TEST_F(RowWise, RefusesEverythingThatIsNotRowByRowAndNamesIt) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"SELECT count(*) FROM clicks", "count"},
      {"SELECT sum(price) AS s FROM clicks", "sum"},
      {"SELECT id + max(id) FROM clicks", "max"},
      {"SELECT weighted_avg(price, id) FROM clicks", "weighted_avg"},
      {"SELECT geomean(price) FROM clicks", "geomean"},
      {"SELECT id FROM clicks WHERE id > (SELECT 1)", "subquery"},
      {"SELECT id FROM clicks WHERE EXISTS (SELECT 1 FROM clicks)", "subquery"},
      {"SELECT id FROM (SELECT * FROM clicks)", "subquery"},
      {"SELECT id FROM clicks GROUP BY id", "GROUP BY"},
      {"SELECT id FROM clicks GROUP BY ALL", "GROUP BY"},
      {"SELECT id FROM clicks HAVING id > 1", "HAVING"},
      {"SELECT row_number() OVER () FROM clicks", "window"},
      {"SELECT sum(id) OVER (ORDER BY id) FROM clicks", "window"},
      {"SELECT id FROM clicks QUALIFY row_number() OVER () = 1", ""},
      {"SELECT DISTINCT id FROM clicks", "DISTINCT"},
      {"SELECT DISTINCT ON (id) id FROM clicks", "DISTINCT"},
      {"SELECT id FROM clicks ORDER BY id", "ORDER BY"},
      {"SELECT id FROM clicks LIMIT 5", "LIMIT"},
      {"SELECT id FROM clicks LIMIT 50%", "LIMIT"},
      {"SELECT id FROM clicks JOIN items USING (id)", "join"},
      {"SELECT id FROM clicks, clicks b", "join"},
      {"SELECT id FROM clicks UNION SELECT 1", "UNION"},
      {"WITH t AS (SELECT 1) SELECT id FROM clicks", "WITH"},
      {"SELECT unnest([1, 2]) FROM clicks", "unnest"},
      {"SELECT generate_subscripts([1, 2], 1) FROM clicks", "unnest"},
      {"SELECT id FROM clicks TABLESAMPLE 10%", "TABLESAMPLE"},
      {"SELECT id FROM clicks USING SAMPLE 10", "SAMPLE"},
      {"SELECT id FROM items", "clicks"},
      {"SELECT id FROM other.clicks", "clicks"},
      {"SELECT id FROM read_csv('/etc/passwd')", "clicks"},
      {"SELECT 1 AS one", "FROM"},
      {"SELECT id FROM clicks; SELECT id FROM clicks", "several"},
      {"FROM clicks", "SELECT"},
      {"(SELECT id FROM clicks)", "SELECT"},
      {"INSERT INTO clicks VALUES (1)", "SELECT"},
      {"SELECT $1 FROM clicks", "PARAMETER"},
      {"", ""},
      {"SELEC id FROM clicks", ""},
      {"SELECT idd FROM clicks", "idd"},
      {"SELECT nosuch(id) FROM clicks", "nosuch"},
  };
  for (const auto& [sql, word] : cases) {
    const std::string message = refusal(sql);
    EXPECT_NE(message.find(word), std::string::npos) << sql << "\n" << message;
  }
  EXPECT_NE(refusal("SELECT sum(id) FROM clicks").find("feature view"), std::string::npos);
}

TEST_F(RowWise, RefusesWhatGivesAnotherValueEachTime) {
  for (const char* sql : {"SELECT random() AS r FROM clicks",
                          "SELECT now() AS t FROM clicks",
                          "SELECT uuid() AS u FROM clicks",
                          "SELECT current_timestamp AS t FROM clicks",
                          "SELECT current_date AS d FROM clicks",
                          "SELECT today() AS d FROM clicks",
                          "SELECT localtimestamp AS t FROM clicks",
                          "SELECT age(event_time)::VARCHAR AS a FROM clicks",
                          "SELECT id FROM clicks WHERE random() < 0.5",
                          "SELECT ago(INTERVAL 1 DAY) AS a FROM clicks",
                          "SELECT gen_random_uuid()::VARCHAR AS u FROM clicks"}) {
    EXPECT_NE(refusal(sql).find("each time"), std::string::npos) << sql << "\n" << refusal(sql);
  }
}

TEST_F(RowWise, TypesThatTablesDoNotHoldAskForACast) {
  EXPECT_NE(refusal("SELECT id::HUGEINT AS x FROM clicks").find("BIGINT"), std::string::npos);
  EXPECT_NE(refusal("SELECT INTERVAL 1 DAY AS x FROM clicks").find("VARCHAR"), std::string::npos);
  EXPECT_NE(refusal("SELECT id AS x, text AS X FROM clicks").find("one name"), std::string::npos);
}

TEST_F(RowWise, RowsThatFailAreFoundAndTheOthersGoOn) {
  const RowWiseSql sql =
      compiled("SELECT CAST(text AS BIGINT) AS number FROM clicks WHERE id <> 3");
  const auto output = sql.run(
      *engine_, clicks({{1, "10", 0}, {2, "x", 0}, {3, "y", 0}, {4, "40", 0}, {5, "z", 0}}));
  ASSERT_TRUE(output.ok()) << output.status().to_string();
  EXPECT_EQ(output->input_rows, (std::vector<int64_t>{0, 3}));
  ASSERT_EQ(output->rejects.size(), 2U);
  EXPECT_EQ(output->rejects[0].row, 1);
  EXPECT_EQ(output->rejects[1].row, 4);
  EXPECT_EQ(output->rejects[0].reason, data::RejectReason::kWrongType);
  EXPECT_EQ(output->rejects[0].column, "number");
}

TEST_F(RowWise, AFailingWhereOrAnExpressionThatUsesAnotherIsFoundToo) {
  for (const char* text :
       {"SELECT id FROM clicks c WHERE CAST(c.text AS BIGINT) > 15",
        "SELECT id, CAST(text AS BIGINT) AS a, a + 1 AS b FROM clicks WHERE a > 15",
        "SELECT * REPLACE (CAST(text AS BIGINT) AS text) FROM clicks WHERE text <> '10'"}) {
    const auto output = compiled(text).run(
        *engine_, clicks({{1, "10", 0}, {2, "x", 0}, {3, "20", 0}, {4, "y", 0}}));
    ASSERT_TRUE(output.ok()) << text << output.status().to_string();
    EXPECT_EQ(output->input_rows, (std::vector<int64_t>{2})) << text;
    ASSERT_EQ(output->rejects.size(), 2U) << text;
    EXPECT_EQ(output->rejects[0].row, 1);
    EXPECT_EQ(output->rejects[1].row, 3);
  }
}

TEST_F(RowWise, AllRowsMayFailAndItStaysQuick) {
  std::vector<Click> rows(3'000, Click{1, "x", 0});
  const auto output =
      compiled("SELECT CAST(text AS BIGINT) AS number FROM clicks").run(*engine_, clicks(rows));
  ASSERT_TRUE(output.ok());
  EXPECT_EQ(output->rows.rows(), 0);
  EXPECT_EQ(output->rejects.size(), rows.size());
}

TEST_F(RowWise, AgreesWithTheNaiveTwinOnRandomRows) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const RowWiseSql sql = compiled("SELECT CAST(text AS INTEGER) + 1 AS n FROM clicks WHERE id > 2");
  for (int round = 0; round < 10; ++round) {
    std::vector<Click> rows(random() % 60);
    std::vector<int64_t> kept;
    std::vector<int64_t> rejected;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const bool bad = random() % 12 == 0;
      rows[row] = {
          static_cast<int64_t>(random() % 6), bad ? "?" : std::to_string(random() % 100), 0};
      if (rows[row].id > 2) {
        (bad ? rejected : kept).push_back(static_cast<int64_t>(row));
      }
    }
    const auto output = sql.run(*engine_, clicks(rows));
    ASSERT_TRUE(output.ok());
    ASSERT_EQ(output->input_rows, kept);
    ASSERT_EQ(output->rejects.size(), rejected.size());
    for (std::size_t index = 0; index < kept.size(); ++index) {
      const auto expected = std::stoi(*rows[static_cast<std::size_t>(kept[index])].text) + 1;
      ASSERT_EQ(output->rows.column(0).values<int32_t>()[index], expected);
    }
    for (std::size_t index = 0; index < rejected.size(); ++index) {
      ASSERT_EQ(output->rejects[index].row, rejected[index]);
    }
  }
}

TEST_F(RowWise, KeepsTheOrderOfManyRows) {
  std::vector<Click> rows;
  for (int64_t id = 0; id < 300'000; ++id) {
    rows.push_back({id, {}, 0});
  }
  const auto output =
      compiled("SELECT id FROM clicks WHERE id % 3 = 0").run(*engine_, clicks(rows));
  ASSERT_TRUE(output.ok());
  ASSERT_EQ(output->rows.rows(), 100'000);
  for (int64_t row = 0; row < 100'000; ++row) {
    ASSERT_EQ(output->input_rows[static_cast<std::size_t>(row)], row * 3);
    ASSERT_EQ(output->rows.column(0).values<int64_t>()[static_cast<std::size_t>(row)], row * 3);
  }
}

}  // namespace
}  // namespace assay::silver
