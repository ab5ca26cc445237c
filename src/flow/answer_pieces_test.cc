#include "flow/answer_pieces.h"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::flow {
namespace {

using data::Type;

data::SchemaPtr test_schema() {
  return data::make_schema({{"number", Type::kInt64, true},
                            {"other", Type::kInt64, true},
                            {"flag", Type::kBool, true},
                            {"name", Type::kString, true},
                            {"day", Type::kDate, true},
                            {"small", Type::kInt16, true},
                            {"price", Type::decimal(10, 2), true},
                            {"vector", Type::array(Type::kFloat32, 2), true},
                            {"tags", Type::list(Type::kString), true}});
}

/// The row of a label: made of its number, some values null.
void append_row(int64_t label, data::BatchBuilder& out) {
  if (label % 5 == 0) {
    out.column(0).append_null();
  } else {
    out.column(0).append(label);
  }
  if (label % 7 == 0) {  // nulls in other places than the column before
    out.column(1).append_null();
  } else {
    out.column(1).append(-label);
  }
  out.column(2).append(static_cast<uint8_t>(label % 2));
  if (label % 3 == 0) {
    out.column(3).append_null();
  } else {
    out.column(3).append_text("label " + std::to_string(label));
  }
  out.column(4).append(static_cast<int32_t>(label));
  out.column(5).append(static_cast<int16_t>(label));
  out.column(6).append(data::Int128{label});
  if (label % 4 == 0) {
    out.column(7).append_null();
  } else {
    out.column(7).child(0).append(static_cast<float>(label));
    out.column(7).child(0).append(0.5F);
    out.column(7).append_nested();
  }
  for (int64_t i = 0; i < label % 3; ++i) {
    out.column(8).child(0).append_text(std::to_string(label));
  }
  out.column(8).append_nested();
}

std::vector<data::ColumnPtr> rows_of(const std::vector<uint32_t>& labels) {
  data::BatchBuilder builder(test_schema());
  for (const uint32_t label : labels) {
    append_row(label, builder);
  }
  const data::Batch rows = builder.finish();
  std::vector<data::ColumnPtr> columns;
  for (int i = 0; i < rows.column_count(); ++i) {
    columns.push_back(rows.column_ptr(i));
  }
  return columns;
}

/// Two of three labels have a row; they come shuffled, in pieces of random sizes.
void fill(AnswerPieces& pieces, int64_t labels, int64_t block_labels, Random& random) {
  std::vector<uint32_t> with_row;
  for (int64_t label = 0; label < labels; ++label) {
    if (label % 3 != 1) {
      with_row.push_back(static_cast<uint32_t>(label));
    }
  }
  for (std::size_t i = with_row.size(); i > 1; --i) {
    std::swap(with_row[i - 1], with_row[random.below(i)]);
  }
  std::size_t begin = 0;
  while (begin < with_row.size()) {
    const std::size_t end = std::min(with_row.size(), begin + 1 + random.below(200));
    std::vector<uint32_t> piece(with_row.begin() + static_cast<std::ptrdiff_t>(begin),
                                with_row.begin() + static_cast<std::ptrdiff_t>(end));
    std::stable_sort(piece.begin(), piece.end(), [&](uint32_t a, uint32_t b) {
      return a / block_labels < b / block_labels;
    });
    ASSERT_TRUE(pieces.put(piece, rows_of(piece)).ok());
    begin = end;
  }
}

void expect_rows(const AnswerPieces& pieces, int64_t labels, int64_t block_labels) {
  int64_t label = 0;
  for (int64_t block = 0; block < pieces.blocks(); ++block) {
    const Result<AnswerPieces::Block> taken = pieces.take(block);
    ASSERT_TRUE(taken.ok()) << taken.status().to_string();
    ASSERT_EQ(static_cast<int64_t>(taken->row_of_label.size()),
              std::min(block_labels, labels - block * block_labels));
    for (std::size_t at = 0; at < taken->row_of_label.size(); ++at) {
      const int64_t row = taken->row_of_label[at];
      ASSERT_EQ(row, label % 3 != 1 ? static_cast<int64_t>(at) : -1);
      for (int i = 0; row < 0 && i < taken->rows.column_count(); ++i) {
        ASSERT_TRUE(taken->rows.column(i).is_null(static_cast<int64_t>(at)));
      }
      if (row >= 0) {
        data::BatchBuilder one(test_schema());
        append_row(label, one);
        const data::Batch expected = one.finish();
        for (int i = 0; i < expected.column_count(); ++i) {
          ASSERT_EQ(taken->rows.column(i).scalar(row), expected.column(i).scalar(0)) << label;
        }
      }
      ++label;
    }
  }
  EXPECT_EQ(label, labels);
}

TEST(AnswerPieces, GivesEachLabelItsRowFromMemoryAndFromDisk) {
  const auto random = seeded_random(5);
  for (const std::size_t memory : {std::size_t{1} << 30, std::size_t{20'000}, std::size_t{0}}) {
    AnswerPieces pieces(test_schema(), 3'001, 256, testing::TempDir(), memory);
    EXPECT_EQ(pieces.blocks(), 12);
    fill(pieces, 3'001, 256, *random);
    EXPECT_EQ(pieces.spilled_bytes() > 0, memory < 1'000'000);
    expect_rows(pieces, 3'001, 256);
  }
}

TEST(AnswerPieces, NoLabelsHaveNoBlocks) {
  const AnswerPieces pieces(test_schema(), 0, 256, testing::TempDir(), 0);
  EXPECT_EQ(pieces.blocks(), 0);
}

TEST(AnswerPieces, AFolderThatIsNotThereIsAnError) {
  AnswerPieces pieces(test_schema(), 10, 256, testing::TempDir() + "/none", 0);
  EXPECT_EQ(pieces.put({1}, rows_of({1})).code(), Code::kNotFound);
}

TEST(AnswerPieces, CutBytesAreCorrupt) {
  std::string bytes;
  append_rows_as_bytes(rows_of({1, 2, 3}), 0, 3, bytes);
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    data::BatchBuilder out(test_schema());
    EXPECT_EQ(
        rows_from_bytes(std::string_view(bytes).substr(0, size), *test_schema(), 3, out).code(),
        size == bytes.size() ? Code::kOk : Code::kCorrupt);
  }
  data::BatchBuilder out(test_schema());
  EXPECT_EQ(rows_from_bytes(bytes + "x", *test_schema(), 3, out).code(), Code::kCorrupt);
}

}  // namespace
}  // namespace assay::flow
