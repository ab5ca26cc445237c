#include "data/piece_writer.h"

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <span>
#include <system_error>
#include <utility>

#include "base/append_file.h"
#include "data/parquet.h"
#include "data/parquet_file.h"
#include "data/partition.h"

namespace assay::data {
namespace {

/// Piece after piece on the reader's thread.
class PiecesInOrder : public BatchReader {
 public:
  explicit PiecesInOrder(PieceReader& pieces) : pieces_(pieces) {}
  [[nodiscard]] const SchemaPtr& schema() const override { return pieces_.schema(); }
  Result<std::optional<Batch>> next() override {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<PieceReader::Piece> piece, pieces_.next());
    if (!piece) {
      return std::optional<Batch>();
    }
    ASSAY_ASSIGN_OR_RETURN(Batch rows, (*piece)());
    return std::optional<Batch>(std::move(rows));
  }

 private:
  PieceReader& pieces_;
};

/// Every thread takes a piece, makes it, encodes it, waits for those before it and writes.
class FlatWriter {
 public:
  FlatWriter(PieceReader& pieces, std::string path)
      : pieces_(pieces), path_(std::move(path)), file_(pieces.schema(), "assay") {}

  Status write(int threads) {
    ASSAY_RETURN_IF_ERROR(append_bytes(path_, ParquetFile::kBegin));
    on_threads(threads, [&](int) {
      ParquetEncoder encoder;
      while (write_one(encoder)) {
      }
    });
    ASSAY_RETURN_IF_ERROR(status_);
    return append_bytes(path_, file_.end());
  }

 private:
  /// False: there is no more to do.
  bool write_one(ParquetEncoder& encoder) {
    int64_t number = 0;
    std::optional<PieceReader::Piece> piece;
    {
      const std::lock_guard lock(reading_);
      Result<std::optional<PieceReader::Piece>> next = pieces_.next();
      if (!next.ok()) {
        fail(next.status());
      }
      if (!next.ok() || !next->has_value() || has_failed()) {
        return false;
      }
      piece = *std::move(next);
      number = taken_++;
    }
    Result<ParquetRowGroup> group = encode(encoder, *piece);
    piece.reset();
    std::unique_lock lock(writing_);
    if (!group.ok()) {
      status_ = status_.ok() ? group.status() : status_;
    }
    turn_.wait(lock, [&] { return written_ == number || !status_.ok(); });
    if (status_.ok() && group->rows > 0) {
      status_ = append_bytes(path_, group->bytes);
      file_.add(*group);
    }
    ++written_;
    turn_.notify_all();
    return status_.ok();
  }

  static Result<ParquetRowGroup> encode(ParquetEncoder& encoder, const PieceReader::Piece& piece) {
    ASSAY_ASSIGN_OR_RETURN(const Batch rows, piece());
    if (rows.rows() == 0) {
      return ParquetRowGroup{};
    }
    return encoder.encode(std::span(&rows, 1));
  }

  void fail(const Status& status) {
    const std::lock_guard lock(writing_);
    status_ = status_.ok() ? status : status_;
    turn_.notify_all();
  }
  bool has_failed() {
    const std::lock_guard lock(writing_);
    return !status_.ok();
  }

  PieceReader& pieces_;
  std::string path_;
  std::mutex reading_;
  int64_t taken_ = 0;  // pieces, under reading_
  std::mutex writing_;
  std::condition_variable turn_;
  ParquetFile file_;  // these under writing_
  int64_t written_ = 0;
  Status status_;  // the first failure
};

bool is_parquet(const std::string& path) {
  return std::filesystem::path(path).extension() == ".parquet";
}

}  // namespace

Status write_pieces(SqlEngine& engine, PieceReader& pieces, const std::string& path, int threads) {
  if (!is_parquet(path) || !is_flat(*pieces.schema())) {
    PiecesInOrder rows(pieces);
    return write_stream(engine, rows, path);
  }
  const std::string unfinished = path + ".part";
  std::error_code error;
  std::filesystem::remove(unfinished, error);  // of a run that was killed
  Status done = FlatWriter(pieces, unfinished).write(threads);
  if (done.ok()) {
    std::filesystem::rename(unfinished, path, error);
    if (error) {
      done = Status(Code::kUnavailable, error.message());
    }
  }
  if (!done.ok()) {
    std::filesystem::remove(unfinished, error);
    return done.with_context("write " + path);
  }
  return done;
}

}  // namespace assay::data
