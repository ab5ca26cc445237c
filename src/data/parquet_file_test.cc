#include "data/parquet_file.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include <gtest/gtest.h>

#include "base/random.h"
#include "data/parquet_encoders.h"
#include "data/random_values.h"
#include "data/sql_engine.h"

namespace assay::data {
namespace {

/// The SQL engine, and a file for it to read.
class Reader {
 public:
  Reader() {
    std::string pattern = (std::filesystem::temp_directory_path() / "assay_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    SqlOptions options;
    options.keep_timestamp_ntz = true;
    engine_ = SqlEngine::open(options).value();
  }
  ~Reader() { std::filesystem::remove_all(folder_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void write(const std::string& bytes) const { std::ofstream(path(), std::ios::binary) << bytes; }
  [[nodiscard]] std::string path() const { return folder_ + "/f.parquet"; }
  Batch query(const std::string& sql) {
    Result<Batch> rows = engine_->query(sql, SqlUnknownTypes::kAsText);
    EXPECT_TRUE(rows.ok()) << rows.status().to_string();
    return std::move(rows).value();
  }
  /// One value as text.
  std::string value(const std::string& sql) {
    const Batch rows = query(sql);
    return rows.column(0).is_null(0) ? "null" : format_scalar(rows.column(0).scalar(0));
  }
  Batch read(const std::string& bytes) {
    write(bytes);
    return query("SELECT * FROM read_parquet('" + path() + "')");
  }

 private:
  std::string folder_;
  std::unique_ptr<SqlEngine> engine_;
};

std::string file_of(const SchemaPtr& schema, const std::vector<ParquetRowGroup>& groups) {
  ParquetFile file(schema, "assay version 1.2.3");
  std::string bytes(ParquetFile::kBegin);
  for (const ParquetRowGroup& group : groups) {
    file.add(group);
    bytes += group.bytes;
  }
  return bytes + file.end();
}

/// Rows in row groups of about `group_rows`, each in batches of about `batch_rows`.
std::string file_of(const Batch& rows, int64_t group_rows, int64_t batch_rows) {
  ParquetEncoder encoder;
  std::vector<ParquetRowGroup> groups;
  for (int64_t begin = 0; begin < rows.rows(); begin += group_rows) {
    const int64_t end = std::min(begin + group_rows, rows.rows());
    std::vector<Batch> batches;
    for (int64_t row = begin; row < end; row += batch_rows) {
      batches.push_back(rows.slice(row, std::min(row + batch_rows, end)));
    }
    groups.push_back(encoder.encode(batches).value());
  }
  return file_of(rows.schema_ptr(), groups);
}

void expect_same(const Batch& actual, const Batch& expected) {
  ASSERT_EQ(actual.schema().names(), expected.schema().names());
  ASSERT_EQ(actual.rows(), expected.rows());
  for (int column = 0; column < expected.column_count(); ++column) {
    const Field& field = expected.schema().field(column);
    ASSERT_EQ(type_name(actual.column(column).type()), type_name(field.type));
    for (int64_t row = 0; row < expected.rows(); ++row) {
      ASSERT_TRUE(same_value(actual.column(column), row, expected.column(column), row))
          << field.name << " " << type_name(field.type) << " row " << row << ": "
          << format_scalar(actual.column(column).scalar(row)) << " for "
          << format_scalar(expected.column(column).scalar(row));
    }
  }
}

std::vector<Type> flat_types() {
  std::vector<Type> types;
  for (const Type& type : every_type()) {
    if (!is_nested(type)) {
      types.push_back(type);
    }
  }
  for (const int precision : {4, 9, 10, 18, 19, 38}) {
    types.push_back(Type::decimal(precision, precision / 2));
  }
  return types;
}

/// Rows drawn from some of the rows of a batch, in runs: so columns have few values, or many.
Batch shuffled(Random& random, const Batch& rows, int64_t size) {
  const auto different = static_cast<int64_t>(1 + random.below(static_cast<uint64_t>(rows.rows())));
  const uint64_t stay = random.below(3) == 0 ? 1 : 1 + random.below(50);
  std::vector<int64_t> drawn;
  while (static_cast<int64_t>(drawn.size()) < size) {
    const bool same = !drawn.empty() && random.below(stay) != 0;
    drawn.push_back(same ? drawn.back()
                         : static_cast<int64_t>(random.below(static_cast<uint64_t>(different))));
  }
  return rows.take(drawn);
}

TEST(ParquetFile, RowsOfEveryFlatTypeComeBack) {
  Reader reader;
  const auto random = seeded_random(3);
  const Batch pool = random_batch(*random, flat_types(), 1'500);
  for (const int64_t size : {1, 2, 7, 8, 9, 63, 64, 65, 500, 3'000}) {
    const Batch rows = shuffled(*random, pool, size);
    const auto group_rows = static_cast<int64_t>(1 + random->below(static_cast<uint64_t>(size)));
    const auto batch_rows = static_cast<int64_t>(1 + random->below(700));
    expect_same(reader.read(file_of(rows, group_rows, batch_rows)), rows);
  }
}

TEST(ParquetFile, LongColumnsComeBackWithADictionaryOrWithout) {
  Reader reader;
  for (const int different : {1, 2, 300, 5'000, 40'000}) {
    const std::string n = std::to_string(different);
    const Batch rows = reader.query(
        "SELECT CASE WHEN i % 5 > 0 THEN hash(i) % " + n +
        " ELSE NULL END::INTEGER AS i, (hash(i) % " + n +
        ")::BIGINT * 1000000007 AS l, (hash(i) % " + n + ")::DOUBLE / 8 AS d, (hash(i) % " + n +
        ")::FLOAT AS f, 'text ' || (hash(i) % " + n + ") AS s, (hash(i) % " + n +
        ")::DECIMAL(38, 5) AS m, i // 1000 % 2 = 0 AS b, 'always' AS c, NULL::BIGINT AS nothing, "
        "DATE '2026-01-01' + (i // 777)::INTEGER AS day FROM range(20000) AS t(i)");
    expect_same(reader.read(file_of(rows, 40'000, 4'096)), rows);
  }
}

TEST(ParquetFile, ValuesAtTheEdgesComeBackByTheirBits) {
  Reader reader;
  const Batch rows = reader.query(
      "SELECT * FROM (VALUES "
      "((-128)::TINYINT, (-32768)::SMALLINT, (-2147483648)::INTEGER, (-9223372036854775807 - "
      "1)::BIGINT, "
      "'nan'::FLOAT, '-inf'::DOUBLE, '', ''::BLOB, DATE '0001-01-01', TIMESTAMPTZ '0001-01-01 "
      "00:00:00+00', (-99999999999999999999999999999999999999)::DECIMAL(38, 0)), "
      "(127, 32767, 2147483647, 9223372036854775807, '-inf', 'nan', repeat('\xF0\x9F\x98\x80', "
      "9000), unhex('00FF00'), DATE '9999-12-31', TIMESTAMPTZ '9999-12-31 23:59:59.999999+00', "
      "99999999999999999999999999999999999999), "
      "(0, 0, 0, 0, -(0::FLOAT), -(0::DOUBLE), chr(0), unhex('00'), DATE '1969-12-31', TIMESTAMPTZ "
      "'1969-12-31 23:59:59.999999+00', -1), "
      "(NULL, NULL, NULL, NULL, 0::FLOAT, 0::DOUBLE, NULL, NULL, NULL, NULL, NULL)"
      ") AS r(a, b, c, d, e, f, g, h, i, j, k)");
  expect_same(reader.read(file_of(rows, 10, 10)), rows);
  expect_same(reader.read(file_of(rows, 1, 1)), rows);
}

TEST(ParquetFile, HowRowsAreCutDoesNotMatter) {
  const auto random = seeded_random(4);
  const Batch pool = random_batch(*random, flat_types(), 300);
  const Batch rows = shuffled(*random, pool, 5'000);
  const std::string bytes = file_of(rows, 1'000, 1'000);
  EXPECT_EQ(file_of(rows, 1'000, 1), bytes);
  EXPECT_EQ(file_of(rows, 1'000, 333), bytes);
  for (const int threads : {1, 2, 5}) {
    ParquetEncoders encoders(threads, 1'000);
    std::vector<ParquetRowGroup> groups;
    for (int64_t row = 0; row < rows.rows(); row += 1'000) {
      encoders.put({rows.slice(row, row + 300), rows.slice(row + 300, row + 1'000)});
      while (encoders.full()) {
        groups.push_back(encoders.take().value());
      }
    }
    while (!encoders.empty()) {
      groups.push_back(encoders.take().value());
    }
    EXPECT_EQ(file_of(rows.schema_ptr(), groups), bytes) << threads << " threads";
  }
}

TEST(ParquetFile, EncodersMayEndWithRowGroupsThatNobodyTook) {
  const auto random = seeded_random(5);
  const Batch rows = random_batch(*random, {Type::kInt64, Type::kString}, 100);
  ParquetEncoders encoders(3, 1'000'000);
  for (int i = 0; i < 6; ++i) {
    encoders.put({rows});
  }
  EXPECT_EQ(encoders.take().value().rows, 100);
}

TEST(ParquetFile, LongTextsTakeSeveralPages) {
  Reader reader;
  const Batch rows = reader.query(
      "SELECT CASE WHEN i % 3 > 0 THEN repeat(chr((65 + i % 26)::INTEGER), 1000000) || i END AS s, "
      "i "
      "FROM range(40) AS t(i)");
  const std::string bytes = file_of(rows, 100, 7);
  EXPECT_LT(bytes.size(), 100'000U);
  expect_same(reader.read(bytes), rows);
  EXPECT_EQ(
      reader.value("SELECT count(*) FROM read_parquet('" + reader.path() + "') WHERE s LIKE 'B%'"),
      "1");
}

/// The schema as another reader of footers sees it (it prints a byte as a character).
TEST(ParquetFile, TheFooterSaysWhatItShould) {
  Reader reader;
  const Batch rows = reader.query(
      "SELECT true AS b, 1::TINYINT AS i8, 1::SMALLINT AS i16, 1::INTEGER AS i32, 1::BIGINT AS "
      "i64, "
      "1::FLOAT AS f, 1::DOUBLE AS d, 'x' AS s, 'x'::BLOB AS x, DATE '2026-01-01' AS day, "
      "TIMESTAMPTZ '2026-01-01 00:00:00+00' AS ts, TIMESTAMP '2026-01-01 00:00:00' AS ntz, "
      "1::DECIMAL(9, 2) AS d9, 1::DECIMAL(18, 3) AS d18, 1::DECIMAL(38, 4) AS d38");
  reader.write(file_of(rows, 1, 1));
  const std::string path = "('" + reader.path() + "')";
  EXPECT_EQ(reader.value("SELECT created_by || ' ' || num_rows || ' ' || num_row_groups || ' ' || "
                         "format_version FROM parquet_file_metadata" +
                         path),
            "assay version 1.2.3 1 1 1");
  const Batch columns = reader.query(
      "SELECT concat_ws(' ', name, type, type_length, repetition_type, converted_type, scale, "
      "precision, logical_type) AS c FROM parquet_schema" +
      path);
  const std::vector<std::string> expected = {
      "schema",
      "b BOOLEAN OPTIONAL",
      "i8 INT32 OPTIONAL INT_8 IntType(bitWidth=\b, isSigned=1)",
      "i16 INT32 OPTIONAL INT_16 IntType(bitWidth=\x10, isSigned=1)",
      "i32 INT32 OPTIONAL",
      "i64 INT64 OPTIONAL",
      "f FLOAT OPTIONAL",
      "d DOUBLE OPTIONAL",
      "s BYTE_ARRAY OPTIONAL UTF8 StringType()",
      "x BYTE_ARRAY OPTIONAL",
      "day INT32 OPTIONAL DATE DateType()",
      "ts INT64 OPTIONAL TIMESTAMP_MICROS TimestampType(isAdjustedToUTC=1, "
      "unit=TimeUnit(MILLIS=<null>, MICROS=MicroSeconds(), NANOS=<null>))",
      "ntz INT64 OPTIONAL TimestampType(isAdjustedToUTC=0, unit=TimeUnit(MILLIS=<null>, "
      "MICROS=MicroSeconds(), NANOS=<null>))",
      "d9 INT32 OPTIONAL DECIMAL 2 9 DecimalType(scale=2, precision=9)",
      "d18 INT64 OPTIONAL DECIMAL 3 18 DecimalType(scale=3, precision=18)",
      "d38 FIXED_LEN_BYTE_ARRAY 16 OPTIONAL DECIMAL 4 38 DecimalType(scale=4, precision=38)"};
  ASSERT_EQ(columns.rows(), std::ssize(expected));
  for (int64_t row = 0; row < columns.rows(); ++row) {
    EXPECT_EQ(columns.column(0).text(row), expected[static_cast<std::size_t>(row)]);
  }
}

TEST(ParquetFile, OffsetsAndSizesOfTheFooterAreTrue) {
  Reader reader;
  const Batch rows = reader.query(
      "SELECT i, i % 7 AS few, CASE WHEN i % 2 = 0 THEN 'a' END AS s FROM range(3000) AS t(i)");
  const std::string bytes = file_of(rows, 1'000, 1'000);
  reader.write(bytes);
  const Batch chunks = reader.query(
      "SELECT row_group_num_rows, dictionary_page_offset, data_page_offset, total_compressed_size, "
      "encodings, compression, num_values, file_offset FROM parquet_metadata('" +
      reader.path() + "') ORDER BY row_group_id, column_id");
  ASSERT_EQ(chunks.rows(), 9);
  int64_t next = 4;
  for (int64_t row = 0; row < chunks.rows(); ++row) {
    const bool has_dictionary = row % 3 != 0;
    EXPECT_EQ(chunks.column(0).integer(row), 1'000);
    EXPECT_EQ(chunks.column(1).is_valid(row), has_dictionary);
    EXPECT_EQ(chunks.column(has_dictionary ? 1 : 2).integer(row), next);
    EXPECT_GE(chunks.column(2).integer(row), next);
    EXPECT_EQ(chunks.column(4).text(row),
              has_dictionary ? "PLAIN, RLE, RLE_DICTIONARY" : "PLAIN, RLE");
    EXPECT_EQ(chunks.column(5).text(row), "ZSTD");
    EXPECT_EQ(chunks.column(6).integer(row), 1'000);
    next += chunks.column(3).integer(row);
  }
  EXPECT_EQ(bytes.substr(0, 4), "PAR1");
  EXPECT_EQ(bytes.substr(bytes.size() - 4), "PAR1");
}

/// "min max nulls exact-min exact-max" of the only column of the only row group.
std::string statistics_of(Reader& reader, const std::string& sql) {
  reader.write(file_of(reader.query(sql), 1'000'000, 1'000));
  return reader.value(
      "SELECT concat_ws('|', coalesce(stats_min_value, '-'), coalesce(stats_max_value, '-'), "
      "stats_null_count, min_is_exact, max_is_exact) FROM parquet_metadata('" +
      reader.path() + "')");
}

TEST(ParquetFile, StatisticsHoldEveryValue) {
  Reader reader;
  const auto of = [&](const std::string& values) {
    return statistics_of(reader, "SELECT * FROM (VALUES " + values + ") AS r(v)");
  };
  EXPECT_EQ(of("(-5::INTEGER), (NULL), (7)"), "-5|7|1|true|true");
  EXPECT_EQ(of("(-5::BIGINT), (7000000000)"), "-5|7000000000|0|true|true");
  EXPECT_EQ(of("(1.5::DOUBLE), ('-inf'::DOUBLE)"), "-|1.5|0|true|true");  // not shown
  EXPECT_EQ(of("(1.5::DOUBLE), (-2::DOUBLE)"), "-2.0|1.5|0|true|true");
  EXPECT_EQ(of("(0::DOUBLE), (0::DOUBLE)"), "-0.0|0.0|0|true|true");
  EXPECT_EQ(of("(-(0::FLOAT)), (-(0::FLOAT))"), "-0.0|0.0|0|true|true");
  EXPECT_EQ(of("(1.5::DOUBLE), ('nan'::DOUBLE)"), "-|-|0");
  EXPECT_EQ(of("(NULL::DOUBLE)"), "-|-|1");
  EXPECT_EQ(of("(false), (true)"), "false|true|0|true|true");
  EXPECT_EQ(of("('b'), (''), ('\xC3\xA9')"), "|\xC3\xA9|0|true|true");
  EXPECT_EQ(of("(DATE '0001-01-01'), (DATE '9999-12-31')"), "0001-01-01|9999-12-31|0|true|true");
  EXPECT_EQ(of("(-1.5::DECIMAL(38, 2)), (300.25)"), "-1.50|300.25|0|true|true");
  EXPECT_EQ(of("(-1.5::DECIMAL(9, 2)), (300.25)"), "-1.50|300.25|0|true|true");
}

TEST(ParquetFile, BoundsOfLongTextsAreCutToLetters) {
  Reader reader;
  const auto of = [&](const std::string& text) {
    return statistics_of(reader, "SELECT " + text + " AS v");
  };
  const std::string a(255, 'a');
  EXPECT_EQ(of("repeat('a', 255) || 'b' || 'c'"), a + "b|" + a + "c|0|false|false");
  EXPECT_EQ(of("repeat('a', 255) || '\xC3\xA9' || 'c'"), a + "|" + a.substr(1) + "b|0|false|false");
  EXPECT_EQ(of("repeat('a', 255) || chr(127) || 'c'"),
            a + "\x7F|" + a.substr(1) + "b|0|false|false");
  const std::string last = "\xF4\x8F\xBF\xBF";  // nothing comes behind it
  EXPECT_EQ(of("repeat('" + last + "', 65)"), "-|-|0");
  std::string letters;
  for (int i = 0; i < 63; ++i) {
    letters += last;
  }
  EXPECT_EQ(of("'\xF0\x9F\x98\x80' || repeat('" + last + "', 64)"),
            "\xF0\x9F\x98\x80" + letters + "|\xF0\x9F\x98\x81|0|false|false");
}

TEST(ParquetFile, ALongTextThatIsNoUtf8HasNoBounds) {
  Reader reader;
  for (const std::string& text : {std::string(300, '\xFF'), std::string(256, '\xBF') + "aaa"}) {
    const SchemaPtr schema = make_schema({{"s", Type::kString}});
    const Batch rows(schema, {constant_column(Scalar::string(text), 1)}, 1);
    reader.write(file_of(rows, 1, 1));
    EXPECT_EQ(
        reader.value("SELECT coalesce(stats_max_value, '-') || coalesce(stats_min_value, '-') "
                     "FROM parquet_metadata('" +
                     reader.path() + "')"),
        "--");
  }
}

/// Filters that only statistics can answer give what a look at every row does.
TEST(ParquetFile, ReadersSkipNoRowGroupThatHasAnAnswer) {
  Reader reader;
  const auto random = seeded_random(6);
  const Batch pool = random_batch(*random, flat_types(), 400);
  const Batch rows = shuffled(*random, pool, 600);
  reader.write(file_of(rows, 20, 20));
  const std::string file = "read_parquet('" + reader.path() + "')";
  for (int column = 0; column < rows.column_count(); ++column) {
    const std::string name = SqlEngine::identifier(rows.schema().field(column).name);
    const std::string counts = "SELECT sum((SELECT count(*) FROM " + file + " WHERE " + name +
                               " = v))::BIGINT FROM (SELECT DISTINCT " + name + " AS v FROM " +
                               file + ") WHERE v IS NOT NULL";
    EXPECT_EQ(reader.value(counts), reader.value("SELECT count(" + name + ") FROM " + file))
        << name;
  }
}

TEST(ParquetFile, BoundsOfTheWholeFileAreThoseOfItsRowGroups) {
  Reader reader;
  const Batch rows = reader.query(
      "SELECT i - 50 AS i, CASE WHEN i % 2 = 0 THEN i::DOUBLE ELSE 'nan'::DOUBLE END AS d, CASE "
      "WHEN "
      "i % 2 = 0 THEN i::VARCHAR END AS s FROM range(100) AS t(i)");
  ParquetEncoder encoder;
  ParquetFile file(rows.schema_ptr(), "assay version 1.2.3");
  for (int64_t row = 0; row < 100; row += 10) {
    const std::vector<Batch> part{rows.slice(row, row + 10)};
    file.add(encoder.encode(part).value());
  }
  EXPECT_EQ(file.rows(), 100);
  EXPECT_EQ(file.bounds(0).min, Scalar::int64(-50));
  EXPECT_EQ(file.bounds(0).max, Scalar::int64(49));
  EXPECT_EQ(file.bounds(1).min, Scalar::float64(0));
  EXPECT_EQ(file.bounds(1).max, Scalar::float64(98));
  EXPECT_TRUE(file.bounds(1).has_nan);
  EXPECT_EQ(file.bounds(2).min, Scalar::string("0"));
  EXPECT_EQ(file.bounds(2).max, Scalar::string("98"));
  EXPECT_EQ(file.bounds(2).null_count, 50);
}

}  // namespace
}  // namespace assay::data
