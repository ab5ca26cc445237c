// Large files, of which some columns of some row groups are read.

#include "data/parquet_groups.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/random.h"
#include "base/temp_folder.h"
#include "data/one_file.h"
#include "data/parquet_file.h"
#include "data/random_values.h"

namespace assay::data {
namespace {

constexpr int64_t kGroupRows = 700;

class ParquetGroupsTest : public testing::Test {
 protected:
  ParquetGroupsTest()
      : files_(system_files()), random_(seeded_random(41)), path_(folder_.file("rows.parquet")) {}

  std::string bytes_of(const Batch& rows) {
    ParquetEncoder encoder;
    ParquetFile file(rows.schema_ptr(), "assay version 1.2.3");
    std::string bytes(ParquetFile::kBegin);
    for (int64_t row = 0; row < rows.rows(); row += kGroupRows) {
      const Batch part = rows.slice(row, std::min(row + kGroupRows, rows.rows()));
      const ParquetRowGroup group = encoder.encode(std::span(&part, 1)).value();
      file.add(group);
      bytes += group.bytes;
    }
    return bytes + file.end();
  }

  std::optional<ParquetGroups> open(const std::string& bytes, const SchemaPtr& schema) {
    EXPECT_TRUE(files_->write(path_, bytes).ok());
    return ParquetGroups::open(*files_, path_, std::ssize(bytes), schema).value();
  }

  /// Values of few kinds, so that some columns have a dictionary.
  Batch random_rows(const std::vector<Type>& types) {
    const Batch pool = random_batch(*random_, types, 400);
    std::vector<int64_t> drawn(3 * kGroupRows + 100);
    std::generate(drawn.begin(), drawn.end(), [&] {
      return static_cast<int64_t>(random_->below(static_cast<uint64_t>(pool.rows())));
    });
    return pool.take(drawn);
  }

  /// False when a row group could not be read. What can be read has the values that were written.
  bool expect_rows_or_error(const ParquetGroups& file, const Batch& rows) {
    ParquetGroupReader reader(*files_);
    const std::vector<int> all = {0, 1, 2};
    int64_t first = 0;
    for (std::size_t group = 0; group < file.size(); ++group) {
      const Result<Batch> read = reader.read(file, group, all);
      if (!read.ok()) {
        EXPECT_EQ(read.code(), Code::kCorrupt);
        return false;
      }
      for (int64_t row = 0; row < read->rows(); ++row) {
        for (const int column : all) {
          EXPECT_TRUE(same_value(read->column(column), row, rows.column(column), first + row));
        }
      }
      first += read->rows();
    }
    EXPECT_EQ(first, rows.rows());
    return true;
  }

