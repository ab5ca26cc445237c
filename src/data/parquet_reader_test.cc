#include "data/parquet_reader.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/temp_folder.h"
#include "data/parquet_file.h"
#include "data/random_values.h"
#include "data/sql_engine.h"
#include "data/thrift_compact.h"
#include "data/zstd_frames.h"

namespace assay::data {
namespace {

const std::vector<Type>& flat_types() {
  static const std::vector<Type> types = {Type::kBool,
                                          Type::kInt8,
                                          Type::kInt16,
                                          Type::kInt32,
                                          Type::kInt64,
                                          Type::kFloat32,
                                          Type::kFloat64,
                                          Type::kString,
                                          Type::kBytes,
                                          Type::kDate,
                                          Type::kTimestamp,
                                          Type::kTimestampNtz,
                                          Type::decimal(4, 2),
                                          Type::decimal(18, 6),
                                          Type::decimal(38, 10)};
  return types;
}

std::string file_of(const Batch& rows, int64_t group_rows) {
  ParquetEncoder encoder;
  ParquetFile file(rows.schema_ptr(), "assay version 1.2.3");
  std::string bytes(ParquetFile::kBegin);
  for (int64_t row = 0; row < rows.rows(); row += group_rows) {
    const std::vector<Batch> part{rows.slice(row, std::min(row + group_rows, rows.rows()))};
    const ParquetRowGroup group = encoder.encode(part).value();
    file.add(group);
    bytes += group.bytes;
  }
  return bytes + file.end();
}

/// Rows drawn from a few or many.
Batch random_rows(Random& random, int64_t size) {
  const Batch pool = random_batch(random, flat_types(), 1 + static_cast<int64_t>(random.below(60)));
  std::vector<int64_t> drawn(static_cast<std::size_t>(size));
  std::generate(drawn.begin(), drawn.end(), [&] {
    return static_cast<int64_t>(random.below(static_cast<uint64_t>(pool.rows())));
  });
  return pool.take(drawn);
}

void expect_same(const Batch& a, const Batch& b) {
  ASSERT_EQ(a.rows(), b.rows());
  ASSERT_EQ(a.column_count(), b.column_count());
  for (int column = 0; column < a.column_count(); ++column) {
    for (int64_t row = 0; row < a.rows(); ++row) {
      ASSERT_TRUE(same_value(a.column(column), row, b.column(column), row))
          << type_name(a.schema().field(column).type) << " row " << row;
    }
  }
}

/// The SQL engine reads the same bytes.
Batch naive_read(SqlEngine& sql, const std::string& bytes) {
  const TempFolder folder;
  const std::string path = folder.file("rows.parquet");
  std::ofstream(path, std::ios::binary) << bytes;
  return sql.query("SELECT * FROM read_parquet('" + path + "')").value();
}

TEST(ParquetReader, ReadsWhatWasWrittenAsTheSqlEngineDoes) {
  const auto random = seeded_random(31);
  const auto sql = SqlEngine::open({.temp_directory = "", .keep_timestamp_ntz = true}).value();
  for (const int64_t size : {1, 8, 9, 200, 1'000}) {
    const Batch rows = random_rows(*random, size);
    ParquetReader reader(rows.schema_ptr());
    for (const int64_t group_rows : {size, size / 3 + 1}) {
      const std::string bytes = file_of(rows, group_rows);
      const std::optional<Batch> read = reader.read(bytes);
      ASSERT_TRUE(read);
      expect_same(*read, rows);
      expect_same(*read, naive_read(*sql, bytes));
    }
  }
}

TEST(ParquetReader, ReadsSomeColumnsWithoutALookAtTheOthers) {
  const auto random = seeded_random(33);
  const Batch rows = random_rows(*random, 300);
  const std::string bytes = file_of(rows, 120);
  ParquetReader reader(rows.schema_ptr());
  for (const std::vector<int>& columns :
       {std::vector<int>{}, {0}, {14}, {3, 7}, {0, 1, 2, 7, 8, 13, 14}}) {
    const std::optional<Batch> read = reader.read(bytes, columns);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->rows(), 300);
    ASSERT_EQ(read->column_count(), static_cast<int>(columns.size()));
    for (std::size_t i = 0; i < columns.size(); ++i) {
      for (int64_t row = 0; row < 300; ++row) {
        ASSERT_TRUE(
            same_value(read->column(static_cast<int>(i)), row, rows.column(columns[i]), row));
      }
    }
  }
  // The first column's bytes are damaged: who does not want it does not see it.
  std::string damaged = bytes;
  damaged[30] = static_cast<char>(damaged[30] ^ 0x55);
  EXPECT_FALSE(reader.read(damaged));
  EXPECT_FALSE(reader.read(damaged, std::vector<int>{0}));
  EXPECT_TRUE(reader.read(damaged, std::vector<int>{1, 2}));
  EXPECT_FALSE(reader.read(bytes.substr(0, bytes.size() - 1), std::vector<int>{1}));
}

Batch texts(const std::vector<std::string>& values) {
  const SchemaPtr schema = make_schema({{"s", Type::kString}});
  BatchBuilder builder(schema);
  for (const std::string& value : values) {
    value == "null" ? builder.column(0).append_null() : builder.column(0).append_text(value);
  }
  return builder.finish();
}

TEST(ParquetReader, TextsOfSeveralPagesWithNullsAmongThem) {
  std::vector<std::string> values;
  for (int i = 0; i < 30; ++i) {
    values.push_back(i % 4 == 1 ? "null" : std::string(700'000, 'x') + std::to_string(i));
  }
  const Batch rows = texts(values);
  const std::string bytes = file_of(rows, rows.rows());
  EXPECT_LT(bytes.size(), 100'000U);
  ParquetReader reader(rows.schema_ptr());
  const std::optional<Batch> read = reader.read(bytes);
  ASSERT_TRUE(read);
  expect_same(*read, rows);
}

TEST(ParquetReader, AFileThatUnpacksToTooMuchIsNotItsBusiness) {
  // Differently long texts, which no dictionary holds; one text, very often; nothing but nulls.
  std::vector<std::string> different;
  for (int i = 0; i < 300; ++i) {
    different.push_back(std::string(10'000, 'x') + std::to_string(i));
  }
  const std::vector<std::string> often(1'000, std::string(3'000, 'y'));
  const std::vector<std::string> nulls(300'000, "null");
  for (const auto& values : {different, often, nulls}) {
    const Batch rows = texts(values);
    const std::string bytes = file_of(rows, rows.rows());
    EXPECT_LT(bytes.size(), 50'000U);
    EXPECT_TRUE(ParquetReader(rows.schema_ptr(), 16 << 20).read(bytes));
    ParquetReader small(rows.schema_ptr(), 1 << 20);
    EXPECT_FALSE(small.read(bytes));
    EXPECT_TRUE(small.ran_out());
    EXPECT_FALSE(small.read(bytes.substr(1)));
    EXPECT_FALSE(small.ran_out());
  }
}

/// Thrift's compact protocol with each field's number in full, so that fields may come twice.
struct ThriftBytes {
  std::string out;

  void field(char type, int id) {
    out.push_back(type);
    append_varint(out, static_cast<uint64_t>(id) << 1);
  }
  void number(char type, int id, int64_t value) {
    field(type, id);
    append_varint(out, static_cast<uint64_t>(value) << 1);
  }
  void i32(int id, int64_t value) { number(5, id, value); }
  void i64(int id, int64_t value) { number(6, id, value); }
  void list(int id, int size) {
    field(9, id);
    out.push_back(static_cast<char>(size << 4 | 12));
  }
  void end() { out.push_back('\0'); }
};

/// What a footer says of one row group of one column of three rows.
struct Footer {
  int64_t rows = 3;
  int64_t group_rows = 3;
  int64_t chunk_rows = 3;
  int groups = 1;       // in the list
  int group_lists = 1;  // how often it is there
  int chunk_lists = 1;  // how often the group has its columns
  int metas = 1;        // of the column
  int64_t nulls = 1;
  int64_t shift = 0;         // of where the column begins
  std::string between = {};  // the column and the footer
  std::string behind = {};   // the footer
};

void add_group(ThriftBytes& out, const ParquetChunk& chunk, const Footer& footer) {
  for (int list = 0; list < footer.chunk_lists; ++list) {
    out.list(1, 1);
    for (int meta = 0; meta < footer.metas; ++meta) {
      out.field(12, 3);
      out.i32(4, 6);
      out.i64(5, footer.chunk_rows);
      out.i64(7, static_cast<int64_t>(chunk.end - chunk.begin));
      out.i64(9, 4 + static_cast<int64_t>(chunk.first_data_page) + footer.shift);
      if (chunk.first_data_page > chunk.begin) {
        out.i64(11, 4 + static_cast<int64_t>(chunk.begin) + footer.shift);
      }
      out.field(12, 12);
      out.i64(3, footer.nulls);
      out.end();
      out.end();
    }
    out.end();
  }
  out.i64(3, footer.group_rows);
  out.end();
}

/// The file of these rows with this footer in the place of its own.
std::string with_footer(const Batch& rows, const Footer& footer) {
  const std::vector<Batch> batches{rows};
  const ParquetRowGroup group = ParquetEncoder().encode(batches).value();
  ThriftBytes out{parquet_footer_begin(rows.schema())};
  out.i64(3, footer.rows);
  for (int list = 0; list < footer.group_lists; ++list) {
    out.list(4, footer.groups);
    for (int i = 0; i < footer.groups; ++i) {
      add_group(out, group.chunks.front(), footer);
    }
  }
  out.end();
  out.out += footer.behind;
  const auto size = static_cast<uint32_t>(out.out.size());
  std::string file = std::string(ParquetFile::kBegin) + group.bytes + footer.between + out.out;
  file.append(reinterpret_cast<const char*>(&size), sizeof size);
  return file.append(ParquetFile::kBegin);
}

TEST(ParquetReader, AFooterThatDisagreesWithItselfLosesNoRows) {
  const Batch rows = texts({"a", "null", "b"});
  ParquetReader reader(rows.schema_ptr());
  const auto reads = [&](const Footer& footer) {
    return reader.read(with_footer(rows, footer)).has_value();
  };
  const std::optional<Batch> good = reader.read(with_footer(rows, {}));
  ASSERT_TRUE(good);
  expect_same(*good, rows);
  EXPECT_FALSE(reads({.rows = 2}));
  EXPECT_FALSE(reads({.rows = 0}));
  EXPECT_FALSE(reads({.group_rows = 2}));
  EXPECT_FALSE(reads({.rows = 2, .group_rows = 2}));
  EXPECT_FALSE(reads({.chunk_rows = 2}));
  EXPECT_FALSE(reads({.rows = 2, .group_rows = 2, .chunk_rows = 2}));
  EXPECT_FALSE(reads({.rows = 4, .group_rows = 4, .chunk_rows = 4}));
  EXPECT_FALSE(reads({.groups = 0}));
  EXPECT_FALSE(reads({.group_lists = 0}));
  EXPECT_FALSE(reads({.group_lists = 2}));
  EXPECT_FALSE(reads({.rows = 6, .group_lists = 2}));
  EXPECT_FALSE(reads({.chunk_lists = 0}));
  EXPECT_FALSE(reads({.chunk_lists = 2}));
  EXPECT_FALSE(reads({.metas = 0}));
  EXPECT_FALSE(reads({.metas = 2}));
  EXPECT_FALSE(reads({.behind = std::string(1, '\0')}));
  EXPECT_FALSE(reads({.rows = 6, .groups = 2}));  // the same bytes twice
  EXPECT_FALSE(reads({.nulls = 0}));
  EXPECT_FALSE(reads({.nulls = 2}));
  EXPECT_FALSE(reads({.shift = 1}));
  EXPECT_FALSE(reads({.between = "gap"}));
  std::string other_begin = with_footer(rows, {});
  other_begin[0] = 'p';
  EXPECT_FALSE(reader.read(other_begin));
}

/// A file of one column of three rows, whose page is made here.
std::string with_page(const Type& type, int64_t nulls, int64_t encoding, const std::string& raw) {
  std::string frame;
  EXPECT_TRUE(ZstdCompressor().append(raw, frame).ok());
  ThriftBytes head;
  head.i32(1, 0);
  head.i32(2, std::ssize(raw));
  head.i32(3, std::ssize(frame));
  head.field(12, 5);
  head.i32(1, 3);
  head.i32(2, encoding);
  head.i32(3, 3);
  head.i32(4, 3);
  head.end();
  head.end();
  ParquetChunk chunk;
  chunk.end = head.out.size() + frame.size();
  ThriftBytes out{parquet_footer_begin(Schema({{"v", type}}))};
  out.i64(3, 3);
  out.list(4, 1);
  add_group(out, chunk, {.nulls = nulls});
  out.end();
  const auto size = static_cast<uint32_t>(out.out.size());
  std::string file = std::string(ParquetFile::kBegin) + head.out + frame + out.out;
  file.append(reinterpret_cast<const char*>(&size), sizeof size);
  return file.append(ParquetFile::kBegin);
}

/// Levels as bits of a packed group, or any bytes.
std::string levels(const std::string& bytes) {
  const auto size = static_cast<uint32_t>(bytes.size());
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + bytes;
}

TEST(ParquetReader, APageHoldsNothingButWhatItSays) {
  const std::string all = levels("\x03\x07");       // a group: 1 1 1
  const std::string two = levels("\x03\x05");       // 1 0 1
  const std::string run = levels("\x06\x01");       // three times 1
  const std::string longer = levels("\x08\x01");    // four times
  const std::string wide = levels("\x06\x03");      // three times 3
  const std::string more = levels("\x03\x07\x01");  // a byte too many
  const auto reads = [](const Type& type, int64_t nulls, const std::string& raw) {
    return ParquetReader(make_schema({{"v", type}})).read(with_page(type, nulls, 0, raw));
  };
  const std::string three(12, '\x01');
  ASSERT_TRUE(reads(Type::kInt32, 0, all + three));
  EXPECT_TRUE(reads(Type::kInt32, 0, run + three));
  EXPECT_TRUE(reads(Type::kInt32, 1, two + three.substr(4)));
  EXPECT_FALSE(reads(Type::kInt32, 1, two + three));  // a level that was cleared
  EXPECT_FALSE(reads(Type::kInt32, 0, two + three.substr(4)));
  EXPECT_FALSE(reads(Type::kInt32, 0, all + three.substr(1)));
  EXPECT_FALSE(reads(Type::kInt32, 0, all + three + "x"));
  EXPECT_FALSE(reads(Type::kInt32, 0, longer + three));
  EXPECT_FALSE(reads(Type::kInt32, 0, wide + three));
  EXPECT_FALSE(reads(Type::kInt32, 0, more + three));
  EXPECT_FALSE(reads(Type::kInt16, 0, all + three));  // 0x01010101
  EXPECT_TRUE(reads(Type::kInt16, 0, all + std::string(12, '\xFF')));
  EXPECT_TRUE(reads(Type::kBool, 0, all + "\x05"));
  EXPECT_FALSE(reads(Type::kBool, 0, all + "\x05\x05"));
  const std::string a("\x01\0\0\0a", 5);
  EXPECT_TRUE(reads(Type::kString, 0, all + a + a + a));
  EXPECT_FALSE(reads(Type::kString, 0, all + a + a + a + "x"));
  EXPECT_FALSE(reads(Type::kString, 0, all + a + a));
  const std::string no_letter("\x01\0\0\0\xFF", 5);
  EXPECT_FALSE(reads(Type::kString, 0, all + a + no_letter + a));
  EXPECT_TRUE(reads(Type::kBytes, 0, all + a + no_letter + a));
}

TEST(ParquetReader, StringsOfADictionaryAreUtf8) {
  const std::vector<std::string> often(100, "\xFF");
  const Batch rows = texts(often);
  EXPECT_FALSE(ParquetReader(rows.schema_ptr()).read(file_of(rows, 100)));
}

TEST(ParquetReader, ADamagedPageIsFoundByItsChecksum) {
  const auto random = seeded_random(33);
  BatchBuilder builder(make_schema({{"i", Type::kInt64}}));
  for (int i = 0; i < 2'000; ++i) {
    builder.column(0).append(static_cast<int64_t>(random->next()));  // stored as they are
  }
  const Batch rows = builder.finish();
  std::string bytes = file_of(rows, rows.rows());
  ParquetReader reader(rows.schema_ptr());
  ASSERT_TRUE(reader.read(bytes));
  for (const std::size_t at : {2'000, 8'000, 15'000}) {
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    EXPECT_FALSE(reader.read(bytes)) << at;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
  }
}

TEST(ParquetReader, OtherColumnsAreNotItsBusiness) {
  const SchemaPtr schema = make_schema({{"a", Type::kInt64}, {"b", Type::kString}});
  const std::string bytes =
      file_of(Batch(schema,
                    {constant_column(Scalar::int64(1), 3), constant_column(Scalar::string("x"), 3)},
                    3),
              3);
  const auto reads = [&](std::vector<Field> fields) {
    return ParquetReader(make_schema(std::move(fields))).read(bytes).has_value();
  };
  EXPECT_TRUE(reads({{"a", Type::kInt64}, {"b", Type::kString}}));
  EXPECT_FALSE(reads({{"a", Type::kInt64}}));
  EXPECT_FALSE(reads({{"b", Type::kString}, {"a", Type::kInt64}}));
  EXPECT_FALSE(reads({{"a", Type::kTimestamp}, {"b", Type::kString}}));
  EXPECT_FALSE(reads({{"a", Type::kInt64}, {"b", Type::kBytes}}));
  EXPECT_FALSE(reads({{"a", Type::kInt64}, {"b", Type::kString}, {"c", Type::kString}}));
}

/// A damaged file gives rows of the schema (a changed letter is not noticed) or nothing.
TEST(ParquetReader, DamageEndsInNothing) {
  const auto random = seeded_random(32);
  const Batch rows = random_rows(*random, 50);
  const std::string good = file_of(rows, 20);
  ParquetReader reader(rows.schema_ptr());
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string bad = good;
    for (uint64_t i = 1 + random->below(3); i > 0; --i) {
      bad[random->below(bad.size())] = static_cast<char>(random->next());
    }
    if (random->below(4) == 0) {
      bad.erase(random->below(bad.size()), 1 + random->below(9));
    }
    const std::optional<Batch> read = reader.read(bad);
    refused += read ? 0 : 1;
    EXPECT_EQ(read ? read->rows() : rows.rows(), rows.rows());
  }
  EXPECT_GT(refused, 200);
  EXPECT_TRUE(reader.read(good));
  for (std::size_t size = 0; size < 20; ++size) {
    EXPECT_FALSE(reader.read(good.substr(0, size)));
    EXPECT_FALSE(reader.read(good.substr(good.size() - size)));
  }
}

}  // namespace
}  // namespace assay::data
