#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/reject.h"
#include "data/sql_engine.h"
#include "silver/sql_syntax.h"

namespace assay::silver {

/// Finds in one query the rows on which a row-wise SELECT fails.
///
/// For every expression E of the SELECT and its WHERE, TRY((E) IS NULL) is null exactly when E
/// fails: else IS NULL is true or false. Items that are plain columns, constants or stars cannot
/// fail and are left out. DuckDB may see that some E is never null and not compute it at all, so a
/// row may be missed, but none is named in vain. Threads immutable; find runs as its engine does.
class FailingRows {
 public:
  /// For SQL that passed check_row_wise; the table exists in the engine. Nothing when there is no
  /// expression to try, or when they do not stand on their own (an alias of one used in another).
  static std::optional<FailingRows> compile(data::SqlEngine& engine,
                                            const std::string& sql,
                                            const SqlSyntax& syntax,
                                            const std::string& from);

  /// Rows of the table as it is now, ascending, with the result column that could not be computed.
  ///
  /// Errors  the engine's.
  [[nodiscard]] Result<data::Rejects> find(data::SqlEngine& engine) const;

 private:
  std::string sql_;                 // row number, number of the expression
  std::vector<std::string> names_;  // result column of each expression; "" for WHERE
};

}  // namespace assay::silver
