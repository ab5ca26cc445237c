#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "catalog/definitions.h"
#include "data/batch.h"
#include "data/expression.h"
#include "data/reject.h"

namespace assay::bronze {

/// What a table of changes (`on_same_key: replace`) asks of its rows: which are tombstones, which
/// miss what they need, and which say what the version before them said.
///
/// Threads immutable.
class RowVersions {
 public:
  /// `declared`: the declared columns.
  /// Errors  kInvalidArgument: delete_when does not compile or is no condition.
  static Result<RowVersions> compile(const catalog::BronzeDef& bronze,
                                     const data::Schema& declared);

  /// 1 for each tombstone. Null is not true.
  [[nodiscard]] Result<std::vector<uint8_t>> tombstones(const data::Batch& rows) const;
  /// Rows without a value that they need, with the column: the key; where there is no tombstone,
  /// also the other required columns.
  [[nodiscard]] data::Rejects missing(const data::Batch& rows,
                                      const std::vector<uint8_t>& tombstones) const;

 private:
  std::vector<std::string> key_;
  std::vector<std::string> required_;  // others than the key
  std::optional<data::Expression> delete_when_;
};

/// The row_key of each row: the bytes of its key columns, none of them null.
data::ColumnPtr row_keys(const data::Batch& rows, const std::vector<std::string>& key);

/// A hash of what each row says in `columns`: equal for rows that are the same record.
std::vector<uint64_t> row_contents(const data::Batch& rows,
                                   const std::vector<std::string>& columns);

}  // namespace assay::bronze
