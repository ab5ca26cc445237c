#include "data/csv.h"

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/random.h"
#include "base/temp_folder.h"
#include "base/time.h"
#include "data/record_splitter.h"
#include "data/sql_engine.h"

namespace assay::data {
namespace {

DecodeOptions options_of(std::vector<Field> fields) {
  return {make_schema(std::move(fields)), {}, {}, {}};
}

/// The one cell of a one-column record, as text; "null", or the reason it was refused.
std::string decode_one(std::string_view cell, Type type, TimeUnit unit = TimeUnit::kText) {
  DecodeOptions options = options_of({{"a", type, true}});
  options.time_units = {unit};
  const std::vector<std::string_view> records{cell};
  const Decoded decoded = CsvDecoder(options, {"a"}, ',').decode(records);
  if (!decoded.rejects.empty()) {
    return std::string(reason_name(decoded.rejects[0].reason));
  }
  const Scalar scalar = decoded.rows.column(0).scalar(0);
  return scalar.is_null() ? "null" : "=" + format_scalar(scalar);
}

std::string reject_text(const Rejects& rejects) {
  std::string text;
  for (const Reject& reject : rejects) {
    text += std::to_string(reject.row) + " " + std::string(reason_name(reject.reason)) + " " +
            reject.column + ";";
  }
  return text;
}

TEST(Csv, CellsAreCutAndUnquoted) {
  std::vector<std::string> cells;
  EXPECT_TRUE(split_csv_record("a,,\"b,\"\"c\"\"\nd\",\"\",5\" x", ',', &cells));
  EXPECT_EQ(cells, (std::vector<std::string>{"a", "", "b,\"c\"\nd", "", "5\" x"}));
  EXPECT_TRUE(split_csv_record("a;b,c;", ';', &cells));
  EXPECT_EQ(cells, (std::vector<std::string>{"a", "b,c", ""}));
  EXPECT_TRUE(split_csv_record("\"\"\"\"", ',', &cells));
  EXPECT_EQ(cells, (std::vector<std::string>{"\""}));
  EXPECT_FALSE(split_csv_record("a,\"b", ',', &cells));
  EXPECT_FALSE(split_csv_record("\"a\"b,c", ',', &cells));
}

TEST(Csv, ColumnsAreFoundByHeaderAndMissingOnesAreNull) {
  const CsvDecoder decoder(
      options_of(
          {{"b", Type::kInt64, true}, {"gone", Type::kString, true}, {"a", Type::kString, true}}),
      {"a", "extra", "b"},
      ',');
  const Decoded decoded = decoder.decode(std::vector<std::string_view>{"x,1,2", "y,,"});
  ASSERT_EQ(decoded.rows.rows(), 2);
  EXPECT_EQ(decoded.rows.column(0).scalar(0), Scalar::int64(2));
  EXPECT_TRUE(decoded.rows.column(0).is_null(1));
  EXPECT_TRUE(decoded.rows.column(1).is_null(0));
  EXPECT_EQ(decoded.rows.column(2).text(1), "y");
}

TEST(Csv, BadRecordsAreRejectedWithReasonAndColumnAndTheRestIsKept) {
  const CsvDecoder decoder(options_of({{"id", Type::kInt64, false}, {"name", Type::kString, true}}),
                           {"id", "name"},
                           ',');
  const std::vector<std::string_view> records{
      "1,a", "2", "3,c,d", "x,e", ",f", "4,\"g", "5,\xFF", "6,h"};
  const Decoded decoded = decoder.decode(records);
  EXPECT_EQ(decoded.record_of_row, (std::vector<int64_t>{0, 7}));
  EXPECT_EQ(decoded.rows.column(1).text(1), "h");
  EXPECT_EQ(reject_text(decoded.rejects),
            "1 malformed ;2 malformed ;3 wrong_type id;4 missing_required id;5 malformed ;6 "
            "invalid_utf8 ;");
}

TEST(Csv, AnEmptyCellIsNullAndAQuotedEmptyTextIsNot) {
  EXPECT_EQ(decode_one("\"\"", Type::kString), "=");
  EXPECT_EQ(decode_one("\"\"", Type::kInt64), "null");
  const CsvDecoder decoder(
      options_of({{"a", Type::kString, true}, {"b", Type::kInt64, true}}), {"a", "b"}, ',');
  const Decoded decoded = decoder.decode(std::vector<std::string_view>{",", "\"\",\"\""});
  EXPECT_TRUE(decoded.rows.column(0).is_null(0));
  EXPECT_TRUE(decoded.rows.column(0).is_valid(1));
  EXPECT_TRUE(decoded.rows.column(1).is_null(1));
}

TEST(Csv, NullTextsHoldForAllColumnsOrForOne) {
  DecodeOptions options =
      options_of({{"country", Type::kString, true}, {"delay", Type::kInt64, true}});
  options.null_texts = {"\\N"};
  options.column_null_texts = {{}, {"NA"}};
  const CsvDecoder decoder(options, {"country", "delay"}, ',');
  const Decoded decoded = decoder.decode(std::vector<std::string_view>{"NA,NA", "\\N,\"NA\""});
  ASSERT_EQ(decoded.rows.rows(), 2);
  EXPECT_EQ(decoded.rows.column(0).text(0), "NA");
  EXPECT_TRUE(decoded.rows.column(0).is_null(1));
  EXPECT_EQ(decoded.rows.column(1).null_count(), 2);
}

TEST(Csv, TimestampsAreTextOrCountsOfTheirUnit) {
  EXPECT_EQ(decode_one("2001-01-31 10:00", Type::kTimestamp), "=2001-01-31T10:00:00Z");
  EXPECT_EQ(decode_one("980935200", Type::kTimestamp), "wrong_type");
  EXPECT_EQ(decode_one("980935200", Type::kTimestamp, TimeUnit::kSeconds), "=2001-01-31T10:00:00Z");
  EXPECT_EQ(decode_one("980935200.000001", Type::kTimestamp, TimeUnit::kSeconds),
            "=2001-01-31T10:00:00.000001Z");
  EXPECT_EQ(decode_one("980935200123", Type::kTimestamp, TimeUnit::kMillis),
            "=2001-01-31T10:00:00.123Z");
  EXPECT_EQ(decode_one("-1", Type::kTimestamp, TimeUnit::kMicros), "=1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(decode_one("0.5", Type::kTimestamp, TimeUnit::kMicros), "wrong_type");
  EXPECT_EQ(decode_one("9223372036854775807", Type::kTimestamp, TimeUnit::kSeconds), "wrong_type");
  EXPECT_EQ(decode_one("1e300", Type::kTimestamp, TimeUnit::kSeconds), "wrong_type");
  EXPECT_EQ(decode_one("nan", Type::kTimestamp, TimeUnit::kSeconds), "wrong_type");
  EXPECT_EQ(decode_one("253402300800", Type::kTimestamp, TimeUnit::kSeconds), "wrong_type");
}

TEST(Csv, CellsReadAsParseScalarReadsThem) {
  const uint64_t seed = 11;
  SCOPED_TRACE(seed);
  const auto random = seeded_random(seed);
  const std::vector<std::string> whole{"9223372036854775807",
                                       "9223372036854775808",
                                       "-9223372036854775808",
                                       "2147483648",
                                       "-2147483648",
                                       "1.0",
                                       "1e5",
                                       " 1",
                                       "1 ",
                                       "+1",
                                       "+-1",
                                       "0x10",
                                       "true",
                                       "TRUE",
                                       "yes",
                                       "nan",
                                       "inf",
                                       "-inf",
                                       "1e400",
                                       "1e39",
                                       "2001-02-29",
                                       "2000-02-29",
                                       "2001-01-31T10:00:00Z",
                                       "2001-01-31T00:00:00",
                                       "0001-01-01",
                                       "x"};
  const std::string alphabet = "0123456789+-.e :TZ";
  for (int round = 0; round < 20'000; ++round) {
    std::string text = whole[random->below(whole.size())];
    if (random->below(2) == 0) {
      text[random->below(text.size())] = alphabet[random->below(alphabet.size())];
    }
    for (int id = 0; id <= static_cast<int>(TypeId::kTimestampNtz); ++id) {
      const Type type(static_cast<TypeId>(id));
      const Result<Scalar> expected = parse_scalar(text, type);
      ASSERT_EQ(decode_one(text, type),
                expected.ok() ? "=" + format_scalar(*expected) : "wrong_type")
          << text << " as " << type_name(type);
    }
  }
}

/// A random table as CSV text, cells quoted when they must be and sometimes when they need not.
std::string random_csv(Random& random, int rows) {
  const std::string alphabet = "ab ,\"\n;'";
  std::string text = "i,f,s,d,t\n";
  for (int row = 0; row < rows; ++row) {
    std::vector<std::string> cells(5);
    cells[0] = std::to_string(static_cast<int64_t>(random.next()) >> random.below(60));
    cells[1] = format_scalar(Scalar::float64(static_cast<double>(random.next()) / 7e5 *
                                             (random.below(2) == 0 ? 1e-30 : -1)));
    cells[2] = "s";
    for (uint64_t i = random.below(8); i > 0; --i) {
      cells[2] += alphabet[random.below(alphabet.size())];
    }
    const EventTime time{static_cast<int64_t>(random.below(4'000'000'000'000'000))};
    cells[3] = format_date(time);
    cells[4] = format_time(time);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (random.below(10) == 0 && i != 2) {
        cells[i].clear();
      }
      const bool quoted =
          cells[i].find_first_of(",\"\n") != std::string::npos || (i == 2 && random.below(3) == 0);
      text += i > 0 ? "," : "";
      text += quoted ? "\"" : "";
      for (const char c : cells[i]) {
        text += std::string(c == '"' ? 2 : 1, c);
      }
      text += quoted ? "\"" : "";
    }
    text += "\n";
  }
  return text;
}

TEST(Csv, CleanTablesReadAsDuckDbReadsThem) {
  const uint64_t seed = 14;
  SCOPED_TRACE(seed);
  const auto random = seeded_random(seed);
  const std::string text = random_csv(*random, 4000);
  const TempFolder folder;
  const std::string path = folder.file("table.csv");
  ASSERT_TRUE(system_files()->write(path, text).ok());
  Result<std::unique_ptr<SqlEngine>> engine = SqlEngine::open({});
  ASSERT_TRUE(engine.ok());
  const Result<Batch> expected =
      (*engine)->query("SELECT * FROM read_csv(" + SqlEngine::literal(path) +
                       ", header = true, auto_detect = false, quote = '\"', escape = '\"', columns "
                       "= {'i': 'BIGINT', 'f': "
                       "'DOUBLE', 's': 'VARCHAR', 'd': 'DATE', 't': 'TIMESTAMP WITH TIME ZONE'})");
  ASSERT_TRUE(expected.ok()) << expected.status().to_string();

  RecordSplitter splitter({});
  std::vector<std::string_view> records;
  for (const SplitRecord& record : splitter.feed(text, true)) {
    records.push_back(record.text);
  }
  const CsvDecoder decoder({expected->schema_ptr(), {}, {}, {}}, expected->schema().names(), ',');
  const Decoded decoded = decoder.decode(std::span(records).subspan(1));
  EXPECT_EQ(reject_text(decoded.rejects), "");
  ASSERT_EQ(decoded.rows.rows(), expected->rows());
  for (int column = 0; column < 5; ++column) {
    for (int64_t row = 0; row < expected->rows(); ++row) {
      ASSERT_EQ(decoded.rows.column(column).scalar(row), expected->column(column).scalar(row))
          << records[static_cast<std::size_t>(row) + 1];
    }
  }
}

TEST(Csv, RandomTableSurvivesWritingAndReading) {
  const uint64_t seed = 12;
  SCOPED_TRACE(seed);
  const auto random = seeded_random(seed);
  const std::string alphabet = "ab,\"\n\r ";
  std::string text;
  std::vector<std::string> expected;
  for (int row = 0; row < 5000; ++row) {
    for (int column = 0; column < 3; ++column) {
      std::string cell;
      for (uint64_t i = random->below(6); i > 0; --i) {
        cell += alphabet[random->below(alphabet.size())];
      }
      expected.push_back(cell);
      std::string quoted;
      for (const char c : cell) {
        quoted += std::string(c == '"' ? 2 : 1, c);
      }
      text += (column > 0 ? ",\"" : "\"") + quoted + "\"";
    }
    text += random->below(2) == 0 ? "\n" : "\r\n";
  }
  RecordSplitter splitter({});
  std::vector<std::string_view> records;
  for (const SplitRecord& record : splitter.feed(text, true)) {
    records.push_back(record.text);
  }
  const CsvDecoder decoder(
      options_of(
          {{"a", Type::kString, true}, {"b", Type::kString, true}, {"c", Type::kString, true}}),
      {"a", "b", "c"},
      ',');
  const Decoded decoded = decoder.decode(records);
  ASSERT_EQ(decoded.rows.rows(), 5000) << reject_text(decoded.rejects);
  for (int64_t i = 0; i < 15'000; ++i) {
    ASSERT_EQ(decoded.rows.column(static_cast<int>(i % 3)).text(i / 3),
              expected[static_cast<std::size_t>(i)]);
  }
}

}  // namespace
}  // namespace assay::data
