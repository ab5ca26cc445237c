#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/scratch_file.h"
#include "data/batch.h"

namespace assay::flow {

/// Rows on their way from the order of a table to the order of labels: put in pieces as they are
/// found, taken out label block after label block. What does not fit into memory lies in a scratch
/// file.
///
/// Threads one thread at a time; take() any number, once all is put.
/// Cost    memory_bytes_max of rows held, and one block when it is taken.
class AnswerPieces {
 public:
  /// `labels`: how many; block b is [b * block_labels, (b + 1) * block_labels).
  AnswerPieces(data::SchemaPtr schema,
               int64_t labels,
               int64_t block_labels,
               std::string scratch_folder,
               std::size_t memory_bytes_max);

  /// The blocks that there are.
  [[nodiscard]] int64_t blocks() const { return blocks_; }
  [[nodiscard]] int64_t block_labels() const { return block_labels_; }
  /// Put rows (under the schema) for these labels, which are sorted by block; no label twice.
  ///
  /// Errors  those of ScratchFile.
  Status put(std::vector<uint32_t> labels, std::vector<data::ColumnPtr> columns);
  /// One row for each label of a block, nulls where none was put, and for each label its own place;
  /// -1: none was put.
  struct Block {
    data::Batch rows;
    std::vector<int64_t> row_of_label;
  };
  [[nodiscard]] Result<Block> take(int64_t block) const;
  [[nodiscard]] int64_t spilled_bytes() const { return scratch_ ? scratch_->size() : 0; }

 private:
  struct Piece {
    std::vector<uint32_t> labels;
    std::vector<data::ColumnPtr> columns;  // none when it lies in the scratch file
    std::vector<std::size_t> begins;       // of each block, in rows
    std::vector<int64_t> offsets;          // of each block, in the scratch file
  };
  /// Rows that were put for one block.
  struct Part {
    std::span<const uint32_t> labels;
    const std::vector<data::ColumnPtr>* columns = nullptr;
    std::size_t begin = 0;  // of its rows in the columns
  };
  Status spill(Piece& piece);
  Result<std::vector<data::ColumnPtr>> read_spilled(const Piece& piece, std::size_t block) const;

  data::SchemaPtr schema_;
  int64_t labels_;
  int64_t block_labels_;
  int64_t blocks_;
  std::string scratch_folder_;
  std::size_t memory_bytes_max_;
  std::size_t memory_bytes_ = 0;
  std::vector<Piece> pieces_;
  std::optional<ScratchFile> scratch_;
};

/// Append rows [begin, end) of columns as bytes, and read them back. Not for other machines or
/// versions.
void append_rows_as_bytes(const std::vector<data::ColumnPtr>& columns,
                          int64_t begin,
                          int64_t end,
                          std::string& bytes);
/// Errors  kCorrupt: bytes that are no such rows.
Status rows_from_bytes(std::string_view bytes,
                       const data::Schema& schema,
                       int64_t rows,
                       data::BatchBuilder& out);

}  // namespace assay::flow
