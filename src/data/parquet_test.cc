#include "data/parquet.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/temp_folder.h"

namespace assay::data {
namespace {

std::unique_ptr<SqlEngine> open_engine(SqlOptions options = {}) {
  auto engine = SqlEngine::open(options);
  EXPECT_TRUE(engine.ok()) << engine.status().to_string();
  return std::move(engine).value();
}

/// Rows of every type with nulls, short and long text.
Batch every_type(SqlEngine& engine, int rows) {
  auto batch = engine.query(
      "SELECT x % 2 = 0 AS b, CASE WHEN x % 7 > 0 THEN (-x)::INTEGER END AS i, x * 1000000007 AS "
      "l, "
      "(x / 10)::FLOAT AS f, CASE WHEN x % 5 > 0 THEN x / 3 ELSE 'nan'::DOUBLE END AS d, "
      "CASE WHEN x % 3 > 0 THEN repeat('q', (x % 40)::INTEGER) END AS s, unhex('00FF') AS x, "
      "DATE '0001-01-01' + x::INTEGER AS day, TIMESTAMPTZ '9999-12-31 23:59:59.999999Z' AS t "
      "FROM range(" +
      std::to_string(rows) + ") r(x)");
  EXPECT_TRUE(batch.ok()) << batch.status().to_string();
  return std::move(batch).value();
}

void expect_equal(const Batch& actual, const Batch& expected) {
  EXPECT_EQ(actual.schema(), expected.schema());
  ASSERT_EQ(actual.rows(), expected.rows());
  EXPECT_EQ(content_hash(actual), content_hash(expected));
  for (int column = 0; column < expected.column_count(); ++column) {
    for (int64_t row = 0; row < expected.rows(); ++row) {
      ASSERT_EQ(format_scalar(actual.column(column).scalar(row)),
                format_scalar(expected.column(column).scalar(row)))
          << expected.schema().field(column).name << " row " << row;
    }
  }
}

TEST(Parquet, ZerosKeepTheirSigns) {
  const TempFolder folder;
  const auto engine = SqlEngine::open({}).value();
  const std::string rows =  // a bare -0.0 would be a decimal, which has no sign
      "SELECT CASE WHEN x % 3 = 0 THEN 0::DOUBLE WHEN x % 3 = 1 THEN -(0::DOUBLE) ELSE 1.5 END AS "
      "d, CASE WHEN x % 2 = 0 THEN 0::FLOAT ELSE -(0::FLOAT) END AS f FROM range(3000) r(x)";
  const Batch batch = engine->query(rows).value();
  EXPECT_NE(zero_sign_option(batch), "");
  EXPECT_NE(zero_sign_option(*engine, batch.schema(), rows).value(), "");
  EXPECT_EQ(zero_sign_option(engine->query("SELECT 0::DOUBLE AS d, 'a' AS s").value()), "");
  ASSERT_TRUE(write_parquet(*engine, batch, folder.file("a.parquet")).ok());
  expect_equal(read_file(*engine, folder.file("a.parquet")).value(), batch);
  const auto stream = engine->stream(rows, 1000);
  ASSERT_TRUE(stream.ok());
  const auto writer = SqlEngine::open({}).value();
  ASSERT_TRUE(write_stream(*writer, **stream, folder.file("b.parquet")).ok());
  expect_equal(read_file(*writer, folder.file("b.parquet")).value(), batch);
}

TEST(Parquet, AStreamGivesRowsInFileOrderFromAnyRow) {
  const TempFolder folder;
  const auto engine = open_engine();  // two threads
  const std::string path = folder.file("a*.parquet");
  ASSERT_TRUE(engine
                  ->execute("COPY (SELECT range AS i FROM range(50000)) TO " +
                            SqlEngine::literal(path) + " (FORMAT parquet, ROW_GROUP_SIZE 4096)")
                  .ok());
  for (const int64_t first : {0, 1, 4095, 4096, 40'000, 49'999, 50'000}) {
    auto reader = stream_parquet(*engine, path, first, 3000);
    ASSERT_TRUE(reader.ok()) << reader.status().to_string();
    int64_t next = first;
    while (true) {
      const auto batch = (*reader)->next();
      ASSERT_TRUE(batch.ok()) << batch.status().to_string();
      if (!batch->has_value()) {
        break;
      }
      for (const int64_t value : (*batch)->column(0).values<int64_t>()) {
        ASSERT_EQ(value, next++);
      }
    }
    EXPECT_EQ(next, 50'000);
  }
  EXPECT_EQ(stream_parquet(*engine, folder.file("gone.parquet"), 0, 1).code(), Code::kNotFound);
}

TEST(Parquet, EveryTypeIsWrittenAndReadBack) {
  const TempFolder folder;
  auto engine = open_engine();
  const Batch batch = every_type(*engine, 3000);
  const std::string path = folder.file("it's [a] *.parquet");
  ASSERT_TRUE(write_parquet(*engine, batch, path).ok());
  auto back = read_file(*engine, path);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  expect_equal(*back, batch);
  auto schema = parquet_schema(*engine, path);
  ASSERT_TRUE(schema.ok());
  EXPECT_EQ(**schema, batch.schema());
}

TEST(Parquet, CsvKeepsTimesToTheMicrosecond) {
  const TempFolder folder;
  auto engine = open_engine();
  BatchBuilder builder(make_schema(
      {{"k", Type::kInt64, true}, {"s", Type::kString, true}, {"t", Type::kTimestamp, true}}));
  builder.column(0).append<int64_t>(1);
  builder.column(1).append_text("a,\"b\"");
  builder.column(2).append<int64_t>(1'000'001);
  builder.column(0).append<int64_t>(2);
  builder.column(1).append_null();
  builder.column(2).append_null();
  const Batch batch = builder.finish();
  ASSERT_TRUE(write_csv(*engine, batch, folder.file("a.csv")).ok());
  std::ifstream file(folder.file("a.csv"));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_EQ(text, "k,s,t\n1,\"a,\"\"b\"\"\",1970-01-01T00:00:01.000001Z\n2,,\n");
  auto back = read_file(*engine, folder.file("a.csv"));
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  expect_equal(*back, batch);
}

TEST(Parquet, JsonLinesAreReadWithNestedValues) {
  const TempFolder folder;
  std::ofstream(folder.file("a.jsonl"))
      << "{\"a\": 1, \"b\": {\"c\": [1, 2]}}\n{\"a\": 2, \"b\": null}\n";
  auto engine = open_engine();
  auto rows = read_file(*engine, folder.file("a.jsonl"));
  ASSERT_TRUE(rows.ok()) << rows.status().to_string();
  EXPECT_EQ(rows->rows(), 2);
  EXPECT_EQ(format_scalar(rows->column(1).scalar(0)), R"({"c":[1,2]})");
}

TEST(Parquet, CsvColumnOfATypeWithoutACounterpartIsText) {
  const TempFolder folder;
  std::ofstream(folder.file("a.csv")) << "k,at\n1,10:00:00\n2,11:30:00\n";
  auto engine = open_engine();
  auto rows = read_file(*engine, folder.file("a.csv"));
  ASSERT_TRUE(rows.ok()) << rows.status().to_string();
  EXPECT_EQ(rows->column(0).type(), Type::kInt64);
  EXPECT_EQ(rows->column(1).text(1), "11:30:00");
}

TEST(Parquet, MissingFileIsNotFound) {
  auto engine = open_engine();
  for (const std::string name : {"/nowhere/a.parquet", "/nowhere/a.csv", "/nowhere/a.json"}) {
    EXPECT_EQ(read_file(*engine, name).code(), Code::kNotFound)
        << read_file(*engine, name).status().to_string();
  }
  EXPECT_EQ(parquet_schema(*engine, "/nowhere/a.parquet").code(), Code::kNotFound);
  EXPECT_EQ(read_file(*engine, "/nowhere/a.txt").code(), Code::kInvalidArgument);
  EXPECT_FALSE(write_parquet(*engine, every_type(*engine, 1), "/nowhere/a.parquet").ok());
}

TEST(Parquet, TruncatedFileIsCorruptAtAnyLength) {
  const TempFolder folder;
  auto engine = open_engine();
  const std::string path = folder.file("a.parquet");
  ASSERT_TRUE(write_parquet(*engine, every_type(*engine, 200), path).ok());
  const auto size = std::filesystem::file_size(path);
  for (const auto kept :
       {size - 1, size / 2, std::uintmax_t{100}, std::uintmax_t{5}, std::uintmax_t{0}}) {
    std::filesystem::resize_file(path, kept);
    const auto rows = read_file(*engine, path);
    EXPECT_EQ(rows.code(), Code::kCorrupt) << kept << " bytes: " << rows.status().to_string();
  }
}

TEST(Parquet, DamagedBytesNeverCrash) {
  const TempFolder folder;
  auto engine = open_engine();
  const std::string path = folder.file("a.parquet");
  ASSERT_TRUE(write_parquet(*engine, every_type(*engine, 200), path).ok());
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path));
  for (int64_t at = 0; at < size; at += 97) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    file.put('\x5a');
    file.close();
    const auto rows = read_file(*engine, path);
    if (rows.code() == Code::kInternal) {  // DuckDB closes itself after such a failure
      engine = open_engine();
    }
  }
}

}  // namespace
}  // namespace assay::data
