#include <atomic>
#include <limits>
#include <thread>

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "data/sql_engine.h"

namespace assay::data {
namespace {

std::unique_ptr<SqlEngine> open_engine(SqlOptions options = {}) {
  auto engine = SqlEngine::open(options);
  EXPECT_TRUE(engine.ok()) << engine.status().to_string();
  return std::move(engine).value();
}

const std::vector<Field> kEveryType = {
    {"b", Type::kBool, true},
    {"i", Type::kInt32, true},
    {"l", Type::kInt64, true},
    {"f", Type::kFloat32, true},
    {"d", Type::kFloat64, true},
    {"s", Type::kString, true},
    {"x", Type::kBytes, true},
    {"day", Type::kDate, true},
    {"t", Type::kTimestamp, true},
};

/// Rows of every type; every column has nulls, text is short, long and empty.
Batch every_type(int64_t rows) {
  BatchBuilder builder(make_schema(kEveryType));
  for (int64_t row = 0; row < rows; ++row) {
    for (int column = 0; column < static_cast<int>(kEveryType.size()); ++column) {
      ColumnBuilder& out = builder.column(column);
      if ((row + column) % 7 == 0) {
        out.append_null();
        continue;
      }
      const std::string text(static_cast<std::size_t>(row % 40), static_cast<char>('a' + row % 26));
      switch (out.type()) {
        case Type::kBool:
          out.append<uint8_t>(row % 2 == 0);
          break;
        case Type::kInt32:
          out.append(static_cast<int32_t>(-row * 1000));
          break;
        case Type::kDate:
          out.append(static_cast<int32_t>(row - 700'000));
          break;
        case Type::kInt64:
          out.append(std::numeric_limits<int64_t>::min() + row);
          break;
        case Type::kFloat32:
          out.append(static_cast<float>(row) * 0.1F);
          break;
        case Type::kFloat64:
          out.append(row % 3 == 0 ? std::numeric_limits<double>::infinity()
                                  : static_cast<double>(row) * -0.1);
          break;
        case Type::kString:
        case Type::kBytes:
          out.append_text(out.type() == Type::kBytes ? text + '\0' + "\xff" : text);
          break;
        case Type::kTimestamp:
          out.append(row * 86'400'000'123 - 62'135'596'800'000'000);
          break;
        default:
          ADD_FAILURE() << type_name(out.type());
      }
    }
  }
  return builder.finish();
}

void expect_equal(const Batch& actual, const Batch& expected) {
  ASSERT_EQ(actual.rows(), expected.rows());
  ASSERT_EQ(actual.column_count(), expected.column_count());
  for (int column = 0; column < expected.column_count(); ++column) {
    ASSERT_EQ(actual.schema().field(column).name, expected.schema().field(column).name);
    ASSERT_EQ(actual.column(column).type(), expected.column(column).type());
    ASSERT_EQ(actual.column(column).null_count(), expected.column(column).null_count());
    for (int64_t row = 0; row < expected.rows(); ++row) {
      ASSERT_EQ(actual.column(column).scalar(row), expected.column(column).scalar(row))
          << expected.schema().field(column).name << " row " << row;
    }
  }
}

TEST(DuckdbEngine, EveryTypeAndNullComesBackInRowOrder) {
  auto engine = open_engine();
  const Batch batch = every_type(5000);
  ASSERT_TRUE(engine->create_table("t", batch).ok());
  auto back = engine->query("SELECT * FROM t");
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  expect_equal(*back, batch);
}

TEST(DuckdbEngine, EmptyTableKeepsItsColumns) {
  auto engine = open_engine();
  ASSERT_TRUE(engine->create_table("t", Batch::empty(make_schema(kEveryType))).ok());
  auto back = engine->query("SELECT * FROM t");
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->rows(), 0);
  EXPECT_EQ(back->schema(), *make_schema(kEveryType));
}

TEST(DuckdbEngine, TableIsReplacedAndDropped) {
  auto engine = open_engine();
  ASSERT_TRUE(engine->create_table("odd \"name\"", every_type(3)).ok());
  ASSERT_TRUE(engine->create_table("odd \"name\"", every_type(4)).ok());
  EXPECT_EQ(engine->query("SELECT * FROM \"odd \"\"name\"\"\"")->rows(), 4);
  ASSERT_TRUE(engine->drop_table("odd \"name\"").ok());
  EXPECT_EQ(engine->query("SELECT * FROM \"odd \"\"name\"\"\"").code(), Code::kInvalidArgument);
  EXPECT_TRUE(engine->drop_table("never made").ok());
}

TEST(DuckdbEngine, TenMegabyteTextSurvives) {
  auto engine = open_engine();
  BatchBuilder builder(make_schema({{"s", Type::kString, true}}));
  const std::string text(10 << 20, 'q');
  builder.column(0).append_text(text);
  ASSERT_TRUE(engine->create_table("t", builder.finish()).ok());
  auto back = engine->query("SELECT s FROM t");
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->column(0).text(0), text);
}

TEST(DuckdbEngine, SmallIntegersAndTimesAreWidened) {
  auto engine = open_engine();
  auto rows = engine->query(
      "SELECT (-5)::TINYINT a, (-500)::SMALLINT b, 200::UTINYINT c, 60000::USMALLINT d, "
      "4000000000::UINTEGER e, "
      "TIMESTAMP_S '1969-12-31 23:59:59' f, TIMESTAMP_MS '1969-12-31 23:59:59.999' g, "
      "TIMESTAMP_NS '1969-12-31 23:59:59.999999999' h, TIMESTAMP '1970-01-01 00:00:01' i, "
      "TIMESTAMPTZ '1970-01-01 02:00:00+01' j UNION ALL SELECT "
      "NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL");
  ASSERT_TRUE(rows.ok()) << rows.status().to_string();
  const Batch& batch = *rows;
  const std::vector<int64_t> expected = {
      -5, -500, 200, 60000, 4000000000, -1000000, -1000, -1, 1000000, 3600000000};
  for (int column = 0; column < batch.column_count(); ++column) {
    EXPECT_EQ(std::get<int64_t>(batch.column(column).scalar(0).value),
              expected[static_cast<std::size_t>(column)])
        << column;
    EXPECT_TRUE(batch.column(column).is_null(1)) << column;
  }
  EXPECT_EQ(batch.column(3).type(), Type::kInt32);
  EXPECT_EQ(batch.column(4).type(), Type::kInt64);
  EXPECT_EQ(batch.column(5).type(), Type::kTimestamp);
}

TEST(DuckdbEngine, UnknownTypeIsRefusedByColumnAndCast) {
  auto engine = open_engine();
  for (const std::string sql : {"SELECT sum(x) AS total FROM range(3) t(x)",
                                "SELECT INTERVAL 1 DAY AS total",
                                "SELECT TIME '10:00:00' AS total",
                                "SELECT 1::UBIGINT AS total"}) {
    auto rows = engine->query(sql);
    ASSERT_EQ(rows.code(), Code::kInvalidArgument) << sql;
    EXPECT_NE(rows.status().message().find("CAST(\"total\" AS "), std::string::npos)
        << rows.status().message();
  }
}

TEST(DuckdbEngine, UnknownTypeComesAsTextWhenAsked) {
  auto engine = open_engine();
  auto rows = engine->query(
      "SELECT x, 1.50::DECIMAL(9,2) AS d, [x, NULL] AS l, {'k': 'it''s'} AS s, sum(x) OVER () AS "
      "h, "
      "NULL::UUID AS u FROM range(3) t(x) ORDER BY x DESC; -- end",
      SqlUnknownTypes::kAsText);
  // A comment after the semicolon is part of no statement; without it the rewrite must hold too.
  rows = engine->query(
      "SELECT x, 1.50::DECIMAL(9,2) AS d, [x, NULL] AS l, {'k': 'it''s'} AS s, sum(x) OVER () AS "
      "h, "
      "NULL::UUID AS u FROM range(3) t(x) ORDER BY x DESC; ",
      SqlUnknownTypes::kAsText);
  ASSERT_TRUE(rows.ok()) << rows.status().to_string();
  const Batch& batch = *rows;
  EXPECT_EQ(batch.schema().names(), (std::vector<std::string>{"x", "d", "l", "s", "h", "u"}));
  EXPECT_EQ(batch.column(0).type(), Type::kInt64);
  EXPECT_EQ(format_scalar(batch.column(1).scalar(0)), "1.50");
  EXPECT_EQ(format_scalar(batch.column(2).scalar(0)), "[2,null]");
  EXPECT_EQ(format_scalar(batch.column(3).scalar(0)), R"({"k":"it's"})");
  EXPECT_EQ(batch.column(4).text(2), "3");
  EXPECT_TRUE(batch.column(5).is_null(0));
}

TEST(DuckdbEngine, CopyStatisticsComeAsJson) {
  const TempFolder folder;
  auto engine = open_engine();
  auto stats = engine->query("COPY (SELECT 1 AS a, 'it''s=\"x\"' AS b) TO " +
                                 SqlEngine::literal(folder.file("a.parquet")) +
                                 " (FORMAT parquet, RETURN_STATS)",
                             SqlUnknownTypes::kAsText);
  ASSERT_TRUE(stats.ok()) << stats.status().to_string();
  const Column* columns = stats->find("column_statistics");
  ASSERT_NE(columns, nullptr);
  const std::string json = format_scalar(columns->scalar(0));
  EXPECT_NE(json.find(R"("\"a\"":{)"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("max":"it's=\"x\"")"), std::string::npos) << json;
}

TEST(DuckdbEngine, TwoColumnsOfOneNameAreRefused) {
  auto engine = open_engine();
  EXPECT_EQ(engine->query("SELECT 1 AS a, 2 AS A").code(), Code::kInvalidArgument);
  EXPECT_TRUE(engine->query("SELECT 1 AS a").ok());
}

TEST(DuckdbEngine, BadSqlIsInvalidArgument) {
  auto engine = open_engine();
  EXPECT_EQ(engine->query("SELEC 1").code(), Code::kInvalidArgument);
  EXPECT_EQ(engine->query("SELECT nosuch").code(), Code::kInvalidArgument);
  EXPECT_EQ(engine->query("SELECT * FROM nosuch").code(), Code::kInvalidArgument);
  EXPECT_EQ(engine->query("SELECT 1; SELECT 2").code(), Code::kInvalidArgument);
  EXPECT_EQ(engine->query("").code(), Code::kInvalidArgument);
  EXPECT_EQ(engine->query("SELECT ?").code(), Code::kInvalidArgument);
  EXPECT_EQ(engine->query("SELECT 'abc'::INTEGER").code(), Code::kInvalidArgument);
  EXPECT_EQ(engine->execute("DROP TABLE nosuch").code(), Code::kInvalidArgument);
  EXPECT_EQ(engine->execute(std::string("SELECT 1\0", 9)).code(), Code::kInvalidArgument);
  EXPECT_TRUE(engine->query("SELECT 1").ok());
}

TEST(DuckdbEngine, FailureInTheMiddleOfAStreamIsReported) {
  auto engine = open_engine();
  auto reader = engine->stream(
      "SELECT CASE WHEN x = 15900000 THEN 'bad' ELSE '1' END::INTEGER AS n FROM range(16000000) "
      "t(x)",
      5000);
  ASSERT_TRUE(reader.ok());
  int64_t rows = 0;
  while (true) {
    auto batch = (*reader)->next();
    if (!batch.ok()) {
      EXPECT_EQ(batch.code(), Code::kInvalidArgument);
      break;
    }
    ASSERT_TRUE(batch->has_value())
        << "the stream ended after " << rows << " rows without its failure";
    rows += (*batch)->rows();
  }
  EXPECT_LT(rows, 16000000);
  EXPECT_EQ(
      engine
          ->query("SELECT sum(CASE WHEN x = 15900000 THEN 'bad' ELSE '1' END::INTEGER)::BIGINT "
                  "FROM range(16000000) t(x)")
          .code(),
      Code::kFailedPrecondition);
  reader->reset();
  EXPECT_EQ(engine
                ->query("SELECT CASE WHEN x = 15900000 THEN 'bad' ELSE '1' END::INTEGER FROM "
                        "range(16000000) t(x)")
                .code(),
            Code::kInvalidArgument);
}

TEST(DuckdbEngine, StreamGivesBoundedBatchesInOrder) {
  auto engine = open_engine();
  auto reader = engine->stream("SELECT x FROM range(100000) t(x)", 10'000);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->schema()->names(), std::vector<std::string>{"x"});
  int64_t expected = 0;
  while (true) {
    auto batch = (*reader)->next();
    ASSERT_TRUE(batch.ok());
    if (!batch->has_value()) {
      break;
    }
    EXPECT_LT((*batch)->rows(), 10'000 + 2048);
    for (const int64_t value : (*batch)->column(0).values<int64_t>()) {
      ASSERT_EQ(value, expected++);
    }
  }
  EXPECT_EQ(expected, 100'000);
}

TEST(DuckdbEngine, OpenReaderHoldsTheEngineUntilItIsGone) {
  auto engine = open_engine();
  auto reader = engine->stream("SELECT x FROM range(100000) t(x)", 10'000);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(engine->execute("SELECT 1").code(), Code::kFailedPrecondition);
  EXPECT_EQ(engine->query("SELECT 1").code(), Code::kFailedPrecondition);
  EXPECT_EQ(engine->create_table("t", every_type(1)).code(), Code::kFailedPrecondition);
  reader->reset();
  EXPECT_TRUE(engine->query("SELECT 1").ok());
}

TEST(DuckdbEngine, ReaderOutlivesItsEngine) {
  auto engine = open_engine();
  auto reader = engine->stream("SELECT x FROM range(100000) t(x)", 10'000);
  ASSERT_TRUE(reader.ok());
  engine.reset();
  auto batch = (*reader)->next();
  ASSERT_TRUE(batch.ok());
  EXPECT_TRUE(batch->has_value());
}

TEST(DuckdbEngine, InterruptFromAnotherThreadCancels) {
  auto engine = open_engine();
  std::atomic<bool> done{false};
  std::thread stopper([&] {
    while (!done) {  // an interrupt before the statement starts is forgotten, so keep asking
      engine->interrupt();
      std::this_thread::yield();
    }
  });
  auto rows = engine->query(
      "SELECT count(*) FROM range(10000000) a(x), range(10000000) b(y) WHERE x * y % 7 = 3");
  done = true;
  stopper.join();
  EXPECT_EQ(rows.code(), Code::kCancelled) << rows.status().to_string();
  EXPECT_TRUE(engine->query("SELECT 1").ok());
}

TEST(DuckdbEngine, SortSpillsUnderASmallMemoryLimit) {
  const TempFolder folder;
  const std::string sql = "SELECT hash(x)::VARCHAR AS h FROM range(3000000) t(x) ORDER BY 1";
  auto engine = open_engine({.threads = 2,
                             .memory_bytes_max = std::size_t{64} << 20,
                             .temp_directory = folder.file("spill")});
  auto reader = engine->stream(sql, 100'000);
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  int64_t rows = 0;
  while (true) {
    auto batch = (*reader)->next();
    ASSERT_TRUE(batch.ok()) << batch.status().to_string();
    if (!batch->has_value()) {
      break;
    }
    rows += (*batch)->rows();
  }
  EXPECT_EQ(rows, 3'000'000);

  auto cramped =
      open_engine({.threads = 2, .memory_bytes_max = std::size_t{64} << 20, .temp_directory = ""});
  EXPECT_EQ(cramped->query(sql).code(), Code::kResourceExhausted);
}

TEST(DuckdbEngine, ExtensionsAreNeverFetched) {
  auto engine = open_engine();
  EXPECT_FALSE(engine->query("SELECT * FROM read_parquet('https://127.0.0.1:1/a.parquet')").ok());
}

TEST(DuckdbEngine, QuotingKeepsAnyText) {
  auto engine = open_engine();
  const std::string text = "it's \"odd\" \\ ; -- \n";
  auto rows =
      engine->query("SELECT " + SqlEngine::literal(text) + " AS " + SqlEngine::identifier(text));
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->schema().field(0).name, text);
  EXPECT_EQ(rows->column(0).text(0), text);
}

}  // namespace
}  // namespace assay::data
