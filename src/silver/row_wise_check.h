#pragma once

#include <string>

#include "base/status.h"
#include "data/schema.h"
#include "data/sql_engine.h"
#include "silver/sql_syntax.h"

namespace assay::silver {

/// Refuse whatever is not one plain row-wise SELECT over exactly the table `from`; see
/// RowWiseSql::compile for the list.
Status check_row_wise(data::SqlEngine& engine,
                      const SqlSyntax& syntax,
                      const std::string& from,
                      const data::Schema& input);

}  // namespace assay::silver
