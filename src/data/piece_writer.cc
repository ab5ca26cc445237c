#include "data/piece_writer.h"

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <span>
#include <system_error>
#include <utility>

#include <unistd.h>

#include "base/append_file.h"
#include "base/file_system.h"
#include "base/system_error.h"
#include "base/whole_file.h"
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
      : pieces_(pieces),
        path_(std::move(path)),
        file_(pieces.schema(), "assay version " ASSAY_VERSION) {}

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
    Result<std::optional<PieceReader::Piece>> piece = std::optional<PieceReader::Piece>();
    {
      const std::lock_guard lock(reading_);
      if (is_at_end_) {
        return false;
      }
      piece = pieces_.next();
      is_at_end_ = !piece.ok() || !piece->has_value();
      if (piece.ok() && is_at_end_) {
        return false;
      }
      number = taken_++;
    }
    const Result<ParquetRowGroup> group = encode(encoder, std::move(piece));
    std::unique_lock lock(writing_);
    turn_.wait(lock, [&] { return written_ == number || !status_.ok(); });
    if (status_.ok()) {  // else a piece before this one has failed
      status_ = group.ok() ? put(*group) : group.status();
    }
    ++written_;
    turn_.notify_all();
    return status_.ok();
  }

  static Result<ParquetRowGroup> encode(ParquetEncoder& encoder,
                                        Result<std::optional<PieceReader::Piece>> piece) {
    ASSAY_RETURN_IF_ERROR(piece.status());
    ASSAY_ASSIGN_OR_RETURN(const Batch rows, (**piece)());
    if (rows.rows() == 0) {
      return ParquetRowGroup{};
    }
    return encoder.encode(std::span(&rows, 1));
  }

  Status put(const ParquetRowGroup& group) {
    if (group.rows == 0) {
      return {};
    }
    file_.add(group);
    return append_bytes(path_, group.bytes);
  }

  PieceReader& pieces_;
  std::string path_;
  std::mutex reading_;
  int64_t taken_ = 0;       // pieces, under reading_
  bool is_at_end_ = false;  // or could not be read on, under reading_
  std::mutex writing_;
  std::condition_variable turn_;
  ParquetFile file_;  // these under writing_
  int64_t written_ = 0;
  Status status_;  // the failure of the first piece that fails
};

bool is_parquet(const std::string& path) {
  return std::filesystem::path(path).extension() == ".parquet";
}

}  // namespace

Status write_pieces(SqlEngine& engine, PieceReader& pieces, const std::string& named, int threads) {
  const std::string path = follow_links(named);
  if (!is_parquet(path) || !is_flat(*pieces.schema()) || is_special_file(path)) {
    PiecesInOrder rows(pieces);
    return write_stream(engine, rows, path);
  }
  // (Two processes that write the same file do not write into each other's.)
  const std::string unfinished = path + "." + std::to_string(::getpid()) + ".part";
  std::error_code error;
  std::filesystem::remove(unfinished, error);  // of a process that was killed
  const auto files = system_files();
  Status done = FlatWriter(pieces, unfinished).write(threads);
  done = done.ok() ? files->sync(unfinished) : done;
  if (done.ok()) {
    std::filesystem::rename(unfinished, path, error);
    done = error ? Status(code_of_errno(error.value()), error.message())
                 : files->sync(parent_path(path));
  }
  if (!done.ok()) {
    std::filesystem::remove(unfinished, error);
    return done.with_context("write " + path);
  }
  return done;
}

}  // namespace assay::data
