#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/status.h"
#include "data/batch.h"
#include "data/sql_engine.h"

namespace assay::data {

/// A table that is made in pieces, on several threads at once.
class PieceReader {
 public:
  /// Makes the rows of one piece; run once, on the thread that took it, or never.
  using Piece = std::function<Result<Batch>()>;

  virtual ~PieceReader() = default;
  [[nodiscard]] virtual const SchemaPtr& schema() const = 0;
  /// The next piece, or nothing behind the last one.
  ///
  /// Threads one at a time, any of them.
  virtual Result<std::optional<Piece>> next() = 0;
};

/// Write the rows of all pieces, in order, as one file, replacing what is there: .parquet, each
/// piece a row group, or .csv (as write_csv). Equal rows in equal pieces give equal bytes, whatever
/// threads. Until all is well nothing of the name is there but what was.
///
/// engine  writes nested columns and CSV, on one thread.
/// Errors  kInvalidArgument: another suffix; that of the first piece that fails;
/// kResourceExhausted: disk. Cost    memory: a piece and its row group for each thread.
Status write_pieces(SqlEngine& engine, PieceReader& pieces, const std::string& path, int threads);

}  // namespace assay::data