  TempFolder folder_;
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<Random> random_;
  std::string path_;
};

TEST_F(ParquetGroupsTest, ReadsSomeColumnsOfSomeRowGroups) {
  const Batch rows = random_rows({Type::kInt64,
                                  Type::kString,
                                  Type::kFloat64,
                                  Type::kBool,
                                  Type::decimal(38, 4),
                                  Type::kDate});
  const auto file = open(bytes_of(rows), rows.schema_ptr());
  ASSERT_TRUE(file);
  ASSERT_EQ(file->size(), 4U);
  EXPECT_EQ(file->rows(0), kGroupRows);
  EXPECT_EQ(file->rows(3), 100);
  ParquetGroupReader reader(*files_);
  for (const std::vector<int>& columns :
       {std::vector<int>{0}, {5, 1}, {4, 3, 2, 1, 0}, std::vector<int>()}) {
    for (std::size_t group = 0; group < 4; ++group) {
      const Batch read = reader.read(*file, group, columns).value();
      ASSERT_EQ(read.rows(), file->rows(group));
      ASSERT_EQ(read.column_count(), static_cast<int>(columns.size()));
      for (int i = 0; i < read.column_count(); ++i) {
        const int column = columns[static_cast<std::size_t>(i)];
        EXPECT_EQ(read.schema().field(i).name, rows.schema().field(column).name);
        for (int64_t row = 0; row < read.rows(); ++row) {
          ASSERT_TRUE(same_value(read.column(i),
                                 row,
                                 rows.column(column),
                                 static_cast<int64_t>(group) * kGroupRows + row));
        }
      }
    }
  }
}

TEST_F(ParquetGroupsTest, AFooterMayBeLong) {
  std::vector<Type> types(600, Type::kInt32);
  const Batch rows = random_rows(types);
  const auto file = open(bytes_of(rows), rows.schema_ptr());
  ASSERT_TRUE(file);
  EXPECT_EQ(file->size(), 4U);
  const std::vector<int> last = {599};
  const Batch read = ParquetGroupReader(*files_).read(*file, 3, last).value();
  EXPECT_TRUE(same_value(read.column(0), 99, rows.column(599), 3 * kGroupRows + 99));
}

TEST_F(ParquetGroupsTest, TellsTheMemoryThatAColumnNeeds) {
  std::vector<Type> types = {Type::kInt64, Type::kBool, Type::kFloat32, Type::decimal(38, 4)};
  types.push_back(Type::kString);
  const Batch few = random_rows(types).slice(0, 5);  // in the file a dictionary: a fraction of them
  std::vector<int64_t> repeated(kGroupRows);
  for (std::size_t i = 0; i < repeated.size(); ++i) {
    repeated[i] = static_cast<int64_t>(i * i % 5);
  }
  for (const Batch& rows : {few.take(repeated), random_rows(types)}) {
    const auto file = open(bytes_of(rows), rows.schema_ptr());
    ASSERT_TRUE(file);
    for (int column = 0; column < rows.column_count(); ++column) {
      const std::vector<int> wanted = {column};
      const Batch read = ParquetGroupReader(*files_).read(*file, 0, wanted).value();
      const std::size_t held = read.column(0).bytes();
      EXPECT_GE(file->column_bytes(0, column), held) << column;
      EXPECT_LE(file->column_bytes(0, column), 3 * held + 32 * kGroupRows) << column;
      EXPECT_GT(file->working_bytes(0, column), static_cast<std::size_t>(kGroupRows)) << column;
    }
  }
}

TEST_F(ParquetGroupsTest, OtherColumnsAreNotItsBusiness) {
  const Batch rows = random_rows({Type::kInt64, Type::kString});
  const std::string bytes = bytes_of(rows);
  const std::vector<Field>& fields = rows.schema().fields();
  EXPECT_TRUE(open(bytes, make_schema(fields)));
  EXPECT_FALSE(open(bytes, make_schema({fields[0]})));
  EXPECT_FALSE(open(bytes, make_schema({fields[1], fields[0]})));
  EXPECT_FALSE(open(bytes, make_schema({{fields[0].name, Type::kTimestamp}, fields[1]})));
  EXPECT_FALSE(open(bytes, make_schema({})));
}

TEST_F(ParquetGroupsTest, SizesThatAreNoneAreNoFileOfOurs) {
  const Batch rows = random_rows({Type::kInt64});
  const std::string bytes = bytes_of(rows);
  ASSERT_TRUE(open(bytes, rows.schema_ptr()));
  for (const int64_t size :
       {int64_t{-5}, int64_t{0}, int64_t{7}, std::ssize(bytes) - 1, std::ssize(bytes) + 1}) {
    EXPECT_FALSE(ParquetGroups::open(*files_, path_, size, rows.schema_ptr()).value()) << size;
  }
}

TEST_F(ParquetGroupsTest, ReadsThatFailAreErrorsOfTheirOwn) {
  const Batch rows = random_rows({Type::kInt64, Type::kString, Type::kFloat64});
  OneFile files(bytes_of(rows), 0);
  EXPECT_EQ(ParquetGroups::open(files, "one", files.size(), rows.schema_ptr()).code(),
            Code::kUnavailable);
  files.allow_reads(1);
  const auto file = ParquetGroups::open(files, "one", files.size(), rows.schema_ptr()).value();
  ASSERT_TRUE(file);
  ParquetGroupReader reader(files);
  const std::vector<int> all = {0, 1, 2};
  for (int64_t reads = 0; reads < 3; ++reads) {
    files.allow_reads(reads);
    EXPECT_EQ(reader.read(*file, 1, all).code(), Code::kUnavailable);
  }
  files.allow_reads(3);  // the reader goes on where there was a fault
  EXPECT_TRUE(reader.read(*file, 1, all).ok());
}

TEST_F(ParquetGroupsTest, PlainValuesKeepTheirBits) {
  // Each value once, so that there is no dictionary.
  ColumnBuilder reals(Type::kFloat64);
  ColumnBuilder small(Type::kFloat32);
  ColumnBuilder numbers(Type::kInt64);
  for (int64_t row = 0; row < kGroupRows; ++row) {
    reals.append(std::bit_cast<double>(random_->next()));
    small.append(std::bit_cast<float>(static_cast<uint32_t>(random_->next())));
    numbers.append(static_cast<int64_t>(random_->next()));
  }
  const SchemaPtr schema = make_schema(
      {{"d", Type::kFloat64, true}, {"f", Type::kFloat32, true}, {"n", Type::kInt64, true}});
  const Batch rows(schema, {reals.finish(), small.finish(), numbers.finish()}, kGroupRows);
  const auto file = open(bytes_of(rows), schema);
  ASSERT_TRUE(file);
  const std::vector<int> all = {0, 1, 2};
  const Batch read = ParquetGroupReader(*files_).read(*file, 0, all).value();
  for (const int column : all) {
    const Buffer& ours = read.column(column).value_buffer();
    const Buffer& given = rows.column(column).value_buffer();
    ASSERT_EQ(ours.size(), given.size());
    EXPECT_EQ(std::memcmp(ours.data(), given.data(), ours.size()), 0);
  }
}

TEST_F(ParquetGroupsTest, DamageIsAnErrorOrNoFileOfOurs) {
  const Batch rows = random_rows({Type::kInt64, Type::kString, Type::kFloat64});
  const std::string good = bytes_of(rows);
  for (std::size_t size = 0; size < good.size(); size += 1 + good.size() / 100) {
    EXPECT_FALSE(open(good.substr(0, size), rows.schema_ptr())) << size;
  }
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string bad = good;
    for (uint64_t i = 1 + random_->below(4); i > 0; --i) {
      // A third of the changes in the footer.
      const std::size_t behind = random_->below(3) == 0 ? bad.size() - 600 : 0;
      bad[behind + random_->below(bad.size() - behind)] = static_cast<char>(random_->next());
    }
    const auto file = open(bad, rows.schema_ptr());
    refused += file && expect_rows_or_error(*file, rows) ? 0 : 1;
  }
  EXPECT_GT(refused, 200);
}

}  // namespace
}  // namespace assay::data
