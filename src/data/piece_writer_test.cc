#include "data/piece_writer.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "data/parquet.h"

namespace assay::data {
namespace {

/// A folder that is gone at the end of the test.
std::size_t files_in(const TempFolder& folder) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(folder.path()), {}));
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Slices of a batch; one of them may fail.
class Slices : public PieceReader {
 public:
  Slices(Batch batch, int64_t rows, int64_t bad = -1)
      : batch_(std::move(batch)), rows_(rows), bad_(bad) {}
  [[nodiscard]] const SchemaPtr& schema() const override { return batch_.schema_ptr(); }
  Result<std::optional<Piece>> next() override {
    const int64_t begin = number_ * rows_;
    if (begin >= batch_.rows()) {
      return std::optional<Piece>();
    }
    const bool bad = number_++ == bad_;
    return std::optional<Piece>([this, begin, bad]() -> Result<Batch> {
      if (bad) {
        return Status(Code::kAborted, "this piece is bad");
      }
      return batch_.slice(begin, std::min(begin + rows_, batch_.rows()));
    });
  }

 private:
  Batch batch_;
  int64_t rows_;
  int64_t bad_;
  int64_t number_ = 0;
};

Batch some_rows(SqlEngine& engine, int rows) {
  return engine
      .query(
          "SELECT x AS i, x / 7 AS d, CASE WHEN x % 3 > 0 THEN 'text ' || x % 11 END AS s, "
          "CASE WHEN x % 2 = 0 THEN -(0::DOUBLE) ELSE 0::DOUBLE END AS z FROM range(" +
          std::to_string(rows) + ") r(x)")
      .value();
}

TEST(PieceWriter, ThreadsChangeNeitherRowsNorBytes) {
  const TempFolder folder;
  const auto engine = SqlEngine::open({}).value();
  const Batch rows = some_rows(*engine, 10'000);
  std::string first;
  for (const int threads : {1, 2, 5}) {
    Slices pieces(rows, 700);
    const std::string path = folder.file("a.parquet");
    ASSERT_TRUE(write_pieces(*engine, pieces, path, threads).ok());
    EXPECT_EQ(content_hash(read_file(*engine, path).value()), content_hash(rows));
    EXPECT_EQ(files_in(folder), 1U);
    first = first.empty() ? bytes_of(path) : first;
    EXPECT_EQ(bytes_of(path), first);
  }
}

TEST(PieceWriter, NoRowsAreAFileToo) {
  const TempFolder folder;
  const auto engine = SqlEngine::open({}).value();
  Slices pieces(some_rows(*engine, 0), 10);
  ASSERT_TRUE(write_pieces(*engine, pieces, folder.file("a.parquet"), 2).ok());
  const Batch back = read_file(*engine, folder.file("a.parquet")).value();
  EXPECT_EQ(back.rows(), 0);
  EXPECT_EQ(back.schema(), *pieces.schema());
}

TEST(PieceWriter, WhatFailsLeavesWhatWas) {
  const TempFolder folder;
  const auto engine = SqlEngine::open({}).value();
  const std::string path = folder.file("a.parquet");
  for (const int threads : {1, 3}) {
    for (const int64_t bad : {0, 4, 9}) {
      Slices pieces(some_rows(*engine, 1'000), 100, bad);
      EXPECT_EQ(write_pieces(*engine, pieces, path, threads).code(), Code::kAborted);
      EXPECT_EQ(files_in(folder), 0U);
    }
  }
  std::ofstream(path) << "what was";
  Slices pieces(some_rows(*engine, 1'000), 100, 5);
  EXPECT_EQ(write_pieces(*engine, pieces, path, 2).code(), Code::kAborted);
  EXPECT_EQ(bytes_of(path), "what was");
  Slices good(some_rows(*engine, 10), 100);
  EXPECT_EQ(write_pieces(*engine, good, folder.file("none/a.parquet"), 2).code(), Code::kNotFound);
  EXPECT_EQ(write_pieces(*engine, good, folder.file("a.txt"), 2).code(), Code::kInvalidArgument);
}

TEST(PieceWriter, NestedRowsAndCsvAreWrittenByTheEngine) {
  const TempFolder folder;
  const auto engine = SqlEngine::open({}).value();
  const Batch nested =
      engine->query("SELECT x AS i, [x, x + 1] AS l FROM range(1000) r(x)").value();
  Slices pieces(nested, 300);
  ASSERT_TRUE(write_pieces(*engine, pieces, folder.file("a.parquet"), 2).ok());
  EXPECT_EQ(content_hash(read_file(*engine, folder.file("a.parquet")).value()),
            content_hash(nested));
  Slices flat(engine->query("SELECT x AS i FROM range(3) r(x)").value(), 2);
  ASSERT_TRUE(write_pieces(*engine, flat, folder.file("a.csv"), 2).ok());
  EXPECT_EQ(bytes_of(folder.file("a.csv")), "i\n0\n1\n2\n");
}

}  // namespace
}  // namespace assay::data
