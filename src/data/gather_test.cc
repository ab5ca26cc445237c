#include "data/gather.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace assay::data {
namespace {

ColumnPtr random_column(std::mt19937_64& random, Type type, int64_t size, bool nulls) {
  ColumnBuilder builder(type);
  for (int64_t i = 0; i < size; ++i) {
    if (nulls && random() % 5 == 0) {
      builder.append_null();
      continue;
    }
    switch (type) {
      case Type::kBool:
        builder.append(static_cast<uint8_t>(random() % 2));
        break;
      case Type::kInt32:
        builder.append(static_cast<int32_t>(random()));
        break;
      case Type::kString:
        builder.append_text("text " + std::to_string(random() % 1000));
        break;
      case Type::kFloat64:
        builder.append(static_cast<double>(random()));
        break;
      default:
        builder.append(static_cast<int64_t>(random()));
    }
  }
  return builder.finish();
}

std::vector<int64_t> random_rows(std::mt19937_64& random,
                                 int64_t source,
                                 int64_t size,
                                 bool holes) {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < size; ++i) {
    rows.push_back(holes && random() % 7 == 0
                       ? -1
                       : static_cast<int64_t>(random() % static_cast<uint64_t>(source)));
  }
  return rows;
}

bool equal_bytes(const Buffer& a, const Buffer& b) {
  return a.size() == b.size() && (a.size() == 0 || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

TEST(Gather, GivesTheBytesThatTakingEachColumnGives) {
  std::mt19937_64 random(3);
  const std::vector<Type> types = {
      Type::kInt64, Type::kBool, Type::kString, Type::kInt32, Type::kFloat64, Type::kTimestamp};
  for (const int64_t size : {0, 10, 70'003, 200'000}) {
    for (const bool holes : {false, true}) {
      std::vector<ColumnPtr> owned;
      std::vector<const Column*> columns;
      const int64_t source = size == 200'000 ? 1'000 : 150'001;
      for (std::size_t i = 0; i < types.size(); ++i) {
        owned.push_back(random_column(random, types[i], source, i % 2 == 1));
        columns.push_back(owned.back().get());
      }
      const std::vector<int64_t> rows = random_rows(random, source, size, holes);
      for (int threads = 1; threads <= 3; ++threads) {
        const std::vector<ColumnPtr> taken = take_columns(columns, rows, threads);
        for (std::size_t i = 0; i < columns.size(); ++i) {
          const ColumnPtr one = take(*columns[i], rows);
          ASSERT_EQ(taken[i]->size(), one->size());
          ASSERT_EQ(taken[i]->null_count(), one->null_count());
          ASSERT_TRUE(equal_bytes(taken[i]->value_buffer(), one->value_buffer()));
          ASSERT_TRUE(equal_bytes(taken[i]->offset_buffer(), one->offset_buffer()));
          for (int64_t row = 0; row < one->size(); ++row) {
            ASSERT_EQ(taken[i]->is_null(row), one->is_null(row));
          }
        }
      }
    }
  }
}

TEST(Gather, RowsInOrder) {
  std::mt19937_64 random(5);
  const ColumnPtr number = random_column(random, Type::kInt64, 90'000, true);
  const ColumnPtr text = random_column(random, Type::kString, 90'000, false);
  const std::vector<const Column*> columns = {number.get(), text.get(), number.get()};
  std::vector<int64_t> rows = random_rows(random, 90'000, 90'000, false);
  std::sort(rows.begin(), rows.end());
  for (std::size_t i = 0; i < rows.size(); i += 1 + random() % 9) {
    rows[i] = -1;
  }
  for (const int threads : {1, 4}) {
    const std::vector<ColumnPtr> taken = take_columns(columns, rows, threads);
    ASSERT_EQ(taken.size(), 3U);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto place = static_cast<int64_t>(i);
      for (std::size_t column = 0; column < 3; ++column) {
        ASSERT_EQ(taken[column]->is_null(place), rows[i] < 0 || columns[column]->is_null(rows[i]));
      }
      if (taken[0]->is_valid(place)) {
        ASSERT_EQ(taken[0]->values<int64_t>()[i],
                  number->values<int64_t>()[static_cast<std::size_t>(rows[i])]);
      }
      if (rows[i] >= 0) {
        ASSERT_EQ(taken[1]->text(place), text->text(rows[i]));
      }
    }
    EXPECT_TRUE(equal_bytes(taken[2]->value_buffer(), taken[0]->value_buffer()));
  }
}

TEST(Gather, MorePlacesThanOneChunk) {
  std::mt19937_64 random(5);
  const ColumnPtr column = random_column(random, Type::kInt64, 1'000, true);
  const std::vector<int64_t> rows =
      random_rows(random, 1'000, (int64_t{1} << 20) + 70'001, /*holes=*/true);
  const std::vector<const Column*> columns(2, column.get());
  for (const ColumnPtr& taken : take_columns(columns, rows, 2)) {
    const ColumnPtr one = take(*column, rows);
    ASSERT_EQ(taken->size(), one->size());
    ASSERT_EQ(taken->null_count(), one->null_count());
    ASSERT_TRUE(equal_bytes(taken->value_buffer(), one->value_buffer()));
    for (int64_t row = 0; row < one->size(); ++row) {
      ASSERT_EQ(taken->is_null(row), one->is_null(row));
    }
  }
}

TEST(Gather, MoreColumnsThanARecordHolds) {
  std::mt19937_64 random(4);
  std::vector<ColumnPtr> owned;
  std::vector<const Column*> columns;
  for (int i = 0; i < 70; ++i) {
    owned.push_back(
        random_column(random, i % 3 == 0 ? Type::kBool : Type::kInt64, 5'000, i % 2 == 0));
    columns.push_back(owned.back().get());
  }
  const std::vector<int64_t> rows = random_rows(random, 5'000, 9'000, true);
  const std::vector<ColumnPtr> taken = take_columns(columns, rows, 2);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const ColumnPtr one = take(*columns[i], rows);
    ASSERT_TRUE(equal_bytes(taken[i]->value_buffer(), one->value_buffer()));
    ASSERT_EQ(taken[i]->null_count(), one->null_count());
  }
}

TEST(Gather, NoColumnsAndEmptySources) {
  EXPECT_TRUE(take_columns({}, {}, 2).empty());
  ColumnBuilder builder(Type::kInt64);
  const ColumnPtr empty = builder.finish();
  const std::vector<const Column*> columns = {empty.get()};
  const std::vector<int64_t> rows(300'000, -1);
  const std::vector<ColumnPtr> taken = take_columns(columns, rows, 2);
  EXPECT_EQ(taken[0]->null_count(), 300'000);
}

}  // namespace
}  // namespace assay::data
